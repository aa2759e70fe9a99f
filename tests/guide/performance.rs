//! "Performance Considerations": the cheapest statement, many at once, and what a call costs.

use crate::events;
use logfusion::{CText, ffi_debug, ffi_error, ffi_info, ffi_warn};
use serde_json::json;
use std::ffi::{CStr, c_char, c_int};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

static CALLS: AtomicU64 = AtomicU64::new(0);
static NANOSECONDS: AtomicU64 = AtomicU64::new(0);

/// # Safety
///
/// `message` is NULL or a NUL-terminated string.
unsafe extern "C" fn fast_log(level: c_int, message: *const c_char) {
    let started = Instant::now();
    CALLS.fetch_add(1, Ordering::Relaxed);
    if message.is_null() {
        return;
    }
    // No UTF-8 check on this thread: the drain does it.
    // SAFETY: the caller's promise.
    let message = unsafe { CText::new(message) };
    match level {
        1 => ffi_error!(target: "ffi_fast", message),
        2 => ffi_warn!(target: "ffi_fast", message),
        _ => ffi_info!(target: "ffi_fast", message),
    }
    NANOSECONDS.fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
}

/// # Safety
///
/// `total_calls` and `average_ns` are NULL or writable.
unsafe extern "C" fn get_performance_stats(total_calls: *mut c_int, average_ns: *mut c_int) -> c_int {
    if total_calls.is_null() || average_ns.is_null() {
        return -1;
    }
    let calls = CALLS.load(Ordering::Relaxed);
    let average = NANOSECONDS.load(Ordering::Relaxed).checked_div(calls).unwrap_or(0);
    let saturated = |number: u64| c_int::try_from(number).unwrap_or(c_int::MAX);
    // SAFETY: not NULL, so both are writable.
    unsafe {
        *total_calls = saturated(calls);
        *average_ns = saturated(average);
    }
    ffi_debug!(target: "ffi_fast", total_ffi_calls = calls, average_time_ns = average, "statistics read");
    0
}

#[test]
fn calls_are_counted_and_timed() {
    let (mut calls, mut average) = (0, 0);
    let seen = events(|| {
        // SAFETY: NUL-terminated or NULL; both numbers are writable.
        unsafe {
            fast_log(1, c"one".as_ptr());
            fast_log(2, c"two \xff".as_ptr());
            fast_log(-9, c"three".as_ptr());
            fast_log(3, null());
            assert_eq!(get_performance_stats(&raw mut calls, &raw mut average), 0);
            assert_eq!(get_performance_stats(null_mut(), &raw mut average), -1);
            assert_eq!(get_performance_stats(&raw mut calls, null_mut()), -1);
        }
    });
    assert_eq!(calls, 4, "NULL counts as a call");
    assert!(average > 0);
    let expected = [
        json!(["ERROR", "ffi_fast", {"message": "one"}]),
        json!(["WARN", "ffi_fast", {"message": "two \u{FFFD}"}]),
        json!(["INFO", "ffi_fast", {"message": "three"}]),
        json!(["DEBUG", "ffi_fast", {"message": "statistics read", "total_ffi_calls": 4, "average_time_ns": average}]),
    ];
    assert_eq!(seen, expected);
}

/// # Safety
///
/// `messages` and `levels` are NULL or have `count` elements; a message is NULL or a NUL-terminated string.
unsafe extern "C" fn batch_log(messages: *const *const c_char, levels: *const c_int, count: c_int) -> c_int {
    if messages.is_null() || levels.is_null() || count <= 0 {
        return -1;
    }
    let mut processed = 0;
    for index in 0..count {
        // SAFETY: the arrays have `count` elements.
        let (message, level) = unsafe { (*messages.add(index as usize), *levels.add(index as usize)) };
        if message.is_null() {
            continue;
        }
        // SAFETY: not NULL, so it is NUL-terminated.
        let message = unsafe { CText::new(message) };
        match level {
            1 => ffi_error!(target: "ffi_batch", message, batch_index = index),
            2 => ffi_warn!(target: "ffi_batch", message, batch_index = index),
            _ => ffi_info!(target: "ffi_batch", message, batch_index = index),
        }
        processed += 1;
    }
    ffi_info!(target: "ffi_batch", total_messages = count, processed_messages = processed, "batch");
    processed
}

#[test]
fn a_batch_says_how_much_of_it_was_logged() {
    let text = CStr::as_ptr;
    let (messages, levels) = ([text(c"a"), null(), text(c"c")], [1, 2, 2]);
    let seen = events(|| {
        // SAFETY: three messages and three levels.
        unsafe {
            assert_eq!(batch_log(messages.as_ptr(), levels.as_ptr(), 3), 2);
            assert_eq!(batch_log(null(), levels.as_ptr(), 3), -1);
            assert_eq!(batch_log(messages.as_ptr(), null(), 3), -1);
            assert_eq!(batch_log(messages.as_ptr(), levels.as_ptr(), 0), -1);
            assert_eq!(batch_log(messages.as_ptr(), levels.as_ptr(), -3), -1);
        }
    });
    let expected = [
        json!(["ERROR", "ffi_batch", {"message": "a", "batch_index": 0}]),
        json!(["WARN", "ffi_batch", {"message": "c", "batch_index": 2}]),
        json!(["INFO", "ffi_batch", {"message": "batch", "total_messages": 3, "processed_messages": 2}]),
    ];
    assert_eq!(seen, expected);
}
