/*
 * The filter, flipped while threads log: a site that should be on when logfusion_set_filter returns is on, and one that
 * should be off is off. With few sites and with many.
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>

#ifndef FLIPS
#define FLIPS 100000 /* with 10 sites, */
#endif
#ifndef FLIPS_OF_MANY
#define FLIPS_OF_MANY FLIPS /* and with 10,000 */
#endif
enum { MANY = 10000, TARGETS = 7, THREADS = 2 };

static logfusion_site sites[MANY];
static char targets[TARGETS][16];
static int count;
static int is_over;

static uint32_t word_of(logfusion_site *site) {
    uint32_t word = LOGFUSION_WORD(site);
    return word == LOGFUSION_SITE_ASK ? logfusion_site_ask(site) : word;
}

static int log_once(logfusion_site *site) {
    const uint32_t word = word_of(site);
    const logfusion_value none = {0, 0};
    if (word == LOGFUSION_SITE_OFF) {
        return 0;
    }
    logfusion_site_push(site, word, &none, &none, NULL);
    return 1;
}

static void *load(void *unused) {
    for (unsigned i = 0; !__atomic_load_n(&is_over, __ATOMIC_RELAXED); i++) {
        log_once(&sites[i * 7919 % (unsigned)count]);
        if (i % 16 == 0) {
            check_sleep_ms(0);
        }
    }
    return unused;
}

static void flip(int sites_in_use, int flips) {
    pthread_t threads[THREADS];
    count = sites_in_use;
    is_over = 0;
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, load, NULL), 0);
    }
    for (int i = 0; i < flips; i++) {
        const int on = i % 2;
        CHECK_EQ(logfusion_set_filter(on ? "warn,flip::one=info,flip::two=debug" : "info,flip::one=off"), LOGFUSION_OK);
        for (int look = 0; look < 3; look++) {
            const int index = (int)((unsigned)(i * 3 + look) * 104729u % (unsigned)count);
            const int target = index % TARGETS;
            const int wanted = target == 0 ? on : target == 1 || !on;
            CHECK_EQ(word_of(&sites[index]) != LOGFUSION_SITE_OFF, wanted);
        }
    }
    CHECK_EQ(logfusion_set_filter("info"), LOGFUSION_OK);
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    /* Each site is on, and its record is delivered. */
    CHECK_EQ(logfusion_flush(10000), LOGFUSION_OK);
    logfusion_stats_t before, after;
    before.size = after.size = sizeof before;
    CHECK_EQ(logfusion_stats(&before), LOGFUSION_OK);
    for (int i = 0; i < count; i++) {
        CHECK_EQ(log_once(&sites[i]), 1);
        if (i % 1000 == 0) {
            CHECK_EQ(logfusion_flush(10000), LOGFUSION_OK);
        }
    }
    CHECK_EQ(logfusion_flush(10000), LOGFUSION_OK);
    CHECK_EQ(logfusion_stats(&after), LOGFUSION_OK);
    CHECK_EQ(after.delivered - before.delivered, count);
    check_ledger(1);
}

int main(int argc, char **argv) {
    static const char module = 0;
    check_start(argc, argv);
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = "/dev/null";
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    for (int i = 0; i < TARGETS; i++) {
        static const char *const names[] = {"one", "two", "three"};
        snprintf(targets[i], sizeof targets[i], "flip::%s", i < 3 ? names[i] : "more");
    }
    for (int i = 0; i < MANY; i++) {
        const logfusion_site new = {0, LOGFUSION_SITE_ABI, LOGFUSION_INFO, i, targets[i % TARGETS], "flip",
                                    "flips.c", "main", NULL, 0, &module};
        sites[i] = new;
    }
    flip(10, FLIPS);
    flip(MANY, FLIPS_OF_MANY);
    logfusion_sites_withdraw(&module);
    logfusion_shutdown();
    return check_end("filter_flips");
}
