/*
 * The bars: what a log call, a batch, a disabled call and the drain may cost, on the archive that users link.
 *
 *     bars SCRATCH_DIRECTORY [--check]
 *
 * Costs are given in clock reads of the same run, since a read of the processor's counter is the floor of every log
 * call, and since a ratio says the same on a machine whose neighbours are noisy. What is compared is measured in
 * alternating rounds; a figure is the median of the rounds, and the best of a few repeats.
 *
 * A virtual machine may share its cores with others, and its own may be near each other or far: see benches/common/machine.h, which is
 * asked between all samples. The column `quiet` has the median of those samples around which both were as good as
 * ever in this run. (On a machine of one's own those are nearly all.)
 *
 * Calls are timed by the CPU time of the calling thread. By the wall clock, a sample in which the system gives the core
 * to another thread (the drain thread also) holds that thread's work too; where cores are scarce that can be most
 * samples, and the median jumps. The column `wall` shows it. The drain is timed by the wall clock.
 *
 * Each measurement checks its result: every call's status, and in the end the ledger; for the drain every line of the
 * file. Only a failed check ends the program with 1. A bar that is not met is said, and that is all: the machines that
 * run this are too different. With --check it takes a few rounds and the checks alone count.
 *
 * With -DBARS_PLUGIN it is a plugin for benches/c/plugin_host.c, which calls `bars`: statements then find their thread's ring
 * through thread-local storage of a shared object.
 */
#define _GNU_SOURCE
#include "logfusion.h"

#include "../common/machine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            check_failed(__LINE__, #condition);                                                                        \
        }                                                                                                              \
    } while (0)

static void check_failed(int line, const char *condition) {
    char why[512];
    logfusion_last_error(why, sizeof why);
    fprintf(stderr, "bars.c:%d: failed: %s\n  last error: %s\n", line, condition, why);
    exit(1);
}

/* A time, or a span of time, in ns: of the calling thread and by the wall clock. */
struct span {
    double cpu, wall;
};

static struct span now(void) {
    struct span span;
    span.wall = wall_ns();
    span.cpu = ns_of(CLOCK_THREAD_CPUTIME_ID);
    return span;
}

/* What one of `count` took since `begin`. */
static struct span since(struct span begin, int count) {
    struct span end = now();
    end.wall = (end.wall - begin.wall) / count;
    end.cpu = (end.cpu - begin.cpu) / count;
    return end;
}

static logfusion_stats_t ledger(void) {
    logfusion_stats_t stats;
    stats.size = sizeof stats;
    CHECK(logfusion_stats(&stats) == LOGFUSION_OK);
    return stats;
}

/* ---------------------------------------------------------------------------------------- What is measured: calls */

static const char TARGET[] = "game::net";
static const char TEXT_35[] = "player 142 joined, 37 ms round trip";
static const char TEXT_8[] = "tick 042";

/* Records of one sample. Those of 35 bytes take 80 bytes of the ring: less than half of it, so that none waits and no
 * half-full wake is in a sample. The rings are emptied between samples. */
enum { RECORDS = 6016, BATCH = 64 };

/* Calls of one sample that log nothing. */
enum { MANY = 10 * RECORDS };

/* `volatile`: what a loop computed has been used. */
static volatile uint64_t sink;

/* Records that this program has logged, for the ledger. */
static uint64_t logged;

/* Values that the compiler does not know. */
static volatile int some_int = 142;
static volatile double some_double = 37.25;

static void empty_the_ring(void) { CHECK(logfusion_flush(-1) == LOGFUSION_OK); }

static struct span clock_read(void) {
    uint64_t sum = 0;
    struct span begin = now();
    for (int i = 0; i < MANY; i++) {
        sum += read_clock();
    }
    struct span cost = since(begin, MANY);
    sink = sum;
    return cost;
}

static struct span clock_and_additions(void) {
    struct span begin = now();
    sink = machine_add(MANY);
    return since(begin, MANY);
}

/* A bare ring: a record is stamped, written and published, and read by a thread that rests as the drain does. No level, no
 * filter, no ledger, nothing for a call that interrupts another: what nobody's log call can be below. */
enum { BARE_BYTES = 1 << 20 };
static _Alignas(128) unsigned char bare_bytes[BARE_BYTES + 128]; /* a record may reach beyond the end */
static _Alignas(128) _Atomic uint64_t bare_head;
static _Alignas(128) _Atomic uint64_t bare_tail;
static _Alignas(128) _Atomic uint64_t bare_size; /* of the records to come; 0: none, UINT64_MAX: never again */
static _Atomic int bare_is_read;

