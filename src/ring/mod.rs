//! The ring: one producer, one consumer, bytes.
//!
//! # Positions
//!
//! `head` and `tail` count bytes since the ring began. They only grow, are multiples of 8, and may wrap around `u64`
//! (every comparison is a wrapping difference); a position's place in the buffer is `position & (capacity - 1)`.
//! `tail ≤ head ≤ tail + capacity` always, in wrapping arithmetic.
//!
//! ```text
//!            tail                         head            reserved to WARN and ERROR
//!             ▼                             ▼            ┌──────────┴─────────┐
//!  ───────────┬─────────┬────────┬─────────┬─────────────┬──────────┬─────────┐
//!   released  │ record  │ record │ record  │ free        │ 1/16 W+E │ 1/16 E  │
//!  ───────────┴─────────┴────────┴─────────┴─────────────┴──────────┴─────────┘
//!                                                                 tail + capacity
//! ```
//!
//! A record is contiguous: where it would cross the end of the buffer, a padding record fills the end first, and both are
//! published by one store.
//!
//! # Who writes what
//!
//! | word | written by | read by | a stale copy is |
//! |---|---|---|---|
//! | `head` | producer, `Release` | consumer, `Acquire` | too small: records are seen later |
//! | `tail` | consumer, `Release` | producer, `Acquire`, in the slow function alone | too small: the ring seems fuller |
//! | `limit` | producer | producer | never stale |
//! | `frame` | producer and signal handlers on its thread | the same | never stale |
//! | counters | producer, relaxed | anybody, relaxed | too small |
//!
//! The words of the producer and those of the consumer are 128 bytes apart (two lines: the adjacent-line prefetcher pairs
//! them), and on the fast path the producer touches only its own.
//!
//! # Orderings
//!
//! 1. *Bytes before head.* The producer writes the record and stores `head` with `Release`; the consumer loads `head`
//!    with `Acquire` and then reads. Loom: `RelaxedPublish`.
//! 2. *Reads before tail.* The consumer reads a record and stores `tail` with `Release`; the producer loads `tail` with
//!    `Acquire` and then overwrites. The cached `limit` derives from such a load, and the producer's program order does
//!    the rest. Loom: `RelaxedRelease`.
//!
//! # The limit
//!
//! The producer compares once, with `limit`: the nearest of the end of the buffer, the share of lesser records
//! (7/8 of the capacity) and the half-full mark that wakes the drain. Whatever lies beyond is settled by the slow function, which looks
//! at the consumer's tail and computes the next limit. `limit` is only ever too small, never too large: the tail may have
//! moved on.
//!
//! # Re-entry
//!
//! A signal handler may log while the thread it interrupted is inside a push. The outer push has read `head`; if the
//! handler published a record there, the outer one would overwrite it. So a push writes an address in the frame that it
//! comes from (the statement's, or that of the function that C called) to `frame` before it reads `head`, and puts back what
//! stood there after it has published; whoever finds `frame` set is inside another push, loses its record and counts it as
//! re-entered. Both run on one thread, so compiler fences order them. (DESIGN closes the ring by its limit instead, to save a
//! comparison; this form has one predicted branch more and two stores fewer, and needs no saved limit.)
//!
//! A handler that leaves by `longjmp` leaves `frame` set. The stack grows down: a push whose frame is not below the frame
//! found is not inside it, so that one is dead and is replaced; about the same depth is that of another call from where
//! the lost one came from, since a handler is farther below (`Mark::NEAR`). `tests/c/jumped.c` leaves each function behind each
//! of its instructions. A mark on another stack than the thread's own (a fiber's, an alternate signal stack's) is dead when
//! the thread pushes on its own stack again. On an alternate signal stack a mark is always believed.
//!
//! An open push, which a function leaves and another one ends, has its mark 1 KiB above the first function's frame. Found dead,
//! it becomes padding: who was given its bytes may not know yet, and write there.
//!
//! # Severe records
//!
//! Records below WARN may fill 7/8 of the ring, WARN 15/16, ERROR all of it. A record and its padding take less than
//! twice the record's length, so a flood of lesser records cannot push out an ERROR of up to 1/16 of the ring, and
//! a flood that includes WARN none of up to 1/32.

mod consumer;
mod memory;
mod producer;
#[cfg(all(test, not(logfusion_loom)))]
mod tests;

pub use consumer::{Consumer, Corrupt};
pub use memory::{Counts, Ring, Words};
pub use producer::{Full, LEVELS, Mark, Parked, Producer, REASONS, Reason, Reservation};

/// Smallest capacity. Loom explores rings of 64 bytes: its state space grows with every record.
pub const MIN_CAPACITY: usize = if cfg!(logfusion_loom) { 64 } else { 4096 };

// Every record can be cut to a quarter of the smallest ring.
const _: () = assert!(cfg!(logfusion_loom) || crate::record::encode::LEAST <= MIN_CAPACITY / 4);

/// Longest record in a ring of this capacity: 1/16 of it, or what a record needs at the least.
pub const fn max_record(capacity: usize) -> usize {
    if cfg!(logfusion_loom) {
        return capacity / 2;
    }
    let sixteenth = capacity / 16;
    let least = crate::record::encode::MIN_LIMIT;
    // A ring of 4 KiB could not hold two records of `least`: there, a quarter must do.
    if sixteenth >= least {
        sixteenth
    } else if least <= capacity / 4 {
        least
    } else {
        capacity / 4
    }
}
