/*
 * closed LIBRARY LOG: loads a shared object that has logfusion in it (liblogfusion.so, or a plugin that is linked with the
 * archive), logs and closes it, 500 times: with a thread that lives on, and with one that ends, with and without a stop. The
 * engine keeps the object loaded from its start on.
 */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 500 };

static const char *library;
static int unloaded;

static void failed(const char *what) {
    fprintf(stderr, "closed: %s: %s\n", what, dlerror());
    exit(1);
}

static void function(void *handle, const char *name, void *pointer) {
    void *const found = dlsym(handle, name);
    if (found == NULL) {
        failed(name);
    }
    memcpy(pointer, &found, sizeof found);
}

static void round_of(int number) {
    int (*log)(int, const char *, const char *);
    int (*flush)(int);
    void (*stop)(void);
    void *const handle = dlopen(library, RTLD_NOW);
    if (handle == NULL) {
        failed(library);
    }
    function(handle, "logfusion_log", &log);
    function(handle, "logfusion_flush", &flush);
    function(handle, "logfusion_shutdown", &stop);
    if (log(3, "closed", "a record") != 0) {
        failed("a record was not accepted");
    }
    if (number % 3 == 0) {
        stop();
    } else if (number % 3 == 1 && flush(10000) != 0) {
        failed("flush");
    }
    dlclose(handle);
    void *const still = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
    if (still == NULL) {
        unloaded += 1;
    } else {
        dlclose(still);
    }
}

static void *one_round(void *number) {
    round_of(*(int *)number);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        return 2;
    }
    library = argv[1];
    setenv("LOGFUSION_OUTPUT", argv[2], 1);
    setenv("LOGFUSION_OVERFLOW", "block", 1);
    for (int i = 0; i < ROUNDS; i++) {
        if (i < ROUNDS / 2) { /* before this thread has logged itself: nothing of it holds the object */
            pthread_t thread;
            if (pthread_create(&thread, NULL, one_round, &i) != 0 || pthread_join(thread, NULL) != 0) {
                failed("a thread");
            }
        } else {
            round_of(i);
        }
        if (i % 50 == 0) {
            const pid_t child = fork();
            if (child == 0) {
                _exit(0);
            }
            int status = 1;
            if (waitpid(child, &status, 0) != child || status != 0) {
                failed("a fork");
            }
        }
    }
    const struct timespec rest = {0, 50000000};
    nanosleep(&rest, NULL);
    printf("closed: %d times, of which it was unloaded %d times\n", ROUNDS, unloaded);
    return unloaded > 0;
}
