/* The guide, "Advanced FFI patterns": asynchronous flushes, and connections to SQLite. */
#define _DEFAULT_SOURCE
#include "guide.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *scratch;

/* ---- Asynchronous operations ---- */

enum { RECORDS = 5000 };

static atomic_int ended, inner_ended;
static atomic_int callback_thread;
static uint64_t delivered_then;
static atomic_int ended_of[2048];
static const guide *inner;

static void on_end(int id, int status, const char *result) {
    char number[16];
    logfusion_stats_t stats;

    stats.size = sizeof stats;
    CHECK_EQ(status, 0);
    snprintf(number, sizeof number, "%d", id);
    CHECK(result != NULL && strstr(result, number) != NULL);
    CHECK_EQ(logfusion_stats(&stats), LOGFUSION_OK);
    delivered_then = stats.delivered + stats.filtered;
    atomic_store(&callback_thread, (int)syscall(SYS_gettid));
    if (id >= 0 && id < 2048) {
        atomic_fetch_add(&ended_of[id], 1);
    }
    atomic_fetch_add(&ended, 1);
}

static void on_inner_end(int id, int status, const char *result) {
    (void)id, (void)status, (void)result;
    atomic_fetch_add(&inner_ended, 1);
}

static void begins_another(int id, int status, const char *result) {
    (void)status, (void)result;
    CHECK_EQ(logfusion_flush(-1), LOGFUSION_E_IN_CALLBACK);
    CHECK_EQ(inner->async_operation(id + 1, on_inner_end), 0);
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "async", "from an operation"), LOGFUSION_OK);
    atomic_fetch_add(&ended, 1);
}

static void wait_for(atomic_int *counter, int count) {
    for (int tries = 0; tries < 10000 && atomic_load(counter) < count; tries++) {
        check_sleep_ms(1);
    }
    CHECK_EQ(atomic_load(counter), count);
}

static void operations(const guide *g) {
    logfusion_stats_t stats;
    stats.size = sizeof stats;
    ended = inner_ended = 0;
    inner = g;
    memset(ended_of, 0, sizeof ended_of);

    REFUSES(g->async_operation(1, NULL), -1);

    for (int i = 0; i < RECORDS; i++) {
        g->log_info("before the operation");
    }
    CHECK_EQ(logfusion_stats(&stats), LOGFUSION_OK);
    ACCEPTS(CHECK_EQ(g->async_operation(-4711, on_end), 0));
    wait_for(&ended, 1);
    CHECK(delivered_then >= stats.accepted);
    CHECK(atomic_load(&callback_thread) != (int)syscall(SYS_gettid));
    char *text = check_read(guide_path); /* without a flush */
    CHECK_EQ(check_count(text, "before the operation"), RECORDS);
    free(text);

    for (int i = 0; i < 500; i++) {
        CHECK_EQ(g->async_operation(i, on_end), 0);
    }
    wait_for(&ended, 501);
    check_sleep_ms(20);
    for (int i = 0; i < 500; i++) {
        CHECK_EQ(ended_of[i], 1);
    }

    ended = 0;
    CHECK_EQ(g->async_operation(1, begins_another), 0);
    wait_for(&ended, 1);
    wait_for(&inner_ended, 1);

    /* A stop ends what is under way; a stopped engine is started. */
    ended = 0;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(g->async_operation(i, on_end), 0);
    }
    logfusion_shutdown();
    CHECK_EQ(atomic_load(&ended), 10);
    CHECK_EQ(g->async_operation(7, on_end), 0);
    wait_for(&ended, 11);
}

enum { STOPS = 300 };
static atomic_int go;

static void *begins_one_each(void *context) {
    (void)context;
    for (int round = 1; round <= STOPS; round++) {
        while (atomic_load(&go) < round) {
            sched_yield();
        }
        CHECK_EQ(logfusion_async_operation(-1, on_end), 0);
    }
    return NULL;
}

