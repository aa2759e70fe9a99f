//! Order across threads.
//!
//! What happens before something else comes out before it: two threads hand a token to each other and log at each turn.
//! And within one pass of the drain, records of all threads come in the order of their clocks; in manual mode a test
//! knows where a pass begins and ends.
mod common;

use common::*;
use logfusion::c_api::logfusion_drain;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex, mpsc};

/// Thread id, number and time of each record, in the order of delivery.
static SEEN: Mutex<Vec<(u64, u64, u64)>> = Mutex::new(Vec::new());

unsafe extern "C-unwind" fn see(record: *const logfusion::c_api::CRecord, _: *mut c_void) {
    // SAFETY: this is a callback.
    let record = unsafe { Record::of(record) };
    let number = record.message().parse().unwrap();
    SEEN.lock().unwrap().push((record.thread_id, number, record.time_ns));
}

fn log_number(target: &str, number: u64) -> bool {
    let mut text = [0_u8; 20];
    let mut rest = &mut text[..];
    std::io::Write::write_fmt(&mut rest, format_args!("{number}")).unwrap();
    let left = rest.len();
    let len = text.len() - left;
    log_bytes(INFO, target.as_bytes(), &text[..len]) == OK
}

const TURNS: u64 = scaled(300_000, 50_000) as u64;

const OTHERS: usize = 100;

/// Each of two threads logs the token's value and passes it on: the values come out in order.
fn hand_over() -> usize {
    let token = AtomicU64::new(0);
    let turns = |mine: u64| {
        let token = &token;
        move || {
            loop {
                let now = token.load(Ordering::Acquire);
                if now >= TURNS {
                    return;
                }
                if now % 2 == mine {
                    assert!(log_number("order", now), "a full ring waits");
                    token.store(now + 1, Ordering::Release);
                } else {
                    std::thread::yield_now();
                }
            }
        }
    };
    // The rings of many others lie between those of the two: the drain takes its time from the one to the other.
    let others = Barrier::new(OTHERS + 1);
    let (first_is_there, hear) = mpsc::channel();
    std::thread::scope(|scope| {
        let (zero, one) = (turns(0), turns(1));
        let first = scope.spawn(move || {
            assert_eq!(log(INFO, c"other", c"the first ring"), OK);
            first_is_there.send(()).unwrap();
            zero();
        });
        hear.recv().unwrap();
        for _ in 0..OTHERS {
            scope.spawn(|| {
                assert_eq!(log(INFO, c"other", c"a ring between"), OK);
                others.wait();
                // Alive until the two are done.
                others.wait();
            });
        }
        others.wait();
        let second = scope.spawn(one);
        first.join().unwrap();
        second.join().unwrap();
        others.wait();
    });
    flush_all();
    let seen = std::mem::take(&mut *SEEN.lock().unwrap());
    assert_eq!(seen.len() as u64, TURNS, "each turn was delivered once");
    let wrong: Vec<_> = seen.windows(2).filter(|pair| pair[0].1 > pair[1].1).collect();
    if let Some(first) = wrong.first() {
        eprintln!("{} of {TURNS} turns came out before the one that caused them, as {first:?}", wrong.len());
    }
    wrong.len()
}

#[test]
fn causes_come_before_effects_and_a_pass_is_sorted() {
    let _limit = Limit::seconds(60);
    start(&Config {
        output: Some("none".into()),
        ring_bytes: 64 << 10,
        overflow: BLOCK,
        block_ms: 60_000,
        idle_us: 50,
        ..Config::default()
    });
    let handle = subscribe::<()>(c"order", INFO, see, std::ptr::null());
    let wrong = hand_over();
    assert_eq!(unsubscribe(handle, -1), OK);
    shutdown();

    // A pass is sorted.
    start(&Config { output: Some("none".into()), ring_bytes: 4 << 20, drain: MANUAL, ..Config::default() });
    let handle = subscribe::<()>(c"order", INFO, see, std::ptr::null());
    let stop = AtomicBool::new(false);
    let (mut records, mut mixed, mut unsorted) = (0, 0, Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    // A few at a time, so that each pass finds something of everybody.
                    for _ in 0..20 {
                        number += u64::from(log_number("order", number));
                    }
                    std::thread::sleep(std::time::Duration::from_micros(10));
                }
            });
        }
        let started = std::time::Instant::now();
        while started.elapsed() < std::time::Duration::from_secs(2) {
            let taken = logfusion_drain(u64::MAX);
            let seen = std::mem::take(&mut *SEEN.lock().unwrap());
            assert_eq!(seen.len() as i64, taken);
            records += taken;
            mixed += seen.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
            unsorted.extend(seen.windows(2).filter(|pair| pair[0].2 > pair[1].2).map(|pair| (pair[0], pair[1])));
            for thread in [0, 1, 2].map(|index| seen.get(index).map(|seen| seen.0)).into_iter().flatten() {
                let numbers: Vec<u64> = seen.iter().filter(|seen| seen.0 == thread).map(|seen| seen.1).collect();
                assert!(numbers.is_sorted(), "a thread's records come in the order of its calls");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    flush_all();
    assert!(records > 10_000 && mixed > 100, "{records} records, {mixed} changes of thread: nothing was tested");
    assert_eq!(unsubscribe(handle, -1), OK);
    assert_eq!(unsorted.first(), None, "{} of {records} records, {mixed} changes of thread", unsorted.len());
    assert_eq!(wrong, 0, "effects before their causes");
}
