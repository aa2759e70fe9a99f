//! Lines at the end of spans, with durations by the caller's clock.
mod common;

use common::*;
use std::time::Duration;

#[test]
fn a_span_that_ends_has_a_line_with_its_duration() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("span-close");
    let path = dir.path("log");
    // Nothing is delivered until the end: the drain's own clock would say next to nothing.
    let config = Config {
        output: Some(path.clone()),
        format: JSON,
        drain: MANUAL,
        span_close: 1,
        global_default: NO,
        ..Config::default()
    };
    start(&config);
    let drain = || logfusion::c_api::logfusion_drain(u64::MAX);
    drain();
    let outer = span_enter(WARN, c"game", c"outer", &[Field::i64(c"number", 7)]);
    let inner = span_enter(INFO, c"game", c"inner", &[]);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(span_exit(inner), OK);
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(span_exit(outer), OK);
    let abandoned = span_enter(INFO, c"game", c"left by the one around it", &[]);
    _ = span_enter(INFO, c"game", c"abandoned", &[]);
    assert_eq!(span_exit(abandoned), OK);
    context_set(c"key", c"value");
    log(INFO, c"game", c"a context has no line of its own");
    context_clear(None);
    log(INFO, c"game", c"the last");
    drain();
    {
        let span = logfusion::info_span!(target: "rust", "of Rust");
        let _entered = span.enter();
        std::thread::sleep(Duration::from_millis(10));
    }
    flush_all();

    let lines = json_lines(&path);
    let closes: Vec<_> = lines.iter().filter(|line| line["fields"]["message"] == "close").collect();
    let names: Vec<&str> = closes.iter().map(|line| line["span"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["inner", "outer", "left by the one around it", "of Rust"], "{lines:#?}");
    let duration = |index: usize| Duration::from_nanos(closes[index]["fields"]["duration_ns"].as_u64().unwrap());
    let is_about = |index, ms| duration(index) >= Duration::from_millis(ms) && duration(index) < Duration::from_secs(5);
    assert!(is_about(0, 20) && is_about(1, 50) && is_about(3, 10), "{closes:#?}");
    assert!(duration(1) >= duration(0) + Duration::from_millis(30));
    assert!(is_about(2, 0), "{closes:#?}");
    let outer = closes[1];
    assert_eq!((outer["level"].as_str(), outer["target"].as_str()), (Some("WARN"), Some("game")));
    assert_eq!(outer["spans"], serde_json::json!([{"number": 7, "name": "outer"}]));
    assert_eq!(closes[0]["spans"][0]["name"], "outer", "it ended inside");
}
