/* The guide, "FFI-safe structured logging". */
#define _POSIX_C_SOURCE 200809L
#include "guide.h"

static void rows(const guide *g) {
    ACCEPTS(g->log_user_action(42, "login", 1700000000.25, 2));
    ACCEPTS(g->log_user_action(-1, "log\xff out", -0.5, 0));
    SILENT(g->log_user_action(1, NULL, 1.5, 1));

    ACCEPTS(g->log_database_operation("SELECT", "users", 3, 1.25, 0));
    ACCEPTS(g->log_database_operation("INSERT", "orders", 4, 2.5, -7));
    ACCEPTS(g->log_database_operation("DELETE", "orders", 4, 3.5, 5));
    SILENT(g->log_database_operation(NULL, "users", 3, 1.25, 0));
    SILENT(g->log_database_operation("SELECT", NULL, 3, 1.25, 0));

    ACCEPTS(g->log_http_request("GET", "/index \"quoted\"", 200, 12.75, 2147483647));
    SILENT(g->log_http_request(NULL, "/", 200, 12.75, 1));
    SILENT(g->log_http_request("GET", NULL, 200, 12.75, 1));

    char *text = guide_read();
    guide_expect(text, "INFO", "ffi::user_actions",
                 "\"message\":\"user action\",\"user_id\":42,\"action\":\"login\",\"timestamp\":1700000000.25,"
                 "\"success\":true");
    guide_expect(text, "INFO", "ffi::user_actions",
                 "\"message\":\"user action\",\"user_id\":-1,\"action\":\"log\xef\xbf\xbd out\",\"timestamp\":-0.5,"
                 "\"success\":false");
    guide_expect(text, "INFO", "ffi::database",
                 "\"message\":\"database operation\",\"operation\":\"SELECT\",\"table\":\"users\",\"rows_affected\":3,"
                 "\"duration_ms\":1.25");
    guide_expect(text, "ERROR", "ffi::database",
                 "\"message\":\"database operation failed\",\"operation\":\"INSERT\",\"table\":\"orders\","
                 "\"error_code\":-7,\"duration_ms\":2.5");
    guide_expect(text, "ERROR", "ffi::database",
                 "\"message\":\"database operation failed\",\"operation\":\"DELETE\",\"table\":\"orders\","
                 "\"error_code\":5,\"duration_ms\":3.5");
    guide_expect(text, "INFO", "ffi::http",
                 "\"message\":\"http request\",\"method\":\"GET\",\"url\":\"/index \\\"quoted\\\"\","
                 "\"status_code\":200,\"response_time_ms\":12.75,\"content_length\":2147483647");
    guide_expect_no_more(text);
    free(text);
}

int main(int argc, char **argv) {
    const char *scratch = check_start(argc, argv);
    FOR_EACH_WAY(scratch, "info", rows)
    return check_end("guide_structured");
}
