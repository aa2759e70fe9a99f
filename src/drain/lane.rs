//! One thread's ring, as the drain sees it.

use super::batch::Batch;
use super::merge::Horizon;
use super::scope::Scope;
use crate::backtrace::Backtrace;
use crate::delivery::ThreadInfo;
use crate::event::AHEAD;
use crate::producers::Slot;
use crate::record::decode::ticks;
use crate::ring::{Consumer, LEVELS, Ring};
use crate::stats::Outcome;
use std::ffi::CString;
use std::ops::Deref;
use std::sync::Arc;

/// The ring inside a slot.
#[derive(Debug, Clone)]
struct SlotRing(Arc<Slot>);

impl Deref for SlotRing {
    type Target = Ring;

    fn deref(&self) -> &Ring {
        &self.0.ring
    }
}

/// Who logs, as deliveries and callbacks are told.
#[derive(Debug)]
pub struct LaneThread {
    /// For subscribers.
    pub info: Arc<ThreadInfo>,
    /// The name as a C string.
    pub c_name: CString,
    version: u32,
}

/// A thread's ring in the drain's list.
#[derive(Debug)]
pub struct Lane {
    consumer: Consumer<SlotRing>,
    /// `None` while its records are delivered.
    thread: Option<LaneThread>,
    reported: [u64; LEVELS],
    /// What is kept of its records.
    pub backtrace: Backtrace,
    /// What is around its records.
    pub scope: Scope,
    /// So much of its ring's buffer has its pages.
    populated: usize,
    /// The batch that is delivered.
    batch: Batch,
}

/// What a record of a lane is delivered with.
#[derive(Debug)]
pub struct Peeked<'l> {
    /// The record.
    pub bytes: &'l [u8],
    /// As in [`Lane`].
    pub scope: &'l mut Scope,
    /// As in [`Lane`].
    pub backtrace: &'l mut Backtrace,
    /// As in [`Lane`].
    pub batch: &'l mut Batch,
}

/// So much of a ring is populated at a time: it takes some 400 µs, for which records and a flush may have to wait.
const PIECE: usize = 1 << 20;

impl Lane {
    /// The lane of a slot.
    ///
    /// # Safety
    ///
    /// A slot has one lane, made by whoever holds the drain's lock.
    pub unsafe fn new(slot: Arc<Slot>, is_populated: bool) -> Self {
        let populated = if is_populated { slot.ring.capacity() } else { Ring::FIRST };
        let thread = Some(describe(&slot));
        // SAFETY: the caller's promise, one consumer a ring.
        let consumer = unsafe { Consumer::new(SlotRing(slot)) };
        let (backtrace, scope) = (Backtrace::default(), Scope::default());
        let batch = Batch::default();
        Self { consumer, thread, reported: [0; LEVELS], backtrace, scope, populated, batch }
    }

    /// Populates more of the ring, if any of it is not yet. Returns whether there was anything to do.
    pub fn populate_more(&mut self) -> bool {
        let ring = self.consumer.ring();
        let is_left = self.populated < ring.capacity();
        if is_left {
            let end = ring.capacity().min(self.populated + PIECE);
            ring.populate(self.populated..end);
            self.populated = end;
        }
        is_left
    }

    /// The slot.
    pub fn slot(&self) -> &Arc<Slot> {
        &self.consumer.ring().0
    }

    /// Takes out who logs, for a run of its records; [`put_back`](Self::put_back) follows.
    pub fn take_thread(&mut self) -> LaneThread {
        match self.thread.take() {
            Some(thread) if !self.slot().was_renamed(thread.version) => thread,
            _ => describe(self.slot()),
        }
    }

    /// Puts who logs back.
    pub fn put_back(&mut self, thread: LaneThread) {
        self.thread = Some(thread);
    }

    /// Looks at the head; `true`: there is something to deliver.
    pub fn snapshot(&mut self) -> bool {
        self.consumer.snapshot()
    }

