/* Start, stop and start again; exit, fork, the end of threads, and manual mode. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static void logs(const char *message) {
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "life", message), LOGFUSION_OK);
}

static void flush(void) {
    CHECK_EQ(logfusion_flush(10000), LOGFUSION_OK);
}

static size_t count_in(const char *path, const char *needle) {
    char *text = check_read(path);
    size_t count = check_count(text, needle);
    free(text);
    return count;
}

/* Waits for a child that must end with exit code 0. */
static void wait_for(pid_t child) {
    int status = -1;
    CHECK(child > 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

/* A program that starts by its first record and ends without a flush loses nothing. */
static void exit_without_flush(const char *scratch) {
    char path[512];
    check_path(path, sizeof path, scratch, "exit.log");
    pid_t child = fork();
    if (child == 0) {
        setenv("LOGFUSION_OUTPUT", path, 1);
        for (int i = 0; i < 1000; i++) {
            CHECK_EQ(logfusion_logf(LOGFUSION_INFO, "life", "before the exit %d.", i), LOGFUSION_OK);
        }
        exit(0);
    }
    wait_for(child);
    CHECK_EQ(count_in(path, "before the exit "), 1000);
    CHECK_EQ(count_in(path, "before the exit 999."), 1);
}

static void start_and_stop(const char *scratch) {
    char path[512], other[512], appended[512];
    logfusion_config config = LOGFUSION_CONFIG_INIT;

    /* Nothing runs yet. */
    logfusion_shutdown();
    CHECK_EQ(logfusion_flush(0), LOGFUSION_OK);

    /* The first record starts it, with the environment. */
    setenv("LOGFUSION_OUTPUT", check_path(path, sizeof path, scratch, "auto.log"), 1);
    logs("started by a record");
    CHECK_EQ(logfusion_init(), LOGFUSION_OK);
    flush();
    CHECK_EQ(count_in(path, "started by a record"), 1);

    /* Other settings while it runs. */
    config.format = LOGFUSION_FORMAT_JSON;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_E_RUNNING);
    CHECK(check_last_error());
    logs("still as it was");

    /* Stop delivers; twice is fine; a record starts it again as it was, although the environment is gone. */
    logfusion_shutdown();
    CHECK_EQ(count_in(path, "still as it was"), 1);
    logfusion_shutdown();
    unsetenv("LOGFUSION_OUTPUT");
    logs("started again");
    flush();
    CHECK_EQ(count_in(path, "started again"), 1);
    logfusion_shutdown();

    /* Other settings after a stop. */
    config.output = check_path(other, sizeof other, scratch, "other.json");
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    logs("in the other file");
    logfusion_shutdown();
    CHECK_EQ(count_in(other, "\"message\":\"in the other file\""), 1);
    CHECK_EQ(count_in(path, "in the other file"), 0);

    /* Files are appended to. */
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    logs("appended");
    logfusion_shutdown();
    CHECK_EQ(count_in(other, "\"message\":\"in the other file\""), 1);
    CHECK_EQ(count_in(other, "\"message\":\"appended\""), 1);

    /* The environment wins over the struct. */
    setenv("LOGFUSION_OUTPUT", check_path(appended, sizeof appended, scratch, "environment.log"), 1);
    setenv("LOGFUSION_FORMAT", "logfmt", 1);
    setenv("LOGFUSION_LOG", "warn", 1);
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    CHECK_EQ(logfusion_enabled(LOGFUSION_INFO, "life"), 0);
    CHECK_EQ(logfusion_log(LOGFUSION_WARN, "life", "by the environment"), LOGFUSION_OK);
    logfusion_shutdown();
    CHECK_EQ(count_in(appended, "msg=\"by the environment\""), 1);
    unsetenv("LOGFUSION_OUTPUT");
    unsetenv("LOGFUSION_FORMAT");
    unsetenv("LOGFUSION_LOG");

    /* An output that can't be opened: said, and the engine runs (on stderr, which is a file here). */
    check_path(path, sizeof path, scratch, "stderr.log");
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    FILE *file = fopen(path, "wb");
    CHECK(saved >= 0 && file != NULL);
    CHECK(dup2(fileno(file), STDERR_FILENO) >= 0);
    config = (logfusion_config)LOGFUSION_CONFIG_INIT;
    config.output = "/nonexistent-directory/x.log";
    int status = logfusion_init_with(&config);
    int logged = logfusion_log(LOGFUSION_INFO, "life", "on stderr instead");
    logfusion_shutdown();
    CHECK(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    fclose(file);
    CHECK_EQ(status, LOGFUSION_E_OUTPUT);
    CHECK_EQ(logged, LOGFUSION_OK);
    CHECK_EQ(count_in(path, "on stderr instead"), 1);
}

/* ---- Threads ---- */

enum { THREADS = 8, RECORDS = 200 };

static void *short_life(void *context) {
    const int *number = context;
    char name[16];
    snprintf(name, sizeof name, "short-%d", *number);
    CHECK_EQ(logfusion_set_thread_name(name), LOGFUSION_OK);
    for (int i = 0; i < RECORDS; i++) {
        CHECK_EQ(logfusion_logf(LOGFUSION_INFO, "life::thread", "thread %d record %d.", *number, i), LOGFUSION_OK);
    }
    return NULL;
}

/* A thread that ends leaves its records and its row in the ledger. */
static void threads_end(const char *scratch) {
    char path[512];
    pthread_t threads[THREADS];
    int numbers[THREADS];
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    logfusion_thread_stats_t rows[64];
    size_t count = 0, ended = 0;

    config.output = check_path(path, sizeof path, scratch, "threads.log");
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        CHECK_EQ(pthread_create(&threads[i], NULL, short_life, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    flush();
    char *text = check_read(path);
    CHECK_EQ(check_count(text, "thread "), THREADS * RECORDS);
    for (int i = 0; i < THREADS; i++) {
        const char *at = text;
        for (int record = 0; record < RECORDS; record++) {
            char needle[64];
            snprintf(needle, sizeof needle, "thread %d record %d.", i, record);
            at = strstr(at, needle); /* each after the one before */
            CHECK(at != NULL);
        }
    }
    free(text);

    /* The drain thread sees within its idle rest that they have ended. */
    for (int tries = 0; tries < 200 && ended < THREADS; tries++) {
        check_sleep_ms(20);
        count = 64;
        ended = 0;
        rows[0].size = sizeof rows[0];
        CHECK_EQ(logfusion_stats_threads(rows, &count), LOGFUSION_OK);
        for (size_t i = 0; i < count && i < 64; i++) {
            if (rows[i].ended && strncmp(rows[i].name, "short-", 6) == 0) {
                CHECK_EQ(rows[i].offered, RECORDS);
                CHECK_EQ(rows[i].delivered, RECORDS);
                ended += 1;
            }
        }
    }
    CHECK_EQ(ended, THREADS);
    check_ledger(1);

    /* A capacity below the number of threads: so many are written, and the number told. */
    size_t all = count;
    count = 2;
    memset(rows, 0x5a, sizeof rows);
    rows[0].size = sizeof rows[0];
    CHECK_EQ(logfusion_stats_threads(rows, &count), LOGFUSION_OK);
    CHECK_EQ(count, all);
    CHECK_EQ(rows[1].size, sizeof rows[1]);
    CHECK_EQ(rows[2].offered, 0x5a5a5a5a5a5a5a5a);
}

/* ---- Fork (threads_end has left the engine running, on threads.log) ---- */

static void fork_logs(const char *scratch, int leave_by_exit) {
    char path[512], needle[64];
    check_path(path, sizeof path, scratch, "threads.log");
    snprintf(needle, sizeof needle, "of child %d.", leave_by_exit);

    for (int i = 0; i < 100; i++) {
        logs("of the parent before");
    }
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        logfusion_stats_t stats;
        for (int i = 0; i < 50; i++) {
            CHECK_EQ(logfusion_logf(LOGFUSION_INFO, "life::fork", "record %d of child %d.", i, leave_by_exit),
                     LOGFUSION_OK);
        }
        stats.size = sizeof stats;
        if (leave_by_exit) {
            exit(0); /* delivers */
        }
        flush();
        CHECK_EQ(logfusion_stats(&stats), LOGFUSION_OK);
        CHECK_EQ(stats.offered, 50);
        CHECK_EQ(stats.delivered, 50);
        logfusion_shutdown();
        _exit(0);
    }
    for (int i = 0; i < 100; i++) {
        logs("of the parent after");
    }
    wait_for(child);
    flush();
    CHECK_EQ(count_in(path, needle), 50);

    /* Whole lines: as many as there are records. */
    char *text = check_read(path);
    CHECK_EQ(check_count(text, "of the parent before\n") + check_count(text, "of the parent after\n"),
             check_count(text, "of the parent "));
    free(text);
}

/* ---- Manual mode ---- */

static void manual(const char *scratch) {
    char path[512];
    logfusion_config config = LOGFUSION_CONFIG_INIT;

    logfusion_shutdown();
    config.output = check_path(path, sizeof path, scratch, "manual.log");
    config.drain = LOGFUSION_DRAIN_MANUAL;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    for (int i = 0; i < 1000; i++) {
        logs("by hand");
    }
    check_sleep_ms(100);
    CHECK_EQ(count_in(path, "by hand"), 0); /* nobody else delivers */
    int64_t first = logfusion_drain(0);
    CHECK(first >= 1 && first <= 1000);
    CHECK_EQ(count_in(path, "by hand"), (size_t)first);
    CHECK_EQ(logfusion_drain(UINT64_MAX), 1000 - first);
    CHECK_EQ(count_in(path, "by hand"), 1000);
    CHECK_EQ(logfusion_drain(UINT64_MAX), 0);

    logs("by flush");
    flush();
    CHECK_EQ(count_in(path, "by flush"), 1);
    logs("by shutdown");
    logfusion_shutdown();
    CHECK_EQ(count_in(path, "by shutdown"), 1);
}

int main(int argc, char **argv) {
    const char *scratch = check_start(argc, argv);

    exit_without_flush(scratch);
    start_and_stop(scratch);
    threads_end(scratch);
    fork_logs(scratch, 0);
    fork_logs(scratch, 1);
    manual(scratch);
    return check_end("lifecycle");
}
