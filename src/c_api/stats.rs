//! The ledger's numbers.

use super::boundary;
use super::errors::{fail, no_memory};
use super::status::Status;
use super::text;
use crate::engine;
use crate::ring::Reason;
use crate::stats::{self, ThreadStats};
use crate::sync::Ordering;
use crate::sync::lock;
use std::ffi::{c_char, c_int};

const NAME_MAX: usize = 32;

/// `logfusion_thread_stats_t`.
#[repr(C)]
pub struct CThreadStats {
    size: usize,
    thread_id: u64,
    name: [c_char; NAME_MAX],
    counts: CCounts,
    ended: c_int,
    reserved: c_int,
}

/// The members that a thread's statistics and their sum have in common.
#[repr(C)]
struct CCounts {
    offered: u64,
    accepted: u64,
    delivered: u64,
    filtered: u64,
    failed: u64,
    queued: u64,
    dropped: [u64; 6],
    dropped_full: u64,
    dropped_reentered: u64,
    dropped_timeout: u64,
    dropped_memory: u64,
    dropped_other: u64,
    accepted_bytes: u64,
}

/// `logfusion_stats_t`.
#[repr(C)]
pub struct CStats {
    size: usize,
    counts: CCounts,
    dropped_without_ring: u64,
    output_bytes: u64,
    output_errors: u64,
    output_lost_records: u64,
    callbacks_failed: u64,
    bad_utf8: u64,
    longest_delivery_delay_ns: u64,
    threads_live: usize,
    threads_ended: usize,
}

const _: () = {
    use std::mem::offset_of;
    if size_of::<usize>() == 8 {
        assert!(size_of::<CThreadStats>() == 200 && offset_of!(CThreadStats, counts) == 48);
        assert!(offset_of!(CThreadStats, ended) == 192);
        assert!(size_of::<CStats>() == 224 && offset_of!(CStats, counts) == 8);
        assert!(offset_of!(CStats, dropped_without_ring) == 152 && offset_of!(CStats, threads_ended) == 216);
        assert!(offset_of!(CCounts, dropped) == 48 && offset_of!(CCounts, accepted_bytes) == 136);
    }
};

impl CCounts {
    fn of(stats: &ThreadStats) -> Self {
        let mut dropped = [0; 6];
        for (level, count) in dropped.iter_mut().enumerate().skip(1) {
            *count = stats.dropped_at(level);
        }
        Self {
            offered: stats.accepted + stats.dropped_sum(),
            accepted: stats.accepted,
            delivered: stats.delivered,
            filtered: stats.filtered,
            failed: stats.failed,
            queued: stats.queued(),
            dropped,
            dropped_full: stats.dropped_for(Reason::Full),
            dropped_reentered: stats.dropped_for(Reason::Reentered),
            dropped_timeout: stats.dropped_for(Reason::Timeout),
            dropped_memory: stats.dropped_for(Reason::Memory),
            dropped_other: stats.dropped_for(Reason::Other),
            accepted_bytes: stats.accepted_bytes,
        }
    }
}

impl CThreadStats {
    fn of(stats: &ThreadStats) -> Self {
        let (thread_id, shown) = match &stats.thread {
            Some(thread) => (thread.id, &*thread.name),
            None => (0, "(ended)"),
        };
        let mut name = [0; NAME_MAX];
        for (place, byte) in name.iter_mut().zip(text::cut(shown, NAME_MAX - 1).bytes()) {
            *place = byte as c_char;
        }
        let (counts, ended) = (CCounts::of(stats), c_int::from(stats.ended));
        Self { size: size_of::<Self>(), thread_id, name, counts, ended, reserved: 0 }
    }
}

/// See `logfusion_stats` in the header.
///
/// # Safety
///
/// `stats` is NULL or points to a writable `logfusion_stats_t` whose `size` is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_stats(stats: *mut CStats) -> c_int {
    const NAME: &str = "logfusion_stats";
    boundary(Status::Internal.code(), || {
        if stats.is_null() {
            return fail(Status::Null, format_args!("{NAME}: stats is NULL"));
        }
        // SAFETY: not NULL, and the caller set `size`, the first member.
        let size = unsafe { stats.cast::<usize>().read_unaligned() };
        if size != size_of::<CStats>() {
            return wrong_size(NAME, size, size_of::<CStats>());
        }
        let Some(engine) = engine::with_memory() else { return no_memory(NAME) };
        let sum = stats::sum(&engine.slots);
        let output = engine.flush.output_counts();
        let totals = &engine.totals;
        let filled = CStats {
            size,
            counts: CCounts::of(&sum.sum),
            dropped_without_ring: sum.without_ring,
            output_bytes: output.written_bytes,
            output_errors: output.errors,
            output_lost_records: output.lost_records,
            callbacks_failed: totals.callbacks_failed.load(Ordering::Relaxed),
            bad_utf8: totals.bad_utf8.load(Ordering::Relaxed),
            longest_delivery_delay_ns: totals.longest_delay_ns.load(Ordering::Relaxed),
            threads_live: sum.threads_live,
            threads_ended: sum.threads_ended,
        };
        // SAFETY: the caller's struct is of this size.
        unsafe { stats.write_unaligned(filled) };
        Status::Ok.code()
    })
}

fn wrong_size(function: &str, size: usize, right: usize) -> c_int {
    fail(Status::Size, format_args!("{function}: the struct's size is {size}, not {right}; nothing was written"))
}

/// See `logfusion_stats_threads` in the header.
///
/// # Safety
///
/// - `count` is NULL or readable and writable.
/// - `out` is NULL or points to `*count` writable elements, and the first one's `size` is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_stats_threads(out: *mut CThreadStats, count: *mut usize) -> c_int {
    const NAME: &str = "logfusion_stats_threads";
    boundary(Status::Internal.code(), || {
        if count.is_null() {
            return fail(Status::Null, format_args!("{NAME}: count is NULL"));
        }
        // SAFETY: not NULL, and the caller promises that it is readable.
        let room = unsafe { count.read_unaligned() };
        if room > 0 {
            if out.is_null() {
                return fail(Status::Null, format_args!("{NAME}: out is NULL and *count {room}"));
            }
            // SAFETY: not NULL, and the caller set the first element's `size`, its first member.
            let size = unsafe { out.cast::<usize>().read_unaligned() };
            if size != size_of::<CThreadStats>() {
                return wrong_size(NAME, size, size_of::<CThreadStats>());
            }
            if room > text::MOST / size {
                return fail(Status::Size, format_args!("{NAME}: *count is {room}; nothing was written"));
            }
        }
        let Some(engine) = engine::with_memory() else { return no_memory(NAME) };
        let threads = lock(&engine.slots).threads();
        for (index, stats) in threads.iter().take(room).enumerate() {
            // SAFETY: `index < room`, and the caller promises so many elements.
            unsafe { out.add(index).write_unaligned(CThreadStats::of(stats)) };
        }
        // SAFETY: not NULL, and the caller promises that it is writable.
        unsafe { count.write_unaligned(threads.len()) };
        Status::Ok.code()
    })
}
