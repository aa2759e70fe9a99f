/*
 * The functions of the FFI guide, part of logfusion.h, which includes this file. The general rules there hold here too;
 * these differ:
 *
 * Names       Each function is exported as logfusion_NAME, and as NAME if the library was built with the cargo feature
 *             `plain-names` (the default), for languages that look names up at run time. In C and C++ the plain names are
 *             inline forwards to the prefixed ones, and need no exported one. A file with functions of its own under these
 *             names defines LOGFUSION_NO_PLAIN_NAMES before the include; if they are global and the library is linked
 *             statically, take the one of `make dist`, which exports no plain name, or build it without the feature.
 * Levels      1 error, 2 warn, 3 info; any other value is info, for the event and for what a callback is given.
 * Bad input   A NULL text where the function names no default: nothing is logged, and the last error is set. So with every
 *             status below 0.
 * Starting    Each function that logs starts the engine, also again after logfusion_shutdown.
 */
#ifndef LOGFUSION_GUIDE_H
#define LOGFUSION_GUIDE_H

#include "logfusion.h"

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------------------------------------- A record for each call */

/* INFO, WARN, ERROR with the target "ffi". Field: error_code (int). */
LOGFUSION_API void logfusion_log_info(const char *message);
LOGFUSION_API void logfusion_log_warning(const char *message);
LOGFUSION_API void logfusion_log_error(const char *message, int error_code);

/* INFO "user action", target "ffi::user_actions". Fields: user_id action timestamp success (true or false). */
LOGFUSION_API void logfusion_log_user_action(int user_id, const char *action, double timestamp, int success);

/*
 * Target "ffi::database". error_code 0: INFO "database operation"; fields: operation table rows_affected duration_ms.
 * Else ERROR "database operation failed"; fields: operation table error_code duration_ms.
 */
LOGFUSION_API void logfusion_log_database_operation(const char *operation, const char *table_name, int rows_affected,
                                                    double duration_ms, int error_code);

/* INFO "http request", target "ffi::http". Fields: method url status_code response_time_ms content_length. */
LOGFUSION_API void logfusion_log_http_request(const char *method, const char *url, int status_code,
                                              double response_time_ms, int content_length);

/* INFO, target "python". Field: module. */
LOGFUSION_API void logfusion_python_log_info(const char *message, const char *module);

/* INFO "python function call", target "python::function_calls". Fields: function module duration_seconds args_count. */
LOGFUSION_API void logfusion_python_log_function_call(const char *function_name, const char *module_name,
                                                      double duration_seconds, int args_count);

/*
 * ERROR "python exception", target "python::exceptions". Fields: exception_type exception_message traceback module. For
 * NULL, but as the type: "No message", "No traceback", "unknown".
 */
LOGFUSION_API void logfusion_python_log_exception(const char *exception_type, const char *exception_message,
                                                  const char *traceback, const char *module_name);

/*
 * INFO "nodejs request", target "nodejs::requests". Fields: method url status_code response_time_ms user_agent (for NULL
 * "unknown").
 */
LOGFUSION_API void logfusion_nodejs_log_request(const char *method, const char *url, int status_code,
                                                double response_time_ms, const char *user_agent);

/*
 * ERROR "nodejs error", target "nodejs::errors". Fields: error_name error_message stack_trace file_name line_number. For
 * NULL, but as the name: "No message", "No stack trace", "unknown".
 */
LOGFUSION_API void logfusion_nodejs_log_error(const char *error_name, const char *error_message,
                                              const char *stack_trace, const char *file_name, int line_number);

/*
 * INFO "nodejs performance", target "nodejs::performance". Fields: operation duration_ms memory_used_mb cpu_time_ms.
 */
LOGFUSION_API void logfusion_nodejs_log_performance(const char *operation, double duration_ms, double memory_used_mb,
                                                    double cpu_time_ms);

/* --------------------------------------------------------------------------------------------------------- Callbacks */

