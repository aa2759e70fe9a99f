/*
 * A handler leaves a log call by siglongjmp, behind each of its instructions in turn (the processor's single step), and the
 * thread goes on: no call after it takes the lost one for a push that is still under way, whichever function each of the
 * two calls, from frames about as deep. A record that is left open is lost alone. A build whose calls take too many
 * instructions steps over some of them.
 */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

#if defined __x86_64__

static void log_short(void) {
    logfusion_log(LOGFUSION_INFO, "jumped", "a message");
}
static char long_text[600];
static void log_long(void) {
    logfusion_log(LOGFUSION_INFO, "jumped", long_text);
}
static void log_n(void) {
    logfusion_log_n(LOGFUSION_INFO, "jumped", 6, "a message", 9);
}
static void log_fields(void) {
    const logfusion_field fields[] = {
        logfusion_field_i64("number", 7),
        logfusion_field_text_n("text", "a text", 6),
    };
    logfusion_log_fields(LOGFUSION_INFO, "jumped", "a message", fields, 2);
}
static void log_batch(void) {
    const logfusion_entry entries[] = {
        {"jumped", 6, "the first", 9, LOGFUSION_INFO, 0},
        {"jumped", 6, "the second", 10, LOGFUSION_INFO, 0},
    };
    logfusion_log_batch(entries, 2);
}
static void log_of_guide(void) {
    logfusion_log_info("a message");
}
static void log_fast(void) {
    logfusion_fast_log(LOGFUSION_INFO, "a message");
}
static void log_format(void) {
    logfusion_logf(LOGFUSION_INFO, "jumped", "number %d", 7);
}
static void statement(void) {
    LF_INFO("jumped", "number {number}", LF_KV("number", 7));
}
static void statement_of_text(void) {
    const char *volatile name = "a name that is not long";
    LF_INFO("jumped", "by {name}", LF_KV("name", name));
}
static void statement_of_long_text(void) {
    const char *volatile text = long_text;
    LF_INFO("jumped", "{text}", LF_KV("text", text));
}
static void reserve_and_commit(void) {
    char *text;
    size_t granted;
    if (logfusion_reserve(LOGFUSION_INFO, "jumped", 16, &text, &granted) == LOGFUSION_OK) {
        memcpy(text, "a message", 9);
        logfusion_commit(9);
    }
}
static void spans(void) {
    logfusion_span_exit(logfusion_span_enter(LOGFUSION_INFO, "jumped", "a span", NULL, 0));
}

static const struct {
    const char *name;
    void (*call)(void);
} calls[] = {
    {"logfusion_log", log_short},        {"logfusion_log, a long text", log_long}, {"logfusion_log_n", log_n},
    {"logfusion_log_fields", log_fields}, {"logfusion_log_batch", log_batch},       {"logfusion_logf", log_format},
    {"logfusion_log_info", log_of_guide}, {"logfusion_fast_log", log_fast},
    {"LF_INFO, a text", statement_of_text}, {"LF_INFO, a long text", statement_of_long_text},
    {"LF_INFO", statement},              {"reserve and commit", reserve_and_commit}, {"span", spans},
};
enum { CALLS = sizeof calls / sizeof calls[0] };

enum {
    TRAP = 1 << 8,     /* the flag for single steps */
    MOST_STEPS = 30000 /* for one of the calls: a step takes 5 to 20 us */
};
static sigjmp_buf home;
static volatile long steps, last_step;

static void on_step(int signal_number) {
    (void)signal_number;
    steps += 1;
    if (steps == last_step) {
        siglongjmp(home, 1);
    }
}

static inline void set_trap(int on) {
    /* Below the red zone, which a compiler may use here. */
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\tandq %1, (%%rsp)\n\torq %0, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp"
                     :
                     : "r"((long)(on ? TRAP : 0)), "r"(~(long)TRAP)
                     : "cc", "memory");
}

/* Calls, and leaves the call behind this many instructions; whether it was left. */
__attribute__((noinline)) static int leave(void (*call)(void), long behind) {
    steps = 0;
    last_step = behind;
    if (sigsetjmp(home, 1) == 0) {
        set_trap(1);
        call();
        set_trap(0);
        return 0;
    }
    return 1;
}

static unsigned long long count(int accepted) {
    logfusion_stats_t sum;
    sum.size = sizeof sum;
    CHECK_EQ(logfusion_stats(&sum), LOGFUSION_OK);
    return accepted ? sum.accepted : sum.dropped_reentered;
}

/* Leaves one call behind each of its instructions. What was left open on purpose or in the spans is ended, as a host would. */
static void leave_everywhere(size_t left, long most_steps, long *points, long *instructions) {
    CHECK(!leave(calls[left].call, -1));
    *instructions = steps;
    long stride = *instructions * *instructions / 2 / most_steps + 1;
    *points = 0;
    for (long behind = 1; behind <= *instructions; behind += stride) {
        const uint64_t outer = logfusion_span_enter(LOGFUSION_INFO, "jumped", "around", NULL, 0);
        const int was_left = leave(calls[left].call, behind);
        *points += was_left;
        logfusion_cancel(LOGFUSION_OK);
        const unsigned long long accepted = count(1), reentered = count(0);
        calls[(size_t)behind / (size_t)stride % CALLS].call();
        if (count(1) == accepted || count(0) != reentered) {
            fprintf(stderr, "%s, left behind %ld of %ld instructions, then %s: %llu accepted, %llu re-entrant\n",
                    calls[left].name, behind, *instructions, calls[(size_t)behind / (size_t)stride % CALLS].name,
                    count(1) - accepted, count(0) - reentered);
            exit(1);
        }
        logfusion_span_exit(outer);
    }
    logfusion_clear_last_error();
}

