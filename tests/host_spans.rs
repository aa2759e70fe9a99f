//! Spans and context of C threads, as a host's subscriber gets them: real spans, entered and left on the drain.
mod common;

use common::*;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tracing::field::{Field as TracingField, Visit};
use tracing::span::{Attributes, Id, Record as Values};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// What happened, a line each.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &TracingField, value: &dyn std::fmt::Debug) {
        self.0.insert(field.to_string(), format!("{value:?}"));
    }
    fn record_str(&mut self, field: &TracingField, value: &str) {
        self.0.insert(field.to_string(), value.to_owned());
    }
}

impl Fields {
    fn show(&self) -> String {
        let pairs: Vec<String> =
            self.0.iter().filter(|(key, _)| *key != "message").map(|(key, value)| format!("{key}={value}")).collect();
        if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(" ")) }
    }
}

impl Log {
    fn say(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn take(&self) -> Vec<String> {
        flush_all();
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        assert_ne!(attributes.metadata().name(), "panics when opened");
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let span = context.span(id).unwrap();
        let parent = span.parent().map_or("-", |parent| parent.name());
        self.say(format!("new {}{} in {parent}", span.name(), fields.show()));
        span.extensions_mut().insert(fields);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        assert_ne!(context.span(id).unwrap().name(), "panics when entered");
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        assert_ne!(context.span(id).unwrap().name(), "panics when left");
    }

    fn on_record(&self, id: &Id, values: &Values<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        self.say(format!("record {}{}", context.span(id).unwrap().name(), fields.show()));
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        if event.metadata().target().starts_with("logfusion") {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let names: Vec<&str> = context.event_scope(event).into_iter().flatten().map(|span| span.name()).collect();
        self.say(format!("{} in {}", fields.0["message"], names.join("<")));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let by_caller = logfusion::delivery::with_current(|delivery| delivery.span_duration_ns()).flatten();
        assert_ne!(context.span(&id).unwrap().name(), "panics when closed");
        let duration = if by_caller.is_some() { " by its own clock" } else { "" };
        self.say(format!("close {}{duration}", context.span(&id).unwrap().name()));
    }
}

#[test]
fn spans_of_c_are_spans_of_the_hosts_subscriber() {
    let _limit = Limit::seconds(60);
    forget_environment();
    let log_of = Log::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(log_of.clone())).unwrap();
    start(&Config { ..Config::default() });
    _ = log_of.take();
    let say = |message: &std::ffi::CStr| assert_eq!(log(INFO, c"game", message), OK);

    // Enter, nest, exit; each span once, with its fields, and closed with its own duration.
    let frame = span_enter(INFO, c"game", c"frame", &[Field::i64(c"number", 7)]);
    say(c"one");
    flush_all(); // in another pass
    let physics = span_enter(DEBUG, c"game", c"physics", &[]);
    say(c"two");
    assert_eq!((span_exit(physics), span_exit(frame)), (OK, OK));
    say(c"three");
    let expected = [
        "new frame{number=7} in -",
        "one in frame",
        "new physics in frame",
        "two in physics<frame",
        "close physics by its own clock",
        "close frame by its own clock",
        "three in ",
    ];
    assert_eq!(log_of.take(), expected);

    // The context is a span, a new one when it has changed.
    context_set(c"match_id", c"m1");
    say(c"four");
    say(c"five");
    context_set(c"frame", c"2");
    context_set(c"frame", c"3");
    say(c"six");
    context_clear(None);
    say(c"seven");
    let expected = [
        "new context{match_id=m1} in -",
        "four in context",
        "five in context",
        "close context",
        "new context{frame=3 match_id=m1} in -",
        "six in context",
        "close context",
        "seven in ",
    ];
    assert_eq!(log_of.take(), expected);

    // What C logs inside a Rust span that was attached, and spans of C in it.
    {
        let span = tracing::info_span!("request");
        let attached = logfusion::attach_span(&span);
        say(c"eight");
        let inner = span_enter(INFO, c"game", c"inner", &[]);
        say(c"nine");
        span_exit(inner);
        drop(attached);
        say(c"ten");
        drop(span); // before the drain has come to it
    }
    let mut seen = log_of.take();
    assert!(seen.contains(&"close request".to_owned()), "it is closed at the end: {seen:?}");
    seen.retain(|line| line != "close request");
    let expected = [
        "new request in -",
        "eight in request",
        "new inner in request",
        "nine in inner<request",
        "close inner by its own clock",
        "ten in ",
    ];
    assert_eq!(seen, expected);
    {
        let _entered = tracing::info_span!("current").entered();
        let attached = logfusion::c_api::logfusion_span_attach();
        assert_ne!(attached, 0);
        say(c"eleven");
        assert_eq!(span_exit(attached), OK);
        say(c"twelve");
    }
    assert_eq!(logfusion::c_api::logfusion_span_attach(), 0, "there is no current span");
    let mut seen = log_of.take();
    seen.retain(|line| line != "close current");
    assert_eq!(seen, ["new current in -", "eleven in current", "twelve in "]);

    // What stays open, when the thread ends, is closed.
    std::thread::spawn(move || {
        let span = tracing::info_span!("of Rust");
        std::mem::forget(logfusion::attach_span(&span));
        _ = span_enter(INFO, c"game", c"of C", &[]);
        log(INFO, c"game", c"thirteen");
    })
    .join()
    .unwrap();
    let mut seen = log_of.take();
    wait_until(std::time::Duration::from_secs(10), "the spans to be closed", || {
        seen.extend(log_of.take());
        seen.iter().filter(|line| line.starts_with("close")).count() == 2
    });
    let expected =
        ["new of Rust in -", "new of C in of Rust", "thirteen in of C<of Rust", "close of C", "close of Rust"];
    assert_eq!(seen, expected);
    let counts = stats().counts;
    counts.assert_equations();
    assert_eq!(counts.failed, 0, "{counts:?}");

    // A subscriber that panics costs the span at most; what follows is where it belongs.
    std::panic::set_hook(Box::new(|_| ()));
    for (name, message) in [
        (c"panics when opened", c"a"),
        (c"panics when entered", c"b"),
        (c"panics when left", c"c"),
        (c"panics when closed", c"d"),
    ] {
        let span = span_enter(INFO, c"game", name, &[]);
        say(message);
        flush_all();
        assert_eq!(span_exit(span), OK);
    }
    say(c"outside again");
    let mut seen = log_of.take();
    _ = std::panic::take_hook();
    seen.retain(|line| !line.starts_with("new") && !line.starts_with("close"));
    let expected =
        ["a in ", "b in panics when entered", "c in panics when left", "d in panics when closed", "outside again in "];
    assert_eq!(seen, expected);
    assert_eq!(stats().counts.failed, 1, "the entry whose span could not be opened");

    // A span of another subscriber, whose parent's number may be anybody's here.
    let other = tracing_subscriber::registry();
    tracing::subscriber::with_default(other, || {
        let parent = tracing::info_span!("parent elsewhere").entered();
        let foreign = tracing::info_span!("elsewhere");
        let attached = logfusion::attach_span(&foreign);
        say(c"attached to a foreign span");
        drop((foreign, attached, parent));
    });
    say(c"still alive");
    let seen = log_of.take();
    assert_eq!(seen, ["attached to a foreign span in ", "still alive in "]);
    assert_eq!(stats().counts.failed, 1);
}
