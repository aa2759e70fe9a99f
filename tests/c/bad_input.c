/* Bad arguments, for every function: the documented status and a last error, never a crash; records still delivered. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <limits.h>

#define TOO_LONG ((size_t)PTRDIFF_MAX + 1)

/* The call gives this status and leaves a last error. */
#define REFUSES(call, status)                                                                                          \
    do {                                                                                                               \
        logfusion_clear_last_error();                                                                                  \
        CHECK_EQ(call, status);                                                                                        \
        CHECK(check_last_error());                                                                                     \
    } while (0)

static void ignore_record(const logfusion_record *record, void *context) {
    (void)record;
    (void)context;
}

static void bad_config(const char *path) {
    const logfusion_config good = LOGFUSION_CONFIG_INIT;
    const size_t wrong_sizes[] = {0, 1, sizeof(size_t), sizeof good - 1, sizeof good + 1, sizeof good + 64, SIZE_MAX};
    logfusion_config config = good;

    REFUSES(logfusion_init_with(NULL), LOGFUSION_E_NULL);
    for (size_t i = 0; i < sizeof wrong_sizes / sizeof wrong_sizes[0]; i++) {
        config.size = wrong_sizes[i];
        REFUSES(logfusion_init_with(&config), LOGFUSION_E_SIZE);
    }
    /* Nothing may be read past the size. */
    size_t *only_size = malloc(sizeof *only_size);
    if (only_size == NULL) {
        abort();
    }
    *only_size = sizeof *only_size;
    void *small = only_size;
    REFUSES(logfusion_init_with(small), LOGFUSION_E_SIZE);
    free(only_size);

#define REFUSES_SETTING(member, setting, status)                                                                       \
    do {                                                                                                               \
        config = good;                                                                                                 \
        config.output = path;                                                                                          \
        config.member = setting;                                                                                       \
        REFUSES(logfusion_init_with(&config), status);                                                                 \
    } while (0)

    REFUSES_SETTING(filter, "game=loud", LOGFUSION_E_FILTER);
    REFUSES_SETTING(filter, "a=b=c", LOGFUSION_E_FILTER);
    REFUSES_SETTING(filter, "game\xff=info", LOGFUSION_E_UTF8);
    REFUSES_SETTING(drain_name, "drain\xff", LOGFUSION_E_UTF8);
    REFUSES_SETTING(rotate_bytes, 4095, LOGFUSION_E_INVALID);
    REFUSES_SETTING(keep_files, 1001, LOGFUSION_E_INVALID);
    REFUSES_SETTING(keep_files, SIZE_MAX, LOGFUSION_E_INVALID);
    REFUSES_SETTING(ring_bytes, 4095, LOGFUSION_E_INVALID);
    REFUSES_SETTING(ring_bytes, ((size_t)1 << 30) + 1, LOGFUSION_E_INVALID);
    REFUSES_SETTING(ring_bytes, SIZE_MAX, LOGFUSION_E_INVALID);
    REFUSES_SETTING(rings_max_bytes, 4096, LOGFUSION_E_INVALID); /* below the default ring */
    REFUSES_SETTING(format, -1, LOGFUSION_E_INVALID);
    REFUSES_SETTING(format, 3, LOGFUSION_E_INVALID);
    REFUSES_SETTING(color, 3, LOGFUSION_E_INVALID);
    REFUSES_SETTING(rotate, 2, LOGFUSION_E_INVALID);
    REFUSES_SETTING(overflow, 2, LOGFUSION_E_INVALID);
    REFUSES_SETTING(overflow, INT_MIN, LOGFUSION_E_INVALID);
    REFUSES_SETTING(idle_us, -1, LOGFUSION_E_INVALID);
    REFUSES_SETTING(idle_us, 49, LOGFUSION_E_INVALID);
    REFUSES_SETTING(idle_us, 1000001, LOGFUSION_E_INVALID);
    REFUSES_SETTING(wake_on_half_full, 3, LOGFUSION_E_INVALID);
    REFUSES_SETTING(wake_on_error, -1, LOGFUSION_E_INVALID);
    REFUSES_SETTING(drain, 2, LOGFUSION_E_INVALID);
    REFUSES_SETTING(drain_pinned, 3, LOGFUSION_E_INVALID);
    REFUSES_SETTING(drain_cpu, 1, LOGFUSION_E_INVALID); /* without drain_pinned */
    REFUSES_SETTING(drain_priority, -21, LOGFUSION_E_INVALID);
    REFUSES_SETTING(drain_priority, 20, LOGFUSION_E_INVALID);
    REFUSES_SETTING(global_default, 3, LOGFUSION_E_INVALID);
    REFUSES_SETTING(clock, 2, LOGFUSION_E_INVALID);
    REFUSES_SETTING(span_close, 3, LOGFUSION_E_INVALID);

    /* None of them started the engine: other settings are still accepted. */
    config = good;
    config.output = path;
    config.format = LOGFUSION_FORMAT_JSON;
    config.filter = "trace";
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    config.size = 8;
    REFUSES(logfusion_init_with(&config), LOGFUSION_E_SIZE);
}

