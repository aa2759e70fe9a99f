//! The file that `LOGFUSION_FILTER_FILE` names: what it says counts a second after it was changed.
mod common;

use common::*;
use std::time::{Duration, Instant};

#[test]
fn a_changed_file_changes_the_filter() {
    if role().is_some() {
        inside();
        return;
    }
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("filter_file");
    std::fs::write(dir.path("filter"), "warn").unwrap();
    let mut child = child("a_changed_file_changes_the_filter", "logs", &dir.path("log"));
    child.env("LOGFUSION_FILTER_FILE", dir.path("filter")).env("LOGFUSION_OUTPUT", dir.path("log"));
    let output = run(child, Duration::from_secs(50));
    assert!(output.status.success(), "{output:?}");
    let said: Vec<String> =
        lines(&dir.path("log")).into_iter().filter(|line| line.contains("the filter file")).collect();
    assert_eq!(said.len(), 1, "a fault is said once: {said:?}");
    assert!(said[0].contains("net=loud"), "{said:?}");
}

fn inside() {
    let log_path = child_log();
    let file = log_path.with_file_name("filter");
    // The environment that `start` would forget is what is tested.
    assert_eq!(logfusion::c_api::logfusion_init(), OK);
    let logs = |level, target: &str| {
        let count = || lines(&log_path).len();
        flush_all();
        let before = count();
        log_text(level, target, "probe");
        flush_all();
        count() > before
    };
    let after_change = |content: &str, level, target: &str, wanted| {
        std::fs::write(&file, content).unwrap();
        let changed = Instant::now();
        while logs(level, target) != wanted {
            assert!(changed.elapsed() < Duration::from_secs(4), "{content:?} does not count");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    after_change("warn", INFO, "net", false);
    after_change("warn\nnet=debug # for now\n", DEBUG, "net", true);
    assert!(!logs(INFO, "other"));
    std::fs::write(&file, "net=loud").unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    assert!(logs(DEBUG, "net"), "a file with a fault changes nothing");
    after_change("off", ERROR, "net", false);
    std::fs::remove_file(&file).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!logs(ERROR, "net"), "neither does a file that is gone");
    shutdown();
}
