//! The statements of Rust in a program that has a subscriber: for a thread, and then for all.
mod common;

use common::*;
use std::sync::{Arc, Mutex};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Target, message, fields and innermost span of each event.
#[derive(Clone, Default)]
struct Collect {
    seen: Arc<Mutex<Vec<String>>>,
    /// Whether it logs by itself. A global subscriber that does would be called for that again, without end.
    logs: bool,
}

impl Collect {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Collect {
    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        struct Fields(String);
        impl tracing::field::Visit for Fields {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!(" {field}={value:?}");
            }
        }
        let mut text = Fields(event.metadata().target().to_owned());
        event.record(&mut text);
        let span = context.event_span(event).map_or("", |span| span.name());
        self.seen.lock().unwrap().push(format!("{} [{span}]", text.0));
        if self.logs {
            // tracing gives such an event to nobody, and it is not for the engine's output either.
            logfusion::info!(target: "host::nested", "from a layer");
        }
    }

    fn register_callsite(&self, metadata: &'static tracing::Metadata<'static>) -> tracing::subscriber::Interest {
        if metadata.target().starts_with("never") {
            tracing::subscriber::Interest::never()
        } else {
            tracing::subscriber::Interest::sometimes()
        }
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::INFO)
    }

    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        let is_off = ["host::off", "never"].iter().any(|off| metadata.target().starts_with(off));
        *metadata.level() <= tracing::Level::INFO && !is_off
    }
}

/// What the program logs, and what a subscriber then has.
fn log(number: u32) -> Vec<String> {
    let names: Vec<String> =
        ["host::on", "host::off", "never"].iter().map(|name| format!("{name}::{number}")).collect();
    logfusion::info!(target: "host::literal", "literal");
    logfusion::info_span!("span").in_scope(|| {
        for name in &names {
            logfusion::info!(target: name, number, "runtime");
            logfusion::debug!(target: name, number, "not enabled");
        }
    });
    logfusion::error!(target: &names[0], message = "field", "literal");
    vec![
        "host::literal message=literal []".to_owned(),
        format!("host::on::{number} message=runtime number={number} [span]"),
        format!("host::on::{number} message=literal message=\"field\" []"),
    ]
}

#[test]
fn a_subscriber_gets_the_statements() {
    let _limit = Limit::seconds(60);
    forget_environment();
    let dir = TempDir::new("host-statements");
    let path = dir.path("log");
    // SAFETY: no other thread runs.
    unsafe { std::env::set_var("LOGFUSION_OUTPUT", &path) };
    let subscriber = |logs| {
        let collect = Collect { logs, ..Collect::default() };
        (collect.clone(), tracing_subscriber::registry().with(collect))
    };

    // A thread with a subscriber of its own: the engine has no part in it.
    let (collect, scoped) = subscriber(true);
    tracing::subscriber::with_default(scoped, || {
        for number in [1, 2, 1] {
            let expected = log(number);
            assert_eq!(collect.take(), expected);
        }
    });
    assert!(!path.exists(), "the engine was not started");

    // Without one, the engine's output gets them; here and in any other thread.
    std::thread::spawn(|| drop(log(3))).join().unwrap();
    log(4);
    let own: Vec<String> = lines(&path).iter().map(|line| line.split_once(' ').unwrap().1.trim().to_owned()).collect();
    assert_eq!(own.len(), 10, "{own:#?}");
    assert!(own[1].contains("host::on::3") && own[1].contains("runtime number=3"), "{own:#?}");
    assert_eq!(collect.take(), Vec::<String>::new());

    // The program sets one for all threads, with a span still open in the output.
    let open = logfusion::info_span!("open", number = 1).entered();
    let (collect, global) = subscriber(false);
    tracing::subscriber::set_global_default(global).unwrap();
    for _ in 0..2 {
        let expected = log(5);
        assert_eq!(collect.take(), expected);
    }
    drop(open);
    assert_eq!(lines(&path).len(), 10, "nothing more goes to the output");
}