static void bad_records(void) {
    static const int bad_levels[] = {0, 6, -1, INT_MAX, INT_MIN};
    char *text = NULL;
    size_t granted = 0;

    for (size_t i = 0; i < sizeof bad_levels / sizeof bad_levels[0]; i++) {
        int level = bad_levels[i];
        REFUSES(logfusion_log(level, "bad::level", "a level"), LOGFUSION_E_INVALID);
        REFUSES(logfusion_log_n(level, "bad::level", 10, "a level", 7), LOGFUSION_E_INVALID);
        REFUSES(logfusion_logf(level, "bad::level", "a %s", "level"), LOGFUSION_E_INVALID);
        REFUSES(logfusion_log_fields(level, "bad::level", "a level", NULL, 0), LOGFUSION_E_INVALID);
    }

    REFUSES(logfusion_log(LOGFUSION_INFO, "bad", NULL), LOGFUSION_E_NULL);
    REFUSES(logfusion_log(LOGFUSION_INFO, NULL, "no target 1"), LOGFUSION_E_NULL);
    REFUSES(logfusion_log(LOGFUSION_INFO, NULL, NULL), LOGFUSION_E_NULL);
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "bad::utf8", "bytes \xff\xc3( end"), LOGFUSION_OK);
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "bad\xff::utf8", "in the target"), LOGFUSION_OK);

    REFUSES(logfusion_log_n(LOGFUSION_INFO, "bad", 3, NULL, 1), LOGFUSION_E_NULL);
    REFUSES(logfusion_log_n(LOGFUSION_INFO, "bad", 3, NULL, LOGFUSION_NUL_TERMINATED), LOGFUSION_E_NULL);
    REFUSES(logfusion_log_n(LOGFUSION_INFO, NULL, 3, "no target 2", 11), LOGFUSION_E_NULL);
    REFUSES(logfusion_log_n(LOGFUSION_INFO, "bad", 3, "never read", TOO_LONG), LOGFUSION_E_SIZE);
    REFUSES(logfusion_log_n(LOGFUSION_INFO, "bad", 3, "never read", SIZE_MAX - 1), LOGFUSION_E_SIZE);
    REFUSES(logfusion_log_n(LOGFUSION_INFO, "never read", TOO_LONG, "never read", 1), LOGFUSION_E_SIZE);

    const char *no_format = NULL;
    REFUSES(logfusion_logf(LOGFUSION_INFO, "bad", no_format, 1), LOGFUSION_E_NULL);
    REFUSES(logfusion_logf(LOGFUSION_INFO, NULL, "no target %d", 3), LOGFUSION_E_NULL);

    REFUSES(logfusion_reserve(LOGFUSION_INFO, "bad", 10, NULL, &granted), LOGFUSION_E_NULL);
    REFUSES(logfusion_reserve(LOGFUSION_INFO, "bad", 10, &text, NULL), LOGFUSION_E_NULL);
    CHECK(text == NULL);
    REFUSES(logfusion_commit(0), LOGFUSION_E_INVALID);
    REFUSES(logfusion_cancel(LOGFUSION_OK), LOGFUSION_E_INVALID);
    CHECK_EQ(logfusion_reserve(LOGFUSION_INFO, "bad", 10, &text, &granted), LOGFUSION_OK);
    REFUSES(logfusion_commit(TOO_LONG), LOGFUSION_E_SIZE);
    REFUSES(logfusion_commit(0), LOGFUSION_E_INVALID);
    CHECK_EQ(logfusion_reserve(LOGFUSION_INFO, "bad", 10, &text, &granted), LOGFUSION_OK);
    REFUSES(logfusion_cancel(1), LOGFUSION_E_INVALID);
    CHECK_EQ(logfusion_reserve(LOGFUSION_INFO, "bad", 10, &text, &granted), LOGFUSION_OK);
    REFUSES(logfusion_cancel(LOGFUSION_E_INTERNAL), LOGFUSION_E_INTERNAL);

    /* Inside an open record the thread's others are dropped, without a last error. A huge capacity is cut. */
    CHECK_EQ(logfusion_reserve(LOGFUSION_INFO, "bad", SIZE_MAX, &text, &granted), LOGFUSION_OK);
    CHECK(text != NULL && granted >= 65536 / 2 && granted <= 65536);
    logfusion_clear_last_error();
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "bad", "inside another"), LOGFUSION_E_DROPPED);
    CHECK_EQ(logfusion_last_error(NULL, 0), 0);
    memcpy(text, "cut here", 8);
    memset(text + 8, '.', granted - 8);
    CHECK_EQ(logfusion_commit(granted + 1000), LOGFUSION_OK);
}

