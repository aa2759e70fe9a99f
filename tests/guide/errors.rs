//! "Error Handling Across FFI": errors with fields, the last error of a thread, and a function that reports all of its own.

use crate::events;
use logfusion::{define_errors, ffi_error};
use serde_json::json;
use std::cell::RefCell;
use std::error::Error;
use std::ffi::{CStr, c_char, c_int};
use std::ptr::{null, null_mut};

define_errors! {
    /// What can go wrong between C and Rust.
    pub(crate) FfiError {
        NullPointer { function: String } => "NULL pointer passed to {}" [level = warn, target = "guide::errors::null"],
        InvalidString { function: String, error: String } => "invalid string in {}: {}" [target = "guide::errors::text", level = info],
        BufferOverflow { function: String, size: usize, max_size: usize } => "buffer overflow in {}: {} bytes, at most {}",
        OperationFailed { function: String, error_code: i32, details: Vec<u8> } => "{} failed: error {}, {:?}" [level = debug],
        Unit => "nothing is known" [target = "guide::errors::unit"],
    }
    Second {
        #[allow(dead_code, reason = "the second type is tested by its first variant")]
        Other {} => "other",
        Only { flag: bool } => "only {}",
    }
}

fn function() -> String {
    "process".to_owned()
}

#[test]
fn errors_display_and_log_themselves() {
    let details = vec![1, 2];
    let errors = [
        FfiError::NullPointer { function: function() },
        FfiError::InvalidString { function: function(), error: "no UTF-8".to_owned() },
        FfiError::BufferOverflow { function: function(), size: 9, max_size: 4 },
        FfiError::OperationFailed { function: function(), error_code: -3, details },
        FfiError::Unit {},
    ];
    let texts = [
        "NULL pointer passed to process",
        "invalid string in process: no UTF-8",
        "buffer overflow in process: 9 bytes, at most 4",
        "process failed: error -3, [1, 2]",
        "nothing is known",
    ];
    assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), texts);
    assert_eq!(format!("{:?}", errors[0]), r#"NullPointer { function: "process" }"#);
    assert!(<dyn Error>::source(&errors[0]).is_none());
    let seen = events(|| {
        errors.iter().for_each(FfiError::log);
        Second::Only { flag: true }.log();
    });
    let expected = [
        json!(["WARN", "guide::errors::null", {"message": texts[0], "function": "process"}]),
        json!(["INFO", "guide::errors::text", {"message": texts[1], "function": "process", "error": "no UTF-8"}]),
        json!(["ERROR", "guide::errors", {"message": texts[2], "function": "process", "size": 9, "max_size": 4}]),
        json!(["DEBUG", "guide::errors", {"message": texts[3], "function": "process", "error_code": -3, "details": "[1, 2]"}]),
        json!(["ERROR", "guide::errors::unit", {"message": texts[4]}]),
        json!(["ERROR", "guide::errors", {"message": "only true", "flag": true}]),
    ];
    assert_eq!(seen, expected);
}

