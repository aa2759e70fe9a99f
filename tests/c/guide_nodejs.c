/* The guide, "JavaScript/Node.js integration". */
#define _POSIX_C_SOURCE 200809L
#include "guide.h"

static void rows(const guide *g) {
    ACCEPTS(g->nodejs_log_request("POST", "/api", 201, 4.5, "curl/8"));
    ACCEPTS(g->nodejs_log_request("PUT", "/api", 500, 5.5, NULL));
    SILENT(g->nodejs_log_request(NULL, "/api", 201, 4.5, "curl/8"));
    SILENT(g->nodejs_log_request("POST", NULL, 201, 4.5, "curl/8"));

    ACCEPTS(g->nodejs_log_error("Error", "bad \xff thing", "at f\n at g", "app.js", 17));
    ACCEPTS(g->nodejs_log_error("E1", NULL, "a stack", "app.js", 1));
    ACCEPTS(g->nodejs_log_error("E2", "a message", NULL, "app.js", 2));
    ACCEPTS(g->nodejs_log_error("E3", "a message", "a stack", NULL, 3));
    SILENT(g->nodejs_log_error(NULL, "a message", "a stack", "app.js", 4));

    ACCEPTS(g->nodejs_log_performance("render", 16.5, 128.25, 3.75));
    SILENT(g->nodejs_log_performance(NULL, 16.5, 128.25, 3.75));

    char *text = guide_read();
    guide_expect(text, "INFO", "nodejs::requests",
                 "\"message\":\"nodejs request\",\"method\":\"POST\",\"url\":\"/api\",\"status_code\":201,"
                 "\"response_time_ms\":4.5,\"user_agent\":\"curl/8\"");
    guide_expect(text, "INFO", "nodejs::requests",
                 "\"message\":\"nodejs request\",\"method\":\"PUT\",\"url\":\"/api\",\"status_code\":500,"
                 "\"response_time_ms\":5.5,\"user_agent\":\"unknown\"");
#define NODE_ERROR(name, message, stack, file, line)                                                                   \
    guide_expect(text, "ERROR", "nodejs::errors",                                                                      \
                 "\"message\":\"nodejs error\",\"error_name\":\"" name "\",\"error_message\":\"" message              \
                 "\",\"stack_trace\":\"" stack "\",\"file_name\":\"" file "\",\"line_number\":" line)
    NODE_ERROR("Error", "bad \xef\xbf\xbd thing", "at f\\n at g", "app.js", "17");
    NODE_ERROR("E1", "No message", "a stack", "app.js", "1");
    NODE_ERROR("E2", "a message", "No stack trace", "app.js", "2");
    NODE_ERROR("E3", "a message", "a stack", "unknown", "3");
    guide_expect(text, "INFO", "nodejs::performance",
                 "\"message\":\"nodejs performance\",\"operation\":\"render\",\"duration_ms\":16.5,"
                 "\"memory_used_mb\":128.25,\"cpu_time_ms\":3.75");
    guide_expect_no_more(text);
    free(text);
}

int main(int argc, char **argv) {
    const char *scratch = check_start(argc, argv);
    FOR_EACH_WAY(scratch, "info", rows)
    return check_end("guide_nodejs");
}
