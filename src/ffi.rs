//! Statements that go through the calling thread's ring: `ffi_info!` and its like.
//!
//! A function that C calls must not unwind, wait for a subscriber or depend on the thread's `tracing` state. So these statements
//! push a record, as a C call does, and the drain makes the event. Arguments are evaluated and text is formatted on the
//! calling thread, before room in the ring is taken; a panic in one of them ends there, and the record says so.

use crate::c_api::push_plain;
use crate::c_text::CText;
use crate::os::HostGuard;
use crate::producers;
use crate::record::encode::{Dynamic, Field, Text, Value};
use crate::record::layout::{MAX_FIELDS, MAX_NAME};
use crate::ring::Mark;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Whether anybody wants records of this level, 1 to 5.
pub use crate::engine::wants;

/// The longest text that a statement keeps; the ring cuts it further.
const LONGEST: usize = 1 << 20;

/// Text of a statement: borrowed, or formatted.
type Formatted = SmallVec<[u8; 128]>;

/// A value on its way into a record.
#[derive(Debug)]
pub struct Ready<'a>(Kind<'a>);

#[derive(Debug)]
enum Kind<'a> {
    /// `None` of an `Option`: the field is left out.
    Absent,
    Plain(Value<'a>),
    Formatted(Formatted, usize),
    C(CText<'a>),
}

/// Values that `ffi_info!` takes without `?` or `%`.
///
/// Integers, floats, `bool`, text, addresses (shown, never followed), [`CText`], an `Option` of these (`None`: the event has no such
/// field), references to them, and [`field::debug`](crate::field::debug) or [`field::display`](crate::field::display) of
/// anything.
#[diagnostic::on_unimplemented(
    message = "a record can't hold a `{Self}` as it is",
    note = "write `?value` or `%value` for its `Debug` or `Display`",
    note = "a C string is wrapped in `logfusion::CText`"
)]
pub trait RingValue {
    /// The value.
    #[doc(hidden)]
    fn ready(&self) -> Ready<'_>;
}

macro_rules! numbers {
    ($($type_:ty => $kind:ident as $to:ty),* $(,)?) => {$(
        impl RingValue for $type_ {
            #[inline]
            fn ready(&self) -> Ready<'_> {
                Ready(Kind::Plain(Value::$kind(*self as $to)))
            }
        }
    )*};
}

numbers! {
    i8 => I64 as i64, i16 => I64 as i64, i32 => I64 as i64, i64 => I64 as i64, isize => I64 as i64,
    u8 => U64 as u64, u16 => U64 as u64, u32 => U64 as u64, u64 => U64 as u64, usize => U64 as u64,
    f32 => F64 as f64, f64 => F64 as f64, bool => Bool as bool,
}

macro_rules! formatted {
    ($($type_:ty),*) => {$(
        impl RingValue for $type_ {
            fn ready(&self) -> Ready<'_> {
                Ready::format(format_args!("{self}"))
            }
        }
    )*};
}

formatted!(char, i128, u128);

impl RingValue for str {
    #[inline]
    fn ready(&self) -> Ready<'_> {
        Ready(Kind::Plain(Value::Text(Text::new(self.as_bytes()))))
    }
}

impl RingValue for String {
    #[inline]
    fn ready(&self) -> Ready<'_> {
        self.as_str().ready()
    }
}

impl RingValue for Cow<'_, str> {
    #[inline]
    fn ready(&self) -> Ready<'_> {
        str::ready(self)
    }
}

impl RingValue for CText<'_> {
    #[inline]
    fn ready(&self) -> Ready<'_> {
        Ready(Kind::C(*self))
    }
}

impl<T> RingValue for *const T {
    #[inline]
    fn ready(&self) -> Ready<'_> {
        Ready(Kind::Plain(Value::Pointer(self.addr() as u64)))
    }
}

impl<T> RingValue for *mut T {
    #[inline]
    fn ready(&self) -> Ready<'_> {
        Ready(Kind::Plain(Value::Pointer(self.addr() as u64)))
    }
}

impl<T: RingValue> RingValue for Option<T> {
    #[inline]
    fn ready(&self) -> Ready<'_> {
        self.as_ref().map_or(Ready(Kind::Absent), T::ready)
    }
}

impl<T: RingValue + ?Sized> RingValue for &T {
    #[inline]
    fn ready(&self) -> Ready<'_> {
        T::ready(self)
    }
}

