//! A disk that is full and well again, a hundred times: callers never wait, what is lost is counted, and output goes on.
mod common;

use common::*;
use std::path::Path;
use std::time::{Duration, Instant};

const E_OUTPUT: std::ffi::c_int = -11;

/// Lets no file grow past `bytes`: the kernel then refuses writes as it does where a disk is full (`EFBIG`).
fn limit_files(bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: a limit of this process.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0);
}

/// Fills the disk, which is well again afterwards, `past` bytes behind the file's end; logs a number of records. Returns how
/// long the longest call took.
fn fill(path: &Path, cycle: u64, past: u64) -> Duration {
    limit_files(std::fs::metadata(path).unwrap().len() + past);
    let mut longest = Duration::ZERO;
    for number in 0..RECORDS {
        let began = Instant::now();
        assert_eq!(log_text(INFO, "disk", &format!("cycle {cycle} record {number} of some length")), OK);
        longest = longest.max(began.elapsed());
    }
    assert_eq!(flush(10_000), E_OUTPUT, "cycle {cycle}");
    limit_files(libc::RLIM_INFINITY);
    longest
}

const RECORDS: u64 = 500;

#[test]
fn output_goes_on_when_there_is_room_again() {
    const CYCLES: u64 = 100;
    let _limit = Limit::seconds(120);
    let dir = TempDir::new("disk-full");
    let path = dir.path("log");
    // What the engine itself says would be lost too, and counted with the records.
    start(&Config { output: Some(path.clone()), filter: Some("info,logfusion=off"), ..Config::default() });
    log(INFO, c"disk", c"the first");
    flush_all();
    let mut longest = Duration::ZERO;
    let mut logged = 1;
    for cycle in 0..CYCLES {
        // Room for a part of them, that ends inside of a line, or just before or after its end.
        longest = longest.max(fill(&path, cycle, 10_007 + cycle));
        let began = Instant::now();
        assert_eq!(log_text(INFO, "disk", &format!("well again {cycle}")), OK);
        flush_all();
        assert!(began.elapsed() < Duration::from_secs(1), "it takes {:?} to go on", began.elapsed());
        logged += RECORDS + 1;
    }
    let stats = stats();
    stats.counts.assert_equations();
    assert_eq!((stats.counts.offered, stats.counts.delivered), (logged, logged), "{:?}", stats.counts);
    assert!(stats.output_errors >= CYCLES, "{}", stats.output_errors);

    // What is not counted as lost is there, whole and in order.
    let lines = lines(&path);
    let is_whole = |line: &&String| {
        line.ends_with("of some length") || line.contains(" disk: well again ") || line.ends_with(" disk: the first")
    };
    let whole: Vec<&String> = lines.iter().filter(is_whole).collect();
    assert_eq!(whole.len() as u64 + stats.output_lost_records, logged, "{} lines are torn", lines.len() - whole.len());
    for cycle in 0..CYCLES {
        assert!(whole.iter().any(|line| line.ends_with(&format!("well again {cycle}"))), "cycle {cycle}");
    }
    println!("the longest call took {longest:?}");
    assert!(longest < Duration::from_millis(500), "a caller waited for the disk");

    // It is said, and not once a record.
    set_filter(c"info");
    fill(&path, CYCLES, 10_007);
    let said = || std::fs::read_to_string(&path).unwrap().matches("records could not be written").count();
    wait_until(Duration::from_secs(5), "it is said that records were lost", || said() > 0);
    shutdown();
    assert!((1..=3).contains(&said()), "{}", said());
}
