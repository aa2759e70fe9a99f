/*
 * Two processes log into one file, which both rotate by its size, while a third reads: no line is lost, doubled or torn, and the
 * reader, which follows the file as `tail -F` does, finds whole lines. Then the same with one process on a disk that is full and
 * freed again: what is lost is counted.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WRITERS = 2, RECORDS = 20000, FILES = 1000 };

static void write_all(const char *path, int writer) {
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = path;
    config.rotate_bytes = 64 << 10;
    config.keep_files = FILES;
    config.overflow = LOGFUSION_OVERFLOW_BLOCK;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    for (int number = 0; number < RECORDS; number++) {
        char text[64];
        snprintf(text, sizeof text, "writer %d number %d end", writer, number);
        CHECK_EQ(logfusion_log(LOGFUSION_INFO, "rotation", text), LOGFUSION_OK);
        if (number % 100 == 0) {
            logfusion_flush(5000);
        }
    }
    logfusion_shutdown();
    logfusion_stats_t stats;
    stats.size = sizeof stats;
    CHECK_EQ(logfusion_stats(&stats), LOGFUSION_OK);
    CHECK_EQ(stats.delivered, RECORDS);
    CHECK_EQ(stats.output_lost_records, 0);
    CHECK_EQ(stats.output_errors, 0);
}

/* Reads what is there, opening the path anew when it names another file; ends some time after the writers. Each line is whole. */
static void follow(const char *path, const char *stop) {
    alarm(60);
    size_t lines = 0;
    char rest[256];
    size_t kept = 0;
    int file = -1;
    for (;;) {
        struct stat named, open_one, ended;
        const int is_over = stat(stop, &ended) == 0;
        char buffer[1 << 14];
        ssize_t got;
        while (file >= 0 && (got = read(file, buffer, sizeof buffer)) > 0) {
            for (ssize_t at = 0; at < got; at++) {
                CHECK(kept < sizeof rest - 1);
                rest[kept++] = buffer[at];
                if (buffer[at] == '\n') {
                    rest[kept] = '\0';
                    CHECK(strstr(rest, " rotation: writer ") == NULL || strcmp(rest + kept - 5, " end\n") == 0);
                    CHECK(strncmp(rest, "20", 2) == 0);
                    kept = 0;
                    lines += 1;
                }
            }
        }
        if (kept > 0) {
            continue; /* a write is seen in parts */
        }
        if (file < 0 || (stat(path, &named) == 0 && fstat(file, &open_one) == 0 && named.st_ino != open_one.st_ino)) {
            if (file >= 0) {
                close(file);
            }
            file = open(path, O_RDONLY);
        } else if (is_over) {
            break;
        }
    }
    CHECK(lines > 100);
    _exit(0);
}

static void wait_for(pid_t process) {
    int status;
    CHECK_EQ(waitpid(process, &status, 0), process);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

static void two_writers(const char *directory) {
    static unsigned char seen[WRITERS][RECORDS];
    char path[512], stop[512], name[600];
    check_path(path, sizeof path, directory, "log");
    check_path(stop, sizeof stop, directory, "stop");
    const pid_t reader = fork();
    if (reader == 0) {
        follow(path, stop);
    }
    pid_t writers[WRITERS];
    for (int writer = 0; writer < WRITERS; writer++) {
        writers[writer] = fork();
        if (writers[writer] == 0) {
            write_all(path, writer);
            _exit(0);
        }
    }
    for (int writer = 0; writer < WRITERS; writer++) {
        wait_for(writers[writer]);
    }
    close(open(stop, O_WRONLY | O_CREAT, 0600));
    wait_for(reader);
    int files = 0;
    for (int number = 0; number <= FILES; number++) {
        if (number == 0) {
            snprintf(name, sizeof name, "%s", path);
        } else {
            snprintf(name, sizeof name, "%s.%d", path, number);
        }
        if (access(name, F_OK) != 0) {
            break;
        }
        files += 1;
        char *const text = check_read(name);
        /* Both processes know the size once a second only, so a file may be larger, but not by much. */
        for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
            int writer, record;
            const char *const found = strstr(line, "writer ");
            if (found != NULL) {
                CHECK_EQ(sscanf(found, "writer %d number %d end", &writer, &record), 2);
                CHECK(writer >= 0 && writer < WRITERS && record >= 0 && record < RECORDS);
                CHECK_EQ(seen[writer][record], 0);
                seen[writer][record] = 1;
            }
        }
        free(text);
    }
    CHECK(files > 2 && files <= FILES);
    for (int writer = 0; writer < WRITERS; writer++) {
        CHECK(memchr(seen[writer], 0, RECORDS) == NULL);
    }
    printf("%d files\n", files);
}