static void bad_fields(void) {
    logfusion_field fields[40];

    REFUSES(logfusion_log_fields(LOGFUSION_INFO, "bad", "fields: null", NULL, 3), LOGFUSION_E_NULL);
    REFUSES(logfusion_log_fields(LOGFUSION_INFO, "bad", NULL, NULL, 0), LOGFUSION_E_NULL);
    REFUSES(logfusion_log_fields(LOGFUSION_INFO, NULL, "no target 4", NULL, 0), LOGFUSION_E_NULL);
    fields[0] = logfusion_field_i64("n", 1);
    REFUSES(logfusion_log_fields(LOGFUSION_INFO, "bad", "huge count", fields, SIZE_MAX), LOGFUSION_E_SIZE);
    REFUSES(logfusion_log_fields(LOGFUSION_INFO, "bad", "huge count", fields, SIZE_MAX / sizeof fields[0] + 2),
            LOGFUSION_E_SIZE);

    fields[0] = logfusion_field_i64(NULL, 1);
    fields[1] = logfusion_field_i64("kept", 12345);
    REFUSES(logfusion_log_fields(LOGFUSION_INFO, "bad", "fields: name", fields, 2), LOGFUSION_E_NULL);
    fields[0] = logfusion_field_i64("left_out", 1);
    fields[0].type = 0;
    REFUSES(logfusion_log_fields(LOGFUSION_INFO, "bad", "fields: type 0", fields, 2), LOGFUSION_E_INVALID);
    fields[0].type = INT_MIN;
    REFUSES(logfusion_log_fields(LOGFUSION_INFO, "bad", "fields: type min", fields, 2), LOGFUSION_E_INVALID);
    fields[0] = logfusion_field_i64("left_out", 1);
    fields[0].reserved = 1;
    REFUSES(logfusion_log_fields(LOGFUSION_INFO, "bad", "fields: reserved", fields, 2), LOGFUSION_E_INVALID);
    fields[0] = logfusion_field_text("left_out", NULL);
    REFUSES(logfusion_log_fields(LOGFUSION_INFO, "bad", "fields: text", fields, 2), LOGFUSION_E_NULL);
    fields[0] = logfusion_field_text_n("left_out", "never read", TOO_LONG);
    REFUSES(logfusion_log_fields(LOGFUSION_INFO, "bad", "fields: length", fields, 2), LOGFUSION_E_SIZE);
    fields[0] = logfusion_field_text("na\xffme", "te\xffxt");
    CHECK_EQ(logfusion_log_fields(LOGFUSION_INFO, "bad", "fields: utf8", fields, 2), LOGFUSION_OK);

    char names[40][24];
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "field_%02d", i);
        fields[i] = logfusion_field_i64(names[i], i);
    }
    CHECK_EQ(logfusion_log_fields(LOGFUSION_INFO, "bad", "fields: 32", fields, LOGFUSION_FIELDS_MAX), LOGFUSION_OK);
    REFUSES(logfusion_log_fields(LOGFUSION_INFO, "bad", "fields: 40", fields, 40), LOGFUSION_E_SIZE);
}

