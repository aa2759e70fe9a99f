//! The ledger: what became of every record.
//!
//! For each thread, `offered = accepted + dropped` and `accepted = delivered + filtered + failed + queued`. The producer
//! counts what it accepted and dropped, in its own words; the drain counts what became of it, here. Both sides also count
//! bytes: when a thread is quiet and its ring empty, the bytes read with their padding are the producer's head, which is a
//! second witness that no record was skipped or read twice.

use crate::delivery::ThreadInfo;
use crate::producers::{Slot, WITHOUT_RING};
use crate::ring::{Counts, LEVELS, REASONS, Reason};
use crate::sync::{AtomicU64, Mutex, Ordering, lock};
use std::collections::VecDeque;
use std::sync::Arc;

/// What the drain counts for one thread. Written by whoever holds the drain's lock, read by anybody.
#[derive(Debug, Default)]
pub struct Ledger {
    delivered: AtomicU64,
    filtered: AtomicU64,
    failed: AtomicU64,
    read_bytes: AtomicU64,
    read_padding: AtomicU64,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It went to an output, a subscriber or a callback.
    Delivered,
    /// Nobody wanted it.
    Filtered,
    /// It was lost in delivery.
    Failed,
}

impl Ledger {
    /// Counts one record.
    pub fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Delivered => &self.delivered,
            Outcome::Filtered => &self.filtered,
            Outcome::Failed => &self.failed,
        };
        // One writer at a time: no read-modify-write is needed.
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Notes how far the consumer has read.
    pub fn note_position(&self, bytes: u64, padding: u64) {
        self.read_bytes.store(bytes, Ordering::Relaxed);
        self.read_padding.store(padding, Ordering::Relaxed);
    }

    /// Records that the drain has taken.
    fn taken(&self) -> u64 {
        [&self.delivered, &self.filtered, &self.failed].iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
    }
}

/// The ledger of one thread, or a sum.
#[derive(Debug, Clone, Default)]
pub struct ThreadStats {
    /// The thread; `None` in a sum.
    pub thread: Option<Arc<ThreadInfo>>,
    /// Whether it has ended.
    pub ended: bool,
    /// Records in its ring's count.
    pub accepted: u64,
    /// Bytes that its records took, padding included.
    pub accepted_bytes: u64,
    /// Records by level and reason that were not accepted.
    pub dropped: [[u64; REASONS]; LEVELS],
    /// Records that somebody got.
    pub delivered: u64,
    /// Records that nobody wanted.
    pub filtered: u64,
    /// Records that were lost in delivery.
    pub failed: u64,
    /// Bytes that the drain has read, padding included.
    pub read_bytes: u64,
}

impl ThreadStats {
    /// Reads the counts of a live thread. The drain's are read first: what it has taken was accepted before.
    fn of(slot: &Slot) -> Self {
        let ledger = &slot.ledger;
        let (delivered, filtered, failed) = loop {
            let taken = ledger.taken();
            let parts = [&ledger.delivered, &ledger.filtered, &ledger.failed].map(|part| part.load(Ordering::Acquire));
            // A record that was counted in between would be missing in one part only.
            if parts.iter().sum::<u64>() == taken {
                break (parts[0], parts[1], parts[2]);
            }
        };
        let read_bytes = ledger.read_bytes.load(Ordering::Acquire);
        let Counts { accepted, dropped, published_bytes, .. } = slot.ring.words().counts();
        Self {
            thread: Some(slot.thread().1),
            ended: false,
            accepted: accepted.max(delivered + filtered + failed),
            accepted_bytes: published_bytes,
            dropped,
            delivered,
            filtered,
            failed,
            read_bytes,
        }
    }

    /// Records that wait in the ring.
    pub fn queued(&self) -> u64 {
        self.accepted - self.delivered - self.filtered - self.failed
    }

    /// All dropped records.
    pub fn dropped_sum(&self) -> u64 {
        self.dropped.iter().flatten().sum()
    }

    /// Records dropped at a level, 1 to 5.
    pub fn dropped_at(&self, level: usize) -> u64 {
        self.dropped[level - 1].iter().sum()
    }

