//! "Memory Safety and FFI": strings and memory that cross the boundary.

use crate::events;
use logfusion::{error, info, safe_c_str_to_string, safe_string_to_c_str, warn};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, c_char, c_int};
use std::ptr::{null, null_mut};
use std::sync::{Mutex, OnceLock};

#[test]
fn strings_are_converted_with_checks() {
    // SAFETY: each is NUL-terminated or NULL.
    unsafe {
        assert_eq!(safe_c_str_to_string(c"text".as_ptr()).as_deref(), Some("text"));
        assert_eq!(safe_c_str_to_string(c"".as_ptr()).as_deref(), Some(""));
        assert_eq!(safe_c_str_to_string(c"te\xfft".as_ptr()), None);
        assert_eq!(safe_c_str_to_string(null()), None);
    }
    assert_eq!(safe_string_to_c_str("t\u{e9}xt").unwrap().as_bytes(), "t\u{e9}xt".as_bytes());
    assert_eq!(safe_string_to_c_str("a\0b").unwrap_err().nul_position(), 1);
}

/// # Safety
///
/// - `target` and `message` are NULL or NUL-terminated strings.
/// - `keys` and `values` are NULL, or point to `count` such strings each.
unsafe extern "C" fn safe_log_message(
    level: c_int,
    target: *const c_char,
    message: *const c_char,
    keys: *const *const c_char,
    values: *const *const c_char,
    count: c_int,
) -> c_int {
    if target.is_null() || message.is_null() {
        return -1;
    }
    let Ok(count) = usize::try_from(count) else { return -2 };
    if count > 0 && (keys.is_null() || values.is_null()) {
        return -2;
    }
    // SAFETY: the caller's promises.
    let Some(target) = (unsafe { safe_c_str_to_string(target) }) else { return -3 };
    // SAFETY: the caller's promises.
    let Some(message) = (unsafe { safe_c_str_to_string(message) }) else { return -4 };
    let mut context = BTreeMap::new();
    for index in 0..count {
        // SAFETY: both arrays have `count` elements, which are NULL or NUL-terminated strings.
        let pair = unsafe { (safe_c_str_to_string(*keys.add(index)), safe_c_str_to_string(*values.add(index))) };
        if let (Some(key), Some(value)) = pair {
            context.insert(key, value);
        }
    }
    match level {
        1 => error!(target: &target, message = message, context = ?context, "from C"),
        2 => warn!(target: &target, message = message, context = ?context, "from C"),
        _ => info!(target: &target, message = message, context = ?context, "from C"),
    }
    0
}

#[test]
fn a_message_is_checked_and_has_context() {
    let text = CStr::as_ptr;
    let keys = [text(c"user"), text(c"bad \xff"), null(), text(c"request")];
    let values = [text(c"ada"), text(c"x"), text(c"y"), text(c"17")];
    let (keys, values) = (keys.as_ptr(), values.as_ptr());
    let (target, message) = (text(c"guide::memory"), text(c"hello"));
    let seen = events(|| {
        // SAFETY: NUL-terminated strings, or NULL, and arrays of four.
        unsafe {
            assert_eq!(safe_log_message(3, target, message, keys, values, 4), 0);
            assert_eq!(safe_log_message(1, target, message, null(), null(), 0), 0);
            assert_eq!(safe_log_message(2, target, message, keys, values, 1), 0);
            assert_eq!(safe_log_message(3, null(), message, keys, values, 4), -1);
            assert_eq!(safe_log_message(3, target, null(), keys, values, 4), -1);
            assert_eq!(safe_log_message(3, target, message, null(), values, 4), -2);
            assert_eq!(safe_log_message(3, target, message, keys, null(), 4), -2);
            assert_eq!(safe_log_message(3, target, message, keys, values, -1), -2);
            assert_eq!(safe_log_message(3, text(c"\xff"), message, keys, values, 4), -3);
            assert_eq!(safe_log_message(3, target, text(c"\xff"), keys, values, 4), -4);
        }
    });
    // Both messages are there: the literal, and the field after it under a key of its own.
    let event = |level: &str, context: &str| json!([level, "guide::memory", {"message": "from C", "message#1": "hello", "context": context}]);
    let expected = [
        event("INFO", r#"{"request": "17", "user": "ada"}"#),
        event("ERROR", "{}"),
        event("WARN", r#"{"user": "ada"}"#),
    ];
    assert_eq!(seen, expected);
}

/// Buffers that C code holds, by their address: what it gives back is looked up before it is freed.
static BUFFERS: OnceLock<Mutex<HashMap<usize, Box<[u8]>>>> = OnceLock::new();

const MOST: usize = 1 << 20;

extern "C" fn allocate_log_buffer(size: c_int) -> *mut c_char {
    let Some(size) = usize::try_from(size).ok().filter(|size| (1..=MOST).contains(size)) else { return null_mut() };
    let mut buffer = vec![0; size].into_boxed_slice();
    let address = buffer.as_mut_ptr();
    BUFFERS.get_or_init(Mutex::default).lock().unwrap().insert(address.addr(), buffer);
    info!(target: "guide::buffers", size, "allocated");
    address.cast()
}

extern "C" fn free_log_buffer(buffer: *mut c_char, size: c_int) {
    let mut buffers = BUFFERS.get_or_init(Mutex::default).lock().unwrap();
    match buffers.get(&buffer.addr()) {
        Some(known) if usize::try_from(size) == Ok(known.len()) => {
            buffers.remove(&buffer.addr());
            info!(target: "guide::buffers", size, "freed");
        }
        Some(known) => warn!(target: "guide::buffers", size, allocated = known.len(), "not freed: wrong size"),
        None => warn!(target: "guide::buffers", size, "not freed: unknown"),
    }
}

#[test]
fn buffers_are_freed_once_and_with_their_size() {
    let seen = events(|| {
        let buffer = allocate_log_buffer(16);
        // SAFETY: 16 bytes, which are this test's until it gives them back.
        assert_eq!(unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), 16) }, [0; 16]);
        free_log_buffer(buffer, 15);
        free_log_buffer(buffer, 16);
        free_log_buffer(buffer, 16);
        free_log_buffer(null_mut(), 16);
        assert!([0, -1, 1 + MOST as c_int].map(|size| allocate_log_buffer(size)).iter().all(|buffer| buffer.is_null()));
    });
    let expected = [
        json!(["INFO", "guide::buffers", {"message": "allocated", "size": 16}]),
        json!(["WARN", "guide::buffers", {"message": "not freed: wrong size", "size": 15, "allocated": 16}]),
        json!(["INFO", "guide::buffers", {"message": "freed", "size": 16}]),
        json!(["WARN", "guide::buffers", {"message": "not freed: unknown", "size": 16}]),
        json!(["WARN", "guide::buffers", {"message": "not freed: unknown", "size": 16}]),
    ];
    assert_eq!(seen, expected);
}
