//! Log calls: one record each.

use super::errors::fail;
use super::status::Status;
use super::{boundary, marked_boundary, quick, text};
use crate::callbacks::CField;
use crate::engine;
use crate::os;
use crate::producers::{self, Dropped};
use crate::record::encode::{Dynamic, Field, Text, Value, plain_size, write_plain};
use crate::record::layout::MAX_FIELDS;
use crate::ring::{Mark, Producer};
use smallvec::SmallVec;
use std::ffi::{c_char, c_int};

/// The level INFO.
const INFO: u32 = 3;

/// The target of a record whose caller gave none.
const NO_TARGET: &[u8] = b"ffi";

/// The level of a record, and what is wrong with the number that was given for it.
#[inline(always)]
pub fn level(function: &str, level: c_int) -> (u32, c_int) {
    if (1..=5).contains(&level) { (level as u32, Status::Ok.code()) } else { bad_level(function, level) }
}

#[cold]
fn bad_level(function: &str, level: c_int) -> (u32, c_int) {
    (INFO, fail(Status::Invalid, format_args!("{function}: {level} is not a level (1 to 5); logged as INFO")))
}

/// The target to use where none was given.
#[cold]
fn no_target(function: &str) -> (&'static [u8], c_int) {
    (NO_TARGET, fail(Status::Null, format_args!("{function}: target is NULL; logged with the target \"ffi\"")))
}

/// The target of a record, and the status so far.
///
/// # Safety
///
/// `target` is NULL or a NUL-terminated string that lives for `'a`.
#[inline(always)]
pub unsafe fn target_of<'a>(function: &str, target: *const c_char, so_far: c_int) -> (&'a [u8], c_int) {
    if target.is_null() {
        let (target, status) = no_target(function);
        return (target, first(so_far, status));
    }
    // SAFETY: not NULL, and the caller promises a NUL-terminated string.
    (unsafe { text::name(target) }, so_far)
}

/// Of two statuses the one that tells more: the first that is not OK.
#[inline(always)]
pub fn first(one: c_int, other: c_int) -> c_int {
    if one == Status::Ok.code() { other } else { one }
}

/// Pushes a record without fields, if it needs nothing but the room that is there.
#[inline(always)]
fn push_at_once(producer: Producer<'static>, level: u32, target: &[u8], message: &[u8]) -> bool {
    let size = plain_size(target, message);
    if size <= producer.max_record()
        && let Some(mut reservation) = producer.reserve_fast(size)
    {
        let ticks = reservation.ticks();
        write_plain(reservation.bytes(), level, ticks, target, message);
        producers::publish(reservation, level, 1);
        return true;
    }
    false
}

/// Pushes a record without fields; the status is `so_far` if it was accepted.
#[inline(always)]
pub fn push_plain(producer: Producer<'static>, level: u32, target: &[u8], message: Text<'_>, so_far: c_int) -> c_int {
    if !message.is_cut() && push_at_once(producer, level, target, message.bytes()) {
        return so_far;
    }
    push(producer, level, target, message, &mut [], so_far)
}

/// Pushes any record; the status is `so_far` if it was accepted.
#[cold]
#[inline(never)]
pub fn push<'a>(
    producer: Producer<'static>,
    level: u32,
    target: &'a [u8],
    message: Text<'a>,
    fields: &mut [Field<'a>],
    so_far: c_int,
) -> c_int {
    let record = Dynamic::measure(level, target, message, fields, producer.max_record());
    match producers::push(producer, level, record.size(), move |out, ticks| record.write(out, ticks)) {
        Ok(()) => so_far,
        Err(Dropped) => Status::Dropped.code(),
    }
}

/// Pushes a record whose caller calls the text callbacks. The ledger counts it if it is dropped.
pub fn push_called<'a>(producer: Producer<'static>, level: u32, target: &'a [u8], message: Text<'a>) {
    let record = Dynamic::measure(level, target, message, &mut [], producer.max_record()).called();
    _ = producers::push(producer, level, record.size(), move |out, ticks| record.write(out, ticks));
}

/// See `logfusion_log` in the header.
///
/// # Safety
///
/// - `target` is NULL or a NUL-terminated string.
/// - `message` is NULL or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_log(level: c_int, target: *const c_char, message: *const c_char) -> c_int {
    // What a disabled call costs: nothing is read but the gate.
    if !engine::wants(level as u32) {
        if (1..=5).contains(&level) && !target.is_null() && !message.is_null() {
            return Status::Ok.code();
        }
        // SAFETY: the caller's promises.
        return unsafe { log(level, target, message, Mark::here()) };
    }
    // SAFETY: the caller's promises.
    unsafe { log_quickly(level, target, message) }
}

