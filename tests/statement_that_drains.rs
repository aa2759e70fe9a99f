//! An argument of a statement that calls into the engine: the scope in which the statement is dispatched is the engine's own
//! output, and the engine does not take it for a subscriber of the host.
mod common;

use common::*;
use logfusion::c_api;

#[test]
fn the_engines_own_scope_is_no_host() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("statement-that-drains");
    let path = dir.path("log");
    start(&Config { output: Some(path.clone()), drain: MANUAL, global_default: NO, ..Config::default() });
    assert_eq!(log(INFO, c"drained", c"one"), OK);
    logfusion::info!(target: "rust", left = c_api::logfusion_drain(u64::MAX), "drained by an argument");
    assert_eq!(log(INFO, c"drained", c"two"), OK);
    c_api::logfusion_drain(u64::MAX);
    assert_eq!(messages(&path, "drained"), ["one", "two"]);
    assert_eq!(messages(&path, "rust").len(), 1);
    let sum = stats().counts;
    sum.assert_equations();
    assert_eq!((sum.delivered, sum.queued), (2, 0), "{sum:?}");
}
