//! A record as a C callback sees it: the layout of `logfusion_record` and `logfusion_field` in `include/logfusion.h`.

use crate::record::decode::{RawText, RawValue};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;

/// `logfusion_callback`. "C-unwind": a Rust panic may leave it and is caught on the drain.
pub type Callback = unsafe extern "C-unwind" fn(record: *const CRecord, context: *mut c_void);

/// `logfusion_log_callback`: level, target, message, context.
pub type TextCallback =
    unsafe extern "C-unwind" fn(level: c_int, target: *const c_char, message: *const c_char, context: *mut c_void);

/// `logfusion_record`.
#[repr(C)]
#[derive(Debug)]
pub struct CRecord {
    size: usize,
    target: *const c_char,
    target_length: usize,
    message: *const c_char,
    message_length: usize,
    message_full_length: usize,
    fields: *const CField,
    field_count: usize,
    time_ns: u64,
    thread_id: u64,
    thread_name: *const c_char,
    file: *const c_char,
    line: c_int,
    level: c_int,
    function: *const c_char,
}

impl CRecord {
    /// What a [`TextCallback`] is given of it: level, target and message.
    pub fn texts(&self) -> (c_int, *const c_char, *const c_char) {
        (self.level, self.target, self.message)
    }
}

/// `logfusion_field`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CField {
    /// `name`.
    pub name: *const c_char,
    /// `type`.
    pub type_: c_int,
    /// `reserved`.
    pub reserved: c_int,
    /// `value`.
    pub value: CValue,
}

impl std::fmt::Debug for CField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CField").field("type_", &self.type_).finish_non_exhaustive()
    }
}

/// The union in `logfusion_field`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union CValue {
    /// `i64`.
    pub i64: i64,
    /// `u64`.
    pub u64: u64,
    /// `f64`.
    pub f64: f64,
    /// `boolean`.
    pub boolean: c_int,
    /// `pointer`.
    pub pointer: *const c_void,
    /// `text`.
    pub text: CText,
}

impl std::fmt::Debug for CValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CValue")
    }
}

/// The text in the union.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct CText {
    /// `data`.
    pub data: *const c_char,
    /// `length`.
    pub length: usize,
}

const _: () = {
    use std::mem::offset_of;
    if size_of::<usize>() == 8 {
        assert!(size_of::<CRecord>() == 112 && offset_of!(CRecord, message_full_length) == 40);
        assert!(offset_of!(CRecord, function) == 104);
        assert!(offset_of!(CRecord, fields) == 48 && offset_of!(CRecord, time_ns) == 64);
        assert!(offset_of!(CRecord, thread_name) == 80 && offset_of!(CRecord, level) == 100);
        assert!(size_of::<CField>() == 32 && offset_of!(CField, type_) == 8 && offset_of!(CField, value) == 16);
        assert!(size_of::<CText>() == 16 && offset_of!(CText, length) == 8);
    }
};

/// A text that was made fit to show: UTF-8, and its cut end marked.
#[derive(Debug)]
pub struct Text<'a> {
    text: Cow<'a, str>,
    /// The record's bytes with the NUL behind them, where they are shown as they are.
    terminated: Option<&'a [u8]>,
    /// Whether bytes had to be replaced.
    pub was_bad: bool,
}

impl<'a> Text<'a> {
    /// Takes a text of a record: U+FFFD in place of bad bytes; cut at a character boundary where it was cut.
    #[inline]
    pub fn new(raw: RawText<'a>) -> Self {
        match std::str::from_utf8(raw.bytes) {
            Ok(text) => {
                let terminated = (raw.terminated.last() == Some(&0)).then_some(raw.terminated);
                Self { text: Cow::Borrowed(text), terminated, was_bad: false }
            }
            Err(_) => {
                let (text, was_bad) = raw.mend();
                Self { text, terminated: None, was_bad }
            }
        }
    }

    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text up to its first NUL: the record's own bytes where they can be shown as they are.
    pub fn to_c(&self) -> Cow<'_, CStr> {
        match self.terminated.and_then(|bytes| CStr::from_bytes_until_nul(bytes).ok()) {
            Some(text) => Cow::Borrowed(text),
            None => {
                let bytes = self.text.bytes().take_while(|byte| *byte != 0).collect::<Vec<_>>();
                Cow::Owned(CString::new(bytes).unwrap_or_default())
            }
        }
    }
}

