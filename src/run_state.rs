//! Whether anybody will deliver what is pushed now.
//!
//! A push that nobody will read must be noticed by its caller, and the caller must not pay for it. The states:
//!
//! | state | who delivers | a push finds it and … |
//! |---|---|---|
//! | STOPPED | nobody, until the next start | starts the engine |
//! | RUNNING | the drain thread, or `logfusion_drain` in manual mode | returns |
//! | CALLERS | no thread could be started, or the process exits | delivers by itself |
//!
//! # The late push
//!
//! ```text
//!   caller                          stop
//!   ──────                          ────
//!   head.store(…)                   state.store(STOPPED)
//!   light barrier                   heavy barrier
//!   state.load()                    last pass: head.load(), deliver
//! ```
//!
//! Store then load on both sides: with a full barrier in between on both, at least one side sees the other. Either the
//! last pass delivers the record, or the caller sees that the engine stopped and settles it (or both: then the caller
//! finds nothing left to do). The barriers are asymmetric, since the caller's side runs at each call and the other once
//! a stop: see [`crate::sync::light_barrier`]. Loom: `NoCheckAfterPush`, `NoBarrierAfterPush`.
//!
//! # Who settles it
//!
//! A caller that came late starts the engine, but never waits for the lifecycle's lock: a stop holds it while
//! callbacks run. Where the lock is taken, the record is left to whoever holds it.
//!
//! ```text
//!   caller                          stop
//!   ──────                          ────
//!   head.store(…)                   unlock
//!   fence                           fence
//!   try_lock: start                 any head.load() that is not read? start
//! ```
//!
//! The same figure: the caller finds the lock free, or the record is found by who let it go. The light barrier is no
//! fence here, since there is no heavy one on the other side. Loom: `NoFenceBeforeStart`, `NoLookAfterStop`.

use crate::sync::{AtomicU32, Mistake, Ordering, fence, heavy_barrier, light_barrier, seeded};

/// Nobody delivers.
pub const STOPPED: u32 = 0;
/// The drain delivers.
pub const RUNNING: u32 = 1;
/// Callers deliver their own records.
pub const CALLERS: u32 = 2;

/// The word that every push looks at when it is done.
#[derive(Debug)]
pub struct RunState(AtomicU32);

impl RunState {
    /// Not started.
    #[cfg(not(logfusion_loom))]
    #[allow(clippy::declare_interior_mutable_const, reason = "the initial value of a static")]
    pub const STOPPED: Self = Self(AtomicU32::new(STOPPED));

    /// Running, for a model of the stop.
    #[cfg(logfusion_loom)]
    pub fn running() -> Self {
        Self(AtomicU32::new(RUNNING))
    }

    /// Called after a push: whether the caller must see to it that its record is delivered.
    #[inline(always)]
    pub fn is_late(&self) -> bool {
        if seeded(Mistake::NoCheckAfterPush) {
            return false;
        }
        light_barrier();
        self.0.load(Ordering::Relaxed) != RUNNING
    }

    /// The state.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Enters RUNNING, or leaves it: then every push that the passes after this call do not see sees this.
    pub fn set(&self, state: u32) {
        self.0.store(state, Ordering::Release);
        if state != RUNNING {
            heavy_barrier();
        }
    }
}

/// The late caller's half of "Who settles it": `try_start` starts the engine unless the lifecycle's lock is taken.
pub fn start_late(try_start: impl FnOnce()) {
    if !seeded(Mistake::NoFenceBeforeStart) {
        // Pairs with the fence of `look_again`.
        fence(Ordering::SeqCst);
    }
    try_start();
}

/// The other half, after the lifecycle's lock was let go: a push whose caller found it taken is found by `any_queued`.
pub fn look_again(any_queued: impl FnOnce() -> bool, try_start: impl FnOnce()) {
    // Pairs with the fence of `start_late`.
    fence(Ordering::SeqCst);
    if !seeded(Mistake::NoLookAfterStop) && any_queued() {
        try_start();
    }
}
