//! Spans and context of C threads, as the engine's own output shows them.
mod common;

use common::*;
use serde_json::{Value, json};

/// Message, names of the spans from the outermost, and the context, of the lines that were written since the last look.
struct News {
    path: std::path::PathBuf,
    read: usize,
}

impl News {
    fn lines(&mut self) -> Vec<Value> {
        flush_all();
        let lines = json_lines(&self.path);
        let new = lines[self.read..].iter().filter(|line| line["target"] != "logfusion").cloned().collect();
        self.read = lines.len();
        new
    }

    fn seen(&mut self) -> Vec<(String, Vec<String>, Value)> {
        self.lines()
            .iter()
            .map(|line| {
                let spans = line["spans"].as_array().cloned().unwrap_or_default();
                let names: Vec<String> = spans.iter().map(|span| span["name"].as_str().unwrap().to_owned()).collect();
                assert_eq!(line.get("span"), spans.last(), "{line}");
                let fields = line["fields"].as_object().unwrap();
                let context = fields.iter().filter(|(key, _)| key.starts_with("context."));
                let context = context.map(|(key, value)| (key["context.".len()..].to_owned(), value.clone())).collect();
                (fields["message"].as_str().unwrap().to_owned(), names, Value::Object(context))
            })
            .collect()
    }
}

fn line(message: &str, spans: &[&str], context: Value) -> (String, Vec<String>, Value) {
    (message.to_owned(), spans.iter().map(|name| (*name).to_owned()).collect(), context)
}

