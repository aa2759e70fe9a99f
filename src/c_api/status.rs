//! Status codes: `LOGFUSION_OK` and `LOGFUSION_E_…`. Append-only; no number is ever used again.

use std::ffi::{CStr, c_char, c_int};

/// What a function of the API returns. `repr(i32)`, so that the numbers are those of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// A pointer is NULL that must not be.
    Null = -1,
    /// A value is out of its range.
    Invalid = -2,
    /// A text is not UTF-8.
    Utf8 = -3,
    /// A struct's size, a length or a count is wrong or would overflow.
    Size = -4,
    /// The engine runs already, with other settings.
    Running = -5,
    /// The record was not accepted.
    Dropped = -6,
    /// The time limit has passed.
    Timeout = -7,
    /// In use by another thread.
    Busy = -8,
    /// Not allowed inside a callback.
    InCallback = -9,
    /// No such handle.
    Unknown = -10,
    /// The output can't be opened or written.
    Output = -11,
    /// No thread could be started.
    Thread = -12,
    /// Out of memory.
    Memory = -13,
    /// The filter directives can't be read.
    Filter = -14,
    /// Not in this mode of the drain.
    Mode = -15,
    /// A defect of the engine, contained.
    Internal = -16,
}

impl Status {
    const ALL: [(Self, &'static CStr); 17] = [
        (Self::Ok, c"success"),
        (Self::Null, c"a pointer is NULL that must not be"),
        (Self::Invalid, c"a value is out of its range"),
        (Self::Utf8, c"a text is not UTF-8"),
        (Self::Size, c"a struct's size, a length or a count is wrong"),
        (Self::Running, c"the engine runs already, with other settings"),
        (Self::Dropped, c"the record was not accepted"),
        (Self::Timeout, c"the time limit has passed"),
        (Self::Busy, c"in use by another thread"),
        (Self::InCallback, c"not allowed inside a callback"),
        (Self::Unknown, c"no such handle"),
        (Self::Output, c"the output can't be opened or written"),
        (Self::Thread, c"no thread could be started"),
        (Self::Memory, c"out of memory"),
        (Self::Filter, c"the filter directives can't be read"),
        (Self::Mode, c"not in this mode of the drain"),
        (Self::Internal, c"a defect of the engine, contained"),
    ];

    /// The number of the header.
    pub const fn code(self) -> c_int {
        self as c_int
    }
}

/// See `logfusion_status_text` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_status_text(status: c_int) -> *const c_char {
    let known = Status::ALL.iter().find(|(known, _)| known.code() == status);
    known.map_or(c"unknown status", |(_, text)| text).as_ptr()
}

/// See `logfusion_version` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
