//! A Rust program with a subscriber of its own gets C records as ordinary events.
mod common;

use common::*;
use std::collections::BTreeMap;
use std::sync::mpsc;
use tracing::field::{Field as TracingField, Visit};
use tracing_subscriber::layer::{Context, SubscriberExt};

/// An event as a layer sees it.
#[derive(Debug, Default)]
struct Seen {
    level: String,
    target: String,
    fields: BTreeMap<String, String>,
    time_ns: Option<u64>,
    thread: Option<(u64, String)>,
}

impl Visit for Seen {
    fn record_i64(&mut self, field: &TracingField, value: i64) {
        self.fields.insert(field.to_string(), format!("i64 {value}"));
    }
    fn record_u64(&mut self, field: &TracingField, value: u64) {
        self.fields.insert(field.to_string(), format!("u64 {value}"));
    }
    fn record_f64(&mut self, field: &TracingField, value: f64) {
        self.fields.insert(field.to_string(), format!("f64 {value}"));
    }
    fn record_bool(&mut self, field: &TracingField, value: bool) {
        self.fields.insert(field.to_string(), format!("bool {value}"));
    }
    fn record_str(&mut self, field: &TracingField, value: &str) {
        self.fields.insert(field.to_string(), format!("str {value}"));
    }
    fn record_debug(&mut self, field: &TracingField, value: &dyn std::fmt::Debug) {
        self.fields.insert(field.to_string(), format!("debug {value:?}"));
    }
}

struct Collect(mpsc::Sender<Seen>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Collect {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut seen = Seen {
            level: event.metadata().level().to_string(),
            target: event.metadata().target().to_owned(),
            time_ns: logfusion::delivery::with_current(|delivery| delivery.time_ns()),
            thread: logfusion::delivery::with_current(|delivery| {
                (delivery.thread().id, delivery.thread().name.to_string())
            }),
            ..Seen::default()
        };
        event.record(&mut seen);
        self.0.send(seen).unwrap();
    }
}

#[test]
fn c_records_are_ordinary_events_of_the_hosts_subscriber() {
    let _limit = Limit::seconds(60);
    forget_environment();
    let dir = TempDir::new("host");
    let (events, seen) = mpsc::channel();
    let subscriber = tracing_subscriber::registry().with(Collect(events));
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let next = |target: &str| {
        let limit = std::time::Duration::from_secs(10);
        // The engine's own events are ordinary ones, too.
        std::iter::from_fn(|| Some(seen.recv_timeout(limit).expect("an event"))).find(|seen| seen.target == target)
    };

    // The first record starts the engine: nothing else was called.
    let pointer = 0x1234 as *const std::ffi::c_void;
    let fields = [
        Field::i64(c"a", i64::MIN),
        Field::u64(c"b", u64::MAX),
        Field::f64(c"c", 0.5),
        Field::bool(c"d", true),
        Field::text(c"e", "text \u{1F600}"),
        Field { name: c"f".as_ptr(), type_: 5, reserved: 0, value: FieldValue { pointer } },
    ];
    let before = now_ns();
    set_thread_name(c"the caller");
    assert_eq!(log_fields(ERROR, c"host::c", c"with fields", &fields), OK);
    let after = now_ns();
    let event = next("host::c").unwrap();
    assert_eq!((event.level.as_str(), event.target.as_str()), ("ERROR", "host::c"));
    let expected = [
        ("a", format!("i64 {}", i64::MIN)),
        ("b", format!("u64 {}", u64::MAX)),
        ("c", "f64 0.5".to_owned()),
        ("d", "bool true".to_owned()),
        ("e", "str text \u{1F600}".to_owned()),
        ("f", "debug 0x1234".to_owned()),
        ("message", "str with fields".to_owned()),
    ];
    assert_eq!(event.fields, expected.map(|(name, value)| (name.to_owned(), value)).into());
    let time = event.time_ns.expect("a record is in delivery");
    // The clock is calibrated while the engine is young.
    assert!(time + 2_000_000 > before && time < after + 2_000_000, "{before} {time} {after}");
    assert_eq!(event.thread, Some((thread_id(), "the caller".to_owned())));

    // The subscriber wants every level, and so do the callers.
    for (level, name) in [(ERROR, "ERROR"), (WARN, "WARN"), (INFO, "INFO"), (DEBUG, "DEBUG"), (TRACE, "TRACE")] {
        assert_eq!(log(level, c"host::levels", c"x"), OK);
        assert_eq!(next("host::levels").unwrap().level, name);
    }

    // An event of Rust is none of ours.
    tracing::info!(target: "host::rust", "from Rust");
    let event = next("host::rust").unwrap();
    assert_eq!((event.time_ns, event.thread), (None, None));

    // An explicit start finds the place taken and leaves it so; nothing goes to the output that it names.
    let path = dir.path("log");
    assert_eq!(init_with(&Config { output: Some(path.clone()), ..Config::default() }), E_RUNNING);
    shutdown();
    start(&Config { output: Some(path.clone()), ..Config::default() });
    assert_eq!(log(INFO, c"host::again", c"after a restart"), OK);
    assert_eq!(next("host::again").unwrap().fields["message"], "str after a restart");
    flush_all();
    assert_eq!(lines(&path), Vec::<String>::new());

    let sum = stats().counts;
    sum.assert_equations();
    assert_eq!((sum.delivered, sum.failed, sum.filtered), (7, 0, 0), "{sum:?}");
}
