//! A host that changes its subscriber's filter while the engine computes tracing's caches anew: the new filter counts.
mod common;

use common::*;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tracing_core::{Interest, LevelFilter, Metadata, callsite};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The level that the subscriber takes, 3 INFO … 5 TRACE.
static LEVEL: AtomicU32 = AtomicU32::new(3);
/// The next question from the drain thread comes with a change of the level.
static CHANGES: AtomicBool = AtomicBool::new(false);

fn level() -> LevelFilter {
    if LEVEL.load(Ordering::Acquire) == 5 { LevelFilter::TRACE } else { LevelFilter::INFO }
}

struct Host;

impl<S: tracing::Subscriber> Layer<S> for Host {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let on_the_drain = std::thread::current().name() == Some("logfusion");
        if on_the_drain && metadata.target() == "host::own" && CHANGES.swap(false, Ordering::AcqRel) {
            // The drain has asked for the maximum level, and will store the answer.
            LEVEL.store(5, Ordering::Release);
            std::thread::spawn(callsite::rebuild_interest_cache).join().unwrap();
            assert_eq!(LevelFilter::current(), LevelFilter::TRACE);
        }
        Interest::sometimes()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(level())
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= level()
    }
}

#[test]
fn a_change_while_the_caches_are_computed_is_kept() {
    let _limit = Limit::seconds(60);
    forget_environment();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Host)).unwrap();
    tracing::info!(target: "host::own", "a callsite of Rust's");
    start(&Config::default());
    flush_all();
    assert_eq!(LevelFilter::current(), LevelFilter::INFO);

    CHANGES.store(true, Ordering::Release);
    // A host's caches are computed anew about once a second.
    wait_until(Duration::from_secs(10), "the caches are computed", || !CHANGES.load(Ordering::Acquire));
    // The pass that did so is over when another is.
    flush_all();
    assert_eq!(LevelFilter::current(), LevelFilter::TRACE, "what the drain had asked before is undone");
}
