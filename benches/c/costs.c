/*
 * costs SCRATCH_DIRECTORY [--check]: what grows, what is seldom, and what an idle engine takes. benches/c/bars.c has the calls.
 *
 * Each row is a figure and its bar: the median of 21 rounds or more, where nothing else is said; what is compared is measured in turn.
 * Results are checked first (the ledger, what callbacks saw); times fail nothing. With --check the checks alone count, and
 * everything is done a few times.
 */
#define _GNU_SOURCE
#include "logfusion.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            char why[512];                                                                                             \
            logfusion_last_error(why, sizeof why);                                                                     \
            fprintf(stderr, "costs.c:%d: failed: %s\n  last error: %s\n", __LINE__, #condition, why);                  \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

enum { ROUNDS = 21 };
static int is_check, missed, rounds;
static const char *directory;

static double clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double now(void) { return clock_ns(CLOCK_MONOTONIC); }

static void rest_us(long us) {
    const struct timespec rest = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&rest, NULL);
}

static void row(const char *what, double value, const char *unit, double bar, int at_least) {
    const int is_met = at_least ? value >= bar : value <= bar;
    missed += !is_met;
    printf("%-64s | %9.3g %-8s | %s %g | %s\n", what, value, unit, at_least ? ">=" : "<=", bar, is_met ? "yes" : "NOT MET");
    fflush(stdout);
}

