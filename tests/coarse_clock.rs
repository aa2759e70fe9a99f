//! The coarse clock: times of the drain's looks, in the order of each thread's calls.
mod common;

use common::*;
use std::ffi::c_void;
use std::sync::Mutex;
use std::time::Duration;

/// Time and message of each record.
static SEEN: Mutex<Vec<(u64, String)>> = Mutex::new(Vec::new());

unsafe extern "C-unwind" fn see(record: *const logfusion::c_api::CRecord, _: *mut c_void) {
    // SAFETY: this is a callback.
    let record = unsafe { Record::of(record) };
    SEEN.lock().unwrap().push((record.time_ns, record.message().to_owned()));
}

#[test]
fn times_are_coarse_and_in_order() {
    let _limit = Limit::seconds(60);
    start(&Config { output: Some("none".into()), clock: 1, ..Config::default() });
    subscribe::<()>(c"coarse", INFO, see, std::ptr::null());
    let began = now_ns();
    for number in 0..1000 {
        log_text(INFO, "coarse", &number.to_string());
        if number % 100 == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    flush_all();
    let ended = now_ns();
    let seen = SEEN.lock().unwrap();
    let messages: Vec<&str> = seen.iter().map(|(_, message)| &**message).collect();
    assert_eq!(messages, (0..1000).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(seen.is_sorted_by_key(|(time, _)| *time), "times of one thread don't go back");
    // Older than the call by a rest of the drain at most, on a machine that lets it run.
    let slack = 1_000_000_000;
    assert!(seen.iter().all(|(time, _)| (began - slack..=ended).contains(time)), "{} to {}", seen[0].0, seen[999].0);
    let mut times: Vec<u64> = seen.iter().map(|(time, _)| *time).collect();
    times.dedup();
    assert!((5..500).contains(&times.len()), "few different times: {}", times.len());
}
