//! The output from dispatch to file.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value as Json;
use tracing_core::{Level, dispatcher};

use crate::record::decode::{RawText, RawValue};

use super::testing::{Directory, Fixture, deliver, deliver_at, site};
use super::*;
use crate::delivery::{self, ThreadInfo};
use crate::template::{Template, show};

const FORMATS: [Format; 3] = [Format::Text, Format::Logfmt, Format::Json];

#[test]
fn exact_lines() {
    let names = ["message", "method", "reason", "count", "ratio", "huge", "ok"];
    let values: &[&dyn tracing_core::field::Value] =
        &[&"request \"done\"", &"GET", &"not found", &-3_i64, &0.25, &u64::MAX, &true];
    let metadata = site(Level::INFO, "ffi::http", &names, Some("http.c"));
    let line = |format| Fixture::new(format).event(metadata, values);
    assert_eq!(
        line(Format::Text),
        "2026-11-22T09:00:00.123456Z  INFO main[1234] ffi::http: request \"done\" method=GET reason=\"not found\" \
         count=-3 ratio=0.25 huge=18446744073709551615 ok=true\n"
    );
    assert_eq!(
        line(Format::Logfmt),
        "ts=2026-11-22T09:00:00.123456Z level=info target=ffi::http thread=main thread_id=1234 \
         msg=\"request \\\"done\\\"\" method=GET reason=\"not found\" count=-3 ratio=0.25 huge=18446744073709551615 \
         ok=true\n"
    );
    assert_eq!(
        line(Format::Json),
        r#"{"timestamp":"2026-11-22T09:00:00.123456Z","level":"INFO","fields":{"message":"request \"done\"","method":"GET","reason":"not found","count":-3,"ratio":0.25,"huge":18446744073709551615,"ok":true},"target":"ffi::http","filename":"http.c","line_number":7,"threadName":"main","threadId":1234}"#
            .to_owned()
            + "\n"
    );
}

#[test]
fn levels_colours_and_threads() {
    let fixture = Fixture::with(Format::Text, |config| config.color = Color::Always);
    let expected = [
        (Level::ERROR, "\x1b[2m2026-11-22T09:00:00.123456Z\x1b[0m \x1b[31mERROR\x1b[0m main[1234] t: m\n"),
        (Level::WARN, "\x1b[2m2026-11-22T09:00:00.123456Z\x1b[0m  \x1b[33mWARN\x1b[0m main[1234] t: m\n"),
        (Level::TRACE, "\x1b[2m2026-11-22T09:00:00.123456Z\x1b[0m \x1b[35mTRACE\x1b[0m main[1234] t: m\n"),
    ];
    let mut all = String::new();
    for (level, line) in expected {
        all += line;
        assert_eq!(fixture.event(site(level, "t", &["message"], None), &[&"m"]), all);
    }
    // A file has no colours by itself, and a thread may have no name.
    let fixture = Fixture::new(Format::Text);
    deliver("", 7);
    let line = fixture.event(site(Level::DEBUG, "t", &["message"], None), &[&"m"]);
    assert_eq!(line, "2026-11-22T09:00:00.123456Z DEBUG [7] t: m\n");
}

#[test]
fn time_around_the_second_and_at_its_bounds() {
    let fixture = Fixture::new(Format::Text);
    let metadata = site(Level::INFO, "t", &["message"], None);
    for (time_ns, expected) in [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_795_338_000_999_999_999, "2026-11-22T09:00:00.999999Z"),
        (1_795_338_001_000_000_000, "2026-11-22T09:00:01.000000Z"),
        (1_709_164_800_000_001_000, "2024-02-29T00:00:00.000001Z"),
        (u64::MAX, "2554-07-21T23:34:33.709551Z"),
    ] {
        deliver_at("main", 1234, time_ns);
        let all = fixture.event(metadata, &[&"m"]);
        assert_eq!(all.lines().last().unwrap().split(' ').next().unwrap(), expected);
    }
}

