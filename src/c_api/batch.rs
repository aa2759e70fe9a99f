//! Batches: one reservation a chunk, one clock read, one publication.

use super::errors::fail;
use super::log::{self, Entry};
use super::status::Status;
use super::{boundary, text};
use crate::engine;
use crate::os;
use crate::producers;
use crate::record::batch::{BatchWriter, Written};
use crate::record::encode::Short;
use crate::record::layout::MAX_NAME;
use crate::ring::{Mark, Producer};
use std::ffi::{c_char, c_int};

/// `logfusion_entry`, which may be misaligned.
#[repr(C, packed)]
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
        // SAFETY: not NULL, `count * size` does not overflow, any address is aligned; the caller promises that many.
        let entries = unsafe { std::slice::from_raw_parts(entries, count) };
        // SAFETY: the caller's promises for the texts.
        unsafe { log_all(producers::current(mark), entries) as isize }
    })
}

/// # Safety
///
/// As [`logfusion_log_batch`] for the texts.
unsafe fn log_all(producer: Producer<'static>, entries: &[CEntry]) -> usize {
    let mut ticks = producer.ticks();
    let mut accepted = 0;
    let mut left = entries;
    while !left.is_empty() {
        // A piece of the ring is filled with as many records as fit in, and published once.
        if let Some(mut reservation) = producer.reserve_available(producer.max_record()) {
            let (mut used, mut messages, mut severest) = (0, 0, u32::MAX);
            while !left.is_empty() {
                // SAFETY: the caller's promises.
                let (rest, written) = unsafe { fill(&mut reservation.bytes()[used..], left, ticks) };
                if rest.len() == left.len() {
                    break;
                }
                left = rest;
                if let Some(written) = written {
                    used += written.size;
                    messages += written.messages;
                    severest = severest.min(written.severest);
                }
            }
            if messages > 0 {
                reservation.shorten(used);
                producers::publish(reservation, severest, messages.into());
                accepted += messages as usize;
                continue;
            }
        }
        if let [entry, rest @ ..] = left {
            // SAFETY: the caller's promises.
            accepted += unsafe { log_one(producer, entry, entries.len() - left.len()) };
            left = rest;
            // That record had its own.
            ticks = producer.ticks();
        }
    }
    accepted
}

/// Writes the first entries, as far as they have one target and fit, as one record. Returns the other entries, and what it
/// wrote.
///
/// # Safety
///
/// As [`logfusion_log_batch`] for the texts.
#[inline(never)]
unsafe fn fill<'e>(room: &mut [u8], entries: &'e [CEntry], ticks: u64) -> (&'e [CEntry], Option<Written>) {
    let mut left = entries;
    let Some(first) = entries.first() else { return (left, None) };
    // SAFETY: the caller's promises.
    let Ok(name) = (unsafe { text::sized(first.target, first.target_length, MAX_NAME) }) else { return (left, None) };
    let Some(mut batch) = BatchWriter::new(room, name.bytes()) else { return (left, None) };
    let may_copy = os::may_copy_text();
    loop {
        let begin = left.len();
        // SAFETY: the caller's promises.
        left = push_all(first, left, |level, entry| unsafe { push_sized(&mut batch, level, entry) });
        if may_copy {
            // SAFETY: the same.
            left = push_all(first, left, |level, entry| unsafe { push_terminated(&mut batch, level, entry) });
        }
        if left.len() == begin {
            // SAFETY: the same.
            (batch, left) = unsafe { push_long(batch, first, left) };
        }
        if left.len() == begin {
            return (left, batch.finish(ticks));
        }
    }
}

/// The level less one of an entry that has the target of `first`, and with which nothing else is the matter; from 5 on it is none.
#[inline(always)]
fn rank(first: &CEntry, entry: &CEntry) -> Option<u64> {
    let is_well =
        entry.target == { first.target } && entry.target_length == { first.target_length } && !entry.message.is_null();
    // One comparison for both: `reserved` is 0.
    let level = u64::from(entry.level as u32) | u64::from(entry.reserved as u32) << 32;
    is_well.then_some(level.wrapping_sub(1))
}

/// Pushes the first of the entries that are left, as far as somebody wants them, they have a [`rank`] and `push` takes them.
/// Returns the other ones.
#[inline(always)]
fn push_all<'e>(first: &CEntry, mut left: &'e [CEntry], mut push: impl FnMut(u32, &CEntry) -> bool) -> &'e [CEntry] {
    let least = engine::least_wanted().into();
    while let [entry, rest @ ..] = left
        && let Some(rank) = rank(first, entry)
        && rank < least
        && push(rank as u32 + 1, entry)
    {
        left = rest;
    }
    left
}

/// Pushes a short message whose length is given; `false`: it is none, or there is little room.
///
/// # Safety
///
/// As [`logfusion_log_batch`] for this entry, whose message is not NULL.
#[inline(always)]
unsafe fn push_sized(batch: &mut BatchWriter<'_>, level: u32, entry: &CEntry) -> bool {
    let length = entry.message_length;
    length <= Short::MOST
        // SAFETY: the caller's promise.
        && batch.push_copied(level, Short(unsafe { std::slice::from_raw_parts(entry.message.cast(), length) }))
}

/// Pushes a NUL-terminated message; `false`: it is none, it is long, or there is little room.
///
/// # Safety
///
/// As [`push_sized`].
#[inline(always)]
unsafe fn push_terminated(batch: &mut BatchWriter<'_>, level: u32, entry: &CEntry) -> bool {
    entry.message_length == text::NUL_TERMINATED
        // SAFETY: the caller promises a NUL.
        && unsafe { os::Begun::read(entry.message) }.is_some_and(|message| batch.push_copied(level, message))
}

/// Messages from this length on are seldom in a batch, and are left to [`log_one`].
const LONG: usize = 2048;

/// Pushes the first of the entries that are left, as far as they are not short, and leaves out those that nobody wants. (The batch
/// is moved: one that others can reach is not kept in registers.)
///
/// # Safety
///
/// As [`logfusion_log_batch`] for the texts.
#[inline(never)]
unsafe fn push_long<'o, 'e>(
    mut batch: BatchWriter<'o>,
    first: &CEntry,
    mut left: &'e [CEntry],
) -> (BatchWriter<'o>, &'e [CEntry]) {
    let least = engine::least_wanted().into();
    while let [entry, rest @ ..] = left
        && let Some(rank @ ..5) = rank(first, entry)
    {
        if rank < least {
            if entry.message_length <= Short::MOST {
                break; // there is little room
            }
            // SAFETY: the caller's promise.
            let Ok(message) = (unsafe { text::sized(entry.message, entry.message_length, LONG) }) else { break };
            if message.bytes().len() == LONG || !batch.push(rank as u32 + 1, message.bytes()) {
                break;
            }
        }
        left = rest;
    }
    (batch, left)
}

/// Logs one entry by itself, which settles whatever is the matter with it. Returns how many were accepted.
///
/// # Safety
///
/// As [`logfusion_log_batch`] for this entry.
#[cold]
#[inline(never)]
unsafe fn log_one(producer: Producer<'static>, entry: &CEntry, index: usize) -> usize {
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
