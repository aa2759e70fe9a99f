/* NUL-terminated texts in blocks of the heap that end with them: nothing behind them is used. ci/memcheck runs this, too. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

static void log_in_each_way(const char *text) {
    const logfusion_entry entries[] = {logfusion_entry_make(LOGFUSION_INFO, "heap", text),
                                       logfusion_entry_make(LOGFUSION_INFO, "heap", text)};
    LF_INFO("heap", "{text}", LF_KV("text", text));
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "heap", text), LOGFUSION_OK);
    CHECK_EQ(logfusion_log_batch(entries, 2), 2);
}

int main(int argc, char **argv) {
    enum { PLACES = 16, LONGEST = 40 };
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    char path[512];
    config.output = check_path(path, sizeof path, check_start(argc, argv), "heap_texts.log");
    config.format = LOGFUSION_FORMAT_JSON;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    for (size_t place = 0; place < PLACES; place++) {
        for (size_t length = 0; length <= LONGEST; length++) {
            char *const block = malloc(place + length + 1);
            if (block == NULL) {
                abort();
            }
            memset(block + place, 'x', length);
            block[place + length] = '\0';
            log_in_each_way(block + place);
            free(block);
        }
    }
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);
    char *const text = check_read(path);
    for (size_t length = 0; length <= LONGEST; length++) {
        char message[64];
        snprintf(message, sizeof message, "{\"message\":\"%.*s\"", (int)length,
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        CHECK_EQ(check_count(text, message), 4 * PLACES);
    }
    free(text);
    logfusion_shutdown();
    return check_end("heap_texts");
}
