/* Every function once, as it is meant to be used, and what it did: results, the JSON file, the ledger. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

static int vlog(int level, const char *target, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int status = logfusion_vlogf(level, target, format, arguments);
    va_end(arguments);
    return status;
}

static void count_record(const logfusion_record *record, void *context) {
    (void)record;
    *(int *)context += 1;
}

static void texts(void) {
    CHECK(strcmp(logfusion_version(), LOGFUSION_VERSION_STRING) == 0);
    for (int status = LOGFUSION_E_INTERNAL; status <= LOGFUSION_OK; status++) {
        const char *text = logfusion_status_text(status);
        CHECK(text != NULL && text[0] != '\0' && strcmp(text, "unknown status") != 0);
        CHECK(text == logfusion_status_text(status));
    }
    CHECK(strcmp(logfusion_status_text(1), "unknown status") == 0);
    CHECK(strcmp(logfusion_status_text(-1000), "unknown status") == 0);
}

static void last_error(void) {
    char text[256], part[8];

    logfusion_clear_last_error();
    CHECK_EQ(logfusion_last_error(text, sizeof text), 0);
    CHECK(text[0] == '\0');
    CHECK_EQ(logfusion_last_error(NULL, 0), 0);

    CHECK_EQ(logfusion_init_with(NULL), LOGFUSION_E_NULL);
    size_t length = logfusion_last_error(text, sizeof text);
    CHECK(length > 7 && length < sizeof text && length == strlen(text));
    CHECK_EQ(logfusion_last_error(NULL, 0), length);
    CHECK_EQ(logfusion_last_error(part, sizeof part), length);
    CHECK_EQ(strlen(part), sizeof part - 1);
    CHECK(strncmp(text, part, strlen(part)) == 0);

    /* A success leaves it. */
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "basic", "after an error"), LOGFUSION_OK);
    CHECK_EQ(logfusion_last_error(NULL, 0), length);
    logfusion_clear_last_error();
    CHECK_EQ(logfusion_last_error(NULL, 0), 0);
}

