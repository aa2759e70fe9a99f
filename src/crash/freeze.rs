//! The freeze: a crash handler reads rings that the drain is at home in.
//!
//! | word | written by | says |
//! |---|---|---|
//! | `frozen` | the thread that crashed | nobody begins what the handler must not meet |
//! | `inside` | who holds the drain's lock | the thread that passes; 0: none |
//!
//! Who passes says so first and then looks whether it may; the handler says "frozen" first and then looks whether anybody
//! passes. With a `SeqCst` fence between the two steps on both sides, at least one sees the other: either the drain
//! turns back, or the handler waits for it ("Dekker's mutual exclusion"; loom: `NoFenceBeforePass`). A pass that is under way looks
//! from record to record (from batch to batch, where only our own code takes its time), writes what it has formatted,
//! releases it, and leaves; what the handler then finds in the rings was not written yet, or the pass says that it may have been.
//!
//! The memory of a ring is handled the same way: who is about to unmap one takes it from the handler's list first and then
//! looks whether it may; the handler looks into the list after it said "frozen" (loom: `NoFenceBeforeUnmap`).
//!
//! The handler waits for a limited time, since the drain may be inside of a callback that never returns: see
//! [`super`], "Repeats". Both sides go on when it [`thaw`](Freeze::thaw)s.

use crate::sync::{AtomicU32, AtomicUsize, Mistake, Ordering, fence, seeded};

/// See the module.
#[derive(Debug)]
pub struct Freeze {
    frozen: AtomicU32,
    inside: AtomicUsize,
}

impl Freeze {
    /// Nobody has crashed.
    #[cfg(not(logfusion_loom))]
    pub const fn new() -> Self {
        Self { frozen: AtomicU32::new(0), inside: AtomicUsize::new(0) }
    }

    /// The same for a model, whose atomics are not made in constants.
    #[cfg(logfusion_loom)]
    #[allow(clippy::new_without_default, reason = "as above")]
    pub fn new() -> Self {
        Self { frozen: AtomicU32::new(0), inside: AtomicUsize::new(0) }
    }

    /// The thread `who`, not 0, begins a pass; `false`: it must not, yet. Passes exclude one another by the drain's lock.
    pub fn try_enter(&self, who: usize) -> bool {
        self.inside.store(who, Ordering::Relaxed);
        if !seeded(Mistake::NoFenceBeforePass) {
            fence(Ordering::SeqCst);
        }
        let may = !self.is_frozen();
        if !may {
            self.leave();
        }
        may
    }

    /// Ends the pass: what it released happens before the handler's look.
    pub fn leave(&self) {
        self.inside.store(0, Ordering::Release);
    }

    /// Whether memory may be unmapped that was taken from the handler's list before.
    pub fn may_unmap(&self) -> bool {
        if !seeded(Mistake::NoFenceBeforeUnmap) {
            fence(Ordering::SeqCst);
        }
        !self.is_frozen()
    }

    /// Whether a pass under way should end.
    #[inline]
    pub fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Acquire) != 0
    }

    /// From here on nobody begins a pass.
    pub fn freeze(&self) {
        self.frozen.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Which thread passes; 0: none, and none will.
    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::Acquire)
    }

    /// Passes may begin again.
    pub fn thaw(&self) {
        self.frozen.store(0, Ordering::Release);
    }
}
