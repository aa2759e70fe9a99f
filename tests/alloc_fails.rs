//! The n-th allocation of a calling thread fails, for every n (every ninth in the short form of a start): of a thread's first
//! record, which allocates nothing in a ring of the pool, and of a start with a file. The process goes on and the ledger adds up, or,
//! where a package or `Arc` allocates, Rust ends it with a message; it never hangs or crashes. Memory for a ring that can't
//! be mapped is a counted drop, and a process without descriptors gets a status. Where the allocator has nothing left at all, a
//! start is a status, as is what sets something or asks an engine that is not there, a first record a counted drop, and a
//! statement's first use a record.
mod common;

use common::site::Site;
use common::*;
use logfusion::c_api;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::ExitStatus;
use std::time::Duration;

struct Failing;

thread_local! {
    /// The allocations of this thread that still succeed, and whether one has failed.
    static LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
    static FAILED: Cell<bool> = const { Cell::new(false) };
}

fn fails() -> bool {
    let left = LEFT.get();
    if left == u64::MAX {
        return false;
    }
    LEFT.set(left.saturating_sub(1));
    // One alone: what follows a failure may allocate, as the message of the end does.
    left == 0 && !FAILED.replace(true)
}

// SAFETY: what does not fail is passed on to the system's allocator; NULL is how an allocator fails.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are the system allocator's.
        if fails() { std::ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Failing = Failing;

const TEST: &str = "a_failed_allocation_is_a_status_a_drop_or_a_message";
/// The status of a child whose call needed fewer allocations.
const NOT_REACHED: i32 = 42;

/// Calls `f` with the n-th allocation failing.
fn with_failure<R>(n: u64, f: impl FnOnce() -> R) -> R {
    LEFT.set(n);
    let result = f();
    LEFT.set(u64::MAX);
    result
}

/// The process may map this much more.
fn leave_address_space(bytes: u64) {
    let used = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = used.split(' ').next().unwrap().parse().unwrap();
    let limit = libc::rlimit { rlim_cur: pages * 4096 + bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: reads the limit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
}

/// All that the allocator can still give to this thread.
fn take_all_memory() -> Vec<Vec<u8>> {
    let mut taken = Vec::with_capacity(1 << 20);
    leave_address_space(0);
    for size in [1 << 20, 64 << 10, 4 << 10, 256, 64, 16] {
        loop {
            let mut block = Vec::<u8>::new();
            if taken.len() == taken.capacity() || block.try_reserve_exact(size).is_err() {
                break;
            }
            taken.push(block);
        }
    }
    assert!(taken.len() < taken.capacity());
    taken
}

/// Goes on in a child that has none: those of the test harness allocate, too.
fn leave_other_threads() {
    // SAFETY: the child is as good as the process was but for its threads, of which none logs.
    match unsafe { libc::fork() } {
        // The harness is among those that were left: nobody else would make a failure of a panic.
        0 => {
            let show = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                show(panic);
                std::process::abort();
            }));
        }
        pid => std::process::exit(ExitStatus::from_raw(wait_for(pid)).code().unwrap_or(1)),
    }
}

/// What functions return that allocate, whether the engine runs or not.
fn set_all() -> [c_int; 7] {
    unsafe extern "C-unwind" fn on_record(_: *const c_api::CRecord, _: *mut c_void) {}
    let (target, none, mut handle) = (c"alloc".as_ptr(), std::ptr::null_mut(), 0);
    // SAFETY: the strings are NUL-terminated, the callbacks live as long as the process, and the handle is on this stack.
    unsafe {
        [
            c_api::logfusion_set_filter(c"trace".as_ptr()),
            c_api::logfusion_subscribe(target, INFO, Some(on_record), none, &raw mut handle),
            c_api::logfusion_backtrace(target, 4),
            c_api::logfusion_backtrace_flush(target),
            c_api::logfusion_install_crash_handler(2),
            c_api::logfusion_unsubscribe(handle, 0),
            try_stats().err().unwrap_or(OK),
        ]
    }
}

/// What functions return that need the engine alone.
fn ask_all() -> [c_int; 3] {
    unsafe extern "C-unwind" fn on_end(_: c_int, _: c_int, _: *const c_char) {}
    // SAFETY: the callback lives as long as the process.
    let begun = unsafe { c_api::logfusion_async_operation(1, Some(on_end)) };
    [begun, flush(-1), c_api::logfusion_drain(0).min(0) as c_int]
}

fn end(reached: bool) -> ! {
    flush(10_000);
    let sum = stats().counts;
    sum.assert_equations();
    // SAFETY: the normal end of a program.
    unsafe { libc::exit(if reached { 0 } else { NOT_REACHED }) }
}

