//! The words of static sites (`src/static_sites.rs`): a statement against a stop, and two changes that are published at once.
//!
//! The statement is C (`include/logfusion_statements.h`, "The push"), and the table's lock is std's: both are written down here a
//! second time, step for step. The ring and the barriers are the library's own.
#![cfg(logfusion_loom)]

use logfusion::ring::{Consumer, Producer, Ring};
use logfusion::sync::{AtomicU32, Mistake, Ordering, heavy_barrier, light_barrier, seeded};
use loom::sync::{Arc, Mutex};
use loom::thread;
use loom_tests::{Preemptions, explore, must_fail, saw};

const BOUND: Preemptions = Preemptions { quick: None, long: None };
const BOUND_OF_PUBLISH: Preemptions = Preemptions { quick: Some(3), long: None };
const ASK: u32 = 0;
const OFF: u32 = 1;
const NUMBER: u32 = 64;
const LEN: usize = 16;

/// `LOGFUSION_PUSH`: returns whether the statement calls `logfusion_site_pushed`, which settles a late record.
fn statement(word: &AtomicU32, ring: &Ring) -> bool {
    let before = word.load(Ordering::Acquire);
    if before != NUMBER {
        saw("asks");
        return true;
    }
    // SAFETY: one thread of the model calls this.
    let producer = unsafe { Producer::new(ring.words()) };
    let mut reservation = producer.reserve(LEN, 3).expect("room");
    reservation.bytes()[..8].copy_from_slice(&(LEN as u64 | u64::from(before) << 32).to_le_bytes());
    _ = reservation.commit(1);
    light_barrier();
    !seeded(Mistake::NoCheckAfterPush) && word.load(Ordering::Acquire) != before
}

/// Threads: a statement, and a stop, which publishes "ask", runs the heavy barrier and makes the last pass.
fn statement_against_stop() {
    let ring = Arc::new(Ring::new(64).expect("heap memory"));
    let word = Arc::new(AtomicU32::new(NUMBER));
    let (for_stop, stops) = (ring.clone(), word.clone());
    let stop = thread::spawn(move || {
        // SAFETY: the only consumer of the ring.
        let mut consumer = unsafe { Consumer::new(&*for_stop) };
        stops.store(ASK, Ordering::Release);
        heavy_barrier();
        consumer.snapshot();
        consumer.peek().expect("records alone are in the ring").is_some()
    });
    let late = statement(&word, &ring);
    let delivered = stop.join().expect("the stop ends");
    assert!(delivered || late, "the record is lost: not delivered, and its statement does not know");
    saw(if !delivered {
        "late"
    } else if late {
        "both"
    } else {
        "delivered"
    });
}

/// What a word is computed from, and the word.
struct Site {
    inputs: [AtomicU32; 2],
    /// The table's lock, and the words that the table knows.
    table: Mutex<bool>,
    word: AtomicU32,
}

impl Site {
    fn compute(&self) -> u32 {
        let wanted = self.inputs.iter().any(|input| input.load(Ordering::Relaxed) != 0);
        if wanted { NUMBER } else { OFF }
    }

    /// `publish`, after an input has changed.
    fn publish(&self) {
        let early = self.compute();
        let known = self.table.lock().unwrap();
        if *known {
            let word = if seeded(Mistake::ComputeBeforeLock) { early } else { self.compute() };
            self.word.store(word, Ordering::Release);
        }
    }

    /// `ask`: the table learns of the word, and sets it.
    fn ask(&self) {
        let mut known = self.table.lock().unwrap();
        *known = true;
        self.word.store(self.compute(), Ordering::Release);
    }
}

/// Threads: one switches an input on and publishes; one switches the other off and publishes; the site asks for the first time.
fn two_changes_and_a_new_site() {
    let inputs = [AtomicU32::new(0), AtomicU32::new(1)];
    let site = Arc::new(Site { inputs, table: Mutex::new(false), word: AtomicU32::new(ASK) });
    let changes = [(0, 1), (1, 0)].map(|(input, value)| {
        let site = site.clone();
        thread::spawn(move || {
            site.inputs[input].store(value, Ordering::Relaxed);
            site.publish();
        })
    });
    site.ask();
    if site.word.load(Ordering::Acquire) == OFF {
        saw("off in between");
    }
    changes.into_iter().for_each(|change| change.join().expect("it ends"));
    assert_eq!(site.word.load(Ordering::Acquire), NUMBER, "a site is wrongly silent");
    saw("on");
}

#[test]
fn a_statement_is_delivered_or_knows_better() {
    explore("site word, stop", BOUND, &["asks", "late", "both", "delivered"], statement_against_stop);
}

#[test]
fn a_statement_must_look_again() {
    must_fail("site word, stop", BOUND, Mistake::NoCheckAfterPush, "the record is lost", statement_against_stop);
}

#[test]
fn a_statements_second_look_must_be_ordered() {
    must_fail("site word, stop", BOUND, Mistake::NoBarrierAfterPush, "the record is lost", statement_against_stop);
}

#[test]
fn the_last_publication_knows_all_changes() {
    explore("site word, publish", BOUND_OF_PUBLISH, &["on", "off in between"], two_changes_and_a_new_site);
}

#[test]
fn a_publication_must_compute_under_the_lock() {
    must_fail(
        "site word, publish",
        BOUND_OF_PUBLISH,
        Mistake::ComputeBeforeLock,
        "wrongly silent",
        two_changes_and_a_new_site,
    );
}
