//! Merging the rings of all threads by time, in runs.
//!
//! A heap holds the lanes that have something to deliver, by the time of their next record. The lane at the top is taken
//! out and delivers as long as its records are not later than the new top: a *run*. A thread that logs alone pays for
//! the heap once a pass; threads in lockstep pay `log(threads)` a record.
//!
//! # Causes before effects
//!
//! Heads are read one after the other: a record can be published behind a head that was read already, and cause one before
//! a head that was not read yet. So a pass reads the clock first, and leaves what was stamped later to the next one: of
//! two records of which one caused the other, both stamped until then, both were published before any head was read.

use super::lane::Lane;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The lanes of a pass, by the time of their next record.
#[derive(Debug, Default)]
pub struct Merge {
    heap: BinaryHeap<Reverse<(u64, usize)>>,
    /// Those in which the pass found anything, until what it read is given back: of 1,000 rings most are idle.
    active: Vec<usize>,
}

/// Which records a pass delivers.
#[derive(Debug, Clone, Copy)]
pub struct Horizon {
    /// The clock before the first head was read: what is later waits for the next pass.
    until: u64,
    /// The clock after the last head was read: nothing that a head covers can be later.
    now: u64,
}

impl Horizon {
    /// When a record with this stamp is delivered, as far as order goes; `None`: in the next pass. A stamp that no thread
    /// can have read yet is taken for now.
    #[inline]
    pub fn place(self, ticks: u64) -> Option<u64> {
        match ticks {
            _ if ticks <= self.until => Some(ticks),
            _ if ticks <= self.now => None,
            _ => Some(self.now),
        }
    }

    /// The clock when all heads had been read.
    pub fn now(self) -> u64 {
        self.now
    }
}

impl Merge {
    /// Takes the lanes of new threads and snapshots all.
    pub fn begin(&mut self, lanes: &mut Vec<Lane>, take_new: impl FnOnce(&mut Vec<Lane>)) -> Horizon {
        self.heap.clear();
        // Empty, unless the pass before ended by a panic.
        self.end(lanes);
        let until = crate::clock::ticks();
        crate::clock::COARSE.set(until);
        // The processor reads its counter when it likes, before loads that come earlier too: the heads come between.
        crate::os::counter_fence();
        // A new thread's first record can be the cause of one behind a head: its ring is taken behind the clock as well.
        take_new(lanes);
        self.active.extend(lanes.iter_mut().enumerate().filter_map(|(index, lane)| lane.snapshot().then_some(index)));
        crate::os::counter_fence();
        let horizon = Horizon { until, now: crate::clock::ticks() };
        for at in 0..self.active.len() {
            let index = self.active[at];
            self.put_back(&mut lanes[index], index, horizon);
        }
        horizon
    }

    /// The lane with the oldest record, taken out, and the time up to which its records go first.
    #[inline]
    pub fn next_run(&mut self) -> Option<(usize, u64)> {
        let Reverse((_, index)) = self.heap.pop()?;
        let until = self.heap.peek().map_or(u64::MAX, |Reverse((ticks, _))| *ticks);
        Some((index, until))
    }

    /// Puts a lane back, if its snapshot has more.
    #[inline]
    pub fn put_back(&mut self, lane: &mut Lane, index: usize, horizon: Horizon) {
        if let Some(ticks) = lane.next_ticks(horizon) {
            self.heap.push(Reverse((ticks, index)));
        }
    }

    /// Gives the bytes that were read back to their producers.
    pub fn release(&self, lanes: &mut [Lane]) {
        self.active.iter().for_each(|index| lanes[*index].release());
    }

    /// Whether anything of the snapshot was left for the next pass.
    pub fn any_left(&self, lanes: &[Lane]) -> bool {
        self.active.iter().any(|index| lanes[*index].is_left())
    }

    /// Gives back what was read, once and for all: lanes may go now.
    pub fn end(&mut self, lanes: &mut [Lane]) {
        self.release(lanes);
        self.active.clear();
    }

    /// Forgets the pass.
    pub fn abandon(&mut self) {
        self.heap.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_logged_while_heads_were_read_waits() {
        let horizon = Horizon { until: 10, now: 20 };
        assert_eq!([9, 10].map(|ticks| horizon.place(ticks)), [Some(9), Some(10)]);
        assert_eq!([11, 20].map(|ticks| horizon.place(ticks)), [None, None]);
        assert_eq!(horizon.place(21), Some(20), "a stamp that nobody can have read is no reason to wait");
    }
}
