/*
 * Outputs that break and are mended: a pipe whose reader is gone (EPIPE), a terminal that hung up (EIO), a pipe that nobody reads, a
 * file that is removed. No caller waits, no signal arrives, what is lost is counted, and lines come again within a second.
 */
#define _GNU_SOURCE
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile sig_atomic_t pipe_signals;

static void on_sigpipe(int number) {
    (void)number;
    pipe_signals += 1;
}

static long long longest_ns;

/* Logs and notes the longest call. */
static int timed_log(const char *text) {
    const long long begin = check_now_ns(CLOCK_MONOTONIC);
    const int status = logfusion_log(LOGFUSION_INFO, "broken", text);
    const long long took = check_now_ns(CLOCK_MONOTONIC) - begin;
    if (took > longest_ns) {
        longest_ns = took;
    }
    return status;
}

static logfusion_stats_t stats(void) {
    logfusion_stats_t sum;
    sum.size = sizeof sum;
    CHECK_EQ(logfusion_stats(&sum), LOGFUSION_OK);
    return sum;
}

static void start(const char *output) {
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = output;
    config.filter = "info,logfusion=off";
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
}

typedef struct {
    int fd;
    _Atomic(size_t) lines;
} reader_t;

static void *read_lines(void *argument) {
    reader_t *const reader = (reader_t *)argument;
    char buffer[1 << 16];
    ssize_t got;
    while ((got = read(reader->fd, buffer, sizeof buffer)) > 0) {
        for (ssize_t at = 0; at < got; at++) {
            reader->lines += buffer[at] == '\n';
        }
    }
    return NULL;
}

static int make_pipe(int ends[2]) { return pipe(ends); }

static int make_terminal(int ends[2]) {
    ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(ends[0] >= 0);
    CHECK_EQ(grantpt(ends[0]), 0);
    CHECK_EQ(unlockpt(ends[0]), 0);
    ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
    return ends[1] >= 0 ? 0 : -1;
}

/* `error`: what a write says while nobody reads. */
static void reader_goes_and_comes(int (*make)(int ends[2]), int error) {
    int ends[2];
    const int saved = dup(1);
    pthread_t thread;
    logfusion_stats_t before = stats();
    signal(SIGPIPE, on_sigpipe);
    CHECK_EQ(make(ends), 0);
    CHECK_EQ(dup2(ends[1], 1), 1);
    close(ends[1]);
    start("stdout");
    size_t accepted = 0, lines = 0;
    for (int round = 0; round < 20; round++) {
        /* Nobody reads: what is written is lost, and counted. */
        close(ends[0]);
        CHECK_EQ(write(1, "?", 1), -1);
        CHECK_EQ(errno, error);
        for (int i = 0; i < 50; i++) {
            accepted += timed_log("nobody reads this") == LOGFUSION_OK;
        }
        logfusion_flush(5000);
        CHECK_EQ(stats().output_lost_records - before.output_lost_records, 50 * (round + 1));
        /* Another in its place. */
        CHECK_EQ(make(ends), 0);
        CHECK_EQ(dup2(ends[1], 1), 1);
        close(ends[1]);
        reader_t reader = {ends[0], 0};
        CHECK_EQ(pthread_create(&thread, NULL, read_lines, &reader), 0);
        for (int i = 0; i < 50; i++) {
            accepted += timed_log("somebody reads this") == LOGFUSION_OK;
        }
        CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
        for (int wait = 0; wait < 1000 && reader.lines < 50; wait++) {
            check_sleep_ms(1);
        }
        CHECK_EQ(reader.lines, 50);
        lines += reader.lines;
        /* The reader ends when the last descriptor for writing is gone. */
        const int nowhere = open("/dev/null", O_WRONLY);
        CHECK_EQ(dup2(nowhere, 1), 1);
        close(nowhere);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        close(ends[0]);
        CHECK_EQ(make(ends), 0);
        CHECK_EQ(dup2(ends[1], 1), 1);
        close(ends[1]);
    }
    logfusion_shutdown();
    dup2(saved, 1);
    close(saved);
    close(ends[0]);
    const logfusion_stats_t after = stats();
    CHECK_EQ(accepted, 2000);
    CHECK_EQ(after.delivered - before.delivered, accepted);
    CHECK_EQ(lines + after.output_lost_records - before.output_lost_records, accepted);
    CHECK(after.output_errors > before.output_errors);
    CHECK_EQ(pipe_signals, error == EPIPE ? 20 : 0); /* our own writes */
}

static void nobody_reads(void) {
    int ends[2];
    const int saved = dup(1);
    pthread_t thread;
    const logfusion_stats_t before = stats();
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(dup2(ends[1], 1), 1);
    close(ends[1]);
    start("stdout");
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    size_t accepted = 0, dropped = 0;
    for (int i = 0; i < 20000; i++) {
        const int status = timed_log(text);
        accepted += status == LOGFUSION_OK;
        dropped += status == LOGFUSION_E_DROPPED;
    }
    CHECK_EQ(accepted + dropped, 20000);
    CHECK(dropped > 10000);
    CHECK_EQ(logfusion_flush(50), LOGFUSION_E_TIMEOUT);
    reader_t reader = {ends[0], 0};
    CHECK_EQ(pthread_create(&thread, NULL, read_lines, &reader), 0);
    const long long begin = check_now_ns(CLOCK_MONOTONIC);
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
    CHECK(check_now_ns(CLOCK_MONOTONIC) - begin < 1000000000LL);
    CHECK_EQ(timed_log("room again"), LOGFUSION_OK);
    logfusion_shutdown();
    CHECK_EQ(dup2(saved, 1), 1);
    close(saved);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    close(ends[0]);
    const logfusion_stats_t after = stats();
    CHECK_EQ(reader.lines, accepted + 1);
    CHECK_EQ(after.dropped_full - before.dropped_full, dropped);
    CHECK_EQ(after.output_lost_records, before.output_lost_records);
}

static void file_is_removed(const char *directory) {
    char path[512];
    start(check_path(path, sizeof path, directory, "removed"));
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(timed_log("before"), LOGFUSION_OK);
        CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
        CHECK_EQ(unlink(path), 0);
        struct stat status;
        const long long begin = check_now_ns(CLOCK_MONOTONIC);
        while (stat(path, &status) != 0) {
            CHECK(check_now_ns(CLOCK_MONOTONIC) - begin < 2000000000LL);
            CHECK_EQ(timed_log("where is it?"), LOGFUSION_OK);
            CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
            check_sleep_ms(10);
        }
        CHECK_EQ(timed_log("there it is"), LOGFUSION_OK);
        CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
        char *const text = check_read(path);
        CHECK_EQ(check_count(text, "there it is"), 1);
        free(text);
    }
    logfusion_shutdown();
}

int main(int argc, char **argv) {
    const char *const directory = check_start(argc, argv);
    logfusion_log(LOGFUSION_INFO, "broken", "the ring is there"); /* to stderr */
    logfusion_shutdown();
    reader_goes_and_comes(make_pipe, EPIPE);
    pipe_signals = 0;
    reader_goes_and_comes(make_terminal, EIO);
    nobody_reads();
    file_is_removed(directory);
    /* What a call would have waited for takes longer than what the machine may have had to do meanwhile. */
    CHECK(longest_ns < 200000000);
    printf("longest call %lld us\n", longest_ns / 1000);
    return check_end("broken_outputs");
}
