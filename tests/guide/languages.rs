//! "Cross-Language Tracing": what bindings for Python and Node.js call.

use crate::events;
use logfusion::{CText, ffi_error, ffi_info};
use serde_json::json;
use std::ffi::{CStr, c_char, c_double, c_int};
use std::ptr::null;

/// The text, or another one for NULL.
///
/// # Safety
///
/// `text` is NULL or a NUL-terminated string that lives for `'a`.
unsafe fn or<'a>(text: *const c_char, otherwise: &'a CStr) -> CText<'a> {
    // SAFETY: the caller's promise.
    if text.is_null() { otherwise.into() } else { unsafe { CText::new(text) } }
}

/// # Safety
///
/// Both are NULL or NUL-terminated strings; so it is for the functions below.
unsafe extern "C" fn python_log_info(message: *const c_char, module: *const c_char) {
    if !message.is_null() && !module.is_null() {
        // SAFETY: the caller's promise.
        let (message, module) = unsafe { (CText::new(message), CText::new(module)) };
        ffi_info!(target: "python", message, module);
    }
}

unsafe extern "C" fn python_log_function_call(
    function: *const c_char,
    module: *const c_char,
    duration_seconds: c_double,
    args_count: c_int,
) {
    if !function.is_null() && !module.is_null() {
        // SAFETY: the caller's promise.
        let (function, module) = unsafe { (CText::new(function), CText::new(module)) };
        ffi_info!(
            target: "python::function_calls",
            function, module, duration_seconds, args_count,
            "python function call"
        );
    }
}

unsafe extern "C" fn python_log_exception(
    exception_type: *const c_char,
    message: *const c_char,
    traceback: *const c_char,
    module: *const c_char,
) {
    if exception_type.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    unsafe {
        ffi_error!(
            target: "python::exceptions",
            exception_type = CText::new(exception_type),
            exception_message = or(message, c"No message"),
            traceback = or(traceback, c"No traceback"),
            module = or(module, c"unknown"),
            "python exception"
        );
    }
}

#[test]
fn python() {
    let text = CStr::as_ptr;
    let seen = events(|| {
        // SAFETY: each is NUL-terminated or NULL.
        unsafe {
            python_log_info(text(c"ready"), text(c"app"));
            python_log_info(text(c"ready"), null());
            python_log_info(null(), text(c"app"));
            python_log_function_call(text(c"main"), text(c"app"), 0.5, 2);
            python_log_function_call(null(), text(c"app"), 0.5, 2);
            python_log_function_call(text(c"main"), null(), 0.5, 2);
            python_log_exception(text(c"ValueError"), text(c"bad"), text(c"line 1\nline 2"), text(c"app"));
            python_log_exception(text(c"ValueError"), null(), null(), null());
            python_log_exception(null(), text(c"bad"), null(), null());
        }
    });
    let expected = [
        json!(["INFO", "python", {"message": "ready", "module": "app"}]),
        json!(["INFO", "python::function_calls", {
            "message": "python function call", "function": "main", "module": "app", "duration_seconds": 0.5, "args_count": 2,
        }]),
        json!(["ERROR", "python::exceptions", {
            "message": "python exception", "exception_type": "ValueError", "exception_message": "bad",
            "traceback": "line 1\nline 2", "module": "app",
        }]),
        json!(["ERROR", "python::exceptions", {
            "message": "python exception", "exception_type": "ValueError", "exception_message": "No message",
            "traceback": "No traceback", "module": "unknown",
        }]),
    ];
    assert_eq!(seen, expected);
}

unsafe extern "C" fn nodejs_log_request(
    method: *const c_char,
    url: *const c_char,
    status_code: c_int,
    response_time_ms: c_double,
    user_agent: *const c_char,
) {
    if method.is_null() || url.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let (method, url, user_agent) = unsafe { (CText::new(method), CText::new(url), or(user_agent, c"unknown")) };
    ffi_info!(target: "nodejs::requests", method, url, status_code, response_time_ms, user_agent, "nodejs request");
}

unsafe extern "C" fn nodejs_log_error(
    name: *const c_char,
    message: *const c_char,
    stack: *const c_char,
    file: *const c_char,
    line_number: c_int,
) {
    if name.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    unsafe {
        ffi_error!(
            target: "nodejs::errors",
            error_name = CText::new(name),
            error_message = or(message, c"No message"),
            stack_trace = or(stack, c"No stack trace"),
            file_name = or(file, c"unknown"),
            line_number,
            "nodejs error"
        );
    }
}

unsafe extern "C" fn nodejs_log_performance(
    operation: *const c_char,
    duration_ms: c_double,
    memory_used_mb: c_double,
    cpu_time_ms: c_double,
) {
    if operation.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let operation = unsafe { CText::new(operation) };
    ffi_info!(
        target: "nodejs::performance",
        operation, duration_ms, memory_used_mb, cpu_time_ms,
        "nodejs performance"
    );
}

#[test]
fn nodejs() {
    let text = CStr::as_ptr;
    let seen = events(|| {
        // SAFETY: each is NUL-terminated or NULL.
        unsafe {
            nodejs_log_request(text(c"POST"), text(c"/api"), 201, 3.5, text(c"curl/8"));
            nodejs_log_request(text(c"POST"), text(c"/api"), 201, 3.5, null());
            nodejs_log_request(null(), text(c"/api"), 201, 3.5, null());
            nodejs_log_request(text(c"POST"), null(), 201, 3.5, null());
            nodejs_log_error(text(c"TypeError"), text(c"x is not a function"), text(c"at y"), text(c"z.js"), 12);
            nodejs_log_error(text(c"TypeError"), null(), null(), null(), 0);
            nodejs_log_error(null(), text(c"x"), null(), null(), 0);
            nodejs_log_performance(text(c"render"), 1.5, 64.25, 1.25);
            nodejs_log_performance(null(), 1.5, 64.25, 1.25);
        }
    });
    let request = |agent: &str| {
        json!(["INFO", "nodejs::requests", {
            "message": "nodejs request", "method": "POST", "url": "/api", "status_code": 201, "response_time_ms": 3.5,
            "user_agent": agent,
        }])
    };
    let error = |message: &str, stack: &str, file: &str, line: u32| {
        json!(["ERROR", "nodejs::errors", {
            "message": "nodejs error", "error_name": "TypeError", "error_message": message, "stack_trace": stack,
            "file_name": file, "line_number": line,
        }])
    };
    let expected = [
        request("curl/8"),
        request("unknown"),
        error("x is not a function", "at y", "z.js", 12),
        error("No message", "No stack trace", "unknown", 0),
        json!(["INFO", "nodejs::performance", {
            "message": "nodejs performance", "operation": "render", "duration_ms": 1.5, "memory_used_mb": 64.25, "cpu_time_ms": 1.25,
        }]),
    ];
    assert_eq!(seen, expected);
}
