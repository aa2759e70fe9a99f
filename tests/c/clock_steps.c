/*
 * The wall clock is set back and forward by an hour while threads log: each thread's records stay in their order, no span lasts a
 * negative time, and lines follow the clock within a second. The clock is this program's: the engine in its archive calls the
 * function below.
 */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 3, STEPS = 6, HOUR = 3600, MOST = 1 << 20 };

static _Atomic(long long) offset_seconds;
static _Atomic(int) asked;

int clock_gettime(clockid_t clock, struct timespec *now) {
    const int status = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME) {
        now->tv_sec += atomic_load(&offset_seconds);
        atomic_fetch_add(&asked, 1);
    }
    return status;
}

static _Atomic(int) done;

static void *log_on(void *argument) {
    const int thread = (int)(intptr_t)argument;
    for (int number = 0; !atomic_load(&done) && number < MOST; number++) {
        char text[64];
        snprintf(text, sizeof text, "thread %d number %d end", thread, number);
        const uint64_t span = number % 8 == 0 ? logfusion_span_enter(LOGFUSION_INFO, "clock", "work", NULL, 0) : 0;
        CHECK_EQ(logfusion_log(LOGFUSION_INFO, "clock", text), LOGFUSION_OK);
        if (span != 0) {
            CHECK_EQ(logfusion_span_exit(span), LOGFUSION_OK);
        }
        check_sleep_ms(1);
    }
    return NULL;
}

/* Seconds since the epoch of a line's time. */
static long long second_of(const char *line) {
    struct tm time;
    memset(&time, 0, sizeof time);
    CHECK(strptime(line, "%Y-%m-%dT%H:%M:%S", &time) != NULL);
    return (long long)timegm(&time);
}

int main(int argc, char **argv) {
    const char *const directory = check_start(argc, argv);
    char path[512];
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = check_path(path, sizeof path, directory, "log");
    config.span_close = LOGFUSION_YES;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    pthread_t threads[THREADS];
    for (intptr_t thread = 0; thread < THREADS; thread++) {
        CHECK_EQ(pthread_create(&threads[thread], NULL, log_on, (void *)thread), 0);
    }
    const long long offsets[STEPS] = {0, -HOUR, HOUR, 0, -HOUR, -HOUR + 1};
    for (int step = 0; step < STEPS; step++) {
        atomic_store(&offset_seconds, offsets[step]);
        check_sleep_ms(1000);
        /* A second later a record has the clock's time. */
        char text[64];
        snprintf(text, sizeof text, "step %d clock %lld end", step, check_now_ns(CLOCK_REALTIME) / 1000000000LL);
        CHECK_EQ(logfusion_log(LOGFUSION_INFO, "clock", text), LOGFUSION_OK);
        check_sleep_ms(200);
    }
    atomic_store(&done, 1);
    for (int thread = 0; thread < THREADS; thread++) {
        CHECK_EQ(pthread_join(threads[thread], NULL), 0);
    }
    logfusion_shutdown();
    CHECK(atomic_load(&asked) > STEPS);

    char *const all = check_read(path);
    int next[THREADS] = {0, 0, 0}, steps = 0, spans = 0;
    for (char *line = strtok(all, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        int thread, number;
        long long clock;
        const char *found;
        if ((found = strstr(line, "thread ")) != NULL && sscanf(found, "thread %d number %d", &thread, &number) == 2) {
            CHECK_EQ(number, next[thread]);
            next[thread] += 1;
        } else if ((found = strstr(line, "step ")) != NULL && sscanf(found, "step %d clock %lld", &number, &clock) == 2) {
            const long long difference = second_of(line) - clock;
            CHECK(difference >= -1 && difference <= 1);
            steps += 1;
        } else if ((found = strstr(line, "duration_ns=")) != NULL) {
            CHECK(found[12] >= '0' && found[12] <= '9');
            /* Nor one that wraps around: none of them lasts a minute. */
            CHECK(atoll(found + 12) < 60000000000LL);
            spans += 1;
        }
    }
    CHECK_EQ(steps, STEPS);
    CHECK(spans > 300 && next[0] > 1000);
    free(all);
    return check_end("clock_steps");
}
