/* LF_SPAN and what goes with it, in C: what is inside, when a block is left, when fields are evaluated, hostile calls. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>

static char *text;
static const char *path;

static const char *written(void) {
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
    free(text);
    text = check_read(path);
    return text;
}

static int evaluated;
static int next(void) { return ++evaluated; }

static int leaves_early(int how) {
    LF_SPAN("spans::early", "early", LF_KV("how", how));
    if (how == 1) {
        LF_INFO("spans::early", "returns");
        return 1;
    }
    for (int i = 0; i < 3; i++) {
        LF_SPAN("spans::early", "step", LF_KV("i", i));
        LF_INFO("spans::early", "step_{i}", LF_KV("i", i));
        if (i == 1) {
            break;
        }
    }
    LF_INFO("spans::early", "end_of_block");
    return 0;
}

static void blocks(void) {
    const bool on = true;
    CHECK_EQ(leaves_early(1), 1);
    CHECK_EQ(leaves_early(0), 0);
    LF_INFO("spans::early", "outside");
    {
        LF_SPAN_AT(LOGFUSION_WARN, "spans::kinds", "kinds", LF_KV("a", -1), LF_KV("b", 2u), LF_KV("c", 0.5), LF_KV("d", on),
                   LF_KV("e", "text"), LF_KV_N("f", "part", 2));
        LF_INFO("spans::kinds", "of_all_kinds");
    }
    written();
    CHECK(check_line_has(text, "returns", "\"span\":{\"how\":1,\"name\":\"early\"},\"spans\":[{\"how\":1,\"name\":\"early\"}]"));
    CHECK(check_line_has(text, "step_1",
                         "\"span\":{\"i\":1,\"name\":\"step\"},\"spans\":[{\"how\":0,\"name\":\"early\"},{\"i\":1,\"name\":\"step\"}]"));
    CHECK_EQ(check_count(text, "step_2"), 0);
    CHECK(check_line_has(text, "end_of_block", "\"spans\":[{\"how\":0,\"name\":\"early\"}]"));
    CHECK(!check_line_has(text, "outside", "span\":"));
    CHECK(check_line_has(text, "of_all_kinds",
                         "\"span\":{\"a\":-1,\"b\":2,\"c\":0.5,\"d\":true,\"e\":\"text\",\"f\":\"pa\",\"name\":\"kinds\"}"));
}

static void fields_are_evaluated_once_or_never(void) {
    {
        LF_SPAN_AT(LOGFUSION_DEBUG, "spans::off", "off", LF_KV("n", next()));
        CHECK_EQ(evaluated, 0);
        LF_SPAN("spans::on", "on", LF_KV("n", next()), LF_KV("m", next()));
        CHECK_EQ(evaluated, 2);
        LF_INFO("spans::on", "evaluated");
    }
    written();
    CHECK(check_line_has(text, "\"evaluated\"", "\"spans\":[{\"n\":1,\"m\":2,\"name\":\"on\"}]"));
}

/* A filter that is set takes effect on spans as on statements. */
static void filters(void) {
    for (int round = 0; round < 4; round++) {
        CHECK_EQ(logfusion_set_filter(round % 2 == 0 ? "info" : "info,spans::flip=warn"), LOGFUSION_OK);
        LF_SPAN("spans::flip", "flip");
        LF_WARN("spans::flip", "round_{n}", LF_KV("n", round));
        CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK); /* a filter is asked as records are delivered */
    }
    CHECK_EQ(logfusion_set_filter("info"), LOGFUSION_OK);
    written();
    for (int round = 0; round < 4; round++) {
        char key[32];
        snprintf(key, sizeof key, "\"round_%d\"", round);
        CHECK_EQ(check_line_has(text, key, "\"name\":\"flip\""), round % 2 == 0);
    }
}

static jmp_buf home;

static void jumps_out(void) {
    LF_SPAN("spans::jump", "left_by_a_jump");
    LF_INFO("spans::jump", "inside_jump");
    longjmp(home, 1);
}

static void a_jump_leaves_with_the_span_around(void) {
    {
        LF_SPAN("spans::jump", "around");
        if (setjmp(home) == 0) {
            jumps_out();
        }
    }
    LF_INFO("spans::jump", "after_jump");
    written();
    CHECK(check_line_has(text, "\"inside_jump\"", "\"name\":\"left_by_a_jump\""));
    CHECK(!check_line_has(text, "\"after_jump\"", "\"span\""));
}

