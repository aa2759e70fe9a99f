//! Merging the rings of all threads by time, in runs.
//!
//! A heap holds the lanes that have something to deliver, by the time of their next record. The lane at the top is taken
//! out and delivers as long as its records are not later than the new top: a *run*. A thread that logs alone pays for
//! the heap once a pass; threads in lockstep pay `log(threads)` a record.

use super::lane::Lane;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The lanes of a pass, by the time of their next record.
#[derive(Debug, Default)]
pub struct Merge {
    heap: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Merge {
    /// Snapshots all lanes. Records stamped after `now` are sorted as if they were logged now.
    pub fn begin(&mut self, lanes: &mut [Lane], now: u64) {
        self.heap.clear();
        // All heads first: what a thread logged because of a record it has seen is in the same pass as that record or
        // in a later one.
        let mut any = false;
        for lane in lanes.iter_mut() {
            any |= lane.snapshot();
        }
        if any {
            for (index, lane) in lanes.iter_mut().enumerate() {
                self.put_back(lane, index, now);
            }
        }
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
    pub fn put_back(&mut self, lane: &mut Lane, index: usize, now: u64) {
        if let Some(ticks) = lane.next_ticks() {
            self.heap.push(Reverse((ticks.min(now), index)));
        }
    }

    /// Forgets the pass.
    pub fn abandon(&mut self) {
        self.heap.clear();
    }
}