/*
 * Called for each record of its target, of any level and whether or not the output's filter passes it: on the thread
 * that delivers, as a logfusion_callback, with the same rights and duties; and by logfusion_log_with_callback on the
 * thread that calls it, so possibly on several threads at once. `level` is the event's, 1 … 5. Both texts are UTF-8 and
 * valid during the call only; one with a NUL inside ends there.
 */
typedef void (*logfusion_log_callback)(int level, const char *target, const char *message, void *context);

/*
 * Calls `callback` with `context` for the records of `target` (whole segments: "ffi" is also "ffi::http", not "ffix")
 * that are delivered from now on. A target has one such callback: a second replaces the first, under the guarantee of
 * logfusion_unregister_log_callback. Of several targets that match a record, the most specific one's is called first. While
 * any is registered, records of all levels are accepted. `context` and `callback` must live until it is unregistered or
 * replaced. Starts the engine.
 *
 * 0, or -1: callback is NULL; target is NULL, empty or not UTF-8.
 */
LOGFUSION_API int logfusion_register_log_callback(const char *target, logfusion_log_callback callback, void *context);

/*
 * Removes the callback of exactly this target. Outside any callback it waits until the callback is not running: after
 * it, the callback never runs again, and the context may be freed. Inside a callback (any one) it never waits; calls that
 * run on other threads may finish: a later call for the target outside any callback, also one that registers, waits for
 * them. 0, or -1: NULL, not UTF-8, or nothing is registered.
 */
LOGFUSION_API int logfusion_unregister_log_callback(const char *target);

/*
 * Logs, and calls the matching logfusion_log_callbacks on this thread before it returns, whatever the filter says. The
 * thread that delivers does not call them again for this record; logfusion_subscribe's callbacks get it from there. Inside
 * a callback it only logs, and no logfusion_log_callback gets the record. Not wait-free where a callback matches. NULL target
 * or message: nothing happens, last error.
 */
LOGFUSION_API void logfusion_log_with_callback(int level, const char *target, const char *message);

/* ------------------------------------------------------------------------------------------------------------ Safety */

/*
 * Logs with `count` pairs; each key becomes a field of its own with a text, of equal keys the last wins. It checks
 * target, message and keys for UTF-8, so it is not wait-free in the sense of "Blocking", but it never blocks.
 *
 * 0; also when pairs were left out (NULL key or value, key not UTF-8, past the 32nd field), which sets the last error.
 * Nothing is logged for: -1 target or message is NULL; -2 count is below 0, or above 0 with NULL arrays; -3 target, -4
 * message is not UTF-8.
 */
LOGFUSION_API int logfusion_safe_log_message(int level, const char *target, const char *message,
                                             const char *const *keys, const char *const *values, int count);

/*
 * A zeroed buffer of 1 … 1,048,576 bytes, to be freed with logfusion_free_log_buffer and the same size. NULL and last
 * error: another size, no memory. Allocates.
 */
LOGFUSION_API char *logfusion_allocate_log_buffer(int size);

/*
 * Frees such a buffer. NULL, a wrong size, a pointer that is none of these buffers or was freed: last error, nothing is
 * freed.
 */
LOGFUSION_API void logfusion_free_log_buffer(char *buffer, int size);

/* ------------------------------------------------------------------------------------------------------- Performance */

/* Logs `message` with the target "ffi_fast", and counts the call, also one with NULL. */
LOGFUSION_API void logfusion_fast_log(int level, const char *message);

/*
 * Logs each message at its level, target "ffi_batch", field batch_index (its place); then INFO "batch" with
 * total_messages (count) and processed_messages. NULL messages are left out, with one last error for all.
 *
 * Returns processed_messages: how many were accepted. -1: NULL arrays, count below 1.
 */
LOGFUSION_API int logfusion_batch_log(const char *const *messages, const int *levels, int count);

/*
 * Calls of logfusion_fast_log in this process and their mean cost in ns; above INT_MAX: INT_MAX. The cost is measured of
 * the first few calls and of a sample of the others. May take a millisecond when nothing was delivered yet. 0, or -1: a
 * pointer is NULL; nothing is written.
 */
LOGFUSION_API int logfusion_get_ffi_performance_stats(int *total_calls, int *avg_time_ns);

