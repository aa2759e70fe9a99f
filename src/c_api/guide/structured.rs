//! "FFI-safe structured logging".

records! {
    logfusion_log_user_action = log_user_action(user_id: int, action: text, timestamp: double, success: flag)
        => INFO "ffi::user_actions" ("user action")
        { user_id = user_id, action = action, timestamp = timestamp, success = success };

    logfusion_log_database_operation = log_database_operation(
        operation: text, table_name: text, rows_affected: int, duration_ms: double, error_code: int
    )
        if (error_code == 0)
        => INFO "ffi::database" ("database operation")
        { operation = operation, table = table_name, rows_affected = rows_affected, duration_ms = duration_ms }
        else
        => ERROR "ffi::database" ("database operation failed")
        { operation = operation, table = table_name, error_code = error_code, duration_ms = duration_ms };

    logfusion_log_http_request = log_http_request(
        method: text, url: text, status_code: int, response_time_ms: double, content_length: int
    )
        => INFO "ffi::http" ("http request")
        {
            method = method, url = url, status_code = status_code, response_time_ms = response_time_ms,
            content_length = content_length
        };
}
