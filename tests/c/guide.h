/*
 * What the tests of the guide's functions share. Every function exists three times: with its prefix, as an inline forward,
 * and as an exported plain name. Each test runs once for each of these ways.
 */
#ifndef GUIDE_H
#define GUIDE_H

#define LOGFUSION_SQLITE
#include "check.h"

/* The rounds of `make soak`; ci/c-tests and ci/memcheck ask for fewer. */
#ifndef GUIDE_CYCLES
#define GUIDE_CYCLES 1000000
#endif

#define GUIDE_FUNCTIONS(X)                                                                                             \
    X(void, log_info, (const char *))                                                                                  \
    X(void, log_warning, (const char *))                                                                               \
    X(void, log_error, (const char *, int))                                                                            \
    X(void, log_user_action, (int, const char *, double, int))                                                         \
    X(void, log_database_operation, (const char *, const char *, int, double, int))                                    \
    X(void, log_http_request, (const char *, const char *, int, double, int))                                          \
    X(void, python_log_info, (const char *, const char *))                                                             \
    X(void, python_log_function_call, (const char *, const char *, double, int))                                       \
    X(void, python_log_exception, (const char *, const char *, const char *, const char *))                            \
    X(void, nodejs_log_request, (const char *, const char *, int, double, const char *))                               \
    X(void, nodejs_log_error, (const char *, const char *, const char *, const char *, int))                           \
    X(void, nodejs_log_performance, (const char *, double, double, double))                                            \
    X(int, register_log_callback, (const char *, LogCallback, void *))                                                 \
    X(int, unregister_log_callback, (const char *))                                                                    \
    X(void, log_with_callback, (int, const char *, const char *))                                                      \
    X(int, safe_log_message,                                                                                           \
      (int, const char *, const char *, const char *const *, const char *const *, int))                                \
    X(char *, allocate_log_buffer, (int))                                                                              \
    X(void, free_log_buffer, (char *, int))                                                                            \
    X(void, fast_log, (int, const char *))                                                                             \
    X(int, batch_log, (const char *const *, const int *, int))                                                         \
    X(int, get_ffi_performance_stats, (int *, int *))                                                                  \
    X(int, get_last_error, (char *, int))                                                                              \
    X(void, clear_last_error, (void))                                                                                  \
    X(int, process_data_with_error_handling, (const char *, char *, int))                                              \
    X(int, safe_ffi_function, (const char *))                                                                          \
    X(int, async_operation, (int, logfusion_operation_callback))                                                       \
    X(int, create_connection, (const char *))                                                                          \
    X(int, execute_statement, (int, const char *))                                                                     \
    X(int, destroy_connection, (int))

#define GUIDE_MEMBER(result, name, arguments) result(*name) arguments;
#define GUIDE_EXPORTED(result, name, arguments) extern result exported_##name arguments __asm__(#name);
#define GUIDE_IS_PREFIXED(result, name, arguments) logfusion_##name,
#define GUIDE_IS_INLINE(result, name, arguments) name,
#define GUIDE_IS_EXPORTED(result, name, arguments) exported_##name,

typedef struct guide {
    const char *way;
    GUIDE_FUNCTIONS(GUIDE_MEMBER)
} guide;

GUIDE_FUNCTIONS(GUIDE_EXPORTED)

static const guide guides[] = {
    {"prefixed", GUIDE_FUNCTIONS(GUIDE_IS_PREFIXED)},
    {"inline", GUIDE_FUNCTIONS(GUIDE_IS_INLINE)},
    {"exported", GUIDE_FUNCTIONS(GUIDE_IS_EXPORTED)},
};

/* What was written, between guide_begin and guide_end. */
static char guide_path[512];
static size_t guide_expected;

/* Starts the engine, writing JSON to a file of its own. */
static inline void guide_begin(const char *scratch, const char *name, const char *filter) {
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    check_path(guide_path, sizeof guide_path, scratch, name);
    config.filter = filter;
    config.format = LOGFUSION_FORMAT_JSON;
    config.output = guide_path;
    guide_expected = 0;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    logfusion_clear_last_error();
}

/* All that was written so far, to be freed. */
static inline char *guide_read(void) {
    CHECK_EQ(logfusion_flush(20000), LOGFUSION_OK);
    return check_read(guide_path);
}

/* There is exactly one event of this level and target with exactly these fields, the message being one: JSON. */
static inline void guide_expect(const char *text, const char *level, const char *target, const char *fields) {
    static char needle[200000];
    snprintf(needle, sizeof needle, "\"level\":\"%s\",\"fields\":{%s},\"target\":\"%s\"", level, fields, target);
    size_t found = check_count(text, needle);
    checks_done += 1;
    guide_expected += 1;
    if (found != 1) {
        fprintf(stderr, "%zu times instead of once: %.2000s\nin:\n%.20000s\n", found, needle, text);
        exit(1);
    }
}

/* Exactly so many events were expected, those of the engine apart: nothing else was logged. */
static inline void guide_expect_no_more(const char *text) {
    CHECK_EQ(check_count(text, "\n") - check_count(text, "\"target\":\"logfusion\""), guide_expected);
}

/* Stops the engine. */
static inline void guide_end(void) {
    logfusion_shutdown();
    check_ledger(1);
}

/* The call is refused: it leaves a last error. That it logs nothing is for guide_expect_no_more. */
#define SILENT(call)                                                                                                   \
    do {                                                                                                               \
        logfusion_clear_last_error();                                                                                  \
        call;                                                                                                          \
        CHECK(check_last_error());                                                                                     \
    } while (0)

/* The call is refused with this code. */
#define REFUSES(call, code) SILENT(CHECK_EQ(call, code))

/* The call leaves no last error. */
#define ACCEPTS(call)                                                                                                  \
    do {                                                                                                               \
        logfusion_clear_last_error();                                                                                  \
        call;                                                                                                          \
        CHECK_EQ(logfusion_last_error(NULL, 0), 0);                                                                    \
    } while (0)

/* Runs the rows of a chapter in each way. */
#define FOR_EACH_WAY(scratch, filter, rows)                                                                            \
    for (size_t way_ = 0; way_ < sizeof guides / sizeof guides[0]; way_++) {                                           \
        char name_[64];                                                                                                \
        snprintf(name_, sizeof name_, "%s.json", guides[way_].way);                                                    \
        guide_begin(scratch, name_, filter);                                                                           \
        rows(&guides[way_]);                                                                                           \
        guide_end();                                                                                                   \
    }

#endif
