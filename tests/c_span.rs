//! Rust spans inside a span of C name it.
mod common;

use common::*;

#[test]
fn a_rust_span_names_the_span_of_c_around_it() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("c-span");
    let path = dir.path("log");
    start(&Config { output: Some(path.clone()), format: JSON, ..Config::default() });
    let spans = |number: u32| {
        let span = logfusion::info_span!(target: "rust", "by our macro", number,);
        span.in_scope(|| logfusion::info!(target: "rust", "one"));
        instrumented(number);
        logfusion::span!(logfusion::Level::INFO, "no fields").in_scope(|| logfusion::info!(target: "rust", "three"));
        // tracing's own macro: only our output adds the field.
        tracing::info_span!("by tracing").in_scope(|| logfusion::info!(target: "rust", "four"));
    };
    spans(0);
    let frame = span_enter(INFO, c"game", c"frame", &[]);
    spans(1);
    assert_eq!(span_exit(frame), OK);
    spans(2);
    flush_all();
    let lines = json_lines(&path);
    let seen: Vec<_> = lines
        .iter()
        .filter(|line| line["target"] == "rust")
        .map(|line| {
            let name = line["span"]["name"].as_str().unwrap().to_owned();
            (name, line["span"].get("c_span").map(|value| value.as_str().unwrap().to_owned()))
        })
        .collect();
    let names = ["by our macro", "instrumented", "no fields", "by tracing"];
    let expected: Vec<_> = [None, Some("frame".to_owned()), None]
        .into_iter()
        .flat_map(|c_span| names.map(|name| (name.to_owned(), c_span.clone())))
        .collect();
    assert_eq!(seen, expected);
}

#[logfusion::instrument]
fn instrumented(number: u32) {
    logfusion::info!(target: "rust", "two");
}
