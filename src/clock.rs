//! Time: a raw counter for the threads that log, wall time for the drain.
//!
//! **Concept.** Reading a clock is the largest part of a log call, so a caller reads the processor's counter and nothing
//! else: [`ticks`]. What the ticks mean is worked out later, on the drain thread, by a [`Calibration`]: so many
//! nanoseconds a tick, and the wall time of one known tick. Records are ordered by ticks alone; wall time is only for
//! display, so a clock that is set back never reorders a record.
//!
//! **Protocol.** The drain makes the calibration with [`Calibration::start`], which takes about a millisecond, and calls
//! [`Calibration::refine`] about once a second. Each refinement measures the rate over the whole time since the start,
//! against `CLOCK_MONOTONIC`, and takes the wall time anew, so a step of the wall clock is followed within a second. A
//! record that is converted before the refinement has the time by the clock as it was. If the counter and the clock
//! disagree by more than 1 % since the last refinement (suspend and resume, a virtual machine that moved), the
//! calibration starts again.
//!
//! **Details.** The counter is used if it is invariant and the kernel itself keeps time with it; otherwise a tick is a
//! nanosecond of `CLOCK_MONOTONIC`. The decision is made once and kept for the life of the process. The `quanta` crate
//! does the same conversion, but it may calibrate for 200 ms, during which rings fill, and its wall time is taken once.
//!
//! The atomic here is `std`'s in every build: a flag that is written once and a number, and no model has a clock.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use crate::os;

const UNDECIDED: u8 = 0;
const COUNTER: u8 = 1;
const MONOTONIC: u8 = 2;

/// What [`ticks`] reads. Written once, by the first caller; relaxed, since it guards no other data.
static MODE: AtomicU8 = AtomicU8::new(UNDECIDED);

/// The time at which the drain looked last, for rings with the coarse clock; on a line of its own, which it shares with all
/// who log.
#[repr(align(128))]
#[derive(Debug)]
pub struct Coarse(AtomicU64);

/// The coarse clock of the process.
pub static COARSE: Coarse = Coarse(AtomicU64::new(0));

impl Coarse {
    /// The time to show from now on.
    pub fn set(&self, ticks: u64) {
        self.0.store(ticks, Ordering::Relaxed);
    }

    /// The time that is shown.
    #[inline(always)]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether [`ticks`] reads the processor's counter, as the quick pushes do.
pub fn is_counter() -> bool {
    mode() == COUNTER
}

/// The time now, in ticks of a unit that only a [`Calibration`] knows. Comparable between threads.
#[inline]
pub fn ticks() -> u64 {
    if MODE.load(Ordering::Relaxed) == COUNTER { os::hardware_counter() } else { ticks_slow() }
}

#[cold]
fn ticks_slow() -> u64 {
    if mode() == COUNTER { os::hardware_counter() } else { os::monotonic_ns() }
}

fn mode() -> u8 {
    match MODE.load(Ordering::Relaxed) {
        UNDECIDED => decide_mode(),
        mode => mode,
    }
}

fn decide_mode() -> u8 {
    let _errno = os::HostGuard::new();
    let kernel_source =
        std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource").ok();
    let mode =
        if is_usable(os::hardware_counter_is_invariant(), kernel_source.as_deref()) { COUNTER } else { MONOTONIC };
    // Two threads may get here at once and even find different answers: the first counts, for ticks of two kinds can't be
    // compared.
    match MODE.compare_exchange(UNDECIDED, mode, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => mode,
        Err(first) => first,
    }
}

/// Whether the counter keeps time: invariant, and trusted by the kernel as far as it says.
fn is_usable(invariant: bool, kernel_source: Option<&str>) -> bool {
    const COUNTER_SOURCES: [&str; 4] = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"];
    invariant && kernel_source.is_none_or(|source| COUNTER_SOURCES.contains(&source.trim()))
}

/// The three clocks at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    ticks: u64,
    monotonic_ns: u64,
    wall_ns: u64,
}

