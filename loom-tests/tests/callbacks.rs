//! A closed callback: not running, and never again (`logfusion::quiescence`).
//!
//! The registry's list (arc-swap) is left out: each caller holds the registration already, as one with an old list does.
#![cfg(logfusion_loom)]

use logfusion::quiescence::Quiescence;
use logfusion::sync::Mistake;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use loom_tests::{Preemptions, explore, must_fail, saw};
use std::sync::atomic::{AtomicBool, Ordering};

const BOUND: Preemptions = Preemptions { quick: Some(4), long: None };

#[derive(Default)]
struct Registration {
    word: Quiescence,
    context: UnsafeCell<()>,
    /// Not loom's: it is what has happened so far, whoever can see it.
    freed: AtomicBool,
}

// SAFETY: the cell holds nothing; loom checks its accesses.
unsafe impl Sync for Registration {}

impl Registration {
    /// Calls the callback, which uses its context; `false`: closed.
    fn call(&self) -> bool {
        if !self.word.enter() {
            saw("closed");
            return false;
        }
        saw("called");
        assert!(!self.freed.load(Ordering::Relaxed), "called after the context was freed");
        self.context.with(|_| ());
        self.word.leave();
        true
    }

    fn wait(&self) {
        while !self.word.is_quiet() {
            saw("waited");
            thread::yield_now();
        }
    }

    /// Unsubscribes, and frees the context as a C program may then.
    fn close_and_free(&self) {
        assert!(self.word.close());
        self.wait();
        self.freed.store(true, Ordering::Relaxed);
        self.context.with_mut(|_| ());
    }
}

/// Threads: one that unsubscribes and frees, and two callers with one call each.
fn two_callers() {
    let shared = Arc::new(Registration::default());
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let shared = shared.clone();
            thread::spawn(move || _ = shared.call())
        })
        .collect();
    shared.close_and_free();
    callers.into_iter().for_each(|caller| caller.join().expect("the caller ends"));
    assert!(!shared.call());
}

/// Threads: one that unsubscribes and frees, and one caller with two calls.
fn two_calls() {
    let shared = Arc::new(Registration::default());
    let for_caller = shared.clone();
    let caller = thread::spawn(move || [for_caller.call(), for_caller.call()]);
    shared.close_and_free();
    let [first, second] = caller.join().expect("the caller ends");
    assert!(first || !second, "closed for good");
}

/// Threads: two, each inside a callback of its own that unsubscribes the other's. None waits inside; each waits once it is
/// outside, and frees.
fn each_closes_the_other() {
    let both: Arc<[Registration; 2]> = Arc::default();
    let run = |both: &[Registration; 2], own: usize| {
        let other = &both[1 - own];
        if both[own].word.enter() {
            assert!(!both[own].freed.load(Ordering::Relaxed), "called after the context was freed");
            both[own].context.with(|_| ());
            other.word.close();
            both[own].word.leave();
            other.wait();
            other.freed.store(true, Ordering::Relaxed);
            other.context.with_mut(|_| ());
        } else {
            saw("closed by the other");
        }
    };
    let for_second = both.clone();
    let second = thread::spawn(move || run(&for_second, 1));
    run(&both, 0);
    second.join().expect("the other thread ends");
    let closed = both.iter().filter(|registration| registration.word.is_closed()).count();
    saw(["none closed", "one closed", "both closed"][closed]);
    assert!(closed > 0, "at least one came in");
    assert!(both.iter().all(|registration| registration.word.is_quiet()));
}

#[test]
fn nothing_runs_after_unsubscribe() {
    explore("callbacks, two callers", BOUND, &["called", "closed", "waited"], two_callers);
    explore("callbacks, two calls", BOUND, &["called", "closed", "waited"], two_calls);
}

#[test]
fn callbacks_that_unsubscribe_each_other_end() {
    let outcomes = ["closed by the other", "one closed", "both closed", "waited"];
    explore("callbacks, each closes the other", BOUND, &outcomes, each_closes_the_other);
}

#[test]
fn a_call_must_look_at_closed() {
    let symptom = "called after the context was freed";
    must_fail("callbacks, two callers", BOUND, Mistake::EnterWithoutClosedCheck, symptom, two_callers);
    must_fail(
        "callbacks, each closes the other",
        BOUND,
        Mistake::EnterWithoutClosedCheck,
        symptom,
        each_closes_the_other,
    );
}

#[test]
fn unsubscribe_must_wait() {
    must_fail("callbacks, two callers", BOUND, Mistake::CloseWithoutWait, "Causality violation", two_callers);
    must_fail(
        "callbacks, each closes the other",
        BOUND,
        Mistake::CloseWithoutWait,
        "Causality violation",
        each_closes_the_other,
    );
}