static void *with_context(void *argument) {
    char value[32];
    snprintf(value, sizeof value, "worker-%d", *(int *)argument);
    CHECK_EQ(logfusion_context_set("worker", value), LOGFUSION_OK);
    for (int i = 0; i < 200; i++) {
        LF_SPAN("spans::threads", "work", LF_KV("i", i));
        LF_INFO("spans::threads", "{w}", LF_KV("w", value), LF_KV("i", i));
    }
    return NULL;
}

/* Each record of four threads has its own thread's context and span. */
static void threads(void) {
    pthread_t all[4];
    int numbers[4];
    for (int i = 0; i < 4; i++) {
        numbers[i] = i;
        CHECK_EQ(pthread_create(&all[i], NULL, with_context, &numbers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(all[i], NULL);
    }
    written();
    int lines = 0;
    for (char *line = text, *end; *line != '\0'; line = end + 1) {
        int worker, i;
        char expected[256];
        end = strchr(line, '\n');
        *end = '\0';
        const char *const fields = strstr(line, "{\"message\":\"worker-");
        if (fields != NULL && sscanf(fields, "{\"message\":\"worker-%d\",\"w\":\"worker-%*d\",\"i\":%d", &worker, &i) == 2) {
            snprintf(expected, sizeof expected, "\"i\":%d,\"context.worker\":\"worker-%d\"}", i, worker);
            CHECK(strstr(line, expected) != NULL);
            snprintf(expected, sizeof expected, "\"span\":{\"i\":%d,\"name\":\"work\"}", i);
            CHECK(strstr(line, expected) != NULL);
            lines += 1;
        }
    }
    CHECK_EQ(lines, 800);
}

static void hostile_calls(void) {
    logfusion_field fields[40];
    for (int i = 0; i < 40; i++) {
        fields[i] = logfusion_field_i64("k", i);
    }
    const uint64_t many = logfusion_span_enter(LOGFUSION_INFO, "spans::hostile", "too many fields", fields, 40);
    CHECK(many != 0);
    CHECK(check_last_error());
    CHECK_EQ(logfusion_span_enter(LOGFUSION_INFO, "spans::hostile", "overflow", fields, SIZE_MAX / 8), 0);
    CHECK(check_last_error());
    const uint64_t strange = logfusion_span_enter(77, NULL, "\xff\n\x1b[31m", NULL, 0);
    CHECK(strange != 0);
    LF_INFO("spans::hostile", "in_strange");
    CHECK_EQ(logfusion_span_exit(many), LOGFUSION_OK);
    const uint64_t guesses[] = {1, UINT64_MAX, strange, many, many ^ 1, (uint64_t)1 << 32, ((uint64_t)7 << 32) | 64};
    for (size_t i = 0; i < sizeof guesses / sizeof guesses[0]; i++) {
        CHECK_EQ(logfusion_span_exit(guesses[i]), LOGFUSION_E_UNKNOWN);
    }
    static char long_text[100001];
    memset(long_text, 'y', 100000);
    CHECK_EQ(logfusion_context_set("long", long_text), LOGFUSION_OK);
    CHECK_EQ(logfusion_context_set(long_text, "long key"), LOGFUSION_OK);
    CHECK_EQ(logfusion_context_set("bad\xff\n", "\xfe\r\x1b"), LOGFUSION_OK);
    LF_INFO("spans::hostile", "with_long_context");
    CHECK_EQ(logfusion_context_clear(NULL), LOGFUSION_OK);
    CHECK_EQ(logfusion_context_clear("never set"), LOGFUSION_OK);
    written();
    CHECK(check_line_has(text, "in_strange", "\"name\":\"\xef\xbf\xbd\\n\\u001b[31m\""));
    CHECK_EQ(check_count(text, "with_long_context"), 1);
    for (const char *at = text; *at != '\0'; at++) {
        CHECK((unsigned char)*at >= 0x20 || *at == '\n');
    }
}

int main(int argc, char **argv) {
    static char place[512];
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    path = check_path(place, sizeof place, check_start(argc, argv), "spans.json");
    config.output = path;
    config.format = LOGFUSION_FORMAT_JSON;
    config.overflow = LOGFUSION_OVERFLOW_BLOCK;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    blocks();
    fields_are_evaluated_once_or_never();
    filters();
    a_jump_leaves_with_the_span_around();
    threads();
    hostile_calls();
    check_ledger(1);
    logfusion_shutdown();
    free(text);
    return check_end("spans");
}
