//! "JavaScript/Node.js integration".

records! {
    logfusion_nodejs_log_request = nodejs_log_request(
        method: text, url: text, status_code: int, response_time_ms: double, user_agent: text or c"unknown"
    )
        => INFO "nodejs::requests" ("nodejs request")
        {
            method = method, url = url, status_code = status_code, response_time_ms = response_time_ms,
            user_agent = user_agent
        };

    logfusion_nodejs_log_error = nodejs_log_error(
        error_name: text, error_message: text or c"No message", stack_trace: text or c"No stack trace",
        file_name: text or c"unknown", line_number: int
    )
        => ERROR "nodejs::errors" ("nodejs error")
        {
            error_name = error_name, error_message = error_message, stack_trace = stack_trace, file_name = file_name,
            line_number = line_number
        };

    logfusion_nodejs_log_performance = nodejs_log_performance(
        operation: text, duration_ms: double, memory_used_mb: double, cpu_time_ms: double
    )
        => INFO "nodejs::performance" ("nodejs performance")
        {
            operation = operation, duration_ms = duration_ms, memory_used_mb = memory_used_mb,
            cpu_time_ms = cpu_time_ms
        };
}
