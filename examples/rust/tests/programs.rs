//! Runs the programs and reads their logs.
#![allow(missing_docs, reason = "a test")]

use serde_json::{Value, json};
use std::process::Command;

/// Runs a program with an output of JSON; whether it succeeded, and its log.
fn run(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> (bool, Vec<Value>) {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LOGFUSION_")) {
        command.env_remove(name);
    }
    command.args(arguments).env_remove("RUST_LOG").env("LOGFUSION_FORMAT", "json").envs(variables.iter().copied());
    let output = command.output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    // The program's events are in its own order. SQLite's and SDL's come from the drain, a moment later.
    let mut records: Vec<Value> = log.lines().map(parse).collect();
    records.sort_by_key(|record| record["timestamp"].as_str().unwrap().to_owned());
    (output.status.success(), records)
}

/// Level, target, spans and fields; a duration is checked and taken out.
fn events(records: &[Value], target: &str) -> Vec<Value> {
    let event = |record: &Value| {
        let mut fields = record["fields"].clone();
        if let Some(duration) = fields.as_object_mut().unwrap().remove("duration_ms") {
            assert!((0.0..60_000.0).contains(&duration.as_f64().unwrap()), "{record}");
            fields["duration_ms"] = json!("checked");
        }
        let spans = record["spans"].as_array().map_or_else(Vec::new, |spans| spans.clone());
        json!([record["level"], spans, fields])
    };
    records.iter().filter(|record| record["target"] == target).map(event).collect()
}

#[test]
fn hello_says_what_it_does() {
    let (success, records) = run(env!("CARGO_BIN_EXE_hello"), &[], &[]);
    assert!(success);
    let load = json!([{"name": "load", "level": "harbour"}]);
    assert_eq!(events(&records, "plugins::lua"), [json!(["INFO", [], {"message": "ready"}])]);
    assert_eq!(events(&records, "plugins::physics"), [json!(["INFO", [], {"message": "ready"}])]);
    assert_eq!(events(&records, "hello"), [json!(["INFO", load, {"message": "loaded", "bytes": 7168}])]);
    let fields = json!({"message": "the device is gone", "code": -19});
    assert_eq!(events(&records, "game::audio"), [json!(["WARN", [], fields])]);
    assert_eq!(records.len(), 4);
}

#[test]
fn the_database_program_logs_each_query() {
    let (success, records) = run(env!("CARGO_BIN_EXE_database"), &[":memory:"], &[]);
    assert!(success);
    let connect = json!([{"name": "connect"}]);
    let query = |preview: &str| json!([{"name": "execute", "query_preview": preview}]);
    let executing = |preview: &str| json!(["INFO", query(preview), {"message": "executing"}]);
    let executed = |preview: &str, rows: i32| json!(["INFO", query(preview), {"message": "executed", "rows_affected": rows, "duration_ms": "checked"}]);
    let failed = |preview: &str, code: i32, error: &str| {
        let fields =
            json!({"message": "the query failed", "error_code": code, "duration_ms": "checked", "error": error});
        json!(["ERROR", query(preview), fields])
    };
    let goes_on = |error: &str| json!(["ERROR", [], {"message": "the program goes on", "error": error}]);
    let create = "CREATE TABLE players (id INTEGER PRIMARY KEY, name TEXT UNIQUE)";
    let insert = "INSERT INTO players (name) VALUES ('ada'), ('grace'); INSERT INTO players (name) VALUES ('joan')";
    let update = "UPDATE players SET name = upper(name) WHERE id < 3";
    // 35 bytes, and then characters of two: the 33rd of them would end behind the 100th byte.
    let long = format!("INSERT INTO players(name) VALUES ('{}", "\u{e9}".repeat(32));
    let (select, again) = ("SELECT * FROM players", "INSERT INTO players (name) VALUES ('joan')");
    let (wrong, nul) = ("SELEKT * FROM players", "SELECT '\0'");
    let expected = [
        json!(["INFO", connect, {"message": "connecting"}]),
        json!(["INFO", connect, {"message": "connected"}]),
        executing(create),
        executed(create, 0),
        executing(insert),
        executed(insert, 3),
        executing(update),
        executed(update, 2),
        executing(&long),
        executed(&long, 1),
        executing(select),
        executed(select, 0),
        executing(again),
        failed(again, 2067, "UNIQUE constraint failed: players.name"),
        goes_on("the query failed: SQLite says 2067"),
        executing(wrong),
        failed(wrong, 1, "near \"SELEKT\": syntax error in SELEKT * FROM players at offset 0"),
        goes_on("the query failed: SQLite says 1"),
        executing(nul),
        json!(["ERROR", query(nul), {"message": "the query has a NUL in it"}]),
        goes_on("the query is not one"),
        json!(["INFO", [], {"message": "closing the connection"}]),
        json!(["INFO", [], {"message": "connection closed"}]),
    ];
    let seen = events(&records, "database");
    for (seen, expected) in seen.iter().zip(&expected) {
        assert_eq!(seen, expected);
    }
    assert_eq!(seen.len(), expected.len());

    // SQLite's own words for what failed.
    let own = events(&records, "sqlite");
    let codes: Vec<_> = own.iter().map(|event| (event[0].as_str().unwrap(), &event[2]["code"])).collect();
    assert_eq!(codes, [("WARN", &json!(2067)), ("WARN", &json!(1))], "{own:?}");
    assert!(own[0][2]["message"].as_str().unwrap().contains("UNIQUE constraint failed"), "{own:?}");
    assert!(own[1][2]["message"].as_str().unwrap().contains("near \"SELEKT\""), "{own:?}");
}

