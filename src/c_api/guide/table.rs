//! From a row to a function: what the rows of the chapters are made of.
//!
//! ```text
//! records! {
//!     logfusion_log_error = log_error(message: text, error_code: int)
//!         => ERROR "ffi" (message) { error_code = error_code };
//! }
//! ```
//!
//! | kind of argument | in C | field |
//! |---|---|---|
//! | `text` | `const char *`; NULL: nothing is logged, last error | text |
//! | `text or "default"` | `const char *`; NULL: the default | text |
//! | `int` | `int` | integer |
//! | `double` | `double` | floating-point number |
//! | `flag` | `int`, 0 is false | truth value |
//!
//! A row of a message alone may end with `quick`: see [`crate::c_api::quick`].
//!
//! A row may have two events: `if (condition) => … else => …`; in the condition numbers are numbers. Both names of a
//! function are written out, so that either can be searched for.

use crate::c_api::errors::fail;
use crate::c_api::status::Status;
use crate::c_api::{log, text};
use crate::engine;
use crate::producers;
use crate::record::encode::{Field, Text, Value};
use crate::ring::Mark;
use std::ffi::{c_char, c_int};
use std::marker::PhantomData;

pub const ERROR: u32 = 1;
pub const WARN: u32 = 2;
pub const INFO: u32 = 3;

/// A C string that has not been read, since it is not known yet whether anybody wants it.
#[derive(Debug, Clone, Copy)]
pub struct Unread<'a>(*const c_char, PhantomData<&'a c_char>);

impl<'a> Unread<'a> {
    /// A text that must be there; without it the last error is set.
    ///
    /// # Safety
    ///
    /// `text` is NULL or a NUL-terminated string that lives for `'a`.
    #[inline(always)]
    pub unsafe fn required(function: &str, argument: &str, text: *const c_char) -> Option<Self> {
        if text.is_null() {
            fail(Status::Null, format_args!("{function}: {argument} is NULL; nothing was logged"));
            return None;
        }
        Some(Self(text, PhantomData))
    }

    /// A text that has a default.
    ///
    /// # Safety
    ///
    /// As [`required`](Self::required).
    #[inline(always)]
    pub unsafe fn or(text: *const c_char, default: &'static std::ffi::CStr) -> Self {
        Self(if text.is_null() { default.as_ptr() } else { text }, PhantomData)
    }

    /// Reads at most `limit` bytes and one.
    #[inline(always)]
    pub fn read(self, limit: usize) -> Text<'a> {
        // SAFETY: not NULL, and NUL-terminated for `'a`: promised to `required` and `or`.
        unsafe { text::terminated(self.0, limit) }
    }
}

/// The value of a field, as C gave it.
#[derive(Debug, Clone, Copy)]
pub enum Argument<'a> {
    Int(c_int),
    Double(f64),
    Flag(bool),
    Text(Unread<'a>),
    /// A text that is known whole.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "statements alone have such"))]
    Str(&'a str),
}

impl From<c_int> for Argument<'_> {
    fn from(value: c_int) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Argument<'_> {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl From<bool> for Argument<'_> {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl<'a> From<Unread<'a>> for Argument<'a> {
    fn from(value: Unread<'a>) -> Self {
        Self::Text(value)
    }
}

/// A message: fixed, or an argument.
pub trait Message<'a> {
    fn read(self, limit: usize) -> Text<'a>;
}

impl<'a> Message<'a> for &'static str {
    fn read(self, _: usize) -> Text<'a> {
        Text::new(self.as_bytes())
    }
}

impl<'a> Message<'a> for Unread<'a> {
    fn read(self, limit: usize) -> Text<'a> {
        Unread::read(self, limit)
    }
}

