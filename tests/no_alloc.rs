//! No allocation: none on a calling thread after its first record, and none for a record on the drain thread.
//!
//! A counting allocator keeps a count for each thread. The callers' rule is exact: 0. The drain's: 100,000 records of text
//! after a warm-up cost 0 allocations, chores included, once its buffers have stopped growing.
mod common;

use common::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    COUNT.set(COUNT.get() + 1);
}

// SAFETY: everything is passed on to the system's allocator; a `const` thread-local without a destructor allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The drain thread's count, as the callback last saw it.
static DRAIN: AtomicU64 = AtomicU64::new(0);

unsafe extern "C-unwind" fn look(_: *const logfusion::c_api::CRecord, _: *mut c_void) {
    DRAIN.store(COUNT.get(), Ordering::Relaxed);
}

/// The drain thread's count now.
fn drains_count() -> u64 {
    assert_eq!(log(INFO, c"look", c"how many?"), OK);
    flush_all();
    DRAIN.load(Ordering::Relaxed)
}

fn assert_none(what: &str, mut f: impl FnMut()) {
    let before = COUNT.get();
    f();
    assert_eq!(COUNT.get() - before, 0, "{what} allocated on the calling thread");
}

const ROUNDS: usize = 200;

fn calls(fields: &[Field], batch: &[Entry]) {
    // Nothing may be dropped but what is meant to be: 200 rounds of a batch of 1,000 would flood the ring.
    assert_none("logfusion_log", || {
        for _ in 0..ROUNDS {
            assert_eq!(log(INFO, c"calls", c"a message of some thirty-five bytes"), OK);
        }
    });
    assert_none("logfusion_log_n", || {
        for _ in 0..ROUNDS {
            assert_eq!(log_bytes(WARN, b"calls", b"with a length"), OK);
        }
    });
    assert_none("logfusion_log_fields", || {
        for _ in 0..ROUNDS {
            assert_eq!(log_fields(ERROR, c"calls", c"with fields", fields), OK);
        }
    });
    assert_none("reserve and commit", || {
        for _ in 0..ROUNDS {
            assert_eq!(reserve_and_commit(INFO, c"calls", b"written in place"), OK);
        }
    });
    assert_none("a batch of 1,000", || assert_eq!(log_batch(batch), batch.len() as isize));
    assert_none("what is disabled", || {
        for _ in 0..ROUNDS {
            assert_eq!(log(TRACE, c"calls", c"nobody wants this"), OK);
            assert_eq!(log_bytes(TRACE, b"calls", b"nor this"), OK);
            assert_eq!(log_fields(TRACE, c"calls", c"nor this", fields), OK);
            assert_eq!(reserve(TRACE, c"calls", 10), Err(OK));
        }
    });
    assert_none("bad arguments", || {
        for _ in 0..ROUNDS {
            assert!(log(17, c"calls", c"no such level") < 0);
            assert!(log_bytes(INFO, b"bad \xFF target", b"bad \xFF text") == OK);
        }
    });
    assert_none("a re-entered call", || {
        let (place, _) = reserve(INFO, c"calls", 10).unwrap();
        for _ in 0..ROUNDS {
            assert_eq!(log(INFO, c"calls", c"inside an open record"), E_DROPPED);
        }
        // SAFETY: room for 10 bytes was asked for and the limit is larger.
        unsafe { place.write_bytes(b'x', 10) };
        assert_eq!(logfusion::c_api::logfusion_commit(10), OK);
    });
}

unsafe extern "C-unwind" fn ended(_: std::ffi::c_int, _: std::ffi::c_int, _: *const std::ffi::c_char) {}

