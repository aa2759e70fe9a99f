//! Batches: messages that share their time and their target, in one record of the ring.
//!
//! What they share is written once: a message of 8 bytes takes 16, where by itself it takes 48 and more. The fewer lines of the
//! ring a batch writes, the fewer it has to get back from the core that read them last, which is most of what it costs.

use super::encode::{CopyText, copy_short, write_copied_message, write_message};
use super::layout::{BATCH, HEADER, MAX_NAME, align8};

/// Most bytes that a batch takes, since its bytes are given back to the thread all at once; longer ones would not be cheaper.
pub const MOST: usize = 4 << 10;

/// Writes a batch into a part of the ring.
#[derive(Debug)]
pub struct BatchWriter<'o> {
    /// Header, counts and target.
    shared: &'o mut [u8],
    /// What is left for messages, of so many bytes.
    left: &'o mut [u8],
    room: usize,
    messages: u32,
    severest: u32,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the record.
    pub size: usize,
    /// How many messages it has.
    pub messages: u32,
    /// The least level among them.
    pub severest: u32,
}

impl<'o> BatchWriter<'o> {
    /// A batch in the first bytes of `out`, for messages to this target, of at most [`MAX_NAME`] bytes; `None`: it has no room
    /// there.
    pub fn new(out: &'o mut [u8], target: &[u8]) -> Option<Self> {
        debug_assert!(target.len() <= MAX_NAME);
        let most = out.len().min(MOST);
        let (shared, left) = out[..most].split_at_mut_checked(HEADER + 8 + align8(target.len() + 1))?;
        shared[HEADER..HEADER + 8].copy_from_slice(&(target.len() as u64).to_le_bytes());
        let (bytes, zeros) = shared[HEADER + 8..].split_at_mut(target.len());
        copy_short(bytes, target);
        zeros.fill(0);
        let room = left.len();
        Some(Self { shared, left, room, messages: 0, severest: u32::MAX })
    }

    /// Adds a message; `false`: there is no room for it.
    #[inline(always)]
    pub fn push(&mut self, level: u32, message: &[u8]) -> bool {
        let size = align8(4 + message.len() + 1);
        if size > self.left.len() {
            return false;
        }
        write_message(&mut self.left[..size], level << 24 | message.len() as u32, message);
        self.added(level, size);
        true
    }

    /// Adds a message whose copy tells how long it is; `false`: there is little room, or it could not be copied.
    #[inline(always)]
    pub fn push_copied(&mut self, level: u32, message: impl CopyText) -> bool {
        let Some(size) = write_copied_message(self.left, level << 24, message) else { return false };
        self.added(level, size);
        true
    }

    #[inline(always)]
    fn added(&mut self, level: u32, size: usize) {
        self.left = &mut std::mem::take(&mut self.left)[size..];
        self.messages += 1;
        self.severest = self.severest.min(level);
    }

    /// Completes the record; `None`: it would have no message.
    pub fn finish(self, ticks: u64) -> Option<Written> {
        let Self { shared, left, room, messages, severest } = self;
        let size = shared.len() + room - left.len();
        shared[..8].copy_from_slice(&(size as u64 | u64::from(BATCH) << 32).to_le_bytes());
        shared[8..HEADER].copy_from_slice(&ticks.to_le_bytes());
        (messages > 0).then_some(Written { size, messages, severest })
    }
}
