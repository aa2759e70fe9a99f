/* Every function leaves errno as it was: in its first call, in later ones, and when the arguments are bad. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>

#define MARK 4711

/* Evaluates the call with errno set, and checks that it still is. */
#define KEEPS(call)                                                                                                    \
    do {                                                                                                               \
        errno = MARK;                                                                                                  \
        (void)(call);                                                                                                  \
        int after = errno;                                                                                             \
        CHECK_EQ(after, MARK);                                                                                         \
    } while (0)

static void on_record(const logfusion_record *record, void *context) {
    (void)record;
    (void)context;
    errno = 1; /* the callback's own business: it runs on another thread */
}

static void log_calls(void) {
    const logfusion_field field = logfusion_field_i64("n", 1);
    const logfusion_entry entry = logfusion_entry_make(LOGFUSION_INFO, "errno", "batch");
    char *text = NULL;
    size_t granted = 0;
    static char longer[2000];
    memset(longer, 'x', sizeof longer - 1);

    KEEPS(logfusion_log(LOGFUSION_INFO, "errno", "log"));
    KEEPS(logfusion_log_n(LOGFUSION_INFO, "errno", 5, "log_n", 5));
    KEEPS(logfusion_logf(LOGFUSION_INFO, "errno", "%d", 1));
    KEEPS(logfusion_logf(LOGFUSION_INFO, "errno", "%s", longer));
    KEEPS(logfusion_log_fields(LOGFUSION_INFO, "errno", "fields", &field, 1));
    KEEPS(logfusion_log_batch(&entry, 1));
    KEEPS(logfusion_reserve(LOGFUSION_INFO, "errno", 10, &text, &granted));
    KEEPS(logfusion_commit(0));
    KEEPS(logfusion_reserve(LOGFUSION_INFO, "errno", 10, &text, &granted));
    KEEPS(logfusion_cancel(LOGFUSION_OK));
    KEEPS(logfusion_log(LOGFUSION_TRACE, "errno", "disabled"));
    KEEPS(logfusion_log(LOGFUSION_INFO, "errno", NULL));
    KEEPS(logfusion_log(99, NULL, "bad level and target"));
    KEEPS(logfusion_log(LOGFUSION_INFO, "errno", "\xff\xfe"));
}

static void *on_new_thread(void *context) {
    (void)context;
    log_calls();
    return NULL;
}

int main(int argc, char **argv) {
    const char *scratch = check_start(argc, argv);
    char path[512];
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    logfusion_stats_t stats;
    logfusion_thread_stats_t thread;
    size_t count = 1;
    uint64_t handle = 0;
    pthread_t other;

    /* The first record starts the engine; its thread, file and rings are made in this call. */
    setenv("LOGFUSION_OUTPUT", check_path(path, sizeof path, scratch, "auto.log"), 1);
    KEEPS(logfusion_log(LOGFUSION_INFO, "errno", "the first record"));
    KEEPS(logfusion_init());
    KEEPS((logfusion_shutdown(), 0));
    unsetenv("LOGFUSION_OUTPUT");

    /* An argument may use errno, and it is still there afterwards. */
    config.output = check_path(path, sizeof path, scratch, "errno.log");
    KEEPS(logfusion_init_with(&config));
    errno = ENOENT;
    CHECK_EQ(logfusion_logf(LOGFUSION_INFO, "errno", "why: %s", strerror(errno)), LOGFUSION_OK);
    CHECK_EQ(errno, ENOENT);

    log_calls();
    CHECK_EQ(pthread_create(&other, NULL, on_new_thread, NULL), 0);
    CHECK_EQ(pthread_join(other, NULL), 0);

    stats.size = sizeof stats;
    thread.size = sizeof thread;
    KEEPS(logfusion_init_with(NULL));
    KEEPS(logfusion_enabled(LOGFUSION_INFO, "errno"));
    KEEPS(logfusion_set_filter("debug"));
    KEEPS(logfusion_set_filter("not=a=filter"));
    KEEPS(logfusion_subscribe("errno", LOGFUSION_INFO, on_record, NULL, &handle));
    KEEPS(logfusion_log(LOGFUSION_INFO, "errno", "for the callback"));
    KEEPS(logfusion_flush(5000));
    KEEPS(logfusion_flush(0));
    KEEPS(logfusion_unsubscribe(handle, 5000));
    KEEPS(logfusion_unsubscribe(handle, 0));
    KEEPS(logfusion_drain(0));
    KEEPS(logfusion_set_thread_name("errno"));
    KEEPS(logfusion_stats(&stats));
    KEEPS(logfusion_stats_threads(&thread, &count));
    KEEPS(logfusion_last_error(path, sizeof path));
    KEEPS((logfusion_clear_last_error(), 0));
    KEEPS(logfusion_status_text(LOGFUSION_E_NULL));
    KEEPS(logfusion_version());
    KEEPS((logfusion_shutdown(), 0));

    /* A start that can't open its output. */
    config.output = "/nonexistent-directory/x.log";
    KEEPS(logfusion_init_with(&config));
    KEEPS((logfusion_shutdown(), 0));
    return check_end("errno_kept");
}