/* ------------------------------------------------------------------------------------------------------------ Errors */

/*
 * Copies this thread's last error, cut at a character boundary, with a NUL. Returns the bytes copied without NUL; 0 and ""
 * when there is none. -1: buffer is NULL or buffer_size below 1; that is a last error itself if there is no other. See
 * logfusion_last_error for the whole length. logfusion_clear_last_error is in logfusion.h.
 */
LOGFUSION_API int logfusion_get_last_error(char *buffer, int buffer_size);

/*
 * Writes "processed: INPUT" and a NUL, returns its length without NUL and clears the last error. Input and output may
 * overlap. On an error nothing is written: -1 input is NULL; -2 output is NULL or output_size below 1; -3 input is not
 * UTF-8; -4 output_size is too small.
 */
LOGFUSION_API int logfusion_process_data_with_error_handling(const char *input, char *output, int output_size);

/* 0, or -1 and a last error for NULL. The pointer is not followed. */
LOGFUSION_API int logfusion_safe_ffi_function(const char *pointer);

/* ---------------------------------------------------------------------------------------------------------- Advanced */

/*
 * Called once by logfusion_async_operation. `status` is 0, `result` a text with the operation's number, valid during the
 * call only. It runs on the drain thread (in manual mode on the thread that delivers) and counts as a callback: see
 * logfusion_callback for what it may do.
 */
typedef void (*logfusion_operation_callback)(int operation_id, int status, const char *result);

/*
 * A flush that nobody waits for: returns at once, and `callback` is called when every record that was accepted before is
 * delivered and written. operation_id is the caller's and means nothing. Starts the engine.
 *
 * 0, or and the callback will not be called: LOGFUSION_E_NULL (-1) callback is NULL; LOGFUSION_E_BUSY 1,024 operations wait
 * already; LOGFUSION_E_THREAD there is no drain thread, or the process exits.
 */
LOGFUSION_API int logfusion_async_operation(int operation_id, logfusion_operation_callback callback);

#ifdef LOGFUSION_SQLITE
/*
 * Connections to SQLite, in libraries built with the cargo feature `sqlite`. All may block on the database's files, and
 * allocate. A connection may be used by several threads; they take turns. Not to be used in a forked child.
 *
 * logfusion_create_connection opens a path (made if it is missing), ":memory:" or a "file:" URI, and returns an id above
 * 0 that is never reused. INFO "connection opened", target "ffi::database". Fields: connection_id connection_string. -1
 * NULL; -2 not UTF-8, or it can't be opened; -3 internal.
 */
LOGFUSION_API int logfusion_create_connection(const char *connection_string);

/*
 * Runs one or more statements and returns how many rows they changed together; the rows of queries are read and
 * dropped. INFO "statement", target "ffi::database". Fields: connection_id operation (its first keyword) statement (its
 * first 100 characters) rows_affected duration_ms. When it fails, ERROR "statement failed" with error_code (SQLite's
 * extended result code) in place of rows_affected; what statements before the failing one did stays done.
 *
 * -1 sql is NULL or connection_id below 1; -2 no such connection, or sql is not UTF-8; -3 failed.
 */
LOGFUSION_API int logfusion_execute_statement(int connection_id, const char *sql);

/*
 * Closes a connection, after the statement that runs on it. INFO "connection closed", target "ffi::database". Field:
 * connection_id. 0; -1 connection_id below 1; -2 no such connection; -3 internal.
 */
LOGFUSION_API int logfusion_destroy_connection(int connection_id);
#endif

/* ------------------------------------------------------------------------------------------------------- Plain names */

#ifndef LOGFUSION_NO_PLAIN_NAMES

typedef logfusion_log_callback LogCallback;

static inline void log_info(const char *message) {
    logfusion_log_info(message);
}

static inline void log_warning(const char *message) {
    logfusion_log_warning(message);
}

static inline void log_error(const char *message, int error_code) {
    logfusion_log_error(message, error_code);
}

