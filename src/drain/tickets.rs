//! Flush requests: what a pass must cover, and what a stop does.
//!
//! ```text
//!   who flushes                     drain
//!   ───────────                     ─────
//!   head.store(…)                   ticket = latest()
//!   ticket = request()              head.load(), deliver
//!   wait until done ≥ ticket        done = ticket
//! ```
//!
//! A pass reads the latest ticket *before* the heads: a ticket that it saw brings with it every head that the requester
//! knew of. Loom: `RelaxedTicket`.
//!
//! Against a stop it is the late push over again ([`crate::run_state`]): the request, then the state; the state, then the last
//! passes. Who requests and then finds RUNNING is answered by the last passes at the latest. Loom:
//! `NoBarrierAfterRequest`.

use crate::sync::{AtomicU64, Mistake, Ordering, light_barrier, seeded};

/// The latest ticket.
#[derive(Debug)]
pub struct Tickets(AtomicU64);

impl Default for Tickets {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Tickets {
    /// A new ticket. Whoever looks at the run state next, and finds it RUNNING, may wait for the ticket.
    pub fn request(&self) -> u64 {
        let ordering = if seeded(Mistake::RelaxedTicket) { Ordering::Relaxed } else { Ordering::AcqRel };
        // AcqRel: pairs with the Acquire of `latest`, also through the tickets of others.
        let ticket = self.0.fetch_add(1, ordering) + 1;
        if !seeded(Mistake::NoBarrierAfterRequest) {
            light_barrier();
        }
        ticket
    }

    /// The latest ticket. Read before the heads are.
    pub fn latest(&self) -> u64 {
        // Acquire: pairs with the AcqRel of `request`; what its caller knows to be accepted is visible.
        self.0.load(Ordering::Acquire)
    }
}