/// Tries a quick push. A function of its own, so that a disabled call saves no registers.
///
/// # Safety
///
/// As [`logfusion_log`]; the level is not above 5.
#[inline(never)]
unsafe extern "C" fn log_quickly(level: c_int, target: *const c_char, message: *const c_char) -> c_int {
    if level > 1
        && !target.is_null()
        && !message.is_null()
        && let Some(producer) = producers::quick(Mark::here())
        // SAFETY: not NULL, so the caller promises NUL-terminated strings.
        && let Some(target) = unsafe { os::Begun::read(target) }
        // SAFETY: the same.
        && let Some(is_due) = unsafe { quick::push(producer, level as u32, target, message) }
    {
        return if is_due { quick::pushed(level) } else { Status::Ok.code() };
    }
    // SAFETY: the caller's promises.
    unsafe { log(level, target, message, Mark::here()) }
}

/// # Safety
///
/// As [`logfusion_log`].
#[cold]
#[inline(never)]
unsafe extern "C" fn log(level: c_int, target: *const c_char, message: *const c_char, mark: Mark) -> c_int {
    const NAME: &str = "logfusion_log";
    boundary(Status::Internal.code(), || {
        if message.is_null() {
            return no_message(NAME);
        }
        let (level, so_far) = self::level(NAME, level);
        // SAFETY: the caller promises NULL or a NUL-terminated string.
        let (target, so_far) = unsafe { target_of(NAME, target, so_far) };
        if !engine::wants(level) {
            return so_far;
        }
        let producer = producers::current(mark);
        // SAFETY: not NULL, and the caller promises a NUL-terminated string.
        let message = unsafe { text::terminated(message, producer.max_record()) };
        push_plain(producer, level, target, message, so_far)
    })
}

#[cold]
fn no_message(function: &str) -> c_int {
    fail(Status::Null, format_args!("{function}: message is NULL; nothing was logged"))
}

/// See `logfusion_log_n` in the header.
///
/// # Safety
///
/// - `target` is NULL, or points to `target_length` bytes (or to a NUL-terminated string, for `SIZE_MAX`).
/// - `message` likewise, with `message_length`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_log_n(
    level: c_int,
    target: *const c_char,
    target_length: usize,
    message: *const c_char,
    message_length: usize,
) -> c_int {
    const NAME: &str = "logfusion_log_n";
    let mark = Mark::here();
    boundary(Status::Internal.code(), || {
        // SAFETY: the caller's promises.
        let entry = unsafe { Entry::read(NAME, level, (target, target_length), (message, message_length)) };
        match entry {
            Err(status) => status,
            Ok((entry, so_far)) if !engine::wants(entry.level) => so_far,
            Ok((entry, so_far)) => {
                push_plain(producers::current(mark), entry.level, entry.target, entry.message, so_far)
            }
        }
    })
}

/// A record with lengths: level, target and message.
pub struct Entry<'a> {
    /// 1 to 5.
    pub level: u32,
    /// At most the longest name.
    pub target: &'a [u8],
    /// At most the longest text of any ring; the record's measure cuts it further.
    pub message: Text<'a>,
}

impl<'a> Entry<'a> {
    /// Reads the arguments: an entry and what was wrong and is mended, or the status of what cannot be logged.
    ///
    /// # Safety
    ///
    /// As [`logfusion_log_n`], and the texts live for `'a`.
    #[inline(always)]
    pub unsafe fn read(
        function: &str,
        level: c_int,
        (target, target_length): (*const c_char, usize),
        (message, message_length): (*const c_char, usize),
    ) -> Result<(Self, c_int), c_int> {
        // SAFETY: the caller's promise.
        let message = unsafe { text::sized(message, message_length, text::LONGEST) };
        let message = message.map_err(|status| bad_text(function, "message", status))?;
        let (level, bad_level) = self::level(function, level);
        if target.is_null() && target_length != 0 {
            let (target, no_target) = no_target(function);
            return Ok((Self { level, target, message }, first(bad_level, no_target)));
        }
        // SAFETY: the caller's promise.
        let target = unsafe { text::sized(target, target_length, crate::record::layout::MAX_NAME) };
        let target = target.map_err(|status| bad_text(function, "target", status))?.bytes();
        Ok((Self { level, target, message }, bad_level))
    }
}