static int by_value(const void *one, const void *other) {
    const double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double at(double *values, int count, double share) {
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[(int)((count - 1) * share)];
}

static logfusion_stats_t ledger(void) {
    logfusion_stats_t stats;
    stats.size = sizeof stats;
    CHECK(logfusion_stats(&stats) == LOGFUSION_OK);
    return stats;
}

static char path[4096];

static void start_rotated(const char *output, size_t ring_bytes, int overflow, uint64_t rotate_bytes) {
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    snprintf(path, sizeof path, "%s/%s", directory, output);
    config.output = strcmp(output, "none") == 0 ? output : path;
    config.ring_bytes = ring_bytes;
    config.overflow = overflow;
    config.rotate_bytes = rotate_bytes;
    config.keep_files = 1;
    CHECK(logfusion_init_with(&config) == LOGFUSION_OK);
}

static void start(const char *output, size_t ring_bytes, int overflow) {
    start_rotated(output, ring_bytes, overflow, 256u << 20);
}

/* ---------------------------------------------------------------------------------------------------- What grows */

enum { MANY_SITES = 10000, MANY_RINGS = 1000, MANY_SUBSCRIPTIONS = 64 };

static logfusion_site sites[MANY_SITES];
static const char *const targets[] = {"grow::a", "grow::b", "grow::c", "grow::d", "grow::e", "grow::f", "grow::g"};

static void make_sites(void) {
    static const logfusion_site_field fields[] = {{"n", LOGFUSION_TYPE_I64}};
    for (int i = 0; i < MANY_SITES; i++) {
        const logfusion_site made = {LOGFUSION_SITE_ASK, LOGFUSION_SITE_ABI, LOGFUSION_INFO, i + 1, targets[i % 7],
                                     "object {n} was seen", __FILE__, "make_sites", fields, 1, &logfusion_module};
        sites[i] = made;
    }
}

static void log_at(logfusion_site *site, int number) {
    const char mark = 0;
    const logfusion_value value = {(uint64_t)number, 0};
    uint32_t word = LOGFUSION_WORD(site);
    if (word == LOGFUSION_SITE_ASK) {
        word = logfusion_site_ask(site);
    }
    if (word != LOGFUSION_SITE_OFF) {
        logfusion_site_push(site, word, &value, &mark, NULL);
    }
}

/* CPU time of the others (the drain thread) for each record of one producer at a million a second, over `count` sites. */
static double drain_cost(int count) {
    const int records = is_check ? 20000 : 100000;
    CHECK(logfusion_flush(-1) == LOGFUSION_OK);
    const uint64_t before = ledger().delivered;
    const double process = clock_ns(CLOCK_PROCESS_CPUTIME_ID), mine = clock_ns(CLOCK_THREAD_CPUTIME_ID), began = now();
    for (int i = 0; i < records; i++) {
        log_at(&sites[(unsigned)i * 7919u % (unsigned)count], i);
        if (i % 50 == 49) {
            while (now() - began < i * 1e3) {
            }
        }
    }
    CHECK(logfusion_flush(-1) == LOGFUSION_OK);
    const double cost = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - process - (clock_ns(CLOCK_THREAD_CPUTIME_ID) - mine);
    CHECK(ledger().delivered - before == (uint64_t)records);
    return cost / records;
}

static double median_drain_cost(int count) {
    double costs[ROUNDS];
    for (int round = 0; round < rounds; round++) {
        costs[round] = drain_cost(count);
    }
    return at(costs, rounds, 0.5);
}

static pthread_barrier_t all_there;

static void *idle_thread(void *unused) {
    logfusion_log(LOGFUSION_INFO, "idle", "registered");
    pthread_barrier_wait(&all_there);
    pthread_barrier_wait(&all_there); /* until the measurement is over */
    return unused;
}

static void nothing(const logfusion_record *record, void *context) {
    (void)record;
    (void)context;
}

static void growth(void) {
    start("growth.log", 64 << 10, LOGFUSION_OVERFLOW_BLOCK);
    make_sites();
    double ratios[ROUNDS];
    for (int round = 0; round < rounds; round++) {
        uint64_t handles[MANY_SUBSCRIPTIONS];
        const double without = drain_cost(10);
        for (int i = 0; i < MANY_SUBSCRIPTIONS; i++) {
            char target[32];
            snprintf(target, sizeof target, "other::%d", i);
            CHECK(logfusion_subscribe(target, LOGFUSION_INFO, nothing, NULL, &handles[i]) == LOGFUSION_OK);
        }
        ratios[round] = drain_cost(10) / without;
        for (int i = 0; i < MANY_SUBSCRIPTIONS; i++) {
            CHECK(logfusion_unsubscribe(handles[i], -1) == LOGFUSION_OK);
        }
    }
    row("drain, 64 subscriptions on other targets, against none", at(ratios, rounds, 0.5), "x", 1.1, 0);

    /* Sites and rings that are there stay: what is compared with is measured before, and of rings again afterwards. */
    double before = median_drain_cost(10), with;
    for (int i = 0; i < MANY_SITES; i++) {
        log_at(&sites[i], i);
    }
    with = median_drain_cost(10);
    row("drain, 10,000 sites registered, against 10", with / before, "x", 1.1, 0);
    for (int round = 0; round < rounds; round++) {
        const double few = drain_cost(10);
        ratios[round] = drain_cost(MANY_SITES) / few;
    }
    row("drain, 10,000 sites that all log in turn, against 10", at(ratios, rounds, 0.5), "x", 1.1, 0);

    const int rings = is_check ? 50 : MANY_RINGS;
    static pthread_t threads[MANY_RINGS];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 << 10);
    CHECK(pthread_barrier_init(&all_there, NULL, (unsigned)rings + 1) == 0);
    for (int i = 0; i < rings; i++) {
        CHECK(pthread_create(&threads[i], &small, idle_thread, NULL) == 0);
    }
    pthread_barrier_wait(&all_there);
    CHECK(logfusion_flush(-1) == LOGFUSION_OK);
    before = with;
    with = median_drain_cost(10);
    pthread_barrier_wait(&all_there);
    for (int i = 0; i < rings; i++) {
        pthread_join(threads[i], NULL);
    }
    const double after = median_drain_cost(10);
    row("drain, 1,000 registered idle rings, against 1", 2 * with / (before + after), "x", 1.5, 0);
    logfusion_shutdown();
}

/* ----------------------------------------------------------------------------------------------- Several producers */

static int is_over;

static void *produce(void *counter) {
    uint64_t count = 0;
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
        LF_INFO("produce", "{n} a usual message of a game", LF_KV("n", count));
        count += 1;
    }
    *(uint64_t *)counter = count;
    return NULL;
}

static double rate_of(int producers, long ms, double *fairness) {
    pthread_t threads[4];
    uint64_t counts[4] = {0}, least = UINT64_MAX, most = 0, sum = 0;
    const uint64_t before = ledger().delivered;
    is_over = 0;
    const double began = now();
    for (int i = 0; i < producers; i++) {
        CHECK(pthread_create(&threads[i], NULL, produce, &counts[i]) == 0);
    }
    rest_us(ms * 1000);
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < producers; i++) {
        pthread_join(threads[i], NULL);
        least = counts[i] < least ? counts[i] : least;
        most = counts[i] > most ? counts[i] : most;
        sum += counts[i];
    }
    CHECK(logfusion_flush(-1) == LOGFUSION_OK);
    const double rate = (double)sum / (now() - began);
    CHECK(ledger().delivered - before == sum);
    *fairness = (double)least / (double)most;
    return rate;
}

