/*
 * Processes that end in every way while the drain is busy, with and without threads that log on: none hangs, the status is the
 * program's, lines are whole but for one that the end of the process cut short, and after `return` and `exit` every record that
 * was accepted before is in the file, once.
 */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef ENDINGS
#define ENDINGS 60
#endif

enum { STATUS = 7, MOST = 4000, THREADS = 2, SECONDS = 15 };

enum way { RETURN, EXIT, UNDERSCORE_EXIT, QUICK_EXIT, WAYS };

/* What was accepted before the end began, by thread; the last one is the one that ends the process. */
static _Atomic(unsigned) *accepted;

static void log_number(int thread, unsigned number) {
    char text[64];
    snprintf(text, sizeof text, "thread %d number %u end", thread, number);
    if (logfusion_log(LOGFUSION_INFO, "endings", text) == LOGFUSION_OK) {
        atomic_store(&accepted[thread], number + 1);
    } else {
        /* A gap in the numbers: what follows is not counted. */
        for (;;) {
            pause();
        }
    }
}

static void *log_on(void *argument) {
    for (unsigned number = 0; number < MOST; number++) {
        log_number((int)(intptr_t)argument, number);
        for (volatile int rest = 0; rest < 2000; rest++) {
        }
    }
    return NULL;
}

/* Returns how main ends. */
static int child(enum way way, int with_threads, int number, const char *path, unsigned *before) {
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    alarm(SECONDS);
    config.output = path;
    config.ring_bytes = 8 << 20;
    if (logfusion_init_with(&config) != LOGFUSION_OK) {
        _exit(1);
    }
    for (intptr_t thread = 0; with_threads && thread < THREADS; thread++) {
        pthread_t started;
        pthread_create(&started, NULL, log_on, (void *)thread);
    }
    for (int record = 0; record < 50 + number % 500; record++) {
        log_number(THREADS, (unsigned)record);
    }
    for (int thread = 0; thread <= THREADS; thread++) {
        before[thread] = atomic_load(&accepted[thread]);
    }
    switch (way) {
    case EXIT:
        exit(STATUS);
    case UNDERSCORE_EXIT:
        _exit(STATUS);
    case QUICK_EXIT:
        quick_exit(STATUS);
    default:
        return STATUS;
    }
}

static unsigned char seen[THREADS + 1][MOST];

/* Whole lines but perhaps the last, each record once, those before the end all there where the way promises it. */
static void check_file(const char *path, int promises, int may_be_torn, const unsigned *before) {
    char *const text = check_read(path);
    memset(seen, 0, sizeof seen);
    for (char *line = text; *line != '\0';) {
        char *const end = strchr(line, '\n');
        if (end == NULL) {
            CHECK(may_be_torn);
            break;
        }
        *end = '\0';
        int thread;
        unsigned number;
        const char *const found = strstr(line, "thread ");
        if (found != NULL && sscanf(found, "thread %d number %u", &thread, &number) == 2) {
            CHECK(strcmp(line + strlen(line) - 4, " end") == 0);
            CHECK(thread >= 0 && thread <= THREADS && number < MOST);
            CHECK(seen[thread][number] == 0);
            seen[thread][number] = 1;
        } else {
            CHECK(strstr(line, " logfusion: ") != NULL);
        }
        line = end + 1;
    }
    for (int thread = 0; promises && thread <= THREADS; thread++) {
        for (unsigned number = 0; number < before[thread]; number++) {
            CHECK(seen[thread][number]);
        }
    }
    free(text);
}

int main(int argc, char **argv) {
    const char *const directory = check_start(argc, argv);
    char path[512];
    check_path(path, sizeof path, directory, "log");
    unsigned *const before = (unsigned *)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    accepted = (_Atomic(unsigned) *)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int number = 0; number < ENDINGS * WAYS * 2; number++) {
        const enum way way = (enum way)(number % WAYS);
        const int with_threads = number / WAYS % 2;
        unlink(path);
        for (int thread = 0; thread <= THREADS; thread++) {
            atomic_store(&accepted[thread], 0);
        }
        const pid_t process = fork();
        if (process == 0) {
            return child(way, with_threads, number, path, before);
        }
        int status;
        CHECK_EQ(waitpid(process, &status, 0), process);
        if (!WIFEXITED(status)) {
            fprintf(stderr, "process %d, way %d: %x (SIGALRM means that it hung)\n", number, (int)way, (unsigned)status);
        }
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), STATUS);
        const int promises = way == RETURN || way == EXIT;
        /* The kernel ends a write between two pages, here that of a thread that logs during the exit. */
        check_file(path, promises, !promises || with_threads, before);
    }
    return check_end("endings");
}
