//! "Callback Registration": a handler of the program's own gets the records of a target.

use crate::common::{flush_all, subscribe, unsubscribe};
use crate::{common, events, log_file};
use logfusion::{c_api, ffi_error, ffi_info, ffi_warn};
use serde_json::json;
use std::ffi::{c_int, c_void};
use std::sync::Mutex;

#[derive(Default)]
struct Handler {
    seen: Mutex<Vec<(c_int, String, String)>>,
}

/// Called on the drain thread, with strings that live as long as the call.
extern "C-unwind" fn on_record(record: *const c_api::CRecord, context: *mut c_void) {
    // SAFETY: this is a callback, and its context is a handler that lives until `unsubscribe` has returned.
    let (record, handler) = unsafe { (common::Record::of(record), &*context.cast_const().cast::<Handler>()) };
    handler.seen.lock().unwrap().push((record.level, record.target().to_owned(), record.message().to_owned()));
}

/// Logs at the level of a number from C.
fn log_at(level: c_int, target: &str, message: &str) {
    match level {
        1 => ffi_error!(target: target, message),
        2 => ffi_warn!(target: target, message),
        _ => ffi_info!(target: target, message),
    }
}

#[test]
fn a_handler_gets_the_records_of_its_target() {
    log_file();
    let handler = Handler::default();
    let handle = subscribe(c"guide::plugins", 5, on_record, &raw const handler);
    let target = format!("guide::{}::lua", "plugins");
    let seen = events(|| {
        log_at(1, &target, "crashed");
        log_at(2, &target, "is slow");
        log_at(3, "guide::plugins", "loaded");
        log_at(77, "guide::pluginsx", "is another target");
    });
    assert_eq!(common::OK, unsubscribe(handle, -1));
    log_at(1, &target, "nobody listens");
    flush_all();

    let expected = [
        ("ERROR", 1, "guide::plugins::lua", "crashed"),
        ("WARN", 2, "guide::plugins::lua", "is slow"),
        ("INFO", 3, "guide::plugins", "loaded"),
        ("INFO", 3, "guide::pluginsx", "is another target"),
    ];
    assert_eq!(seen, expected.map(|(level, _, target, message)| json!([level, target, {"message": message}])));
    let handled =
        expected.iter().take(3).map(|(_, level, target, message)| (*level, target.to_string(), message.to_string()));
    assert_eq!(*handler.seen.lock().unwrap(), handled.collect::<Vec<_>>());
}
