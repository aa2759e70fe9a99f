//! Text arguments.

use super::errors::fail;
use super::status::Status;
use crate::os::Begun;
use crate::record::encode::{CopyText, Text};
use crate::record::layout::MAX_NAME;
use std::ffi::{CStr, c_char, c_int};

/// As a length: the text ends at its NUL.
pub const NUL_TERMINATED: usize = usize::MAX;

/// Longest length that is believed.
pub const MOST: usize = isize::MAX as usize;

/// No ring takes longer texts.
pub const LONGEST: usize = 1 << 30;

/// Reads at most `limit + 1` bytes of a NUL-terminated text. A longer one is cut; its full length is then not known, and
/// said to be one more than was read.
///
/// # Safety
///
/// `text` is not NULL and points to a NUL-terminated string that lives for `'a`.
#[inline(always)]
pub unsafe fn terminated<'a>(text: *const c_char, limit: usize) -> Text<'a> {
    // SAFETY: the caller's promise; strnlen reads up to the NUL.
    let len = unsafe { libc::strnlen(text, limit + 1) };
    // SAFETY: strnlen counted `len` bytes before the NUL.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len.min(limit)) };
    Text::cut(bytes, len)
}

/// Reads a text of `length` bytes, or a NUL-terminated one. NULL is an empty text where the length is 0.
///
/// # Safety
///
/// `text` is NULL, or points to `length` bytes, or (for [`NUL_TERMINATED`]) to a NUL-terminated string, for `'a`.
#[inline(always)]
pub unsafe fn sized<'a>(text: *const c_char, length: usize, limit: usize) -> Result<Text<'a>, Status> {
    if length == NUL_TERMINATED && !text.is_null() {
        // SAFETY: the caller's promise for this length.
        return Ok(unsafe { terminated(text, limit) });
    }
    if length == 0 {
        return Ok(Text::new(&[]));
    }
    if text.is_null() {
        return Err(Status::Null);
    }
    if length > MOST {
        return Err(Status::Size);
    }
    // SAFETY: not NULL, and the caller promises `length` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length.min(limit)) };
    Ok(Text::cut(bytes, length))
}

/// Reads a name (a target, a key): NUL-terminated, cut at [`MAX_NAME`].
///
/// # Safety
///
/// As [`terminated`].
#[inline(always)]
pub unsafe fn name<'a>(text: *const c_char) -> &'a [u8] {
    // SAFETY: the caller's promise.
    let len = unsafe { libc::strnlen(text, MAX_NAME) };
    // SAFETY: strnlen counted these bytes.
    unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) }
}

/// Reads an argument that has to be UTF-8 and is read whole, such as directives. A failure sets the last error.
///
/// # Safety
///
/// `text` is NULL or points to a NUL-terminated string that lives for `'a`.
pub unsafe fn utf8<'a>(function: &str, argument: &str, text: *const c_char) -> Result<&'a str, c_int> {
    if text.is_null() {
        return Err(fail(Status::Null, format_args!("{function}: {argument} is NULL")));
    }
    // SAFETY: not NULL; the rest is the caller's promise.
    let bytes = unsafe { CStr::from_ptr(text) };
    bytes.to_str().map_err(|error| fail(Status::Utf8, format_args!("{function}: {argument} is not UTF-8: {error}")))
}

impl CopyText for Begun {
    #[inline(always)]
    fn copy<const N: usize>(self, to: &mut [u8; N]) -> Option<usize> {
        Self::copy(self, to)
    }
}

/// The longest beginning of `text` that takes at most `most` bytes.
pub fn cut(text: &str, most: usize) -> &str {
    let mut fits = text.len().min(most);
    while !text.is_char_boundary(fits) {
        fits -= 1;
    }
    &text[..fits]
}