static void producers(void) {
    double fairness, ratios[ROUNDS];
    start_rotated("produce.log", 0, LOGFUSION_OVERFLOW_BLOCK, 0);
    for (int round = 0; round < rounds; round++) {
        double rates[2];
        for (int i = 0; i < 2; i++) {
            CHECK(truncate(path, 0) == 0); /* a rotation would take a good part of some rounds */
            rates[i] = rate_of(i == 0 ? 1 : 4, is_check ? 50 : 200, &fairness);
        }
        ratios[round] = rates[1] / rates[0];
    }
    row("4 producers to a file, total, against 1", at(ratios, rounds, 0.5), "x", 0.9, 1);
    logfusion_shutdown();

    start("produce.log", 0, LOGFUSION_OVERFLOW_BLOCK);
    rate_of(4, is_check ? 50 : 2000, &fairness);
    row("4 producers for 2 s, least against most delivered, once", fairness, "", 0.8, 1);
    logfusion_shutdown();
}

/* -------------------------------------------------------------------------------------------------------- Seldom */

static void *first_record(void *time) {
    const double began = now();
    LF_INFO("first", "of the thread");
    *(double *)time = now() - began;
    return NULL;
}

static void *laps(void *ratio) {
    enum { LAP = (1 << 20) / 24, LAPS = 8 };
    double times[LAPS];
    LF_INFO("laps", "the record that makes the ring, which has a row of its own");
    for (int lap = 0; lap < LAPS; lap++) {
        times[lap] = 0;
        for (int part = 0; part < 4; part++) { /* so that nothing is dropped, and no wake is timed twice */
            const double began = now();
            for (int i = 0; i < LAP / 4; i++) {
                LF_INFO("laps", "{i}", LF_KV("i", i));
            }
            times[lap] += now() - began;
            CHECK(logfusion_flush(-1) == LOGFUSION_OK);
        }
    }
    const double first = times[0];
    *(double *)ratio = first / at(times + 1, LAPS - 1, 0.5);
    return NULL;
}

static void seldom(void) {
    const int threads = is_check ? 5 : 101, flips = is_check ? 2 : 101;
    double times[1001];

    start("seldom.log", 0, LOGFUSION_OVERFLOW_DROP);
    LF_INFO("first", "of the process");
    for (int i = 0; i < threads; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, first_record, &times[i]) == 0 && pthread_join(thread, NULL) == 0);
    }
    row("a thread's first record", at(times, threads, 0.5) / 1e3, "us", 300, 0);

    make_sites();
    for (int i = 0; i < 1001; i++) {
        const double began = now();
        CHECK(logfusion_site_ask(&sites[i]) >= LOGFUSION_SITE_FIRST);
        times[i] = now() - began;
    }
    row("a site's first use", at(times, 1001, 0.5) / 1e3, "us", 5, 0);

    double ratios[ROUNDS];
    for (int i = 0; i < rounds; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, laps, &ratios[i]) == 0 && pthread_join(thread, NULL) == 0);
    }
    row("first lap of a ring, against later ones", at(ratios, rounds, 0.5), "x", 1.3, 0);

    for (int i = 0; i < MANY_SITES; i++) {
        logfusion_site_ask(&sites[i]);
    }
    for (int i = 0; i < flips; i++) {
        const double began = now();
        CHECK(logfusion_set_filter(i % 2 == 0 ? "warn" : "info") == LOGFUSION_OK);
        times[i] = now() - began;
        CHECK((LOGFUSION_WORD(&sites[i]) == LOGFUSION_SITE_OFF) == (i % 2 == 0));
    }
    CHECK(logfusion_set_filter("info") == LOGFUSION_OK);
    row("a filter flip with 10,000 sites, p99", at(times, flips, 0.99) / 1e6, "ms", 5, 0);

    CHECK(logfusion_flush(-1) == LOGFUSION_OK);
    const int forks = is_check ? 2 : 51;
    for (int i = 0; i < forks; i++) {
        const double began = now();
        const pid_t child = fork();
        times[i] = now() - began;
        CHECK(child >= 0);
        if (child == 0) {
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
    row("a fork with empty rings, the parent's pause", at(times, forks, 0.5) / 1e6, "ms", 5, 0);

    const int stops = is_check ? 2 : 51;
    for (int i = 0; i < stops; i++) {
        LF_INFO("first", "after a stop");
        CHECK(logfusion_flush(-1) == LOGFUSION_OK);
        const double began = now();
        logfusion_shutdown();
        times[i] = now() - began;
    }
    row("shutdown with empty rings, p99", at(times, stops, 0.99) / 1e6, "ms", 50, 0);
}

/* The worst single call of many, and the worst step of an empty loop: what the system itself does to a thread. */
static double worst_call(int logs, long calls) {
    double worst = 0, last = now();
    for (long i = 0; i < calls; i++) {
        if (logs) {
            LF_INFO("worst", "{i}", LF_KV("i", i));
        }
        const double time = now();
        worst = time - last > worst ? time - last : worst;
        last = time;
    }
    return worst;
}

static void worst(void) {
    const long calls = is_check ? 100000 : 10000000;
    double with[ROUNDS], without[ROUNDS];
    start("none", 0, LOGFUSION_OVERFLOW_DROP);
    uint64_t handle;
    CHECK(logfusion_subscribe("worst", LOGFUSION_INFO, nothing, NULL, &handle) == LOGFUSION_OK);
    LF_INFO("worst", "the first");
    for (int i = 0; i < rounds; i++) {
        without[i] = worst_call(0, 3 * calls); /* as long in time */
        with[i] = worst_call(1, calls);
    }
    row("worst call in 10 million, against an empty loop's worst step", at(with, rounds, 0.5) / at(without, rounds, 0.5), "x", 1, 0);
    CHECK(logfusion_unsubscribe(handle, -1) == LOGFUSION_OK);
    logfusion_shutdown();
}

/* ---------------------------------------------------------------------------------------------------- Manual drain */

enum { TURNS = 20000, MOST_TURNERS = 4 };
static int turners, turn;

static void *take_turns(void *index) {
    const int me = *(int *)index;
    for (int i = me; i < TURNS; i += turners) {
        while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != i) {
            sched_yield();
        }
        LF_INFO("turns", "{n} a usual message of a game", LF_KV("n", i));
        __atomic_store_n(&turn, i + 1, __ATOMIC_RELEASE);
    }
    pthread_barrier_wait(&all_there); /* the rings stay */
    return NULL;
}

