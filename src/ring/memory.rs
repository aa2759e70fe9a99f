//! The memory of a ring: its two groups of words and its buffer.

use super::producer::{LEVELS, ProducerWords, REASONS};
use crate::sync::AtomicU64;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;

#[cfg(not(logfusion_loom))]
type Storage = crate::os::Mapping;
#[cfg(logfusion_loom)]
type Storage = stand_in::Storage;

/// The words that both sides share, at the beginning of the ring's memory.
#[repr(C)]
#[derive(Debug)]
pub struct Words {
    pub(super) producer: ProducerWords,
    pub(super) consumer: ConsumerWords,
    /// One cell a word of the buffer, so that loom sees every access.
    #[cfg(logfusion_loom)]
    cells: Vec<crate::sync::cell::UnsafeCell<()>>,
}

// SAFETY: all members are atomics but the buffer's address and the capacity, which never change after `Ring::start`.
unsafe impl Sync for Words {}

impl Words {
    /// The words of a thread that has no ring: they have no room, and look like those of a forked child.
    #[cfg(not(logfusion_loom))]
    #[allow(clippy::declare_interior_mutable_const, reason = "the initial value of a static")]
    pub const ABSENT: Self =
        Self { producer: ProducerWords::ABSENT, consumer: ConsumerWords { tail: AtomicU64::new(0) } };

    /// What both sides have counted.
    pub fn counts(&self) -> Counts {
        Counts {
            published_bytes: self.producer.head(),
            published_padding: self.producer.padding(),
            accepted: self.producer.accepted(),
            dropped: self.producer.dropped(),
        }
    }

    /// Tells the model that the producer writes these bytes now.
    #[cfg(logfusion_loom)]
    pub(super) fn track_write(&self, position: u64, len: usize) {
        self.cells(position, len).iter().for_each(|cell| cell.with_mut(|_| ()));
    }

    /// Tells the model that the consumer reads these bytes now.
    #[cfg(logfusion_loom)]
    pub(super) fn track_read(&self, position: u64, len: usize) {
        self.cells(position, len).iter().for_each(|cell| cell.with(|_| ()));
    }

    #[cfg(logfusion_loom)]
    fn cells(&self, position: u64, len: usize) -> &[crate::sync::cell::UnsafeCell<()>] {
        let first = position as usize / 8 % self.cells.len();
        &self.cells[first..first + len / 8]
    }
}

/// What the producer has counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Records published.
    pub accepted: u64,
    /// Records dropped, by level and reason.
    pub dropped: [[u64; REASONS]; LEVELS],
    /// The producer's position.
    pub published_bytes: u64,
    /// Padding before it.
    pub published_padding: u64,
}

/// Written by the consumer, two cache lines away from the producer's words.
#[repr(C, align(128))]
#[derive(Debug)]
pub(super) struct ConsumerWords {
    /// Where the consumer has released up to.
    pub(super) tail: AtomicU64,
}

/// A ring: shared by its [`Producer`](super::Producer) and its [`Consumer`](super::Consumer).
///
/// On Linux the memory is wiped in a forked child, so a producer of the parent finds zeros there, has no room, takes the
/// slow way and starts anew.
#[derive(Debug)]
pub struct Ring {
    storage: Storage,
    capacity: usize,
}

impl Ring {
    /// Bytes before the buffer.
    const WORDS: usize = 4096;

    /// So much of a new ring's buffer is populated by its thread: a fault there would wait on the fast path, but all of
    /// 1 MiB takes 400 µs.
    pub const FIRST: usize = 128 << 10;

    /// A ring of `capacity` bytes, a power of two and at least [`MIN_CAPACITY`](super::MIN_CAPACITY). Its first pages are
    /// populated, the others by [`populate`](Self::populate).
    pub fn new(capacity: usize) -> io::Result<Self> {
        Self::starting_at(capacity, 0)
    }

    /// A ring whose positions begin at `start`, a multiple of 8: for tests of the wrap around `u64`.
    pub fn starting_at(capacity: usize, start: u64) -> io::Result<Self> {
        assert!(capacity.is_power_of_two() && capacity >= super::MIN_CAPACITY && start.is_multiple_of(8));
        const { assert!(size_of::<Words>() <= Self::WORDS) };
        let storage = Storage::new(Self::WORDS + capacity)?;
        let ring = Self { storage, capacity };
        ring.populate_first();
        ring.start(start);
        Ok(ring)
    }

    fn populate_first(&self) {
        self.storage.populate(0..Self::WORDS + self.capacity.min(Self::FIRST));
    }

    /// Populates a part of the buffer, of which a new or renewed ring has the [`FIRST`](Self::FIRST) bytes. Any thread may do
    /// it, while the ring is in use.
    pub fn populate(&self, Range { start, end }: Range<usize>) {
        // Where the kernel cannot, its pages come with their first writes.
        _ = self.storage.populate_shared(Self::WORDS + start..Self::WORDS + end);
    }

    /// Returns the pages of an unused ring to the system. It must be [`renew`](Self::renew)ed before it is used again.
    pub fn discard(&self) {
        #[cfg(logfusion_loom)]
        self.words().track_write(0, self.capacity);
        self.storage.discard();
    }