static unsigned char *bare_at(uint64_t position) { return bare_bytes + (position & (BARE_BYTES - 1)); }

static void *bare_consumer(void *unused) {
    const struct timespec pause = {.tv_nsec = 1000000}, rest = {.tv_nsec = 50000};
    uint64_t size, tail = 0;
    while ((size = atomic_load(&bare_size)) != UINT64_MAX) {
        if (size == 0) {
            nanosleep(&pause, NULL);
            continue;
        }
        atomic_store(&bare_is_read, 1);
        for (int64_t expected = 0; expected < RECORDS; nanosleep(&rest, NULL)) {
            const uint64_t head = atomic_load_explicit(&bare_head, memory_order_acquire);
            for (; tail != head; tail += size, expected++) {
                int64_t number;
                memcpy(&number, bare_at(tail) + 24, sizeof number);
                CHECK(number == expected);
            }
            atomic_store_explicit(&bare_tail, tail, memory_order_release);
        }
        atomic_store(&bare_size, 0);
        atomic_store(&bare_is_read, 0);
    }
    return unused;
}

/* `text`: NULL, or 35 bytes. */
static inline __attribute__((always_inline)) struct span bare_ring(const char *text) {
    uint64_t size = text == NULL ? 40 : 72;
    uint64_t head = atomic_load_explicit(&bare_head, memory_order_relaxed), tail = head;
    const int64_t a = some_int;
    const double c = some_double;
    atomic_store(&bare_size, size);
    while (!atomic_load(&bare_is_read)) {
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    struct span begin = now();
    for (int64_t i = 0; i < RECORDS; i++) {
        if (head + size - tail > BARE_BYTES) {
            tail = atomic_load_explicit(&bare_tail, memory_order_acquire);
            CHECK(head + size - tail <= BARE_BYTES);
        }
        unsigned char *const record = bare_at(head);
        const uint64_t ticks = read_clock();
        /* One by one: gcc would put an array together in memory, and wait for it. */
        memcpy(record, &size, sizeof size);
        memcpy(record + 8, &ticks, sizeof ticks);
        memcpy(record + 16, &a, sizeof a);
        memcpy(record + 24, &i, sizeof i);
        if (text == NULL) {
            memcpy(record + 32, &c, sizeof c);
        } else {
            memcpy(record + 32, text, 36);
        }
        head += size;
        atomic_store_explicit(&bare_head, head, memory_order_release);
    }
    struct span cost = since(begin, RECORDS);
    while (atomic_load(&bare_is_read)) {
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    return cost;
}

static struct span bare_numbers(void) { return bare_ring(NULL); }
static struct span bare_text(void) {
    const char *volatile hidden = TEXT_35;
    return bare_ring(hidden);
}

static struct span log_35(void) {
    int status = 0;
    empty_the_ring();
    struct span begin = now();
    for (int i = 0; i < RECORDS; i++) {
        status |= logfusion_log(LOGFUSION_INFO, TARGET, TEXT_35);
    }
    struct span cost = since(begin, RECORDS);
    CHECK(status == LOGFUSION_OK);
    logged += RECORDS;
    return cost;
}

static struct span guide_35(void) {
    empty_the_ring();
    struct span begin = now();
    for (int i = 0; i < RECORDS; i++) {
        logfusion_log_info(TEXT_35);
    }
    struct span cost = since(begin, RECORDS);
    logged += RECORDS;
    return cost;
}

/* Those of statements, whose target has a subscription: nobody's statements log nothing. */
static uint64_t wanted;

static struct span statement_numbers(void) {
    const int a = some_int;
    const double c = some_double;
    empty_the_ring();
    struct span begin = now();
    for (int i = 0; i < RECORDS; i++) {
        LF_INFO("another", "{a} {b} {c}", LF_KV("a", a), LF_KV("b", i), LF_KV("c", c));
    }
    struct span cost = since(begin, RECORDS);
    logged += RECORDS;
    wanted += RECORDS;
    return cost;
}

static struct span statement_text(void) {
    const char *volatile hidden = TEXT_35;
    const char *const text = hidden;
    empty_the_ring();
    struct span begin = now();
    for (int i = 0; i < RECORDS; i++) {
        LF_INFO("another", "{text}", LF_KV("text", text));
    }
    struct span cost = since(begin, RECORDS);
    logged += RECORDS;
    wanted += RECORDS;
    return cost;
}

static struct span statement_numbers_and_text(void) {
    const int a = some_int;
    const char *volatile hidden = TEXT_35;
    const char *const text = hidden;
    empty_the_ring();
    struct span begin = now();
    for (int i = 0; i < RECORDS; i++) {
        LF_INFO("another", "{a} {b} {text}", LF_KV("a", a), LF_KV("b", i), LF_KV("text", text));
    }
    struct span cost = since(begin, RECORDS);
    logged += RECORDS;
    wanted += RECORDS;
    return cost;
}

static struct span disabled_statement(void) {
    const int a = some_int;
    struct span begin = now();
    for (int i = 0; i < MANY; i++) {
        LF_DEBUG("game::net", "{a} {b}", LF_KV("a", a), LF_KV("b", i));
    }
    return since(begin, MANY);
}

static struct span batch(const char *text, int with_lengths) {
    logfusion_entry entries[BATCH];
    ptrdiff_t accepted = 0;
    for (int i = 0; i < BATCH; i++) {
        entries[i] = logfusion_entry_make(LOGFUSION_INFO, TARGET, text);
        if (with_lengths) {
            entries[i].target_length = strlen(TARGET);
            entries[i].message_length = strlen(text);
        }
    }
    empty_the_ring();
    struct span begin = now();
    for (int i = 0; i < RECORDS / BATCH; i++) {
        accepted += logfusion_log_batch(entries, BATCH);
    }
    struct span cost = since(begin, RECORDS);
    CHECK(accepted == RECORDS);
    logged += RECORDS;
    return cost;
}

static struct span batch_35(void) { return batch(TEXT_35, 0); }
static struct span batch_35_n(void) { return batch(TEXT_35, 1); }
static struct span batch_8(void) { return batch(TEXT_8, 0); }
static struct span batch_8_n(void) { return batch(TEXT_8, 1); }

/* Nobody wants DEBUG: see `start_for_calls`. */
static struct span disabled_log(void) {
    int status = 0;
    struct span begin = now();
    for (int i = 0; i < MANY; i++) {
        status |= logfusion_log(LOGFUSION_DEBUG, TARGET, TEXT_35);
    }
    struct span cost = since(begin, MANY);
    CHECK(status == LOGFUSION_OK);
    return cost;
}

static struct span disabled_question(void) {
    int answer = 0;
    struct span begin = now();
    for (int i = 0; i < MANY; i++) {
        answer |= logfusion_enabled(LOGFUSION_DEBUG, TARGET);
    }
    struct span cost = since(begin, MANY);
    CHECK(answer == 0);
    return cost;
}

/* ---------------------------------------------------------------------------------------- What is measured: drain */

enum { DRAINED = 400000 };

static char log_path[4096];
static int is_json;

/* What all lines have after their number, which is 7 digits: 35 bytes in all. */
static const char AFTER_NUMBER[] = " entities moved in this tick";

/* Reads the file: every record once, in order, with its text. (A line of JSON has the thread behind it.) */
static void check_the_file(void) {
    FILE *file = fopen(log_path, "r");
    char line[512], expected[128];
    long number = 0;
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        int length = is_json ? snprintf(expected, sizeof expected, "{\"message\":\"%07ld%s\"},\"target\":\"%s\"", number,
                                        AFTER_NUMBER, TARGET)
                             : snprintf(expected, sizeof expected, " %s: %07ld%s\n", TARGET, number, AFTER_NUMBER);
        size_t got = strlen(line);
        const char *const place = is_json ? strstr(line, expected) : line + got - (size_t)length;
        CHECK(got > (size_t)length && place != NULL && strncmp(place, expected, (size_t)length) == 0);
        number += 1;
    }
    fclose(file);
    CHECK(number == DRAINED);
}

/* From the first call until the last byte is written: ns a record. */
static struct span drain_to_file(void) {
    char text[36];
    int status = 0;
    snprintf(text, sizeof text, "%07d%s", 0, AFTER_NUMBER);
    CHECK(strlen(text) == 35);
    CHECK(truncate(log_path, 0) == 0);
    struct span begin = now();
    for (int i = 0; i < DRAINED; i++) {
        status |= logfusion_log(LOGFUSION_INFO, TARGET, text);
        /* The next number, in place: a printf would cost more than the drain. */
        for (int digit = 6; digit >= 0 && ++text[digit] > '9'; digit--) {
            text[digit] = '0';
        }
    }
    CHECK(logfusion_flush(-1) == LOGFUSION_OK);
    struct span cost = since(begin, DRAINED);
    CHECK(status == LOGFUSION_OK);
    logged += DRAINED;
    check_the_file();
    return cost;
}

/* ---------------------------------------------------------------------------------------------------- Measurement */

enum { MOST_ROUNDS = 101, REPEATS = 3, LEAST_QUIET = 21 };

/* One thing to measure: its bar is in clock reads, or in records a second. */
struct measure {
    const char *what;
    struct span (*sample)(void);
    double bar; /* 0: none */
    int per_second;
    int samples;
    double cpu[REPEATS * MOST_ROUNDS], wall[REPEATS * MOST_ROUNDS];
    struct machine around[REPEATS * MOST_ROUNDS]; /* the worse of before and after */
    double best_ns, worst_ns; /* medians of a repeat, in the time that the bar is about */
    double wall_ns;           /* the best by the wall clock */
};

static int by_value(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double median(const double *values, int count) {
    double sorted[REPEATS * MOST_ROUNDS];
    memcpy(sorted, values, (size_t)count * sizeof values[0]);
    qsort(sorted, (size_t)count, sizeof sorted[0], by_value);
    return sorted[count / 2];
}

/* The additions for 30 to 45 us: no longer than the shortest sample. */
static struct machine look(void) { return machine_look(MANY / 32); }

static void repeat(struct measure *measures, int count, int rounds) {
    struct machine before = look();
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < count; i++) {
            struct measure *m = &measures[i];
            struct span cost = m->sample();
            const struct machine after = look();
            m->cpu[m->samples] = cost.cpu;
            m->wall[m->samples] = cost.wall;
            m->around[m->samples++] = machine_worse(before, after);
            before = after;
        }
    }
    for (int i = 0; i < count; i++) {
        struct measure *m = &measures[i];
        double wall = median(m->wall + m->samples - rounds, rounds);
        double ns = m->per_second ? wall : median(m->cpu + m->samples - rounds, rounds);
        m->wall_ns = m->wall_ns == 0 || wall < m->wall_ns ? wall : m->wall_ns;
        m->best_ns = m->best_ns == 0 || ns < m->best_ns ? ns : m->best_ns;
        m->worst_ns = ns > m->worst_ns ? ns : m->worst_ns;
    }
}

