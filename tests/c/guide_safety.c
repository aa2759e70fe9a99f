/* The guide, "Memory safety and FFI": checked messages, and buffers. */
#define _DEFAULT_SOURCE
#include "guide.h"

#include <limits.h>
#include <sys/resource.h>

enum { MOST_BYTES = 1 << 20 };

static void messages(const guide *g) {
    const char *const keys[] = {"user", "role", "user"};
    const char *const values[] = {"ann", "ad\xffmin", "bob"};
    const char *const odd_keys[] = {"good", NULL, "no value", "bad\xff", "", "message"};
    const char *const odd_values[] = {"yes", "no key", NULL, "bad key", "empty key", "pair"};
    static char names[40][16];
    const char *many_keys[40], *many_values[40];
    char fields[1024] = "\"message\":\"many pairs\"";

    ACCEPTS(CHECK_EQ(g->safe_log_message(1, "safe", "an error", NULL, NULL, 0), 0));
    ACCEPTS(CHECK_EQ(g->safe_log_message(2, "safe", "a warning", keys, values, 0), 0));
    ACCEPTS(CHECK_EQ(g->safe_log_message(3, "safe::deep", "with pairs", keys, values, 2), 0));
    ACCEPTS(CHECK_EQ(g->safe_log_message(-5, "safe", "the last wins", keys, values, 3), 0));
    REFUSES(g->safe_log_message(3, "safe", "odd pairs", odd_keys, odd_values, 6), 0);
    for (int i = 0; i < 40; i++) {
        char pair[32];
        snprintf(names[i], sizeof names[i], "k%d", i);
        many_keys[i] = many_values[i] = names[i];
        if (i < 32) {
            snprintf(pair, sizeof pair, ",\"k%d\":\"k%d\"", i, i);
            strcat(fields, pair);
        }
    }
    REFUSES(g->safe_log_message(3, "safe", "many pairs", many_keys, many_values, 40), 0);

    REFUSES(g->safe_log_message(3, NULL, "x", keys, values, 2), -1);
    REFUSES(g->safe_log_message(3, "safe", NULL, keys, values, 2), -1);
    REFUSES(g->safe_log_message(3, "safe", "x", NULL, values, 2), -2);
    REFUSES(g->safe_log_message(3, "safe", "x", keys, NULL, 2), -2);
    REFUSES(g->safe_log_message(3, "safe", "x", keys, values, -1), -2);
    REFUSES(g->safe_log_message(3, "safe", "x", NULL, NULL, INT_MIN), -2);
    REFUSES(g->safe_log_message(3, "sa\xff" "fe", "x", keys, values, 2), -3);
    REFUSES(g->safe_log_message(3, "safe", "x\xc3", keys, values, 2), -4);
    /* Also where the level is filtered out. */
    REFUSES(g->safe_log_message(3, "sa\xff" "fe", "x\xff", NULL, NULL, -1), -2);

    /* A long message that is UTF-8 is cut, wherever that falls. */
    static char longer[100003];
    for (size_t i = 0; i + 2 < sizeof longer; i += 2) {
        memcpy(longer + i, "\xc3\xa9", 2);
    }
    ACCEPTS(CHECK_EQ(g->safe_log_message(3, "safe::long", longer, NULL, NULL, 0), 0));
    ACCEPTS(CHECK_EQ(g->safe_log_message(3, "safe::long", longer + 2, NULL, NULL, 0), 0));

    char *text = guide_read();
    guide_expect(text, "ERROR", "safe", "\"message\":\"an error\"");
    guide_expect(text, "WARN", "safe", "\"message\":\"a warning\"");
    guide_expect(text, "INFO", "safe::deep",
                 "\"message\":\"with pairs\",\"user\":\"ann\",\"role\":\"ad\xef\xbf\xbdmin\"");
    guide_expect(text, "INFO", "safe", "\"message\":\"the last wins\",\"user\":\"bob\",\"role\":\"ad\xef\xbf\xbdmin\"");
    guide_expect(text, "INFO", "safe",
                 "\"message\":\"odd pairs\",\"good\":\"yes\",\"\":\"empty key\",\"message#3\":\"pair\"");
    guide_expect(text, "INFO", "safe", fields);
    CHECK_EQ(check_count(text, "\"target\":\"safe::long\""), 2);
    CHECK_EQ(check_count(text, "bytes more)\"},\"target\":\"safe::long\""), 2);
    CHECK(strstr(text, "\xef\xbf\xbd\xe2\x80\xa6") == NULL); /* no half character before the mark */
    guide_expected += 2;
    guide_expect_no_more(text);
    free(text);
}

static void buffers(const guide *g) {
    char on_stack[16] = "on the stack";
    static const int sizes[] = {1, 2, 4096, MOST_BYTES};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const int size = sizes[i];
        char *buffer = NULL;
        ACCEPTS(buffer = g->allocate_log_buffer(size));
        CHECK(buffer != NULL);
        for (int at = 0; at < size; at++) {
            if (buffer[at] != 0) {
                CHECK(buffer[at] == 0);
            }
        }
        memset(buffer, 'x', (size_t)size);
        SILENT(g->free_log_buffer(buffer, size - 1));
        SILENT(g->free_log_buffer(buffer, size + 1));
        SILENT(g->free_log_buffer(buffer, 0));
        SILENT(g->free_log_buffer(buffer, -size));
        SILENT(g->free_log_buffer(buffer + 1, size));
        CHECK(buffer[size - 1] == 'x'); /* it is still there */
        ACCEPTS(g->free_log_buffer(buffer, size));
        SILENT(g->free_log_buffer(buffer, size));
    }
    SILENT(CHECK(g->allocate_log_buffer(0) == NULL));
    SILENT(CHECK(g->allocate_log_buffer(-1) == NULL));
    SILENT(CHECK(g->allocate_log_buffer(INT_MIN) == NULL));
    SILENT(CHECK(g->allocate_log_buffer(MOST_BYTES + 1) == NULL));
    SILENT(CHECK(g->allocate_log_buffer(INT_MAX) == NULL));
    SILENT(g->free_log_buffer(NULL, 16));
    SILENT(g->free_log_buffer(on_stack, 16));
    void *foreign = malloc(16);
    SILENT(g->free_log_buffer(foreign, 16));
    free(foreign);

    /* They are given back: 1,000 MiB come and go. The address sanitizer keeps 256 MiB of it for a while. */
    struct rusage usage;
    for (int i = 0; i < 1000; i++) {
        char *buffer = g->allocate_log_buffer(MOST_BYTES);
        CHECK(buffer != NULL);
        memset(buffer, 'x', MOST_BYTES);
        g->free_log_buffer(buffer, MOST_BYTES);
    }
    CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
    CHECK(usage.ru_maxrss < 700 * 1024);
}

static void rows(const guide *g) {
    messages(g);
    buffers(g);
}

int main(int argc, char **argv) {
    const char *scratch = check_start(argc, argv);
    FOR_EACH_WAY(scratch, "info", rows)
    return check_end("guide_safety");
}
