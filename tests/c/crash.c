/*
 * Crashes by the hundred, each in a process of its own that logs by three threads: in the program, in a log call, inside of
 * malloc, by a signal that another process sends at any moment, and in a callback on the drain thread. Every record that was
 * accepted before is in the file, and none twice unless the report says that it may be.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CRASHES
#define CRASHES 1000
#endif

enum { THREADS = 3, MOST = 1 << 16, BATCH = 4 };

enum kind { IN_PROGRAM, ABORTED, DIVIDED, ILLEGAL, BUS, IN_LOG_CALL, IN_MALLOC, SENT, IN_CALLBACK, KINDS };

static const int signals[KINDS] = {SIGSEGV, SIGABRT, SIGFPE, SIGILL, SIGBUS, SIGSEGV, SIGABRT, SIGABRT, SIGSEGV};

/* What a process and its parent both see. */
typedef struct {
    _Atomic(unsigned) accepted[THREADS];
    /* What was accepted for certain before the crash. */
    unsigned before[THREADS];
    _Atomic(int) ready;
    _Atomic(int) chained;
} shared_t;

static shared_t *shared;
static volatile int zero;
static volatile uintptr_t unmapped = 8;

static unsigned next_random(unsigned *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void log_one(int thread, unsigned number) {
    char text[64];
    int status;
    if (number % 3 == 0) {
        LF_INFO("crash::static", "thread {thread} number {number} end", LF_KV("thread", thread), LF_KV("number", number));
        status = LOGFUSION_OK;
    } else {
        snprintf(text, sizeof text, "thread %d number %u end", thread, number);
        status = logfusion_log(number % 7 == 0 ? LOGFUSION_WARN : LOGFUSION_INFO, "crash::dynamic", text);
    }
    if (status == LOGFUSION_OK) {
        atomic_store(&shared->accepted[thread], number + 1);
    }
}

static void log_batch(int thread, unsigned number) {
    char texts[BATCH][64];
    logfusion_entry entries[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        snprintf(texts[i], sizeof texts[i], "thread %d number %u end", thread, number + i);
        entries[i] = logfusion_entry_make(i == 1 ? LOGFUSION_WARN : LOGFUSION_INFO, "crash::batch", texts[i]);
    }
    if (logfusion_log_batch(entries, BATCH) == BATCH) {
        atomic_store(&shared->accepted[thread], number + BATCH);
    }
}

static void *log_on(void *argument) {
    const int thread = (int)(intptr_t)argument;
    for (unsigned number = 0; number + BATCH < MOST; number++) {
        if (number % 11 == 0) {
            log_batch(thread, number);
            number += BATCH - 1;
        } else {
            log_one(thread, number);
        }
        for (volatile int rest = 0; rest < 20000; rest++) {
        }
    }
    return NULL;
}

static void snapshot(void) {
    for (int thread = 0; thread < THREADS; thread++) {
        shared->before[thread] = atomic_load(&shared->accepted[thread]);
    }
}

static void crash_in_callback(const logfusion_record *record, void *calls) {
    (void)record;
    if (++*(int *)calls == 200) {
        snapshot();
        *(volatile int *)unmapped = 1;
    }
}

static void on_crash_of_the_program(int number) {
    atomic_store(&shared->chained, number);
    signal(number, SIG_DFL);
    raise(number);
}

static void crash(enum kind kind, const char *directory) {
    switch (kind) {
    case IN_PROGRAM:
        *(volatile int *)unmapped = 1;
        break;
    case ABORTED:
        abort();
    case DIVIDED:
        zero = 1000 / zero;
        break;
    case ILLEGAL:
        __builtin_trap();
    case BUS: {
        char path[512];
        const int file = open(check_path(path, sizeof path, directory, "empty"), O_RDWR | O_CREAT, 0600);
        volatile char *const page = (volatile char *)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        page[0] = 1;
        break;
    }
    case IN_LOG_CALL:
        logfusion_log_n(LOGFUSION_INFO, "crash", 5, (const char *)unmapped, 100);
        break;
    case IN_MALLOC: {
        /* The last block is followed by what the allocator keeps of its free memory; it finds out with its lock held. */
        static char *volatile block;
        for (int blocks = 0; blocks < 16; blocks++) {
            block = (char *)malloc(100000);
        }
        for (volatile char *byte = block + 100000; byte < block + 100064; byte++) {
            *byte = (char)0xff;
        }
        for (int blocks = 0; blocks < 16; blocks++) {
            block = (char *)malloc(100000);
        }
        break;
    }
    default:
        for (;;) {
            pause();
        }
    }
}

static void child(enum kind kind, int number, const char *path, const char *directory) {
    const int formats[] = {LOGFUSION_FORMAT_TEXT, LOGFUSION_FORMAT_LOGFMT, LOGFUSION_FORMAT_JSON};
    unsigned seed = (unsigned)number * 7919u + 1;
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = path;
    config.ring_bytes = 4 << 20;
    config.format = formats[number / KINDS % 3];
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    /* The allocator and the sanitizers say why. */
    const int silence = open("/dev/null", O_WRONLY);
    dup2(silence, 2);
    if (number % 2 == 0) {
        for (int kind_of = 0; kind_of < KINDS; kind_of++) {
            signal(signals[kind_of], on_crash_of_the_program);
        }
    }
    int fd = -1;
    if (number % 5 == 0) {
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    }
    const int early = number % 4 == 0;
    if (early && logfusion_install_crash_handler(fd) != LOGFUSION_OK) {
        _exit(2);
    }
    if (logfusion_init_with(&config) != LOGFUSION_OK || (!early && logfusion_install_crash_handler(fd) != LOGFUSION_OK)) {
        _exit(3);
    }
    if (kind == IN_CALLBACK) {
        static int calls;
        uint64_t handle;
        logfusion_subscribe("", LOGFUSION_TRACE, crash_in_callback, &calls, &handle);
    }
    for (intptr_t thread = 1; thread < THREADS; thread++) {
        pthread_t started;
        pthread_create(&started, NULL, log_on, (void *)thread);
    }
    const unsigned count = next_random(&seed) % 2000;
    for (unsigned record = 0; record < count; record++) {
        log_one(0, record);
    }
    atomic_store(&shared->ready, 1);
    if (kind != SENT && kind != IN_CALLBACK) {
        usleep(next_random(&seed) % 3000);
        snapshot();
    }
    crash(kind, directory);
    _exit(4);
}

static void check_numbers(const char *text, int may_repeat, int number) {
    static unsigned char seen[THREADS][MOST];
    memset(seen, 0, sizeof seen);
    for (const char *at = text; (at = strstr(at, "thread ")) != NULL; at++) {
        int thread;
        unsigned record;
        if (sscanf(at, "thread %d number %u end", &thread, &record) == 2) {
            CHECK(thread >= 0 && thread < THREADS && record < MOST);
            seen[thread][record] += seen[thread][record] < 255;
        }
    }
    for (int thread = 0; thread < THREADS; thread++) {
        for (unsigned record = 0; record < MOST; record++) {
            const int count = seen[thread][record];
            if ((record < shared->before[thread] && count == 0) || (count > 1 && !may_repeat)) {
                fprintf(stderr, "crash %d: record %u of thread %d is there %d times; %u were accepted\n", number, record,
                        thread, count, shared->before[thread]);
                CHECK(count == 1);
            }
        }
    }
}

static void crash_once(int number, const char *directory) {
    const enum kind kind = (enum kind)(number % KINDS);
    char path[512];
    check_path(path, sizeof path, directory, "log");
    unlink(path);
    memset(shared, 0, sizeof *shared);
    const pid_t process = fork();
    if (process == 0) {
        child(kind, number, path, directory);
    }
    unsigned seed = (unsigned)number;
    if (kind == SENT) {
        while (!atomic_load(&shared->ready)) {
            usleep(100);
        }
        usleep(next_random(&seed) % 3000);
        snapshot();
        kill(process, signals[kind]);
    }
    int status;
    waitpid(process, &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != signals[kind]) {
        fprintf(stderr, "crash %d of kind %d ended with %x\n", number, (int)kind, (unsigned)status);
    }
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), signals[kind]);
    CHECK_EQ(atomic_load(&shared->chained), number % 2 == 0 ? signals[kind] : 0);
    char *const text = check_read(path);
    CHECK_EQ(check_count(text, "crashed; the records that were not written yet follow"), 1);
    CHECK_EQ(check_count(text, "the end of the records before the crash"), 1);
    CHECK_EQ(check_count(text, "dropped=0") + check_count(text, "\"dropped\":0"), 1);
    CHECK_EQ(text[strlen(text) - 1], '\n');
    const int may_repeat = check_count(text, "may_repeat=true") + check_count(text, "\"may_repeat\":true") > 0;
    /* With the allocator's lock held, the drain may have to wait for it. */
    if (kind != IN_MALLOC) {
        CHECK_EQ(may_repeat, kind == IN_CALLBACK);
    }
    check_numbers(text, may_repeat, number);
    free(text);
}

int main(int argc, char **argv) {
    const char *const directory = check_start(argc, argv);
    CHECK_EQ(logfusion_install_crash_handler(-2), LOGFUSION_E_INVALID);
    CHECK(check_last_error());
    CHECK_EQ(logfusion_install_crash_handler(1000), LOGFUSION_E_INVALID);
    CHECK(check_last_error());
    const char *const alone = getenv("CRASH_ALONE"); /* the number of a kind: this process crashes, for who watches it */
    shared = (shared_t *)mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    logfusion_shutdown();
    if (alone != NULL) {
        char path[512];
        child((enum kind)atoi(alone), 1, check_path(path, sizeof path, directory, "log"), directory);
    }
    for (int number = 0; number < CRASHES; number++) {
        crash_once(number, directory);
    }
    return check_end("crash");
}
