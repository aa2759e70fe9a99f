/*
 * two_copies PLUGIN LOG: a program that is linked with the archive loads a plugin that has an archive of its own. Both copies log
 * into one file, by the same threads and at the exit: neither knows of the other, and no line is lost.
 */
#define _POSIX_C_SOURCE 200809L
#include "logfusion.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 3, RECORDS = 2000 };

static int (*log_in_plugin)(int, const char *, const char *);

static void *log_on(void *argument) {
    for (int number = 0; number < RECORDS; number++) {
        if (logfusion_log(LOGFUSION_INFO, "copies::host", "a record") != LOGFUSION_OK ||
            log_in_plugin(LOGFUSION_INFO, "copies::plugin", "a record") != LOGFUSION_OK) {
            exit(3);
        }
    }
    return argument;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        return 2;
    }
    setenv("LOGFUSION_OUTPUT", argv[2], 1);
    setenv("LOGFUSION_OVERFLOW", "block", 1);
    void *const plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    void *const found = plugin == NULL ? NULL : dlsym(plugin, "logfusion_log");
    if (found == NULL || found == (void *)&logfusion_log) {
        return 1;
    }
    *(void **)&log_in_plugin = found;
    pthread_t threads[THREADS];
    for (int thread = 0; thread < THREADS; thread++) {
        if (pthread_create(&threads[thread], NULL, log_on, NULL) != 0) {
            return 1;
        }
    }
    for (int thread = 0; thread < THREADS; thread++) {
        pthread_join(threads[thread], NULL);
    }
    return 0;
}
