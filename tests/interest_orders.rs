//! tracing's interest caches race with whoever sets a subscriber (tracing#3611, #2743). Twelve orders, each in a process of its
//! own: the first record before, while and after a subscriber comes, which is plain, filters by itself, is reloaded, or is one of
//! several while other threads have scoped ones. No site is silent for more than a second, of C and of Rust.
mod common;

use common::*;
use std::collections::HashSet;
use std::ffi::CString;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry, reload};

const TEST: &str = "no_site_is_silent_in_any_order";
const KINDS: [&str; 4] = ["plain", "filtered", "reloaded", "scoped"];
const TIMES: [&str; 3] = ["before", "while", "after"];
const THREADS: usize = 4;
const LIMIT: Duration = Duration::from_secs(1);

static SEEN: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// Notes target and level of each event.
struct Collect;

impl<S: tracing::Subscriber> Layer<S> for Collect {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let site = format!("{} {}", metadata.target(), metadata.level());
        SEEN.lock().unwrap().get_or_insert_default().insert(site);
    }
}

/// The sites of all threads: of C at three levels, of Rust at two.
fn sites() -> HashSet<String> {
    let of_c =
        (0..THREADS).flat_map(|thread| ["INFO", "DEBUG", "TRACE"].map(|level| format!("orders::c{thread} {level}")));
    of_c.chain(["orders::rust INFO".to_owned(), "orders::rust DEBUG".to_owned()]).collect()
}

fn log_all(thread: usize) {
    let target = CString::new(format!("orders::c{thread}")).unwrap();
    for level in [INFO, DEBUG, TRACE] {
        log(level, &target, c"of C");
    }
    tracing::info!(target: "orders::rust", "of Rust");
    tracing::debug!(target: "orders::rust", "of Rust");
}

/// Sets the subscriber of this kind. Returns when it was there.
fn set(kind: &str) -> Instant {
    match kind {
        "filtered" => {
            let subscriber = Registry::default().with(Collect.with_filter(EnvFilter::new("orders=trace")));
            tracing::subscriber::set_global_default(subscriber).unwrap();
        }
        "reloaded" => {
            let (filter, handle) = reload::Layer::new(LevelFilter::OFF);
            tracing::subscriber::set_global_default(Registry::default().with(filter).with(Collect)).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            handle.reload(LevelFilter::TRACE).unwrap();
        }
        _ => tracing::subscriber::set_global_default(Registry::default().with(Collect)).unwrap(),
    }
    Instant::now()
}

fn child_main(kind: &str, time: &str) {
    let done = AtomicBool::new(false);
    start(&Config { output: Some(child_log()), global_default: NO, ..Config::default() });
    std::thread::scope(|scope| {
        if kind == "scoped" {
            // Subscribers of their own, one after the other, which want nothing.
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Acquire) {
                        tracing::subscriber::with_default(Registry::default().with(LevelFilter::OFF), || {
                            tracing::info!(target: "orders::rust", "to nobody");
                            std::thread::sleep(Duration::from_micros(200));
                        });
                    }
                });
            }
        }
        if time == "before" {
            (0..THREADS).for_each(log_all);
            flush_all();
        }
        let set_at = if time == "after" { set(kind) } else { Instant::now() };
        let loggers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let done = &done;
                scope.spawn(move || {
                    while !done.load(Ordering::Acquire) {
                        log_all(thread);
                        std::thread::sleep(Duration::from_micros(500));
                    }
                })
            })
            .collect();
        let set_at = if time == "after" { set_at } else { set(kind) };
        let missing = || {
            let seen = SEEN.lock().unwrap().clone().unwrap_or_default();
            sites().difference(&seen).cloned().collect::<Vec<_>>()
        };
        while !missing().is_empty() && set_at.elapsed() < LIMIT + Duration::from_millis(200) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (took, missing) = (set_at.elapsed(), missing());
        done.store(true, Ordering::Release);
        loggers.into_iter().for_each(|logger| logger.join().unwrap());
        assert!(missing.is_empty() && took <= LIMIT, "silent after {took:?}: {missing:?}");
        println!("all sites after {took:?}");
    });
}

#[test]
fn no_site_is_silent_in_any_order() {
    if let Some(role) = role() {
        let (kind, time) = role.split_once(' ').unwrap();
        return child_main(kind, time);
    }
    let _limit = Limit::seconds(250);
    let dir = TempDir::new("interest-orders");
    let mut failures = Vec::new();
    for round in 0..times(2, 20) {
        for kind in KINDS {
            for time in TIMES {
                let output = run(child(TEST, &format!("{kind} {time}"), &dir.path("log")), Duration::from_secs(20));
                if !output.status.success() {
                    failures.push(format!("{kind}, {time}, {round}: {}", String::from_utf8_lossy(&output.stderr)));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
