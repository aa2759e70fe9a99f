//! A batch of the ring, message by message.
//!
//! What the drain does with a record it does with each message of a batch: deliver, keep for a backtrace, count, look at
//! the time. Only the ring's bytes are given back for all of them at once.

use crate::record::batch::MOST;
use crate::record::decode::{batch, ticks};
use crate::record::encode::{plain_size, write_plain};

/// What one of its messages may take by itself: with its target, less than twice what the batch does.
pub const LONGEST_RECORD: usize = 2 * MOST;

/// How far the batch at the tail of a lane has been delivered.
#[derive(Debug, Default)]
pub struct Batch {
    /// Bytes of messages that are left; 0: none has been taken.
    left: usize,
    /// Where it lies: should the program overwrite the ring, another record may take its place.
    address: usize,
}

impl Batch {
    /// Whether some messages have been taken, and not all.
    pub fn is_begun(&self) -> bool {
        self.left > 0
    }

    /// Takes the next message of the batch that `bytes` is: puts it into `record`, as a record by itself, and says whether it is
    /// the last. `None`: `bytes` can't be read, or there is no message.
    #[cold]
    pub fn take(&mut self, bytes: &[u8], record: &mut Vec<u8>) -> Option<bool> {
        let left = std::mem::take(&mut self.left);
        let is_begun = left > 0 && self.address == bytes.as_ptr().addr();
        self.address = bytes.as_ptr().addr();
        let mut messages = batch(bytes).ok()?;
        if is_begun {
            messages.go_on(left);
        }
        let (level, message) = messages.next()?.ok()?;
        let target = messages.target.bytes;
        record.clear();
        record.resize(plain_size(target, message.bytes), 0);
        write_plain(record, level, ticks(bytes), target, message.bytes);
        self.left = messages.left();
        Some(self.left == 0)
    }
}
