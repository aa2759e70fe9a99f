//! Reserve, write, commit: the pair behind `logfusion_vlogf`.
//!
//! The open record is a push that stays open between two calls; its mark in the ring makes every other push of the thread
//! a re-entrant one, so that nothing can come between.

use super::errors::fail;
use super::status::Status;
use super::{log, marked_boundary, text};
use crate::engine;
use crate::producers;
use crate::record::encode::TextInPlace;
use crate::ring::{Mark, Parked, Reason, Reservation};
use crate::sync::{Ordering, compiler_fence};
use std::cell::Cell;
use std::ffi::{c_char, c_int};

#[derive(Clone, Copy)]
struct Open {
    parked: Parked,
    record: TextInPlace,
    level: u32,
}

thread_local! {
    static IS_OPEN: Cell<bool> = const { Cell::new(false) };
    /// Whole while `IS_OPEN`: it takes several stores, between which a handler may leave by a jump.
    static OPEN: Cell<Option<Open>> = const { Cell::new(None) };
}

/// See `logfusion_reserve` in the header.
///
/// # Safety
///
/// - `target` is NULL or a NUL-terminated string.
/// - `text` and `granted` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_reserve(
    level: c_int,
    target: *const c_char,
    capacity: usize,
    text: *mut *mut c_char,
    granted: *mut usize,
) -> c_int {
    const NAME: &str = "logfusion_reserve";
    let parked = Mark::of_function();
    marked_boundary(Status::Internal.code(), |mark| {
        if !text.is_null() {
            // SAFETY: the caller promises that it is writable.
            unsafe { text.write_unaligned(std::ptr::null_mut()) };
        }
        if text.is_null() || granted.is_null() {
            return fail(Status::Null, format_args!("{NAME}: text or granted is NULL; nothing was reserved"));
        }
        // SAFETY: the caller promises that it is writable.
        unsafe { granted.write_unaligned(0) };
        let (level, so_far) = log::level(NAME, level);
        // SAFETY: the caller promises NULL or a NUL-terminated string.
        let (target, so_far) = unsafe { log::target_of(NAME, target, so_far) };
        if !engine::wants(level) {
            return so_far;
        }
        let producer = producers::current(mark);
        // In the smallest rings the longest targets would leave no room.
        let target = &target[..target.len().min(producer.max_record() / 4)];
        let around = TextInPlace::measure(level, target, 0).reserve() + 8;
        let capacity = capacity.min(producer.max_record().saturating_sub(around));
        let record = TextInPlace::measure(level, target, capacity);
        let Ok(mut reservation) = producers::reserve(producer, level, record.reserve()) else {
            return Status::Dropped.code();
        };
        if IS_OPEN.replace(false) {
            // It is lost, or this one would have been re-entrant.
            producer.count_drop(OPEN.get().map_or(level, |open| open.level), Reason::Other);
        }
        let bytes = reservation.bytes();
        record.write_before(bytes, target);
        let place = bytes[record.text_offset()..].as_mut_ptr();
        reservation.park(parked, |parked| {
            OPEN.set(Some(Open { parked, record, level }));
            compiler_fence(Ordering::SeqCst);
            IS_OPEN.set(true);
        });
        // SAFETY: both were found not NULL, and the caller promises that they are writable.
        unsafe {
            text.write_unaligned(place.cast());
            granted.write_unaligned(capacity);
        }
        so_far
    })
}

/// Takes the open record up again.
fn resume(function: &str, mark: Mark) -> Result<(Reservation<'static>, Open), c_int> {
    take_open(mark).ok_or_else(|| fail(Status::Invalid, format_args!("{function}: no record is open on this thread")))
}

/// The open record, if there is one. One that was lost to a jump, or to a call from a frame far up, is counted.
fn take_open(mark: Mark) -> Option<(Reservation<'static>, Open)> {
    let open = if IS_OPEN.get() { OPEN.get()? } else { return None };
    // SAFETY: `OPEN` is the thread's own, and its ring is kept until the thread is gone; a fork wipes it, and `resume`
    // finds it so.
    let reservation = unsafe { open.parked.resume(mark) };
    // Behind its mark, as in `logfusion_reserve`.
    IS_OPEN.set(false);
    if reservation.is_none() {
        producers::current(mark).count_drop(open.level, Reason::Other);
    }
    reservation.map(|reservation| (reservation, open))
}

/// See `logfusion_commit` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_commit(length: usize) -> c_int {
    const NAME: &str = "logfusion_commit";
    marked_boundary(Status::Internal.code(), |mark| {
        let (mut reservation, open) = match resume(NAME, mark) {
            Ok(resumed) => resumed,
            Err(status) => return status,
        };
        if length > text::MOST {
            drop(reservation);
            producers::current(mark).count_drop(open.level, Reason::Other);
            return fail(Status::Size, format_args!("{NAME}: length is {length}; the record was dropped"));
        }
        let ticks = reservation.ticks();
        let size = open.record.finish(reservation.bytes(), length, ticks);
        reservation.shorten(size);
        producers::publish(reservation, open.level, 1);
        Status::Ok.code()
    })
}

/// See `logfusion_cancel` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_cancel(reason: c_int) -> c_int {
    const NAME: &str = "logfusion_cancel";
    marked_boundary(Status::Internal.code(), |mark| {
        let (reservation, open) = match resume(NAME, mark) {
            Ok(resumed) => resumed,
            Err(status) => return status,
        };
        drop(reservation);
        if reason == Status::Ok.code() {
            return reason;
        }
        producers::current(mark).count_drop(open.level, Reason::Other);
        if reason > 0 {
            return fail(Status::Invalid, format_args!("{NAME}: {reason} is not a status; the record was dropped"));
        }
        super::errors::set(format_args!("a record was cancelled with status {reason}"));
        reason
    })
}