    /// Records dropped for a reason.
    pub fn dropped_for(&self, reason: Reason) -> u64 {
        self.dropped.iter().map(|level| level[reason as usize]).sum()
    }

    fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.accepted_bytes += other.accepted_bytes;
        self.delivered += other.delivered;
        self.filtered += other.filtered;
        self.failed += other.failed;
        self.read_bytes += other.read_bytes;
        for (level, others) in self.dropped.iter_mut().zip(&other.dropped) {
            level.iter_mut().zip(others).for_each(|(count, other)| *count += other);
        }
    }
}

/// How many ended threads are kept one by one.
const ENDED: usize = 1024;

/// The threads that have ended.
#[derive(Debug, Default)]
pub struct Ended {
    latest: VecDeque<ThreadStats>,
    earlier: Option<Box<ThreadStats>>,
    count: u64,
}

impl Ended {
    fn push(&mut self, stats: ThreadStats) {
        self.count += 1;
        self.latest.push_back(stats);
        if self.latest.len() > ENDED
            && let Some(oldest) = self.latest.pop_front()
        {
            let sum = self.earlier.get_or_insert_with(|| Box::new(ThreadStats { ended: true, ..Default::default() }));
            sum.add(&oldest);
        }
    }
}

/// The slots of all threads, and what is left of those that ended. Both change together.
#[derive(Debug, Default)]
pub struct Slots {
    live: Vec<Arc<Slot>>,
    ended: Ended,
}

impl Slots {
    /// Adds a thread's slot; `false`: there is no memory for it.
    pub fn push(&mut self, slot: Arc<Slot>) -> bool {
        let has_room = self.live.try_reserve(1).is_ok();
        if has_room {
            self.live.push(slot);
        }
        has_room
    }

    /// Closes the books of a thread that has ended.
    pub fn end(&mut self, slot: &Arc<Slot>) {
        let mut stats = ThreadStats::of(slot);
        stats.ended = true;
        self.ended.push(stats);
        self.live.retain(|other| !Arc::ptr_eq(other, slot));
    }

    /// Whether any ring holds records that are not delivered, or whose text is not written.
    pub fn any_queued(&self) -> bool {
        self.live
            .iter()
            .any(|slot| slot.ring.words().counts().published_bytes != slot.ledger.read_bytes.load(Ordering::Acquire))
    }

    /// The ledger, thread by thread: first what is left of the earliest, then the ended, then the live ones.
    pub fn threads(&self) -> Vec<ThreadStats> {
        let ended = self.ended.earlier.as_deref().into_iter().chain(&self.ended.latest).cloned();
        ended.chain(self.live.iter().map(|slot| ThreadStats::of(slot))).collect()
    }

    fn thread_counts(&self) -> (usize, usize) {
        (self.live.len(), self.ended.count as usize)
    }
}

/// What is counted for the engine as a whole.
#[derive(Debug, Default)]
pub struct Totals {
    /// Calls of callbacks that ended in a panic.
    pub callbacks_failed: AtomicU64,
    /// Records with a text that was not UTF-8.
    pub bad_utf8: AtomicU64,
    /// Longest time from a call to its delivery.
    pub longest_delay_ns: AtomicU64,
}

/// The sum of the ledger.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// All threads, and drops of threads without a ring.
    pub sum: ThreadStats,
    /// Drops of threads without a ring, part of the sum.
    pub without_ring: u64,
    /// Threads with a ring.
    pub threads_live: usize,
    /// Threads that had one.
    pub threads_ended: usize,
}

/// Adds everything up.
pub fn sum(slots: &Mutex<Slots>) -> Stats {
    let (threads, (threads_live, threads_ended)) = {
        let slots = lock(slots);
        (slots.threads(), slots.thread_counts())
    };
    let mut sum = ThreadStats::default();
    threads.iter().for_each(|thread| sum.add(thread));
    let mut without_ring = 0;
    for (level, counters) in sum.dropped.iter_mut().zip(&WITHOUT_RING) {
        for (count, counter) in level.iter_mut().zip(counters) {
            let lost = counter.load(Ordering::Relaxed);
            *count += lost;
            without_ring += lost;
        }
    }
    Stats { sum, without_ring, threads_live, threads_ended }
}
