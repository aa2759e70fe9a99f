/*
 * The program's signal handlers never run on the drain thread: not for signals to the process that every other thread blocks,
 * and not for what the drain's own writes would raise (SIGPIPE, SIGXFSZ).
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ROUNDS = 200 };

static const int numbers[] = {SIGUSR1, SIGUSR2, SIGALRM, SIGPROF, SIGPIPE, SIGXFSZ, SIGCHLD, SIGIO, SIGTERM, SIGHUP};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

static volatile sig_atomic_t handled, handled_elsewhere;
static pthread_t main_thread;

static void on_signal(int number) {
    (void)number;
    handled += 1;
    handled_elsewhere += !pthread_equal(pthread_self(), main_thread);
}

int main(int argc, char **argv) {
    const char *const directory = check_start(argc, argv);
    char path[512];
    sigset_t all, before;
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = check_path(path, sizeof path, directory, "log");
    main_thread = pthread_self();
    for (int i = 0; i < NUMBERS; i++) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_handler = on_signal;
        CHECK_EQ(sigaction(numbers[i], &action, NULL), 0);
    }
    /* The drain thread is started where nothing is blocked: it must block by itself. */
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    sigfillset(&all);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &all, &before), 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < NUMBERS; i++) {
            CHECK_EQ(kill(getpid(), numbers[i]), 0);
        }
        CHECK_EQ(logfusion_log(LOGFUSION_INFO, "signals", "a record for the drain to be awake"), LOGFUSION_OK);
        CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
        CHECK_EQ(handled, 0);
    }
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    CHECK_EQ(handled, NUMBERS);
    CHECK_EQ(handled_elsewhere, 0);

    /* A file that may not grow. */
    const struct rlimit small = {16 << 10, RLIM_INFINITY};
    struct rlimit unlimited;
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(logfusion_log(LOGFUSION_INFO, "signals", "a line that the file has no room for"), LOGFUSION_OK);
    }
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_E_OUTPUT);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    logfusion_shutdown();

    /* A pipe that nobody reads any more. */
    int ends[2];
    const int saved = dup(2);
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(dup2(ends[1], 2), 2);
    close(ends[0]);
    close(ends[1]);
    config.output = "stderr";
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(logfusion_log(LOGFUSION_INFO, "signals", "nobody reads this"), LOGFUSION_OK);
        logfusion_flush(5000);
    }
    logfusion_shutdown();
    CHECK_EQ(dup2(saved, 2), 2);
    CHECK_EQ(handled, NUMBERS);
    logfusion_stats_t stats;
    stats.size = sizeof stats;
    CHECK_EQ(logfusion_stats(&stats), LOGFUSION_OK);
    CHECK(stats.output_lost_records >= 100);
    return check_end("host_signals");
}
