//! What a record costs the calling thread in a batch of 64: short and longer texts, measured by the caller or not.

#![allow(missing_docs, reason = "criterion_group! makes a public function")]

mod common;

use common::{SHORT_TEXT, TARGET, TEXT, api, bench_call, check, start_for_calls, text};
use criterion::{Criterion, criterion_group, criterion_main};
use logfusion::c_api::logfusion_log_batch;
use std::ffi::{CStr, c_char, c_int};

const BATCH: usize = 64;

/// `logfusion_entry`.
#[repr(C)]
struct Entry {
    target: *const c_char,
    target_length: usize,
    message: *const c_char,
    message_length: usize,
    level: c_int,
    reserved: c_int,
}

/// A batch of one text, with lengths or NUL-terminated.
fn batch_of(message: &'static CStr, has_lengths: bool) -> [Entry; BATCH] {
    let length = |text: &CStr| if has_lengths { text.count_bytes() } else { usize::MAX };
    std::array::from_fn(|_| Entry {
        target: TARGET.as_ptr(),
        target_length: length(TARGET),
        message: message.as_ptr(),
        message_length: length(message),
        level: api::INFO,
        reserved: 0,
    })
}

/// 0 if the whole batch was accepted.
fn log(entries: &[Entry; BATCH]) -> i32 {
    // SAFETY: the layout is the header's, and the texts are static and NUL-terminated.
    let accepted = unsafe { logfusion_log_batch(entries.as_ptr().cast(), BATCH) };
    i32::from(accepted != BATCH as isize)
}

fn batch(criterion: &mut Criterion) {
    // With their share of what a batch has in common.
    let batches = [
        ("8 bytes, with lengths", 17, SHORT_TEXT, true),
        ("8 bytes", 17, SHORT_TEXT, false),
        ("35 bytes, with lengths", 41, TEXT, true),
        ("35 bytes", 41, TEXT, false),
    ];
    for (name, _, message, has_lengths) in batches {
        let entries = batch_of(message, has_lengths);
        check(name, BATCH, text(message), &mut || log(&entries));
    }
    start_for_calls();
    let mut group = criterion.benchmark_group("batch of 64");
    for (name, bytes, message, has_lengths) in batches {
        let entries = batch_of(message, has_lengths);
        bench_call(&mut group, name, (BATCH, bytes), || log(&entries));
    }
    group.finish();
    api::shutdown();
}

criterion_group!(benches, batch);
criterion_main!(benches);
