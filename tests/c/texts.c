/* NUL-terminated texts, which statements, log functions and batches measure as they copy them: each length, at each place, up to
 * a page that cannot be read, and into it. */
#define _GNU_SOURCE
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

/* A page that can be read, with one behind it that cannot. */
static char *page;
static size_t page_size;

enum { LONGEST = 300, PLACES = 20 };

static size_t seen, right;

static int is_text(const logfusion_field *field, const char *name, const char *expected) {
    return strcmp(field->name, name) == 0 && field->type == LOGFUSION_TYPE_TEXT &&
           field->value.text.length == strlen(expected) && strcmp(field->value.text.data, expected) == 0;
}

static void compare(const logfusion_record *record, void *text) {
    const char *const expected = *(const char **)text;
    seen += 1;
    if (record->field_count == 0) {
        right += record->message_length == strlen(expected) && strcmp(record->message, expected) == 0;
        return;
    }
    right += record->field_count == 4 && is_text(&record->fields[0], "one", expected) &&
             record->fields[1].value.i64 == -7 && is_text(&record->fields[2], "two", expected) &&
             record->fields[3].value.u64 == UINT64_MAX - strlen(expected);
}

static void each_length_at_each_place(void) {
    static const char *expected;
    uint64_t handle, handle_of_guide;
    CHECK_EQ(logfusion_subscribe("texts", LOGFUSION_INFO, compare, &expected, &handle), LOGFUSION_OK);
    CHECK_EQ(logfusion_subscribe("ffi", LOGFUSION_INFO, compare, &expected, &handle_of_guide), LOGFUSION_OK);
    for (size_t length = 0; length <= LONGEST; length++) {
        for (size_t place = 0; place < PLACES; place++) {
            /* From the beginning of the page, and up to its end: there the NUL is the last byte, or one before. */
            char *const text = place < PLACES / 2 ? page + place : page + page_size - 1 - length - (place - PLACES / 2);
            memset(page, 'z', page_size);
            for (size_t i = 0; i < length; i++) {
                text[i] = (char)('a' + (i + length) % 25);
            }
            text[length] = '\0';
            expected = text;
            LF_INFO("texts", "a text", LF_KV("one", text), LF_KV("number", -7), LF_KV("two", text),
                    LF_KV("last", UINT64_MAX - length));
            CHECK_EQ(logfusion_log(LOGFUSION_INFO, "texts", text), LOGFUSION_OK);
            logfusion_log_info(text);
            const logfusion_entry entries[] = {
                logfusion_entry_make(LOGFUSION_INFO, "texts", text), {"texts", 5, text, length, LOGFUSION_INFO, 0},
                logfusion_entry_make(LOGFUSION_INFO, "texts", text), logfusion_entry_make(LOGFUSION_INFO, "texts", text)};
            CHECK_EQ(logfusion_log_batch(entries, 4), 4);
            CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
        }
    }
    CHECK_EQ(seen, 7 * (LONGEST + 1) * PLACES);
    CHECK_EQ(right, seen);
    CHECK_EQ(logfusion_unsubscribe(handle, -1), LOGFUSION_OK);
    CHECK_EQ(logfusion_unsubscribe(handle_of_guide, -1), LOGFUSION_OK);
}

static void nothing(const logfusion_record *record, void *context) {
    (void)record;
    (void)context;
}

static sigjmp_buf back;

static void log_and_leave(int number) {
    LF_ERROR("faults", "signal {number}", LF_KV("number", number));
    siglongjmp(back, 1);
}

static uint64_t accepted(void) {
    logfusion_stats_t stats;
    stats.size = sizeof stats;
    CHECK_EQ(logfusion_stats(&stats), LOGFUSION_OK);
    return stats.accepted;
}

static void statement(const char *text) { LF_INFO("faults", "{text}", LF_KV("text", text)); }
static void message(const char *text) { logfusion_log(LOGFUSION_INFO, "faults", text); }
static void target(const char *text) { logfusion_log(LOGFUSION_INFO, text, "a message"); }

/* Logs a text that cannot be read to its end, and returns how many records there are of it, the handler's included. */
static uint64_t after_a_fault(void (*log)(const char *), const char *text) {
    const uint64_t before = accepted();
    if (sigsetjmp(back, 1) == 0) {
        log(text);
        CHECK(!"a text that cannot be read was logged");
    }
    return accepted() - before;
}

