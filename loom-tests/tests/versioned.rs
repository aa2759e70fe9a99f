//! A thread's name and the drain's copy of it (`src/versioned.rs`), the library's own.
#![cfg(logfusion_loom)]

use logfusion::sync::Mistake;
use logfusion::versioned::Versioned;
use loom::sync::Arc;
use loom::thread;
use loom_tests::{Preemptions, explore, must_fail, saw};

const BOUND: Preemptions = Preemptions { quick: None, long: None };
const LAST: u64 = 2;

/// Threads: the owner, which sets the value twice, and the keeper of a copy, which looks twice meanwhile and once afterwards.
fn owner_and_keeper() {
    let value = Arc::new(Versioned::new(0));
    let owners = value.clone();
    let owner = thread::spawn(move || (1..=LAST).for_each(|next| owners.set(next)));
    let mut copy = value.get();
    let look = |copy: &mut (u64, u32)| {
        let is_old = value.has_changed(copy.1);
        if is_old {
            *copy = value.get();
        }
        is_old
    };
    if look(&mut copy) {
        saw("a change");
    }
    owner.join().expect("it ends");
    saw(if look(&mut copy) { "a change at the end" } else { "the last already" });
    assert_eq!(copy.0, LAST, "the copy stays old");
}

#[test]
fn the_copy_becomes_the_last_value() {
    let outcomes = ["a change", "a change at the end", "the last already"];
    explore("versioned value", BOUND, &outcomes, owner_and_keeper);
}

#[test]
fn value_and_version_are_read_together() {
    must_fail("versioned value", BOUND, Mistake::VersionAfterUnlock, "the copy stays old", owner_and_keeper);
}
