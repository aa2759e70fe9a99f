//! A subscriber that the host sets after the engine has begun with its own output: a switch between two passes, without
//! a record lost, doubled or silenced.
mod common;

use common::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tracing_subscriber::layer::{Context, SubscriberExt};

/// Targets and messages, with the time of arrival.
static SEEN: Mutex<Vec<(String, String, Instant)>> = Mutex::new(Vec::new());

struct Collect;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Collect {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}").trim_matches('"').to_owned();
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        SEEN.lock().unwrap().push((event.metadata().target().to_owned(), message.0, Instant::now()));
    }
}

#[test]
fn a_late_subscriber_takes_over_between_two_passes() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("host-late");
    let path = dir.path("log");
    // The filter of the own output silences DEBUG; the host will want it.
    start(&Config { output: Some(path.clone()), global_default: NO, ..Config::default() });
    assert_eq!(log(INFO, c"late", c"before"), OK);
    assert_eq!(log(DEBUG, c"late::debug", c"filtered before"), OK);
    flush_all();
    assert_eq!(messages(&path, "late"), ["before"]);

    let stop = AtomicBool::new(false);
    let (logged, set_at) = std::thread::scope(|scope| {
        let logger = scope.spawn(|| {
            let mut number = 0;
            while !stop.load(Ordering::Acquire) {
                assert_eq!(log_text(INFO, "late", &number.to_string()), OK);
                log_text(DEBUG, "late::debug", &number.to_string());
                number += 1;
                std::thread::sleep(Duration::from_micros(100));
            }
            number
        });
        wait_until(Duration::from_secs(5), "own output", || messages_so_far(&path) > 100);
        let set_at = Instant::now();
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Collect)).unwrap();
        wait_until(Duration::from_secs(5), "the host's subscriber", || {
            SEEN.lock().unwrap().iter().any(|(target, ..)| target == "late::debug")
        });
        stop.store(true, Ordering::Release);
        (logger.join().unwrap(), set_at)
    });
    flush_all();

    let seen = std::mem::take(&mut *SEEN.lock().unwrap());
    let first = |target: &str| seen.iter().find(|(seen, ..)| seen == target).unwrap().2;
    for target in ["late", "late::debug"] {
        let silent = first(target).saturating_duration_since(set_at);
        assert!(silent < Duration::from_secs(1), "{target} was silent for {silent:?}");
    }
    // The output has the numbers up to the switch, the subscriber all the others: none missing, none twice.
    let own = messages(&path, "late");
    let both = own.iter().skip(1).map(String::as_str);
    let both = both.chain(seen.iter().filter(|(target, ..)| target == "late").map(|(_, message, _)| message.as_str()));
    let both: Vec<usize> = both.map(|message| message.parse().unwrap()).collect();
    assert_eq!(both, (0..logged).collect::<Vec<_>>());
    assert_eq!(messages(&path, "late::debug").len(), 0);

    // And Rust's events go to it directly.
    tracing::info!(target: "late::rust", "from Rust");
    assert_eq!(SEEN.lock().unwrap().pop().unwrap().0, "late::rust");
    let sum = stats().counts;
    sum.assert_equations();
    assert_eq!((sum.dropped_sum(), sum.failed, sum.queued), (0, 0, 0), "{sum:?}");
}

fn messages_so_far(path: &std::path::Path) -> usize {
    std::fs::read_to_string(path).unwrap().matches(" late: ").count()
}
