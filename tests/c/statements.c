/* Statements in C: what each kind of field becomes, when arguments are evaluated, templates, what is seldom, filters. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <stdbool.h>

static char *text;
static const char *path;

/* What has been written so far, anew. */
static const char *written(void) {
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
    free(text);
    text = check_read(path);
    return text;
}

static void start(const char *directory, const char *name, const char *filter) {
    static char place[512];
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    path = check_path(place, sizeof place, directory, name);
    config.output = path;
    config.filter = filter;
    config.format = LOGFUSION_FORMAT_JSON;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
}

static void kinds_of_fields(void) {
    const char array[] = "array";
    char *changeable = (char *)(uintptr_t)array;
    const int *pointer = (const int *)(uintptr_t)0x10;
    const int line = __LINE__ + 1;
    LF_INFO("kinds::all", "{a} {n} {o} {q} {{r}} }} {unknown} {p}", LF_KV("a", (signed char)-8), LF_KV("b", (unsigned char)8),
            LF_KV("c", (short)-16), LF_KV("d", (unsigned short)16), LF_KV("e", -32), LF_KV("f", 32u), LF_KV("g", -64L),
            LF_KV("h", 64UL), LF_KV("i", INT64_MIN), LF_KV("j", UINT64_MAX), LF_KV("k", 0.5f), LF_KV("l", -2.25),
            LF_KV("m", (bool)1), LF_KV("n", "literal"), LF_KV("o", array), LF_KV("p", changeable),
            LF_KV("q", (const char *)NULL), LF_KV("r", pointer), LF_KV_N("s", "part of it", 4), LF_KV_N("t", NULL, 9),
            LF_KV("u", "quote \" line \n"));
    char place[64];
    snprintf(place, sizeof place, "statements.c\",\"line_number\":%d", line);
    written();
    CHECK_EQ(check_count(text, "kinds::all"), 1);
    CHECK(check_line_has(text, "kinds::all", "\"message\":\"-8 literal array (null) {r} } {unknown} array\""));
    CHECK(check_line_has(text, "kinds::all",
                         ",\"a\":-8,\"b\":8,\"c\":-16,\"d\":16,\"e\":-32,\"f\":32,\"g\":-64,\"h\":64,"
                         "\"i\":-9223372036854775808,\"j\":18446744073709551615,\"k\":0.5,\"l\":-2.25,\"m\":true,"
                         "\"n\":\"literal\",\"o\":\"array\",\"p\":\"array\",\"q\":\"(null)\",\"r\":\"0x10\","
                         "\"s\":\"part\",\"t\":\"\",\"u\":\"quote \\\" line \\n\"}"));
    CHECK(check_line_has(text, "kinds::all", place));
    CHECK(check_line_has(text, "kinds::all", "\"level\":\"INFO\""));
    /* What is wrong with the template is said at the time of the first record. */
    CHECK_EQ(check_count(text, "wrong template"), 1);
    const char *const time = strstr(text, "{\"timestamp\":\""), *const other = strstr(time + 1, "{\"timestamp\":\"");
    CHECK(strstr(time, "wrong template") < other && strstr(other, "kinds::all") != NULL);
    CHECK(strncmp(time, other, strlen("{\"timestamp\":\"2026-11-28T15:00:00.123456Z")) == 0);
}

#define K(n) LF_KV("k" #n, n)
static void thirty_two_fields(void) {
    LF_WARN("kinds::many", "all", K(1), K(2), K(3), K(4), K(5), K(6), K(7), K(8), K(9), K(10), K(11), K(12), K(13), K(14),
            K(15), K(16), K(17), K(18), K(19), K(20), K(21), K(22), K(23), K(24), K(25), K(26), K(27), K(28), K(29), K(30),
            K(31), K(32));
    written();
    for (int i = 1; i <= 32; i++) {
        char pair[40];
        snprintf(pair, sizeof pair, "\"k%d\":%d", i, i);
        CHECK(check_line_has(text, "kinds::many", pair));
    }
}

