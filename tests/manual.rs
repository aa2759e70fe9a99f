//! Manual mode: no thread, and a budget for each call.
mod common;

use common::*;
use logfusion::c_api::logfusion_drain;
use std::ffi::c_void;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SLOW: Duration = Duration::from_micros(500);

static CALLED_ON: AtomicU64 = AtomicU64::new(0);
static DRAINED_INSIDE: AtomicI64 = AtomicI64::new(1);

/// Takes its time.
unsafe extern "C-unwind" fn slow(_: *const logfusion::c_api::CRecord, _: *mut c_void) {
    CALLED_ON.store(thread_id(), Ordering::Relaxed);
    DRAINED_INSIDE.store(logfusion_drain(u64::MAX), Ordering::Relaxed);
    let started = Instant::now();
    while started.elapsed() < SLOW {
        std::hint::spin_loop();
    }
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn the_program_drains_within_its_budget() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("manual");
    let path = dir.path("log");
    let before = threads();
    start(&Config { output: Some(path.clone()), drain: MANUAL, ring_bytes: 1 << 20, ..Config::default() });
    assert_eq!(threads(), before, "manual mode starts no thread");

    assert_eq!(logfusion_drain(u64::MAX), 0, "nothing was logged");
    for number in 0..100 {
        assert_eq!(log_text(INFO, "manual", &format!("{number}")), OK);
    }
    assert_eq!(messages(&path, "manual").len(), 0, "nobody drained");
    assert_eq!(stats_of_this_thread().queued, 100);
    assert_eq!(flush(0), E_TIMEOUT, "something is queued");
    let left = stats_of_this_thread().queued as i64;
    assert_eq!(logfusion_drain(u64::MAX), left);
    let expected: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(messages(&path, "manual"), expected, "drained, written, in order");
    assert_eq!(flush(0), OK);

    // A budget: at least one record, and an end soon after the budget is used up.
    let handle = subscribe::<()>(c"slow", INFO, slow, std::ptr::null());
    const RECORDS: i64 = 200;
    for _ in 0..RECORDS {
        assert_eq!(log(INFO, c"slow", c"takes half a millisecond"), OK);
    }
    assert_eq!(logfusion_drain(0), 1, "even with 0 one record is delivered");
    assert_eq!(CALLED_ON.load(Ordering::Relaxed), thread_id(), "callbacks run on the thread that drains");
    assert_eq!(DRAINED_INSIDE.load(Ordering::Relaxed), i64::from(E_IN_CALLBACK));
    let mut taken = 1;
    let mut calls = 0;
    while taken < RECORDS {
        let started = Instant::now();
        let now = logfusion_drain(5_000);
        let took = started.elapsed();
        assert!(now >= 1, "progress in each call: {now}");
        // 5 ms hold ten of these, and the clock is looked at after each, since it is a callback that takes the time.
        assert!(now <= 12, "{now} records of {SLOW:?} in a budget of 5 ms ({took:?})");
        taken += now;
        calls += 1;
    }
    assert_eq!(taken, RECORDS, "no record was taken twice");
    assert!(calls >= 10, "{calls} calls");
    assert_eq!(unsubscribe(handle, -1), OK);

    // Without callbacks it is looked at after the first record and every eighth.
    for _ in 0..RECORDS {
        assert_eq!(log(INFO, c"manual", c"takes a tenth of a microsecond"), OK);
    }
    assert_eq!(logfusion_drain(0), 1);
    assert_eq!(logfusion_drain(u64::MAX), RECORDS - 1);

    // A batch is delivered record by record, too.
    let batch: Vec<_> = (0..64).map(|_| Entry::new(INFO, "manual", "one of a batch")).collect();
    assert_eq!(log_batch(&batch), 64);
    assert_eq!(logfusion_drain(0), 1);
    let mine = stats_of_this_thread();
    assert_eq!((mine.queued, mine.failed), (63, 0));
    assert_eq!(log(INFO, c"manual", c"behind the batch"), OK);
    assert_eq!(logfusion_drain(0), 1);
    assert_eq!(logfusion_drain(u64::MAX), 63);
    let expected = [["one of a batch"; 64].as_slice(), &["behind the batch"]].concat();
    assert!(messages(&path, "manual").ends_with(&expected.iter().map(ToString::to_string).collect::<Vec<_>>()));

    // And after each write: here every one comes with a record behind which it would be looked at.
    let long = "x".repeat(34_000);
    const LONG: i64 = 24;
    assert_eq!(log(INFO, c"manual", c"short"), OK);
    for _ in 0..LONG {
        assert_eq!(log_text(INFO, "manual", &long), OK);
    }
    let first = logfusion_drain(100);
    assert!(first <= LONG, "{first} records, all, in a budget of 100 us");
    assert_eq!(logfusion_drain(u64::MAX), LONG + 1 - first);

    // A flush drains by itself.
    assert_eq!(log(INFO, c"manual", c"flushed"), OK);
    flush_all();
    assert_eq!(messages(&path, "manual").last().unwrap(), "flushed");

    // Another thread is in it.
    let (inside, is_inside) = std::sync::mpsc::channel::<()>();
    let (let_out, leave) = std::sync::mpsc::channel::<()>();
    let door = (inside, std::sync::Mutex::new(leave));
    let handle = subscribe(c"door", INFO, at_door, &raw const door);
    log(INFO, c"door", c"wait");
    let other = std::thread::spawn(|| logfusion_drain(u64::MAX));
    is_inside.recv().unwrap();
    assert_eq!(logfusion_drain(u64::MAX), i64::from(E_BUSY));
    let_out.send(()).unwrap();
    assert_eq!(other.join().unwrap(), 1);
    assert_eq!(unsubscribe(handle, -1), OK);

    // A full ring drops and says so; a drain makes room again.
    let long = "x".repeat(10_000);
    let mut accepted = 0;
    while log_text(INFO, "manual", &long) == OK {
        accepted += 1;
        assert!(accepted < 1000, "a ring of 1 MiB is never full");
    }
    assert!(accepted > 50);
    assert_eq!(logfusion_drain(u64::MAX), accepted);
    assert_eq!(log(INFO, c"manual", c"room again"), OK);

    // The stop delivers what is queued, on this thread.
    shutdown();
    assert_eq!(messages(&path, "manual").last().unwrap(), "room again");
    let counts = stats_of_this_thread();
    counts.assert_equations();
    assert_eq!((counts.queued, counts.failed, counts.dropped_full), (0, 0, 1), "{counts:?}");

    // Where a thread drains, nobody else does.
    start(&Config { output: Some(path), ..Config::default() });
    assert_eq!(logfusion_drain(0), i64::from(E_MODE));
}

type Door = (std::sync::mpsc::Sender<()>, std::sync::Mutex<std::sync::mpsc::Receiver<()>>);

unsafe extern "C-unwind" fn at_door(_: *const logfusion::c_api::CRecord, context: *mut c_void) {
    // SAFETY: the context is a `Door` that outlives its subscription.
    let (inside, leave) = unsafe { &*context.cast::<Door>() };
    inside.send(()).unwrap();
    leave.lock().unwrap().recv().unwrap();
}

fn stats_of_this_thread() -> Counts {
    let all = thread_stats();
    all.iter().find(|thread| thread.thread_id == thread_id()).unwrap().counts
}