/* Time of logfusion_drain for each of the records that so many threads logged by one statement in turn. */
static double manual_cost(int threads, uint64_t budget_us) {
    pthread_t ids[MOST_TURNERS];
    int indices[MOST_TURNERS];
    turners = threads;
    turn = 0;
    CHECK(logfusion_drain(UINT64_MAX) >= 0);
    CHECK(pthread_barrier_init(&all_there, NULL, (unsigned)threads + 1) == 0);
    for (int i = 0; i < threads; i++) {
        indices[i] = i;
        CHECK(pthread_create(&ids[i], NULL, take_turns, &indices[i]) == 0);
    }
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != TURNS) {
        rest_us(100);
    }
    const double began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    CHECK(logfusion_drain(budget_us) == TURNS);
    const double cost = clock_ns(CLOCK_THREAD_CPUTIME_ID) - began;
    pthread_barrier_wait(&all_there);
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
    }
    return cost / TURNS;
}

static void manual(void) {
    double one[ROUNDS], budgeted[ROUNDS], lockstep[ROUNDS];
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = "/dev/null";
    config.drain = LOGFUSION_DRAIN_MANUAL;
    config.ring_bytes = 4u << 20;
    CHECK(logfusion_init_with(&config) == LOGFUSION_OK);
    for (int i = 0; i < rounds; i++) {
        one[i] = manual_cost(1, UINT64_MAX);
        budgeted[i] = manual_cost(1, 60000000) / one[i];
        lockstep[i] = manual_cost(4, UINT64_MAX) / one[i];
    }
    printf("%-64s | %9.3g ns\n", "logfusion_drain, one thread's records, each", at(one, rounds, 0.5));
    row("logfusion_drain with a budget, against none", at(budgeted, rounds, 0.5), "x", 1.1, 0);
    row("logfusion_drain, 4 threads in lockstep, against 1", at(lockstep, rounds, 0.5), "x", 1.6, 0);
    logfusion_shutdown();
}

/* ---------------------------------------------------------------------------------------------------------- Idle */

static double arrived;
static void note(const logfusion_record *record, void *context) {
    (void)record;
    (void)context;
    const double time = now();
    __atomic_store(&arrived, &time, __ATOMIC_RELEASE);
}

