//! What a call costs whose level nobody wants, and the question whether anybody does.

#![allow(missing_docs, reason = "criterion_group! makes a public function")]

mod common;

use common::api::{self, DEBUG, INFO};
use common::{Beside, TARGET, TEXT, start_for_calls, thread_time};
use criterion::{Criterion, criterion_group, criterion_main};
use logfusion::c_api::logfusion_enabled;
use std::ffi::CStr;
use std::hint::black_box;
use std::time::Instant;

fn enabled(level: i32, target: &CStr) -> i32 {
    // SAFETY: NUL-terminated.
    unsafe { logfusion_enabled(level, target.as_ptr()) }
}

fn disabled(criterion: &mut Criterion) {
    start_for_calls();
    api::log(INFO, TARGET, TEXT);
    api::flush_all();
    let before = api::stats();
    assert_eq!((enabled(DEBUG, c"another"), enabled(INFO, c"another"), enabled(INFO, TARGET)), (0, 1, 0));

    let calls: [(&str, &dyn Fn() -> i32); 4] = [
        ("logfusion_log", &|| api::log(DEBUG, TARGET, TEXT)),
        ("logfusion_log_fields", &|| api::log_fields(DEBUG, TARGET, TEXT, &[])),
        ("logfusion_enabled, by level", &|| enabled(DEBUG, TARGET)),
        ("logfusion_enabled, by target", &|| enabled(INFO, TARGET)),
    ];
    let mut group = criterion.benchmark_group("disabled");
    for (name, call) in calls {
        let mut beside = Beside::default();
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let begin = (Instant::now(), thread_time());
                let results = (0..iterations).fold(0, |results, _| results | black_box(call)());
                let (cpu, wall) = (thread_time() - begin.1, begin.0.elapsed());
                assert_eq!(results, 0);
                beside.note(cpu, iterations);
                wall
            });
        });
        beside.print(name);
    }
    group.finish();
    // Nothing was offered: a disabled call is not in the ledger.
    api::flush_all();
    common::check_ledger(&before, 0);
    api::shutdown();
}

criterion_group!(benches, disabled);
criterion_main!(benches);
