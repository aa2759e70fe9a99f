/*
 * host PLUGIN SCRATCH_DIRECTORY: loads a plugin, logs from it on several threads, and unloads it with records still queued;
 * again and again. Each record comes as it was logged, and nothing of the plugin is touched once it is unmapped.
 */
#define _GNU_SOURCE
#include "../c/check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RELOADS = 1000, THREADS = 3, RECORDS = 20 };

typedef void log_function(int reload, int thread, int count);

static log_function *plugin_log;
static int reload;
static long long seen[THREADS][RECORDS + 1];

static void *run(void *number) {
    plugin_log(reload, (int)(intptr_t)number, RECORDS);
    return NULL;
}

static void look(const logfusion_record *record, void *context) {
    char message[80];
    if (strcmp(record->target, "plugin::end") == 0) {
        const long long thread = record->fields[0].value.i64;
        snprintf(message, sizeof message, "thread %lld is done", thread);
        CHECK(strcmp(record->message, message) == 0);
        seen[thread][RECORDS] += 1;
    } else {
        const long long of = record->fields[0].value.i64, thread = record->fields[1].value.i64,
                        i = record->fields[2].value.i64;
        snprintf(message, sizeof message, "%lld %lld %lld from the plugin", of, thread, i);
        CHECK(strcmp(record->message, message) == 0);
        CHECK(strstr(record->file, "plugin.c") != NULL && strcmp(record->function, "plugin_log") == 0);
        CHECK_EQ(of, seen[thread][i]);
        seen[thread][i] += 1;
    }
    *(long long *)context += 1;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s PLUGIN SCRATCH_DIRECTORY\n", argv[0]);
        return 2;
    }
    const char *const plugin = argv[1];
    const char *const directory = check_start(argc - 1, argv + 1);
    char path[512];
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = check_path(path, sizeof path, directory, "plugin.log");
    config.ring_bytes = 64 << 10;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    long long called = 0;
    uint64_t handle = 0;
    int unmapped = 0;
    const long page = sysconf(_SC_PAGESIZE);
    CHECK_EQ(logfusion_subscribe("plugin", LOGFUSION_INFO, look, &called, &handle), LOGFUSION_OK);

    for (reload = 0; reload < RELOADS; reload++) {
        void *const object = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
        if (object == NULL) {
            fprintf(stderr, "host: reload %d: %s\n", reload, dlerror());
            return 1;
        }
        const void *(*place)(void);
        *(void **)&plugin_log = dlsym(object, "plugin_log");
        *(void **)&place = dlsym(object, "plugin_place");
        CHECK(plugin_log != NULL && place != NULL);
        const uintptr_t inside = (uintptr_t)place() & ~((uintptr_t)page - 1);
        pthread_t threads[THREADS];
        for (intptr_t i = 0; i < THREADS; i++) {
            CHECK_EQ(pthread_create(&threads[i], NULL, run, (void *)i), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        }
        CHECK_EQ(dlclose(object), 0);
        /* It is gone: its words are, too, and the change writes none of them. */
        unmapped += msync((void *)inside, (size_t)page, MS_ASYNC) != 0;
        CHECK_EQ(logfusion_set_filter("debug"), LOGFUSION_OK);
        CHECK_EQ(logfusion_set_filter("info"), LOGFUSION_OK);
    }
    CHECK_EQ(logfusion_flush(10000), LOGFUSION_OK);
    CHECK_EQ(called, (long long)RELOADS * THREADS * (RECORDS + 1));
    CHECK_EQ(unmapped, RELOADS);
    logfusion_stats_t sum;
    sum.size = sizeof sum;
    CHECK_EQ(logfusion_stats(&sum), LOGFUSION_OK);
    CHECK_EQ(sum.offered, called);
    CHECK_EQ(sum.delivered, called);
    CHECK_EQ(logfusion_unsubscribe(handle, 5000), LOGFUSION_OK);
    logfusion_shutdown();
    char *const text = check_read(path);
    CHECK_EQ(check_count(text, "from the plugin"), (long long)RELOADS * THREADS * RECORDS);
    free(text);
    return check_end("plugin");
}