/* The same where a statement and the call after it are of one function, with large objects between them on the stack. */
__attribute__((noinline)) static int leave_statement(long behind) {
    volatile char large[4096];
    large[behind % 4096] = 1;
    steps = 0;
    last_step = behind;
    if (sigsetjmp(home, 1) == 0) {
        set_trap(1);
        LF_INFO("jumped", "large {number}", LF_KV("number", large[behind % 4096]));
        set_trap(0);
        return 0;
    }
    const unsigned long long accepted = count(1);
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "jumped", "from the same function"), LOGFUSION_OK);
    return count(1) == accepted + 1;
}

/* The first logfusion_reserve of a thread, left behind so many instructions. */
static void reserve_alone(void) {
    char *text;
    size_t granted;
    logfusion_reserve(LOGFUSION_INFO, "jumped", 16, &text, &granted);
}
static void *first_reserve(void *behind) {
    log_short();
    leave(reserve_alone, *(const long *)behind);
    logfusion_cancel(LOGFUSION_OK);
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "jumped", "after the first reserve"), LOGFUSION_OK);
    return NULL;
}
static long in_a_thread(long behind) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, first_reserve, &behind), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return steps;
}

/* A record that was opened in a function with a large frame, which has returned: a handler that logs takes it for lost. What
 * the handler logs is not overwritten by who still writes the record's text. */
static char *open_text;
static size_t open_size;
static volatile int from_handler;
__attribute__((noinline)) static void open_far_below(size_t size) {
    volatile char *const large = (volatile char *)__builtin_alloca(size);
    large[size - 1] = 1;
    CHECK_EQ(logfusion_reserve(LOGFUSION_WARN, "jumped", 100, &open_text, &open_size), LOGFUSION_OK);
}
static void log_in_handler(int signal_number) {
    (void)signal_number;
    from_handler += logfusion_log(LOGFUSION_WARN, "jumped", "from the handler") == LOGFUSION_OK;
    from_handler += logfusion_log_n(LOGFUSION_WARN, "jumped", 6, "from the handler", 16) == LOGFUSION_OK;
}
static void lost_and_written(size_t size) {
    open_far_below(size);
    raise(SIGUSR1);
    memset(open_text, 'A', open_size);
    const int status = logfusion_commit(open_size);
    CHECK(status == LOGFUSION_OK || status == LOGFUSION_E_INVALID);
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "jumped", "after the lost one"), LOGFUSION_OK);
}

int main(int argc, char **argv) {
    const char *directory = check_start(argc, argv);
    char path[512];
    logfusion_config config;
    memset(&config, 0, sizeof config);
    config.size = sizeof config;
    config.output = check_path(path, sizeof path, directory, "log");
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    signal(SIGTRAP, on_step);
    memset(long_text, 'x', sizeof long_text - 1);
    /* Nothing is left that is done once. */
    for (size_t i = 0; i < CALLS; i++) {
        calls[i].call();
    }
    for (size_t i = 0; i < CALLS; i++) {
        long points, instructions;
        leave_everywhere(i, MOST_STEPS, &points, &instructions);
        CHECK(points >= 2);
        printf("%s: left at %ld places of %ld instructions\n", calls[i].name, points, instructions);
    }
    int left = 0;
    for (long behind = 1; behind < 60; behind++) {
        left += leave_statement(behind);
    }
    CHECK(left > 20);
    const long instructions = in_a_thread(-1);
    CHECK(instructions > 100); /* and no more threads than check_ledger knows */
    for (long behind = 1; behind <= instructions; behind += instructions / 50 + 1) {
        in_a_thread(behind);
    }
    signal(SIGUSR1, log_in_handler);
    static const size_t sizes[] = {16, 1200, 2000, 4096, 20000, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        lost_and_written(sizes[i]);
    }
    CHECK(from_handler > 0);
    CHECK_EQ(logfusion_flush(-1), LOGFUSION_OK);
    char *const text = check_read(path);
    CHECK_EQ(check_count(text, "jumped: from the handler\n"), from_handler);
    CHECK_EQ(check_count(text, "jumped: after the lost one\n"), sizeof sizes / sizeof sizes[0]);
    free(text);
    logfusion_stats_t sum;
    sum.size = sizeof sum;
    CHECK_EQ(logfusion_stats(&sum), LOGFUSION_OK);
    CHECK_EQ(sum.failed, 0);
    logfusion_shutdown();
    /* Not as quiet: a call that was left between the two stores of its end has counted a record that it did not publish. */
    check_ledger(0);
    return check_end("jumped");
}

#else

int main(void) {
    printf("jumped: not on this processor\n");
    return 0;
}

#endif
