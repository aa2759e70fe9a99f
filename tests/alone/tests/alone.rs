//! Runs the program, which starts nothing by itself, and reads the default output.
#![allow(missing_docs, reason = "a test")]

use serde_json::{Value, json};
use std::process::Command;

/// What the program says, line by line.
fn run(part: &str) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alone"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LOGFUSION_")) {
        command.env_remove(name);
    }
    let output = command
        .arg(part)
        .env_remove("RUST_LOG")
        .env("LOGFUSION_FORMAT", "json")
        .env("LOGFUSION_LOG", "info,alone_quiet=warn")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "stdout is the program's");
    stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Level, target and fields.
fn event(record: &Value) -> Value {
    json!([record["level"], record["target"], record["fields"]])
}

/// The names of the spans, outermost first.
fn spans_of(record: &Value) -> Vec<&str> {
    let spans = record["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
    spans.iter().map(|span| span["name"].as_str().unwrap()).collect()
}

fn with_message<'a>(records: &'a [Value], message: &str) -> &'a Value {
    let mut found = records.iter().filter(|record| record["fields"]["message"] == message);
    let record = found.next().unwrap_or_else(|| panic!("no {message:?}: {records:#?}"));
    assert!(found.next().is_none(), "{message:?} once");
    record
}

#[test]
fn every_form_of_a_statement_becomes_its_event() {
    let records = run("events");
    let named = json!({
        "message": "named", "a": 1, "b.c": true, "quoted key": 0.5, "a.constant": "text", "d": "Some(1)", "e": "owned",
    });
    let mut named_at_run_time = named.clone();
    named_at_run_time["f"] = json!("\"x\"");
    let expected = [
        json!(["INFO", "alone", {"message": "plain"}]),
        json!(["INFO", "alone", {"message": "with text and 7"}]),
        json!(["INFO", "alone::literal", {"message": "literal target"}]),
        json!(["INFO", "alone", {"message": "fields", "number": 7, "text": "text", "owned": "\"owned\"", "number#4": "7", "point.x": -1}]),
        json!(["INFO", "alone", named]),
        json!(["INFO", "alone", {"message": "message 2", "braces": 1}]),
        json!(["INFO", "alone", {"only": "fields"}]),
        json!(["INFO", "alone", {"message": "both", "message#1": "text"}]),
        json!(["INFO", "alone", {"message": "text"}]),
        json!(["ERROR", "alone", {"message": "error"}]),
        json!(["WARN", "alone", {"message": "warn"}]),
        json!(["WARN", "alone", {"message": "event", "number": 7}]),
        json!(["INFO", "alone::7", {"message": "plain"}]),
        json!(["INFO", "alone::7", {"message": "with text and 7"}]),
        json!(["INFO", "alone::constant", {"message": "constant target"}]),
        json!(["INFO", "alone::7", {"message": "fields", "number": 7, "text": "text", "owned": "\"owned\"", "number#4": "7", "point.y": 2}]),
        json!(["INFO", "alone::7", named_at_run_time]),
        json!(["INFO", "alone::7", {"message": "message 2", "braces": 1}]),
        json!(["INFO", "alone::7", {"only": "fields"}]),
        json!(["INFO", "alone::7", {"message": "both", "message#1": "text"}]),
        json!(["INFO", "alone::7", {"message": "text"}]),
        json!(["INFO", "alone::7", {"message": "raw", "type": 1}]),
        json!(["ERROR", "alone::7", {"message": "error"}]),
        json!(["WARN", "alone_quiet::x", {"message": "not filtered"}]),
    ];
    let seen: Vec<Value> = records.iter().map(event).collect();
    for (seen, expected) in seen.iter().zip(&expected) {
        assert_eq!(seen, expected);
    }
    assert_eq!(seen.len(), expected.len(), "{:#?}", &seen[expected.len().min(seen.len())..]);
}

#[test]
fn spans_work_without_a_subscriber() {
    let records = run("spans");
    let expected: [(&str, &[&str]); 8] = [
        ("in outer", &["outer"]),
        ("with a target of run time", &["outer"]),
        ("in inner", &["outer", "inner"]),
        ("in outer by its parent", &["outer"]),
        ("so with a target of run time", &["outer"]),
        ("in no span", &[]),
        ("in child", &["outer", "child"]),
        ("in error", &["error"]),
    ];
    let seen: Vec<(&str, Vec<&str>)> =
        records.iter().map(|record| (record["fields"]["message"].as_str().unwrap(), spans_of(record))).collect();
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    for (seen, (message, spans)) in seen.into_iter().zip(expected) {
        assert_eq!(seen, (message, spans.to_vec()));
    }
    assert_eq!(records[0]["spans"][0], json!({"name": "outer", "number": 1}));
    assert_eq!(records[1]["spans"][0], json!({"name": "outer", "number": 1, "later": "recorded"}));
    assert_eq!(records[1]["target"], "alone::runtime");
}

#[test]
fn instrumented_functions_are_spans() {
    let records = run("functions");
    let message = |message: &str| with_message(&records, message);
    let span = |text: &str| message(text)["span"].clone();

    assert_eq!(span("in plain"), json!({"name": "plain", "number": -1, "text": "two", "list": "[3]"}));
    assert_eq!(span("in configured"), json!({"name": "renamed", "size": 6, "number": 5, "later": true}));
    assert_eq!(span("rendering"), json!({"name": "frame", "number": 5, "game": "pong"}));
    assert_eq!(spans_of(message("in no span")), Vec::<&str>::new());

    let results = records.iter().filter(|record| !record["fields"].as_object().unwrap().contains_key("message"));
    let results: Vec<Value> = results.map(|record| json!([event(record), spans_of(record)])).collect();
    assert_eq!(
        results,
        [
            json!([["ERROR", "alone", {"error": "failure 11"}], ["fails"]]),
            json!([["ERROR", "alone", {"error": "failure 99"}], ["fails"]]),
            json!([["WARN", "alone::results", {"error": "Failure(0)"}], ["both"]]),
            json!([["INFO", "alone::results", {"return": "42"}], ["both"]]),
            json!([["WARN", "alone", {"return": "5"}], ["returns"]]),
            json!([["INFO", "alone", {"return": "Ok(3)"}], ["load"]]),
            json!([["ERROR", "alone", {"error": "failure 99"}], ["boxed"]]),
            json!([["ERROR", "alone::elsewhere", {"return": "9"}], ["by a constant"]]),
        ]
    );

    let load = json!({"name": "load", "self": "Game { name: \"pong\" }", "level": "one"});
    assert_eq!((span("loading"), span("still loading")), (load.clone(), load));
    assert_eq!(spans_of(message("in the box")), ["boxed"]);
    assert_eq!(spans_of(message("in the block")), ["block"]);
    let between: Vec<_> =
        records.iter().filter(|record| record["fields"]["message"] == "between polls").map(spans_of).collect();
    assert_eq!(between, vec![Vec::<&str>::new(); 3]);
    assert_eq!(spans_of(message("in with_parent")), ["a parent", "with_parent"]);
    assert_eq!(spans_of(message("in follows")), ["follows"]);
    let relocated = json!({"name": "by a constant", "type": 9, "_unused": ""});
    assert_eq!(records.last().unwrap()["span"], relocated);
}

#[test]
fn first_statements_of_several_threads_are_all_there() {
    for _ in 0..10 {
        let records = run("threads");
        let mut numbers: Vec<u64> = records.iter().map(|record| record["fields"]["number"].as_u64().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..8).collect::<Vec<_>>());
    }
}