static void long_and_wrong_texts(void) {
    enum { LENGTH = 200000 };
    char *longest = malloc(LENGTH + 1);
    if (longest == NULL) {
        abort();
    }
    memset(longest, 'x', LENGTH);
    longest[LENGTH] = '\0';
    LF_INFO("texts::cut", "a long one", LF_KV("text", longest), LF_KV("after", 7));
    LF_INFO("texts::bad", "b\xc3z", LF_KV("text", "\xff"), LF_KV_N("zero", "a\0b", 3));
    /* Each length near the bounds of the copy's steps, at places that are not aligned. */
    for (size_t length = 0; length < 140; length++) {
        LF_INFO("texts::length", "{text}", LF_KV_N("text", longest + length % 7, length), LF_KV("length", length));
    }
    written();
    CHECK(check_line_has(text, "texts::cut", " bytes more)\",\"after\":7"));
    CHECK(check_line_has(text, "texts::bad", "b\xef\xbf\xbdz"));
    CHECK(check_line_has(text, "texts::bad", "\"text\":\"\xef\xbf\xbd\",\"zero\":\"a\\u0000b\""));
    for (size_t length = 0; length < 140; length++) {
        char pair[64], number[64];
        snprintf(number, sizeof number, "\"length\":%zu}", length);
        snprintf(pair, sizeof pair, "\"text\":\"%.*s\"", (int)(length < 40 ? length : 0), longest);
        const char *const found = strstr(text, number);
        CHECK(found != NULL);
        if (length < 40) {
            CHECK(check_line_has(text, number, pair));
        }
        const char *begin = found;
        size_t crosses = 0;
        for (; *begin != '\n'; begin--) {
            crosses += *begin == 'x';
        }
        CHECK_EQ(crosses, 2 * length + 1); /* in the message and the field, and that of "text" */
    }
    free(longest);
}

static int evaluated;
static int next(void) { return ++evaluated; }
static int inner(void) {
    LF_INFO("order", "inner");
    return 3;
}

static void arguments_are_evaluated_once_or_never(void) {
    LF_TRACE("order", "disabled", LF_KV("n", next()));
    LF_TRACE("order", "disabled", LF_KV("n", next()));
    CHECK_EQ(evaluated, 0);
    LF_INFO("order", "first", LF_KV("a", next()), LF_KV("b", next()), LF_KV_N("c", "abc", (size_t)next()));
    CHECK_EQ(evaluated, 3);
    LF_INFO("order", "outer", LF_KV("v", inner()));
    LF_LOG(LOGFUSION_ERROR, "order", "any level");
    written();
    CHECK(check_line_has(text, "first", "\"a\":1,\"b\":2,\"c\":\"abc\""));
    CHECK(strstr(text, "\"inner\"") != NULL && strstr(text, "\"inner\"") < strstr(text, "\"outer\""));
    CHECK(check_line_has(text, "any level", "\"level\":\"ERROR\""));
}

static void lesser_levels_are_not_compiled(void) {
#undef LOGFUSION_MIN_LEVEL
#define LOGFUSION_MIN_LEVEL LOGFUSION_WARN
    evaluated = 0;
    LF_INFO("compiled", "out", LF_KV("n", next()));
    LF_INFO_EVERY_N(1, "compiled", "out", LF_KV("n", next()));
    LF_WARN("compiled", "in", LF_KV("n", next()));
#undef LOGFUSION_MIN_LEVEL
#define LOGFUSION_MIN_LEVEL LOGFUSION_TRACE
    CHECK_EQ(evaluated, 1);
    CHECK_EQ(check_count(written(), "\"target\":\"compiled\""), 1);
}

/* The sum of the fields `suppressed` of the lines of a target. */
static unsigned long long suppressed(const char *target, size_t *lines) {
    unsigned long long sum = 0;
    char key[64];
    snprintf(key, sizeof key, "\"target\":\"%s\"", target);
    *lines = 0;
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (strstr(line, key) != NULL) {
            const char *number = strstr(line, "\"suppressed\":");
            CHECK(number != NULL);
            sum += strtoull(number + strlen("\"suppressed\":"), NULL, 10);
            *lines += 1;
        }
    }
    return sum;
}

