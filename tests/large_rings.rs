//! A ring whose pages take the system longer than a flush may: the record is written first.
mod common;

use common::*;
use std::time::{Duration, Instant};

#[test]
fn a_flush_does_not_wait_for_the_pages_of_a_ring() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("large_rings");
    let path = dir.path("log");
    start(&Config { output: Some(path.clone()), ring_bytes: 256 << 20, ..Config::default() });
    let first_record = |number: usize| {
        assert_eq!(log_text(INFO, "large", &format!("thread {number}")), OK);
        let started = Instant::now();
        assert_eq!(flush(10_000), OK);
        started.elapsed()
    };
    let rounds = 0..3;
    let took = rounds.clone().map(|number| std::thread::spawn(move || first_record(number)).join().unwrap());
    // All of a ring at once takes more than 30 ms; who else needs the processor in one of the rounds does not matter.
    let shortest = took.min().unwrap();
    assert!(shortest < Duration::from_millis(10), "{shortest:?}");
    assert_eq!(messages(&path, "large"), rounds.map(|number| format!("thread {number}")).collect::<Vec<_>>());
    shutdown();
}