/* An operation begins while the engine stops: it ends all the same, and once. */
static void operations_and_stops(void) {
    pthread_t thread;
    ended = 0;
    CHECK_EQ(pthread_create(&thread, NULL, begins_one_each, NULL), 0);
    for (int round = 1; round <= STOPS; round++) {
        long long begin = check_now_ns(CLOCK_MONOTONIC);
        atomic_store(&go, round);
        while (check_now_ns(CLOCK_MONOTONIC) < begin + round % 60 * 5000) {
        }
        logfusion_shutdown();
        wait_for(&ended, round);
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    logfusion_shutdown();
    CHECK_EQ(atomic_load(&ended), STOPS);
}

/* In manual mode the thread that delivers calls back; and 1,024 operations may wait. */
static void manual(void) {
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = check_path(guide_path, sizeof guide_path, scratch, "manual.log");
    config.drain = LOGFUSION_DRAIN_MANUAL;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    ended = 0;
    memset(ended_of, 0, sizeof ended_of);
    logfusion_log_info("one");
    logfusion_log_info("two");
    for (int i = 0; i < 1024; i++) {
        CHECK_EQ(logfusion_async_operation(i, on_end), 0);
    }
    REFUSES(logfusion_async_operation(1024, on_end), LOGFUSION_E_BUSY);
    check_sleep_ms(30);
    CHECK_EQ(atomic_load(&ended), 0);
    CHECK_EQ(logfusion_drain(0), 1); /* one record, and the other is still there */
    CHECK_EQ(atomic_load(&ended), 0);
    CHECK_EQ(logfusion_drain(UINT64_MAX), 1);
    CHECK_EQ(atomic_load(&ended), 1024);
    CHECK_EQ(atomic_load(&callback_thread), (int)syscall(SYS_gettid));
    CHECK_EQ(ended_of[1023], 1);
    logfusion_shutdown();
}

/* ---- Connections ---- */

/* As guide_expect, for fields that end with a duration. */
static void expect_timed(const char *text, const char *level, const char *fields) {
    char needle[1024];
    snprintf(needle, sizeof needle, "\"level\":\"%s\",\"fields\":{%s,\"duration_ms\":", level, fields);
    const char *found = strstr(text, needle);
    checks_done += 1;
    guide_expected += 1;
    if (found == NULL || strstr(found + 1, needle) != NULL) {
        fprintf(stderr, "not once: %s\nin:\n%s\n", needle, text);
        exit(1);
    }
    found += strlen(needle);
    size_t digits = strspn(found, "0123456789.e-");
    CHECK(digits > 0 && strncmp(found + digits, "},\"target\":\"ffi::database\"", 26) == 0);
}

static void connections(const guide *g) {
    char path[600], uri[640], fields[1024], long_sql[400];
    char *text = guide_read();
    guide_expected = check_count(text, "\n") - check_count(text, "\"target\":\"logfusion\""); /* what was before */
    free(text);

    int memory = g->create_connection(":memory:");
    CHECK(memory > 0);
    snprintf(path, sizeof path, "%s/%s.db", scratch, g->way);
    int file = g->create_connection(path);
    CHECK(file > memory);
    snprintf(uri, sizeof uri, "file:%s?mode=ro", path);

    REFUSES(g->create_connection(NULL), -1);
    REFUSES(g->create_connection("\xff.db"), -2);
    REFUSES(g->create_connection("/nonexistent-directory/x.db"), -2);
    CHECK_EQ(g->create_connection("/nonexistent-directory/x.db"), -2);
    char why[256];
    CHECK(g->get_last_error(why, sizeof why) > 0 && strstr(why, "unable to open") != NULL);

    ACCEPTS(CHECK_EQ(g->execute_statement(file, "CREATE TABLE t (a INTEGER UNIQUE, b TEXT)"), 0));
    ACCEPTS(CHECK_EQ(g->execute_statement(file, " /* three */ insert into t values (1, 'x'), (2, 'y'), (3, 'z')"), 3));
    ACCEPTS(CHECK_EQ(g->execute_statement(file, "CREATE TABLE u (a)"), 0));
    ACCEPTS(CHECK_EQ(g->execute_statement(file, "UPDATE t SET b = 'w' WHERE a > 1"), 2));
    ACCEPTS(CHECK_EQ(g->execute_statement(file, "SELECT * FROM t"), 0));
    /* Another connection to the same file, by URI, sees it and may not write. */
    int reader = g->create_connection(uri);
    CHECK(reader > file);
    ACCEPTS(CHECK_EQ(g->execute_statement(reader, "SELECT a FROM t"), 0));
    REFUSES(g->execute_statement(reader, "DELETE FROM t"), -3);
    REFUSES(g->execute_statement(file, "INSERT INTO t VALUES (1, 'again')"), -3);
    REFUSES(g->execute_statement(memory, "SELECT * FROM t"), -3); /* not there */
    memset(long_sql, 0, sizeof long_sql);
    strcpy(long_sql, "DELETE FROM t WHERE b IN ('");
    for (int i = 0; i < 100; i++) {
        strcat(long_sql, "\xc3\xa9");
    }
    strcat(long_sql, "')");
    ACCEPTS(CHECK_EQ(g->execute_statement(file, long_sql), 0));

    REFUSES(g->execute_statement(file, NULL), -1);
    REFUSES(g->execute_statement(0, "SELECT 1"), -1);
    REFUSES(g->execute_statement(-1, "SELECT 1"), -1);
    REFUSES(g->execute_statement(INT_MAX, "SELECT 1"), -2);
    REFUSES(g->execute_statement(file, "SELECT '\xff'"), -2);

    ACCEPTS(CHECK_EQ(g->destroy_connection(file), 0));
    REFUSES(g->destroy_connection(file), -2);
    REFUSES(g->execute_statement(file, "SELECT 1"), -2);
    REFUSES(g->destroy_connection(0), -1);
    REFUSES(g->destroy_connection(INT_MIN), -1);
    REFUSES(g->destroy_connection(INT_MAX), -2);
    ACCEPTS(CHECK_EQ(g->destroy_connection(reader), 0));
    ACCEPTS(CHECK_EQ(g->destroy_connection(memory), 0));
    int next = g->create_connection(":memory:");
    CHECK(next > reader); /* ids are not used again */
    CHECK_EQ(g->destroy_connection(next), 0);

    text = guide_read();
#define OPENED(id, string)                                                                                             \
    snprintf(fields, sizeof fields,                                                                                    \
             "\"message\":\"connection opened\",\"connection_id\":%d,\"connection_string\":\"%s\"", id, string);       \
    guide_expect(text, "INFO", "ffi::database", fields)
#define CLOSED(id)                                                                                                     \
    snprintf(fields, sizeof fields, "\"message\":\"connection closed\",\"connection_id\":%d", id);                     \
    guide_expect(text, "INFO", "ffi::database", fields)
#define STATEMENT(level, message, id, operation, statement, outcome)                                                   \
    snprintf(fields, sizeof fields,                                                                                    \
             "\"message\":\"" message "\",\"connection_id\":%d,\"operation\":\"" operation "\",\"statement\":\"%s\"," \
             outcome,                                                                                                  \
             id, statement);                                                                                           \
    expect_timed(text, level, fields)
    OPENED(memory, ":memory:");
    OPENED(file, path);
    OPENED(reader, uri);
    OPENED(next, ":memory:");
    CLOSED(memory);
    CLOSED(file);
    CLOSED(reader);
    CLOSED(next);
    STATEMENT("INFO", "statement", file, "CREATE", "CREATE TABLE t (a INTEGER UNIQUE, b TEXT)", "\"rows_affected\":0");
    STATEMENT("INFO", "statement", file, "insert",
              " /* three */ insert into t values (1, 'x'), (2, 'y'), (3, 'z')", "\"rows_affected\":3");
    STATEMENT("INFO", "statement", file, "CREATE", "CREATE TABLE u (a)", "\"rows_affected\":0");
    STATEMENT("INFO", "statement", file, "UPDATE", "UPDATE t SET b = 'w' WHERE a > 1", "\"rows_affected\":2");
    STATEMENT("INFO", "statement", file, "SELECT", "SELECT * FROM t", "\"rows_affected\":0");
    STATEMENT("INFO", "statement", reader, "SELECT", "SELECT a FROM t", "\"rows_affected\":0");
    STATEMENT("ERROR", "statement failed", reader, "DELETE", "DELETE FROM t", "\"error_code\":8");
    STATEMENT("ERROR", "statement failed", file, "INSERT", "INSERT INTO t VALUES (1, 'again')", "\"error_code\":2067");
    STATEMENT("ERROR", "statement failed", memory, "SELECT", "SELECT * FROM t", "\"error_code\":1");
    long_sql[27 + 2 * 73] = '\0'; /* 100 characters */
    STATEMENT("INFO", "statement", file, "DELETE", long_sql, "\"rows_affected\":0");
    guide_expect_no_more(text);
    free(text);
}

static void rows(const guide *g) {
    operations(g);
    connections(g);
}

int main(int argc, char **argv) {
    scratch = check_start(argc, argv);
    FOR_EACH_WAY(scratch, "info", rows)
    guide_begin(scratch, "stops.json", "info");
    operations_and_stops();
    manual();
    return check_end("guide_advanced");
}
