/*
 * What a crash handler writes of a record is what the output would have written: the same records are drained in one process and
 * left to the crash handler in another, in each format, on an alternate signal stack of 8 KiB with a guard below it. Only
 * times and threads differ.
 */
#define _GNU_SOURCE
#include "check.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK = 8 << 10, GUARD = 4 << 10, LINES = 64 };

enum ending { SHUT_DOWN, CRASH, CRASH_WITHIN_BATCH };

static void log_batch(void) {
    const logfusion_entry entries[] = {
        logfusion_entry_make(LOGFUSION_INFO, "report::batch", "the first of three"),
        logfusion_entry_make(LOGFUSION_ERROR, "report::batch", "control \x1b[31m \n"),
        logfusion_entry_make(LOGFUSION_WARN, "report::batch", "bad \xff"),
    };
    CHECK_EQ(logfusion_log_batch(entries, 3), 3);
}

static void log_all(void) {
    static char longest[100000];
    memset(longest, 'x', sizeof longest);
    const logfusion_field fields[] = {
        logfusion_field_i64("i64", INT64_MIN),       logfusion_field_u64("u64", UINT64_MAX),
        logfusion_field_f64("f64", 1.0 / 3),         logfusion_field_f64("infinite", 1e300 * 1e300),
        logfusion_field_bool("bool", 1),             logfusion_field_pointer("pointer", (void *)0xabcd),
        logfusion_field_text("text", "plain"),       logfusion_field_text("spaces", "two words = \"quoted\"\n"),
        logfusion_field_text_n("bad", "a\xff\xfe" "b", 4), logfusion_field_text("empty", ""),
        logfusion_field_text("text", "again"),       logfusion_field_text("level", "reserved"),
        logfusion_field_text("message", "a field"),  logfusion_field_text("context.x", "prefixed"),
        logfusion_field_text("a key with spaces", "v"),
    };
    const size_t count = sizeof fields / sizeof fields[0];
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "report", "plain"), LOGFUSION_OK);
    CHECK_EQ(logfusion_log(LOGFUSION_ERROR, "report::deep", "control \x1b[31m \r\n \t and \xe2\x80\xae bidi"), LOGFUSION_OK);
    CHECK_EQ(logfusion_log_n(LOGFUSION_WARN, "report", 6, "nul \0 and \xc3\xa4 \xff", 14), LOGFUSION_OK);
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "a target = \"odd\"", ""), LOGFUSION_OK);
    CHECK_EQ(logfusion_log_n(LOGFUSION_INFO, "report", 6, longest, sizeof longest), LOGFUSION_OK);
    CHECK_EQ(logfusion_log_fields(LOGFUSION_INFO, "report", "fields", fields, count), LOGFUSION_OK);
    log_batch();
    for (int round = 0; round < 2; round++) {
        LF_WARN("report::static", "{first} and {second} {{braces}} {first}", LF_KV("first", round),
                LF_KV("second", "t\xc3\xa4xt"), LF_KV("third", 2.5), LF_KV("message", "kv"));
        LF_INFO("report::static", "%s is no format, {unknown} no field and { is open");
        LF_ERROR("report::static", "no fields");
    }
}

static void around(void) {
    const logfusion_field field = logfusion_field_u64("frame", 17);
    const uint64_t span = logfusion_span_enter(LOGFUSION_INFO, "report", "render", &field, 1);
    CHECK_EQ(logfusion_context_set("match", "m-1"), LOGFUSION_OK);
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "report", "inside"), LOGFUSION_OK);
    CHECK_EQ(logfusion_context_clear("match"), LOGFUSION_OK);
    CHECK_EQ(logfusion_span_exit(span), LOGFUSION_OK);
}

