//! Unsubscribing while callbacks run: no call after it returned, no deadlock, no wait beyond its limit.
mod common;

use common::*;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

const ALIVE: u64 = 0x600D_C0FF_EE00_600D;
const DEAD: u64 = 0xDEAD_DEAD_DEAD_DEAD;

/// What a callback is given. Its first word says whether it may still be used; the allocator writes over it, too.
struct Context {
    canary: AtomicU64,
    calls: AtomicU64,
}

static CALLS: AtomicU64 = AtomicU64::new(0);
static AFTER_DEATH: AtomicU64 = AtomicU64::new(0);

unsafe extern "C-unwind" fn check_canary(_: *const logfusion::c_api::CRecord, context: *mut c_void) {
    let context = context.cast::<Context>();
    let check = || {
        // SAFETY: alive, if the engine keeps its promise; read as raw memory, so that a freed one can be told.
        let canary = unsafe { (&raw const (*context).canary).cast::<u64>().read_volatile() };
        if canary != ALIVE {
            AFTER_DEATH.fetch_add(1, Ordering::Relaxed);
        }
        canary == ALIVE
    };
    if check() {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above, and it has just been found alive.
        unsafe { (*context).calls.fetch_add(1, Ordering::Relaxed) };
        // A call takes a while: long enough for an unsubscription that does not wait.
        for _ in 0..50 {
            std::hint::spin_loop();
        }
        check();
    }
}

/// 20,000 subscriptions come and go under fire; their contexts are freed as soon as they may be.
fn contexts_are_freed_at_once() {
    const CYCLES: u32 = 20_000;
    let stop = AtomicBool::new(false);
    let mut kept: Vec<Box<Context>> = Vec::new();
    let mut called = 0;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..20 {
                        log(INFO, c"race", c"x");
                    }
                    std::thread::sleep(Duration::from_micros(20));
                }
            });
        }
        let started = Instant::now();
        for cycle in 0..CYCLES {
            let context = Box::new(Context { canary: AtomicU64::new(ALIVE), calls: AtomicU64::new(0) });
            let handle = subscribe(c"race", INFO, check_canary, &raw const *context);
            // Every 16th waits until it was called, so that the callback surely runs at times.
            while cycle % 16 == 0 && context.calls.load(Ordering::Relaxed) == 0 {
                std::hint::spin_loop();
            }
            assert_eq!(unsubscribe(handle, -1), OK);
            called += u32::from(context.calls.load(Ordering::Relaxed) > 0);
            context.canary.store(DEAD, Ordering::Relaxed);
            // Half are freed; the others keep their mark, and would show a late call even if the memory was not reused.
            if cycle % 2 == 0 {
                kept.push(context);
            }
            assert_eq!(unsubscribe(handle, 0), E_UNKNOWN, "it has ended");
            if started.elapsed() > Duration::from_secs(20) {
                panic!("{cycle} cycles in 20 s");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    flush_all();
    assert_eq!(AFTER_DEATH.load(Ordering::Relaxed), 0, "calls with a context that had been given back");
    assert!(called >= CYCLES / 16, "{called} of {CYCLES} were called at all");
}

static PARTNERS: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
static PARTNER_CALLS: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];
static PARTNER_STATUS: [Mutex<Vec<c_int>>; 2] = [const { Mutex::new(Vec::new()) }; 2];

unsafe extern "C-unwind" fn end_the_other(_: *const logfusion::c_api::CRecord, context: *mut c_void) {
    let me = context.addr();
    PARTNER_CALLS[me].fetch_add(1, Ordering::Relaxed);
    let status = unsubscribe(PARTNERS[1 - me].load(Ordering::Relaxed), -1);
    PARTNER_STATUS[me].lock().unwrap().push(status);
}

/// Two callbacks that unsubscribe each other: the first ends the second, and neither waits.
fn two_end_each_other() {
    for me in [0, 1] {
        let context = std::ptr::without_provenance::<()>(me);
        PARTNERS[me].store(subscribe(c"each", INFO, end_the_other, context), Ordering::Relaxed);
    }
    for _ in 0..10 {
        assert_eq!(log(INFO, c"each", c"x"), OK);
    }
    assert_eq!(flush(10_000), OK, "two callbacks wait for each other");
    assert_eq!(PARTNER_CALLS[0].load(Ordering::Relaxed), 10);
    assert_eq!(PARTNER_CALLS[1].load(Ordering::Relaxed), 0, "it was ended before its first call");
    let status = PARTNER_STATUS[0].lock().unwrap();
    assert_eq!(status[0], OK);
    assert!(status[1..].iter().all(|status| *status == E_UNKNOWN), "{status:?}");
    assert_eq!(unsubscribe(PARTNERS[0].load(Ordering::Relaxed), -1), OK);
}

static OWN: AtomicU64 = AtomicU64::new(0);
static OWN_STATUS: Mutex<Vec<c_int>> = Mutex::new(Vec::new());