static double latency(void) {
    const double none = 0;
    double time = 0;
    __atomic_store(&arrived, &none, __ATOMIC_RELEASE);
    const double began = now();
    LF_INFO("idle", "on its way");
    while (time == 0) {
        rest_us(20);
        __atomic_load(&arrived, &time, __ATOMIC_ACQUIRE);
    }
    return time - began;
}

static double cpu_share(long us) {
    const double began = now(), process = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    rest_us(us);
    return (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - process) / (now() - began) * 100;
}

static long resident_kib(void) {
    long pages = 0, resident = 0;
    FILE *const file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%ld %ld", &pages, &resident) == 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* What the drain rests at most in the second after a record, in us. */
enum { ACTIVE_REST_US = 1600 };

static void idle(void) {
    pthread_t threads[3];
    double times[200];

    start("idle.log", 0, LOGFUSION_OVERFLOW_DROP);
    LF_INFO("idle", "the first");
    CHECK(logfusion_flush(-1) == LOGFUSION_OK);
    CHECK(pthread_barrier_init(&all_there, NULL, 4) == 0);
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_create(&threads[i], NULL, idle_thread, NULL) == 0);
    }
    pthread_barrier_wait(&all_there);
    double active[5], silent[5];
    const int shares = is_check ? 1 : 5;
    for (int i = 0; i < shares; i++) {
        LF_INFO("idle", "after a silence");
        CHECK(logfusion_flush(-1) == LOGFUSION_OK);
        active[i] = cpu_share(is_check ? 10000 : 900000);
        rest_us(is_check ? 1000 : 500000);
        silent[i] = cpu_share(is_check ? 10000 : 1000000);
    }
    row("processor, 4 rings, in the second after a record, median of 5", at(active, shares, 0.5), "%", 3, 0);
    row("processor, 4 rings, after a second of silence, median of 5", at(silent, shares, 0.5), "%", 0.8, 0);

    uint64_t handle;
    CHECK(logfusion_subscribe("idle", LOGFUSION_INFO, note, NULL, &handle) == LOGFUSION_OK);
    const int silences = is_check ? 1 : 20;
    for (int i = 0; i < silences; i++) {
        rest_us(is_check ? 1000 : 1200000 + 37000 * i % 10000);
        times[i] = latency();
    }
    row("a record after silence, to its delivery, worst of 20", at(times, silences, 1) / 1e6, "ms", 12, 0);
    double delivered[ROUNDS], slept[ROUNDS];
    const int actives = is_check ? 2 : 200;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < actives; i++) {
            rest_us(1000 + 3700 * i % 5000);
            times[i] = latency();
        }
        delivered[round] = at(times, actives, 0.99);
        for (int i = 0; i < actives; i++) {
            const double began = now();
            rest_us(ACTIVE_REST_US);
            times[i] = now() - began;
        }
        slept[round] = at(times, actives, 0.99);
    }
    row("a record in the active second, to its delivery, p99 of 200", at(delivered, rounds, 0.5) / 1e6, "ms", 2, 0);
    printf("%-64s | %9.3g ms\n", "a bare sleep as long as the drain's in that second, p99 of 200", at(slept, rounds, 0.5) / 1e6);
    CHECK(logfusion_unsubscribe(handle, -1) == LOGFUSION_OK);
    pthread_barrier_wait(&all_there);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    logfusion_shutdown();
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "--check") != 0)) {
        fprintf(stderr, "usage: %s SCRATCH_DIRECTORY [--check]\n", argv[0]);
        return 2;
    }
    directory = argv[1];
    is_check = argc == 3;
    rounds = is_check ? 1 : ROUNDS;
    extern char **environ;
    for (char **variable = environ; *variable != NULL;) {
        if (strncmp(*variable, "LOGFUSION_", 10) == 0 || strncmp(*variable, "RUST_LOG=", 9) == 0) {
            char name[128];
            snprintf(name, sizeof name, "%.*s", (int)(strchr(*variable, '=') - *variable), *variable);
            unsetenv(name);
        } else {
            variable++;
        }
    }
    /* Before anything else has taken memory. */
    start("first.log", 0, LOGFUSION_OVERFLOW_DROP);
    LF_INFO("first", "of the process");
    CHECK(logfusion_flush(-1) == LOGFUSION_OK);
    row("resident set, default rings, one thread", (double)resident_kib() / 1024, "MiB", 6, 0);
    logfusion_shutdown();
    seldom();
    growth();
    producers();
    worst();
    manual();
    idle();
    if (!is_check) {
        printf("%s\n", missed == 0 ? "Every bar is met." : "Some bars are not met in this run.");
    }
    return 0;
}