static void use_small_stack(void) {
    char *const memory = (char *)mmap(NULL, GUARD + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    CHECK_EQ(mprotect(memory, GUARD, PROT_NONE), 0);
    stack_t stack;
    memset(&stack, 0, sizeof stack);
    stack.ss_sp = memory + GUARD;
    stack.ss_size = STACK;
    CHECK_EQ(sigaltstack(&stack, NULL), 0);
}

static void run(const char *path, int format, enum ending ending) {
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = path;
    config.format = format;
    config.filter = "info,logfusion=off";
    config.drain = LOGFUSION_DRAIN_MANUAL;
    config.ring_bytes = 4 << 20;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    if (ending == CRASH_WITHIN_BATCH) {
        /* The first of a thread is a record by itself, whatever it is. */
        CHECK_EQ(logfusion_log(LOGFUSION_INFO, "report", "the first"), LOGFUSION_OK);
        log_batch();
        CHECK_EQ(logfusion_drain(UINT64_MAX), 1 + 3);
        log_batch();
        CHECK_EQ(logfusion_drain(0), 1);
    } else {
        log_all();
    }
    if (ending == SHUT_DOWN) {
        logfusion_shutdown();
        _exit(0);
    }
    if (ending == CRASH) {
        around();
    }
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    use_small_stack();
    CHECK_EQ(logfusion_install_crash_handler(-1), LOGFUSION_OK);
    static volatile uintptr_t unmapped = 16;
    *(volatile int *)unmapped = 1;
}

static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* Runs it and splits what it wrote into lines, without the time, and with 0 for each thread's id. */
static size_t lines_of(const char *path, int format, enum ending ending, char **lines, char **text) {
    unlink(path);
    const pid_t process = fork();
    if (process == 0) {
        run(path, format, ending);
    }
    int status;
    CHECK_EQ(waitpid(process, &status, 0), process);
    CHECK(ending == SHUT_DOWN ? WIFEXITED(status) && WEXITSTATUS(status) == 0
                              : WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    char id[32];
    snprintf(id, sizeof id, "%d", (int)process);
    *text = check_read(path);
    size_t count = 0;
    for (char *line = strtok(*text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        for (char *at = line; (at = strstr(at, id)) != NULL; at += strlen(id)) {
            /* Not where it is a part of another number. */
            if (at != line && !is_digit(at[-1]) && !is_digit(at[strlen(id)])) {
                memset(at, '0', strlen(id));
            }
        }
        char *const time = strstr(line, "20");
        CHECK(time != NULL && time - line < 20 && time[10] == 'T' && time[26] == 'Z');
        memset(time, ' ', 27);
        CHECK(count < LINES);
        lines[count++] = line;
    }
    return count;
}

/* What was written of a batch is written again with the rest of it, and that is said. */
static void crash_within_batch(const char *path) {
    char *lines[LINES], *text;
    CHECK_EQ(lines_of(path, LOGFUSION_FORMAT_LOGFMT, CRASH_WITHIN_BATCH, lines, &text), 10);
    char *const *const after = lines + 4;
    CHECK(strstr(after[0], "the first of three") != NULL);
    CHECK(strstr(after[1], "may_repeat=true") != NULL);
    for (int i = 0; i < 3; i++) {
        CHECK(strcmp(lines[1 + i], after[2 + i]) == 0);
    }
    CHECK(strcmp(after[0], after[2]) == 0);
    CHECK(strstr(after[5], "records=3") != NULL);
    free(text);
}

int main(int argc, char **argv) {
    const char *const directory = check_start(argc, argv);
    const int formats[] = {LOGFUSION_FORMAT_TEXT, LOGFUSION_FORMAT_LOGFMT, LOGFUSION_FORMAT_JSON};
    char path[512];
    check_path(path, sizeof path, directory, "log");
    for (int i = 0; i < 3; i++) {
        char *drained[LINES], *crashed[LINES], *one, *other;
        const size_t count = lines_of(path, formats[i], SHUT_DOWN, drained, &one);
        const size_t in_report = lines_of(path, formats[i], CRASH, crashed, &other);
        CHECK_EQ(count, 15);
        /* The line that begins it, then these, then enter, set, the record, clear, exit, and the end. */
        CHECK_EQ(in_report, count + 7);
        CHECK(strstr(crashed[0], "signal") != NULL && strstr(crashed[0], "SIGSEGV") != NULL);
        CHECK(strstr(crashed[0], "0x10") != NULL);
        CHECK(strstr(crashed[0], "may_repeat") != NULL && strstr(crashed[0], "true") == NULL);
        for (size_t line = 0; line < count; line++) {
            if (strcmp(drained[line], crashed[line + 1]) != 0) {
                fprintf(stderr, "drained: %.1000s\ncrashed: %.1000s\n", drained[line], crashed[line + 1]);
            }
            CHECK(strcmp(drained[line], crashed[line + 1]) == 0);
        }
        char *const *const after = crashed + count + 1;
        CHECK(strstr(after[0], "enter render") != NULL && strstr(after[0], "17") != NULL);
        CHECK(strstr(after[1], "set in the context") != NULL && strstr(after[1], "m-1") != NULL);
        CHECK(strstr(after[2], "inside") != NULL);
        CHECK(strstr(after[3], "remove from the context: match") != NULL);
        CHECK(strstr(after[4], "exit the span") != NULL);
        CHECK(strstr(after[5], "records") != NULL && strstr(after[5], "20") != NULL);
        free(one);
        free(other);
    }
    crash_within_batch(path);
    return check_end("crash_report");
}
