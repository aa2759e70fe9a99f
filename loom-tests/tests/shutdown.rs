//! A late caller against a stop (`logfusion::run_state`).
#![cfg(logfusion_loom)]

use logfusion::ring::{Consumer, Producer, Ring};
use logfusion::run_state::{RUNNING, RunState, STOPPED, look_again, start_late};
use logfusion::sync::{AtomicU32, Mistake, Ordering};
use loom::sync::Arc;
use loom::thread;
use loom_tests::{Preemptions, explore, must_fail, saw};

const BOUND: Preemptions = Preemptions { quick: None, long: None };
const BOUND_OF_THREE: Preemptions = Preemptions { quick: Some(3), long: Some(5) };
const LEN: usize = 16;
const INFO: u32 = 3;

struct Engine {
    state: RunState,
    lifecycle: WeakLock,
    ring: Ring,
}

impl Engine {
    fn running() -> Arc<Self> {
        Arc::new(Self {
            state: RunState::running(),
            lifecycle: WeakLock(AtomicU32::new(FREE)),
            ring: Ring::new(64).expect("heap memory"),
        })
    }

    /// One record. Its thread is the only one that pushes.
    fn push(&self) {
        // SAFETY: one thread of the model calls this.
        let producer = unsafe { Producer::new(self.ring.words()) };
        let mut reservation = producer.reserve(LEN, INFO).expect("room");
        reservation.bytes()[..8].copy_from_slice(&(LEN as u64 | u64::from(INFO) << 32).to_le_bytes());
        _ = reservation.commit(1);
    }

    /// `Engine::start_automatically` of `src/lifecycle.rs`, with nothing to start.
    fn start_automatically(&self) -> bool {
        if self.state.get() != STOPPED || !self.lifecycle.try_lock() {
            return false;
        }
        let stopped = self.state.get() == STOPPED;
        if stopped {
            self.state.set(RUNNING);
        }
        self.lifecycle.unlock();
        stopped
    }
}

const FREE: u32 = 0;
const TAKEN: u32 = 1;

/// In place of the lifecycle's `std` mutex: nobody waits for it here, and a try may fail by a stale look, as a failed
/// compare-exchange may (loom's own never is stale).
struct WeakLock(AtomicU32);

impl WeakLock {
    fn try_lock(&self) -> bool {
        self.0.load(Ordering::Relaxed) == FREE
            && self.0.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn unlock(&self) {
        self.0.store(FREE, Ordering::Release);
    }
}

/// The last pass: records taken out.
fn pass(consumer: &mut Consumer<&Ring>) -> u32 {
    let mut taken = 0;
    consumer.snapshot();
    while let Some(record) = consumer.peek().expect("records alone are in the ring") {
        assert_eq!(record.len(), LEN);
        consumer.advance(LEN);
        taken += 1;
    }
    consumer.release();
    taken
}

/// Threads: a caller that pushes one record, and one that stops the engine and makes the last pass.
fn late_push() {
    let engine = Engine::running();
    let for_stop = engine.clone();
    let stop = thread::spawn(move || {
        // SAFETY: the only consumer of the ring.
        let mut consumer = unsafe { Consumer::new(&for_stop.ring) };
        for_stop.state.set(STOPPED);
        pass(&mut consumer)
    });
    engine.push();
    let late = engine.state.is_late();
    let delivered = stop.join().expect("the stop ends");
    saw(match (delivered, late) {
        (0, false) => panic!("the record is lost: not delivered, and its caller does not know"),
        (0, true) => "late",
        (1, false) => "delivered",
        (1, true) => "both",
        _ => panic!("delivered twice"),
    });
}

/// Threads: a caller that pushes one record and came late, and one that stops the engine, from the moment when it holds the
/// lifecycle's lock and has set the state. The caller's light barrier is left out: on Linux it orders nothing here.
fn record_left_to_the_stop() {
    let engine = Engine::running();
    assert!(engine.lifecycle.try_lock());
    engine.state.set(STOPPED);
    let for_stop = engine.clone();
    let stop = thread::spawn(move || {
        // SAFETY: the only consumer of the ring.
        let mut consumer = unsafe { Consumer::new(&for_stop.ring) };
        let delivered = pass(&mut consumer);
        for_stop.lifecycle.unlock();
        let counts = || for_stop.ring.words().counts();
        let restart = || {
            if for_stop.start_automatically() {
                saw("restarted by the stop");
            }
        };
        look_again(|| counts().published_bytes != consumer.position().0, restart);
        delivered
    });
    engine.push();
    start_late(|| {
        if engine.start_automatically() {
            saw("restarted by the caller");
        }
    });
    let delivered = stop.join().expect("the stop ends");
    let restarted = engine.state.get() == RUNNING;
    assert!(delivered == 1 || restarted, "the record is lost: not delivered, and nobody drains");
    if delivered == 1 && !restarted {
        saw("delivered by the last pass");
    }
}

/// Threads: as before, and one that stops the engine once more: it takes the lock when it is free, has nothing to stop, and
/// lets go.
fn record_left_to_another_stop() {
    let engine = Engine::running();
    assert!(engine.lifecycle.try_lock());
    engine.state.set(STOPPED);
    let is_queued = |engine: &Engine| engine.ring.words().counts().published_bytes > 0;
    let for_first = engine.clone();
    let first = thread::spawn(move || {
        for_first.lifecycle.unlock();
        look_again(|| is_queued(&for_first), || _ = for_first.start_automatically());
    });
    let for_second = engine.clone();
    let second = thread::spawn(move || {
        if for_second.lifecycle.try_lock() {
            saw("stopped again");
            for_second.lifecycle.unlock();
            look_again(|| is_queued(&for_second), || _ = for_second.start_automatically());
        }
    });
    engine.push();
    start_late(|| _ = engine.start_automatically());
    first.join().expect("the stop ends");
    second.join().expect("the second stop ends");
    assert_eq!(engine.state.get(), RUNNING, "the record is lost: nobody drains");
}

#[test]
fn a_late_record_is_delivered_or_its_caller_knows() {
    explore("shutdown, late push", BOUND, &["late", "delivered", "both"], late_push);
}

#[test]
fn a_record_that_the_caller_cannot_settle_is_found() {
    let outcomes = ["restarted by the stop", "restarted by the caller", "delivered by the last pass"];
    explore("shutdown, lifecycle taken", BOUND, &outcomes, record_left_to_the_stop);
}

#[test]
fn a_record_is_found_by_the_last_of_those_who_had_the_lock() {
    explore("shutdown, two stops", BOUND_OF_THREE, &["stopped again"], record_left_to_another_stop);
}

#[test]
fn the_caller_must_look_after_its_push() {
    must_fail("shutdown, late push", BOUND, Mistake::NoCheckAfterPush, "the record is lost", late_push);
}

#[test]
fn the_callers_look_must_be_ordered() {
    must_fail("shutdown, late push", BOUND, Mistake::NoBarrierAfterPush, "the record is lost", late_push);
}

fn must_lose(mistake: Mistake) {
    let symptom = "the record is lost";
    must_fail("shutdown, lifecycle taken", BOUND, mistake, symptom, record_left_to_the_stop);
    must_fail("shutdown, two stops", BOUND_OF_THREE, mistake, symptom, record_left_to_another_stop);
}

#[test]
fn the_stop_must_look_again() {
    must_lose(Mistake::NoLookAfterStop);
}

#[test]
fn the_caller_must_fence_before_it_tries_the_lock() {
    must_lose(Mistake::NoFenceBeforeStart);
}
