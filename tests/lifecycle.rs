//! The whole engine at once: threads that log, flush (and wait, or are called back) and end, a drain that sleeps, stops in between, late records that start
//! the engine again, and a callback that is unregistered. Too large for loom, so [shuttle](https://docs.rs/shuttle) runs it in
//! random interleavings (`ci/shuttle`): 100,000 under `make soak`. The source is the engine's own, built on shuttle's
//! primitives ([`logfusion::sync`]); the process lives on from one interleaving to the next, and so does the engine.
#![cfg(logfusion_shuttle)]
mod common;

use common::*;
use logfusion::c_api::{CRecord, logfusion_async_operation};
use logfusion::sync::{Mistake, seed};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Runner, thread};
use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const CALLERS: usize = 3;
/// Records of each caller.
const RECORDS: [u64; CALLERS] = [6, 6, 1];
const TARGET: &std::ffi::CStr = c"lifecycle";

/// What the callback has seen, by caller. Plain atomics: they are the test's, and no point at which threads change.
static SEEN: [AtomicU64; CALLERS] = [const { AtomicU64::new(0) }; CALLERS];
/// Asynchronous flushes that ended, by caller.
static FLUSHED: [AtomicU64; CALLERS] = [const { AtomicU64::new(0) }; CALLERS];
static FLUSHED_EARLY: AtomicBool = AtomicBool::new(false);
static OUT_OF_ORDER: AtomicBool = AtomicBool::new(false);
/// The context of the other callback is gone.
static FREED: AtomicBool = AtomicBool::new(false);
static CALLED_AFTER_ITS_END: AtomicBool = AtomicBool::new(false);

unsafe extern "C-unwind" fn count(record: *const CRecord, _: *mut c_void) {
    // SAFETY: a callback is given a record.
    let (_, _, message) = unsafe { &*record }.texts();
    // SAFETY: a record's texts end with a NUL.
    let text = unsafe { std::ffi::CStr::from_ptr(message) }.to_str().unwrap_or_default();
    let numbers: Vec<usize> = text.split(' ').filter_map(|number| number.parse().ok()).collect();
    let is_next = match numbers[..] {
        [caller, number] if caller < CALLERS => SEEN[caller].fetch_add(1, Ordering::Relaxed) == number as u64,
        _ => false,
    };
    OUT_OF_ORDER.fetch_or(!is_next, Ordering::Relaxed);
}

unsafe extern "C-unwind" fn look(_: *const CRecord, _: *mut c_void) {
    thread::yield_now();
    if FREED.load(Ordering::Relaxed) {
        CALLED_AFTER_ITS_END.store(true, Ordering::Relaxed);
    }
}

unsafe extern "C-unwind" fn flushed(caller: c_int, _: c_int, _: *const c_char) {
    let caller = caller as usize;
    FLUSHED[caller].fetch_add(1, Ordering::Relaxed);
    FLUSHED_EARLY.fetch_or(SEEN[caller].load(Ordering::Relaxed) < RECORDS[caller], Ordering::Relaxed);
}

fn caller(number: usize) {
    for record in 0..RECORDS[number] {
        assert_eq!(log_text(INFO, TARGET.to_str().unwrap(), &format!("{number} {record}")), OK);
        if record == 1 + number as u64 {
            assert_eq!(flush(-1), OK);
            assert!(SEEN[number].load(Ordering::Relaxed) > record, "flushed and not delivered");
        }
    }
    // SAFETY: the callback lives as long as the process.
    assert_eq!(unsafe { logfusion_async_operation(number as c_int, Some(flushed)) }, OK);
}

