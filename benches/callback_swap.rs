//! Callbacks that come and go while records flow: what a log call costs meanwhile, and how fast records reach a callback
//! that stays.

#![allow(missing_docs, reason = "criterion_group! makes a public function")]

mod common;

use common::api::{self, BLOCK, Config, INFO, OK};
use common::{Beside, TARGET, TEXT, bench_call, settings};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use logfusion::c_api::CRecord;
use std::ffi::c_void;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

/// Records of one round of delivery.
const ROUND: u64 = if cfg!(debug_assertions) { 5_000 } else { 50_000 };

/// Counts the records that are as they were logged.
unsafe extern "C-unwind" fn count(record: *const CRecord, context: *mut c_void) {
    // SAFETY: this is a callback, and its context is an `AtomicU64` that lives as long as the process.
    let (record, counter) = unsafe { (api::Record::of(record), &*context.cast::<AtomicU64>()) };
    if record.message().as_bytes() == TEXT.to_bytes() {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// A thread that subscribes to the target and unsubscribes, again and again.
struct Swapper {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Swapper {
    fn start() -> Self {
        static SEEN: AtomicU64 = AtomicU64::new(0);
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut swaps = 0;
            while swaps == 0 || !stopping.load(Ordering::Relaxed) {
                let handle = api::subscribe(TARGET, INFO, count, &SEEN);
                assert_eq!(api::unsubscribe(handle, -1), OK, "{}", api::last_error());
                swaps += 1;
            }
            swaps
        });
        Self { stop, thread }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let swaps = self.thread.join().expect("the swapper ends");
        println!("{swaps} subscriptions came and went");
    }
}

/// `ROUND` records, from the first call until the callback has seen the last.
fn deliver(seen: &AtomicU64) -> std::time::Duration {
    let before = seen.load(Ordering::Relaxed);
    let begin = Instant::now();
    let status = (0..ROUND).fold(0, |status, _| status | api::log(INFO, TARGET, TEXT));
    api::flush_all();
    let time = begin.elapsed();
    assert_eq!(status, OK, "{}", api::last_error());
    assert_eq!(seen.load(Ordering::Relaxed) - before, ROUND, "the callback that stays sees every record once");
    time
}

fn callback_swap(criterion: &mut Criterion) {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    let stays = api::subscribe(TARGET, INFO, count, &SEEN);
    api::start(&Config { overflow: BLOCK, block_ms: 60_000, ..settings(Path::new("none")) });
    deliver(&SEEN);

    let mut group = criterion.benchmark_group("callback_swap");
    for is_swapping in [false, true] {
        let name = if is_swapping { "swapping" } else { "quiet" };
        let swapper = is_swapping.then(Swapper::start);
        bench_call(&mut group, &format!("logfusion_log, {name}"), (1, 80), || api::log(INFO, TARGET, TEXT));

        let (before, mut beside, mut rounds) = (api::stats(), Beside::default(), 0);
        group.throughput(Throughput::Elements(ROUND));
        group.bench_function(BenchmarkId::from_parameter(format!("delivery, {name}")), |bencher| {
            bencher.iter_custom(|iterations| {
                rounds += iterations;
                let time = (0..iterations).map(|_| deliver(&SEEN)).sum();
                beside.note(time, iterations * ROUND);
                time
            });
        });
        common::check_ledger(&before, rounds * ROUND);
        beside.print(&format!("delivery, {name}"));
        swapper.into_iter().for_each(Swapper::end);
    }
    group.finish();
    assert_eq!(api::unsubscribe(stays, -1), OK);
    api::shutdown();
}

criterion_group!(benches, callback_swap);
criterion_main!(benches);
