//! A batch of the ring, taken apart: its messages as records by themselves.
//!
//! What the drain does with a record it does with each message of a batch: deliver, keep for a backtrace, count, look at
//! the time. Only the ring's bytes are given back for all of them at once.

use crate::record::batch::unfold;
use crate::record::decode::length;

/// The batch that a lane delivers.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<u8>,
    /// Where the next one begins; at the end: there is no batch.
    next: usize,
}

impl Batch {
    /// Whether some of a batch has been taken, and not all.
    pub fn is_begun(&self) -> bool {
        self.next < self.records.len()
    }

    /// Takes the next record of the batch that `bytes` is, and says whether it is the last; `None`: `bytes` can't be read, or
    /// there is nothing in it.
    #[cold]
    pub fn take(&mut self, bytes: &[u8]) -> Option<(&[u8], bool)> {
        if !self.is_begun() {
            self.records.clear();
            self.next = 0;
            if unfold(bytes, &mut self.records).is_err() {
                self.records.clear();
            }
        }
        let left = &self.records[self.next..];
        let len = length(left).ok()?;
        self.next += len;
        Some((&left[..len], len == left.len()))
    }
}
