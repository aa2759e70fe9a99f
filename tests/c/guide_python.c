/* The guide, "Python integration". */
#define _POSIX_C_SOURCE 200809L
#include "guide.h"

static void rows(const guide *g) {
    ACCEPTS(g->python_log_info("from Python", "app.main"));
    SILENT(g->python_log_info(NULL, "app.main"));
    SILENT(g->python_log_info("from Python", NULL));

    ACCEPTS(g->python_log_function_call("compute", "app.math", 0.125, 3));
    SILENT(g->python_log_function_call(NULL, "app.math", 0.125, 3));
    SILENT(g->python_log_function_call("compute", NULL, 0.125, 3));

    ACCEPTS(g->python_log_exception("ValueError", "bad \xff value", "line 1\nline 2", "app.core"));
    ACCEPTS(g->python_log_exception("TypeError", NULL, "a traceback", "app.core"));
    ACCEPTS(g->python_log_exception("KeyError", "a message", NULL, "app.core"));
    ACCEPTS(g->python_log_exception("OSError", "a message", "a traceback", NULL));
    ACCEPTS(g->python_log_exception("Exception", NULL, NULL, NULL));
    SILENT(g->python_log_exception(NULL, "a message", "a traceback", "app.core"));

    char *text = guide_read();
    guide_expect(text, "INFO", "python", "\"message\":\"from Python\",\"module\":\"app.main\"");
    guide_expect(text, "INFO", "python::function_calls",
                 "\"message\":\"python function call\",\"function\":\"compute\",\"module\":\"app.math\","
                 "\"duration_seconds\":0.125,\"args_count\":3");
#define EXCEPTION(type, message, traceback, module)                                                                    \
    guide_expect(text, "ERROR", "python::exceptions",                                                                  \
                 "\"message\":\"python exception\",\"exception_type\":\"" type "\",\"exception_message\":\"" message  \
                 "\",\"traceback\":\"" traceback "\",\"module\":\"" module "\"")
    EXCEPTION("ValueError", "bad \xef\xbf\xbd value", "line 1\\nline 2", "app.core");
    EXCEPTION("TypeError", "No message", "a traceback", "app.core");
    EXCEPTION("KeyError", "a message", "No traceback", "app.core");
    EXCEPTION("OSError", "a message", "a traceback", "unknown");
    EXCEPTION("Exception", "No message", "No traceback", "unknown");
    guide_expect_no_more(text);
    free(text);
}

int main(int argc, char **argv) {
    const char *scratch = check_start(argc, argv);
    FOR_EACH_WAY(scratch, "info", rows)
    return check_end("guide_python");
}
