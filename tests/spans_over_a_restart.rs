//! A span of Rust that is open while the engine is restarted with another output.
mod common;

use common::*;

#[test]
fn a_span_survives_a_restart() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("spans-restart");
    for global_default in [NO, 0] {
        let paths = ["a", "b"].map(|name| dir.path(&format!("{name}.{global_default}")));
        start(&Config { output: Some(paths[0].clone()), global_default, ..Config::default() });
        let span = logfusion::info_span!("open", number = 1);
        let entered = span.clone().entered();
        logfusion::info!(target: "restart", "before");
        shutdown();
        start(&Config { output: Some(paths[1].clone()), global_default, ..Config::default() });
        logfusion::info!(target: "restart", "after");
        let again = span.clone();
        drop(entered);
        drop((span, again));
        logfusion::info_span!("another").in_scope(|| logfusion::info!(target: "restart", "in another"));
        shutdown();
        let count = |path: &std::path::Path, what: &str| lines(path).iter().filter(|line| line.contains(what)).count();
        assert_eq!((count(&paths[0], "before"), count(&paths[1], "after")), (1, 1));
        assert_eq!((count(&paths[0], "open"), count(&paths[1], "open")), (1, 0));
        assert_eq!(count(&paths[1], "another: restart"), 1, "{:?}", lines(&paths[1]));
    }
}