impl<T: RingValue + ?Sized> RingValue for &mut T {
    #[inline]
    fn ready(&self) -> Ready<'_> {
        T::ready(self)
    }
}

impl<T: fmt::Debug> RingValue for tracing_core::field::DebugValue<T> {
    fn ready(&self) -> Ready<'_> {
        Ready::format(format_args!("{self:?}"))
    }
}

impl<T: fmt::Display> RingValue for tracing_core::field::DisplayValue<T> {
    fn ready(&self) -> Ready<'_> {
        Ready::format(format_args!("{self}"))
    }
}

impl Ready<'_> {
    /// Text, formatted now.
    pub fn format(arguments: fmt::Arguments<'_>) -> Self {
        let mut text = Bounded { kept: Formatted::new(), full: 0 };
        // A `Display` that reports an error has written what it could.
        _ = text.write_fmt(arguments);
        Self(Kind::Formatted(text.kept, text.full))
    }

    /// The message: text without arguments needs no formatting.
    pub fn message(arguments: fmt::Arguments<'_>) -> Self {
        match arguments.as_str() {
            Some(text) => Self(Kind::Plain(Value::Text(Text::new(text.as_bytes())))),
            None => Self::format(arguments),
        }
    }

    fn value(&self, limit: usize) -> Option<Value<'_>> {
        Some(match &self.0 {
            Kind::Absent => return None,
            Kind::Plain(value) => *value,
            Kind::Formatted(kept, full) => Value::Text(Text::cut(kept, *full)),
            Kind::C(text) => Value::Text(text.text(limit)),
        })
    }
}

/// Keeps the beginning of what is written, and counts the rest.
struct Bounded {
    kept: Formatted,
    full: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST.saturating_sub(self.full);
        self.kept.extend_from_slice(&text.as_bytes()[..text.len().min(room)]);
        self.full += text.len();
        Ok(())
    }
}

/// A statement of a level, 1 to 5.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    level: u32,
    file: &'static str,
    line: u32,
}

impl Statement {
    /// A statement at a place in the source.
    pub const fn new(level: u32, file: &'static str, line: u32) -> Self {
        Self { level, file, line }
    }

    /// Evaluates and pushes the statement; `errno` is as it was.
    #[inline(never)]
    pub fn log(self, evaluate: impl FnOnce(Self)) {
        let _errno = HostGuard::new();
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| evaluate(self))) else { return };
        // A payload's destructor may panic, too.
        std::mem::forget(panic);
        let told = catch_unwind(AssertUnwindSafe(|| {
            let text = Ready::message(format_args!("an argument of this statement panicked"));
            self.push("ffi", Some(text), &[("file", self.file.ready()), ("line", self.line.ready())]);
        }));
        if let Err(panic) = told {
            std::mem::forget(panic);
        }
    }

    /// Pushes the record. Without a text, a field `message` is the message.
    pub fn push(self, target: impl AsRef<[u8]>, message: Option<Ready<'_>>, fields: &[(&'static str, Ready<'_>)]) {
        let producer = producers::current(Mark::here());
        let limit = producer.max_record();
        let mut text = message.as_ref().and_then(|message| message.value(limit));
        let mut values: SmallVec<[Field<'_>; MAX_FIELDS]> = SmallVec::new();
        for (name, value) in fields {
            let Some(value) = value.value(limit) else { continue };
            if text.is_none() && *name == "message" && matches!(value, Value::Text(_)) {
                text = Some(value);
            } else {
                values.push(Field { name: name.as_bytes(), value });
            }
        }
        let text = if let Some(Value::Text(text)) = text { text } else { Text::new(&[]) };
        let target = target.as_ref();
        let target = &target[..target.len().min(MAX_NAME)];
        // A record that is not accepted has been counted.
        if values.is_empty() {
            _ = push_plain(producer, self.level, target, text, 0);
            return;
        }
        let record = Dynamic::measure(self.level, target, text, &mut values, limit);
        _ = producers::push(producer, self.level, record.size(), |out, ticks| record.write(out, ticks));
    }
}

/// A field's name: without the `r#` of a raw identifier.
pub const fn name(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// Fails to compile where a statement has more fields than a record.
pub const fn check_count(count: usize) {
    assert!(count <= MAX_FIELDS, "a record has at most 32 fields");
}
