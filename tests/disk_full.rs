//! A disk that is full and well again, a hundred times: callers never wait, what is lost is counted, and output goes on.
mod common;

use common::*;
use std::time::{Duration, Instant};

const E_OUTPUT: std::ffi::c_int = -11;

/// Lets no file grow past `bytes`: the kernel then refuses writes as it does where a disk is full (`EFBIG`).
fn limit_files(bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: a limit of this process.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0);
}

#[test]
fn output_goes_on_when_there_is_room_again() {
    const CYCLES: u64 = 100;
    const RECORDS: u64 = 500;
    let _limit = Limit::seconds(120);
    let dir = TempDir::new("disk-full");
    let path = dir.path("log");
    start(&Config { output: Some(path.clone()), ..Config::default() });
    log(INFO, c"disk", c"the first");
    flush_all();
    let mut longest = Duration::ZERO;
    let mut logged = 1;
    for cycle in 0..CYCLES {
        // Room for a part of them, that ends inside of a line.
        let size = std::fs::metadata(&path).unwrap().len();
        limit_files(size + 10_007);
        for number in 0..RECORDS {
            let began = Instant::now();
            assert_eq!(log_text(INFO, "disk", &format!("cycle {cycle} record {number} of some length")), OK);
            longest = longest.max(began.elapsed());
        }
        assert_eq!(flush(10_000), E_OUTPUT, "cycle {cycle}");
        limit_files(libc::RLIM_INFINITY);
        let began = Instant::now();
        assert_eq!(log_text(INFO, "disk", &format!("well again {cycle}")), OK);
        flush_all();
        assert!(began.elapsed() < Duration::from_secs(1), "it takes {:?} to go on", began.elapsed());
        logged += RECORDS + 1;
    }
    shutdown();
    let stats = stats();
    stats.counts.assert_equations();
    assert_eq!((stats.counts.offered, stats.counts.delivered), (logged, logged), "{:?}", stats.counts);
    assert!(stats.output_errors >= CYCLES, "{}", stats.output_errors);

    // What is not counted as lost is there, whole and in order.
    let lines = lines(&path);
    let whole = |line: &&String| line.contains(" disk: ");
    let whole_lines: Vec<&String> = lines
        .iter()
        .filter(whole)
        .filter(|line| line.ends_with("of some length") || line.contains("well again ") || line.ends_with("the first"))
        .collect();
    assert_eq!(
        whole_lines.len() as u64 + stats.output_lost_records,
        logged,
        "{} lines are torn",
        lines.len() - whole_lines.len()
    );
    for cycle in 0..CYCLES {
        assert!(whole_lines.iter().any(|line| line.ends_with(&format!("well again {cycle}"))), "cycle {cycle}");
    }
    // It is said, and not once a record.
    let said = lines.iter().filter(|line| line.contains("records could not be written")).count() as u64;
    assert!((1..=CYCLES).contains(&said), "{said}");
    println!("the longest call took {longest:?}");
    assert!(longest < Duration::from_millis(500), "a caller waited for the disk");
}
