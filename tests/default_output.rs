//! A program without a subscriber, and without a call to start anything, gets text on stderr.
mod common;

use common::*;
use std::time::Duration;

#[test]
fn records_go_to_stderr_by_default() {
    if role().is_some() {
        assert_eq!(log(INFO, c"game::net", c"to stderr"), OK);
        let fields = [Field::i64(c"tries", -3), Field::text(c"host", "two words")];
        assert_eq!(log_fields(WARN, c"game::net", c"no answer", &fields), OK);
        assert_eq!(log(DEBUG, c"game::net", c"not by default"), OK);
        // And nothing else: the exit of the process delivers.
        return;
    }
    let dir = TempDir::new("default-output");
    let mut command = child("records_go_to_stderr_by_default", "log", &dir.path("unused"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("LOGFUSION_") || name == "RUST_LOG") {
            command.env_remove(name);
        }
    }
    let output = run(command, Duration::from_secs(20));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(lines[0].contains(" INFO ") && lines[0].ends_with(" game::net: to stderr"), "{stderr}");
    assert!(lines[1].contains(" WARN "), "{stderr}");
    assert!(lines[1].ends_with(r#" game::net: no answer tries=-3 host="two words""#), "{stderr}");
    assert!(!stderr.contains('\x1b'), "no colour where there is no terminal");
    assert!(!String::from_utf8(output.stdout).unwrap().contains("game::net"), "stdout is the program's");
    for line in lines {
        let time: jiff::Timestamp = line.split(' ').next().unwrap().parse().unwrap();
        assert!(jiff::Timestamp::now().duration_since(time).as_secs().abs() < 60, "{line}");
    }

    // The environment has the last word.
    let log = dir.path("json");
    let mut command = child("records_go_to_stderr_by_default", "log", &log);
    command.env("LOGFUSION_OUTPUT", &log).env("LOGFUSION_FORMAT", "json").env("LOGFUSION_LOG", "game=debug");
    let output = run(command, Duration::from_secs(20));
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let records = json_lines(&log);
    let levels: Vec<&str> = records.iter().map(|record| record["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["INFO", "WARN", "DEBUG"]);
    assert_eq!(records[1]["fields"]["tries"], -3);
    assert_eq!(records[1]["fields"]["host"], "two words");
    assert_eq!(records[1]["fields"]["message"], "no answer");
}
