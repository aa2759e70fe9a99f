//! Stops while other threads log: the engine starts again for a late record, and every accepted one is delivered once.
mod common;

use common::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const STOPS: usize = 200;
const THREADS: usize = 3;

#[test]
fn every_accepted_record_is_delivered_once_over_two_hundred_stops() {
    let _limit = Limit::seconds(90);
    let dir = TempDir::new("shutdown");
    let path = dir.path("log");
    shutdown();
    start(&Config { output: Some(path.clone()), ring_bytes: 64 << 10, ..Config::default() });
    let stop = AtomicBool::new(false);
    let logged = AtomicU64::new(0);
    let accepted: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let loggers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (stop, logged) = (&stop, &logged);
                scope.spawn(move || {
                    let mut accepted = Vec::new();
                    for number in 0.. {
                        if stop.load(Ordering::Acquire) {
                            break;
                        }
                        let status = log_text(INFO, "stop", &format!("{thread} {number}"));
                        logged.fetch_add(1, Ordering::Relaxed);
                        assert!(status == OK || status == E_DROPPED, "{status}");
                        if status == OK {
                            accepted.push(number);
                        }
                        // Slower than the drain, and in small rings: a stop delivers what it finds, a few rings full at worst.
                        if number % 8 == 7 {
                            std::thread::sleep(Duration::from_micros(200));
                        }
                    }
                    accepted
                })
            })
            .collect();
        for _ in 0..STOPS {
            // Not before somebody has logged since the last stop.
            let before = logged.load(Ordering::Relaxed);
            wait_until(Duration::from_secs(10), "records between two stops", || {
                logged.load(Ordering::Relaxed) > before + 20
            });
            shutdown();
        }
        stop.store(true, Ordering::Release);
        loggers.into_iter().map(|logger| logger.join().unwrap()).collect()
    });
    flush_all();
    let mut delivered = vec![Vec::new(); THREADS];
    for message in messages(&path, "stop") {
        let (thread, number) = message.split_once(' ').unwrap();
        delivered[thread.parse::<usize>().unwrap()].push(number.parse::<u64>().unwrap());
    }
    for thread in 0..THREADS {
        assert!(!accepted[thread].is_empty());
        // In order, none missing, none twice.
        let first = accepted[thread].iter().zip(&delivered[thread]).find(|(accepted, delivered)| accepted != delivered);
        assert_eq!(first, None, "accepted and delivered of thread {thread} differ here");
        assert_eq!(accepted[thread].len(), delivered[thread].len());
    }
    let sum = stats();
    sum.counts.assert_equations();
    assert_eq!(sum.counts.accepted, accepted.iter().map(|accepted| accepted.len() as u64).sum::<u64>());
    assert_eq!((sum.counts.queued, sum.counts.failed, sum.counts.filtered), (0, 0, 0));

    // The counts of the outputs of all runs add up to the file.
    shutdown();
    shutdown();
    let written = std::fs::metadata(&path).unwrap().len();
    assert_eq!(stats().output_bytes, written, "bytes written, and bytes in the file");

    a_late_record_needs_no_flush();
    a_flush_during_a_stop_keeps_its_word(&path);
    the_filter_and_the_subscriptions_stay(&path);
    none_means_none(&path, dir.path("second"));
}

/// One record at the very moment of a stop: it is delivered, though nobody does anything after it.
fn a_late_record_needs_no_flush() {
    for round in 0..200 {
        assert_eq!(log(INFO, c"late", c"starts the engine"), OK);
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                shutdown();
            });
            barrier.wait();
            // From before the stop to after it.
            let started = std::time::Instant::now();
            while started.elapsed() < Duration::from_micros(round * 3) {
                std::hint::spin_loop();
            }
            assert_eq!(log(INFO, c"late", c"one record"), OK);
        });
        wait_until(Duration::from_secs(5), "the delivery of a late record", || stats().counts.queued == 0);
    }
    // After a stop, with nobody else there.
    shutdown();
    assert_eq!(log(INFO, c"late", c"starts the engine"), OK);
    wait_until(Duration::from_secs(5), "the delivery of a record after a stop", || stats().counts.queued == 0);
}

/// log, flush, read, while another thread stops the engine over and over.
fn a_flush_during_a_stop_keeps_its_word(path: &std::path::Path) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                shutdown();
                // Lets the other side have a processor; stops and flushes meet all the same.
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        let mut read = std::fs::metadata(path).unwrap().len();
        for number in 0..300 {
            let text = format!("kept {number}");
            assert_eq!(log_text(INFO, "word", &text), OK);
            assert_eq!(flush(10_000), OK);
            let bytes = std::fs::read(path).unwrap();
            let new = String::from_utf8(bytes[read as usize..].to_vec()).unwrap();
            read = bytes.len() as u64;
            assert!(new.contains(&format!(" word: {text}\n")), "flushed, and not in the file: {number}, {new:?}");
        }
        stop.store(true, Ordering::Release);
    });
}

static CALLS: AtomicU64 = AtomicU64::new(0);

unsafe extern "C-unwind" fn count(_: *const logfusion::c_api::CRecord, _: *mut std::ffi::c_void) {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

fn the_filter_and_the_subscriptions_stay(path: &std::path::Path) {
    assert_eq!(log(INFO, c"stay", c"shown"), OK);
    flush_all();
    set_filter(c"info,stay=debug,stay::not=off");
    let handle = subscribe::<()>(c"stay", TRACE, count, std::ptr::null());
    shutdown();
    let offered = stats().counts.offered;
    assert_eq!(log(DEBUG, c"stay", c"by the filter that was set before the stop"), OK);
    assert_eq!(log(INFO, c"stay::not", c"not shown"), OK);
    assert_eq!(log(TRACE, c"stay", c"for the callback alone"), OK);
    flush_all();
    assert_eq!(messages(path, "stay"), ["shown", "by the filter that was set before the stop"]);
    assert_eq!(messages(path, "stay::not").len(), 0);
    assert_eq!(CALLS.load(Ordering::Relaxed), 3);
    assert_eq!(stats().counts.offered, offered + 3, "the ledger runs on");
    assert_eq!(unsubscribe(handle, -1), OK);
}

/// A restart with other settings uses them: another filter, another output, none.
fn none_means_none(first: &std::path::Path, second: std::path::PathBuf) {
    shutdown();
    let size = || std::fs::metadata(first).unwrap().len();
    let before = size();
    start(&Config { output: Some(second.clone()), filter: Some("warn"), ..Config::default() });
    log(INFO, c"second", c"not by the new filter");
    log(WARN, c"second", c"by the new filter");
    flush_all();
    tracing::warn!(target: "second", "from Rust");
    flush_all();
    assert_eq!(messages(&second, "second").len(), 2);
    assert_eq!(size(), before, "the old output is done with");
    shutdown();
    let written = std::fs::metadata(&second).unwrap().len();
    start(&Config { output: Some("none".into()), ..Config::default() });
    log(ERROR, c"third", c"to nowhere");
    flush_all();
    tracing::warn!(target: "third", "from Rust, to nowhere");
    assert_eq!((size(), std::fs::metadata(&second).unwrap().len()), (before, written));
}
