//! The ledger under the policy "drop": four threads, an output too slow for them.
mod common;

use common::{ledger, *};
use std::time::Duration;

/// The sum of the counts that drop reports name.
fn reported(lines: &[String]) -> u64 {
    let reports = lines.iter().filter(|line| line.contains("records were dropped"));
    let of_level = |line: &str, level: &str| -> u64 {
        let pair = line.split_once(&format!(" {level}=")).unwrap_or_else(|| panic!("{level} is missing: {line}")).1;
        pair.split(' ').next().unwrap().parse().unwrap()
    };
    let levels = ["error", "warn", "info", "debug", "trace"];
    reports.map(|line| levels.iter().map(|level| of_level(line, level)).sum::<u64>()).sum()
}

#[test]
fn every_record_is_accounted_for_when_records_are_dropped() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("ledger-drop");
    let (own, read) = ledger::log_into_a_slow_pipe(&dir, Config::default(), Duration::from_millis(2));

    let dropped: u64 = own.iter().map(|own| own.offered - own.accepted).sum();
    assert!(dropped > 0, "the output was not slow enough to test anything");
    let counts = stats().counts;
    assert_eq!(counts.dropped_full, dropped, "full rings are the only reason");
    // An ERROR has room that lesser records may not take; the flood cannot push it out for ever.
    assert!(counts.dropped[ERROR as usize] < counts.dropped[INFO as usize]);
    assert_eq!(reported(&read.own), dropped, "the reports name every dropped record, before the engine stops");
}
