/* The guide, "Performance considerations": fast_log and its statistics, batches. */
#define _POSIX_C_SOURCE 200809L
#include "guide.h"

#include <limits.h>
#include <pthread.h>

enum { THREADS = 4, CALLS = 1000 };

static void *calls(void *context) {
    const guide *g = context;
    for (int i = 0; i < CALLS; i++) {
        g->fast_log(3, "in a thread");
    }
    return NULL;
}

static void fast(const guide *g) {
    int before = -1, after = -1, mean = -1;

    CHECK_EQ(g->get_ffi_performance_stats(&before, &mean), 0);
    CHECK(before >= 0 && mean >= 0);
    const long long begin = check_now_ns(CLOCK_MONOTONIC);
    ACCEPTS(g->fast_log(1, "fast error"));
    ACCEPTS(g->fast_log(2, "fast warning"));
    ACCEPTS(g->fast_log(3, "fast info"));
    ACCEPTS(g->fast_log(4, "fast four"));
    ACCEPTS(g->fast_log(INT_MIN, "fast \xff minimum"));
    SILENT(g->fast_log(3, NULL));
    CHECK_EQ(g->get_ffi_performance_stats(&after, &mean), 0);
    CHECK_EQ(after - before, 6);
    CHECK(mean > 0);
    /* The first calls of a process are all measured: together they took no longer than what is around them, but for what
     * the ticks are not known to exactly. */
    const long long around = check_now_ns(CLOCK_MONOTONIC) - begin;
    CHECK(before > 0 || (long long)mean * after <= around + around / 10);

    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, calls, (void *)g), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_EQ(g->get_ffi_performance_stats(&before, &mean), 0);
    CHECK_EQ(before - after, THREADS * CALLS);
    /* A thread may be interrupted within a measured call, which then stands for many: no call took longer than all did. */
    CHECK(mean > 0 && mean <= check_now_ns(CLOCK_MONOTONIC) - begin);

    mean = 4711;
    REFUSES(g->get_ffi_performance_stats(NULL, &mean), -1);
    REFUSES(g->get_ffi_performance_stats(&after, NULL), -1);
    CHECK(mean == 4711 && after == before - THREADS * CALLS);
}

static void batches(const guide *g) {
    const char *const messages[] = {"one", NULL, "three", "fo\xffur", "five"};
    const int levels[] = {1, 1, 2, 3, 99};
    const char *const one[] = {"alone"};

    REFUSES(g->batch_log(NULL, levels, 5), -1);
    REFUSES(g->batch_log(messages, NULL, 5), -1);
    REFUSES(g->batch_log(messages, levels, 0), -1);
    REFUSES(g->batch_log(messages, levels, -1), -1);
    REFUSES(g->batch_log(messages, levels, INT_MIN), -1);
    REFUSES(g->batch_log(messages, levels, 5), 4); /* for the NULL one */
    ACCEPTS(CHECK_EQ(g->batch_log(one, levels, 1), 1));
}

static void rows(const guide *g) {
    fast(g);
    batches(g);

    char *text = guide_read();
    guide_expect(text, "ERROR", "ffi_fast", "\"message\":\"fast error\"");
    guide_expect(text, "WARN", "ffi_fast", "\"message\":\"fast warning\"");
    guide_expect(text, "INFO", "ffi_fast", "\"message\":\"fast info\"");
    guide_expect(text, "INFO", "ffi_fast", "\"message\":\"fast four\"");
    guide_expect(text, "INFO", "ffi_fast", "\"message\":\"fast \xef\xbf\xbd minimum\"");
    CHECK_EQ(check_count(text, "\"level\":\"INFO\",\"fields\":{\"message\":\"in a thread\"},\"target\":\"ffi_fast\""),
             THREADS * CALLS);
    guide_expected += THREADS * CALLS;
    guide_expect(text, "ERROR", "ffi_batch", "\"message\":\"one\",\"batch_index\":0");
    guide_expect(text, "WARN", "ffi_batch", "\"message\":\"three\",\"batch_index\":2");
    guide_expect(text, "INFO", "ffi_batch", "\"message\":\"fo\xef\xbf\xbdur\",\"batch_index\":3");
    guide_expect(text, "INFO", "ffi_batch", "\"message\":\"five\",\"batch_index\":4");
    guide_expect(text, "INFO", "ffi_batch", "\"message\":\"batch\",\"total_messages\":5,\"processed_messages\":4");
    guide_expect(text, "ERROR", "ffi_batch", "\"message\":\"alone\",\"batch_index\":0");
    guide_expect(text, "INFO", "ffi_batch", "\"message\":\"batch\",\"total_messages\":1,\"processed_messages\":1");
    guide_expect_no_more(text);
    free(text);

    /* What nobody wants is not accepted. */
    const char *const messages[] = {"wanted", "not wanted"};
    const int levels[] = {2, 3};
    CHECK_EQ(logfusion_set_filter("warn"), LOGFUSION_OK);
    CHECK_EQ(g->batch_log(messages, levels, 2), 1);
}

int main(int argc, char **argv) {
    const char *scratch = check_start(argc, argv);
    FOR_EACH_WAY(scratch, "info", rows)
    return check_end("guide_performance");
}
