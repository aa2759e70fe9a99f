//! The calling thread's last error: a text in thread-local storage, without allocation and without a destructor.

use super::boundary;
use super::status::Status;
use crate::engine;
use crate::last_errors::Text;
use std::cell::RefCell;
use std::ffi::{c_char, c_int};
use std::fmt::{self, Write};

thread_local! {
    static LAST: RefCell<Text> = const { RefCell::new(Text::EMPTY) };
}

/// Sets the last error, and gives it to the drain for an event. A signal handler that interrupts this on its own thread
/// does nothing.
pub fn set(text: fmt::Arguments<'_>) {
    LAST.with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            last.clear();
            _ = last.write_fmt(text);
            if let Some(engine) = engine::current_if_possible() {
                engine.last_errors.report(&last);
            }
        }
    });
}

/// Sets the last error and returns the status: the way out of a function that was given something wrong.
#[cold]
pub fn fail(status: Status, text: fmt::Arguments<'_>) -> c_int {
    set(text);
    status.code()
}

/// The way out of a function that needs memory which is not there.
#[cold]
pub fn no_memory(name: &str) -> c_int {
    fail(Status::Memory, format_args!("{name}: there is no memory for it; nothing was done"))
}

/// See `logfusion_last_error` in the header.
///
/// # Safety
///
/// `buffer` is NULL or points to `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_last_error(buffer: *mut c_char, size: usize) -> usize {
    boundary(0, || {
        with_last(|text| {
            if !buffer.is_null() && size > 0 {
                // SAFETY: not NULL, and the caller promises `size` bytes.
                unsafe { copy(text, buffer, size) };
            }
            text.len()
        })
    })
}

/// Calls `f` with the calling thread's last error; "": there is none.
pub fn with_last<R>(f: impl FnOnce(&str) -> R) -> R {
    LAST.with(|last| match last.try_borrow() {
        Ok(last) => f(last.as_str()),
        Err(_) => f(""),
    })
}

/// Copies as much of `text` as fits, cut at a character boundary, and a NUL. Returns the bytes before the NUL.
///
/// # Safety
///
/// `size` is not 0, and `buffer` points to so many writable bytes.
pub unsafe fn copy(text: &str, buffer: *mut c_char, size: usize) -> usize {
    let text = super::text::cut(text, size - 1);
    // SAFETY: `text` is shorter than `size`, and the buffer has `size` bytes.
    unsafe {
        buffer.copy_from_nonoverlapping(text.as_ptr().cast(), text.len());
        buffer.add(text.len()).write(0);
    }
    text.len()
}

/// Forgets the last error.
pub fn clear() {
    LAST.with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            last.clear();
        }
    });
}

/// See `logfusion_clear_last_error` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_clear_last_error() {
    boundary((), clear);
}
