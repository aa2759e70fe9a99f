//! How many records a second the drain delivers: into text, into JSON, and to nobody.
//!
//! *alone*: manual mode; a chunk of records waits in the ring, and only `logfusion_drain` is timed. *with a producer*: one
//! thread logs with the blocking policy, from its first call until the last byte is written.

#![allow(missing_docs, reason = "criterion_group! makes a public function")]

mod common;

use common::api::{self, BLOCK, Config, INFO, JSON, MANUAL, TempDir};
use common::{Beside, TARGET, TEXT, calls_a_chunk, settings, text};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use logfusion::c_api::logfusion_drain;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

/// Records of one round with a producer.
const ROUND: u64 = if cfg!(debug_assertions) { 20_000 } else { 200_000 };

#[derive(Clone, Copy, PartialEq)]
enum Into {
    Text,
    Json,
    Nobody,
}

const ALL: [(Into, &str); 3] = [(Into::Text, "text"), (Into::Json, "JSON"), (Into::Nobody, "nobody")];

fn start(into: Into, path: &Path, config: Config) {
    match into {
        // A subscription of another target keeps the gate open.
        Into::Nobody => api::start(&Config { output: Some("none".into()), ..config }),
        _ => api::start(&Config {
            format: if into == Into::Json { JSON } else { 0 },
            output: Some(path.into()),
            ..config
        }),
    }
}

/// The file has `records` lines, each with the message, and is empty again.
fn check_and_clear(into: Into, path: &Path, records: u64) {
    if into != Into::Nobody {
        let lines = api::lines(path);
        assert_eq!(lines.len() as u64, records);
        let shown = match into {
            Into::Json => format!("\"message\":\"{}\"", text(TEXT)),
            _ => format!(" {}: {}", text(TARGET), text(TEXT)),
        };
        assert!(lines.iter().all(|line| line.contains(&shown)), "{}", lines[0]);
        File::options().write(true).open(path).and_then(|file| file.set_len(0)).expect("the log can be truncated");
    }
}

fn log(records: u64) {
    let status = (0..records).fold(0, |status, _| status | api::log(INFO, TARGET, TEXT));
    assert_eq!(status, api::OK, "{}", api::last_error());
}

/// Manual mode: `records` in chunks that fit into the ring.
fn alone(into: Into, path: &Path, records: u64) -> Duration {
    let (mut left, mut time) = (records, Duration::ZERO);
    while left > 0 {
        let chunk = left.min(calls_a_chunk(80));
        log(chunk);
        let begin = Instant::now();
        let taken = logfusion_drain(u64::MAX);
        time += begin.elapsed();
        assert_eq!(taken, chunk as i64);
        check_and_clear(into, path, chunk);
        left -= chunk;
    }
    time
}

/// The drain thread and one producer, round by round.
fn with_producer(into: Into, path: &Path, rounds: u64) -> Duration {
    let mut time = Duration::ZERO;
    for _ in 0..rounds {
        let begin = Instant::now();
        log(ROUND);
        api::flush_all();
        time += begin.elapsed();
        check_and_clear(into, path, ROUND);
    }
    time
}

fn drain(criterion: &mut Criterion) {
    unsafe extern "C-unwind" fn nothing(_: *const logfusion::c_api::CRecord, _: *mut std::ffi::c_void) {}
    api::subscribe(c"another", INFO, nothing, std::ptr::null::<()>());
    let scratch = TempDir::new("bench-drain");
    let path = scratch.path("log");

    let mut group = criterion.benchmark_group("drain");
    group.throughput(Throughput::Elements(1));
    for (into, name) in ALL {
        start(into, &path, Config { drain: MANUAL, ..settings(&path) });
        // What the engine says at its start is not counted.
        logfusion_drain(u64::MAX);
        let (before, mut beside, mut records) = (api::stats(), Beside::default(), 0);
        group.bench_function(BenchmarkId::new("alone", name), |bencher| {
            bencher.iter_custom(|iterations| {
                records += iterations;
                let time = alone(into, &path, iterations);
                beside.note(time, iterations);
                time
            });
        });
        common::check_ledger(&before, records);
        beside.print(&format!("drain alone into {name}"));
        api::shutdown();
    }

    group.throughput(Throughput::Elements(ROUND)).sample_size(10);
    for (into, name) in ALL {
        start(into, &path, Config { overflow: BLOCK, block_ms: 60_000, ..settings(&path) });
        let (before, mut beside, mut rounds) = (api::stats(), Beside::default(), 0);
        group.bench_function(BenchmarkId::new("with a producer", name), |bencher| {
            bencher.iter_custom(|iterations| {
                rounds += iterations;
                let time = with_producer(into, &path, iterations);
                beside.note(time, iterations * ROUND);
                time
            });
        });
        common::check_ledger(&before, rounds * ROUND);
        beside.print(&format!("drain with a producer into {name}"));
        api::shutdown();
    }
    group.finish();
}

criterion_group!(benches, drain);
criterion_main!(benches);