    /// Time of the next record of the pass; bytes that are no record count as failed and end the snapshot.
    pub fn next_ticks(&mut self, horizon: Horizon) -> Option<u64> {
        self.next_of_run(u64::MAX, horizon).map(|(ticks, _)| ticks)
    }

    /// The next record of the pass, if it is not later than `until`.
    #[inline]
    pub fn next_of_run(&mut self, until: u64, horizon: Horizon) -> Option<(u64, usize)> {
        let (ticks, len) = self.peek()?;
        let ticks = horizon.place(ticks)?;
        (ticks <= until).then_some((ticks, len))
    }

    /// Whether records of the snapshot are left for the next pass.
    pub fn is_left(&self) -> bool {
        !self.consumer.is_exhausted()
    }

    #[inline]
    fn peek(&mut self) -> Option<(u64, usize)> {
        match self.consumer.peek() {
            Ok(Some(bytes)) => Some((ticks(bytes), bytes.len())),
            Ok(None) => None,
            Err(_) => {
                self.slot().ledger.count(Outcome::Failed);
                None
            }
        }
    }

    /// The record of `len` bytes that was peeked last.
    #[inline]
    pub fn peeked(&mut self, len: usize) -> Peeked<'_> {
        let Self { consumer, scope, backtrace, batch, .. } = self;
        Peeked { bytes: consumer.peeked(len), scope, backtrace, batch }
    }

    /// The kinds of the records behind the one of `len` bytes that was peeked last, as far as they are at hand.
    #[inline]
    pub fn kinds_ahead(&self, len: usize) -> [Option<u32>; AHEAD] {
        let mut distance = len;
        std::array::from_fn(|_| {
            let (kind, len) = self.consumer.kind_ahead(distance)?;
            distance = distance.saturating_add(len);
            Some(kind)
        })
    }

    /// Whether a part of a batch has been delivered, and not all.
    pub fn is_within_batch(&self) -> bool {
        self.batch.is_begun()
    }

    /// Counts a record, and goes past its `len` bytes; 0 within a batch.
    #[inline]
    pub fn advance(&mut self, len: usize, outcome: Outcome) {
        self.consumer.advance(len);
        self.slot().ledger.count(outcome);
    }

    /// Gives what was delivered, and written, back to the producer.
    pub fn release(&mut self) {
        if self.consumer.unreleased() > 0 {
            self.consumer.release();
            let (bytes, padding) = self.consumer.position();
            self.slot().ledger.note_position(bytes, padding);
        }
    }

    /// Whether a quarter of the ring waits to be given back.
    #[inline]
    pub fn is_quarter_unreleased(&self) -> bool {
        self.consumer.unreleased() >= self.consumer.ring().capacity() as u64 / 4
    }

    /// Whether the ring is half full by now.
    pub fn is_half_full(&self) -> bool {
        self.consumer.is_half_full()
    }

    /// Whether anything has been published that was not read.
    pub fn has_more(&self) -> bool {
        !self.consumer.is_drained()
    }

    /// Whether the thread has ended and its ring is empty for good: see [`crate::producers`], "The last record".
    pub fn is_finished(&self) -> bool {
        self.consumer.is_drained_for_good(|| self.slot().owner_is_gone())
    }

    /// Records dropped by level since the last question; `None`: none.
    pub fn new_drops(&mut self) -> Option<[u64; LEVELS]> {
        let now = self.consumer.ring().words().counts().dropped.map(|level| level.iter().sum::<u64>());
        let new = std::array::from_fn(|level| now[level] - self.reported[level]);
        self.reported = now;
        (new != [0; LEVELS]).then_some(new)
    }
}

fn describe(slot: &Slot) -> LaneThread {
    let (version, info) = slot.thread();
    let c_name = CString::new(info.name.replace('\0', "")).unwrap_or_default();
    LaneThread { info, c_name, version }
}