/* How the machine was between the samples, at its best. */
static struct machine at_best(const struct measure *measures, int count) {
    struct machine *const seen = malloc((size_t)count * sizeof measures[0].around), best;
    int looks = 0;
    CHECK(seen != NULL);
    for (int i = 0; i < count; i++) {
        memcpy(seen + looks, measures[i].around, (size_t)measures[i].samples * sizeof *seen);
        looks += measures[i].samples;
    }
    best = machine_at_best(seen, looks);
    free(seen);
    return best;
}

/* The median of the quiet samples, and how many there are; 0: too few. */
static double quiet_ns(const struct measure *m, struct machine best, int *count) {
    double quiet[REPEATS * MOST_ROUNDS];
    *count = 0;
    for (int sample = 0; sample < m->samples; sample++) {
        if (machine_is_quiet(m->around[sample], best)) {
            quiet[(*count)++] = m->cpu[sample];
        }
    }
    return *count < LEAST_QUIET ? 0 : median(quiet, *count);
}

/* Returns how many bars are not met, of calls by the quiet samples, if there are enough. A clock that was disturbed would flatter
 * everything that is divided by it, so it is the clock's best that counts. */
static int print(const struct measure *measures, int count, double clock_ns) {
    const struct machine at_its_best = at_best(measures, count);
    int missed = 0, quiet_count;
    const double quiet_clock_ns = quiet_ns(&measures[0], at_its_best, &quiet_count);
    for (int i = 0; i < count; i++) {
        const struct measure *m = &measures[i];
        const char *unit = m->per_second ? " M/s" : "";
        double best = m->per_second ? 1e3 / m->best_ns : m->best_ns / clock_ns;
        double worst = m->per_second ? 1e3 / m->worst_ns : m->worst_ns / clock_ns;
        double quiet =
            m->per_second || quiet_clock_ns == 0 ? 0 : quiet_ns(m, at_its_best, &quiet_count) / quiet_clock_ns;
        int is_met = m->per_second ? best >= m->bar : (quiet > 0 ? quiet : best) <= m->bar;
        char bar[32] = "", shown_quiet[32] = "", shown_best[32], shown_worst[32], shown_wall[32] = "";
        if (m->bar > 0) {
            snprintf(bar, sizeof bar, "%s %.2f%s", m->per_second ? ">=" : "<=", m->bar, unit);
            missed += !is_met;
        }
        snprintf(shown_best, sizeof shown_best, "%.2f%s", best, unit);
        snprintf(shown_worst, sizeof shown_worst, "%.2f%s", worst, unit);
        if (!m->per_second) {
            snprintf(shown_wall, sizeof shown_wall, "%.2f", m->wall_ns / clock_ns);
        }
        if (quiet > 0) {
            snprintf(shown_quiet, sizeof shown_quiet, "%.2f (%d)", quiet, quiet_count);
        }
        printf("%-45s | %10s | %10s | %8s | %8s | %6s | %7.1f | %s\n", m->what, bar, shown_quiet, shown_best, shown_worst,
               shown_wall, m->best_ns, m->bar == 0 ? "" : is_met ? "yes" : "NOT MET");
    }
    return missed;
}

