//! What the benches share: the engine in the state that is measured, samples that begin with empty rings, and the cost of
//! a clock read beside every figure.
//!
//! These benches show what a change does to a function, and check its result first. The figures that README gives come
//! from `benches/c/bars.c`, which is linked with the release archive as a user's program is: here the calls are the same, but
//! the optimizer has seen caller and engine together.
#![allow(dead_code, reason = "each bench uses a part")]

#[path = "../../tests/common/mod.rs"]
pub mod api;

use api::{Config, INFO, NO, Stats, TempDir};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Throughput};
use std::ffi::CStr;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

pub const TARGET: &CStr = c"game::net";
/// 35 bytes.
pub const TEXT: &CStr = c"player 142 joined, 37 ms round trip";
/// 8 bytes.
pub const SHORT_TEXT: &CStr = c"tick 042";

/// Settings that leave the process's tracing default alone.
pub fn settings(output: &Path) -> Config {
    Config { output: Some(output.into()), global_default: NO, ..Config::default() }
}

pub fn text(text: &CStr) -> &str {
    text.to_str().expect("ASCII")
}

/// Logs through `call` into a file and compares what arrived: the message and its fields, `records` times, and the ledger.
/// Afterwards the engine is stopped.
pub fn check(name: &str, records: usize, expected: &str, call: &mut dyn FnMut() -> i32) {
    let scratch = TempDir::new(&format!("bench-{}", name.replace([' ', '/'], "-")));
    let path = scratch.path("log");
    let before = api::stats();
    api::start(&settings(&path));
    assert_eq!(call(), api::OK, "{name}: {}", api::last_error());
    api::flush_all();
    assert_eq!(api::messages(&path, text(TARGET)), vec![expected; records], "{name}");
    check_ledger(&before, records as u64);
    api::shutdown();
}

/// `records` were offered since `before`, every one was accepted, and none is left or lost.
pub fn check_ledger(before: &Stats, records: u64) {
    let (now, before) = (api::stats(), &before.counts);
    now.counts.assert_equations();
    assert_eq!(now.counts.offered - before.offered, records);
    assert_eq!(now.counts.accepted - before.accepted, records);
    assert_eq!((now.counts.queued, now.counts.failed), (0, 0));
    assert_eq!((now.output_errors, now.output_lost_records), (0, 0));
}

/// Starts the engine for the timing of calls: the drain thread takes every record and writes none. A subscription of
/// another target keeps calls enabled up to INFO.
pub fn start_for_calls() {
    unsafe extern "C-unwind" fn nothing(_: *const logfusion::c_api::CRecord, _: *mut std::ffi::c_void) {}
    api::subscribe(c"another", INFO, nothing, std::ptr::null::<()>());
    api::start(&settings(Path::new("none")));
}

/// Calls between two flushes: their records fill less than half of a ring of 1 MiB, so that none waits, and no sample has
/// a half-full wake in it.
pub fn calls_a_chunk(bytes_a_call: usize) -> u64 {
    (480 << 10) / bytes_a_call as u64
}

/// The CPU time of the calling thread. Beside the clock read it says more than the wall clock, by which a sample holds the work
/// of whatever thread was given the core meanwhile, the drain thread included.
pub fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The time of `iterations` calls by the wall clock and by [`thread_time`], made in chunks that begin with empty rings.
/// Every call must return `OK`.
pub fn time_in_chunks(iterations: u64, chunk: u64, call: &mut impl FnMut() -> i32) -> (Duration, Duration) {
    let mut left = iterations;
    let (mut wall, mut cpu) = (Duration::ZERO, Duration::ZERO);
    while left > 0 {
        let now = left.min(chunk);
        let mut status = 0;
        api::flush_all();
        let begin = (Instant::now(), thread_time());
        for _ in 0..now {
            status |= call();
        }
        cpu += thread_time() - begin.1;
        wall += begin.0.elapsed();
        assert_eq!(status, api::OK, "a call failed: {}", api::last_error());
        left -= now;
    }
    api::flush_all();
    (wall, cpu)
}

/// Nanoseconds that one read of the processor's counter takes: the floor of a log call.
pub fn clock_read_ns() -> f64 {
    const READS: u32 = 10_000;
    let mut sum = 0_u64;
    let begin = Instant::now();
    for _ in 0..READS {
        sum = sum.wrapping_add(read_clock());
    }
    let time = begin.elapsed();
    black_box(sum);
    time.as_nanos() as f64 / f64::from(READS)
}

#[cfg(target_arch = "x86_64")]
fn read_clock() -> u64 {
    // SAFETY: every x86-64 processor has `rdtsc`; it touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn read_clock() -> u64 {
    Instant::now().elapsed().as_nanos() as u64
}

/// Samples of something and, in turn with them, of the clock.
#[derive(Debug, Default)]
pub struct Beside {
    samples: Vec<f64>,
    clock: Vec<f64>,
}

impl Beside {
    /// Notes that `count` of what is measured took `time`, and reads the clock.
    pub fn note(&mut self, time: Duration, count: u64) {
        self.samples.push(time.as_nanos() as f64 / count as f64);
        self.clock.push(clock_read_ns());
    }

    /// Prints the medians and their ratio.
    pub fn print(mut self, name: &str) {
        if is_timed() && !self.samples.is_empty() {
            let (cost, clock) = (median(&mut self.samples), median(&mut self.clock));
            println!("{name}: {cost:.1} ns, a clock read {clock:.1} ns: {:.2} clock reads", cost / clock);
        }
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Whether this is a run of `cargo bench`; `cargo test --benches` runs everything once, for its checks.
pub fn is_timed() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Times a call that logs `records` of `bytes` each.
pub fn bench_call(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    (records, bytes): (usize, usize),
    mut call: impl FnMut() -> i32,
) {
    let before = api::stats();
    let (mut beside, mut calls) = (Beside::default(), 0);
    let chunk = calls_a_chunk(records * bytes);
    group.throughput(Throughput::Elements(records as u64));
    group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
        bencher.iter_custom(|iterations| {
            calls += iterations;
            let (wall, cpu) = time_in_chunks(iterations, chunk, &mut call);
            beside.note(cpu, iterations * records as u64);
            wall
        });
    });
    check_ledger(&before, calls * records as u64);
    beside.print(name);
}