    /// Has a ring that nobody uses yet stamp its records by the coarse clock.
    #[cfg(not(logfusion_loom))]
    pub fn use_coarse_clock(&mut self) {
        // SAFETY: the words are there (`start`), and `self` is the only reference to the ring.
        unsafe { (*self.words_ptr()).producer.set_clock(&crate::clock::COARSE) };
    }

    /// Makes a discarded ring as good as new. The caller is the only user of the ring.
    pub fn renew(&self) {
        self.populate_first();
        #[cfg(logfusion_loom)]
        self.forget_words();
        self.start(0);
    }

    fn start(&self, start: u64) {
        let words = Words {
            producer: ProducerWords::new(self.buffer(), self.capacity, start),
            consumer: ConsumerWords { tail: AtomicU64::new(start) },
            #[cfg(logfusion_loom)]
            cells: (0..self.capacity / 8).map(|_| crate::sync::cell::UnsafeCell::new(())).collect(),
        };
        // SAFETY: the storage begins with room for `Words` (asserted in `starting_at`), page-aligned, and the caller is
        // the only one who knows of it: no reference to the old words is alive.
        unsafe { self.words_ptr().write(words) };
    }

    /// Where the ring's memory begins.
    #[cfg(not(logfusion_loom))]
    pub fn memory(&self) -> *mut u8 {
        self.storage.as_ptr().as_ptr()
    }

    /// The ring that has this memory, once more: it is never dropped.
    ///
    /// # Safety
    ///
    /// The memory is that of a ring of this capacity, which outlives the value.
    #[cfg(not(logfusion_loom))]
    pub unsafe fn of_memory(memory: NonNull<u8>, capacity: usize) -> std::mem::ManuallyDrop<Self> {
        // SAFETY: the caller's promise, for the same length.
        let storage = unsafe { Storage::of_memory(memory, Self::WORDS + capacity) };
        std::mem::ManuallyDrop::new(Self { storage, capacity })
    }

    /// Capacity of the buffer in bytes.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    fn words_ptr(&self) -> *mut Words {
        self.storage.as_ptr().as_ptr().cast()
    }

    /// The words that both sides share.
    pub fn words(&self) -> &Words {
        // SAFETY: `start` initialised the words, and they live as long as the storage. In a forked child they read as
        // zeros, which are valid values of all members.
        unsafe { &*self.words_ptr() }
    }

    /// The buffer. The consumer asks here and not [`ProducerWords`]: those share a line with the head, and a look at them for
    /// each record would take that line away from the producer.
    pub(super) fn buffer(&self) -> NonNull<u8> {
        // SAFETY: the storage is `WORDS + capacity` bytes long.
        unsafe { self.storage.as_ptr().add(Self::WORDS) }
    }

    /// Whether the memory was wiped: this process is a forked child, and the ring belongs to its parent.
    pub fn is_wiped(&self) -> bool {
        self.words().producer.is_wiped()
    }
}

#[cfg(logfusion_loom)]
impl Ring {
    /// The caller must be the only user of the ring: the model fails if it is not.
    fn forget_words(&self) {
        if !std::thread::panicking() {
            self.words().track_write(0, self.capacity);
        }
        // SAFETY: `start` wrote the words, and nobody uses them any more. They own the cells.
        unsafe { self.words_ptr().drop_in_place() };
    }
}

#[cfg(logfusion_loom)]
impl Drop for Ring {
    fn drop(&mut self) {
        self.forget_words();
    }
}

/// The heap in place of a mapping.
#[cfg(logfusion_loom)]
mod stand_in {
    use std::io;
    use std::ptr::NonNull;

    #[repr(align(4096))]
    #[derive(Clone, Copy)]
    struct Page(#[allow(dead_code, reason = "bytes, reached through a pointer")] [u8; 4096]);

    #[derive(Debug)]
    pub struct Storage(NonNull<[Page]>);

    impl Storage {
        pub fn new(len: usize) -> io::Result<Self> {
            let pages = vec![Page([0; 4096]); len.div_ceil(4096)].into_boxed_slice();
            Ok(Self(NonNull::from(Box::leak(pages))))
        }

        pub fn as_ptr(&self) -> NonNull<u8> {
            self.0.cast()
        }

        /// Leaves no bytes behind, as the system does; the words' page is written anew by `Ring::renew`.
        pub fn discard(&self) {
            // SAFETY: the pages behind the first hold the buffer, which the caller alone uses.
            unsafe { self.0.cast::<Page>().add(1).write_bytes(0, self.0.len() - 1) };
        }

        pub fn populate(&self, _: std::ops::Range<usize>) {}

        pub fn populate_shared(&self, _: std::ops::Range<usize>) -> bool {
            true
        }
    }

    impl Drop for Storage {
        fn drop(&mut self) {
            // SAFETY: `new` leaked this box, and only this value knows of it.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }

    // SAFETY: the pages are plain memory; who may touch which bytes is the ring's protocol, which the cells check.
    unsafe impl Send for Storage {}
    // SAFETY: as above.
    unsafe impl Sync for Storage {}
}
