/*
 * The table of sites at its bound: what a plugin does that is reloaded with other line numbers for days. Sites past it have
 * no number, and their records are as right as any.
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

enum { MOST = 65536, SITES = MOST + 2000 };

static const logfusion_site_field fields[] = {{"number", LOGFUSION_TYPE_I64}, {"text", LOGFUSION_TYPE_TEXT}};
static logfusion_site sites[SITES];
static long long expected = 0;

static void in_order(const logfusion_record *record, void *context) {
    char message[64];
    snprintf(message, sizeof message, "site %lld of reload", expected);
    CHECK(strcmp(record->message, message) == 0);
    CHECK_EQ(record->field_count, 2);
    CHECK_EQ(record->fields[0].value.i64, expected);
    CHECK(strcmp(record->fields[1].value.text.data, "reload") == 0);
    CHECK_EQ(record->line, expected < MOST ? expected + 1 : 0);
    expected += 1;
    *(int *)context += 1;
}

static void log_all(const void *module) {
    for (int i = 0; i < SITES; i++) {
        const logfusion_value values[] = {logfusion_value_word((uint64_t)i), logfusion_value_text("reload")};
        logfusion_site *const site = &sites[i];
        if (site->word == LOGFUSION_SITE_ASK) {
            const logfusion_site new = {0,          LOGFUSION_SITE_ABI, LOGFUSION_INFO, i + 1, "table", "site {number} of {text}",
                                        "plugin.c", "reload",           fields,         2,     module};
            *site = new;
        }
        uint32_t word = LOGFUSION_WORD(site);
        if (word == LOGFUSION_SITE_ASK) {
            word = logfusion_site_ask(site);
        }
        CHECK(word != LOGFUSION_SITE_ASK && word != LOGFUSION_SITE_OFF);
        CHECK_EQ(i < MOST, word >= LOGFUSION_SITE_FIRST && word < MOST + LOGFUSION_SITE_FIRST);
        logfusion_site_push(site, word, values, &values, NULL);
        if (i % 1000 == 0) {
            CHECK_EQ(logfusion_flush(10000), LOGFUSION_OK);
        }
    }
    CHECK_EQ(logfusion_flush(10000), LOGFUSION_OK);
    CHECK_EQ(expected, SITES);
    expected = 0;
}

int main(int argc, char **argv) {
    const char *const directory = check_start(argc, argv);
    char path[512];
    static const char module = 0;
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = check_path(path, sizeof path, directory, "table.log");
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    int called = 0;
    uint64_t handle = 0;
    CHECK_EQ(logfusion_subscribe("table", LOGFUSION_INFO, in_order, &called, &handle), LOGFUSION_OK);

    log_all(&module);
    /* The same sites again, loaded anew: they are known, and those past the bound still have no number. */
    logfusion_sites_withdraw(&module);
    for (int i = 0; i < SITES; i++) {
        CHECK_EQ(sites[i].word, LOGFUSION_SITE_ASK);
    }
    log_all(&module);
    CHECK_EQ(called, 2 * SITES);

    /* A change reaches those with a number and those without; after they are withdrawn, none. */
    CHECK_EQ(logfusion_unsubscribe(handle, 5000), LOGFUSION_OK);
    CHECK_EQ(logfusion_set_filter("off"), LOGFUSION_OK);
    CHECK_EQ(sites[0].word, LOGFUSION_SITE_OFF);
    CHECK_EQ(sites[SITES - 1].word, LOGFUSION_SITE_OFF);
    CHECK_EQ(logfusion_set_filter("info"), LOGFUSION_OK);
    CHECK(sites[0].word >= LOGFUSION_SITE_FIRST);
    CHECK_EQ(sites[SITES - 1].word & LOGFUSION_SITE_OFF, 0);
    logfusion_sites_withdraw(&module);
    CHECK_EQ(logfusion_set_filter("off"), LOGFUSION_OK);
    CHECK_EQ(sites[0].word, LOGFUSION_SITE_ASK);
    CHECK_EQ(sites[SITES - 1].word, LOGFUSION_SITE_ASK);
    check_ledger(1);
    logfusion_shutdown();
    char *const text = check_read(path);
    int lines = 0;
    for (const char *at = text; *at != '\0'; at++) {
        lines += *at == '\n';
    }
    CHECK_EQ(lines, 2 * SITES);
    free(text);
    return check_end("site_table");
}
