/* The guide, "Error handling across FFI": the last error of a thread, and its events. */
#define _POSIX_C_SOURCE 200809L
#include "guide.h"

#include <limits.h>
#include <pthread.h>

static void *other_thread(void *context) {
    const guide *g = context;
    char text[64] = "x";
    CHECK_EQ(g->get_last_error(text, sizeof text), 0);
    CHECK(text[0] == '\0');
    SILENT(g->log_info(NULL));
    return NULL;
}

static void last_error(const guide *g) {
    char whole[256], part[256];
    pthread_t other;

    g->clear_last_error();
    CHECK_EQ(g->get_last_error(whole, sizeof whole), 0);
    CHECK(whole[0] == '\0');

    /* The text has an é. */
    CHECK_EQ(g->unregister_log_callback("caf\xc3\xa9"), -1);
    int length = g->get_last_error(whole, sizeof whole);
    CHECK(length > 10 && length < (int)sizeof whole && strlen(whole) == (size_t)length);
    const char *accent = strstr(whole, "\xc3\xa9");
    CHECK(accent != NULL);
    int before = (int)(accent - whole);
    CHECK_EQ(g->get_last_error(part, length), length - 1);
    CHECK_EQ(g->get_last_error(part, length + 1), length);
    CHECK_EQ(g->get_last_error(part, before + 3), before + 2);
    CHECK_EQ(g->get_last_error(part, before + 2), before); /* not half of it */
    CHECK(strlen(part) == (size_t)before && strncmp(part, whole, strlen(part)) == 0);
    CHECK_EQ(g->get_last_error(part, 1), 0);
    CHECK(part[0] == '\0');

    /* It is this thread's. */
    CHECK_EQ(pthread_create(&other, NULL, other_thread, (void *)g), 0);
    CHECK_EQ(pthread_join(other, NULL), 0);
    CHECK_EQ(g->get_last_error(part, sizeof part), length);
    CHECK(strcmp(part, whole) == 0);

    /* A bad question leaves it; without one it is an error itself. */
    CHECK_EQ(g->get_last_error(NULL, 10), -1);
    CHECK_EQ(g->get_last_error(part, 0), -1);
    CHECK_EQ(g->get_last_error(part, -1), -1);
    CHECK_EQ(g->get_last_error(part, INT_MIN), -1);
    CHECK_EQ(g->get_last_error(part, sizeof part), length);
    CHECK(strcmp(part, whole) == 0);
    REFUSES(g->get_last_error(NULL, 10), -1);
    REFUSES(g->get_last_error(part, 0), -1);

    CHECK_EQ(g->safe_ffi_function(NULL), -1);
    CHECK(g->get_last_error(part, sizeof part) > 0);
    g->clear_last_error();
    CHECK_EQ(g->get_last_error(part, sizeof part), 0);
    ACCEPTS(CHECK_EQ(g->safe_ffi_function(""), 0));
    ACCEPTS(CHECK_EQ(g->safe_ffi_function("text"), 0));
    REFUSES(g->safe_ffi_function(NULL), -1);
}

static void process(const guide *g) {
    char output[64];
    char overlap[64] = "in place";
    const int whole = (int)strlen("processed: data");

    memset(output, '#', sizeof output);
    CHECK_EQ(g->safe_ffi_function(NULL), -1);
    CHECK_EQ(g->process_data_with_error_handling("data", output, sizeof output), whole);
    CHECK(strcmp(output, "processed: data") == 0);
    CHECK(output[whole + 1] == '#');
    CHECK_EQ(logfusion_last_error(NULL, 0), 0); /* cleared */
    ACCEPTS(CHECK_EQ(g->process_data_with_error_handling("", output, 12), 11));
    CHECK(strcmp(output, "processed: ") == 0);
    ACCEPTS(CHECK_EQ(g->process_data_with_error_handling("data", output, whole + 1), whole));

    memset(output, '#', sizeof output);
    REFUSES(g->process_data_with_error_handling(NULL, output, sizeof output), -1);
    REFUSES(g->process_data_with_error_handling("data", NULL, 64), -2);
    REFUSES(g->process_data_with_error_handling("data", output, 0), -2);
    REFUSES(g->process_data_with_error_handling("data", output, -1), -2);
    REFUSES(g->process_data_with_error_handling("da\xffta", output, sizeof output), -3);
    REFUSES(g->process_data_with_error_handling("da\xffta", output, 1), -3);
    REFUSES(g->process_data_with_error_handling("data", output, whole), -4);
    REFUSES(g->process_data_with_error_handling("data", output, 1), -4);
    CHECK(output[0] == '#');

    ACCEPTS(CHECK_EQ(g->process_data_with_error_handling(overlap, overlap, sizeof overlap), 19));
    CHECK(strcmp(overlap, "processed: in place") == 0);
}

/* Each new last error is an event of the engine, at most ten a second; it is not in the ledger. */
static void events(const guide *g) {
    logfusion_stats_t before, after;
    before.size = after.size = sizeof before;

    /* The errors above are over. */
    free(guide_read());
    check_sleep_ms(1200);
    char *old = guide_read();
    size_t old_events = check_count(old, "\"ffi_error\":");
    size_t old_counts = check_count(old, "\"more last errors\"");
    free(old);

    CHECK_EQ(logfusion_stats(&before), LOGFUSION_OK);
    g->log_info(NULL);
    char *text = guide_read();
    CHECK_EQ(check_count(text, "\"ffi_error\":") - old_events, 1);
    CHECK(strstr(text, "\"level\":\"ERROR\",\"fields\":{\"message\":\"last error\",\"ffi_error\":\"logfusion_log_info: "
                       "message is NULL; nothing was logged\"},\"target\":\"logfusion\"") != NULL);
    free(text);
    for (int i = 0; i < 24; i++) {
        CHECK_EQ(g->safe_ffi_function(NULL), -1);
    }
    text = guide_read();
    CHECK_EQ(check_count(text, "\"ffi_error\":") - old_events, 10);
    CHECK_EQ(check_count(text, "\"more last errors\"") - old_counts, 0);
    free(text);
    check_sleep_ms(1200);
    text = guide_read();
    CHECK_EQ(check_count(text, "\"ffi_error\":") - old_events, 10);
    CHECK_EQ(check_count(text, "\"more last errors\"") - old_counts, 1);
    CHECK(strstr(text, "\"level\":\"WARN\",\"fields\":{\"message\":\"more last errors\",\"count\":15},"
                       "\"target\":\"logfusion\"") != NULL);
    free(text);
    g->log_info(NULL); /* and now there is room again */
    text = guide_read();
    CHECK_EQ(check_count(text, "\"ffi_error\":") - old_events, 11);
    free(text);
    CHECK_EQ(logfusion_stats(&after), LOGFUSION_OK);
    CHECK_EQ(after.offered, before.offered);
}

static void rows(const guide *g) {
    last_error(g);
    process(g);
    if (g == &guides[0]) { /* it takes seconds */
        events(g);
    }
    char *text = guide_read();
    guide_expect_no_more(text);
    free(text);
}

int main(int argc, char **argv) {
    const char *scratch = check_start(argc, argv);
    FOR_EACH_WAY(scratch, "info", rows)
    return check_end("guide_errors");
}
