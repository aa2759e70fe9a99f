/* The guide, "FFI logging basics": plain messages, start and stop. */
#define _POSIX_C_SOURCE 200809L
#include "guide.h"

static void rows(const guide *g) {
    ACCEPTS(g->log_info("an info"));
    ACCEPTS(g->log_warning("a warning"));
    ACCEPTS(g->log_error("an error", -2147483647 - 1));
    ACCEPTS(g->log_error("no error", 0));
    ACCEPTS(g->log_info(""));
    ACCEPTS(g->log_info("bad \xff bytes"));
    ACCEPTS(g->log_error("bad \xc3( too", 7));
    SILENT(g->log_info(NULL));
    SILENT(g->log_warning(NULL));
    SILENT(g->log_error(NULL, 1));

    char *text = guide_read();
    guide_expect(text, "INFO", "ffi", "\"message\":\"an info\"");
    guide_expect(text, "WARN", "ffi", "\"message\":\"a warning\"");
    guide_expect(text, "ERROR", "ffi", "\"message\":\"an error\",\"error_code\":-2147483648");
    guide_expect(text, "ERROR", "ffi", "\"message\":\"no error\",\"error_code\":0");
    guide_expect(text, "INFO", "ffi", "\"message\":\"\"");
    guide_expect(text, "INFO", "ffi", "\"message\":\"bad \xef\xbf\xbd bytes\"");
    guide_expect(text, "ERROR", "ffi", "\"message\":\"bad \xef\xbf\xbd( too\",\"error_code\":7");
    guide_expect_no_more(text);
    CHECK(check_line_has(text, "\"started\"", "\"level\":\"DEBUG\""));
    CHECK(check_line_has(text, "\"started\"", "\"target\":\"logfusion\""));
    free(text);

    /* A long text: as much as fits, and how much is missing. */
    static char longer[100001];
    memset(longer, 'x', sizeof longer - 1);
    ACCEPTS(g->log_info(longer));
    ACCEPTS(g->log_error(longer, 5));
    text = guide_read();
    CHECK(check_line_has(text, "bytes more)\"}", "\"target\":\"ffi\""));
    CHECK(check_line_has(text, "bytes more)\",\"error_code\":5", "\"level\":\"ERROR\""));
    free(text);

    /* After a stop the first record starts the engine again, as it was. */
    CHECK_EQ(logfusion_init(), 0);
    logfusion_shutdown();
    logfusion_shutdown();
    text = check_read(guide_path);
    CHECK(check_line_has(text, "\"stopping\"", "\"level\":\"DEBUG\",\"fields\":{\"message\":\"stopping\"}"));
    CHECK_EQ(check_count(text, "\"stopping\""), 1);
    free(text);
    g->log_info("started again");
    text = guide_read();
    guide_expect(text, "INFO", "ffi", "\"message\":\"started again\"");
    CHECK_EQ(check_count(text, "\"started\""), 2);
    free(text);
    CHECK_EQ(logfusion_init(), 0);
}

/* Before any start. */
static void starts_by_itself(const char *scratch) {
    check_path(guide_path, sizeof guide_path, scratch, "first.json");
    setenv("LOGFUSION_OUTPUT", guide_path, 1);
    setenv("LOGFUSION_FORMAT", "json", 1);
    log_warning("the first of all");
    char *text = guide_read();
    guide_expect(text, "WARN", "ffi", "\"message\":\"the first of all\"");
    guide_expect_no_more(text);
    free(text);
    logfusion_shutdown();
    unsetenv("LOGFUSION_OUTPUT");
    unsetenv("LOGFUSION_FORMAT");
}

int main(int argc, char **argv) {
    const char *scratch = check_start(argc, argv);
    starts_by_itself(scratch);
    FOR_EACH_WAY(scratch, "debug", rows)
    return check_end("guide_basics");
}