/// The functions of the guide, with good arguments and with bad ones.
fn guide() {
    use logfusion::c_api::*;
    use std::ptr::null;
    let (text, other) = (c"a text".as_ptr(), c"another".as_ptr());
    let (texts, levels) = ([text, other, null()], [1, 2, 3]);
    let mut buffer = [0; 64];
    let (mut calls, mut mean) = (0, 0);
    let out = buffer.as_mut_ptr();
    // SAFETY: NUL-terminated strings, arrays of the lengths given, a buffer of its size, and a callback for any thread.
    assert_none("the guide's functions", || unsafe {
        for _ in 0..20 {
            for message in [text, null()] {
                logfusion_log_info(message);
                logfusion_log_warning(message);
                logfusion_log_error(message, 1);
                logfusion_log_user_action(1, message, 0.5, 1);
                logfusion_log_database_operation(message, other, 1, 0.5, 0);
                logfusion_log_database_operation(other, message, 1, 0.5, 1);
                logfusion_log_http_request(message, other, 200, 0.5, 1);
                logfusion_python_log_info(message, other);
                logfusion_python_log_function_call(other, message, 0.5, 1);
                logfusion_python_log_exception(other, message, message, message);
                logfusion_nodejs_log_request(other, other, 200, 0.5, message);
                logfusion_nodejs_log_error(other, message, message, message, 1);
                logfusion_nodejs_log_performance(message, 0.5, 0.5, 0.5);
                logfusion_fast_log(3, message);
                logfusion_log_with_callback(3, message, other);
                logfusion_safe_log_message(3, text, message, texts.as_ptr(), texts.as_ptr(), 3);
                logfusion_process_data_with_error_handling(message, out, 64);
                logfusion_safe_ffi_function(message);
            }
            assert_eq!(logfusion_batch_log(texts.as_ptr(), levels.as_ptr(), 3), 2);
            assert!(logfusion_get_last_error(out, 64) > 0);
            assert_eq!(logfusion_get_ffi_performance_stats(&raw mut calls, &raw mut mean), 0);
            assert_eq!(logfusion_async_operation(1, Some(ended)), 0);
        }
    });
    assert!(calls > 0 && mean > 0);
}

#[test]
fn nothing_allocates_in_steady_state() {
    let _limit = Limit::seconds(120);
    let dir = TempDir::new("no-alloc");
    start(&Config { output: Some(dir.path("log")), ring_bytes: 8 << 20, ..Config::default() });
    let handle = subscribe::<()>(c"look", INFO, look, std::ptr::null());

    let fields = [
        Field::i64(c"a", -1),
        Field::u64(c"b", 2),
        Field::f64(c"c", 2.5),
        Field::bool(c"d", true),
        Field::text(c"e", "text"),
    ];
    let batch: Vec<_> = (0..1000).map(|_| Entry::new(INFO, "calls", "one of a thousand")).collect();

    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                assert_eq!(log(INFO, c"calls", c"the first record"), OK);
                calls(&fields, &batch);
                guide();
                flush_all();
                // Again, now that the ring has been drained, and past its end.
                for _ in 0..20 {
                    calls(&fields, &batch);
                    flush_all();
                }
            });
        }
    });
    assert_eq!(stats().counts.dropped_full, 0, "the ring was large enough");

    // A full ring.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(log(INFO, c"calls", c"the first record"), OK);
            let text = [b'x'; 400];
            assert_none("a full ring", || {
                let mut dropped = 0;
                for _ in 0..1_000_000 {
                    dropped += u32::from(log_bytes(INFO, b"calls", &text) == E_DROPPED);
                    if dropped > 1000 {
                        return;
                    }
                }
                panic!("the ring was never full");
            });
        });
    });

    // The drain.
    let most: [Field; 32] = std::array::from_fn(|_| Field::text(c"field", "text"));
    let records = |count: usize| {
        for number in 0..count {
            let status = match number % 4 {
                0 => log(INFO, c"drain", c"a message of some thirty-five bytes"),
                1 => log_fields(WARN, c"drain", c"with fields", &fields),
                2 => log_fields(WARN, c"drain", c"with as many as may be", &most),
                _ => log_batch(&batch[..10]) as i32 - 10,
            };
            assert_eq!(status, OK);
            if number % 1000 == 999 {
                flush_all();
            }
        }
    };
    records(10_000);
    // Reports of what was dropped above are made by now, and the thread that dropped is gone.
    wait_until(std::time::Duration::from_secs(5), "the threads' ends", || stats().threads_live <= 2);
    drains_count();
    // A buffer that grows once more, since a pass was larger than any before, is not a cost of records: such growth ends.
    // Of five windows of 100,000 records one must be without any allocation, and none may have more than a few.
    let mut windows = Vec::new();
    while windows.last() != Some(&0) && windows.len() < 5 {
        let delivered = stats().counts.delivered;
        let before = drains_count();
        records(31_000);
        windows.push(drains_count() - before);
        assert!(stats().counts.delivered - delivered >= 100_000);
    }
    let steady = windows.last() == Some(&0) && windows.iter().all(|&count| count <= 8);
    assert!(steady, "allocations on the drain thread, for 100,000 records each: {windows:?}");

    assert_eq!(unsubscribe(handle, -1), OK);
}
