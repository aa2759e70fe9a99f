//! The end of the process: what was accepted is written, nothing hangs, whoever still logs.
mod common;

use common::*;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const TEST: &str = "the_exit_delivers";
const RECORDS: usize = 2000;

static IN_CALLBACK: AtomicBool = AtomicBool::new(false);

unsafe extern "C-unwind" fn slow(_: *const logfusion::c_api::CRecord, _: *mut c_void) {
    if !IN_CALLBACK.swap(true, Ordering::Release) {
        std::thread::sleep(Duration::from_millis(300));
    }
}

extern "C" fn log_at_exit() {
    log(INFO, c"exit", c"after the engine's own handler");
}

/// What a child does before it returns from the test: then libtest's `main` returns.
fn child_main(role: &str) {
    if role == "late" {
        // Registered before the engine's handler, so it runs after it.
        // SAFETY: a function that lives as long as the program.
        unsafe { libc::atexit(log_at_exit) };
    }
    let manual = if role == "manual" { MANUAL } else { 0 };
    start(&Config { output: Some(child_log()), ring_bytes: 8 << 20, drain: manual, ..Config::default() });
    let log_all = || {
        for number in 0..RECORDS {
            assert_eq!(log_text(INFO, "exit", &number.to_string()), OK);
        }
    };
    match role {
        "return" | "late" => log_all(),
        "exit" => {
            log_all();
            // SAFETY: ends the process, as a C program may at any time.
            unsafe { libc::exit(0) }
        }
        "others" => {
            for _ in 0..3 {
                std::thread::spawn(|| {
                    loop {
                        log(INFO, c"others", c"still here");
                    }
                });
            }
            wait_until(Duration::from_secs(10), "the others", || stats().threads_live >= 3);
            log_all();
        }
        "other-exits" => {
            log_all();
            let exits = std::thread::spawn(|| -> () {
                // SAFETY: as above.
                unsafe { libc::exit(0) }
            });
            // This thread logs on until the process is gone.
            while !exits.is_finished() {
                log(INFO, c"others", c"still here");
            }
        }
        "manual" => {
            assert_eq!(log(INFO, c"manual", c"drained"), OK);
            assert_eq!(logfusion::c_api::logfusion_drain(u64::MAX), 1);
            log_all();
        }
        "stopping" => {
            // Another thread stops the engine, which takes its time, when this one returns.
            let handle = subscribe::<()>(c"exit", INFO, slow, std::ptr::null());
            assert_ne!(handle, 0);
            log_all();
            std::thread::spawn(shutdown);
            while !IN_CALLBACK.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            // The stop has begun when a record no longer finds the engine running; it is then queued for the next start.
            std::thread::sleep(Duration::from_millis(50));
        }
        "drops" => {
            let long = "x".repeat(20_000);
            while log_text(INFO, "flood", &long) == OK {}
            log_text(INFO, "flood", &long);
        }
        "stuck" => {
            unsafe extern "C-unwind" fn for_ever(_: *const logfusion::c_api::CRecord, _: *mut c_void) {
                loop {
                    std::thread::park();
                }
            }
            subscribe::<()>(c"exit", INFO, for_ever, std::ptr::null());
            log_all();
        }
        _ => unreachable!("{role}"),
    }
}

#[test]
fn the_exit_delivers() {
    if let Some(role) = role() {
        return child_main(&role);
    }
    let _limit = Limit::seconds(90);
    let dir = TempDir::new("exit");
    let numbers: Vec<String> = (0..RECORDS).map(|number| number.to_string()).collect();
    let mut failures = Vec::new();
    for role in ["return", "exit", "others", "other-exits", "manual", "stopping", "late", "drops"] {
        let path = dir.path(role);
        let output = run(child(TEST, role, &path), Duration::from_secs(15));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut own = messages(&path, "exit");
        if role == "late" && own.pop().as_deref() != Some("after the engine's own handler") {
            failures.push(format!("{role}: the record of a later handler is missing"));
        }
        if role == "drops" {
            let reports = lines(&path).iter().filter(|line| line.contains("records were dropped")).count();
            if reports == 0 {
                failures.push(format!("{role}: nothing says that records were dropped"));
            }
        } else if own != numbers {
            failures.push(format!("{role}: {} of {RECORDS} records: {stderr}", own.len()));
        }
        if !output.status.success() {
            failures.push(format!("{role}: {}: {stderr}", output.status));
        }
    }
    // A callback that never returns cannot keep the process: there is a limit.
    let started = Instant::now();
    let output = run(child(TEST, "stuck", &dir.path("stuck")), Duration::from_secs(15));
    assert!(output.status.success(), "{output:?}");
    assert!(started.elapsed() < Duration::from_secs(12));
    assert!(failures.is_empty(), "{failures:#?}");
}