/// Logs a record, if anybody wants its level; returns whether it was accepted.
#[inline]
pub fn emit<'a, const FIELDS: usize>(
    mark: Mark,
    level: u32,
    target: &'static str,
    message: impl Message<'a>,
    fields: [(&'static str, Argument<'a>); FIELDS],
) -> bool {
    if !engine::wants(level) {
        return false;
    }
    let producer = producers::current(mark);
    let limit = producer.max_record();
    let (target, message, ok) = (target.as_bytes(), message.read(limit), Status::Ok.code());
    let status = if FIELDS == 0 {
        log::push_plain(producer, level, target, message, ok)
    } else {
        let mut fields = fields.map(|(name, argument)| {
            let value = match argument {
                Argument::Int(value) => Value::I64(value.into()),
                Argument::Double(value) => Value::F64(value),
                Argument::Flag(value) => Value::Bool(value),
                Argument::Text(text) => Value::Text(text.read(limit)),
                Argument::Str(text) => Value::Text(Text::new(text.as_bytes())),
            };
            Field { name: name.as_bytes(), value }
        });
        log::push(producer, level, target, message, &mut fields, ok)
    };
    status == ok
}

/// Makes functions of rows: see the [module](self).
macro_rules! records {
    ($(
        $prefixed:ident = $plain:ident($($argument:ident: $kind:ident $(or $default:literal)?),*)
            $(if ($condition:expr) => $if_level:ident $if_target:literal ($if_message:expr)
                { $($if_name:ident = $if_value:ident),* } else)?
            => $level:ident $target:literal ($message:expr) { $($name:ident = $value:ident),* }
            $(, $quick:ident)?;
    )*) => {$(
        #[doc = concat!("See `", stringify!($prefixed), "` in the header.")]
        ///
        /// # Safety
        ///
        /// Each text is NULL or a NUL-terminated string.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $prefixed($($argument: records!(@c $kind)),*) {
            $(records!(@$quick $level $target $message);)?
            $crate::c_api::marked_boundary((), |mark| {
                $(records!(@read $prefixed $argument $kind $($default)?);)*
                $(if $condition {
                    let fields = [$((stringify!($if_name), $if_value.into())),*];
                    $crate::c_api::guide::table::emit(
                        mark, $crate::c_api::guide::table::$if_level, $if_target, $if_message, fields,
                    );
                    return;
                })?
                let fields = [$((stringify!($name), $value.into())),*];
                $crate::c_api::guide::table::emit(
                    mark, $crate::c_api::guide::table::$level, $target, $message, fields,
                );
            });
        }

        plain_names! {
            $plain = $prefixed($($argument: records!(@c $kind)),*);
        }
    )*};

    (@quick $level:ident $target:literal $message:expr) => {
        // SAFETY: the caller promises NULL or a NUL-terminated string.
        if unsafe { $crate::c_api::quick::log($crate::c_api::guide::table::$level, $target, $message) } {
            return;
        }
    };

    (@c text) => { *const std::ffi::c_char };
    (@c int) => { std::ffi::c_int };
    (@c double) => { f64 };
    (@c flag) => { std::ffi::c_int };

    (@read $function:ident $argument:ident text) => {
        // SAFETY: the caller promises NULL or a NUL-terminated string.
        let given = unsafe {
            $crate::c_api::guide::table::Unread::required(stringify!($function), stringify!($argument), $argument)
        };
        let Some($argument) = given else { return };
    };
    (@read $function:ident $argument:ident text $default:literal) => {
        // SAFETY: the caller promises NULL or a NUL-terminated string.
        let $argument = unsafe { $crate::c_api::guide::table::Unread::or($argument, $default) };
    };
    (@read $function:ident $argument:ident flag) => {
        let $argument = $argument != 0;
    };
    (@read $function:ident $argument:ident $kind:ident) => {};
}

/// Exports functions under their plain names too: `plain = prefixed(arguments) -> result;`.
macro_rules! plain_names {
    ($($plain:ident = $prefixed:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)?;)*) => {$(
        #[cfg(feature = "plain-names")]
        const _: () = {
            #[unsafe(no_mangle)]
            #[allow(unused_unsafe, reason = "some make no demands")]
            unsafe extern "C" fn $plain($($argument: $kind),*) $(-> $result)? {
                // SAFETY: the caller makes the same promises.
                unsafe { $prefixed($($argument),*) }
            }
        };
    )*};
}