#[test]
fn values_without_a_json_number() {
    let metadata = site(Level::INFO, "t", &["message", "nan", "inf", "wide", "debug", "bytes"], None);
    let debug = tracing_core::field::debug(["a", "b"]);
    let values: &[&dyn tracing_core::field::Value] =
        &[&"m", &f64::NAN, &f64::NEG_INFINITY, &u128::MAX, &debug, &&b"\x00\xff"[..]];
    let json: Json = serde_json::from_str(&Fixture::new(Format::Json).event(metadata, values)).unwrap();
    assert_eq!(
        json["fields"].to_string(),
        r#"{"bytes":"[00 ff]","debug":"[\"a\", \"b\"]","inf":null,"message":"m","nan":null,"wide":"340282366920938463463374607431768211455"}"#
    );
    let text = Fixture::new(Format::Text).event(metadata, values);
    assert!(
        text.contains(r#" t: m nan=NaN inf=-inf wide=340282366920938463463374607431768211455 debug=["a", "b"]"#),
        "{text}"
    );
    let logfmt = Fixture::new(Format::Logfmt).event(metadata, values);
    assert!(logfmt.contains(r#" debug="[\"a\", \"b\"]" "#), "{logfmt}");
}

/// The first of equal keys keeps its name, the others get their position, and nothing is lost.
#[test]
fn repeated_keys() {
    let metadata = site(Level::INFO, "t", &["message", "k", "k#3", "k", "message", "level"], None);
    let values: &[&dyn tracing_core::field::Value] = &[&"text", &1, &2, &3, &"pair", &4];
    let json = Fixture::new(Format::Json).event(metadata, values);
    assert!(
        json.contains(r##""fields":{"message":"text","k":1,"k#3":2,"k#3#3":3,"message#4":"pair","level":4}"##),
        "{json}"
    );
    let logfmt = Fixture::new(Format::Logfmt).event(metadata, values);
    assert!(logfmt.ends_with(" msg=text k=1 k#3=2 k#3#3=3 message=pair level#5=4\n"), "{logfmt}");
    let text = Fixture::new(Format::Text).event(metadata, values);
    assert!(text.ends_with(" t: text k=1 k#3=2 k=3 message=pair level=4\n"), "{text}");
}

#[test]
fn the_message_comes_first_wherever_its_field_is() {
    let metadata = site(Level::INFO, "t", &["a", "message", "b"], None);
    let values: &[&dyn tracing_core::field::Value] = &[&1, &"m", &2];
    assert!(Fixture::new(Format::Text).event(metadata, values).ends_with(" t: m a=1 b=2\n"));
    assert!(Fixture::new(Format::Logfmt).event(metadata, values).ends_with(" msg=m a=1 b=2\n"));
    let none = site(Level::INFO, "t", &["a"], None);
    assert!(Fixture::new(Format::Text).event(none, &[&1]).ends_with(" t: a=1\n"));
    assert!(Fixture::new(Format::Logfmt).event(none, &[&1]).ends_with(" thread_id=1234 a=1\n"));
    assert!(Fixture::new(Format::Json).event(none, &[&1]).contains(r#""fields":{"a":1},"#));
}

fn with_spans(format: Format) -> String {
    let fixture = Fixture::new(format);
    dispatcher::with_default(fixture.output.dispatch(), || {
        let outer = tracing::info_span!("outer", id = 7, late = tracing::field::Empty, name = "n").entered();
        let _inner = tracing::info_span!("inner").entered();
        outer.record("late", "a b");
        outer.record("id", 8);
        tracing::info!(target: "t", k = 1, "hello {}", "world");
        tracing::info!(target: "t", parent: None, "root");
    });
    fixture.written()
}

#[test]
fn spans() {
    assert_eq!(
        with_spans(Format::Text),
        "2026-11-22T09:00:00.123456Z  INFO main[1234] outer{id=8 name=n late=\"a b\"}:inner: t: hello world k=1\n\
         2026-11-22T09:00:00.123456Z  INFO main[1234] t: root\n"
    );
    let logfmt = with_spans(Format::Logfmt);
    assert!(logfmt.contains(r#" span="outer{id=8 name=n late=\"a b\"}:inner:" msg="hello world" k=1"#), "{logfmt}");
    let json = with_spans(Format::Json);
    let mut lines = json.lines();
    let outer = r##"{"id":8,"name#2":"n","late":"a b","name":"outer"}"##;
    assert!(
        lines
            .next()
            .unwrap()
            .contains(&format!(r#","span":{{"name":"inner"}},"spans":[{outer},{{"name":"inner"}}],"threadName":"#)),
        "{json}"
    );
    assert!(!lines.next().unwrap().contains("span"), "{json}");
}

#[test]
fn deep_scopes_show_the_innermost_spans() {
    let fixture = Fixture::new(Format::Text);
    dispatcher::with_default(fixture.output.dispatch(), || {
        let _outermost = tracing::info_span!("outermost").entered();
        let _guards: Vec<_> = (0..64).map(|_| tracing::info_span!("s").entered()).collect();
        tracing::info!(target: "t", "m");
    });
    let line = fixture.written();
    assert_eq!(line.matches("s:").count(), 64, "{line}");
    assert!(!line.contains("outermost"), "{line}");
}

struct Panics;

impl fmt::Debug for Panics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half a ")?;
        panic!("in Debug");
    }
}

struct Logs(u32);

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metadata = site(Level::INFO, "inner", &["message", "v"], None);
        if let Some(rest) = self.0.checked_sub(1) {
            let nested = tracing_core::field::debug(Logs(rest));
            let values = [Some(&"nested" as &dyn tracing_core::field::Value), Some(&nested)];
            // Past the scoped default, as a global one would be reached.
            dispatch_of(f).event(&tracing_core::Event::new(metadata, &metadata.fields().value_set_all(&values)));
        }
        f.write_str("logged")
    }
}

thread_local! {
    static NESTED: std::cell::RefCell<Option<Dispatch>> = const { std::cell::RefCell::new(None) };
}

fn dispatch_of(_: &fmt::Formatter<'_>) -> Dispatch {
    NESTED.with_borrow(|dispatch| dispatch.clone().unwrap())
}

#[test]
fn a_panic_in_debug_leaves_no_half_line() {
    for format in FORMATS {
        let fixture = Fixture::new(format);
        let metadata = site(Level::INFO, "t", &["message", "v"], None);
        let panics = tracing_core::field::debug(Panics);
        assert!(catch_unwind(AssertUnwindSafe(|| fixture.event(metadata, &[&"lost", &panics]))).is_err());
        let written = fixture.event(metadata, &[&"kept", &1]);
        assert_eq!(written.lines().count(), 1, "{written}");
        assert!(written.contains("kept") && !written.contains("half"), "{written}");
    }
}

#[test]
fn an_argument_that_logs_neither_blocks_nor_recurses_for_ever() {
    let fixture = Fixture::new(Format::Text);
    NESTED.set(Some(fixture.output.dispatch().clone()));
    let metadata = site(Level::INFO, "t", &["message", "v"], None);
    let once = tracing_core::field::debug(Logs(1));
    let written = fixture.event(metadata, &[&"outer", &once]);
    let lines: Vec<_> = written.lines().map(|line| line.split_once("1234] ").unwrap().1).collect();
    assert_eq!(lines, ["inner: nested v=logged", "t: outer v=logged"]);
    let deep = tracing_core::field::debug(Logs(100));
    fixture.event(metadata, &[&"outer", &deep]);
    assert_eq!(fixture.written().lines().count(), 2 + 4);
    assert_eq!(fixture.output.stats().lost_records, 1);
    NESTED.set(None);
}

#[test]
fn delivered_lines_are_gathered_and_direct_ones_written_at_once() {
    let fixture = Fixture::new(Format::Text);
    let metadata = site(Level::INFO, "t", &["message"], None);
    let event = || {
        let values = [Some(&"m" as &dyn tracing_core::field::Value)];
        fixture.output.dispatch().event(&tracing_core::Event::new(metadata, &metadata.fields().value_set_all(&values)));
    };
    event();
    assert_eq!(fixture.directory.read("log"), "");
    assert_eq!(fixture.output.buffered(), "2026-11-22T09:00:00.123456Z  INFO main[1234] t: m\n".len());
    delivery::leave();
    event();
    assert_eq!(fixture.output.buffered(), 0);
    let written = fixture.directory.read("log");
    let direct = written.lines().nth(1).unwrap();
    let name = std::thread::current().name().unwrap().to_owned();
    assert!(direct.contains(&format!("  INFO {name}[")) && direct.ends_with("] t: m"), "{direct}");
    assert_eq!(fixture.output.stats().written_bytes, written.len() as u64);
}

#[test]
fn a_large_buffer_is_written_by_itself() {
    let fixture = Fixture::new(Format::Text);
    let metadata = site(Level::INFO, "t", &["message"], None);
    let values = [Some(&"m" as &dyn tracing_core::field::Value)];
    for _ in 0..WRITE_AT / 40 {
        fixture.output.dispatch().event(&tracing_core::Event::new(metadata, &metadata.fields().value_set_all(&values)));
    }
    assert!(fixture.output.buffered() < WRITE_AT);
    assert!(fixture.directory.read("log").len() >= WRITE_AT);
}

#[test]
fn a_reopened_output_leaves_the_inherited_buffer() {
    let fixture = Fixture::new(Format::Text);
    let metadata = site(Level::INFO, "t", &["message"], None);
    let values = [Some(&"inherited" as &dyn tracing_core::field::Value)];
    // As in a child whose parent had another thread hold the lock: it must not be needed.
    let mut held = Vec::new();
    for generation in ["child", "grandchild"] {
        fixture.output.dispatch().event(&tracing_core::Event::new(metadata, &metadata.fields().value_set_all(&values)));
        assert!(fixture.output.buffered() > 0);
        held.push(fixture.output.shared.current().lock());
        fixture.output.reopen().unwrap();
        assert_eq!(fixture.output.buffered(), 0);
        let written = fixture.event(metadata, &[&generation]);
        assert!(written.ends_with(&format!(" t: {generation}\n")) && !written.contains("inherited"), "{written}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn lost_records_are_counted() {
    let fixture = Fixture::with(Format::Json, |config| config.destination = Destination::File("/dev/full".into()));
    let metadata = site(Level::INFO, "t", &["message"], None);
    for _ in 0..3 {
        let values = [Some(&"m" as &dyn tracing_core::field::Value)];
        fixture.output.dispatch().event(&tracing_core::Event::new(metadata, &metadata.fields().value_set_all(&values)));
    }
    assert_eq!(fixture.output.write().unwrap_err().lost_records, 3);
    assert_eq!(fixture.output.buffered(), 0);
    assert_eq!(fixture.output.stats().lost_records, 3);
    fixture.output.write().unwrap();
}

#[test]
fn the_filter_answers_for_a_callsite() {
    let directory = Directory::new();
    let config = OutputConfig { destination: Destination::File(directory.path("log")), ..OutputConfig::default() };
    let filter = Arc::new(Filter::new(Directives::parse("warn,net=debug").unwrap()));
    let output = Output::open(&config, Arc::clone(&filter)).unwrap();
    let answers = |level, target| {
        let metadata = site(level, target, &["message"], None);
        let interest = dispatcher::with_default(output.dispatch(), || {
            dispatcher::get_default(|dispatch| dispatch.register_callsite(metadata))
        });
        assert_eq!(interest.is_always(), !interest.is_never());
        assert_eq!(output.dispatch().enabled(metadata), interest.is_always());
        interest.is_always()
    };
    assert!(answers(Level::DEBUG, "net::tcp"));
    assert!(!answers(Level::TRACE, "net::tcp"));
    assert!(!answers(Level::INFO, "network"));
    filter.set(Directives::parse("info").unwrap());
    assert!(answers(Level::INFO, "network"));
    assert!(!answers(Level::DEBUG, "net::tcp"));
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error() {
    let directory = Directory::new();
    let config =
        OutputConfig { destination: Destination::File(directory.path("missing/log")), ..OutputConfig::default() };
    let error = Output::open(&config, Arc::default()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn nothing_is_formatted_for_no_destination() {
    let fixture = Fixture::with(Format::Text, |config| config.destination = Destination::None);
    let metadata = site(Level::INFO, "t", &["message", "v"], None);
    let panics = tracing_core::field::debug(Panics);
    let values = [Some(&"m" as &dyn tracing_core::field::Value), Some(&panics)];
    fixture.output.dispatch().event(&tracing_core::Event::new(metadata, &metadata.fields().value_set_all(&values)));
    assert_eq!(fixture.output.buffered(), 0);
}

fn untrusted() -> impl Strategy<Value = String> {
    let characters = prop_oneof![
        4 => any::<char>(),
        4 => proptest::char::range(' ', '~'),
        2 => proptest::char::range('\0', '\u{9f}'),
        1 => proptest::char::range('\u{2000}', '\u{206f}'),
        1 => proptest::sample::select(vec!['\n', '"', '\\', '=', ' ', '\u{61c}', '#']),
    ];
    proptest::collection::vec(characters, 0..24).prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever a caller passes, a record is one line without a control character, and JSON gives it back.
    #[test]
    fn one_record_is_one_clean_line(
        target in untrusted(),
        thread in untrusted(),
        message in untrusted(),
        pairs in proptest::collection::vec((untrusted(), untrusted()), 0..6),
        number in any::<f64>(),
    ) {
        let names: Vec<&str> =
            ["message", "number"].into_iter().chain(pairs.iter().map(|(name, _)| name.as_str())).collect();
        let metadata = site(Level::WARN, &target, &names, None);
        let values: Vec<&dyn tracing_core::field::Value> = [&message as _, &number as _]
            .into_iter()
            .chain(pairs.iter().map(|(_, value)| value as &dyn tracing_core::field::Value))
            .collect();
        for format in FORMATS {
            let fixture = Fixture::new(format);
            deliver(&thread, 5);
            let line = fixture.event(metadata, &values);
            let body = line.strip_suffix('\n').unwrap();
            let forbidden = body.chars().find(|&character| character.is_control() || matches!(character as u32,
                0x61c | 0x200e | 0x200f | 0x2028..=0x202e | 0x2066..=0x2069));
            prop_assert_eq!(forbidden, None, "{}", body);
            if format == Format::Json {
                let json: Json = serde_json::from_str(body).unwrap();
                let fields = json["fields"].as_object().unwrap();
                prop_assert_eq!(fields.len(), names.len(), "a key is repeated: {}", body);
                prop_assert_eq!(&fields["message"], &message);
                prop_assert_eq!(&json["target"], &target);
                prop_assert_eq!(json["threadName"].as_str().unwrap_or(""), &thread);
                if number.is_finite() {
                    // Read by std: serde_json's own reading of numbers may be off by one in the last place.
                    let (_, rest) = body.split_once(",\"number\":").unwrap();
                    let digits = rest.split([',', '}']).next().unwrap();
                    prop_assert_eq!(digits.parse(), Ok(number));
                    prop_assert!(fields["number"].is_number());
                } else {
                    prop_assert!(fields["number"].is_null());
                }
                for value in pairs.iter().map(|(_, value)| value) {
                    prop_assert!(fields.values().any(|field| field == value.as_str()), "{}", body);
                }
            }
        }
    }
}

/// A value of a record, and what tracing is given for it.
fn raw_and_shown(value: &Logged) -> (RawValue<'_>, Box<dyn tracing_core::field::Value + '_>) {
    match value {
        Logged::I64(value) => (RawValue::I64(*value), Box::new(*value)),
        Logged::U64(value) => (RawValue::U64(*value), Box::new(*value)),
        Logged::F64(value) => (RawValue::F64(*value), Box::new(*value)),
        Logged::Bool(value) => (RawValue::Bool(*value), Box::new(*value)),
        Logged::Pointer(value) => {
            let pointer = std::ptr::without_provenance::<()>(*value as usize);
            (RawValue::Pointer(*value), Box::new(tracing_core::field::debug(pointer)))
        }
        Logged::Text(bytes, missing) => {
            let raw = RawText { bytes, full: bytes.len() as u64 + missing, terminated: bytes };
            let mut shown = raw.mend().0.into_owned();
            if *missing > 0 {
                shown += &format!("… ({missing} bytes more)");
            }
            (RawValue::Text(raw), Box::new(shown))
        }
    }
}

#[derive(Debug, Clone)]
enum Logged {
    I64(i64),
    U64(u64),
    F64(f64),
    Bool(bool),
    Pointer(u64),
    Text(Vec<u8>, u64),
}

fn logged() -> impl Strategy<Value = Logged> {
    let text = prop_oneof![
        any::<Vec<u8>>(),
        any::<String>().prop_map(String::into_bytes),
        "[ -~]{0,40}".prop_map(String::into_bytes)
    ];
    prop_oneof![
        any::<i64>().prop_map(Logged::I64),
        any::<u64>().prop_map(Logged::U64),
        any::<f64>().prop_map(Logged::F64),
        Just(Logged::F64(f64::NAN)),
        any::<bool>().prop_map(Logged::Bool),
        any::<u64>().prop_map(Logged::Pointer),
        (text, prop_oneof![Just(0), 1..100_000_u64]).prop_map(|(bytes, missing)| Logged::Text(bytes, missing)),
    ]
}

/// Threads that log the same statement in turn have their own lines, those too whose ids have the same place, and one that
/// was renamed.
#[test]
fn lines_name_their_threads() {
    let metadata = site(Level::INFO, "target", &["message"], None);
    let threads = [("one", 3), ("two", 4), ("three", 11), ("renamed", 3)]
        .map(|(name, id)| Arc::new(ThreadInfo { id, name: name.into() }));
    for format in FORMATS {
        let fixture = Fixture::new(format);
        let mut lines = Lines::default();
        let mut line = Line::new(metadata, fixture.output.style(), 0, None);
        let text = RawText { bytes: b"text", full: 4, terminated: b"text" };
        let order = [0, 1, 2, 1, 0, 3, 3, 2];
        for thread in order {
            let (thread, message) = (&threads[thread], LineMessage::Plain(text));
            lines.push(&mut line, LineRecord { time_ns: 1, thread, message, values: &[] });
        }
        lines.hand_over(&fixture.output);
        for (line, thread) in fixture.written().lines().zip(order) {
            let ThreadInfo { id, name } = &*threads[thread];
            let shown = match format {
                Format::Text => format!("{name}[{id}]"),
                Format::Logfmt => format!("thread={name} thread_id={id}"),
                Format::Json => format!("\"threadName\":\"{name}\",\"threadId\":{id}"),
            };
            assert!(line.contains(&shown), "{line}: {shown}");
        }
        assert_eq!(fixture.written().lines().count(), order.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The short way writes what the layer makes of the event, byte for byte.
    #[test]
    fn a_line_is_what_the_layer_writes(
        level in prop::sample::select(vec![Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE]),
        target in "[a-z:é\\n]{0,12}",
        has_file in any::<bool>(),
        color in prop::sample::select(vec![Color::Never, Color::Always]),
        message in (any::<Vec<u8>>(), prop_oneof![Just(0), 1..9_u64]),
        fields in prop::collection::vec(
            (prop::sample::select(vec!["k", "message", "k#2", "level", "ts", "r#type", "a key", "é\n"]), logged()), 0..6),
        thread in prop::sample::select(vec!["main", "", "a \x1b thread"]),
        time_ns in any::<u64>(),
        in_message in any::<u64>(),
    ) {
        let in_message = in_message & !1;
        let names: Vec<&str> = std::iter::once("message").chain(fields.iter().map(|(name, _)| *name)).collect();
        let metadata = site(level, &target, &names, has_file.then_some("file.c"));
        let message = Logged::Text(message.0, message.1);
        let (raw_message, shown_message) = raw_and_shown(&message);
        let RawValue::Text(raw_message) = raw_message else { unreachable!("it is a text") };
        let (raw, shown): (Vec<_>, Vec<_>) = fields.iter().map(|(_, value)| raw_and_shown(value)).unzip();
        let shown: Vec<_> = std::iter::once(&*shown_message).chain(shown.iter().map(|value| &**value)).collect();
        for format in FORMATS {
            let fixture = Fixture::with(format, |config| config.color = color);
            deliver_at(thread, 1234, time_ns);
            delivery::set_fields_in_message(in_message);
            let by_layer = fixture.event(metadata, &shown);
            let info = delivery::with_current(|delivery| delivery.thread().clone()).unwrap();
            let mut lines = Lines::default();
            let mut line = Line::new(metadata, fixture.output.style(), in_message, None);
            let message = LineMessage::Plain(raw_message);
            lines.push(&mut line, LineRecord { time_ns, thread: &info, message, values: &raw });
            lines.hand_over(&fixture.output);
            let both = fixture.written();
            prop_assert_eq!(&both[by_layer.len()..], by_layer.as_str());
        }
    }

    /// The same where a template makes the message.
    #[test]
    fn a_line_of_a_template_is_what_the_layer_writes(
        parts in prop::collection::vec(prop::sample::select(
            vec!["{a}", "{b}", "{c}", " ", "\"", "=", "é\u{202e}", "\n\x1b[31m", "{{", "{x}", "plain text"]), 0..8),
        values in [logged(), logged(), logged()],
    ) {
        let template = Template::parse(&parts.concat(), &["a", "b", "c"]);
        let (raw, shown): (Vec<_>, Vec<_>) = values.iter().map(raw_and_shown).unzip();
        let mut message = String::new();
        template.render(&mut message, |out, field| _ = show(out, &raw[field]));
        let shown: Vec<_> = std::iter::once(&message as &dyn tracing_core::field::Value).chain(shown.iter().map(|value| &**value)).collect();
        let metadata = site(Level::INFO, "target", &["message", "a", "b", "c"], None);
        for format in FORMATS {
            let fixture = Fixture::new(format);
            deliver_at("main", 1234, 1);
            delivery::set_fields_in_message(template.fields());
            let by_layer = fixture.event(metadata, &shown);
            let info = delivery::with_current(|delivery| delivery.thread().clone()).unwrap();
            let mut lines = Lines::default();
            let mut line = Line::new(metadata, fixture.output.style(), template.fields(), Some(&template));
            let message = LineMessage::Of(&template);
            lines.push(&mut line, LineRecord { time_ns: 1, thread: &info, message, values: &raw });
            lines.hand_over(&fixture.output);
            let both = fixture.written();
            prop_assert_eq!(&both[by_layer.len()..], by_layer.as_str());
        }
    }
}