impl Sample {
    /// Reads the system's clocks between two reads of the counter; the tightest of a few tries, since the thread may be
    /// interrupted in one.
    fn take() -> Self {
        let once = || {
            let before = ticks();
            let (monotonic_ns, wall_ns) = (os::monotonic_ns(), os::wall_ns());
            let width = ticks().saturating_sub(before);
            (width, Self { ticks: before + width / 2, monotonic_ns, wall_ns })
        };
        let mut best = once();
        for _ in 0..4 {
            let next = once();
            if next.0 < best.0 {
                best = next;
            }
        }
        best.1
    }
}

/// Nanoseconds a tick, as a fixed-point number: a conversion is one multiplication, exact to 1e-12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate(u64);

impl Rate {
    const FRACTION_BITS: u32 = 40;
    const ONE: Self = Self(1 << Self::FRACTION_BITS);

    /// The rate between two samples; `None` if either clock stood still, ran backwards or gives an impossible rate.
    fn between(from: &Sample, to: &Sample) -> Option<Self> {
        let ticks = u128::from(to.ticks.checked_sub(from.ticks)?);
        let ns = u128::from(to.monotonic_ns.checked_sub(from.monotonic_ns)?);
        let rate = (ns << Self::FRACTION_BITS).checked_div(ticks)?;
        u64::try_from(rate).ok().filter(|rate| *rate > 0).map(Self)
    }

    fn ns(self, ticks: u64) -> u64 {
        u64::try_from((u128::from(ticks) * u128::from(self.0)) >> Self::FRACTION_BITS).unwrap_or(u64::MAX)
    }

    /// Whether the two differ by at most 1 %.
    fn agrees_with(self, other: Self) -> bool {
        self.0.abs_diff(other.0) <= self.0 / 100
    }
}

/// The rate that was measured last; 0: none yet. For those who have no calibration of their own.
static RATE: AtomicU64 = AtomicU64::new(0);

/// The length of a span of ticks, in nanoseconds. Where nobody has measured the rate yet, it takes a millisecond.
pub fn span_ns(ticks: u64) -> u64 {
    known_rate().unwrap_or_else(|| Calibration::start().rate).ns(ticks)
}

/// The same for a signal handler, which can't measure: where nobody has, a tick is a nanosecond.
pub fn measured_span_ns(ticks: u64) -> u64 {
    known_rate().unwrap_or(Rate::ONE).ns(ticks)
}

fn known_rate() -> Option<Rate> {
    Some(Rate(RATE.load(Ordering::Relaxed))).filter(|rate| *rate != Rate(0))
}

/// How ticks become wall time. Belongs to the drain thread.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Start of the baseline over which the rate is measured.
    first: Sample,
    /// The newest sample: its wall time is what records are dated from.
    anchor: Sample,
    rate: Rate,
}

impl Calibration {
    /// Below this, two samples say nothing about the rate.
    const SHORTEST_BASELINE: Duration = Duration::from_millis(1);

    /// Measures for about a millisecond (asleep): the rate is good to about 1e-4.
    pub fn start() -> Self {
        let first = Sample::take();
        std::thread::sleep(Self::SHORTEST_BASELINE);
        Self::between(first, Sample::take()).published()
    }

    fn published(self) -> Self {
        RATE.store(self.rate.0, Ordering::Relaxed);
        self
    }

    fn between(first: Sample, anchor: Sample) -> Self {
        Self { first, anchor, rate: Rate::between(&first, &anchor).unwrap_or(Rate::ONE) }
    }

    /// Measures again, against the first measurement, and follows the wall clock. Meant to be called once a second; it
    /// sleeps only if the calibration has to start again.
    pub fn refine(&mut self) {
        if !self.refine_with(Sample::take()) {
            *self = Self::start();
        }
        RATE.store(self.rate.0, Ordering::Relaxed);
    }

    /// Takes in a sample; false if it contradicts the rate.
    fn refine_with(&mut self, sample: Sample) -> bool {
        let elapsed = sample.monotonic_ns.saturating_sub(self.anchor.monotonic_ns);
        if u128::from(elapsed) < Self::SHORTEST_BASELINE.as_nanos() && sample.ticks >= self.anchor.ticks {
            return true;
        }
        // The newest interval is what is checked: in a long baseline a gap would hide.
        let agrees = Rate::between(&self.anchor, &sample).is_some_and(|recent| recent.agrees_with(self.rate));
        if let (true, Some(rate)) = (agrees, Rate::between(&self.first, &sample)) {
            self.rate = rate;
            self.anchor = sample;
        }
        agrees
    }

