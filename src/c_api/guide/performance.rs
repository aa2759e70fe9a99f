//! "High-performance FFI logging".

use super::table::{INFO, Unread, emit};
use crate::c_api::errors::fail;
use crate::c_api::status::Status;
use crate::c_api::text::MOST;
use crate::c_api::{boundary, marked_boundary, quick};
use crate::clock;
use crate::os::HostGuard;
use crate::sync::{AtomicU64, AtomicUsize, Ordering};
use std::cell::Cell;
use std::ffi::{c_char, c_int};

/// Whatever is wrong with an argument of these functions.
const BAD: c_int = -1;

/// What is known of the calls of some threads: a cache line or two of their own, so that threads do not slow each other.
#[repr(align(128))]
struct Shard {
    calls: AtomicU64,
    /// Calls that were measured, each counted for as many as it stands for.
    weight: AtomicU64,
    /// Their cost, weighted alike.
    ticks: AtomicU64,
}

const SHARDS: usize = 16;

static CALLS: [Shard; SHARDS] =
    [const { Shard { calls: AtomicU64::new(0), weight: AtomicU64::new(0), ticks: AtomicU64::new(0) } }; SHARDS];

thread_local! {
    static SHARD: Cell<Option<&'static Shard>> = const { Cell::new(None) };
}

/// The calling thread's shard. Threads take them in turn.
#[inline]
fn shard() -> &'static Shard {
    #[cold]
    fn choose() -> &'static Shard {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let shard = &CALLS[NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS];
        SHARD.set(Some(shard));
        shard
    }
    SHARD.get().unwrap_or_else(choose)
}

impl Shard {
    /// The first calls are all measured, so that a few calls have a mean, too; each stands for itself.
    const ALL_UNTIL: u64 = 16;
    /// Of later ones each so manieth, which stands for all in between.
    const EACH: u64 = 64;

    /// Counts a call and makes it, measured or not.
    #[inline(always)]
    fn count(&self, call: impl FnOnce()) {
        let before = self.calls.fetch_add(1, Ordering::Relaxed);
        if before >= Self::ALL_UNTIL && !before.is_multiple_of(Self::EACH) {
            return call();
        }
        let weight = if before < Self::ALL_UNTIL { 1 } else { Self::EACH };
        let begin = clock::ticks();
        call();
        let cost = clock::ticks().saturating_sub(begin);
        self.weight.fetch_add(weight, Ordering::Relaxed);
        self.ticks.fetch_add(cost * weight, Ordering::Relaxed);
    }
}

/// See `logfusion_fast_log` in the header.
///
/// # Safety
///
/// `message` is NULL or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_fast_log(level: c_int, message: *const c_char) {
    shard().count(|| {
        // SAFETY: the caller's promise.
        if unsafe { quick::log(level as u32, "ffi_fast", message) } {
            return;
        }
        marked_boundary((), |mark| {
            // SAFETY: the caller's promise.
            if let Some(message) = unsafe { Unread::required("logfusion_fast_log", "message", message) } {
                emit(mark, super::level(level), "ffi_fast", message, []);
            }
        });
    });
}

/// See `logfusion_get_ffi_performance_stats` in the header.
///
/// # Safety
///
/// `total_calls` and `avg_time_ns` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_get_ffi_performance_stats(
    total_calls: *mut c_int,
    avg_time_ns: *mut c_int,
) -> c_int {
    boundary(BAD, || {
        let _host = HostGuard::new();
        if total_calls.is_null() || avg_time_ns.is_null() {
            let which = if total_calls.is_null() { "total_calls" } else { "avg_time_ns" };
            fail(Status::Null, format_args!("logfusion_get_ffi_performance_stats: {which} is NULL"));
            return BAD;
        }
        let sum = |of: fn(&Shard) -> &AtomicU64| CALLS.iter().map(|shard| of(shard).load(Ordering::Relaxed)).sum();
        let (calls, weight, ticks): (u64, u64, u64) =
            (sum(|shard| &shard.calls), sum(|shard| &shard.weight), sum(|shard| &shard.ticks));
        let mean = ticks.checked_div(weight).map_or(0, clock::span_ns);
        // SAFETY: not NULL, and the caller promises that they are writable.
        unsafe {
            total_calls.write_unaligned(c_int::try_from(calls).unwrap_or(c_int::MAX));
            avg_time_ns.write_unaligned(c_int::try_from(mean).unwrap_or(c_int::MAX));
        }
        0
    })
}

/// See `logfusion_batch_log` in the header.
///
/// # Safety
///
/// `messages` and `levels` are NULL or point to `count` elements; each message is NULL or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_batch_log(
    messages: *const *const c_char,
    levels: *const c_int,
    count: c_int,
) -> c_int {
    const NAME: &str = "logfusion_batch_log";
    marked_boundary(BAD, |mark| {
        if messages.is_null() || levels.is_null() {
            let which = if messages.is_null() { "messages" } else { "levels" };
            fail(Status::Null, format_args!("{NAME}: {which} is NULL; nothing was logged"));
            return BAD;
        }
        if count <= 0 || count as usize > MOST / size_of::<*const c_char>() {
            fail(Status::Size, format_args!("{NAME}: count is {count}; nothing was logged"));
            return BAD;
        }
        let (mut accepted, mut skipped) = (0, 0);
        for index in 0..count {
            let place = index as usize;
            // SAFETY: neither is NULL, and the caller promises `count` elements of each, of which the size does not
            // overflow. The pointers may be misaligned.
            let (message, level) =
                unsafe { (messages.add(place).read_unaligned(), levels.add(place).read_unaligned()) };
            if message.is_null() {
                skipped += 1;
                continue;
            }
            // SAFETY: not NULL, and the caller promises a NUL-terminated string.
            let message = unsafe { Unread::or(message, c"") };
            let is_accepted = emit(mark, super::level(level), "ffi_batch", message, [("batch_index", index.into())]);
            accepted += c_int::from(is_accepted);
        }
        if skipped > 0 {
            fail(Status::Null, format_args!("{NAME}: {skipped} of {count} messages are NULL; they are left out"));
        }
        let fields = [("total_messages", count.into()), ("processed_messages", accepted.into())];
        emit(mark, INFO, "ffi_batch", "batch", fields);
        accepted
    })
}

plain_names! {
    fast_log = logfusion_fast_log(level: c_int, message: *const c_char);
    get_ffi_performance_stats = logfusion_get_ffi_performance_stats(
        total_calls: *mut c_int, avg_time_ns: *mut c_int,
    ) -> c_int;
    batch_log = logfusion_batch_log(messages: *const *const c_char, levels: *const c_int, count: c_int) -> c_int;
}