fn child_main(role: &str) -> ! {
    let (what, n) = role.rsplit_once(' ').unwrap();
    let n = n.parse().unwrap();
    let config = Config { output: Some(child_log()), ..Config::default() };
    match what {
        "record" | "pooled record" => {
            start(&config);
            if what == "pooled record" {
                // The drain has what arc-swap keeps for each thread, and will not take that of the thread that ends.
                flush(10_000);
                let log_once = || assert_eq!(log(INFO, c"alloc", c"a thread that ends"), OK);
                std::thread::spawn(log_once).join().unwrap();
                wait_until(Duration::from_secs(10), "the thread's end", || stats().threads_ended == 1);
                // The pass that saw it is over, and its ring in the pool.
                flush(10_000);
            }
            let thread = std::thread::spawn(move || {
                let status = with_failure(n, || log(INFO, c"alloc", c"a thread's first record"));
                assert_eq!(status, if FAILED.get() { E_DROPPED } else { OK });
                assert_eq!(log(INFO, c"alloc", c"its second"), OK);
                FAILED.get()
            });
            let reached = thread.join().unwrap();
            assert_eq!(log(INFO, c"alloc", c"another thread's"), OK);
            assert_eq!(stats().dropped_without_ring, u64::from(reached));
            end(reached)
        }
        "start" => {
            with_failure(n, || init_with(&config));
            assert_eq!(log(INFO, c"alloc", c"after the start"), OK);
            end(FAILED.get())
        }
        "start without memory" => {
            leave_other_threads();
            let hog = take_all_memory();
            let status = c_api::logfusion_init();
            let dropped = log(INFO, c"alloc", c"no memory for a start");
            drop(hog);
            assert_eq!(
                (status, last_error()),
                (E_MEMORY, "logfusion_init: there is no memory for it; nothing was done".into())
            );
            assert_eq!(dropped, E_DROPPED);
            start(&config);
            assert_eq!(log(INFO, c"alloc", c"there is again"), OK);
            assert_eq!(stats().dropped_without_ring, 1);
            end(true)
        }
        "calls without memory" => {
            leave_other_threads();
            let hog = take_all_memory();
            let (set, asked) = (set_all(), ask_all());
            drop(hog);
            assert_eq!((set, asked), ([E_MEMORY; 7], [E_MEMORY; 3]));
            start(&Config { drain: MANUAL, ..config });
            let hog = take_all_memory();
            let set = set_all();
            drop(hog);
            assert_eq!(set, [E_MEMORY; 7]);
            assert_eq!((set_all(), ask_all()), ([OK; 7], [OK; 3]));
            end(true)
        }
        "record without memory" => {
            leave_other_threads();
            start(&Config { drain: MANUAL, ..config });
            let first = || {
                let hog = take_all_memory();
                let dropped = log(INFO, c"alloc", c"no memory for what a first record needs");
                drop(hog);
                assert_eq!(dropped, E_DROPPED);
                assert_eq!(log(INFO, c"alloc", c"there is again"), OK);
            };
            std::thread::spawn(first).join().unwrap();
            assert_eq!(stats().dropped_without_ring, 1);
            end(true)
        }
        "site without memory" => {
            leave_other_threads();
            start(&Config { drain: MANUAL, ..config });
            assert_eq!(log(INFO, c"alloc", c"a ring that is there"), OK);
            let site: &Site = Box::leak(Box::new(Site::new(c"alloc", c"alloc_fails.rs", 1)));
            let hog = take_all_memory();
            let was_on = site.log();
            drop(hog);
            assert!(was_on && !site.has_number(), "it asks again");
            assert!(site.log() && site.has_number());
            flush_all();
            let messages = messages(&child_log(), "alloc");
            assert!(messages.ends_with(&["a ring that is there", "text", "text"].map(String::from)), "{messages:?}");
            end(true)
        }
        "ring" => {
            start(&config);
            assert_eq!(log(INFO, c"alloc", c"a ring that is there"), OK);
            let thread = std::thread::spawn(|| {
                // For a ring of 1 MiB.
                leave_address_space(256 << 10);
                (0..10).filter(|_| log(INFO, c"alloc", c"no memory for its ring") == E_DROPPED).count()
            });
            assert_eq!(thread.join().unwrap(), 10);
            let stats = stats();
            assert_eq!((stats.dropped_without_ring, stats.counts.dropped_memory), (10, 10), "{stats:?}");
            end(true)
        }
        "descriptors" => {
            // SAFETY: reads the limit.
            let limit = libc::rlimit { rlim_cur: 3, rlim_max: 3 };
            // SAFETY: as above.
            assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
            assert_eq!(init_with(&config), -11, "LOGFUSION_E_OUTPUT");
            assert_eq!(log(INFO, c"alloc", c"to stderr instead"), OK);
            end(true)
        }
        _ => unreachable!("{role}"),
    }
}

#[test]
fn a_failed_allocation_is_a_status_a_drop_or_a_message() {
    if let Some(role) = role() {
        child_main(&role);
    }
    let _limit = Limit::seconds(200);
    let dir = TempDir::new("alloc-fails");
    let run_child = |role: &str| {
        let mut command = child(TEST, role, &dir.path("log"));
        // SAFETY: only sets a limit in the child.
        unsafe {
            command.pre_exec(|| {
                let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
                Ok(())
            });
        }
        run(command, Duration::from_secs(15))
    };
    // Of a first record: what arc-swap keeps for each thread, the `Arc` of its ring, and a block of the queue to the drain.
    for (what, most_end) in [("record", 3), ("start", u32::MAX)] {
        let (mut went_on, mut ended) = (0, 0);
        let step = if what == "start" { times(9, 1) } else { 1 };
        for n in (0..).step_by(step) {
            let output = run_child(&format!("{what} {n}"));
            let stderr = String::from_utf8_lossy(&output.stderr);
            match (output.status.code(), output.status.signal()) {
                (Some(NOT_REACHED), _) => break,
                (Some(0), _) => went_on += 1,
                (_, Some(libc::SIGABRT)) if stderr.contains("memory allocation of") => ended += 1,
                _ => panic!("{what}, allocation {n}: {}: {stderr}", output.status),
            }
        }
        println!("{what}: {} failures; {went_on} survived, {ended} ended the process", went_on + ended);
        assert!(went_on + ended > 5 && ended <= most_end, "{what}: {went_on} {ended}");
    }
    let output = run_child("pooled record 0");
    assert_eq!(output.status.code(), Some(NOT_REACHED), "a first record in a ring of the pool allocates nothing");
    for what in [
        "start without memory 0",
        "calls without memory 0",
        "record without memory 0",
        "site without memory 0",
        "ring 0",
        "descriptors 0",
    ] {
        let output = run_child(what);
        assert_eq!(output.status.code(), Some(0), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
