/*
 * track ROW SCRATCH_DIRECTORY: does one thing CALLS times inside of `counted`, whose instructions ci/bench-track counts with
 * callgrind: those of a machine do not depend on its neighbours. Without arguments it prints the rows and CALLS.
 */
#include "logfusion.h"

#include <stdlib.h>
#include <string.h>

enum { CALLS = 2048, BATCH = 64 };

static const char TEXT_35[] = "player 142 joined, 37 ms round trip";
static volatile int some_int = 142;
static volatile double some_double = 37.25;

static void track_statement(const char *text) {
    (void)text;
    const double c = some_double;
    for (int i = 0; i < CALLS; i++) {
        LF_INFO("track", "{a} {b} {c}", LF_KV("a", some_int), LF_KV("b", i), LF_KV("c", c));
    }
}

static void track_statement_text(const char *text) {
    for (int i = 0; i < CALLS; i++) {
        LF_INFO("track", "{a} {b} {text}", LF_KV("a", some_int), LF_KV("b", i), LF_KV("text", text));
    }
}

static void track_disabled_statement(const char *text) {
    for (int i = 0; i < CALLS; i++) {
        LF_DEBUG("track", "{a} {text}", LF_KV("a", i), LF_KV("text", text));
    }
}

static void track_log(const char *text) {
    for (int i = 0; i < CALLS; i++) {
        logfusion_log(LOGFUSION_INFO, "track", text);
    }
}

static void track_disabled_log(const char *text) {
    for (int i = 0; i < CALLS; i++) {
        logfusion_log(LOGFUSION_DEBUG, "track", text);
    }
}

static void track_guide_log(const char *text) {
    for (int i = 0; i < CALLS; i++) {
        logfusion_log_info(text);
    }
}

static void track_batch(const char *text) {
    logfusion_entry entries[BATCH];
    for (int i = 0; i < BATCH; i++) {
        entries[i] = logfusion_entry_make(LOGFUSION_INFO, "track", text);
        entries[i].target_length = 5;
        entries[i].message_length = 35;
    }
    for (int i = 0; i < CALLS / BATCH; i++) {
        logfusion_log_batch(entries, BATCH);
    }
}

static void track_span(const char *text) {
    (void)text;
    for (int i = 0; i < CALLS; i++) {
        LF_SPAN("track", "span", LF_KV("i", i));
    }
}

static void track_drain(const char *text) {
    (void)text;
    logfusion_drain(UINT64_MAX);
}

/* Not inlined, and not static: callgrind finds it by its name. */
void counted(void (*function)(const char *), const char *text);
__attribute__((noinline)) void counted(void (*function)(const char *), const char *text) {
    function(text);
    __asm__ __volatile__(""); /* no tail call */
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*function)(const char *);
        int is_drain; /* what `function` has logged is then drained, and that is counted */
        int format;
    } rows[] = {
        {"statement", track_statement, 0, LOGFUSION_FORMAT_TEXT},
        {"statement_text", track_statement_text, 0, LOGFUSION_FORMAT_TEXT},
        {"disabled_statement", track_disabled_statement, 0, LOGFUSION_FORMAT_TEXT},
        {"log", track_log, 0, LOGFUSION_FORMAT_TEXT},
        {"disabled_log", track_disabled_log, 0, LOGFUSION_FORMAT_TEXT},
        {"guide_log", track_guide_log, 0, LOGFUSION_FORMAT_TEXT},
        {"batch", track_batch, 0, LOGFUSION_FORMAT_TEXT},
        {"span", track_span, 0, LOGFUSION_FORMAT_TEXT},
        {"drain_log_to_text", track_log, 1, LOGFUSION_FORMAT_TEXT},
        {"drain_log_to_json", track_log, 1, LOGFUSION_FORMAT_JSON},
        {"drain_statement_to_text", track_statement_text, 1, LOGFUSION_FORMAT_TEXT},
        {"drain_statement_to_json", track_statement_text, 1, LOGFUSION_FORMAT_JSON},
        {"drain_statement_to_logfmt", track_statement_text, 1, LOGFUSION_FORMAT_LOGFMT},
        {"drain_span_to_text", track_span, 1, LOGFUSION_FORMAT_TEXT},
    };
    char path[4096];
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    const char *volatile hidden = TEXT_35;

    if (argc == 1) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            printf("%s %d\n", rows[i].name, (int)CALLS);
        }
        return 0;
    }
    for (size_t i = 0; argc == 3 && i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(argv[1], rows[i].name) != 0) {
            continue;
        }
        snprintf(path, sizeof path, "%s/track.log", argv[2]);
        config.output = path;
        config.format = rows[i].format;
        config.drain = LOGFUSION_DRAIN_MANUAL;
        config.ring_bytes = 4u << 20;
        if (logfusion_init_with(&config) != LOGFUSION_OK) {
            return 1;
        }
        /* First uses are not counted. */
        rows[i].function(hidden);
        logfusion_drain(UINT64_MAX);
        if (rows[i].is_drain) {
            rows[i].function(hidden);
            counted(track_drain, hidden);
        } else {
            counted(rows[i].function, hidden);
        }
        logfusion_stats_t stats;
        stats.size = sizeof stats;
        const int failed = logfusion_flush(-1) != LOGFUSION_OK || logfusion_stats(&stats) != LOGFUSION_OK ||
                           stats.accepted != stats.delivered || stats.failed != 0;
        if (failed) {
            fprintf(stderr, "track: %s: records are missing\n", argv[1]);
        }
        return failed;
    }
    return 2;
}