#[test]
fn a_database_that_cannot_be_opened_is_an_error() {
    let (success, records) = run(env!("CARGO_BIN_EXE_database"), &["/nowhere/at/all.db"], &[]);
    assert!(!success);
    let seen = events(&records, "database");
    assert_eq!((&seen[1][0], &seen[1][2]["error_code"]), (&json!("ERROR"), &json!(14)), "{seen:?}");
    assert_eq!(seen[2], json!(["ERROR", [], {"message": "no database", "error": "the database can't be opened"}]));
    let own = events(&records, "sqlite");
    assert!(own.iter().any(|event| event[2]["message"].as_str().unwrap().contains("/nowhere/at/all.db")), "{own:?}");
}

#[test]
fn the_graphics_program_logs_each_frame() {
    let variables = [("SDL_VIDEODRIVER", "dummy"), ("LOGFUSION_LOG", "debug")];
    let (success, records) = run(env!("CARGO_BIN_EXE_graphics"), &[], &variables);
    assert!(success);
    let init = json!([{"name": "graphics_initialization"}]);
    let frame = json!([{"name": "render_frame", "frame_size": 8192}]);
    let cleanup = json!([{"name": "cleanup_graphics"}]);
    let rendered = json!(["INFO", frame, {"message": "frame rendered", "frame_rendered": true}]);
    let reason = "Parameter 'texture' is invalid";
    let not_rendered = "a frame can't be rendered: SDL says -1";
    let expected = [
        json!(["INFO", init, {"message": "initialising graphics"}]),
        json!(["INFO", init, {"message": "graphics initialised", "width": 64, "height": 32}]),
        rendered.clone(),
        rendered,
        json!(["ERROR", frame, {
            "message": "the frame was not rendered", "error_code": -1, "frame_size": 8192, "reason": reason,
        }]),
        json!(["ERROR", [], {"message": "the program goes on", "error": not_rendered, "number": 2}]),
        json!(["INFO", cleanup, {"message": "cleaning up graphics"}]),
        json!(["INFO", cleanup, {"message": "graphics cleaned up"}]),
    ];
    assert_eq!(events(&records, "graphics"), expected);
    // SDL's own words, by its log.
    let own = events(&records, "sdl");
    assert!(own.iter().any(|event| event[0] == "DEBUG" && event[2]["message"] == reason), "{own:?}");
}

#[test]
fn graphics_that_cannot_be_initialised_are_an_error() {
    let (success, records) = run(env!("CARGO_BIN_EXE_graphics"), &[], &[("SDL_VIDEODRIVER", "there is none")]);
    assert!(!success);
    let init = json!([{"name": "graphics_initialization"}]);
    let error = "graphics can't be initialised: SDL says -1";
    let expected = [
        json!(["INFO", init, {"message": "initialising graphics"}]),
        json!(["ERROR", init, {"message": "SDL_Init failed", "error_code": -1, "reason": "there is none not available"}]),
        json!(["ERROR", init, {"error": error}]),
        json!(["ERROR", [], {"message": "no graphics", "error": error}]),
    ];
    assert_eq!(events(&records, "graphics"), expected);
}