static inline void log_user_action(int user_id, const char *action, double timestamp, int success) {
    logfusion_log_user_action(user_id, action, timestamp, success);
}

static inline void log_database_operation(const char *operation, const char *table_name, int rows_affected,
                                          double duration_ms, int error_code) {
    logfusion_log_database_operation(operation, table_name, rows_affected, duration_ms, error_code);
}

static inline void log_http_request(const char *method, const char *url, int status_code, double response_time_ms,
                                    int content_length) {
    logfusion_log_http_request(method, url, status_code, response_time_ms, content_length);
}

static inline void python_log_info(const char *message, const char *module) {
    logfusion_python_log_info(message, module);
}

static inline void python_log_function_call(const char *function_name, const char *module_name,
                                            double duration_seconds, int args_count) {
    logfusion_python_log_function_call(function_name, module_name, duration_seconds, args_count);
}

static inline void python_log_exception(const char *exception_type, const char *exception_message,
                                        const char *traceback, const char *module_name) {
    logfusion_python_log_exception(exception_type, exception_message, traceback, module_name);
}

static inline void nodejs_log_request(const char *method, const char *url, int status_code, double response_time_ms,
                                      const char *user_agent) {
    logfusion_nodejs_log_request(method, url, status_code, response_time_ms, user_agent);
}

static inline void nodejs_log_error(const char *error_name, const char *error_message, const char *stack_trace,
                                    const char *file_name, int line_number) {
    logfusion_nodejs_log_error(error_name, error_message, stack_trace, file_name, line_number);
}

static inline void nodejs_log_performance(const char *operation, double duration_ms, double memory_used_mb,
                                          double cpu_time_ms) {
    logfusion_nodejs_log_performance(operation, duration_ms, memory_used_mb, cpu_time_ms);
}

static inline int register_log_callback(const char *target, LogCallback callback, void *context) {
    return logfusion_register_log_callback(target, callback, context);
}

static inline int unregister_log_callback(const char *target) {
    return logfusion_unregister_log_callback(target);
}

static inline void log_with_callback(int level, const char *target, const char *message) {
    logfusion_log_with_callback(level, target, message);
}

static inline int safe_log_message(int level, const char *target, const char *message, const char *const *keys,
                                   const char *const *values, int count) {
    return logfusion_safe_log_message(level, target, message, keys, values, count);
}

static inline char *allocate_log_buffer(int size) {
    return logfusion_allocate_log_buffer(size);
}

static inline void free_log_buffer(char *buffer, int size) {
    logfusion_free_log_buffer(buffer, size);
}

static inline void fast_log(int level, const char *message) {
    logfusion_fast_log(level, message);
}

static inline int batch_log(const char *const *messages, const int *levels, int count) {
    return logfusion_batch_log(messages, levels, count);
}

static inline int get_ffi_performance_stats(int *total_calls, int *avg_time_ns) {
    return logfusion_get_ffi_performance_stats(total_calls, avg_time_ns);
}

static inline int get_last_error(char *buffer, int buffer_size) {
    return logfusion_get_last_error(buffer, buffer_size);
}

static inline void clear_last_error(void) {
    logfusion_clear_last_error();
}

static inline int process_data_with_error_handling(const char *input, char *output, int output_size) {
    return logfusion_process_data_with_error_handling(input, output, output_size);
}

static inline int safe_ffi_function(const char *pointer) {
    return logfusion_safe_ffi_function(pointer);
}

static inline int async_operation(int operation_id, logfusion_operation_callback callback) {
    return logfusion_async_operation(operation_id, callback);
}

#ifdef LOGFUSION_SQLITE
static inline int create_connection(const char *connection_string) {
    return logfusion_create_connection(connection_string);
}

static inline int execute_statement(int connection_id, const char *sql) {
    return logfusion_execute_statement(connection_id, sql);
}

static inline int destroy_connection(int connection_id) {
    return logfusion_destroy_connection(connection_id);
}
#endif

#endif /* LOGFUSION_NO_PLAIN_NAMES */

#ifdef __cplusplus
}
#endif

#endif /* LOGFUSION_GUIDE_H */
