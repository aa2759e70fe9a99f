//! Re-entry: two timer signals log at random moments of a thread that does nothing but log. What comes out is readable,
//! nothing is overwritten, and what was re-entrant is counted.
//!
//! In a release build until a million interruptions have happened; in a dev build for some seconds.
mod common;

use common::*;
use std::ffi::c_void;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const INTERRUPTIONS: u64 = 1_000_000;
const MOST: Duration = Duration::from_secs(scaled(90, 4) as u64);

static CALLS: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
static ACCEPTED: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
static DROPPED: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
static OTHER: AtomicU64 = AtomicU64::new(0);

/// Logs its own number. The text is written by hand: a handler may not format.
fn log_from(handler: usize) {
    let number = CALLS[handler].fetch_add(1, Ordering::Relaxed);
    let mut text = *b"handler 0 00000000000";
    text[8] += handler as u8;
    let mut rest = number;
    for place in text[10..].iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let counter = match log_bytes(WARN, b"reentry", &text) {
        OK => &ACCEPTED[handler],
        E_DROPPED => &DROPPED[handler],
        _ => &OTHER,
    };
    counter.fetch_add(1, Ordering::Relaxed);
}

extern "C" fn on_alarm(_: libc::c_int) {
    log_from(0);
}

extern "C" fn on_prof(_: libc::c_int) {
    log_from(1);
}

/// Has a signal sent to the calling thread, every `period` of real time.
fn arm(signal: libc::c_int, handler: extern "C" fn(libc::c_int), period: Duration) -> libc::timer_t {
    // SAFETY: plain structs, valid as zeros and filled in; the handler is a function that only logs.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
        let mut event: libc::sigevent = std::mem::zeroed();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        event.sigev_notify_thread_id = libc::gettid();
        let mut timer: libc::timer_t = std::mem::zeroed();
        assert_eq!(libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer), 0);
        let interval = libc::timespec { tv_sec: 0, tv_nsec: period.as_nanos() as libc::c_long };
        let every = libc::itimerspec { it_interval: interval, it_value: interval };
        assert_eq!(libc::timer_settime(timer, 0, &every, std::ptr::null_mut()), 0);
        timer
    }
}

fn disarm(timer: libc::timer_t) {
    // SAFETY: made by `arm`.
    assert_eq!(unsafe { libc::timer_delete(timer) }, 0);
}

/// Logs until enough interruptions have happened; returns its own calls, accepted and dropped ones.
fn log_and_be_interrupted() -> (u64, u64, u64) {
    set_thread_name(c"reentry");
    let timers = [
        arm(libc::SIGALRM, on_alarm, Duration::from_micros(31)),
        arm(libc::SIGPROF, on_prof, Duration::from_micros(47)),
    ];
    let started = Instant::now();
    let (mut calls, mut accepted, mut dropped) = (0_u64, 0, 0);
    let mut text = *b"thread    00000000000";
    loop {
        for place in text.iter_mut().rev() {
            *place = if *place == b'9' { b'0' } else { *place + 1 };
            if *place != b'0' {
                break;
            }
        }
        // Each way into the ring in turn.
        let status = match calls % 4 {
            0 | 1 => log_bytes(INFO, b"reentry", &text),
            2 => reserve_and_commit(INFO, c"reentry", &text),
            _ => {
                let fields = [Field::u64(c"number", calls)];
                log_fields(INFO, c"reentry", c"with a field", &fields)
            }
        };
        calls += 1;
        match status {
            OK => accepted += 1,
            status => {
                assert_eq!(status, E_DROPPED);
                dropped += 1;
            }
        }
        // The drain keeps up: a flush may be interrupted like anything else.
        if calls % 2000 == 0 {
            assert_eq!(flush(10_000), OK);
            let handled: u64 = CALLS.iter().map(|calls| calls.load(Ordering::Relaxed)).sum();
            if handled >= INTERRUPTIONS || started.elapsed() > MOST {
                break;
            }
        }
    }
    timers.into_iter().for_each(disarm);
    (calls, accepted, dropped)
}