static void log_all(void) {
    const int number = 7;
    const logfusion_field fields[] = {
        logfusion_field_i64("an_i64", INT64_MIN),
        logfusion_field_u64("an_u64", UINT64_MAX),
        logfusion_field_f64("an_f64", -2.5),
        logfusion_field_bool("a_bool", 42),
        logfusion_field_pointer("a_pointer", &number),
        logfusion_field_text("a_text", "quote \" newline \n"),
        logfusion_field_text_n("a_part", "partial", 4),
        logfusion_field_text_n("an_empty", NULL, 0),
    };
    const logfusion_entry entries[] = {
        logfusion_entry_make(LOGFUSION_ERROR, "basic::batch", "batch one"),
        logfusion_entry_make(LOGFUSION_DEBUG, "basic::batch", "batch two"),
        {"basic::batches", 12, "batch three and more", 11, LOGFUSION_WARN, 0},
    };
    char longer[2001];
    char *text = NULL;
    size_t granted = 0;

    CHECK_EQ(logfusion_log(LOGFUSION_ERROR, "basic", "at error"), LOGFUSION_OK);
    CHECK_EQ(logfusion_log(LOGFUSION_WARN, "basic", "at warn"), LOGFUSION_OK);
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "basic", "at info"), LOGFUSION_OK);
    CHECK_EQ(logfusion_log(LOGFUSION_DEBUG, "basic", "at debug"), LOGFUSION_OK);
    CHECK_EQ(logfusion_log(LOGFUSION_TRACE, "basic", "at trace, which is filtered out"), LOGFUSION_OK);
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "basic", "gr\xc3\xbc\xc3\x9f" "e"), LOGFUSION_OK);
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "basic::empty", ""), LOGFUSION_OK);
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "", "an empty target"), LOGFUSION_OK);

    CHECK_EQ(logfusion_log_n(LOGFUSION_INFO, "basic::nnn", 8, "with lengths", 9), LOGFUSION_OK);
    CHECK_EQ(logfusion_log_n(LOGFUSION_INFO, "basic", LOGFUSION_NUL_TERMINATED, "both ways",
                             LOGFUSION_NUL_TERMINATED),
             LOGFUSION_OK);
    CHECK_EQ(logfusion_log_n(LOGFUSION_INFO, "basic::nul", 10, "nul\0inside", 10), LOGFUSION_OK);
    CHECK_EQ(logfusion_log_n(LOGFUSION_INFO, "basic::zero", 11, NULL, 0), LOGFUSION_OK);

    CHECK_EQ(logfusion_logf(LOGFUSION_INFO, "basic", "printf %d %s %.2f", 42, "text", 0.125), LOGFUSION_OK);
    CHECK_EQ(vlog(LOGFUSION_INFO, "basic", "vprintf %s", "text"), LOGFUSION_OK);
    memset(longer, 'y', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    CHECK_EQ(logfusion_logf(LOGFUSION_INFO, "basic", "long %s end", longer), LOGFUSION_OK);
    /* Exactly the first reservation, and one more. */
    CHECK_EQ(logfusion_logf(LOGFUSION_INFO, "basic", "%.*s<512", LOGFUSION_VLOGF_CAPACITY - 4, longer), LOGFUSION_OK);
    CHECK_EQ(logfusion_logf(LOGFUSION_INFO, "basic", "%.*s<513", LOGFUSION_VLOGF_CAPACITY - 3, longer), LOGFUSION_OK);

    CHECK_EQ(logfusion_log_fields(LOGFUSION_INFO, "basic", "with fields", fields, 8), LOGFUSION_OK);
    CHECK_EQ(logfusion_log_fields(LOGFUSION_INFO, "basic", "without fields", NULL, 0), LOGFUSION_OK);

    CHECK_EQ(logfusion_log_batch(entries, 3), 3);
    CHECK_EQ(logfusion_log_batch(entries, 0), 0);
    CHECK_EQ(logfusion_log_batch(NULL, 0), 0);

    CHECK_EQ(logfusion_reserve(LOGFUSION_INFO, "basic", 100, &text, &granted), LOGFUSION_OK);
    CHECK(text != NULL && granted == 100);
    memset(text, 'z', granted + 1); /* all of it is writable */
    memcpy(text, "by hand", 7);
    CHECK_EQ(logfusion_commit(7), LOGFUSION_OK);

    CHECK_EQ(logfusion_reserve(LOGFUSION_INFO, "basic", 100, &text, &granted), LOGFUSION_OK);
    memcpy(text, "never seen", 10);
    CHECK_EQ(logfusion_cancel(LOGFUSION_OK), LOGFUSION_OK);

    CHECK_EQ(logfusion_reserve(LOGFUSION_INFO, "basic::zero", 0, &text, &granted), LOGFUSION_OK);
    CHECK(text != NULL && granted == 0);
    CHECK_EQ(logfusion_commit(0), LOGFUSION_OK);

    text = longer;
    CHECK_EQ(logfusion_reserve(LOGFUSION_TRACE, "basic", 100, &text, &granted), LOGFUSION_OK);
    CHECK(text == NULL);
}

