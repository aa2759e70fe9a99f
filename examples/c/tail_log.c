/*
 * tail_log FILE…: logs every line of the files, one record a line, with its number and its length in bytes.
 *
 * Nothing may be lost here, so a full ring makes the reader wait (LOGFUSION_OVERFLOW_BLOCK). Records go to stdout; the
 * environment may say otherwise, for instance LOGFUSION_OUTPUT=lines.log LOGFUSION_FORMAT=json.
 */
#define _POSIX_C_SOURCE 200809L

#include "logfusion.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TARGET "tail_log"

static void fail(const char *what, int status) {
    char why[256];
    logfusion_last_error(why, sizeof why);
    fprintf(stderr, "tail_log: %s: %s (%s)\n", what, logfusion_status_text(status), why);
    exit(1);
}

static void log_line(const char *path, uint64_t number, const char *line, size_t length) {
    logfusion_field fields[4];
    size_t count = 0;
    const char *message = line;

    fields[count++] = logfusion_field_text("file", path);
    fields[count++] = logfusion_field_u64("number", number);
    fields[count++] = logfusion_field_u64("length", length);
    if (memchr(line, '\0', length) != NULL) {
        /* The message of logfusion_log_fields ends at a NUL; a text field has a length. */
        message = "line with NUL bytes";
        fields[count++] = logfusion_field_text_n("text", line, length);
    }
    int status = logfusion_log_fields(LOGFUSION_INFO, TARGET, message, fields, count);
    if (status != LOGFUSION_OK) {
        fail("a line", status);
    }
}

/* Logs the lines of one file and adds them to the totals. Returns 0, or -1 when the file can't be read. */
static int log_file(const char *path, uint64_t *lines, uint64_t *bytes) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return -1;
    }
    char *line = NULL;
    size_t capacity = 0;
    uint64_t number = 0;
    ssize_t got;
    while ((got = getline(&line, &capacity, file)) != -1) {
        size_t length = (size_t)got;
        *bytes += length;
        if (length > 0 && line[length - 1] == '\n') {
            line[--length] = '\0';
        }
        number += 1;
        log_line(path, number, line, length);
    }
    int failed = ferror(file);
    if (failed) {
        perror(path);
    }
    free(line);
    fclose(file);
    *lines += number;
    return failed ? -1 : 0;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: tail_log FILE...\n");
        return 2;
    }

    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = "stdout";
    config.overflow = LOGFUSION_OVERFLOW_BLOCK;
    config.block_ms = -1;
    int status = logfusion_init_with(&config);
    if (status != LOGFUSION_OK) {
        fail("init", status);
    }

    uint64_t lines = 0, bytes = 0;
    int unreadable = 0;
    for (int i = 1; i < argc; i++) {
        if (log_file(argv[i], &lines, &bytes) != 0) {
            unreadable += 1;
        }
    }

    status = logfusion_flush(-1);
    if (status != LOGFUSION_OK) {
        fail("flush", status);
    }
    logfusion_stats_t stats;
    stats.size = sizeof stats;
    status = logfusion_stats(&stats);
    if (status != LOGFUSION_OK) {
        fail("stats", status);
    }
    fprintf(stderr,
            "tail_log: %" PRIu64 " lines, %" PRIu64 " bytes read; %" PRIu64 " records delivered, %" PRIu64
            " filtered, %" PRIu64 " not UTF-8\n",
            lines, bytes, stats.delivered, stats.filtered, stats.bad_utf8);
    logfusion_shutdown();
    return unreadable == 0 && stats.delivered + stats.filtered == lines ? 0 : 1;
}
