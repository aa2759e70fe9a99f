//! The traps of `tracing-subscriber`'s per-layer filters: an event must not be judged by the verdict on another one.
mod common;

use common::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::reload;

/// Layer, target and message.
static SEEN: Mutex<Vec<(&'static str, String, String)>> = Mutex::new(Vec::new());
static PANICS: AtomicBool = AtomicBool::new(false);

struct Collect(&'static str);

impl<S: tracing::Subscriber> Layer<S> for Collect {
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
        let target = event.metadata().target();
        if self.0 == "first" && target == "boom" && PANICS.load(Ordering::Relaxed) {
            panic!("this layer panics, as the test wants it to");
        }
        if self.0 == "first" && target == "echo" {
            // Logs about what it was given: without end, if nobody stops it.
            tracing::info!(target: "echo", "echo of {}", message.0);
            tracing::warn!(target: "quiet", "noted");
        }
        SEEN.lock().unwrap().push((self.0, target.to_owned(), message.0));
    }
}

/// What the layers saw of targets other than the engine's own, after everything is delivered.
fn seen() -> Vec<(&'static str, String, String)> {
    flush_all();
    let mut seen = std::mem::take(&mut *SEEN.lock().unwrap());
    seen.retain(|(_, target, _)| target != "logfusion");
    seen
}

fn saw(layer: &'static str, target: &str, message: &str) -> (&'static str, String, String) {
    (layer, target.to_owned(), message.to_owned())
}

#[test]
fn layers_with_filters_of_their_own_see_what_they_ask_for() {
    let _limit = Limit::seconds(60);
    forget_environment();
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.payload().downcast_ref::<&str>().is_some_and(|text| text.starts_with("this layer panics")) {
            quiet(info);
        }
    }));
    let (level, reload) = reload::Layer::new(LevelFilter::INFO);
    let first = Targets::new().with_target("boom", LevelFilter::INFO).with_target("echo", LevelFilter::INFO);
    let first = first.with_target("both", LevelFilter::INFO).with_target("quiet", LevelFilter::WARN);
    let first = first.with_target("all", LevelFilter::INFO);
    let second = Targets::new().with_target("both", LevelFilter::INFO).with_target("second", LevelFilter::INFO);
    let second = second.with_target("all", LevelFilter::INFO);
    let third = Targets::new().with_target("levels", LevelFilter::DEBUG).with_target("all", LevelFilter::INFO);
    let subscriber = tracing_subscriber::registry()
        .with(Collect("first").with_filter(first))
        .with(Collect("second").with_filter(second))
        .with(Collect("levels").with_filter(level).with_filter(third));
    tracing::subscriber::set_global_default(subscriber).unwrap();

    // Each layer sees its own.
    for (target, layers) in
        [("both", &["first", "second"][..]), ("second", &["second"]), ("boom", &["first"]), ("nobody", &[])]
    {
        for round in 0..3 {
            assert_eq!(log_text(INFO, target, "x"), OK);
            let expected: Vec<_> = layers.iter().map(|layer| saw(layer, target, "x")).collect();
            assert_eq!(seen(), expected, "round {round}");
        }
    }
    let sum = stats().counts;
    assert_eq!((sum.delivered, sum.filtered, sum.failed), (9, 3, 0), "{sum:?}");

    // A layer that panics costs its own record; the next events are judged on their own.
    PANICS.store(true, Ordering::Relaxed);
    for round in 1..=20 {
        assert_eq!(log(INFO, c"boom", c"lost"), OK);
        // All want this one, always: no filter is asked, and a verdict on the lost event would be taken for one on this.
        assert_eq!(log(INFO, c"all", c"after the panic"), OK);
        assert_eq!(log(INFO, c"both", c"after the panic"), OK);
        assert_eq!(log(INFO, c"second", c"after the panic"), OK);
        let expected = [
            saw("first", "all", "after the panic"),
            saw("second", "all", "after the panic"),
            saw("levels", "all", "after the panic"),
            saw("first", "both", "after the panic"),
            saw("second", "both", "after the panic"),
            saw("second", "second", "after the panic"),
        ];
        assert_eq!(seen(), expected, "round {round}");
        let sum = stats().counts;
        assert_eq!(sum.failed, round, "the lost one counts as failed: {sum:?}");
        sum.assert_equations();
    }
    PANICS.store(false, Ordering::Relaxed);

    // A layer that logs: its event is delivered after the one that caused it, and the chain has an end that is said.
    assert_eq!(log(INFO, c"echo", c"hello"), OK);
    assert_eq!(log(INFO, c"both", c"after the echo"), OK);
    let echoed = seen();
    let expected = [
        saw("first", "echo", "hello"),
        saw("first", "echo", "echo of hello"),
        saw("first", "quiet", "noted"),
        saw("first", "both", "after the echo"),
        saw("second", "both", "after the echo"),
    ];
    assert_eq!(echoed, expected);

    // A level that is reloaded reaches the callers within a second, in both directions.
    let arrives = |limit: Duration| {
        let started = std::time::Instant::now();
        while started.elapsed() < limit {
            assert_eq!(log(DEBUG, c"levels", c"x"), OK);
            flush_all();
            if SEEN.lock().unwrap().drain(..).any(|(layer, ..)| layer == "levels") {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    };
    assert!(!arrives(Duration::from_millis(300)), "DEBUG is off");
    reload.reload(LevelFilter::DEBUG).unwrap();
    assert!(arrives(Duration::from_secs(1)), "DEBUG was on for a second, and nothing came");
    reload.reload(LevelFilter::INFO).unwrap();
    seen();
    assert!(!arrives(Duration::from_millis(300)), "DEBUG is off again");
    stats().counts.assert_equations();
    shutdown();
}
