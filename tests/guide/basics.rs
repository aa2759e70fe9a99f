//! "FFI Logging Basics": functions that C calls.

use crate::common::{
    Config, JSON, Limit, child, child_log, forget_environment, init_with, json_lines, role, run, shutdown,
};
use crate::events;
use logfusion::{CText, c_api, ffi_error, ffi_info, ffi_warn};
use serde_json::json;
use std::ffi::{CStr, c_char, c_double, c_int};
use std::path::Path;
use std::ptr::null;
use std::time::Duration;

/// # Safety
///
/// `message` is NULL or a NUL-terminated string.
unsafe extern "C" fn log_info(message: *const c_char) {
    if !message.is_null() {
        // SAFETY: the caller's promise.
        ffi_info!(message = unsafe { CText::new(message) });
    }
}

/// # Safety
///
/// As [`log_info`].
unsafe extern "C" fn log_warning(message: *const c_char) {
    if !message.is_null() {
        // SAFETY: the caller's promise.
        ffi_warn!(message = unsafe { CText::new(message) });
    }
}

/// # Safety
///
/// As [`log_info`].
unsafe extern "C" fn log_error(message: *const c_char, error_code: c_int) {
    if !message.is_null() {
        // SAFETY: the caller's promise.
        ffi_error!(message = unsafe { CText::new(message) }, error_code);
    }
}

#[test]
fn messages_have_the_level_of_their_function() {
    let seen = events(|| {
        // SAFETY: each is NUL-terminated or NULL.
        unsafe {
            log_info(c"loaded".as_ptr());
            log_warning(c"slow disk".as_ptr());
            log_error(c"no such file".as_ptr(), 2);
            log_info(c"h\xffllo".as_ptr());
            log_info(null());
            log_warning(null());
            log_error(null(), 1);
        }
    });
    let expected = [
        json!(["INFO", "ffi", {"message": "loaded"}]),
        json!(["WARN", "ffi", {"message": "slow disk"}]),
        json!(["ERROR", "ffi", {"message": "no such file", "error_code": 2}]),
        json!(["INFO", "ffi", {"message": "h\u{FFFD}llo"}]),
    ];
    assert_eq!(seen, expected);
}

/// A library of its own that starts and stops the engine with itself.
extern "C" fn library_init() -> c_int {
    ffi_info!(target: "library", "starting");
    0
}

extern "C" fn library_shutdown() {
    ffi_info!(target: "library", "stopping");
    // Delivers everything that was accepted.
    c_api::logfusion_shutdown();
}

#[test]
fn a_library_starts_and_stops_the_engine() {
    const NAME: &str = "basics::a_library_starts_and_stops_the_engine";
    if role().is_some() {
        forget_environment();
        let config = Config { filter: Some("debug"), output: Some(child_log()), format: JSON, ..Config::default() };
        assert_eq!(init_with(&config), 0);
        assert_eq!(library_init(), 0);
        library_shutdown();
        // Again, and after a statement started it again.
        shutdown();
        assert_eq!(library_init(), 0);
        library_shutdown();
        return;
    }
    let _limit = Limit::seconds(60);
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide-lifecycle.json");
    _ = std::fs::remove_file(&log);
    let output = run(child(NAME, "library", &log), Duration::from_secs(20));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen = json_lines(&log);
    let seen: Vec<_> = seen.iter().map(|record| (&record["target"], &record["fields"]["message"])).collect();
    let run = [("logfusion", "started"), ("library", "starting"), ("library", "stopping"), ("logfusion", "stopping")];
    let expected: Vec<_> = run.iter().chain(&run).map(|(target, message)| (json!(target), json!(message))).collect();
    assert_eq!(seen, expected.iter().map(|(target, message)| (target, message)).collect::<Vec<_>>());
}

/// # Safety
///
/// `action` is NULL or a NUL-terminated string.
unsafe extern "C" fn log_user_action(user_id: c_int, action: *const c_char, timestamp: c_double, success: c_int) {
    if action.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let action = unsafe { CText::new(action) };
    ffi_info!(target: "ffi::user_actions", user_id, action, timestamp, success = success != 0, "user action");
}

/// # Safety
///
/// `operation` and `table_name` are NULL or NUL-terminated strings.
unsafe extern "C" fn log_database_operation(
    operation: *const c_char,
    table_name: *const c_char,
    rows_affected: c_int,
    duration_ms: c_double,
    error_code: c_int,
) {
    if operation.is_null() || table_name.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let (operation, table) = unsafe { (CText::new(operation), CText::new(table_name)) };
    if error_code == 0 {
        ffi_info!(target: "ffi::database", operation, table, rows_affected, duration_ms, "database operation");
    } else {
        ffi_error!(target: "ffi::database", operation, table, error_code, duration_ms, "database operation failed");
    }
}

/// # Safety
///
/// `method` and `url` are NULL or NUL-terminated strings.
unsafe extern "C" fn log_http_request(
    method: *const c_char,
    url: *const c_char,
    status_code: c_int,
    response_time_ms: c_double,
    content_length: c_int,
) {
    if method.is_null() || url.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let (method, url) = unsafe { (CText::new(method), CText::new(url)) };
    ffi_info!(target: "ffi::http", method, url, status_code, response_time_ms, content_length, "http request");
}

#[test]
fn parameters_become_typed_fields() {
    let seen = events(|| {
        let text = CStr::as_ptr;
        // SAFETY: each is NUL-terminated or NULL.
        unsafe {
            log_user_action(7, text(c"login"), 1.5, 2);
            log_user_action(8, null(), 1.5, 1);
            log_database_operation(text(c"INSERT"), text(c"users"), 3, 0.25, 0);
            log_database_operation(text(c"DELETE"), text(c"users"), 3, 0.5, 19);
            log_database_operation(null(), text(c"users"), 1, 0.5, 0);
            log_database_operation(text(c"DELETE"), null(), 1, 0.5, 1);
            log_http_request(text(c"GET"), text(c"/index"), 200, 12.5, -1);
            log_http_request(null(), text(c"/index"), 200, 12.5, 1);
            log_http_request(text(c"GET"), null(), 200, 12.5, 1);
        }
    });
    let expected = [
        json!(["INFO", "ffi::user_actions", {
            "message": "user action", "user_id": 7, "action": "login", "timestamp": 1.5, "success": true,
        }]),
        json!(["INFO", "ffi::database", {
            "message": "database operation", "operation": "INSERT", "table": "users", "rows_affected": 3, "duration_ms": 0.25,
        }]),
        json!(["ERROR", "ffi::database", {
            "message": "database operation failed", "operation": "DELETE", "table": "users", "error_code": 19, "duration_ms": 0.5,
        }]),
        json!(["INFO", "ffi::http", {
            "message": "http request", "method": "GET", "url": "/index", "status_code": 200, "response_time_ms": 12.5,
            "content_length": -1,
        }]),
    ];
    assert_eq!(seen, expected);
}
