//! The words of static sites follow a host's subscriber that changes its mind, while threads log.
mod common;

use common::site::Site;
use common::*;
use std::ffi::CString;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::reload;

static COUNT: AtomicU64 = AtomicU64::new(0);

struct Count;

impl<S: tracing::Subscriber> Layer<S> for Count {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("sites::") {
            COUNT.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn no_site_is_wrongly_silent_for_more_than_a_second() {
    let _limit = Limit::seconds(120);
    forget_environment();
    let (filter, handle) = reload::Layer::new(LevelFilter::INFO);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(filter).with(Count)).unwrap();
    start(&Config::default());
    for (sites, flips) in [(10, 200), (10_000, 20)] {
        let targets: Vec<CString> =
            (0..100).map(|number| CString::new(format!("sites::of{sites}::{number}")).unwrap()).collect();
        let targets: &'static [CString] = targets.leak();
        let sites: Vec<Site> = (0..sites)
            .map(|line| Site::new(&targets[line % targets.len()], c"host_sites.rs", line as i32 + 1))
            .collect();
        let sites: &'static [Site] = sites.leak();
        assert!(sites.iter().all(Site::log), "all are on");
        flush_all();

        let done = AtomicBool::new(false);
        let mut worst = Duration::ZERO;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    sites.iter().step_by(sites.len() / 10).for_each(|site| _ = site.log());
                    std::thread::sleep(Duration::from_micros(200));
                }
            });
            for flip in 0..flips {
                let on = flip % 2 == 1;
                handle.reload(if on { LevelFilter::INFO } else { LevelFilter::WARN }).unwrap();
                let since = Instant::now();
                // Silent where it must not be; where it need not log any more, nothing is promised but that it stops.
                while !sites.iter().all(|site| site.follows(on)) {
                    assert!(since.elapsed() < Duration::from_secs(30), "{flip}: a site never follows");
                    std::thread::sleep(Duration::from_millis(1));
                }
                if on {
                    worst = worst.max(since.elapsed());
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        println!("{} sites, {flips} flips: on again after {worst:?} at most", sites.len());
        assert!(worst < Duration::from_secs(1), "{worst:?}");
        handle.reload(LevelFilter::INFO).unwrap();
        // The drain may have been computing tracing's caches from the filter of before: it is done when another pass has ended.
        flush_all();
        let before = COUNT.load(Ordering::Relaxed);
        assert!(sites.iter().all(Site::log));
        flush_all();
        assert_eq!(COUNT.load(Ordering::Relaxed) - before, sites.len() as u64, "each arrives");
    }
}
