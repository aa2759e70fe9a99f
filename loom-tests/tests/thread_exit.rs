//! A thread's last record, and the ring's next thread (`src/producers.rs`, "The last record").
//!
//! Stand-ins: an atomic flag that the thread sets as its last step, for the robust mutex that the kernel marks (with
//! `Release` and `Acquire`, no more than the mutex gives); loom's channels, for the pool (`ArrayQueue`) and for the way of
//! new rings to the drain (`SegQueue`).
#![cfg(logfusion_loom)]

use logfusion::ring::{Consumer, Producer, Ring};
use logfusion::sync::{AtomicU32, Mistake, Ordering};
use loom::sync::{Arc, mpsc};
use loom::thread;
use loom_tests::{Preemptions, explore, must_fail, saw};

const BOUND: Preemptions = Preemptions { quick: Some(3), long: Some(5) };
const LEN: usize = 16;
const INFO: u32 = 3;

struct Slot {
    ring: Ring,
    gone: AtomicU32,
}

/// The ring inside a slot, as in `src/drain/lane.rs`.
struct SlotRing(Arc<Slot>);

impl std::ops::Deref for SlotRing {
    type Target = Ring;

    fn deref(&self) -> &Ring {
        &self.0.ring
    }
}

impl Slot {
    /// The owner's life: these records, one push each, and the end.
    fn log_and_end(&self, tags: &[u64]) {
        // SAFETY: the slot's thread alone calls this, and a thread that takes over got the slot from the one before.
        let producer = unsafe { Producer::new(self.ring.words()) };
        for tag in tags {
            let mut reservation = producer.reserve(LEN, INFO).expect("room");
            let (head, body) = reservation.bytes().split_at_mut(8);
            head.copy_from_slice(&(LEN as u64 | u64::from(INFO) << 32).to_le_bytes());
            body.copy_from_slice(&tag.to_le_bytes());
            _ = reservation.commit(1);
        }
        self.gone.store(1, Ordering::Release);
    }
}

/// The drain's part for one owner: passes until the lane is finished. Returns the records.
fn drain_to_the_end(slot: Arc<Slot>) -> (Vec<u64>, Arc<Slot>) {
    // SAFETY: the only consumer; that of the owner before, if any, is gone.
    let mut consumer = unsafe { Consumer::new(SlotRing(slot)) };
    let mut tags = Vec::new();
    loop {
        consumer.snapshot();
        while let Some(record) = consumer.peek().expect("records alone are in the ring") {
            tags.push(u64::from_le_bytes(record[8..].try_into().expect("8 bytes")));
            consumer.advance(LEN);
        }
        consumer.release();
        let mut gone = false;
        let is_gone = || {
            gone = consumer.ring().0.gone.load(Ordering::Acquire) == 1;
            gone
        };
        if consumer.is_drained_for_good(is_gone) {
            return (tags, consumer.ring().0.clone());
        }
        saw(if gone { "a record came between the look at the ring and the end" } else { "alive, or not empty" });
        thread::yield_now();
    }
}

/// Threads: the drain, a thread that pushes two records and ends, and one that takes its ring over, pushes one and ends.
fn ring_goes_to_the_next_thread() {
    let slot = Arc::new(Slot { ring: Ring::new(64).expect("heap memory"), gone: AtomicU32::new(0) });
    let (to_pool, pool) = mpsc::channel::<Arc<Slot>>();
    let (to_drain, new_slots) = mpsc::channel();
    let firsts = slot.clone();
    let first = thread::spawn(move || firsts.log_and_end(&[1, 2]));
    let second = thread::spawn(move || {
        let slot = pool.recv().expect("the drain retires a slot");
        slot.ring.renew();
        slot.gone.store(0, Ordering::Relaxed);
        to_drain.send(slot.clone()).expect("the drain takes it");
        slot.log_and_end(&[3]);
    });
    let (tags, slot) = drain_to_the_end(slot);
    slot.ring.discard();
    to_pool.send(slot).expect("the second thread takes it");
    assert_eq!(tags, [1, 2], "the first thread's records");
    let (tags, _) = drain_to_the_end(new_slots.recv().expect("the second thread attaches"));
    assert_eq!(tags, [3], "the second thread's record");
    first.join().expect("the first thread ends");
    second.join().expect("the second thread ends");
}

#[test]
fn the_last_record_is_delivered_and_the_ring_used_again() {
    let outcomes = ["a record came between the look at the ring and the end", "alive, or not empty"];
    explore("thread exit", BOUND, &outcomes, ring_goes_to_the_next_thread);
}

#[test]
fn empty_counts_only_after_gone() {
    must_fail("thread exit", BOUND, Mistake::EmptyBeforeGone, "records", ring_goes_to_the_next_thread);
}