static void bad_batches(void) {
    logfusion_entry entries[4];

    REFUSES(logfusion_log_batch(NULL, 1), LOGFUSION_E_NULL);
    entries[0] = logfusion_entry_make(LOGFUSION_INFO, "bad", "huge count");
    REFUSES(logfusion_log_batch(entries, SIZE_MAX), LOGFUSION_E_SIZE);
    REFUSES(logfusion_log_batch(entries, SIZE_MAX / sizeof entries[0] + 2), LOGFUSION_E_SIZE);

    entries[0] = logfusion_entry_make(LOGFUSION_INFO, "bad::batch", NULL);
    entries[1] = logfusion_entry_make(LOGFUSION_INFO, "bad::batch", "never read");
    entries[1].message_length = TOO_LONG;
    entries[2] = logfusion_entry_make(77, NULL, "batch: level and target");
    entries[3] = logfusion_entry_make(LOGFUSION_INFO, "bad::batch", "batch: good");
    REFUSES(logfusion_log_batch(entries, 4), 2);
    entries[0] = entries[3];
    entries[0].reserved = 1;
    REFUSES(logfusion_log_batch(entries, 1), 0);
}

static void bad_others(void) {
    uint64_t handle = 99;
    size_t count = 1;
    logfusion_stats_t stats;
    logfusion_thread_stats_t thread;

    REFUSES(logfusion_enabled(LOGFUSION_INFO, NULL), 0);
    REFUSES(logfusion_enabled(0, "bad"), 0);
    REFUSES(logfusion_enabled(6, "bad"), 0);
    CHECK_EQ(logfusion_enabled(LOGFUSION_INFO, "bad\xff"), 1);

    REFUSES(logfusion_set_filter(NULL), LOGFUSION_E_NULL);
    REFUSES(logfusion_set_filter("off,bad=louder"), LOGFUSION_E_FILTER);
    REFUSES(logfusion_set_filter("6"), LOGFUSION_E_FILTER);
    REFUSES(logfusion_set_filter("off,bad\xff=info"), LOGFUSION_E_UTF8);
    CHECK_EQ(logfusion_enabled(LOGFUSION_TRACE, "bad"), 1); /* the filter stayed */

    REFUSES(logfusion_subscribe(NULL, LOGFUSION_INFO, ignore_record, NULL, &handle), LOGFUSION_E_NULL);
    CHECK_EQ(handle, 0);
    REFUSES(logfusion_subscribe("bad", LOGFUSION_INFO, NULL, NULL, &handle), LOGFUSION_E_NULL);
    REFUSES(logfusion_subscribe("bad", LOGFUSION_INFO, ignore_record, NULL, NULL), LOGFUSION_E_NULL);
    handle = 99;
    REFUSES(logfusion_subscribe("bad", 0, ignore_record, NULL, &handle), LOGFUSION_E_INVALID);
    CHECK_EQ(handle, 0);
    REFUSES(logfusion_subscribe("bad", 6, ignore_record, NULL, &handle), LOGFUSION_E_INVALID);
    REFUSES(logfusion_subscribe("bad\xff", LOGFUSION_INFO, ignore_record, NULL, &handle), LOGFUSION_E_UTF8);
    REFUSES(logfusion_unsubscribe(0, 0), LOGFUSION_E_UNKNOWN);
    REFUSES(logfusion_unsubscribe(UINT64_MAX, -1), LOGFUSION_E_UNKNOWN);

    REFUSES(logfusion_set_thread_name(NULL), LOGFUSION_E_NULL);
    REFUSES(logfusion_set_thread_name("bad\xff"), LOGFUSION_E_UTF8);

    REFUSES(logfusion_stats(NULL), LOGFUSION_E_NULL);
    memset(&stats, 0x5a, sizeof stats);
    const size_t wrong[] = {0, 8, sizeof stats - 1, sizeof stats + 1, SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        stats.size = wrong[i];
        REFUSES(logfusion_stats(&stats), LOGFUSION_E_SIZE);
        CHECK_EQ(stats.offered, 0x5a5a5a5a5a5a5a5a);
    }
    REFUSES(logfusion_stats_threads(&thread, NULL), LOGFUSION_E_NULL);
    REFUSES(logfusion_stats_threads(NULL, NULL), LOGFUSION_E_NULL);
    REFUSES(logfusion_stats_threads(NULL, &count), LOGFUSION_E_NULL);
    CHECK_EQ(count, 1);
    thread.size = sizeof thread - 8;
    REFUSES(logfusion_stats_threads(&thread, &count), LOGFUSION_E_SIZE);
    thread.size = 0;
    REFUSES(logfusion_stats_threads(&thread, &count), LOGFUSION_E_SIZE);
    thread.size = sizeof thread;
    count = SIZE_MAX / 2;
    REFUSES(logfusion_stats_threads(&thread, &count), LOGFUSION_E_SIZE);

    char byte = 'x';
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "bad", NULL), LOGFUSION_E_NULL);
    CHECK(logfusion_last_error(NULL, 100) > 0);
    CHECK(logfusion_last_error(&byte, 0) > 0);
    CHECK_EQ(byte, 'x');
    CHECK(logfusion_last_error(&byte, 1) > 0);
    CHECK_EQ(byte, '\0');
}

