//! Threads that come and go leave no memory behind: their rings are given back, and used again.
mod common;

use common::*;
use std::time::Duration;

fn resident_kib() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4
}

#[test]
fn a_thousand_threads_twenty_times_take_what_they_took_once() {
    const THREADS: usize = 1000;
    const AT_ONCE: usize = 50;
    let _limit = Limit::seconds(240);
    let dir = TempDir::new("memory");
    start(&Config { output: Some(dir.path("log")), ..Config::default() });
    let mut after = Vec::new();
    for _ in 0..20 {
        for _ in 0..THREADS / AT_ONCE {
            let there = std::sync::Barrier::new(AT_ONCE);
            std::thread::scope(|scope| {
                for _ in 0..AT_ONCE {
                    scope.spawn(|| {
                        there.wait();
                        log(INFO, c"memory", c"a record of a thread that ends soon");
                    });
                }
            });
        }
        flush_all();
        // Rings of ended threads are retired by the drain's chores.
        wait_until(Duration::from_secs(20), "the rings to be retired", || stats().threads_live == 0);
        // The pass that closed the books of the last one gives its ring's pages back at its end.
        flush_all();
        after.push(resident_kib());
    }
    // The second: in the first the process itself still grows.
    let (first, last) = (after[1], after[19]);
    println!("resident after each round, KiB: {after:?}");
    assert!(last <= first + first / 10, "{after:?}");
    let counts = stats().counts;
    counts.assert_equations();
    assert_eq!(counts.delivered, 20 * THREADS as u64, "{counts:?}");
}
