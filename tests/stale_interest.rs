//! A wrong interest in a site, such as a thread leaves that computes tracing's caches from an old filter and stores last: the
//! engine finds it within a second after the caches were computed, and the site logs again.
mod common;

use common::*;
use std::sync::OnceLock;
use std::time::Duration;
use tracing_core::{Dispatch, Interest, Metadata, callsite};
use tracing_subscriber::layer::{Layer, SubscriberExt};

static SITE: OnceLock<&'static Metadata<'static>> = OnceLock::new();

/// Notes the engine's callsite when it is asked about it, and wants nothing.
struct Spy;

impl<S: tracing::Subscriber> Layer<S> for Spy {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target() == "stale" {
            SITE.get_or_init(|| metadata);
        }
        Interest::never()
    }
}

#[test]
fn a_wrong_interest_is_found_within_a_second() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("stale-interest");
    let path = dir.path("log");
    start(&Config { output: Some(path.clone()), ..Config::default() });
    assert_eq!(log(INFO, c"stale", c"registers the site"), OK);
    flush_all();
    // The caches were last computed long ago, and all sites are verified.
    std::thread::sleep(Duration::from_millis(1500));

    let _spy = Dispatch::new(tracing_subscriber::registry().with(Spy));
    let site = SITE.get().expect("the spy was asked about each site");
    let log_once = || {
        let before = messages(&path, "stale").len();
        assert_eq!(log(INFO, c"stale", c"once more"), OK);
        flush_all();
        messages(&path, "stale").len() > before
    };
    let make_wrong = || {
        callsite::rebuild_interest_cache();
        site.callsite().0.set_interest(Interest::never());
        !log_once()
    };
    // The engine may look in this very moment, four times a second.
    assert!((0..5).any(|_| make_wrong()), "the interest is never wrong");
    wait_until(Duration::from_secs(2), "it is wanted again", log_once);
}
