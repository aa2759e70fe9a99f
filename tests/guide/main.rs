//! The samples of the FFI guide for Rust, a module a chapter: each is compiled, runs, and is held to the events that it
//! promises.
//!
//! They are what a library writes that is called from C and logs with logfusion's macros; the functions that logfusion itself
//! exports under these names are tested elsewhere. All run in one process, side by side, with one output: a
//! test looks at the records of its own thread.
#[path = "../common/mod.rs"]
mod common;

mod advanced;
mod basics;
mod callbacks;
mod errors;
mod languages;
mod memory;
mod performance;
mod troubleshooting;

use common::*;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::OnceLock;

/// The file that the engine writes to. It is started with the first call.
fn log_file() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guide.json");
        _ = std::fs::remove_file(&path);
        let output = Some(path.clone());
        start(&Config { filter: Some("trace"), output, format: JSON, global_default: NO, ..Config::default() });
        path
    })
}

/// Calls `f`; the whole records that this thread logged meanwhile.
fn records(f: impl FnOnce()) -> Vec<Value> {
    let file = log_file();
    let before = std::fs::metadata(file).map_or(0, |file| file.len()) as usize;
    f();
    flush_all();
    let text = std::fs::read_to_string(file).unwrap();
    let parse = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    // What was being written at that moment is another thread's.
    let records = text[before..].split_inclusive('\n').filter(|line| line.ends_with('\n') && line.starts_with('{'));
    let own = thread_id();
    records.map(parse).filter(|record| record["threadId"] == own).collect()
}

/// Calls `f`; level, target and fields of the events that this thread logged meanwhile.
fn events(f: impl FnOnce()) -> Vec<Value> {
    records(f).iter().map(|record| json!([record["level"], record["target"], record["fields"]])).collect()
}