unsafe extern "C-unwind" fn end_itself(_: *const logfusion::c_api::CRecord, _: *mut c_void) {
    OWN_STATUS.lock().unwrap().push(unsubscribe(OWN.load(Ordering::Relaxed), -1));
}

fn one_ends_itself() {
    OWN.store(subscribe::<()>(c"own", INFO, end_itself, std::ptr::null()), Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(log(INFO, c"own", c"x"), OK);
    }
    assert_eq!(flush(10_000), OK, "a callback waits for itself");
    assert_eq!(*OWN_STATUS.lock().unwrap(), [OK]);
}

struct Door {
    entered: mpsc::Sender<()>,
    leave: Mutex<mpsc::Receiver<()>>,
    calls: AtomicU32,
}

unsafe extern "C-unwind" fn wait_at_door(_: *const logfusion::c_api::CRecord, context: *mut c_void) {
    // SAFETY: the context is a `Door` that outlives its subscription.
    let door = unsafe { &*context.cast::<Door>() };
    door.calls.fetch_add(1, Ordering::Relaxed);
    door.entered.send(()).unwrap();
    door.leave.lock().unwrap().recv().unwrap();
}

/// BUSY comes in time, closes all the same, and may be followed by another wait.
fn busy_comes_in_time() {
    let (entered, is_inside) = mpsc::channel();
    let (let_out, leave) = mpsc::channel();
    let door = Door { entered, leave: Mutex::new(leave), calls: AtomicU32::new(0) };
    let handle = subscribe(c"door", INFO, wait_at_door, &raw const door);
    for _ in 0..5 {
        assert_eq!(log(INFO, c"door", c"x"), OK);
    }
    is_inside.recv().unwrap();
    assert_overrun((0..50).map(|round| round % 10), |limit| assert_eq!(unsubscribe(handle, limit), E_BUSY));
    // One that waits without limit is let go by the callback's end.
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| unsubscribe(handle, -1));
        let_out.send(()).unwrap();
        assert_eq!(waits.join().unwrap(), OK);
    });
    flush_all();
    assert_eq!(door.calls.load(Ordering::Relaxed), 1, "it was closed by the first try: no call was started after it");
    assert_eq!(unsubscribe(handle, -1), E_UNKNOWN);
}

static SEEN: AtomicU32 = AtomicU32::new(0);

unsafe extern "C-unwind" fn panics(_: *const logfusion::c_api::CRecord, _: *mut c_void) {
    panic!("this callback panics, as the test wants it to");
}

unsafe extern "C-unwind" fn sees(_: *const logfusion::c_api::CRecord, _: *mut c_void) {
    SEEN.fetch_add(1, Ordering::Relaxed);
}

/// A panic costs its call; the drain, the other callbacks and the output go on.
fn a_panic_costs_one_call(path: &std::path::Path) {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let bad = subscribe::<()>(c"panic", INFO, panics, std::ptr::null());
    let good = subscribe::<()>(c"panic", INFO, sees, std::ptr::null());
    let before = stats();
    for _ in 0..100 {
        assert_eq!(log(INFO, c"panic", c"x"), OK);
    }
    flush_all();
    std::panic::set_hook(hook);
    let after = stats();
    assert_eq!(after.callbacks_failed - before.callbacks_failed, 100);
    assert_eq!(after.counts.delivered - before.counts.delivered, 100, "the output has them");
    assert_eq!(after.counts.failed, before.counts.failed);
    assert_eq!(SEEN.load(Ordering::Relaxed), 100);
    assert_eq!(messages(path, "panic").len(), 100);
    // It was counted out in spite of the panic: nothing to wait for.
    assert_eq!(unsubscribe(bad, 0), OK);
    assert_eq!(unsubscribe(good, 0), OK);
}

static NESTED: AtomicU32 = AtomicU32::new(0);

unsafe extern "C-unwind" fn logs(_: *const logfusion::c_api::CRecord, _: *mut c_void) {
    NESTED.fetch_add(1, Ordering::Relaxed);
    assert_eq!(log(INFO, c"nested", c"from a callback"), OK);
}

/// What a callback logs goes to the output, and to no callback.
fn a_callback_logs(path: &std::path::Path) {
    let handle = subscribe::<()>(c"nested", INFO, logs, std::ptr::null());
    assert_eq!(log(INFO, c"nested", c"from outside"), OK);
    flush_all();
    flush_all();
    assert_eq!(NESTED.load(Ordering::Relaxed), 1);
    assert_eq!(messages(path, "nested"), ["from outside", "from a callback"]);
    assert_eq!(unsubscribe(handle, -1), OK);
}

#[test]
fn no_callback_runs_after_its_end() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("callbacks");
    let path = dir.path("log");
    start(&Config { output: Some(path.clone()), filter: Some("info,race=off"), ..Config::default() });
    busy_comes_in_time();
    two_end_each_other();
    one_ends_itself();
    a_panic_costs_one_call(&path);
    a_callback_logs(&path);
    contexts_are_freed_at_once();
    stats().counts.assert_equations();
}