    /// The wall time of a moment in ticks: nanoseconds since the Unix epoch. Any number of ticks has one, before the
    /// calibration or far in the future; what can't be represented becomes 0 or the maximum.
    #[inline]
    pub fn wall_ns(&self, ticks: u64) -> u64 {
        match ticks.checked_sub(self.anchor.ticks) {
            Some(after) => self.anchor.wall_ns.saturating_add(self.rate.ns(after)),
            None => self.anchor.wall_ns.saturating_sub(self.rate.ns(self.anchor.ticks - ticks)),
        }
    }

    /// The length of a span of ticks, in nanoseconds.
    #[cfg(test)]
    pub fn ticks_to_ns(&self, delta: u64) -> u64 {
        self.rate.ns(delta)
    }

    /// The wall time now, by the calling thread's counter.
    #[cfg(test)]
    pub fn now_ns(&self) -> u64 {
        self.wall_ns(ticks())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3600 * SECOND;
    const EPOCH: u64 = 1_750_000_000 * SECOND;

    /// A machine with a counter of 3 GHz: the state of its clocks `ns` after its start.
    fn sample(ns: u64) -> Sample {
        Sample { ticks: 1000 + 3 * ns, monotonic_ns: 77 + ns, wall_ns: EPOCH + ns }
    }

    fn calibration() -> Calibration {
        Calibration::between(sample(0), sample(1_000_000))
    }

    fn assert_near(a: u64, b: u64, tolerance: u64) {
        assert!(a.abs_diff(b) <= tolerance, "{a} and {b} differ by {}", a.abs_diff(b));
    }

    #[test]
    fn ticks_advance_and_agree_between_threads() {
        let mut last = ticks();
        for _ in 0..100 {
            let next = std::thread::spawn(ticks).join().unwrap();
            assert!(next > last, "a thread that was started later read an earlier time");
            last = next;
        }
        assert_ne!(MODE.load(Ordering::Relaxed), UNDECIDED);
    }

    #[test]
    fn counter_is_used_only_if_the_kernel_trusts_it() {
        for (invariant, source, usable) in [
            (true, Some("tsc\n"), true),
            (true, Some("kvm-clock\n"), true),
            (true, Some("hyperv_clocksource_tsc_page"), true),
            (true, None, true),
            (true, Some("hpet\n"), false),
            (true, Some("xen"), false),
            (true, Some(""), false),
            (false, Some("tsc\n"), false),
            (false, None, false),
        ] {
            assert_eq!(is_usable(invariant, source), usable, "{invariant} {source:?}");
        }
    }

    #[test]
    fn real_calibration_agrees_with_the_system() {
        let started = Instant::now();
        let mut calibration = Calibration::start();
        assert!(started.elapsed() >= Calibration::SHORTEST_BASELINE);
        // Generous bounds: the machine may be busy.
        assert_near(calibration.now_ns(), os::wall_ns(), 5_000_000);
        let (before, before_ns) = (ticks(), os::monotonic_ns());
        std::thread::sleep(Duration::from_millis(50));
        calibration.refine();
        let (delta, delta_ns) = (ticks() - before, os::monotonic_ns() - before_ns);
        assert_near(calibration.ticks_to_ns(delta), delta_ns, 5_000_000);
        assert_near(calibration.now_ns(), os::wall_ns(), 5_000_000);
    }

    #[test]
    fn ticks_before_and_after_the_anchor_have_a_time() {
        let calibration = calibration();
        for ns in [0, 1, 999_999, 1_000_000, 1_000_001, SECOND, HOUR] {
            assert_near(calibration.wall_ns(sample(ns).ticks), EPOCH + ns, 10);
        }
        assert_eq!(calibration.ticks_to_ns(3 * SECOND), SECOND - 1, "a third is rounded down");
    }

    #[test]
    fn refining_measures_over_the_whole_baseline() {
        // The second sample is off by 0.1 µs, as a bracketed sample may be.
        let mut calibration = Calibration::between(sample(0), Sample { ticks: 3_001_300, ..sample(1_000_000) });
        let error = |calibration: &Calibration| calibration.ticks_to_ns(3 * HOUR).abs_diff(HOUR) as f64 / HOUR as f64;
        assert!((5e-5..2e-4).contains(&error(&calibration)));
        for second in 1..=10 {
            assert!(
                calibration
                    .refine_with(Sample { ticks: sample(second * SECOND).ticks + 300, ..sample(second * SECOND) })
            );
        }
        assert!(error(&calibration) < 2e-8, "{}", error(&calibration));
    }

    #[test]
    fn wall_clock_step_is_followed_and_order_is_kept() {
        let mut calibration = calibration();
        let record = sample(SECOND / 2).ticks;
        assert_near(calibration.wall_ns(record), EPOCH + SECOND / 2, 1);
        // Set back by an hour, then forward by two.
        for (second, wall) in [(1, EPOCH - HOUR + SECOND), (2, EPOCH + HOUR + 2 * SECOND)] {
            let rate = calibration.rate;
            assert!(calibration.refine_with(Sample { wall_ns: wall, ..sample(second * SECOND) }));
            assert!(calibration.rate.agrees_with(rate), "the rate is not the wall clock's business");
            assert_eq!(calibration.wall_ns(sample(second * SECOND).ticks), wall);
            assert!(calibration.wall_ns(record) < calibration.wall_ns(record + 3000));
        }
    }

    #[test]
    fn any_ticks_and_any_clock_are_converted() {
        let mut calibration = calibration();
        for wall_ns in [0, 1, EPOCH, u64::MAX] {
            calibration.anchor.wall_ns = wall_ns;
            for rate in [1, Rate::ONE.0 / 3, Rate::ONE.0, u64::MAX] {
                calibration.rate = Rate(rate);
                for anchor in [0, 1, u64::MAX / 2, u64::MAX] {
                    calibration.anchor.ticks = anchor;
                    let times = [0, 1, 1000, u64::MAX / 2, u64::MAX - 1, u64::MAX].map(|t| calibration.wall_ns(t));
                    assert!(times.is_sorted(), "{times:?}");
                    calibration.ticks_to_ns(u64::MAX);
                }
            }
        }
        // A wall clock before the epoch reads 0; records from before it too.
        assert!(calibration.refine_with(Sample { wall_ns: 0, ..calibration.anchor }));
    }

    #[test]
    fn contradicting_sample_asks_for_a_new_start() {
        let second = sample(SECOND);
        for (contradiction, what) in [
            (Sample { ticks: second.ticks + 3 * HOUR, ..second }, "the counter ran while the clock slept"),
            (Sample { ticks: second.ticks - 3 * SECOND / 50, ..second }, "the counter slept"),
            (Sample { ticks: 5, ..second }, "the counter was reset"),
            (Sample { ticks: sample(1_000_000).ticks, ..second }, "the counter stands still"),
        ] {
            assert!(!calibration().refine_with(contradiction), "{what}");
        }
        assert!(!calibration().refine_with(Sample { ticks: 5, ..sample(1_000_001) }), "reset, and asked again at once");
        assert!(calibration().refine_with(Sample { ticks: second.ticks + 3_000_000, ..second }), "0.1 % is no reason");
        // After a long time of good service a gap still shows.
        let mut calibration = calibration();
        for second in 1..=3600 {
            assert!(calibration.refine_with(sample(second * SECOND)));
        }
        let late = sample(3601 * SECOND);
        assert!(!calibration.refine_with(Sample { ticks: late.ticks + 3 * SECOND, ..late }));
    }

    #[test]
    fn refining_twice_at_once_changes_nothing() {
        let mut calibration = calibration();
        let rate = calibration.rate;
        assert!(calibration.refine_with(Sample { ticks: sample(1_000_100).ticks + 60, ..sample(1_000_100) }));
        assert_eq!(calibration.rate, rate);
    }

    #[test]
    fn clocks_that_stand_still_give_a_rate_of_one() {
        assert_eq!(Calibration::between(sample(0), sample(0)).rate, Rate::ONE);
    }
}
