//! The consumer's side: snapshot, peek, advance, release.

use super::memory::Ring;
use crate::record::decode::{DecodeError, length};
use crate::record::layout::PADDING;
use crate::sync::{Mistake, Ordering, seeded};
use std::marker::PhantomData;

/// The bytes at the tail are no record: everything up to the snapshot was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ring's bytes at position {position} are not a record: {reason}; {skipped} bytes are skipped")]
pub struct Corrupt {
    /// Where.
    pub position: u64,
    /// How many bytes were skipped.
    pub skipped: u64,
    /// Why.
    pub reason: DecodeError,
}

/// The consumer of one ring.
///
/// It reads what [`snapshot`](Self::snapshot) saw, and keeps two positions of its own: `next`, what to read, and the
/// ring's `tail`, what the producer may overwrite. Between them lie records that were read and are not safe yet, such as
/// text that waits to be written.
#[derive(Debug)]
pub struct Consumer<R> {
    ring: R,
    next: u64,
    seen: u64,
    released: u64,
    padding: u64,
    one_at_a_time: PhantomData<std::cell::Cell<()>>,
}

impl<R: std::ops::Deref<Target = Ring>> Consumer<R> {
    /// The consumer of `ring`, which begins at its tail.
    ///
    /// # Safety
    ///
    /// A ring has one consumer at a time, and one that takes over happens after the last use of the one before.
    pub unsafe fn new(ring: R) -> Self {
        let tail = ring.words().consumer.tail.load(Ordering::Relaxed);
        Self { ring, next: tail, seen: tail, released: tail, padding: 0, one_at_a_time: PhantomData }
    }

    /// Looks how far the producer has published. Returns whether there is anything to read.
    #[inline]
    pub fn snapshot(&mut self) -> bool {
        self.seen = self.ring.words().producer.head();
        self.next != self.seen
    }

    /// Whether everything that the snapshot saw has been read.
    #[inline]
    pub fn is_exhausted(&self) -> bool {
        self.next == self.seen
    }

    /// The next record of the snapshot, whole; `None` when everything has been read.
    #[inline]
    pub fn peek(&mut self) -> Result<Option<&[u8]>, Corrupt> {
        loop {
            let left = self.seen.wrapping_sub(self.next);
            if left == 0 {
                return Ok(None);
            }
            let capacity = self.ring.capacity();
            let offset = self.next as usize & (capacity - 1);
            let contiguous = (capacity - offset).min(left as usize);
            let padding = self.padding_at(offset, contiguous);
            if padding == 0 {
                break;
            }
            self.padding += padding as u64;
            self.next = self.next.wrapping_add(padding as u64);
        }
        match length(self.contiguous()) {
            Ok(len) => {
                #[cfg(logfusion_loom)]
                self.ring.words().track_read(self.next, len);
                Ok(Some(&self.contiguous()[..len]))
            }
            Err(reason) => {
                let skipped = self.seen.wrapping_sub(self.next);
                let position = self.next;
                self.next = self.seen;
                Err(Corrupt { position, skipped, reason })
            }
        }
    }

    /// Length of the padding that lies at `offset`; 0: there is none.
    #[inline]
    fn padding_at(&self, offset: usize, contiguous: usize) -> usize {
        #[cfg(logfusion_loom)]
        self.ring.words().track_read(self.next, 8);
        // SAFETY: `next` is a multiple of 8 before `seen`, so at least one aligned word is there, published and not
        // released: the producer does not write it.
        let word = u64::from_le(unsafe { self.ring.buffer().add(offset).cast::<u64>().read() });
        let (len, kind) = (word as u32 as usize, (word >> 32) as u32);
        // What is no sound padding is left to the check of lengths.
        if kind == PADDING && len.is_multiple_of(8) && len <= contiguous { len } else { 0 }
    }