/// A delivered record, as callbacks are given it.
#[derive(Debug)]
pub struct View<'a> {
    /// 1 error … 5 trace.
    pub level: u32,
    /// Nanoseconds since the epoch.
    pub time_ns: u64,
    /// Id of the thread that logged it.
    pub thread_id: u64,
    /// Its name.
    pub thread_name: &'a CStr,
    /// The target.
    pub target: &'a Text<'a>,
    /// The message, and how long it was when it was logged.
    pub message: (&'a Text<'a>, u64),
    /// The fields.
    pub fields: &'a [ViewField<'a>],
    /// Where the statement is, if that is known.
    pub place: Option<Place<'a>>,
}

/// Where a statement is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Its file.
    pub file: &'a CStr,
    /// Its function.
    pub function: &'a CStr,
    /// Its line.
    pub line: u32,
}

/// A field of a delivered record.
#[derive(Debug)]
pub struct ViewField<'a> {
    /// The key, as it was logged.
    pub name: RawText<'a>,
    /// The value.
    pub value: RawValue<'a>,
    /// Where the value is text: that, made fit to show.
    pub text: Option<Text<'a>>,
}

impl View<'_> {
    /// Builds the C struct and gives it to `f`.
    pub fn with_c<R>(&self, f: impl FnOnce(&CRecord) -> R) -> R {
        // Copies with a NUL, of those texts that have none behind them.
        let mut owned: SmallVec<[Box<[u8]>; 2]> = SmallVec::new();
        let mut c_text = |text: &Text<'_>| -> (*const c_char, usize) {
            match text.terminated {
                Some(bytes) => (bytes.as_ptr().cast(), bytes.len() - 1),
                None => copy(&mut owned, &text.text),
            }
        };
        let (target, target_length) = c_text(self.target);
        let (message, message_length) = c_text(self.message.0);
        let names: SmallVec<[Text<'_>; 8]> = self.fields.iter().map(|field| Text::new(field.name)).collect();
        let fields: SmallVec<[CField; 8]> = self
            .fields
            .iter()
            .zip(&names)
            .map(|(field, name)| {
                let (type_, value) = match (&field.value, &field.text) {
                    (RawValue::I64(value), _) => (1, CValue { i64: *value }),
                    (RawValue::U64(value), _) => (2, CValue { u64: *value }),
                    (RawValue::F64(value), _) => (3, CValue { f64: *value }),
                    (RawValue::Bool(value), _) => (4, CValue { boolean: c_int::from(*value) }),
                    (RawValue::Pointer(value), _) => (5, CValue { pointer: ptr::without_provenance(*value as usize) }),
                    (RawValue::Text(_), text) => {
                        let (data, length) = text.as_ref().map_or((c"".as_ptr(), 0), &mut c_text);
                        (6, CValue { text: CText { data, length } })
                    }
                };
                CField { name: c_text(name).0, type_, reserved: 0, value }
            })
            .collect();
        f(&CRecord {
            size: size_of::<CRecord>(),
            target,
            target_length,
            message,
            message_length,
            message_full_length: (self.message.1 as usize).max(message_length),
            fields: if fields.is_empty() { ptr::null() } else { fields.as_ptr() },
            field_count: fields.len(),
            time_ns: self.time_ns,
            thread_id: self.thread_id,
            thread_name: self.thread_name.as_ptr(),
            file: self.place.map_or(ptr::null(), |place| place.file.as_ptr()),
            line: self.place.map_or(0, |place| place.line as c_int),
            level: self.level as c_int,
            function: self.place.map_or(ptr::null(), |place| place.function.as_ptr()),
        })
    }
}

/// Copies a text and puts a NUL behind it. A NUL inside stays: the length tells. The copy does not move when `owned` grows.
fn copy(owned: &mut SmallVec<[Box<[u8]>; 2]>, text: &str) -> (*const c_char, usize) {
    let copied: Box<[u8]> = text.bytes().chain([0]).collect();
    let pointer = copied.as_ptr().cast();
    owned.push(copied);
    (pointer, text.len())
}