/* The handler of a text that is nowhere logs; that of one which lacks its end interrupts the push. Later records are whole. */
static void texts_that_cannot_be_read(void) {
    struct sigaction action = {.sa_handler = log_and_leave}, old_segv, old_bus;
    uint64_t handle;
    memset(page, 'z', page_size);
    CHECK_EQ(logfusion_subscribe("faults", LOGFUSION_INFO, nothing, NULL, &handle), LOGFUSION_OK);
    LF_ERROR("faults", "signal {number}", LF_KV("number", 0));
    CHECK_EQ(sigaction(SIGSEGV, &action, &old_segv), 0);
    CHECK_EQ(sigaction(SIGBUS, &action, &old_bus), 0);
    for (int round = 0; round < 100; round++) {
        void (*const ways[])(const char *) = {statement, message, target, logfusion_log_info};
        void (*const log)(const char *) = ways[round % 4];
        CHECK_EQ(after_a_fault(log, page + page_size), 1);
        CHECK(after_a_fault(log, page + page_size - 40) <= 1);
        const uint64_t before = accepted();
        LF_INFO("faults", "{text}", LF_KV("text", (const char *)"later"));
        CHECK_EQ(accepted() - before, 1);
    }
    CHECK_EQ(sigaction(SIGSEGV, &old_segv, NULL), 0);
    CHECK_EQ(sigaction(SIGBUS, &old_bus, NULL), 0);
    CHECK_EQ(logfusion_unsubscribe(handle, -1), LOGFUSION_OK);
}

/* On a stack of its own, where a push that was left open would be believed. */
static void log_a_long_text(int number) {
    (void)number;
    statement(page);
    message(page);
}

static void long_texts_on_another_stack(void) {
    static char stack[1 << 16];
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = log_a_long_text, .sa_flags = SA_ONSTACK}, old;
    uint64_t handle;
    memset(page, 'y', page_size);
    page[2000] = '\0';
    CHECK_EQ(logfusion_subscribe("faults", LOGFUSION_INFO, nothing, NULL, &handle), LOGFUSION_OK);
    CHECK_EQ(sigaltstack(&other, NULL), 0);
    CHECK_EQ(sigaction(SIGUSR1, &action, &old), 0);
    const uint64_t before = accepted();
    for (int round = 1; round <= 100; round++) {
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(accepted() - before, 2 * round);
    }
    CHECK_EQ(sigaction(SIGUSR1, &old, NULL), 0);
    CHECK_EQ(logfusion_unsubscribe(handle, -1), LOGFUSION_OK);
}

/* How many of one letter a text has, from its beginning to its end or to where it was cut. */
static size_t letters(const char *text, size_t *others) {
    const size_t count = strspn(text, (const char[]){text[0], '\0'});
    *others += text[count] != '\0' && strncmp(text + count, "… (", strlen("… (")) != 0;
    return count;
}

static void look(const logfusion_record *record, void *others) {
    seen += 1;
    right += letters(record->field_count > 0 ? record->fields[0].value.text.data : record->message, others) >= 100;
}

/* In a small ring, however full: what is copied of a text that turns out to be too long lies in room that is free. */
static void nothing_is_overwritten(void) {
    static char shorter[101], longer[1001];
    size_t others = 0;
    uint64_t handle, begun = accepted();
    seen = right = 0;
    memset(longer, 'l', sizeof longer - 1);
    memset(shorter, 's', sizeof shorter - 1);
    CHECK_EQ(logfusion_subscribe("full", LOGFUSION_INFO, look, &others, &handle), LOGFUSION_OK);
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < round % 40; i++) {
            memset(shorter, 'a' + i % 10, sizeof shorter - 1);
            LF_INFO("full", "{text}", LF_KV("text", (const char *)shorter));
        }
        if (round % 3 == 0) {
            logfusion_log(LOGFUSION_INFO, "full", longer);
        } else {
            /* The second one is too long, behind a first that was copied. */
            LF_INFO("full", "{text} {more}", LF_KV("text", (const char *)shorter), LF_KV("more", (const char *)longer));
        }
        CHECK(logfusion_drain(1000000) >= 0);
    }
    CHECK_EQ(others, 0);
    CHECK_EQ(right, seen);
    CHECK_EQ(seen, accepted() - begun);
    CHECK(seen > 20000);
    CHECK_EQ(logfusion_unsubscribe(handle, -1), LOGFUSION_OK);
}

int main(int argc, char **argv) {
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    check_start(argc, argv);
    config.output = "none";
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    page = mmap(NULL, 2 * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    CHECK_EQ(mprotect(page + page_size, page_size, PROT_NONE), 0);

    each_length_at_each_place();
    texts_that_cannot_be_read();
    long_texts_on_another_stack();
    check_ledger(0);
    logfusion_shutdown();

    config.ring_bytes = 4096;
    config.drain = LOGFUSION_DRAIN_MANUAL;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    nothing_is_overwritten();
    check_ledger(1);
    logfusion_shutdown();
    return check_end("texts");
}
