//! Batches of every kind of entry, in a ring of 64 KiB that is full most of the time and in the smallest one: each message that
//! is wanted comes once, in order, with its own level and target, and the stamps of a thread never go back.
mod common;

use common::*;
use std::path::Path;

const TARGETS: [&str; 3] = ["batches::one", "batches::two", "batches::a_name_of_more_than_fifteen_bytes"];

/// A text of each length that a batch treats in a way of its own, with a number, so that none is like another.
fn texts(count: usize) -> Vec<&'static str> {
    let lengths = [0, 1, 7, 8, 35, 200, 900, 2_047, 2_048, 3_000];
    let mut random = 1_u32;
    let text = |number: usize| -> &'static str {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Most are short.
        let length = lengths[(random >> 24) as usize % if number.is_multiple_of(16) { lengths.len() } else { 6 }];
        let number = number.to_string();
        format!("{number}{}", "x".repeat(length)).leak()
    };
    (0..count).map(text).collect()
}

fn log_and_compare(path: &Path, ring_bytes: usize, count: usize) {
    let config = Config { output: Some(path.into()), format: JSON, overflow: BLOCK, ring_bytes, ..Config::default() };
    start(&config);
    let texts = texts(count);
    let level_of = |index: usize| [INFO, INFO, WARN, INFO, TRACE, ERROR][index % 6];
    // Runs of one target, and some that change with each entry.
    let target_of = |index: usize| TARGETS[if index % 400 < 300 { index / 70 % 3 } else { index % 3 }];
    let entries: Vec<_> =
        texts.iter().enumerate().map(|(index, text)| Entry::new(level_of(index), target_of(index), text)).collect();
    let log_all = || {
        let mut left = &entries[..];
        for size in [1, 2, 5, 64, 300, 1_000].into_iter().cycle() {
            let (batch, rest) = left.split_at(size.min(left.len()));
            let wanted = batch.iter().filter(|entry| entry.level() != TRACE).count();
            assert_eq!(log_batch(batch), wanted as isize);
            left = rest;
            if left.is_empty() {
                break;
            }
        }
    };
    // A thread of its own, for a ring of this size.
    std::thread::scope(|scope| scope.spawn(log_all).join().unwrap());
    flush_all();
    stats().counts.assert_equations();
    let lines = json_lines(path);
    let mut seen = lines.iter().filter(|line| line["target"] != "logfusion");
    let mut last = String::new();
    for (index, text) in texts.iter().enumerate().filter(|(index, _)| level_of(*index) != TRACE) {
        let line = seen.next().unwrap();
        let level = match level_of(index) {
            ERROR => "ERROR",
            WARN => "WARN",
            _ => "INFO",
        };
        assert_eq!((line["level"].as_str(), line["target"].as_str()), (Some(level), Some(target_of(index))), "{line}");
        let message = line["fields"]["message"].as_str().unwrap();
        // What is longer than 1/16 of the ring is cut.
        let whole = message.split_once('…').map_or(message, |(kept, _)| kept);
        assert!(text.starts_with(whole) && (whole == *text || whole.len() > ring_bytes / 32), "{message} of {text}");
        let time = line["timestamp"].as_str().unwrap();
        assert!(last.as_str() <= time, "{time} after {last}");
        last = time.to_owned();
    }
    assert_eq!(seen.next(), None);
    shutdown();
}

#[test]
fn each_entry_comes_as_it_was_logged() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("batches");
    log_and_compare(&dir.path("log"), 64 << 10, scaled(40_000, 10_000));
    log_and_compare(&dir.path("small"), 4 << 10, scaled(10_000, 3_000));

    // Entries at any address, and NULL where the length is zero.
    let path = dir.path("odd");
    start(&Config { output: Some(path.clone()), ..Config::default() });
    let entries = [Entry::new(INFO, "odd", "before"), Entry::EMPTY, Entry::new(INFO, "odd", "behind")];
    for offset in 0..8 {
        assert_eq!(log_batch_at(offset, &entries), 3);
    }
    flush_all();
    assert_eq!(messages(&path, "odd"), ["before", "behind"].repeat(8));
    assert_eq!(lines(&path).iter().filter(|line| line.ends_with(": ")).count(), 8, "without a target and a message");
}
