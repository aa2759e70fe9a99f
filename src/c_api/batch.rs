//! Batches: one reservation a chunk, one clock read, one publication.

use super::errors::fail;
use super::log::{self, Entry};
use super::status::Status;
use super::{boundary, text};
use crate::engine;
use crate::producers;
use crate::record::encode::SharedTarget;
use crate::record::layout::MAX_NAME;
use crate::ring::{Mark, Producer};
use std::ffi::{c_char, c_int};

/// `logfusion_entry`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct CEntry {
    target: *const c_char,
    target_length: usize,
    message: *const c_char,
    message_length: usize,
    level: c_int,
    reserved: c_int,
}

const _: () = assert!(size_of::<usize>() != 8 || size_of::<CEntry>() == 40);

const NAME: &str = "logfusion_log_batch";

/// See `logfusion_log_batch` in the header.
///
/// # Safety
///
/// `entries` is NULL or points to `count` entries whose texts are as `logfusion_log_n` wants them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_log_batch(entries: *const CEntry, count: usize) -> isize {
    let mark = Mark::here();
    boundary(Status::Internal.code() as isize, || {
        if count == 0 {
            return 0;
        }
        if entries.is_null() {
            return fail(Status::Null, format_args!("{NAME}: entries is NULL; nothing was logged")) as isize;
        }
        if count > text::MOST / size_of::<CEntry>() {
            return fail(Status::Size, format_args!("{NAME}: count is {count}; nothing was logged")) as isize;
        }
        // SAFETY: not NULL, and `count * size` does not overflow; the rest is the caller's promise.
        unsafe { log_all(producers::current(mark), entries, count) as isize }
    })
}

/// # Safety
///
/// As [`logfusion_log_batch`], and `entries` is not NULL.
unsafe fn log_all(producer: Producer<'static>, entries: *const CEntry, count: usize) -> usize {
    let ticks = producer.ticks();
    let mut last = Target::default();
    let mut accepted = 0;
    let mut index = 0;
    while index < count {
        // A piece of the ring is filled with as many records as fit in, and published once.
        if let Some(mut reservation) = producer.reserve_available(producer.max_record()) {
            let room = reservation.bytes();
            let (mut used, mut records, mut severest) = (0, 0, u32::MAX);
            while index < count {
                // SAFETY: `index < count`. The pointer may be misaligned: the entry is copied out.
                let entry = unsafe { entries.add(index).read_unaligned() };
                // SAFETY: the caller's promises for each entry.
                let Some((level, message)) = (unsafe { simple(&entry, &mut last) }) else { break };
                if engine::wants(level) {
                    let size = last.target.plain_size(message);
                    let Some(place) = room.get_mut(used..used + size) else { break };
                    last.target.write_plain(place, level, ticks, message);
                    used += size;
                    records += 1;
                    severest = severest.min(level);
                }
                index += 1;
            }
            if records > 0 {
                reservation.shorten(used);
                producers::publish(reservation, severest, records);
                accepted += records as usize;
                continue;
            }
        }
        if index < count {
            // SAFETY: `index < count`.
            accepted += unsafe { log_one(producer, entries.add(index), index) };
            index += 1;
        }
    }
    accepted
}

/// The target of the entry before: the entries of a batch often share one, and need not measure it again.
#[derive(Default)]
struct Target<'a> {
    address: usize,
    length: usize,
    target: SharedTarget<'a>,
}

/// Level and message of an entry that is as it should be and not very long, whose target is then in `last`; `None`: it
/// takes [`log_one`].
///
/// # Safety
///
/// As [`logfusion_log_batch`] for this entry.
#[inline(always)]
unsafe fn simple<'a>(entry: &CEntry, last: &mut Target<'a>) -> Option<(u32, &'a [u8])> {
    /// Longer messages are seldom in a batch.
    const LONG: usize = 4096;
    // One comparison for both: `reserved` is 0.
    let level = u64::from(entry.level as u32) | u64::from(entry.reserved as u32) << 32;
    if level.wrapping_sub(1) >= 5 || entry.message.is_null() {
        return None;
    }
    if last.address != entry.target.addr() || last.length != entry.target_length || last.address == 0 {
        // SAFETY: as for this function.
        unsafe { measure(entry, last) }?;
    }
    let length = match entry.message_length {
        length @ ..LONG => length,
        // SAFETY: not NULL; the caller promises a NUL.
        text::NUL_TERMINATED => unsafe { libc::strnlen(entry.message, LONG) },
        _ => return None,
    };
    // SAFETY: the caller's promise, or what strnlen counted.
    let message = unsafe { std::slice::from_raw_parts(entry.message.cast(), length) };
    (length < LONG).then_some((level as u32, message))
}

/// Takes the target of an entry; `None`: there is something the matter with it.
///
/// # Safety
///
/// As [`logfusion_log_batch`] for this entry.
#[cold]
unsafe fn measure(entry: &CEntry, last: &mut Target<'_>) -> Option<()> {
    let is_good = entry.target_length <= MAX_NAME || entry.target_length == text::NUL_TERMINATED;
    if entry.target.is_null() || !is_good {
        return None;
    }
    // SAFETY: not NULL; the caller promises a NUL, or as many bytes as the length says.
    let bytes = unsafe { bytes(entry.target, entry.target_length, MAX_NAME) };
    *last = Target { address: entry.target.addr(), length: entry.target_length, target: SharedTarget::new(bytes) };
    Some(())
}

/// The bytes of a text, at most `limit` where it is NUL-terminated.
///
/// # Safety
///
/// `text` is not NULL, and points to `length` bytes or, for [`text::NUL_TERMINATED`], to a NUL-terminated string.
unsafe fn bytes<'a>(text: *const c_char, length: usize, limit: usize) -> &'a [u8] {
    // SAFETY: the caller's promise.
    let length = if length == text::NUL_TERMINATED { unsafe { libc::strnlen(text, limit) } } else { length };
    // SAFETY: the caller's promise, or what strnlen counted.
    unsafe { std::slice::from_raw_parts(text.cast(), length) }
}

/// Logs one entry by itself, which settles whatever is the matter with it. Returns how many were accepted.
///
/// # Safety
///
/// As [`logfusion_log_batch`] for this entry.
#[cold]
#[inline(never)]
unsafe fn log_one(producer: Producer<'static>, entry: *const CEntry, index: usize) -> usize {
    // SAFETY: the caller's promise; the pointer may be misaligned.
    let entry = unsafe { entry.read_unaligned() };
    if entry.reserved != 0 {
        fail(Status::Invalid, format_args!("{NAME}: entry {index} has a `reserved` that is not 0; it is left out"));
        return 0;
    }
    // SAFETY: the caller's promise.
    let read = unsafe {
        Entry::read(NAME, entry.level, (entry.target, entry.target_length), (entry.message, entry.message_length))
    };
    match read {
        Ok((entry, _)) if engine::wants(entry.level) => {
            let status = log::push_plain(producer, entry.level, entry.target, entry.message, Status::Ok.code());
            usize::from(status == Status::Ok.code())
        }
        _ => 0,
    }
}