static void *often(void *unused) {
    for (int i = 0; i < 10000; i++) {
        LF_ERROR_EVERY_N(100, "seldom::threads", "one of a hundred");
        LF_ERROR_ONCE("seldom::once_of_threads", "one of all");
    }
    return unused;
}

static void what_is_seldom(void) {
    size_t lines;
    for (int i = 0; i < 10; i++) {
        LF_INFO_EVERY_N(3, "seldom::third", "number {i}", LF_KV("i", i));
        LF_INFO_ONCE("seldom::once", "number {i}", LF_KV("i", i));
    }
    for (int i = 0; i < 1000; i++) {
        LF_WARN_RATE(5, "seldom::rate", "number {i}", LF_KV("i", i));
        LF_DEBUG_RATE(5, "seldom::off", "never", LF_KV("i", next()));
    }
    check_sleep_ms(1050);
    evaluated = 0;
    for (int i = 0; i < 2; i++) {
        LF_WARN_RATE(1, "seldom::unrelated", "its own gate", LF_KV("i", next()));
    }
    CHECK_EQ(evaluated, 1);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, often, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    written();
    CHECK_EQ(check_count(text, "\"target\":\"seldom::once\""), 1);
    CHECK_EQ(check_count(text, "\"target\":\"seldom::once_of_threads\""), 1);
    CHECK_EQ(check_count(text, "\"target\":\"seldom::off\""), 0);
    CHECK(check_line_has(text, "seldom::third", "\"message\":\"number 0\",\"i\":0,\"suppressed\":0"));
    CHECK_EQ(check_count(text, "\"suppressed\":2}"), 3);
    unsigned long long left_out = suppressed("seldom::threads", &lines);
    CHECK_EQ(lines, 400);
    CHECK(left_out >= 40000 - 400 - 99 && left_out <= 40000 - 400);
    written();
    suppressed("seldom::rate", &lines);
    CHECK(lines >= 5 && lines <= 15); /* a slow machine may see a second second */
}

/* The same statement, over and over: a loop that is in two seconds. */
static void rate_says_what_it_left_out(void) {
    size_t lines;
    for (int second = 0; second < 2; second++) {
        for (int i = 0; i < 100; i++) {
            LF_INFO_RATE(1, "seldom::two_seconds", "again");
        }
        check_sleep_ms(second == 0 ? 1100 : 0);
    }
    written();
    unsigned long long left_out = suppressed("seldom::two_seconds", &lines);
    CHECK(lines >= 2 && left_out >= 99);
}

static int log_at(int level) {
    int before = evaluated;
    switch (level) {
    case LOGFUSION_WARN:
        LF_WARN("filter::one", "warn", LF_KV("n", next()));
        break;
    default:
        LF_DEBUG("filter::one", "debug", LF_KV("n", next()));
    }
    return evaluated - before;
}

static void seen(const logfusion_record *record, void *context) {
    CHECK(strcmp(record->message, "debug") == 0);
    CHECK(strstr(record->file, "statements.c") != NULL && strcmp(record->function, "log_at") == 0);
    *(int *)context += 1;
}

static void filters_reach_the_statements(void) {
    int called = 0;
    uint64_t handle = 0;
    CHECK_EQ(log_at(LOGFUSION_WARN), 1);
    CHECK_EQ(log_at(LOGFUSION_DEBUG), 0);
    CHECK_EQ(logfusion_set_filter("off,filter::one=debug"), LOGFUSION_OK);
    CHECK_EQ(log_at(LOGFUSION_DEBUG), 1);
    CHECK_EQ(logfusion_set_filter("off"), LOGFUSION_OK);
    CHECK_EQ(log_at(LOGFUSION_WARN), 0);
    CHECK_EQ(log_at(LOGFUSION_DEBUG), 0);
    /* A callback and a backtrace want what the output does not. */
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
    CHECK_EQ(logfusion_subscribe("filter", LOGFUSION_DEBUG, seen, &called, &handle), LOGFUSION_OK);
    CHECK_EQ(log_at(LOGFUSION_DEBUG), 1);
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
    CHECK_EQ(logfusion_unsubscribe(handle, 5000), LOGFUSION_OK);
    CHECK_EQ(called, 1);
    CHECK_EQ(log_at(LOGFUSION_DEBUG), 0);
    CHECK_EQ(logfusion_backtrace("filter", 3), LOGFUSION_OK);
    CHECK_EQ(log_at(LOGFUSION_DEBUG), 1);
    CHECK_EQ(logfusion_backtrace_flush("filter"), LOGFUSION_OK);
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK); /* the request has to be there when the record is delivered */
    CHECK_EQ(logfusion_backtrace("filter", 0), LOGFUSION_OK);
    CHECK(check_line_has(written(), "\"backtrace\":true", "\"message\":\"debug\""));
    CHECK_EQ(logfusion_set_filter("info"), LOGFUSION_OK);
    CHECK_EQ(log_at(LOGFUSION_WARN), 1);
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
}