#[test]
fn records_are_inside_the_spans_and_the_context_of_their_thread() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("spans");
    let path = dir.path("log");
    start(&Config { output: Some(path.clone()), format: JSON, ..Config::default() });
    let mut news = News { path: path.clone(), read: 0 };
    let say = |message: &std::ffi::CStr| assert_eq!(log(INFO, c"game", message), OK);

    // Nesting, fields, and what is outside again.
    say(c"before");
    let frame = span_enter(INFO, c"game", c"frame", &[Field::i64(c"number", 7), Field::text(c"name", "a")]);
    say(c"in frame");
    let physics = span_enter(INFO, c"game::physics", c"physics", &[]);
    say(c"in physics");
    assert_eq!(span_exit(physics), OK);
    say(c"in frame again");
    assert_eq!(span_exit(frame), OK);
    say(c"after");
    let lines = news.lines();
    assert_eq!(lines[1]["span"], json!({"number": 7, "name#1": "a", "name": "frame"}), "{}", lines[1]);
    assert_eq!(lines[2]["spans"][0], lines[1]["span"]);
    news.read = 0;
    let none = || json!({});
    let expected = [
        line("before", &[], none()),
        line("in frame", &["frame"], none()),
        line("in physics", &["frame", "physics"], none()),
        line("in frame again", &["frame"], none()),
        line("after", &[], none()),
    ];
    assert_eq!(news.seen(), expected);

    // Exits that come twice, out of order, or not at all.
    assert_eq!(span_exit(frame), E_UNKNOWN);
    assert!(last_error().contains("not open on this thread"), "{}", last_error());
    assert_eq!(span_exit(0), OK);
    let a = span_enter(INFO, c"game", c"a", &[]);
    let b = span_enter(INFO, c"game", c"b", &[]);
    _ = span_enter(INFO, c"game", c"never left", &[]);
    say(c"three deep");
    assert_eq!(std::thread::spawn(move || span_exit(a)).join().unwrap(), E_UNKNOWN, "another thread's");
    assert_eq!(span_exit(a), OK, "the outermost first");
    say(c"all left");
    assert_eq!(span_exit(b), E_UNKNOWN);
    let c = span_enter(INFO, c"game", c"c", &[]);
    say(c"in c");
    assert_eq!(span_exit(c), OK);
    let expected = [
        line("three deep", &["a", "b", "never left"], none()),
        line("all left", &[], none()),
        line("in c", &["c"], none()),
    ];
    assert_eq!(news.seen(), expected);

    // Level and filter: a span that nobody wants costs nothing, and is not around anything.
    assert_eq!(span_enter(DEBUG, c"game", c"unwanted", &[]), 0);
    set_filter(c"warn,net=info");
    let net = span_enter(INFO, c"net", c"request", &[]);
    let game = span_enter(INFO, c"game", c"filtered", &[]);
    log(WARN, c"game", c"a warning");
    assert_eq!((span_exit(game), span_exit(net)), (OK, OK));
    assert_eq!(news.seen(), [line("a warning", &["request"], none())]);
    set_filter(c"info");

    // Context: around everything, also around spans that are entered later; the innermost counts.
    assert_eq!(context_set(c"match_id", c"m1"), OK);
    say(c"with a match");
    let frame = span_enter(INFO, c"game", c"frame", &[]);
    say(c"in a frame");
    assert_eq!(context_set(c"frame", c"1"), OK);
    say(c"and its number");
    assert_eq!(context_set(c"frame", c"2"), OK);
    let physics = span_enter(INFO, c"game", c"physics", &[]);
    say(c"the next");
    assert_eq!((span_exit(physics), span_exit(frame)), (OK, OK));
    say(c"the context stays");
    assert_eq!(context_clear(Some(c"match_id")), OK);
    say(c"without a match");
    assert_eq!(context_clear(None), OK);
    say(c"without any");
    assert_eq!(context_set(c"name", c"reserved in spans"), OK);
    std::thread::spawn(|| log(INFO, c"game", c"of another thread")).join().unwrap();
    log_fields(INFO, c"game", c"clash", &[Field::i64(c"context.name", 1)]);
    assert_eq!(context_clear(Some(c"name")), OK);
    let expected = [
        line("with a match", &[], json!({"match_id": "m1"})),
        line("in a frame", &["frame"], json!({"match_id": "m1"})),
        line("and its number", &["frame"], json!({"match_id": "m1", "frame": "1"})),
        line("the next", &["frame", "physics"], json!({"match_id": "m1", "frame": "2"})),
        line("the context stays", &[], json!({"match_id": "m1", "frame": "2"})),
        line("without a match", &[], json!({"frame": "2"})),
        line("without any", &[], none()),
        line("of another thread", &[], none()),
        line("clash", &[], json!({"name": "reserved in spans", "name#1": 1})),
    ];
    let mut seen = news.seen();
    seen[7..].sort_by(|a, b| b.0.cmp(&a.0));
    assert_eq!(seen, expected);

    // Cleared inside of a span that was entered with it.
    assert_eq!(context_set(c"key", c"value"), OK);
    let frame = span_enter(INFO, c"game", c"frame", &[]);
    assert_eq!(context_clear(None), OK);
    say(c"cleared inside");
    assert_eq!(span_exit(frame), OK);
    say(c"and outside");
    assert_eq!(news.seen(), [line("cleared inside", &["frame"], none()), line("and outside", &[], none())]);

    // Bad arguments.
    // SAFETY: NULL is allowed.
    unsafe {
        use logfusion::c_api;
        use std::ptr::null;
        assert_eq!(c_api::logfusion_context_set(null(), c"v".as_ptr()), -1);
        assert_eq!(c_api::logfusion_context_set(c"k".as_ptr(), null()), -1);
        assert_eq!(c_api::logfusion_span_enter(INFO, c"game".as_ptr(), null(), null(), 0), 0);
        assert!(last_error().contains("name is NULL"), "{}", last_error());
    }
    assert_eq!((context_set(c"", c"v"), context_clear(Some(c""))), (-2, -2));

    // As deep as it goes.
    let spans: Vec<u64> = (0..64).map(|_| span_enter(INFO, c"game", c"deep", &[])).collect();
    assert!(spans.iter().all(|span| *span != 0));
    assert_eq!(span_enter(INFO, c"game", c"too deep", &[]), 0);
    assert!(last_error().contains("64 spans"), "{}", last_error());
    say(c"deep");
    assert_eq!(span_exit(spans[0]), OK);
    assert_eq!(news.seen(), [line("deep", &["deep"; 64], none())]);

    // Most keys of a context: the engine says once that there are more.
    for key in 0..40 {
        let key = std::ffi::CString::new(format!("key{key}")).unwrap();
        assert_eq!(context_set(&key, c"v"), OK);
    }
    say(c"many keys");
    assert_eq!(news.seen()[0].2.as_object().unwrap().len(), 32);
    let said = json_lines(&path).iter().filter(|line| line["fields"]["key"] == "key32").count();
    assert_eq!(said, 1);
    assert_eq!(context_clear(None), OK);

    // A thread that ends inside a span takes it along, and one that comes after has none.
    for _ in 0..3 {
        std::thread::spawn(|| {
            span_enter(INFO, c"game", c"of a thread", &[]);
            context_set(c"thread", c"one");
            log(INFO, c"game", c"ends inside");
        })
        .join()
        .unwrap();
    }
    std::thread::spawn(|| log(INFO, c"game", c"a fresh thread")).join().unwrap();
    let ends = || line("ends inside", &["of a thread"], json!({"thread": "one"}));
    assert_eq!(news.seen(), [ends(), ends(), ends(), line("a fresh thread", &[], none())]);

    // The ledger counts envelopes as records.
    let counts = stats().counts;
    counts.assert_equations();
    assert_eq!(counts.failed, 0, "{counts:?}");

    // A restart with another output: the span is opened there again.
    let frame = span_enter(INFO, c"game", c"over a restart", &[]);
    assert_eq!(context_set(c"k", c"v"), OK);
    say(c"old");
    shutdown();
    let second = dir.path("second");
    start(&Config { output: Some(second.clone()), format: JSON, ..Config::default() });
    say(c"new");
    assert_eq!(span_exit(frame), OK);
    say(c"outside");
    news.path = second;
    news.read = 0;
    let expected = [line("new", &["over a restart"], json!({"k": "v"})), line("outside", &[], json!({"k": "v"}))];
    assert_eq!(news.seen(), expected);
}
