//! Subscribers and callbacks that panic, ten thousand times each: the drain lives, a record is lost at most, and counted.
mod common;

use common::*;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const TIMES: u64 = 10_000;

static EVENTS: AtomicU64 = AtomicU64::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Panics at every other event of its target.
struct Panics;

impl<S: tracing::Subscriber> Layer<S> for Panics {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "panics::subscriber" && EVENTS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2)
        {
            panic!("of the subscriber");
        }
    }
}

unsafe extern "C-unwind" fn panicking(_: *const logfusion::c_api::CRecord, _: *mut c_void) {
    if CALLS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
        panic!("of the callback");
    }
}

#[test]
fn a_panic_costs_one_delivery() {
    let _limit = Limit::seconds(120);
    forget_environment();
    std::panic::set_hook(Box::new(|_| ()));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Panics)).unwrap();
    start(&Config { overflow: BLOCK, ..Config::default() });
    for _ in 0..2 * TIMES {
        assert_eq!(log(INFO, c"panics::subscriber", c"x"), OK);
    }
    flush_all();
    let counts = stats().counts;
    counts.assert_equations();
    assert_eq!((counts.failed, counts.delivered), (TIMES, TIMES), "{counts:?}");

    let handle = subscribe::<()>(c"panics::callback", INFO, panicking, std::ptr::null());
    for _ in 0..2 * TIMES {
        assert_eq!(log(INFO, c"panics::callback", c"x"), OK);
    }
    flush_all();
    assert_eq!(unsubscribe(handle, -1), OK);
    let stats = stats();
    stats.counts.assert_equations();
    assert_eq!((stats.callbacks_failed, CALLS.load(Ordering::Relaxed)), (TIMES, 2 * TIMES));
    assert_eq!(
        (stats.counts.failed, stats.counts.delivered),
        (TIMES, 3 * TIMES),
        "the subscriber has them all the same"
    );
    _ = std::panic::take_hook();
}