/* Records of the words of `number`, or of a text, as they arrive. */
static void in_order(const logfusion_record *record, void *context) {
    const int64_t number = (*(int64_t *)context)++;
    const logfusion_field *const fields = record->fields;
    if (number % 2 == 0) {
        CHECK_EQ(record->field_count, 5);
        CHECK_EQ(fields[0].value.i64, -number);
        CHECK(fields[1].value.u64 == UINT64_MAX - (uint64_t)number && fields[2].value.f64 == (double)number / 2);
        CHECK_EQ(fields[3].value.boolean, number % 3 == 0);
        CHECK(fields[4].value.pointer == (const void *)(uintptr_t)number);
    } else {
        char expected[24];
        snprintf(expected, sizeof expected, "%d", (int)number);
        CHECK_EQ(fields[0].value.i64, number);
        CHECK(strcmp(fields[1].value.text.data, expected) == 0);
    }
}

/* The library pushes where a lap of the ring is half over, and over: of a megabyte some five times here. */
static void laps_of_the_ring(void) {
    enum { RECORDS = 50000 };
    int64_t arrived = 0;
    uint64_t handle = 0;
    char number[24];
    CHECK_EQ(logfusion_set_filter("info,laps=off"), LOGFUSION_OK);
    CHECK_EQ(logfusion_subscribe("laps", LOGFUSION_INFO, in_order, &arrived, &handle), LOGFUSION_OK);
    for (int i = 0; i < RECORDS; i++) {
        if (i % 2 == 0) {
            LF_INFO("laps", "words", LF_KV("a", -i), LF_KV("b", UINT64_MAX - (uint64_t)i), LF_KV("c", (double)i / 2),
                    LF_KV("d", (bool)(i % 3 == 0)), LF_KV("e", (const int *)(uintptr_t)i));
        } else {
            snprintf(number, sizeof number, "%d", i);
            LF_INFO("laps", "text", LF_KV("a", i), LF_KV("b", number));
        }
        if (i % 4096 == 0) {
            CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
        }
    }
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
    CHECK_EQ(arrived, RECORDS);
    CHECK_EQ(logfusion_unsubscribe(handle, 5000), LOGFUSION_OK);
    CHECK_EQ(logfusion_set_filter("info"), LOGFUSION_OK);
}

static void after_a_stop(const char *directory) {
    logfusion_shutdown();
    start(directory, "second.json", "warn");
    CHECK_EQ(log_at(LOGFUSION_WARN), 1);
    CHECK_EQ(log_at(LOGFUSION_DEBUG), 0);
    CHECK_EQ(check_count(written(), "filter::one"), 1);
}

int main(int argc, char **argv) {
    const char *const directory = check_start(argc, argv);

    start(directory, "statements.json", "info");
    kinds_of_fields();
    thirty_two_fields();
    long_and_wrong_texts();
    arguments_are_evaluated_once_or_never();
    lesser_levels_are_not_compiled();
    what_is_seldom();
    rate_says_what_it_left_out();
    filters_reach_the_statements();
    laps_of_the_ring();
    check_ledger(1);
    after_a_stop(directory);
    logfusion_shutdown();
    free(text);
    return check_end("statements");
}