static void read_back(const char *path) {
    char *text = check_read(path);

    CHECK_EQ(check_count(text, "\"target\":\"bad::level\""), 20);
    CHECK(check_line_has(text, "\"target\":\"bad::level\"", "\"level\":\"INFO\""));
    for (int i = 1; i <= 4; i++) {
        char key[32];
        snprintf(key, sizeof key, "no target %d", i);
        CHECK(check_line_has(text, key, "\"target\":\"ffi\""));
    }
    CHECK(strstr(text, "bytes \xef\xbf\xbd\xef\xbf\xbd( end") != NULL);
    CHECK(strstr(text, "\"target\":\"bad\xef\xbf\xbd::utf8\"") != NULL);
    CHECK(strstr(text, "never read") == NULL);
    CHECK(strstr(text, "inside another") == NULL);
    CHECK(strstr(text, "\"message\":\"cut here....") != NULL);

    CHECK(strstr(text, "fields: null") != NULL);
    static const char *const kept[] = {"fields: name", "fields: type 0", "fields: type min", "fields: reserved",
                                       "fields: text", "fields: length"};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        CHECK(check_line_has(text, kept[i], "\"kept\":12345"));
        CHECK(!check_line_has(text, kept[i], "left_out"));
    }
    CHECK(check_line_has(text, "fields: utf8", "te\xef\xbf\xbdxt"));
    CHECK(check_line_has(text, "fields: 32", "\"field_31\":31"));
    CHECK(check_line_has(text, "fields: 40", "\"field_31\":31"));
    CHECK(!check_line_has(text, "fields: 40", "field_32"));
    CHECK(strstr(text, "huge count") == NULL);

    CHECK(check_line_has(text, "batch: level and target", "\"target\":\"ffi\""));
    CHECK(check_line_has(text, "batch: level and target", "\"level\":\"INFO\""));
    CHECK(strstr(text, "batch: good") != NULL);
    free(text);
}

int main(int argc, char **argv) {
    const char *scratch = check_start(argc, argv);
    char path[512];
    logfusion_stats_t stats;

    bad_config(check_path(path, sizeof path, scratch, "bad.json"));
    bad_records();
    bad_fields();
    bad_batches();
    bad_others();
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
    read_back(path);

    stats.size = sizeof stats;
    CHECK_EQ(logfusion_stats(&stats), LOGFUSION_OK);
    CHECK_EQ(stats.bad_utf8, 3);
    CHECK_EQ(stats.dropped_reentered, 1);
    CHECK_EQ(stats.dropped_other, 3); /* a commit and two cancels with a reason */
    CHECK_EQ(stats.dropped[LOGFUSION_INFO], 4);
    CHECK_EQ(stats.failed, 0);
    check_ledger(1);
    logfusion_shutdown();
    return check_end("bad_input");
}