fn lifecycle() {
    SEEN.iter().chain(&FLUSHED).for_each(|count| count.store(0, Ordering::Relaxed));
    for flag in [&OUT_OF_ORDER, &FREED, &CALLED_AFTER_ITS_END, &FLUSHED_EARLY] {
        flag.store(false, Ordering::Relaxed);
    }
    start(&Config { output: Some("none".into()), ring_bytes: 4096, ..Config::default() });
    let before = stats().counts;
    let counts = subscribe::<()>(TARGET, INFO, count, std::ptr::null());
    let looks = subscribe::<()>(TARGET, INFO, look, std::ptr::null());
    let callers: Vec<_> = (0..CALLERS).map(|number| thread::spawn(move || caller(number))).collect();
    let stopper = thread::spawn(|| (0..2).for_each(|_| shutdown()));
    let unregisters = thread::spawn(move || {
        assert_eq!(unsubscribe(looks, -1), OK);
        FREED.store(true, Ordering::Relaxed);
    });
    callers.into_iter().for_each(|caller| caller.join().expect("the caller ends"));
    stopper.join().expect("the stopper ends");
    unregisters.join().expect("the callback ends");
    // Whoever logged last is not waited for, nor helped.
    let is_less = |(count, wanted): (&AtomicU64, u64)| count.load(Ordering::Relaxed) < wanted;
    while SEEN.iter().zip(RECORDS).chain(FLUSHED.iter().zip([1; CALLERS])).any(is_less) {
        thread::yield_now();
    }
    shutdown();
    let ended = [&SEEN, &FLUSHED].map(|counts| counts.each_ref().map(|count| count.load(Ordering::Relaxed)));
    assert_eq!(ended, [RECORDS, [1; CALLERS]], "each record and each flush once");
    assert!(!FLUSHED_EARLY.load(Ordering::Relaxed), "a flush ended before what was logged before it");
    assert!(!OUT_OF_ORDER.load(Ordering::Relaxed), "in order");
    assert!(!CALLED_AFTER_ITS_END.load(Ordering::Relaxed), "a callback ran after its end");
    let after = stats().counts;
    after.assert_equations();
    assert_eq!((after.queued, after.accepted - before.accepted), (0, RECORDS.iter().sum()));
    assert_eq!(unsubscribe(counts, -1), OK);
}

fn run(scheduler: impl Scheduler + 'static) {
    let mut config = shuttle::Config::new();
    // Formatting and tracing have larger frames than a coroutine by default.
    config.stack_size = 256 << 10;
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(lifecycle);
}

/// `LOGFUSION_SCHEDULES` says how many.
fn schedules() -> usize {
    std::env::var("LOGFUSION_SCHEDULES").ok().and_then(|number| number.parse().ok()).unwrap_or(2000)
}

/// What a model finds, the engine's own interleavings show too: in a process of its own, which the first of them ends.
const MISTAKES: [Mistake; 5] = [
    Mistake::NoCheckAfterPush,
    Mistake::NoLookAfterStop,
    Mistake::SleepWithoutSecondLook,
    Mistake::EnterWithoutClosedCheck,
    Mistake::EmptyBeforeGone,
];

#[test]
fn the_lifecycle_holds() {
    /// Some are rare.
    const MOST: usize = 1_000_000;
    if let Some(role) = role() {
        seed(MISTAKES.into_iter().find(|mistake| format!("{mistake:?}") == role));
        return run(PctScheduler::new(3, MOST));
    }
    // Asked once: a start takes the engine's variables out of the environment.
    let schedules = schedules();
    run(RandomScheduler::new(schedules / 4));
    // Few switches, anywhere: finds more, since one thread goes on for long while another stands between two steps.
    run(PctScheduler::new(3, schedules));
    for mistake in MISTAKES {
        let output = child("the_lifecycle_holds", &format!("{mistake:?}"), "".as_ref()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let why = said.lines().skip_while(|line| !line.contains(" panicked at ")).nth(1).unwrap_or_default();
        assert!(!output.status.success(), "{mistake:?}: {why}\n{said}");
        eprintln!("{mistake:?}: {why}");
    }
    eprintln!("lifecycle: {} schedules, and {} seeded mistakes found", schedules * 5 / 4, MISTAKES.len());
}