/* A file system of 2 MiB that goes with this process: as root, or where users may have name spaces of their own. */
static int mount_small(const char *directory) {
    const int own_space = unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
    return own_space && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("logfusion", directory, "tmpfs", 0, "size=2m") == 0;
}

static void full_disk(const char *directory) {
    char small[400], path[512], filler[512], name[600];
    snprintf(small, sizeof small, "%s/small", directory);
    CHECK_EQ(mkdir(small, 0700), 0);
    if (!mount_small(small)) {
        printf("no file system of our own may be mounted here: the full disk is left out\n");
        fflush(stdout);
        _exit(0);
    }
    check_path(path, sizeof path, small, "log");
    check_path(filler, sizeof filler, small, "filler");
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = path;
    config.filter = "info,logfusion=off";
    config.rotate_bytes = 16 << 10;
    config.keep_files = 4;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    size_t accepted = 0;
    /* A rotation that failed is tried again in another second; until then the file grows, but not past a page a round. */
    for (int round = 0; round < 100; round++) {
        /* Every page is taken, so that neither a line nor a new file has room. */
        static const char page[4096] = {1};
        const int file = open(filler, O_WRONLY | O_CREAT | O_APPEND, 0600);
        CHECK(file >= 0);
        while (write(file, page, sizeof page) > 0) {
        }
        for (int i = 0; i < 300; i++) {
            accepted += logfusion_log(LOGFUSION_INFO, "full", "a line for a disk that has no room for it") == LOGFUSION_OK;
        }
        logfusion_flush(5000);
        CHECK_EQ(ftruncate(file, 0), 0);
        close(file);
        const long long begin = check_now_ns(CLOCK_MONOTONIC);
        char mark[64];
        snprintf(mark, sizeof mark, "room again %d end", round);
        do {
            accepted += logfusion_log(LOGFUSION_INFO, "full", mark) == LOGFUSION_OK;
            CHECK(check_now_ns(CLOCK_MONOTONIC) - begin < 1000000000LL);
        } while (logfusion_flush(5000) != LOGFUSION_OK);
        size_t found = 0;
        for (int number = 0; number <= 4; number++) {
            if (number == 0) {
                snprintf(name, sizeof name, "%s", path);
            } else {
                snprintf(name, sizeof name, "%s.%d", path, number);
            }
            char *const text = check_read(name);
            found += check_count(text, mark);
            free(text);
        }
        CHECK(found > 0);
    }
    logfusion_shutdown();
    logfusion_stats_t stats;
    stats.size = sizeof stats;
    CHECK_EQ(logfusion_stats(&stats), LOGFUSION_OK);
    CHECK_EQ(stats.delivered, accepted);
    CHECK(stats.output_lost_records > 0 && stats.output_errors > 0);
    printf("full a hundred times: %llu of %zu records lost and counted\n", (unsigned long long)stats.output_lost_records,
           accepted);
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv) {
    const char *const directory = check_start(argc, argv);
    two_writers(directory);
    fflush(stdout);
    const pid_t process = fork();
    if (process == 0) {
        full_disk(directory);
    }
    wait_for(process);
    return check_end("rotation");
}
