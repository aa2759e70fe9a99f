/*
 * A flood of DEBUG, then one of WARN, with one ERROR in 10,000, from more threads than processors: no ERROR is lost, the ledger says
 * what was dropped, and so do the engine's own events.
 */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>

enum { THREADS = 4, RECORDS = 400000, ERROR_EVERY = 10000 };

static int flood_level;

static void *flood(void *argument) {
    const int thread = (int)(intptr_t)argument;
    char text[128];
    memset(text, 'f', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int number = 0; number < RECORDS; number++) {
        if (number % ERROR_EVERY == ERROR_EVERY - 1) {
            char error[64];
            snprintf(error, sizeof error, "error %d of %d", number / ERROR_EVERY, thread);
            CHECK_EQ(logfusion_log(LOGFUSION_ERROR, "flood::error", error), LOGFUSION_OK);
        } else {
            const int status = logfusion_log(flood_level, "flood", text);
            CHECK(status == LOGFUSION_OK || status == LOGFUSION_E_DROPPED);
        }
    }
    return NULL;
}

/* The sum of a field of all "records were dropped" events. */
static unsigned long long reported(const char *text, const char *field) {
    unsigned long long sum = 0;
    for (const char *line = text; (line = strstr(line, "records were dropped")) != NULL; line++) {
        const char *const found = strstr(line, field);
        CHECK(found != NULL);
        sum += strtoull(found + strlen(field), NULL, 10);
    }
    return sum;
}

static void run(const char *path, int level, const char *field) {
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    logfusion_stats_t before, after;
    config.output = path;
    config.ring_bytes = 64 << 10;
    config.filter = "trace";
    flood_level = level;
    before.size = after.size = sizeof before;
    CHECK_EQ(logfusion_stats(&before), LOGFUSION_OK);
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    pthread_t threads[THREADS];
    for (intptr_t thread = 0; thread < THREADS; thread++) {
        CHECK_EQ(pthread_create(&threads[thread], NULL, flood, (void *)thread), 0);
    }
    for (int thread = 0; thread < THREADS; thread++) {
        CHECK_EQ(pthread_join(threads[thread], NULL), 0);
    }
    logfusion_shutdown();
    CHECK_EQ(logfusion_stats(&after), LOGFUSION_OK);
    check_ledger(1);
    CHECK_EQ(after.dropped[LOGFUSION_ERROR] - before.dropped[LOGFUSION_ERROR], 0);
    const unsigned long long dropped = after.dropped[level] - before.dropped[level];
    char *const text = check_read(path);
    CHECK_EQ(check_count(text, "flood::error: error "), THREADS * (RECORDS / ERROR_EVERY));
    printf("level %d: %llu of %d dropped, no error\n", level, dropped, THREADS * RECORDS);
    CHECK(dropped > 0);
    CHECK_EQ(reported(text, field), dropped);
    free(text);
}

int main(int argc, char **argv) {
    const char *const directory = check_start(argc, argv);
    char path[512];
    run(check_path(path, sizeof path, directory, "debug"), LOGFUSION_DEBUG, " debug=");
    run(check_path(path, sizeof path, directory, "warn"), LOGFUSION_WARN, " warn=");
    return check_end("flood");
}
