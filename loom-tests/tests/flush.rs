//! Flush: a ticket that is done covers what was accepted before it, and a stop leaves nobody waiting
//! (`logfusion::tickets`).
//!
//! A pass is written out here in the order of `src/drain/mod.rs`; an atomic stands for the mutex around the last ticket done.
#![cfg(logfusion_loom)]

use logfusion::ring::{Consumer, Producer, Ring};
use logfusion::run_state::{RUNNING, RunState, STOPPED};
use logfusion::sync::{AtomicU64, Mistake, Ordering};
use logfusion::tickets::Tickets;
use loom::sync::Arc;
use loom::thread;
use loom_tests::{Preemptions, explore, must_fail, saw};

const BOUND: Preemptions = Preemptions { quick: None, long: None };
const LEN: usize = 16;
const INFO: u32 = 3;

struct Engine {
    state: RunState,
    tickets: Tickets,
    done: AtomicU64,
    /// Records taken out.
    delivered: AtomicU64,
    ring: Ring,
}

impl Engine {
    fn pass(&self, consumer: &mut Consumer<&Ring>) {
        let ticket = self.tickets.latest();
        consumer.snapshot();
        let mut delivered = self.delivered.load(Ordering::Relaxed);
        while let Some(record) = consumer.peek().expect("records alone are in the ring") {
            let len = record.len();
            consumer.advance(len);
            delivered += 1;
        }
        self.delivered.store(delivered, Ordering::Relaxed);
        consumer.release();
        self.done.store(ticket, Ordering::Release);
    }
}

/// Threads: one that pushes a record and flushes, and one that drains: a pass, the stop, the last pass.
fn flush_and_stop() {
    let engine = Arc::new(Engine {
        state: RunState::running(),
        tickets: Tickets::default(),
        done: AtomicU64::new(0),
        delivered: AtomicU64::new(0),
        ring: Ring::new(64).expect("heap memory"),
    });
    let for_drain = engine.clone();
    let drain = thread::spawn(move || {
        // SAFETY: the only consumer of the ring.
        let mut consumer = unsafe { Consumer::new(&for_drain.ring) };
        for_drain.pass(&mut consumer);
        for_drain.state.set(STOPPED);
        for_drain.pass(&mut consumer);
    });
    // SAFETY: this thread alone uses a producer of the ring.
    let producer = unsafe { Producer::new(engine.ring.words()) };
    let mut reservation = producer.reserve(LEN, INFO).expect("room");
    reservation.bytes()[..8].copy_from_slice(&(LEN as u64 | u64::from(INFO) << 32).to_le_bytes());
    _ = reservation.commit(1);

    let ticket = engine.tickets.request();
    let waits = engine.state.get() == RUNNING;
    if engine.done.load(Ordering::Acquire) >= ticket {
        saw("done at the first look");
        assert_eq!(engine.delivered.load(Ordering::Relaxed), 1, "flushed and not delivered");
    }
    drain.join().expect("the drain ends");
    if waits {
        saw("waits");
        assert!(engine.done.load(Ordering::Acquire) >= ticket, "waits for ever");
        assert_eq!(engine.delivered.load(Ordering::Relaxed), 1, "flushed and not delivered");
    } else {
        saw("stopped");
    }
}

#[test]
fn what_is_flushed_is_delivered_and_nobody_waits_for_a_stopped_drain() {
    explore("flush", BOUND, &["done at the first look", "waits", "stopped"], flush_and_stop);
}

#[test]
fn a_ticket_must_carry_the_heads() {
    must_fail("flush", BOUND, Mistake::RelaxedTicket, "flushed and not delivered", flush_and_stop);
}

#[test]
fn the_request_must_come_before_the_look_at_the_state() {
    must_fail("flush", BOUND, Mistake::NoBarrierAfterRequest, "waits for ever", flush_and_stop);
}
