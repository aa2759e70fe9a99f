//! The calling thread's last error: a text in thread-local storage, without allocation and without a destructor.

use super::boundary;
use super::status::Status;
use std::cell::RefCell;
use std::ffi::{c_char, c_int};
use std::fmt::{self, Write};

/// Longest text, in bytes.
const MOST: usize = 512;

struct LastError {
    text: [u8; MOST],
    len: usize,
}

impl Write for LastError {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut fits = text.len().min(MOST - self.len);
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        self.text[self.len..self.len + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
        // A text that is cut ends here: the rest would follow a hole.
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

thread_local! {
    static LAST: RefCell<LastError> = const { RefCell::new(LastError { text: [0; MOST], len: 0 }) };
}

/// Sets the last error. A signal handler that interrupts this on its own thread does nothing.
pub fn set(text: fmt::Arguments<'_>) {
    LAST.with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            last.len = 0;
            _ = last.write_fmt(text);
        }
    });
}

/// Sets the last error and returns the status: the way out of a function that was given something wrong.
#[cold]
pub fn fail(status: Status, text: fmt::Arguments<'_>) -> c_int {
    set(text);
    status.code()
}

/// See `logfusion_last_error` in the header.
///
/// # Safety
///
/// `buffer` is NULL or points to `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_last_error(buffer: *mut c_char, size: usize) -> usize {
    boundary(0, || {
        LAST.with(|last| {
            let Ok(last) = last.try_borrow() else { return 0 };
            let text = std::str::from_utf8(&last.text[..last.len]).unwrap_or_default();
            if !buffer.is_null() && size > 0 {
                let mut fits = text.len().min(size - 1);
                while !text.is_char_boundary(fits) {
                    fits -= 1;
                }
                // SAFETY: `fits < size`, and the caller's buffer has `size` bytes.
                unsafe {
                    buffer.copy_from_nonoverlapping(text.as_ptr().cast(), fits);
                    buffer.add(fits).write(0);
                }
            }
            text.len()
        })
    })
}

/// See `logfusion_clear_last_error` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_clear_last_error() {
    boundary((), || {
        LAST.with(|last| {
            if let Ok(mut last) = last.try_borrow_mut() {
                last.len = 0;
            }
        });
    });
}
