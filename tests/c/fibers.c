/*
 * A job system whose fibers move between threads, between log calls: every record arrives once, by whichever thread it was
 * logged.
 */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { THREADS = 3, FIBERS = 16, STEPS = 500, STACK = 64 << 10 };

typedef struct fiber {
    ucontext_t context;
    ucontext_t *back; /* the thread that runs it now */
    struct fiber *next;
    pid_t last; /* the thread that ran it last: another one is next */
    int done;
} fiber_t;

static fiber_t fibers[FIBERS];
static fiber_t *ready, **ready_end = &ready;
static int fibers_left = FIBERS;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int moved;

/* In functions of their own: the compiler may keep the address of a thread-local variable over a switch, within one function. */
__attribute__((noinline)) static void log_step(int fiber, int step) {
    LF_INFO("fibers", "fiber {fiber} step {step} end", LF_KV("fiber", fiber), LF_KV("step", step));
}
__attribute__((noinline)) static void log_text(int fiber, int step) {
    char text[64];
    snprintf(text, sizeof text, "fiber %d step %d end", fiber, step);
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "fibers", text), LOGFUSION_OK);
}
/* The compiler takes what pthread_self returns for a constant. */
static pid_t this_thread(void) {
    return (pid_t)syscall(SYS_gettid);
}
__attribute__((noinline)) static void yield_to_thread(fiber_t *fiber) {
    swapcontext(&fiber->context, fiber->back);
}

static void run_fiber(int number) {
    fiber_t *const fiber = &fibers[number];
    for (int step = 0; step < STEPS; step++) {
        const pid_t before = this_thread();
        if (step % 2 == 0) {
            log_step(number, step);
        } else {
            log_text(number, step);
        }
        yield_to_thread(fiber);
        if (before != this_thread()) {
            __atomic_fetch_add(&moved, 1, __ATOMIC_RELAXED);
        }
    }
    fiber->done = 1;
    yield_to_thread(fiber);
}

static void append(fiber_t *fiber) {
    fiber->next = NULL;
    *ready_end = fiber;
    ready_end = &fiber->next;
}

static void *run_thread(void *argument) {
    (void)argument;
    ucontext_t own;
    const pid_t me = this_thread();
    for (;;) {
        pthread_mutex_lock(&lock);
        fiber_t *fiber = ready;
        const int left = fibers_left;
        if (fiber != NULL) {
            ready = fiber->next;
            if (ready == NULL) {
                ready_end = &ready;
            }
            if (fiber->last == me) {
                append(fiber);
                fiber = NULL;
            }
        }
        pthread_mutex_unlock(&lock);
        if (fiber == NULL && left == 0) {
            return NULL;
        }
        if (fiber == NULL) {
            sched_yield();
            continue;
        }
        fiber->back = &own;
        fiber->last = me;
        swapcontext(&own, &fiber->context);
        pthread_mutex_lock(&lock);
        if (fiber->done) {
            fibers_left -= 1;
        } else {
            append(fiber);
        }
        pthread_mutex_unlock(&lock);
    }
}

int main(int argc, char **argv) {
    const char *const directory = check_start(argc, argv);
    static unsigned char seen[FIBERS][STEPS];
    char path[512];
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = check_path(path, sizeof path, directory, "log");
    config.overflow = LOGFUSION_OVERFLOW_BLOCK;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    for (int number = 0; number < FIBERS; number++) {
        fiber_t *const fiber = &fibers[number];
        CHECK_EQ(getcontext(&fiber->context), 0);
        fiber->context.uc_stack.ss_sp = malloc(STACK);
        fiber->context.uc_stack.ss_size = STACK;
        makecontext(&fiber->context, (void (*)(void))run_fiber, 1, number);
        append(fiber);
    }
    pthread_t threads[THREADS];
    for (int thread = 0; thread < THREADS; thread++) {
        CHECK_EQ(pthread_create(&threads[thread], NULL, run_thread, NULL), 0);
    }
    for (int thread = 0; thread < THREADS; thread++) {
        CHECK_EQ(pthread_join(threads[thread], NULL), 0);
    }
    logfusion_shutdown();
    check_ledger(1);
    char *const text = check_read(path);
    for (const char *at = text; (at = strstr(at, "fiber ")) != NULL; at++) {
        int fiber, step;
        if (sscanf(at, "fiber %d step %d end", &fiber, &step) == 2) {
            CHECK(fiber >= 0 && fiber < FIBERS && step >= 0 && step < STEPS);
            CHECK_EQ(seen[fiber][step], 0);
            seen[fiber][step] = 1;
        }
    }
    CHECK(memchr(seen, 0, sizeof seen) == NULL);
    CHECK(moved > FIBERS * STEPS / 2);
    free(text);
    return check_end("fibers");
}
