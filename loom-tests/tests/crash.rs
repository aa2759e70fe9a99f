//! A crash handler and the drain: no record is lost or written twice, and no ring is unmapped under the handler
//! (`logfusion::freeze`).
//!
//! Stand-ins: a counter for the file that the drain writes, and a cell for the memory of a ring. The handler waits without limit
//! here, so a drain that never leaves is a deadlock.
#![cfg(logfusion_loom)]

use logfusion::freeze::Freeze;
use logfusion::ring::{Consumer, Producer, Ring};
use logfusion::sync::{AtomicU32, Mistake, Ordering};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use loom_tests::{Preemptions, explore, must_fail, saw};

const BOUND: Preemptions = Preemptions { quick: Some(3), long: Some(5) };
const LEN: usize = 16;
const RECORDS: u32 = 2;

struct Process {
    freeze: Freeze,
    ring: Ring,
    /// Records in the file.
    written: AtomicU32,
}

fn count(consumer: &mut Consumer<&Ring>, mut until: impl FnMut() -> bool) -> u32 {
    let mut count = 0;
    consumer.snapshot();
    while !until() && consumer.peek().expect("records alone are in the ring").is_some() {
        consumer.advance(LEN);
        count += 1;
    }
    count
}

/// A pass of the drain: what it has formatted when it sees the freeze, it writes and releases.
fn pass(process: &Process) {
    if !process.freeze.try_enter(1) {
        return saw("the drain turns back");
    }
    // SAFETY: the drain's, and the only one that releases.
    let mut consumer = unsafe { Consumer::new(&process.ring) };
    let formatted = count(&mut consumer, || process.freeze.is_frozen());
    if formatted < RECORDS {
        saw("the drain ends its pass early");
    }
    process.written.fetch_add(formatted, Ordering::Relaxed);
    consumer.release();
    process.freeze.leave();
}

/// Threads: the drain, and one that has pushed two records and crashes.
fn crash() {
    let process = Arc::new(Process {
        freeze: Freeze::new(),
        ring: Ring::new(64).expect("heap memory"),
        written: AtomicU32::new(0),
    });
    // SAFETY: this thread alone pushes.
    let producer = unsafe { Producer::new(process.ring.words()) };
    for tag in 0..u64::from(RECORDS) {
        let mut reservation = producer.reserve(LEN, 3).expect("room");
        let (head, body) = reservation.bytes().split_at_mut(8);
        head.copy_from_slice(&(LEN as u64 | 3 << 32).to_le_bytes());
        body.copy_from_slice(&tag.to_le_bytes());
        _ = reservation.commit(1);
    }
    let drains = process.clone();
    let drain = thread::spawn(move || pass(&drains));
    process.freeze.freeze();
    while process.freeze.inside() != 0 {
        saw("the handler waits");
        thread::yield_now();
    }
    // SAFETY: it releases nothing, and the drain is not inside.
    let reported = count(&mut unsafe { Consumer::new(&process.ring) }, || false);
    if reported == 0 {
        saw("all was written");
    }
    drain.join().expect("the drain ends");
    let written = process.written.load(Ordering::Relaxed);
    assert_eq!(written + reported, RECORDS, "records written and reported");
}

/// Threads: one that takes a ring from the list and unmaps it, and one that crashes and reads what is in the list.
fn unmap() {
    let shared = Arc::new((Freeze::new(), AtomicU32::new(1), UnsafeCell::new(())));
    let owners = shared.clone();
    let owner = thread::spawn(move || {
        let (freeze, listed, memory) = &*owners;
        listed.store(0, Ordering::Relaxed);
        if freeze.may_unmap() {
            memory.with_mut(|_| ());
        } else {
            saw("it stays mapped");
        }
    });
    let (freeze, listed, memory) = &*shared;
    freeze.freeze();
    if listed.load(Ordering::Acquire) == 1 {
        memory.with(|_| ());
        saw("it is read");
    } else {
        saw("it is not in the list");
    }
    owner.join().expect("the owner ends");
}

#[test]
fn records_are_written_or_reported() {
    let outcomes = ["the drain turns back", "the drain ends its pass early", "the handler waits", "all was written"];
    explore("crash", BOUND, &outcomes, crash);
}

#[test]
fn a_pass_is_said_before_the_look_at_the_freeze() {
    must_fail("crash", BOUND, Mistake::NoFenceBeforePass, "records written and reported", crash);
}

#[test]
fn a_ring_is_unmapped_when_nobody_reads_it() {
    explore("crash, unmap", BOUND, &["it stays mapped", "it is read", "it is not in the list"], unmap);
}

#[test]
fn a_ring_leaves_the_list_before_the_look_at_the_freeze() {
    must_fail("crash, unmap", BOUND, Mistake::NoFenceBeforeUnmap, "Causality violation", unmap);
}
