//! Sleep and wake: no wake is lost (`logfusion::pace`, "Sleep and wake").
//!
//! The sleep has no time limit here, so a lost wake is a deadlock, which loom reports.
#![cfg(logfusion_loom)]

use logfusion::pace::Sleeper;
use logfusion::sync::{AtomicU32, Mistake, Ordering};
use loom::thread;
use loom_tests::{Preemptions, explore, must_fail, saw};
// Not loom's, which would look for the deadlock again while it unwinds from it.
use std::sync::Arc;

const BOUND: Preemptions = Preemptions { quick: Some(4), long: Some(6) };

/// For each waker: how many reasons it had so far.
type Reasons = [AtomicU32; 2];

fn there(reasons: &Reasons) -> u32 {
    // Relaxed: the protocol's fences alone order them.
    reasons.iter().map(|reason| reason.load(Ordering::Relaxed)).sum()
}

/// The drain sleeps until it has seen everything that wakers have for it.
fn drain(sleeper: &Sleeper, reasons: &Reasons, expected: u32) {
    let mut seen = there(reasons);
    while seen < expected {
        let again = || {
            let found = there(reasons) > seen;
            if found {
                saw("found at the second look");
            }
            found
        };
        let park = || {
            thread::park();
            saw("parked and woken");
        };
        sleeper.sleep(again, park);
        seen = there(reasons);
    }
}

fn wake(sleeper: &Sleeper, reason: &AtomicU32, count: u32, drain: &thread::Thread) {
    reason.store(count, Ordering::Relaxed);
    if sleeper.must_wake() {
        drain.unpark();
    } else {
        saw("nobody to wake");
    }
}

const OUTCOMES: [&str; 3] = ["found at the second look", "parked and woken", "nobody to wake"];

/// Threads: the drain, and two wakers with one reason each.
fn two_wakers() {
    let shared = Arc::new((Sleeper::default(), Reasons::default()));
    let drains_thread = thread::current();
    let wakers: Vec<_> = (0..2)
        .map(|index| {
            let (shared, drains_thread) = (shared.clone(), drains_thread.clone());
            thread::spawn(move || wake(&shared.0, &shared.1[index], 1, &drains_thread))
        })
        .collect();
    drain(&shared.0, &shared.1, 2);
    wakers.into_iter().for_each(|waker| waker.join().expect("the waker ends"));
}

/// Threads: the drain, and one waker with two reasons, one after the other.
fn two_reasons() {
    let shared = Arc::new((Sleeper::default(), Reasons::default()));
    let (for_waker, drains_thread) = (shared.clone(), thread::current());
    let waker = thread::spawn(move || {
        for count in 1..=2 {
            wake(&for_waker.0, &for_waker.1[0], count, &drains_thread);
        }
    });
    drain(&shared.0, &shared.1, 2);
    waker.join().expect("the waker ends");
}

#[test]
fn no_wake_is_lost() {
    explore("pace, two wakers", BOUND, &OUTCOMES, two_wakers);
    explore("pace, two reasons", BOUND, &OUTCOMES, two_reasons);
}

#[test]
fn the_drain_must_look_again() {
    must_fail("pace, two wakers", BOUND, Mistake::SleepWithoutSecondLook, "deadlock", two_wakers);
    must_fail("pace, two reasons", BOUND, Mistake::SleepWithoutSecondLook, "deadlock", two_reasons);
}

#[test]
fn the_waker_must_fence() {
    must_fail("pace, two wakers", BOUND, Mistake::NoFenceBeforeWake, "deadlock", two_wakers);
    must_fail("pace, two reasons", BOUND, Mistake::NoFenceBeforeWake, "deadlock", two_reasons);
}