static void read_back(const char *path) {
    char *text = check_read(path);
    char needle[2100];

    CHECK(check_line_has(text, "at error", "\"level\":\"ERROR\""));
    CHECK(check_line_has(text, "at warn", "\"level\":\"WARN\""));
    CHECK(check_line_has(text, "at info", "\"level\":\"INFO\""));
    CHECK(check_line_has(text, "at debug", "\"level\":\"DEBUG\""));
    CHECK(strstr(text, "at trace") == NULL);
    CHECK(check_line_has(text, "at info", "\"target\":\"basic\""));
    CHECK(check_line_has(text, "at info", "\"message\":\"at info\""));
    CHECK(check_line_has(text, "at info", "\"threadName\":\"tester\""));
    CHECK(check_line_has(text, "at info", "\"timestamp\":\"20"));
    CHECK(strstr(text, "gr\xc3\xbc\xc3\x9f" "e") != NULL);
    CHECK_EQ(check_count(text, "\"target\":\"basic::empty\""), 1);
    CHECK(check_line_has(text, "an empty target", "\"target\":\"\""));

    CHECK(check_line_has(text, "\"target\":\"basic::n\"", "\"message\":\"with leng"));
    CHECK(strstr(text, "with lengt") == NULL);
    CHECK(check_line_has(text, "\"target\":\"basic::nul\"", "inside"));
    CHECK_EQ(check_count(text, "\"target\":\"basic::zero\""), 2);

    CHECK(strstr(text, "printf 42 text 0.1") != NULL);
    CHECK(strstr(text, "vprintf text") != NULL);
    memset(needle, 0, sizeof needle);
    memcpy(needle, "long ", 5);
    memset(needle + 5, 'y', 2000);
    memcpy(needle + 2005, " end", 5);
    CHECK(strstr(text, needle) != NULL);
    CHECK(strstr(text, "yyyy<512\"") != NULL);
    CHECK(strstr(text, "yyyy<513\"") != NULL);

    CHECK(check_line_has(text, "with fields", "\"an_i64\":-9223372036854775808"));
    CHECK(check_line_has(text, "with fields", "\"an_u64\":18446744073709551615"));
    CHECK(check_line_has(text, "with fields", "\"an_f64\":-2.5"));
    CHECK(check_line_has(text, "with fields", "\"a_bool\":true"));
    CHECK(check_line_has(text, "with fields", "\"a_pointer\":\"0x"));
    CHECK(check_line_has(text, "with fields", "\"a_text\":\"quote \\\" newline \\n\""));
    CHECK(check_line_has(text, "with fields", "\"a_part\":\"part\""));
    CHECK(check_line_has(text, "with fields", "\"an_empty\":\"\""));
    CHECK_EQ(check_count(text, "\"message\":\"without fields\""), 1);

    CHECK(check_line_has(text, "batch one", "\"level\":\"ERROR\""));
    CHECK(check_line_has(text, "batch two", "\"target\":\"basic::batch\""));
    CHECK(check_line_has(text, "\"message\":\"batch three\"", "\"target\":\"basic::batch\""));
    /* Order of one thread. */
    CHECK(strstr(text, "batch one") < strstr(text, "batch two"));
    CHECK(strstr(text, "batch two") < strstr(text, "batch three"));

    CHECK(strstr(text, "\"message\":\"by hand\"") != NULL);
    CHECK(strstr(text, "never seen") == NULL);

    /* One record is one line, and each line an object. */
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        const char *end = strchr(line, '\n');
        CHECK(end != NULL && line[0] == '{' && end[-1] == '}');
    }
    free(text);
}

static void filter_and_callbacks(void) {
    int called = 0;
    uint64_t handle = 0;

    CHECK_EQ(logfusion_enabled(LOGFUSION_DEBUG, "basic"), 1);
    CHECK_EQ(logfusion_enabled(LOGFUSION_TRACE, "basic"), 0);
    CHECK_EQ(logfusion_set_filter("warn, basic::net=TRACE, basic::audio=off"), LOGFUSION_OK);
    CHECK_EQ(logfusion_enabled(LOGFUSION_WARN, "basic"), 1);
    CHECK_EQ(logfusion_enabled(LOGFUSION_INFO, "basic"), 0);
    CHECK_EQ(logfusion_enabled(LOGFUSION_TRACE, "basic::net"), 1);
    CHECK_EQ(logfusion_enabled(LOGFUSION_TRACE, "basic::net::packet"), 1);
    CHECK_EQ(logfusion_enabled(LOGFUSION_TRACE, "basic::network"), 0);
    CHECK_EQ(logfusion_enabled(LOGFUSION_ERROR, "basic::audio"), 0);
    CHECK_EQ(logfusion_set_filter(""), LOGFUSION_OK);
    CHECK_EQ(logfusion_enabled(LOGFUSION_INFO, "basic::audio"), 1);
    CHECK_EQ(logfusion_enabled(LOGFUSION_DEBUG, "basic::audio"), 0);
    CHECK_EQ(logfusion_set_filter("3"), LOGFUSION_OK);
    CHECK_EQ(logfusion_enabled(LOGFUSION_INFO, "basic"), 1);
    CHECK_EQ(logfusion_enabled(LOGFUSION_DEBUG, "basic"), 0);

    /* What is delivered from now on: nothing that was logged before may still be queued. */
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
    CHECK_EQ(logfusion_subscribe("basic", LOGFUSION_INFO, count_record, &called, &handle), LOGFUSION_OK);
    CHECK(handle != 0);
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "basic", "seen"), LOGFUSION_OK);
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
    CHECK_EQ(logfusion_unsubscribe(handle, 5000), LOGFUSION_OK);
    CHECK_EQ(called, 1);
}