#[cold]
fn bad_text(function: &str, argument: &str, status: Status) -> c_int {
    let reason = if status == Status::Null { "is NULL" } else { "is said to be longer than PTRDIFF_MAX" };
    fail(status, format_args!("{function}: {argument} {reason}; nothing was logged"))
}

/// See `logfusion_log_fields` in the header.
///
/// # Safety
///
/// - `target` and `message` are NULL or NUL-terminated strings.
/// - `fields` is NULL or points to `count` fields, each with a NULL or NUL-terminated name, and a value of its type; a
///   text is NULL, or has `length` bytes, or a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_log_fields(
    level: c_int,
    target: *const c_char,
    message: *const c_char,
    fields: *const CField,
    count: usize,
) -> c_int {
    const NAME: &str = "logfusion_log_fields";
    marked_boundary(Status::Internal.code(), |mark| {
        if message.is_null() {
            return no_message(NAME);
        }
        let (level, so_far) = self::level(NAME, level);
        // SAFETY: the caller promises NULL or a NUL-terminated string.
        let (target, so_far) = unsafe { target_of(NAME, target, so_far) };
        // SAFETY: the caller's promises.
        let (mut values, so_far) = match unsafe { read_fields(NAME, fields, count, so_far) } {
            Ok(read) => read,
            Err(status) => return status,
        };
        if !engine::wants(level) {
            return so_far;
        }
        let producer = producers::current(mark);
        // SAFETY: not NULL, and the caller promises a NUL-terminated string.
        let message = unsafe { text::terminated(message, producer.max_record()) };
        push(producer, level, target, message, &mut values, so_far)
    })
}

/// The fields of a record.
pub type Fields<'a> = SmallVec<[Field<'a>; MAX_FIELDS]>;

/// Reads the fields that can be used, and the status so far; or the status of what cannot be logged.
///
/// # Safety
///
/// As [`logfusion_log_fields`] says of `fields` and `count`.
pub unsafe fn read_fields<'a>(
    function: &str,
    fields: *const CField,
    count: usize,
    mut so_far: c_int,
) -> Result<(Fields<'a>, c_int), c_int> {
    let mut values = Fields::new();
    if count > text::MOST / size_of::<CField>() {
        return Err(fail(Status::Size, format_args!("{function}: count is {count}; nothing was logged")));
    }
    if fields.is_null() && count > 0 {
        let reason = format_args!("{function}: fields is NULL and count {count}; logged without fields");
        return Ok((values, first(so_far, fail(Status::Null, reason))));
    }
    for index in 0..count {
        if values.len() == MAX_FIELDS {
            let reason = format_args!("{function}: more than {MAX_FIELDS} fields; the rest is left out");
            so_far = first(so_far, fail(Status::Size, reason));
            break;
        }
        // SAFETY: not NULL, the caller promises `count` fields, and `count * size` does not overflow. The pointer may be
        // misaligned: the field is copied out.
        let field = unsafe { fields.add(index).read_unaligned() };
        // SAFETY: the caller's promises for each field.
        match unsafe { read_field(&field) } {
            Ok(field) => values.push(field),
            Err((status, reason)) => {
                so_far =
                    first(so_far, fail(status, format_args!("{function}: field {index} {reason}; it is left out")));
            }
        }
    }
    Ok((values, so_far))
}

/// Reads one field; or a status and why it can't be used.
///
/// # Safety
///
/// As [`logfusion_log_fields`] says of a field.
unsafe fn read_field<'a>(field: &CField) -> Result<Field<'a>, (Status, &'static str)> {
    if field.name.is_null() {
        return Err((Status::Null, "has a NULL name"));
    }
    if field.reserved != 0 {
        return Err((Status::Invalid, "has a `reserved` that is not 0"));
    }
    // SAFETY: every bit pattern is a value of these members, and the type says which one the caller wrote.
    let value = unsafe {
        match field.type_ {
            1 => Value::I64(field.value.i64),
            2 => Value::U64(field.value.u64),
            3 => Value::F64(field.value.f64),
            4 => Value::Bool(field.value.boolean != 0),
            5 => Value::Pointer(field.value.pointer.addr() as u64),
            6 => match text::sized(field.value.text.data, field.value.text.length, text::LONGEST) {
                Ok(text) => Value::Text(text),
                Err(Status::Null) => return Err((Status::Null, "has a NULL text")),
                Err(status) => return Err((status, "has a text that is said to be longer than PTRDIFF_MAX")),
            },
            _ => return Err((Status::Invalid, "has an unknown type")),
        }
    };
    // SAFETY: not NULL, and the caller promises a NUL-terminated string.
    Ok(Field { name: unsafe { text::name(field.name) }, value })
}
