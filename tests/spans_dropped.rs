//! Entries and exits that find no room: what follows is shown where it was logged.
mod common;

use common::*;

/// The lines' messages with the names of their spans.
fn seen(path: &std::path::Path) -> Vec<(String, Vec<String>)> {
    let names = |line: &serde_json::Value| {
        let spans = line["spans"].as_array().cloned().unwrap_or_default();
        spans.iter().map(|span| span["name"].as_str().unwrap().to_owned()).collect()
    };
    let lines = json_lines(path);
    let ours = lines.iter().filter(|line| line["target"] == "game");
    ours.map(|line| (line["fields"]["message"].as_str().unwrap().to_owned(), names(line))).collect()
}

fn drain() {
    logfusion::c_api::logfusion_drain(u64::MAX);
}

/// Fills the ring for records of this level.
fn fill(level: std::ffi::c_int) {
    while log(level, c"flood", c"x") == OK {}
}

#[test]
fn a_flood_costs_a_span_and_nothing_else() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("spans-dropped");
    let path = dir.path("log");
    let config =
        Config { output: Some(path.clone()), format: JSON, ring_bytes: 8192, drain: MANUAL, ..Config::default() };
    start(&config);
    let expect = |expected: &[(&str, &[&str])]| {
        drain();
        let seen = seen(&path);
        let new = &seen[seen.len() - expected.len()..];
        let new: Vec<(&str, Vec<&str>)> =
            new.iter().map(|(message, spans)| (message.as_str(), spans.iter().map(String::as_str).collect())).collect();
        let expected: Vec<(&str, Vec<&str>)> =
            expected.iter().map(|(message, spans)| (*message, spans.to_vec())).collect();
        assert_eq!(new, expected);
    };

    // An entry is dropped: its inner span is there, it is not, and its exit ends both.
    fill(INFO);
    let outer = span_enter(INFO, c"game", c"dropped", &[]);
    assert_ne!(outer, 0);
    drain();
    let inner = span_enter(INFO, c"game", c"inner", &[]);
    log(INFO, c"game", c"one");
    assert_eq!(span_exit(inner), OK);
    log(INFO, c"game", c"two");
    assert_eq!(span_exit(outer), OK);
    log(INFO, c"game", c"three");
    expect(&[("one", &["inner"]), ("two", &[]), ("three", &[])]);

    // The exit of a dropped entry says nothing of the span that is there now.
    let kept = span_enter(INFO, c"game", c"kept", &[]);
    fill(INFO);
    let dropped = span_enter(INFO, c"game", c"dropped", &[]);
    drain();
    assert_eq!(span_exit(dropped), OK);
    log(INFO, c"game", c"four");
    assert_eq!(span_exit(kept), OK);
    expect(&[("four", &["kept"])]);

    // A flood of INFO keeps no exit out: the warning behind it is outside.
    let frame = span_enter(INFO, c"game", c"frame", &[]);
    fill(INFO);
    assert_eq!(span_exit(frame), OK);
    log(WARN, c"game", c"five");
    expect(&[("five", &[])]);

    // A flood of WARN does. The next entry puts it right.
    let frame = span_enter(INFO, c"game", c"stuck", &[]);
    fill(WARN);
    assert_eq!(span_exit(frame), OK, "it is left all the same");
    drain();
    log(INFO, c"game", c"six");
    let next = span_enter(INFO, c"game", c"next", &[]);
    log(INFO, c"game", c"seven");
    assert_eq!(span_exit(next), OK);
    log(INFO, c"game", c"eight");
    expect(&[("six", &["stuck"]), ("seven", &["next"]), ("eight", &[])]);

    // A change of the context that is dropped says so.
    fill(INFO);
    assert_eq!(context_set(c"key", c"value"), E_DROPPED);
    drain();
    let counts = stats().counts;
    counts.assert_equations();
    assert_eq!(counts.failed, 0);
}
