//! Callbacks that are not running and never run again.
//!
//! Each registration has one word: how often it runs now, and whether it is closed.
//!
//! ```text
//!   63        62 …… 0
//!   CLOSED    running calls
//! ```
//!
//! | operation | step | ordering |
//! |---|---|---|
//! | [`enter`](Quiescence::enter) | add one; closed: take it back and do not call | `Acquire` |
//! | [`leave`](Quiescence::leave) | take one back | `Release` |
//! | [`close`](Quiescence::close) | set CLOSED | `AcqRel` |
//! | [`is_quiet`](Quiescence::is_quiet) | no running calls | `Acquire` |
//!
//! *Never again*: all steps are read-modify-writes of one word, so they have one order. A call that entered before the
//! close is counted in the value that the close finds; one that enters after it sees CLOSED.
//!
//! *Not running*: `leave` releases what the callback did, `is_quiet` acquires it: the context may be freed then.
//! Loom: `EnterWithoutClosedCheck`, `CloseWithoutWait`.
//!
//! The address of a context may be used again at once, even by another registration: the word lives in its
//! registration, which its readers hold on to.

use crate::sync::{AtomicU64, Mistake, Ordering, seeded};

const CLOSED: u64 = 1 << 63;

/// The word of one registration.
#[derive(Debug)]
pub struct Quiescence(AtomicU64);

impl Default for Quiescence {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Quiescence {
    /// Begins a call; `false`: closed, do not call.
    #[inline]
    pub fn enter(&self) -> bool {
        // Acquire: what the subscriber did before it registered, and before an earlier call ended, is visible.
        if self.0.fetch_add(1, Ordering::Acquire) & CLOSED == 0 || seeded(Mistake::EnterWithoutClosedCheck) {
            return true;
        }
        self.leave();
        false
    }

    /// Ends a call that [`enter`](Self::enter) allowed.
    #[inline]
    pub fn leave(&self) {
        // Release: pairs with the Acquire of `is_quiet`.
        self.0.fetch_sub(1, Ordering::Release);
    }

    /// Forbids new calls; `false`: closed already.
    pub fn close(&self) -> bool {
        self.0.fetch_or(CLOSED, Ordering::AcqRel) & CLOSED == 0
    }

    /// Whether no call is running. After [`close`](Self::close) no call runs again once it is so; a late
    /// [`enter`](Self::enter) may count for a moment and take itself back.
    pub fn is_quiet(&self) -> bool {
        // Acquire: pairs with the Release of `leave`.
        seeded(Mistake::CloseWithoutWait) || self.0.load(Ordering::Acquire) & !CLOSED == 0
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed) & CLOSED != 0
    }
}
