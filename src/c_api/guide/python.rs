//! "Python integration".

records! {
    logfusion_python_log_info = python_log_info(message: text, module: text)
        => INFO "python" (message) { module = module };

    logfusion_python_log_function_call = python_log_function_call(
        function_name: text, module_name: text, duration_seconds: double, args_count: int
    )
        => INFO "python::function_calls" ("python function call")
        {
            function = function_name, module = module_name, duration_seconds = duration_seconds,
            args_count = args_count
        };

    logfusion_python_log_exception = python_log_exception(
        exception_type: text, exception_message: text or c"No message", traceback: text or c"No traceback",
        module_name: text or c"unknown"
    )
        => ERROR "python::exceptions" ("python exception")
        {
            exception_type = exception_type, exception_message = exception_message, traceback = traceback,
            module = module_name
        };
}
