//! The only door to atomics, locks and threads.
//!
//! Every lock-free protocol of the engine takes its primitives from here, so that one build of the same source runs on
//! `std` and another, under the private cfg `logfusion_loom`, is explored by [loom](https://docs.rs/loom): all
//! interleavings and all weakly ordered outcomes of a small model. A third build, under `logfusion_shuttle`, is the whole
//! engine, of which [shuttle](https://docs.rs/shuttle) runs random interleavings (`tests/lifecycle.rs`). `ci/clippy` keeps
//! the `std` types out of the protocols.
//!
//! # Seeded mistakes
//!
//! A model that passes may be a model that cannot fail. Each protocol therefore asks [`seeded`] at the place where its
//! proof rests on an ordering or a check; a model of `loom-tests` switches one mistake on and expects loom to find it.
//! In the engine itself the question is a constant `false` and leaves nothing behind.

#[cfg(not(any(logfusion_loom, logfusion_shuttle)))]
mod primitives {
    pub use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, compiler_fence, fence,
    };
    pub use std::sync::{Condvar, Mutex, MutexGuard};
    pub use std::{thread, thread_local};

    /// Whether a thread has ended.
    pub fn is_finished<T>(thread: &thread::JoinHandle<T>) -> bool {
        thread.is_finished()
    }
}
#[cfg(logfusion_loom)]
mod primitives {
    pub use loom::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
    pub use loom::sync::{Mutex, MutexGuard};
}
#[cfg(logfusion_shuttle)]
mod scheduled;
#[cfg(logfusion_shuttle)]
use scheduled as primitives;

pub use primitives::*;

#[cfg(logfusion_shuttle)]
pub(crate) use primitives::thread_local;

/// Locks a mutex that no panic can leave in a wrong state.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// In a model every step is a scheduling point of one thread: there is no compiler to hold back.
#[cfg(logfusion_loom)]
pub fn compiler_fence(_: Ordering) {}

/// Where a model is told of accesses to plain memory.
#[cfg(logfusion_loom)]
pub use loom::cell;

/// The caller's half of an asymmetric barrier; the other half is [`heavy_barrier`].
///
/// On Linux `membarrier(2)` on the other side makes this a compiler fence: the calling thread pays nothing. Elsewhere
/// it is a full fence.
#[inline(always)]
pub fn light_barrier() {
    #[cfg(all(target_os = "linux", not(any(logfusion_loom, logfusion_shuttle))))]
    compiler_fence(Ordering::SeqCst);
    #[cfg(any(not(target_os = "linux"), logfusion_loom, logfusion_shuttle))]
    if !seeded(Mistake::NoBarrierAfterPush) {
        fence(Ordering::SeqCst);
    }
}

/// The seldom side of the asymmetric barrier: after it, every store that another thread made before its
/// [`light_barrier`] is visible here, or that thread's loads after its barrier see all stores made here before.
pub fn heavy_barrier() {
    #[cfg(not(logfusion_loom))]
    crate::os::heavy_barrier();
    #[cfg(any(not(target_os = "linux"), logfusion_loom, logfusion_shuttle))]
    fence(Ordering::SeqCst);
}

/// The mistakes that a model can switch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// The producer publishes its head without `Release`.
    RelaxedPublish,
    /// The consumer returns space without `Release`.
    RelaxedRelease,
    /// The consumer goes to sleep without looking once more after it said so.
    SleepWithoutSecondLook,
    /// The waker skips the fence between its work and its look at the sleeper.
    NoFenceBeforeWake,
    /// A callback is started without a second look at CLOSED.
    EnterWithoutClosedCheck,
    /// `unregister` returns without waiting for running calls.
    CloseWithoutWait,
    /// The drain looks whether the ring is empty before it looks whether the thread is gone.
    EmptyBeforeGone,
    /// A late caller looks at the engine's state before its push alone.
    NoCheckAfterPush,
    /// The late caller's push and its look at the state are not ordered.
    NoBarrierAfterPush,
    /// The late caller's push and its look at the lifecycle's lock are not ordered.
    NoFenceBeforeStart,
    /// A stop does not look at the rings again after it let the lifecycle go.
    NoLookAfterStop,
    /// A flush request does not carry what its caller knows.
    RelaxedTicket,
    /// A site's word is computed before the lock is taken under which it is published.
    ComputeBeforeLock,
    /// A flush request and the look at the state are not ordered.
    NoBarrierAfterRequest,
    /// The drain's word that it passes and its look at the freeze are not ordered.
    NoFenceBeforePass,
    /// A ring that left the list and the look at the freeze are not ordered.
    NoFenceBeforeUnmap,
    /// The version of a value is read after its lock was let go.
    VersionAfterUnlock,
}

/// Whether the environment switched this mistake on: one of the ring's, under the private cfg `logfusion_seedable`, for
/// ci/tsan.
#[cfg(logfusion_seedable)]
pub fn seeded(mistake: Mistake) -> bool {
    /// 0: not asked yet, 1: none, else 2 and the mistake. No `LazyLock`: the sanitizer doesn't see inside of it.
    static SEED: AtomicU32 = AtomicU32::new(0);
    let mut seed = SEED.load(Ordering::Relaxed);
    if seed == 0 {
        let name = std::env::var("LOGFUSION_SEED").unwrap_or_default();
        let known = [Mistake::RelaxedPublish, Mistake::RelaxedRelease];
        seed = known.into_iter().find(|known| format!("{known:?}") == name).map_or(1, |known| 2 + known as u32);
        SEED.store(seed, Ordering::Relaxed);
    }
    seed == 2 + mistake as u32
}

/// Whether a model switched this mistake on.
#[cfg(not(any(logfusion_loom, logfusion_shuttle, logfusion_seedable)))]
#[inline(always)]
pub const fn seeded(_: Mistake) -> bool {
    false
}

#[cfg(any(logfusion_loom, logfusion_shuttle))]
pub use seeding::{seed, seeded};

#[cfg(any(logfusion_loom, logfusion_shuttle))]
mod seeding {
    use super::Mistake;
    use std::sync::Mutex;

    static SEEDED: Mutex<Option<Mistake>> = Mutex::new(None);

    /// Whether a model switched this mistake on.
    pub fn seeded(mistake: Mistake) -> bool {
        *SEEDED.lock().unwrap_or_else(|poison| poison.into_inner()) == Some(mistake)
    }

    /// Switches one mistake on for the models that follow in this process.
    pub fn seed(mistake: Option<Mistake>) {
        *SEEDED.lock().unwrap_or_else(|poison| poison.into_inner()) = mistake;
    }
}
