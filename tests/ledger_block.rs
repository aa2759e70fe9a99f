//! The ledger under the policy "block": four threads, an output too slow for them, and nothing is lost.
mod common;

use common::{ledger, *};
use std::time::{Duration, Instant};

#[test]
fn nothing_is_lost_when_callers_wait() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("ledger-block");
    let policy = Config { overflow: BLOCK, block_ms: -1, ..Config::default() };
    let (own, _) = ledger::log_into_a_slow_pipe(&dir, policy, Duration::from_micros(200));
    assert_eq!(stats().counts.dropped_sum(), 0);
    assert!(own.iter().all(|own| own.accepted == ledger::RECORDS as u64));
    shutdown();

    // With a limit a caller waits so long and no longer: nobody drains this ring.
    start(&Config {
        output: Some("none".into()),
        filter: Some("info"),
        ring_bytes: 4096,
        overflow: BLOCK,
        block_ms: 50,
        drain: MANUAL,
        ..Config::default()
    });
    let counts = std::thread::spawn(|| {
        set_thread_name(c"waits");
        // Wanted by somebody, or it would not be queued at all.
        let handle = subscribe::<()>(c"", INFO, ignore, std::ptr::null());
        let mut accepted = 0;
        let waited = loop {
            let before = Instant::now();
            if log_bytes(INFO, b"block", &[b'x'; 100]) != OK {
                break before.elapsed();
            }
            accepted += 1;
            assert!(accepted < 100, "a ring of 4 KiB is never full");
        };
        assert!(waited >= Duration::from_millis(50) && waited < Duration::from_secs(2), "waited {waited:?}");
        let counts = stats_of("waits");
        assert_eq!((counts.accepted, counts.queued), (accepted, accepted));
        flush_all();
        assert_eq!(unsubscribe(handle, -1), OK);
        counts
    });
    let counts = counts.join().unwrap();
    assert_eq!((counts.dropped_timeout, counts.dropped_full), (1, 0));
}

unsafe extern "C-unwind" fn ignore(_: *const logfusion::c_api::CRecord, _: *mut std::ffi::c_void) {}