/* --------------------------------------------------------------------------------------------------------- Engine */

static void nothing(const logfusion_record *record, void *context) {
    (void)record;
    (void)context;
}

/* A drain thread that reads everything and writes nothing: there is no output, and a subscription to INFO of another
 * target keeps the calls enabled. */
static void start_for_calls(uint64_t *handle) {
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = "none";
    config.global_default = LOGFUSION_NO;
    CHECK(logfusion_subscribe("another", LOGFUSION_INFO, nothing, NULL, handle) == LOGFUSION_OK);
    CHECK(logfusion_init_with(&config) == LOGFUSION_OK);
    CHECK(logfusion_enabled(LOGFUSION_INFO, "another") == 1 && logfusion_enabled(LOGFUSION_DEBUG, "another") == 0);
}

static void start_for_drain(const char *directory, int format) {
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    snprintf(log_path, sizeof log_path, "%s/bars.log", directory);
    is_json = format == LOGFUSION_FORMAT_JSON;
    config.format = format;
    config.output = log_path;
    config.global_default = LOGFUSION_NO;
    config.overflow = LOGFUSION_OVERFLOW_BLOCK;
    config.block_ms = 60000;
    CHECK(logfusion_init_with(&config) == LOGFUSION_OK);
}

/* Nothing was dropped, and every record was taken by the drain. */
static void check_the_ledger(uint64_t delivered) {
    empty_the_ring();
    logfusion_stats_t stats = ledger();
    CHECK(stats.offered == logged && stats.accepted == logged);
    CHECK(stats.delivered == delivered && stats.filtered == logged - delivered);
    CHECK(stats.failed == 0 && stats.queued == 0 && stats.output_errors == 0 && stats.output_lost_records == 0);
}

