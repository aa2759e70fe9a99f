//! Text of C in Rust's statements.

use crate::record::encode::Text;
use std::ffi::{CStr, CString, NulError, c_char};
use std::fmt;
use std::marker::PhantomData;

/// A C string as a value of a statement.
///
/// NULL shows as `null`, and bytes that are not UTF-8 as U+FFFD. Making one reads nothing: the text is read when it is
/// logged, by `ffi_info!` as it is and at most as far as a record takes, by other macros with `%`.
///
/// ```
/// # use logfusion::CText;
/// # use std::ffi::{c_char, c_int};
/// /// # Safety
/// ///
/// /// `path` is NULL or a NUL-terminated string.
/// pub unsafe extern "C" fn on_open(path: *const c_char, flags: c_int) {
///     // SAFETY: the caller's promise; the text is logged before this function returns.
///     let path = unsafe { CText::new(path) };
///     logfusion::ffi_info!(target: "assets", path, flags, "opened");
/// }
/// # unsafe { on_open(c"a.png".as_ptr(), 0) };
/// ```
#[derive(Clone, Copy)]
pub struct CText<'a> {
    text: *const c_char,
    lives: PhantomData<&'a CStr>,
}

impl CText<'_> {
    /// Wraps a C string.
    ///
    /// # Safety
    ///
    /// - `text` is NULL or points to a NUL-terminated string.
    /// - The string lives, and nobody changes it, as long as this value and its copies are used.
    pub const unsafe fn new(text: *const c_char) -> Self {
        Self { text, lives: PhantomData }
    }

    /// The text, of which at most `limit` bytes are read.
    pub(crate) fn text(&self, limit: usize) -> Text<'_> {
        if self.text.is_null() {
            return Text::new(b"null");
        }
        // SAFETY: not NULL, so it is NUL-terminated and lives, as `new` was promised.
        unsafe { crate::c_api::terminated(self.text, limit) }
    }
}

impl<'a> From<&'a CStr> for CText<'a> {
    fn from(text: &'a CStr) -> Self {
        Self { text: text.as_ptr(), lives: PhantomData }
    }
}

impl fmt::Display for CText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_null() {
            return f.write_str("null");
        }
        // SAFETY: not NULL, so it is NUL-terminated and lives, as `new` was promised.
        let text = unsafe { CStr::from_ptr(self.text) };
        f.write_str(&text.to_string_lossy())
    }
}

impl fmt::Debug for CText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_null() {
            return f.write_str("null");
        }
        // SAFETY: not NULL, so it is NUL-terminated and lives, as `new` was promised.
        let text = unsafe { CStr::from_ptr(self.text) };
        fmt::Debug::fmt(&*text.to_string_lossy(), f)
    }
}

/// Copies a C string; `None` where it is NULL or not UTF-8.
///
/// # Safety
///
/// `text` is NULL or points to a NUL-terminated string that nobody changes during the call.
///
/// ```
/// # use logfusion::safe_c_str_to_string;
/// // SAFETY: NUL-terminated, or NULL.
/// unsafe {
///     assert_eq!(safe_c_str_to_string(c"h\u{e9}llo".as_ptr()), Some("h\u{e9}llo".to_owned()));
///     assert_eq!(safe_c_str_to_string(c"\xff".as_ptr()), None);
///     assert_eq!(safe_c_str_to_string(std::ptr::null()), None);
/// }
/// ```
pub unsafe fn safe_c_str_to_string(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not NULL, and the caller promises a NUL-terminated string.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().ok().map(str::to_owned)
}

/// Copies text for C; the error says where it contains a NUL.
///
/// ```
/// # use logfusion::safe_string_to_c_str;
/// assert_eq!(safe_string_to_c_str("text").unwrap().as_c_str(), c"text");
/// assert_eq!(safe_string_to_c_str("te\0xt").unwrap_err().nul_position(), 2);
/// ```
pub fn safe_string_to_c_str(text: &str) -> Result<CString, NulError> {
    CString::new(text)
}