/// What came out, checked record by record on the drain: a file of all of them would be too large to keep.
#[derive(Default)]
struct Seen {
    records: AtomicU64,
    /// Of the thread itself.
    from_thread: AtomicU64,
    /// Not what anybody logged, or before one that was logged earlier.
    wrong: Mutex<Vec<String>>,
    /// The last number of each writer: the two handlers, and the thread in its two ways. 0 is before the first.
    last: [AtomicU64; 4],
}

unsafe extern "C-unwind" fn see(record: *const logfusion::c_api::CRecord, context: *mut c_void) {
    // SAFETY: this is a callback, and its context is a `Seen` that outlives the subscription.
    let (record, seen) = unsafe { (Record::of(record), &*context.cast::<Seen>()) };
    seen.records.fetch_add(1, Ordering::Relaxed);
    let message = record.message();
    let (writer, number) = match (message.split_at_checked(10), record.fields()) {
        (Some(("handler 0 ", number)), []) => (0, number.parse().ok()),
        (Some(("handler 1 ", number)), []) => (1, number.parse().ok()),
        (Some(("thread    ", number)), []) => (2, number.parse().ok()),
        // SAFETY: a field of this type has this member.
        (_, [field]) if message == "with a field" && field.type_ == 2 => (3, Some(unsafe { field.value.u64 })),
        _ => (4, None),
    };
    seen.from_thread.fetch_add(u64::from(writer == 2 || writer == 3), Ordering::Relaxed);
    let in_order = number.is_some_and(|number: u64| seen.last[writer].swap(number + 1, Ordering::Relaxed) <= number);
    if !in_order || record.target() != "reentry" {
        seen.wrong.lock().unwrap().push(format!("{}: {message:?}", record.target()));
    }
}

#[test]
fn a_push_may_be_interrupted_by_one_that_logs() {
    let _limit = Limit::seconds(150);
    start(&Config { output: Some("none".into()), ring_bytes: 4 << 20, ..Config::default() });
    let seen = Seen::default();
    let handle = subscribe(c"reentry", INFO, see, &raw const seen);
    let (calls, accepted, dropped) = std::thread::spawn(log_and_be_interrupted).join().unwrap();
    flush_all();
    assert_eq!(unsubscribe(handle, -1), OK);

    let sum = |counters: &[AtomicU64; 2]| counters.iter().map(|counter| counter.load(Ordering::Relaxed)).sum::<u64>();
    let (handler_calls, handler_accepted, handler_dropped) = (sum(&CALLS), sum(&ACCEPTED), sum(&DROPPED));
    assert_eq!(OTHER.load(Ordering::Relaxed), 0);
    let counts = stats_of("reentry");
    eprintln!("{calls} calls, {handler_calls} interruptions, {} of them inside a push", counts.dropped_reentered);
    assert!(handler_calls > 10_000 && counts.dropped_reentered > 100, "nothing was tested");
    counts.assert_equations();
    assert_eq!(dropped, 0, "the interrupted push itself is never re-entrant, and the ring was never full");
    assert_eq!(counts.offered, calls + handler_calls);
    assert_eq!(counts.accepted, accepted + handler_accepted);
    assert_eq!(counts.dropped_reentered, handler_dropped);
    assert_eq!((counts.failed, counts.queued, counts.filtered), (0, 0, 0), "{counts:?}");

    // Every delivered record is readable, each writer's are in order, and none is missing.
    let wrong = seen.wrong.lock().unwrap();
    assert!(wrong.is_empty(), "{} records are not what was logged; the first: {:?}", wrong.len(), &wrong[..1]);
    assert_eq!(seen.from_thread.load(Ordering::Relaxed), accepted, "a push that was interrupted is whole");
    assert_eq!(seen.records.load(Ordering::Relaxed), counts.delivered);
}
