/*
 * How the machine is, which samples of a benchmark are judged by. A virtual machine shares its processor with others, and two things
 * change within milliseconds, or stay for days, without a word from the system:
 *
 * additions   A core that works for another program as well takes up to 1.6 times as long for everything but the clock read.
 * lines       Two cores of one complex hand over a line of memory that both use in some 3 ns (several are on their way at once),
 *             two of different complexes in 10. That is what stores take in a ring that another thread reads, whoever logs.
 *
 * On a machine of one's own neither changes. For C11 and C++17, with _GNU_SOURCE.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#if defined(__x86_64__) || defined(__i386__)
#include <x86intrin.h>
static inline uint64_t read_clock(void) { return __rdtsc(); }
#elif defined(__aarch64__)
static inline uint64_t read_clock(void) {
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}
#else
static inline uint64_t read_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_nsec;
}
#endif

static inline double ns_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}
static inline double wall_ns(void) { return ns_of(CLOCK_MONOTONIC); }

struct machine {
    double additions; /* ns for a clock read and a hundred additions */
    double lines;     /* ns to write a line that another core has read, one of many */
};

/* An instruction that the compiler can't leave out. */
#define MACHINE_ADD(number)                                                                                            \
    number += 1;                                                                                                       \
    __asm__ volatile("" : "+r"(number));
#define MACHINE_FOUR MACHINE_ADD(a) MACHINE_ADD(b) MACHINE_ADD(c) MACHINE_ADD(d)
#define MACHINE_TWENTY MACHINE_FOUR MACHINE_FOUR MACHINE_FOUR MACHINE_FOUR MACHINE_FOUR

/* A clock read and a hundred additions, four at a time, `count` times. The core hides some 24 instructions behind a clock read, and
 * takes 0.13 ns for each further one where it works for another program as well. */
static inline uint64_t machine_add(int count) {
    uint64_t a = 0, b = 0, c = 0, d = 0, sum = 0;
    for (int i = 0; i < count; i++) {
        sum += read_clock();
        MACHINE_TWENTY MACHINE_TWENTY MACHINE_TWENTY MACHINE_TWENTY MACHINE_TWENTY
    }
    return sum + a + b + c + d;
}

enum { MACHINE_LINES = 256 };

static struct {
    unsigned char lines[64 * MACHINE_LINES] __attribute__((aligned(64)));
    pthread_mutex_t lock __attribute__((aligned(64)));
    pthread_cond_t asked;
    pthread_t thread;
    int is_there, is_asked, cpu;
} machine_reader;

static inline void *machine_read(void *unused) {
    pthread_mutex_lock(&machine_reader.lock);
    for (;;) {
        while (!machine_reader.is_asked) {
            pthread_cond_wait(&machine_reader.asked, &machine_reader.lock);
        }
        for (int i = 0; i < MACHINE_LINES; i++) {
            (void)*(volatile unsigned char *)&machine_reader.lines[64 * i];
        }
        machine_reader.cpu = sched_getcpu();
        __atomic_store_n(&machine_reader.is_asked, 0, __ATOMIC_RELEASE);
    }
    return unused;
}

/* 1e9: there is no other core, or it had no time. */
static inline double machine_lines(void) {
    if (!machine_reader.is_there) {
        pthread_mutex_init(&machine_reader.lock, NULL);
        pthread_cond_init(&machine_reader.asked, NULL);
        machine_reader.is_there = pthread_create(&machine_reader.thread, NULL, machine_read, NULL) == 0;
    }
    for (int tries = 0; machine_reader.is_there && tries < 3; tries++) {
        cpu_set_t others;
        const int cpu = sched_getcpu();
        sched_getaffinity(0, sizeof others, &others);
        CPU_CLR(cpu, &others);
        if (pthread_setaffinity_np(machine_reader.thread, sizeof others, &others) != 0) {
            break;
        }
        pthread_mutex_lock(&machine_reader.lock);
        machine_reader.is_asked = 1;
        pthread_cond_signal(&machine_reader.asked);
        pthread_mutex_unlock(&machine_reader.lock);
        while (__atomic_load_n(&machine_reader.is_asked, __ATOMIC_ACQUIRE)) {
        }
        const double began = wall_ns();
        for (int i = 0; i < MACHINE_LINES; i++) {
            *(volatile unsigned char *)&machine_reader.lines[64 * i] = (unsigned char)i;
        }
        const double took = wall_ns() - began;
        if (cpu != machine_reader.cpu && cpu == sched_getcpu()) {
            return took / MACHINE_LINES;
        }
    }
    return 1e9;
}

/* Both; the additions `count` times. */
static inline struct machine machine_look(int count) {
    struct machine seen;
    const double began = wall_ns();
    const uint64_t sum = machine_add(count);
    seen.additions = (wall_ns() - began) / count;
    __asm__ volatile("" : : "r"(sum)); /* used */
    seen.lines = machine_lines();
    return seen;
}

/* The worse of each. */
static inline struct machine machine_worse(struct machine one, struct machine other) {
    one.additions = one.additions > other.additions ? one.additions : other.additions;
    one.lines = one.lines > other.lines ? one.lines : other.lines;
    return one;
}

static inline int machine_by_lines(const void *one, const void *other) {
    const double a = ((const struct machine *)one)->lines, b = ((const struct machine *)other)->lines;
    return (a > b) - (a < b);
}

/* Of looks, which are put in another order: the least additions, and the lines of the first decile. (Their least is chance.) */
static inline struct machine machine_at_best(struct machine *seen, int count) {
    struct machine best = seen[0];
    for (int i = 1; i < count; i++) {
        best.additions = seen[i].additions < best.additions ? seen[i].additions : best.additions;
    }
    qsort(seen, (size_t)count, sizeof seen[0], machine_by_lines);
    best.lines = seen[count / 10].lines;
    return best;
}

/* Whether nothing else was at work, for the additions took about as little as ever, and the other core was near: a line took up to 6 ns,
 * or, where they are never so near, little more than ever. */
static inline int machine_is_quiet(struct machine seen, struct machine best) {
    return seen.additions <= 1.15 * best.additions && (seen.lines <= 6 || seen.lines <= 1.5 * best.lines);
}
#endif