#ifdef BARS_PLUGIN
#define STATEMENT_BAR(program, plugin) (plugin)
int bars(int argc, char **argv);
int bars(int argc, char **argv) {
#else
#define STATEMENT_BAR(program, plugin) (program)
int main(int argc, char **argv) {
#endif
    struct measure calls[] = {
        {.what = "clock read", .sample = clock_read},
        {.what = "a clock read and 100 additions", .sample = clock_and_additions},
        {.what = "a bare ring, int + int + double", .sample = bare_numbers},
        {.what = "a bare ring, int + int + 35 bytes", .sample = bare_text},
        {.what = "logfusion_log, 35 bytes", .sample = log_35, .bar = 1.4},
        {.what = "logfusion_log_info, 35 bytes", .sample = guide_35, .bar = 1.4},
        {.what = "LF_INFO, int + int + double", .sample = statement_numbers, .bar = STATEMENT_BAR(1.08, 1.12)},
        {.what = "LF_INFO, a text of 35 bytes", .sample = statement_text, .bar = 1.3},
        {.what = "LF_INFO, int + int + 35 bytes", .sample = statement_numbers_and_text, .bar = 1.15},
        {.what = "disabled LF_DEBUG", .sample = disabled_statement, .bar = 0.06},
        {.what = "a record of a batch of 64, 35 bytes", .sample = batch_35, .bar = 0.6},
        {.what = "a record of a batch of 64, 35 bytes, lengths", .sample = batch_35_n, .bar = 0.6},
        {.what = "a record of a batch of 64, 8 bytes", .sample = batch_8, .bar = 0.4},
        {.what = "a record of a batch of 64, 8 bytes, lengths", .sample = batch_8_n, .bar = 0.4},
        {.what = "disabled logfusion_log", .sample = disabled_log, .bar = 0.2},
        {.what = "disabled logfusion_enabled", .sample = disabled_question},
    };
    struct measure drains[] = {
        {.what = "drain to a text file, one producer, all kept", .sample = drain_to_file, .bar = 5, .per_second = 1},
    };
    struct measure json[] = {
        {.what = "drain to a JSON file, one producer, all kept", .sample = drain_to_file, .bar = 4, .per_second = 1},
    };
    const int call_count = sizeof calls / sizeof calls[0];
    int is_check = argc == 3 && strcmp(argv[2], "--check") == 0;
    int call_rounds = is_check ? 3 : MOST_ROUNDS, drain_rounds = is_check ? 1 : 21, repeats = is_check ? 1 : REPEATS;
    uint64_t handle;

    if (argc < 2 || argc > 3 || (argc == 3 && !is_check)) {
        fprintf(stderr, "usage: %s SCRATCH_DIRECTORY [--check]\n", argv[0]);
        return 2;
    }
    /* The environment wins over the settings. */
    static const char *const variables[] = {
        "LOGFUSION_LOG",       "RUST_LOG",          "LOGFUSION_FORMAT",     "LOGFUSION_OUTPUT",  "LOGFUSION_COLOR",
        "LOGFUSION_ROTATE",    "LOGFUSION_IDLE_US", "LOGFUSION_RING_BYTES", "LOGFUSION_DRAIN",   "LOGFUSION_DRAIN_CPU",
        "LOGFUSION_ROTATE_BYTES", "LOGFUSION_RINGS_MAX_BYTES", "LOGFUSION_OVERFLOW", "LOGFUSION_CLOCK", "LOGFUSION_FILTER_FILE",
    };
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        unsetenv(variables[i]);
    }

    pthread_t consumer;
    CHECK(pthread_create(&consumer, NULL, bare_consumer, NULL) == 0);
    start_for_calls(&handle);
    for (int i = 0; i < repeats; i++) {
        repeat(calls, call_count, call_rounds);
    }
    atomic_store(&bare_size, UINT64_MAX);
    CHECK(pthread_join(consumer, NULL) == 0);
    check_the_ledger(wanted);
    uint64_t before = logged;
    logfusion_shutdown();
    CHECK(logfusion_unsubscribe(handle, -1) == LOGFUSION_OK);

    start_for_drain(argv[1], LOGFUSION_FORMAT_TEXT);
    for (int i = 0; i < repeats; i++) {
        repeat(drains, 1, drain_rounds);
    }
    check_the_ledger(wanted + logged - before);
    logfusion_shutdown();
    start_for_drain(argv[1], LOGFUSION_FORMAT_JSON);
    CHECK(truncate(log_path, 0) == 0);
    for (int i = 0; i < repeats; i++) {
        repeat(json, 1, drain_rounds);
    }
    check_the_ledger(wanted + logged - before);
    logfusion_shutdown();

    printf("The results were checked: %llu records, none lost.\n", (unsigned long long)logged);
    if (is_check) {
        return 0; /* So few rounds tell nothing about times. */
    }
    printf("Costs are in clock reads: medians of %d rounds (drain: %d), best and worst of %d repeats;\nquiet: of the samples "
           "(so many) around which the core worked for this program alone, and the other core was near.\n\n",
           call_rounds, drain_rounds, repeats);
    printf("%-45s | %10s | %10s | %8s | %8s | %6s | %7s | %s\n", "what", "bar", "quiet", "best", "worst", "wall", "best ns", "met");
    double clock_ns = calls[0].best_ns;
    int missed = print(calls, call_count, clock_ns) + print(drains, 1, clock_ns) + print(json, 1, clock_ns);
    if (missed == 0) {
        printf("\nEvery bar is met.\n");
    } else {
        printf("\n%d BAR%s NOT MET in this run.\n", missed, missed == 1 ? " IS" : "S ARE");
    }
    return 0;
}
