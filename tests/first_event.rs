//! An event of Rust right after the start reaches the run's output, whatever the drain has done until then.
mod common;

use common::*;

#[test]
fn rusts_first_event_is_not_lost() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("first-event");
    for run in 0..20 {
        let path = dir.path(&format!("log.{run}"));
        start(&Config { output: Some(path.clone()), ..Config::default() });
        tracing::info!(target: "first", run, "of Rust");
        shutdown();
        assert_eq!(messages(&path, "first"), [format!("of Rust run={run}")]);
    }
}
