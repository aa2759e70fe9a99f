//! What one record costs the calling thread, by each way to log it.

#![allow(missing_docs, reason = "criterion_group! makes a public function")]

mod common;

use common::api::{self, Field, INFO};
use common::{TARGET, TEXT, bench_call, check, start_for_calls, text};
use criterion::{Criterion, criterion_group, criterion_main};

/// A way to log one record: its name, the record's bytes in the ring, what its line shows, and the call.
type Way<'a> = (&'static str, usize, &'static str, &'a mut dyn FnMut() -> i32);

fn call(criterion: &mut Criterion) {
    let numbers = [Field::i64(c"id", 42), Field::i64(c"frame", 90210), Field::f64(c"ratio", 0.25)];
    let texts = [Field::text(c"peer", "203.0.113.9:4433")];
    // What vlogf does around its vsnprintf: most room, then the length that was written.
    let mut reserve_commit = || {
        const CAPACITY: usize = 512;
        match api::reserve(INFO, TARGET, CAPACITY) {
            Err(status) => status,
            Ok((place, granted)) => {
                assert_eq!(granted, CAPACITY);
                let text = TEXT.to_bytes();
                // SAFETY: `granted` bytes are there to be written, which are more than the text's.
                unsafe { place.copy_from_nonoverlapping(text.as_ptr(), text.len()) };
                logfusion::c_api::logfusion_commit(text.len())
            }
        }
    };
    let plain = "player 142 joined, 37 ms round trip";
    let ways: [Way<'_>; 5] = [
        ("logfusion_log", 80, plain, &mut || api::log(INFO, TARGET, TEXT)),
        ("logfusion_log_n", 80, plain, &mut || api::log_text(INFO, text(TARGET), text(TEXT))),
        (
            "logfusion_log_fields, 3 numbers",
            136,
            "player 142 joined, 37 ms round trip id=42 frame=90210 ratio=0.25",
            &mut || api::log_fields(INFO, TARGET, TEXT, &numbers),
        ),
        ("logfusion_log_fields, 1 text", 120, "player 142 joined, 37 ms round trip peer=203.0.113.9:4433", &mut || {
            api::log_fields(INFO, TARGET, TEXT, &texts)
        }),
        ("logfusion_reserve and _commit", 80, plain, &mut reserve_commit),
    ];

    let mut ways = ways;
    for (name, _, expected, call) in &mut ways {
        check(name, 1, expected, *call);
    }
    start_for_calls();
    let mut group = criterion.benchmark_group("call");
    for (name, bytes, _, call) in ways {
        bench_call(&mut group, name, (1, bytes), call);
    }
    group.finish();
    api::shutdown();
}

criterion_group!(benches, call);
criterion_main!(benches);
