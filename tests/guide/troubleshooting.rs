//! "Troubleshooting": pointers, encodings and lifetimes.

use crate::events;
use logfusion::{CText, error, ffi_error, info};
use serde_json::json;
use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::null;

/// Looks before it follows a pointer.
///
/// # Safety
///
/// `text` is NULL or a NUL-terminated string.
unsafe extern "C" fn safe_ffi_function(text: *const c_char) -> c_int {
    if text.is_null() {
        ffi_error!("safe_ffi_function: text is NULL");
        return -1;
    }
    0
}

#[test]
fn a_null_pointer_is_an_error_and_no_crash() {
    let seen = events(|| {
        // SAFETY: NULL or NUL-terminated.
        assert_eq!(unsafe { [safe_ffi_function(null()), safe_ffi_function(c"x".as_ptr())] }, [-1, 0]);
    });
    assert_eq!(seen, [json!(["ERROR", "ffi", {"message": "safe_ffi_function: text is NULL"}])]);
}

#[test]
fn text_is_checked_where_it_comes_in() {
    let seen = events(|| {
        for text in [c"caf\xc3\xa9", c"caf\xe9"] {
            match text.to_str() {
                Ok(text) => info!(message = text, "valid UTF-8"),
                Err(error) => error!(%error, text = %CText::from(text), "invalid UTF-8"),
            }
        }
    });
    let expected = [
        json!(["INFO", "guide::troubleshooting", {"message": "valid UTF-8", "message#1": "caf\u{e9}"}]),
        json!(["ERROR", "guide::troubleshooting", {
            "message": "invalid UTF-8", "error": "incomplete utf-8 byte sequence from index 3", "text": "caf\u{FFFD}",
        }]),
    ];
    assert_eq!(seen, expected);
}

/// A function of C that keeps nothing.
///
/// # Safety
///
/// `text` is a NUL-terminated string.
unsafe extern "C" fn length(text: *const c_char) -> usize {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_bytes().len()
}

#[test]
fn a_string_outlives_the_pointer_to_it() {
    let text = CString::new("message").unwrap();
    // Not `CString::new(…).unwrap().as_ptr()`: that string would be gone before the call.
    let pointer = text.as_ptr();
    // SAFETY: `text` lives until the end of this function.
    assert_eq!(unsafe { length(pointer) }, 7);
    drop(text);
}