thread_local! {
    /// A thread's last error is its own: another thread's can't take its place between a call and the look at it.
    static LAST_ERROR: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn set_last_error(error: &FfiError) {
    let text = error.to_string();
    ffi_error!(target: "guide::last_error", ffi_error = text, "FFI error");
    LAST_ERROR.set(Some(text));
}

/// # Safety
///
/// `buffer` is NULL or has `size` writable bytes.
unsafe extern "C" fn get_last_error(buffer: *mut c_char, size: c_int) -> c_int {
    let Some(room) = usize::try_from(size).ok().and_then(|size| size.checked_sub(1)) else { return -1 };
    if buffer.is_null() {
        return -1;
    }
    LAST_ERROR.with_borrow(|error| {
        let text = error.as_deref().unwrap_or("");
        let length = text.floor_char_boundary_at(room);
        // SAFETY: `length` bytes and the NUL fit into `size`.
        unsafe {
            buffer.copy_from_nonoverlapping(text.as_ptr().cast(), length);
            buffer.add(length).write(0);
        }
        length as c_int
    })
}

trait FloorCharBoundary {
    fn floor_char_boundary_at(&self, most: usize) -> usize;
}

impl FloorCharBoundary for str {
    fn floor_char_boundary_at(&self, most: usize) -> usize {
        (0..=self.len().min(most)).rev().find(|index| self.is_char_boundary(*index)).unwrap_or(0)
    }
}

extern "C" fn clear_last_error() {
    LAST_ERROR.set(None);
}

/// Writes `processed: ` and the input.
///
/// # Safety
///
/// `input` is NULL or a NUL-terminated string; `output` is NULL or has `output_size` writable bytes.
unsafe extern "C" fn process(input: *const c_char, output: *mut c_char, output_size: c_int) -> c_int {
    let fail = |status: c_int, error: FfiError| {
        set_last_error(&error);
        status
    };
    if input.is_null() {
        return fail(-1, FfiError::NullPointer { function: function() });
    }
    let Some(max_size) = usize::try_from(output_size).ok().and_then(|size| size.checked_sub(1)) else {
        return fail(-2, FfiError::BufferOverflow { function: function(), size: 1, max_size: 0 });
    };
    if output.is_null() {
        return fail(-2, FfiError::NullPointer { function: function() });
    }
    // SAFETY: not NULL, so it is NUL-terminated.
    let input = match unsafe { CStr::from_ptr(input) }.to_str() {
        Ok(input) => input,
        Err(error) => return fail(-3, FfiError::InvalidString { function: function(), error: error.to_string() }),
    };
    let text = format!("processed: {input}");
    if text.len() > max_size {
        return fail(-4, FfiError::BufferOverflow { function: function(), size: text.len(), max_size });
    }
    // SAFETY: the text and its NUL fit.
    unsafe {
        output.copy_from_nonoverlapping(text.as_ptr().cast(), text.len());
        output.add(text.len()).write(0);
    }
    clear_last_error();
    text.len() as c_int
}

fn last_error() -> String {
    let mut buffer = [1_u8; 128];
    // SAFETY: the size is the buffer's.
    let length = unsafe { get_last_error(buffer.as_mut_ptr().cast(), buffer.len() as c_int) };
    let text = CStr::from_bytes_until_nul(&buffer).unwrap().to_str().unwrap();
    assert_eq!(length, text.len() as c_int);
    text.to_owned()
}

#[test]
fn each_failure_has_a_code_a_text_and_an_event() {
    let texts = [
        "NULL pointer passed to process",
        "NULL pointer passed to process",
        "buffer overflow in process: 1 bytes, at most 0",
        "invalid string in process: invalid utf-8 sequence of 1 bytes from index 1",
        "buffer overflow in process: 13 bytes, at most 12",
    ];
    let seen = events(|| {
        let mut output = [0_u8; 14];
        let place = output.as_mut_ptr().cast();
        // SAFETY: NUL-terminated or NULL, and sizes of at most 14.
        unsafe {
            assert_eq!(process(null(), place, 14), -1);
            assert_eq!(last_error(), texts[0]);
            assert_eq!(process(c"in".as_ptr(), null_mut(), 14), -2);
            assert_eq!(process(c"in".as_ptr(), place, 0), -2);
            assert_eq!(process(c"i\xff".as_ptr(), place, 14), -3);
            assert_eq!(process(c"in".as_ptr(), place, 13), -4);
            assert_eq!(last_error(), texts[4]);
            // Another thread has none.
            assert_eq!(std::thread::spawn(last_error).join().unwrap(), "");
            // Cut, with the length of what is there.
            let mut short = [1_u8; 7];
            assert_eq!(get_last_error(short.as_mut_ptr().cast(), 7), 6);
            assert_eq!(&short, b"buffer\0");
            assert_eq!(get_last_error(null_mut(), 7), -1);
            assert_eq!(get_last_error(short.as_mut_ptr().cast(), 0), -1);
            assert_eq!(process(c"in".as_ptr(), place, 14), 13);
        }
        assert_eq!(&output, b"processed: in\0");
        assert_eq!(last_error(), "");
    });
    let expected = texts.map(|text| json!(["ERROR", "guide::last_error", {"message": "FFI error", "ffi_error": text}]));
    assert_eq!(seen, expected);
}