    /// The published bytes from `next` on that lie in one piece.
    #[inline]
    fn contiguous(&self) -> &[u8] {
        let capacity = self.ring.capacity();
        let offset = self.next as usize & (capacity - 1);
        let len = (capacity - offset).min(self.seen.wrapping_sub(self.next) as usize);
        // SAFETY: the bytes from `next` to `seen` were published (`Acquire` in `snapshot`) and are not released, so the
        // producer does not touch them; `len` keeps inside the buffer. Signal handlers write only behind the head.
        unsafe { std::slice::from_raw_parts(self.ring.buffer().add(offset).as_ptr(), len) }
    }

    /// The record of `len` bytes that [`peek`](Self::peek) returned, once more, without looking again.
    #[inline]
    pub fn peeked(&self, len: usize) -> &[u8] {
        &self.contiguous()[..len]
    }

    /// Kind and length of the record, or the padding, that begins `distance` bytes behind the peeked one's first; `None`: it does
    /// not lie in one piece with it, or the snapshot did not see it.
    #[inline]
    pub fn kind_ahead(&self, distance: usize) -> Option<(u32, usize)> {
        let word = self.contiguous().get(distance..)?.first_chunk()?;
        let word = u64::from_le_bytes(*word);
        Some(((word >> 32) as u32, word as u32 as usize))
    }

    /// Goes past the record of `len` bytes that [`peek`](Self::peek) returned.
    #[inline]
    pub fn advance(&mut self, len: usize) {
        self.next = self.next.wrapping_add(len as u64);
        debug_assert!(self.seen.wrapping_sub(self.next) as i64 >= 0);
    }

    /// Whether head and tail can be those of a ring, for a reader that takes nothing and may come at a bad moment.
    #[cfg(not(logfusion_loom))]
    pub fn is_sound(&self) -> bool {
        let head = self.ring.words().producer.head();
        let is_place = |position: u64| position.is_multiple_of(8);
        let fits = head.wrapping_sub(self.released) <= self.ring.capacity() as u64;
        !self.ring.is_wiped() && is_place(head) && is_place(self.released) && fits
    }

    /// Whether the ring's own consumer has given back what this one reads: it may have been overwritten meanwhile.
    #[cfg(not(logfusion_loom))]
    pub fn is_overtaken(&self) -> bool {
        crate::sync::fence(Ordering::Acquire);
        self.ring.words().consumer.tail.load(Ordering::Relaxed).wrapping_sub(self.next) as i64 > 0
    }

    /// Bytes read and not released.
    #[inline]
    pub fn unreleased(&self) -> u64 {
        self.next.wrapping_sub(self.released)
    }

    /// Gives everything that was read back to the producer.
    #[inline]
    pub fn release(&mut self) {
        if self.released != self.next {
            self.released = self.next;
            let ordering = if seeded(Mistake::RelaxedRelease) { Ordering::Relaxed } else { Ordering::Release };
            // Release: pairs with the Acquire of `Producer::reserve`; the reads of the records come before it.
            self.ring.words().consumer.tail.store(self.next, ordering);
        }
    }

    /// Whether the producer has filled half of the ring by now.
    pub fn is_half_full(&self) -> bool {
        let used = self.ring.words().producer.head().wrapping_sub(self.released);
        used >= self.ring.capacity() as u64 / 2
    }

    /// Whether everything published so far has been read and released.
    pub fn is_drained(&self) -> bool {
        self.ring.words().producer.head() == self.released
    }

    /// Whether the ring is empty for good: `owner_is_gone` says that the producer's thread has ended, and a look *after*
    /// that finds nothing. See `producers`, "The last record".
    pub fn is_drained_for_good(&self, owner_is_gone: impl FnOnce() -> bool) -> bool {
        // The question costs a line of its own; a ring that has something to read is not done anyway.
        self.is_drained() && owner_is_gone() && (seeded(Mistake::EmptyBeforeGone) || self.is_drained())
    }

    /// How far this side has read, and how much of that was padding: for the ledger's second witness.
    pub fn position(&self) -> (u64, u64) {
        (self.next, self.padding)
    }

    /// The ring.
    pub fn ring(&self) -> &R {
        &self.ring
    }
}