static void ledger(void) {
    logfusion_stats_t before, after;
    logfusion_thread_stats_t thread;
    size_t count = 0;

    CHECK_EQ(logfusion_set_filter("info,basic::quiet=off"), LOGFUSION_OK);
    before.size = after.size = sizeof before;
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
    CHECK_EQ(logfusion_stats(&before), LOGFUSION_OK);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(logfusion_log(i % 4 == 0 ? LOGFUSION_ERROR : LOGFUSION_INFO, i % 10 == 0 ? "basic::quiet" : "basic",
                               "for the ledger"),
                 LOGFUSION_OK);
    }
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
    CHECK_EQ(logfusion_stats(&after), LOGFUSION_OK);
    CHECK_EQ(after.offered - before.offered, 1000);
    CHECK_EQ(after.accepted - before.accepted, 1000);
    CHECK_EQ(after.delivered - before.delivered, 900);
    CHECK_EQ(after.filtered - before.filtered, 100);
    CHECK_EQ(after.failed + after.queued, 0);
    CHECK(after.accepted_bytes > before.accepted_bytes);
    CHECK(after.output_bytes >= before.output_bytes + 900 * strlen("for the ledger"));
    CHECK_EQ(after.output_errors + after.output_lost_records + after.callbacks_failed, 0);
    CHECK(after.longest_delivery_delay_ns > 0);
    CHECK_EQ(after.bad_utf8, 0);

    CHECK_EQ(logfusion_stats_threads(NULL, &count), LOGFUSION_OK);
    CHECK_EQ(count, 1);
    thread.size = sizeof thread;
    CHECK_EQ(logfusion_stats_threads(&thread, &count), LOGFUSION_OK);
    CHECK_EQ(count, 1);
    CHECK(strcmp(thread.name, "tester") == 0);
    CHECK_EQ(thread.ended, 0);
    CHECK_EQ(thread.offered, after.offered);
    CHECK(thread.thread_id != 0);
    check_ledger(1);
}

int main(int argc, char **argv) {
    const char *scratch = check_start(argc, argv);
    char path[512];
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    logfusion_config zeroed;

    texts();
    memset(&zeroed, 0, sizeof zeroed);
    zeroed.size = sizeof zeroed;
    CHECK(memcmp(&zeroed, &config, sizeof config) == 0);

    config.filter = "debug";
    config.format = LOGFUSION_FORMAT_JSON;
    config.output = check_path(path, sizeof path, scratch, "basic.json");
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    CHECK_EQ(logfusion_init(), LOGFUSION_OK);
    CHECK_EQ(logfusion_set_thread_name("tester"), LOGFUSION_OK);

    log_all();
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
    read_back(path);
    last_error();
    filter_and_callbacks();
    ledger();
    CHECK_EQ(logfusion_drain(1000), LOGFUSION_E_MODE);
    CHECK(check_last_error());
    CHECK_EQ(logfusion_flush(0), LOGFUSION_OK); /* nothing is queued */
    logfusion_shutdown();
    return check_end("c_api_basic");
}
