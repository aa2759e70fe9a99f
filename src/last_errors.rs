//! Last errors on their way to the drain, which makes an event of each.
//!
//! A call that sets the last error of its thread copies the text into a bounded queue: no allocation, no lock, and nobody
//! is woken. At most [`MOST_A_SECOND`] get through; what is beyond is counted, and costs its caller the count alone. The
//! drain takes the texts out in its passes and gives out the room again, a second after it began to use it.

use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crossbeam_queue::ArrayQueue;
use std::fmt::{self, Write};

/// Events in a second.
pub const MOST_A_SECOND: u32 = 10;

/// Longest text, in bytes; what is longer is cut at a character boundary.
pub const MOST_BYTES: usize = 512;

/// A text of fixed size.
#[derive(Debug, Clone)]
pub struct Text {
    bytes: [u8; MOST_BYTES],
    len: usize,
}

impl Text {
    /// No text.
    pub const EMPTY: Self = Self { bytes: [0; MOST_BYTES], len: 0 };

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    /// Makes it empty.
    pub fn clear(&mut self) {
        self.len = 0;
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut fits = text.len().min(MOST_BYTES - self.len);
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        self.bytes[self.len..self.len + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
        // A text that is cut ends here: the rest would follow a hole.
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// The queue, and how much may still go into it.
#[derive(Debug)]
pub struct LastErrors {
    queue: ArrayQueue<Text>,
    /// Taken by callers, given out by the drain: 0 to [`MOST_A_SECOND`].
    room: AtomicU32,
    /// Set, but not queued.
    left_out: AtomicU64,
}

impl Default for LastErrors {
    fn default() -> Self {
        let room = AtomicU32::new(MOST_A_SECOND);
        Self { queue: ArrayQueue::new(MOST_A_SECOND as usize), room, left_out: AtomicU64::new(0) }
    }
}

impl LastErrors {
    /// Queues a copy, if there is room this second.
    pub fn report(&self, text: &Text) {
        let took = self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(1));
        if took.is_err() || self.queue.push(text.clone()).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether there is nothing to take and nothing to give out.
    #[inline]
    pub fn is_quiet(&self) -> bool {
        self.room.load(Ordering::Relaxed) == MOST_A_SECOND && self.queue.is_empty()
    }

    /// The oldest text. For the drain.
    pub fn take(&self) -> Option<Text> {
        self.queue.pop()
    }

    /// Begins a second in which `used` have been taken already; returns how many were left out in the last one.
    pub fn begin_second(&self, used: u32) -> u64 {
        self.room.store(MOST_A_SECOND.saturating_sub(used), Ordering::Relaxed);
        self.left_out.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: usize) -> Text {
        let mut text = Text::EMPTY;
        write!(text, "error {number}").expect("it is short");
        text
    }

    #[test]
    fn ten_a_second_get_through_and_the_rest_is_counted() {
        let errors = LastErrors::default();
        assert!(errors.is_quiet());
        (0..25).for_each(|number| errors.report(&text(number)));
        assert!(!errors.is_quiet());
        let taken: Vec<_> = std::iter::from_fn(|| errors.take()).map(|text| text.as_str().to_owned()).collect();
        assert_eq!(taken, (0..10).map(|number| format!("error {number}")).collect::<Vec<_>>());
        errors.report(&text(25));
        assert!(errors.take().is_none(), "the second is not over");
        assert_eq!(errors.begin_second(3), 16);
        (0..10).for_each(|number| errors.report(&text(number)));
        assert_eq!(std::iter::from_fn(|| errors.take()).count(), 7);
        assert_eq!(errors.begin_second(0), 3);
        assert!(errors.is_quiet());
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let mut text = Text::EMPTY;
        assert!(write!(text, "{}é and more", "x".repeat(MOST_BYTES - 1)).is_err());
        assert_eq!(text.as_str(), "x".repeat(MOST_BYTES - 1));
    }
}
