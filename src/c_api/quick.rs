//! Quick pushes: of records without fields, whose short texts are measured as they are copied, where there is room. They call
//! nothing, so that a function that begins with one and ends with jumps saves few registers, and they leave everything else to those
//! who ask: an ERROR too, for which the drain may have to be woken.

use super::boundary;
use super::status::Status;
use crate::engine;
use crate::os;
use crate::producers;
use crate::record::encode::{COPIED_ROOM, CopyText, Short, write_copied};
use crate::ring::{MIN_CAPACITY, Mark, Producer, max_record};
use std::ffi::{c_char, c_int};

/// Pushes a record of a level below ERROR with a producer of [`producers::quick`]. `None`: it did not; else whether [`pushed`] is
/// due. (Where the compiler does not optimize, its frame is so large that one which it was part of had no place in `Mark::NEAR`.)
///
/// # Safety
///
/// `message` points to a NUL-terminated string.
#[cfg_attr(debug_assertions, inline(never))]
#[cfg_attr(not(debug_assertions), inline(always))]
pub unsafe fn push(
    producer: Producer<'static>,
    level: u32,
    target: impl CopyText,
    message: *const c_char,
) -> Option<bool> {
    const { assert!(COPIED_ROOM <= max_record(MIN_CAPACITY)) };
    // SAFETY: the caller's promise.
    let message = unsafe { os::Begun::read(message) }?;
    let mut reservation = producer.reserve_fast(COPIED_ROOM)?;
    let ticks = reservation.quick_ticks();
    let size = write_copied(reservation.bytes(), level, ticks, target, message)?;
    reservation.shorten(size);
    Some(producers::publish_quickly(reservation))
}

/// Logs a message, if that can be a quick push; returns whether it was.
///
/// # Safety
///
/// `message` is NULL, or points to a NUL-terminated string.
#[inline(always)]
pub unsafe fn log(level: u32, target: &'static str, message: *const c_char) -> bool {
    if level > 1
        && engine::wants(level)
        && !message.is_null()
        && let Some(producer) = producers::quick(Mark::here())
        // SAFETY: not NULL, so the caller promises a NUL-terminated string.
        && let Some(is_due) = unsafe { push(producer, level, Short(target.as_bytes()), message) }
    {
        if is_due {
            pushed(level as c_int);
        }
        return true;
    }
    false
}

/// What is due after a record of this level was pushed.
#[cold]
#[inline(never)]
pub extern "C" fn pushed(level: c_int) -> c_int {
    boundary(Status::Internal.code(), || {
        producers::after_quick(level as u32);
        Status::Ok.code()
    })
}
