/* What the C tests share: a check that stays in every build, a clean environment, and a look into output files. */
#ifndef CHECK_H
#define CHECK_H

#include "logfusion.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Counts what was checked, for the line that a passing test prints. */
static int checks_done = 0;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        checks_done += 1;                                                                                              \
        if (!(condition)) {                                                                                            \
            check_failed(__FILE__, __LINE__, #condition);                                                              \
        }                                                                                                              \
    } while (0)

/* Checks a number and shows both when they differ: CHECK_EQ(logfusion_flush(1000), LOGFUSION_OK). */
#define CHECK_EQ(got, expected) check_eq(__FILE__, __LINE__, #got, (long long)(got), (long long)(expected))

static inline void check_failed(const char *file, int line, const char *condition) {
    char why[512];
    logfusion_last_error(why, sizeof why);
    fprintf(stderr, "%s:%d: failed: %s\n  last error: %s\n", file, line, condition, why);
    exit(1);
}

static inline void check_eq(const char *file, int line, const char *what, long long got, long long expected) {
    checks_done += 1;
    if (got != expected) {
        char text[512];
        snprintf(text, sizeof text, "%s is %lld, expected %lld", what, got, expected);
        check_failed(file, line, text);
    }
}

/* Whether the call that just returned a negative status left a last error; clears it. */
static inline int check_last_error(void) {
    char why[256];
    size_t length = logfusion_last_error(why, sizeof why);
    logfusion_clear_last_error();
    return length > 0 && why[0] != '\0';
}

/* The scratch directory from the command line. Forgets the engine's variables: they win over a test's settings. */
static inline const char *check_start(int argc, char **argv) {
    static const char *const variables[] = {
        "LOGFUSION_LOG",         "RUST_LOG",               "LOGFUSION_FORMAT",    "LOGFUSION_OUTPUT",
        "LOGFUSION_COLOR",       "LOGFUSION_ROTATE_BYTES", "LOGFUSION_ROTATE",    "LOGFUSION_KEEP_FILES",
        "LOGFUSION_RING_BYTES",  "LOGFUSION_RINGS_MAX_BYTES", "LOGFUSION_OVERFLOW", "LOGFUSION_IDLE_US",
        "LOGFUSION_DRAIN",       "LOGFUSION_DRAIN_CPU",    "LOGFUSION_CLOCK",     "LOGFUSION_FILTER_FILE", "LOGFUSION_SPAN_CLOSE",
    };
    if (argc != 2) {
        fprintf(stderr, "usage: %s SCRATCH_DIRECTORY\n", argv[0]);
        exit(2);
    }
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        unsetenv(variables[i]);
    }
    return argv[1];
}

static inline int check_end(const char *name) {
    printf("%s: %d checks\n", name, checks_done);
    return 0;
}

static inline const char *check_path(char *buffer, size_t size, const char *directory, const char *name) {
    snprintf(buffer, size, "%s/%s", directory, name);
    return buffer;
}

/* The whole file as NUL-terminated text, to be freed; "" when there is none. */
static inline char *check_read(const char *path) {
    FILE *file = fopen(path, "rb");
    size_t capacity = 1 << 16, length = 0;
    char *text = (char *)malloc(capacity);
    if (text == NULL) {
        abort();
    }
    if (file != NULL) {
        size_t got;
        while ((got = fread(text + length, 1, capacity - length - 1, file)) > 0) {
            length += got;
            if (length == capacity - 1) {
                capacity *= 2;
                text = (char *)realloc(text, capacity);
                if (text == NULL) {
                    abort();
                }
            }
        }
        fclose(file);
    }
    text[length] = '\0';
    return text;
}

/* How often `needle` is in `text`. Without strstr: the address sanitizer's measures the whole text at each call. */
static inline size_t check_count(const char *text, const char *needle) {
    size_t count = 0;
    for (const char *at = text; *at != '\0'; at++) {
        size_t same = 0;
        while (needle[same] != '\0' && at[same] == needle[same]) {
            same += 1;
        }
        count += needle[same] == '\0';
    }
    return count;
}

/* Whether the one line of `text` that contains `key` contains `part` too. */
static inline int check_line_has(const char *text, const char *key, const char *part) {
    const char *found = strstr(text, key);
    if (found == NULL) {
        return 0;
    }
    const char *begin = found;
    while (begin > text && begin[-1] != '\n') {
        begin -= 1;
    }
    const char *end = strchr(found, '\n');
    const char *hit = strstr(begin, part);
    return hit != NULL && (end == NULL || hit < end);
}

static inline void check_sleep_ms(long ms) {
    struct timespec rest;
    rest.tv_sec = ms / 1000;
    rest.tv_nsec = ms % 1000 * 1000000L;
    nanosleep(&rest, NULL);
}

static inline long long check_now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (long long)now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* For qsort: numbers from the smallest. */
static inline int check_by_size(const void *one, const void *other) {
    const long long a = *(const long long *)one, b = *(const long long *)other;
    return (a > b) - (a < b);
}

/* The ledger's equations, for the sum and for every thread. `quiet`: nothing is queued any more. */
static inline void check_ledger(int quiet) {
    logfusion_stats_t sum;
    logfusion_thread_stats_t threads[64];
    size_t count = sizeof threads / sizeof threads[0];

    sum.size = sizeof sum;
    threads[0].size = sizeof threads[0];
    CHECK_EQ(logfusion_stats(&sum), LOGFUSION_OK);
    CHECK_EQ(logfusion_stats_threads(threads, &count), LOGFUSION_OK);
    CHECK(count <= 64);

    uint64_t offered = 0, dropped_levels = 0;
    for (size_t i = 0; i < count; i++) {
        const logfusion_thread_stats_t *t = &threads[i];
        uint64_t dropped = 0;
        CHECK_EQ(t->size, sizeof *t);
        for (int level = 0; level < LOGFUSION_LEVELS; level++) {
            dropped += t->dropped[level];
        }
        CHECK_EQ(t->dropped[0], 0);
        CHECK_EQ(dropped, t->dropped_full + t->dropped_reentered + t->dropped_timeout + t->dropped_memory +
                              t->dropped_other);
        CHECK_EQ(t->offered, t->accepted + dropped);
        CHECK_EQ(t->accepted, t->delivered + t->filtered + t->failed + t->queued);
        if (quiet) {
            CHECK_EQ(t->queued, 0);
        }
        CHECK(memchr(t->name, '\0', sizeof t->name) != NULL);
        offered += t->offered;
        dropped_levels += dropped;
    }
    CHECK_EQ(sum.offered, offered + sum.dropped_without_ring);
    CHECK_EQ(sum.offered, sum.accepted + dropped_levels + sum.dropped_without_ring);
    CHECK_EQ(sum.accepted, sum.delivered + sum.filtered + sum.failed + sum.queued);
    CHECK_EQ(sum.threads_live + sum.threads_ended, count);
}

#endif
