//! Flush: what it promises about the file, its limits of time, and where it refuses.
mod common;

use common::*;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A callback's door: it tells when it is inside, and waits to be let out.
struct Door {
    entered: mpsc::Sender<()>,
    leave: std::sync::Mutex<mpsc::Receiver<()>>,
}

unsafe extern "C-unwind" fn wait_at_door(_: *const logfusion::c_api::CRecord, context: *mut c_void) {
    // SAFETY: the context is a `Door` that outlives its subscription.
    let door = unsafe { &*context.cast::<Door>() };
    door.entered.send(()).unwrap();
    door.leave.lock().unwrap().recv().unwrap();
}

static IN_CALLBACK: [AtomicI32; 2] = [AtomicI32::new(1), AtomicI32::new(1)];
static CALLS: AtomicU32 = AtomicU32::new(0);

unsafe extern "C-unwind" fn flush_inside(_: *const logfusion::c_api::CRecord, _: *mut c_void) {
    IN_CALLBACK[0].store(flush(1000), Ordering::Relaxed);
    IN_CALLBACK[1].store(flush(0), Ordering::Relaxed);
    CALLS.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn flush_means_written_or_says_otherwise() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("flush");
    let path = dir.path("log");
    assert_eq!(flush(-1), OK, "nothing runs, nothing is to be done");
    // The longest rest allowed: a flush that does not wake the drain shows.
    start(&Config { output: Some(path.clone()), idle_us: 1_000_000, ..Config::default() });

    // What was accepted before a flush is in the file when it returns.
    for number in 0..200 {
        assert_eq!(log_text(INFO, "flush", &format!("number {number}")), OK);
        assert_eq!(flush(10_000), OK);
        assert_eq!(messages(&path, "flush").len(), number + 1);
    }
    // Of other threads too.
    let logged = std::thread::spawn(|| log_text(INFO, "flush", "from another thread")).join().unwrap();
    assert_eq!(logged, OK);
    flush_all();
    assert_eq!(messages(&path, "flush").last().unwrap(), "from another thread");

    // 0 only looks: nothing is queued now, then something is.
    assert_eq!(flush(0), OK);

    // Inside a callback a flush would wait for itself.
    let inside = subscribe::<()>(c"inside", INFO, flush_inside, std::ptr::null());
    log(INFO, c"inside", c"the callback flushes");
    flush_all();
    assert_eq!(CALLS.load(Ordering::Relaxed), 1);
    assert!(IN_CALLBACK.iter().all(|status| status.load(Ordering::Relaxed) == E_IN_CALLBACK), "{IN_CALLBACK:?}");
    assert_eq!(unsubscribe(inside, -1), OK);

    // A callback that is stuck: the flush ends in time.
    let (entered, is_inside) = mpsc::channel();
    let (let_out, leave) = mpsc::channel();
    let door = Door { entered, leave: std::sync::Mutex::new(leave) };
    let stuck = subscribe(c"stuck", INFO, wait_at_door, &raw const door);
    log(INFO, c"stuck", c"the callback waits");
    is_inside.recv().unwrap();
    assert_eq!(log(INFO, c"flush", c"behind the stuck one"), OK);
    assert_overrun([0].into_iter(), |limit| assert_eq!(flush(limit), E_TIMEOUT, "flush(0) only looks"));
    assert_overrun((0..100).map(|round| 1 + round % 10), |limit| assert_eq!(flush(limit), E_TIMEOUT));

    let_out.send(()).unwrap();
    flush_all();
    assert_eq!(messages(&path, "flush").last().unwrap(), "behind the stuck one");
    assert_eq!(unsubscribe(stuck, -1), OK);

    // While the engine stops, what is queued is not written yet.
    let (entered, is_inside) = mpsc::channel();
    let (let_out, leave) = mpsc::channel();
    let door = Door { entered, leave: std::sync::Mutex::new(leave) };
    let stuck = subscribe(c"stuck", INFO, wait_at_door, &raw const door);
    log(INFO, c"stuck", c"the callback waits again");
    is_inside.recv().unwrap();
    assert_eq!(log(INFO, c"flush", c"accepted before the stop"), OK);
    let stop = std::thread::spawn(shutdown);
    let early = wait_for_early_ok();
    let_out.send(()).unwrap();
    stop.join().unwrap();
    assert_eq!(messages(&path, "flush").last().unwrap(), "accepted before the stop");
    assert_eq!(early, None, "a flush during the stop said OK before the record was written");
    assert_eq!(unsubscribe(stuck, -1), OK);
}

/// Flushes while another thread stops the engine and the drain is stuck: no flush may say OK.
fn wait_for_early_ok() -> Option<c_int> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(200) {
        let status = flush(20);
        if status != E_TIMEOUT {
            return Some(status);
        }
    }
    None
}
