//! When the drain looks, and how it is woken.
//!
//! A consumer that polls without pause costs the producer 45 to 190 ns a call instead of 10, since each look takes the
//! line of the head away from it; one that rests for 50 µs costs nothing. Waking a sleeping thread costs the caller 10 to
//! 77 µs. So the drain rests after every pass, and callers wake it in one case only: the ring became half full.
//!
//! # Rests
//!
//! 50 µs after a pass that delivered something; then twice as long after each that did not, up to 1.6 ms; and after a second
//! of silence up to the configured bound (10 ms). In the active second rests of 1.6 ms take 2.9 % of a processor (bare sleeps 1.9 to
//! 2.3), where those of 1 ms took 4.2 (3.0 to 3.5); a record may wait 2 ms.
//!
//! # Sleep and wake
//!
//! ```text
//!   drain                           waker
//!   ─────                           ─────
//!   state.store(ASLEEP)             the reason: head.store, request
//!   fence                           fence
//!   look for a reason               state ASLEEP → AWAKE? unpark
//!   park
//! ```
//!
//! Store then load on both sides, with a full fence in between: the drain sees the reason, or the waker sees that it
//! sleeps. An unpark that comes before the park makes the park return at once. Loom: `SleepWithoutSecondLook`,
//! `NoFenceBeforeWake`.

use crate::sync::{AtomicU32, Mistake, Ordering, fence, seeded};
use std::time::Duration;

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;

/// The word between a drain that sleeps and those who wake it.
#[derive(Debug)]
pub struct Sleeper(AtomicU32);

impl Default for Sleeper {
    fn default() -> Self {
        Self(AtomicU32::new(AWAKE))
    }
}

impl Sleeper {
    /// Sleeps by `park`, unless `reason` finds something to do after everybody can see that the drain sleeps.
    pub fn sleep(&self, reason: impl FnOnce() -> bool, park: impl FnOnce()) {
        self.0.store(ASLEEP, Ordering::Relaxed);
        // Pairs with the fence of `must_wake`.
        fence(Ordering::SeqCst);
        if seeded(Mistake::SleepWithoutSecondLook) || !reason() {
            park();
        }
        self.0.store(AWAKE, Ordering::Relaxed);
    }

    /// Called when the reason can be seen: whether the caller must unpark the drain.
    pub fn must_wake(&self) -> bool {
        if !seeded(Mistake::NoFenceBeforeWake) {
            // Pairs with the fence of `sleep`.
            fence(Ordering::SeqCst);
        }
        // An exchange that fails writes nothing: no AWAKE of an old wake stands beside the ASLEEP of the next sleep.
        self.0.load(Ordering::Relaxed) == ASLEEP
            && self.0.compare_exchange(ASLEEP, AWAKE, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

const SHORTEST: Duration = Duration::from_micros(50);
const BRISK: Duration = Duration::from_micros(1600);
const SILENCE: Duration = Duration::from_secs(1);

/// How long the drain rests.
#[derive(Debug)]
pub struct Pace {
    rest: Duration,
    silent_for: Duration,
    bound: Duration,
}

impl Pace {
    /// Rests no longer than `bound`.
    pub fn new(bound: Duration) -> Self {
        Self { rest: SHORTEST, silent_for: Duration::ZERO, bound }
    }

    /// The rest after a pass that delivered something (`busy`) or nothing.
    pub fn next(&mut self, busy: bool) -> Duration {
        if busy {
            self.rest = SHORTEST;
            self.silent_for = Duration::ZERO;
        } else {
            self.silent_for += self.rest;
            let most = if self.silent_for < SILENCE { BRISK } else { self.bound };
            self.rest = (self.rest * 2).min(most);
        }
        self.rest = self.rest.min(self.bound);
        self.rest
    }
}

#[cfg(all(test, not(logfusion_loom)))]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_in_silence_and_shrink_with_work() {
        let mut pace = Pace::new(Duration::from_millis(10));
        assert_eq!(pace.next(true), SHORTEST);
        let mut slept = Duration::ZERO;
        while slept < Duration::from_millis(900) {
            let rest = pace.next(false);
            assert!(rest <= BRISK, "{rest:?} in the active second");
            slept += rest;
        }
        for _ in 0..300 {
            slept += pace.next(false);
        }
        assert_eq!(pace.next(false), Duration::from_millis(10));
        assert_eq!(pace.next(true), SHORTEST);
    }

    #[test]
    fn the_bound_holds_under_load_too() {
        let mut pace = Pace::new(Duration::from_micros(50));
        for busy in [true, false, false, true] {
            assert_eq!(pace.next(busy), Duration::from_micros(50));
        }
    }
}
