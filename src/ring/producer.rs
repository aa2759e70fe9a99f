//! The producer's side: reserve, write, commit. Wait-free.

use super::memory::Words;
use crate::record::layout::{HEADER, PADDING};
use crate::sync::{AtomicU64, AtomicUsize, Mistake, Ordering, compiler_fence, seeded};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// Number of levels, ERROR 1 to TRACE 5; counters are indexed by `level - 1`.
pub const LEVELS: usize = 5;

/// Why a record was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Reason {
    /// The ring was full.
    Full = 0,
    /// The caller was inside another push of the same thread.
    Reentered = 1,
    /// The ring was full, and stayed so for as long as the policy lets a caller wait.
    Timeout = 2,
    /// There was no memory for a ring, or rings may not take more.
    Memory = 3,
    /// The caller gave an open record back with a reason.
    Other = 4,
}

/// Number of [`Reason`]s.
pub const REASONS: usize = 5;

/// What the producer writes, at the beginning of the ring's memory: all zero in a forked child.
///
/// It begins with what the statements of C use themselves: `logfusion_producer` in `include/logfusion_statements.h`.
///
/// Every member is atomic because a signal handler may write it between two instructions of its thread, and because
/// other threads read the counters; none but `head` is ever stored with more than relaxed ordering.
#[repr(C, align(128))]
pub(super) struct ProducerWords {
    /// Everything before it is published.
    head: AtomicU64,
    /// The fast path may fill up to here.
    limit: AtomicU64,
    /// Address of the frame that is inside a push; 0: none.
    frame: AtomicUsize,
    /// Records published.
    accepted: AtomicU64,
    /// The buffer; null in a forked child, and before a thread has a ring.
    buffer: *mut u8,
    /// Its length, a power of two, less one.
    mask: usize,
    /// Longest record; 0 in a forked child, and before a thread has a ring.
    max_record: usize,
    /// Where to read the time; null: the processor's counter.
    #[cfg(not(logfusion_loom))]
    clock: *const crate::clock::Coarse,
    /// Padding published, in bytes.
    padding: AtomicU64,
    /// The consumer's tail as the slow function last saw it.
    seen_tail: AtomicU64,
    /// Bytes behind the head that an open push has, padding included, and how many of them are padding; 0: none is open.
    open: AtomicUsize,
    open_pad: AtomicUsize,
    dropped: [[AtomicU64; REASONS]; LEVELS],
}

#[cfg(all(target_pointer_width = "64", not(logfusion_loom)))]
const _: () = {
    use std::mem::offset_of;
    assert!(offset_of!(ProducerWords, head) == 0 && offset_of!(ProducerWords, limit) == 8);
    assert!(offset_of!(ProducerWords, frame) == 16 && offset_of!(ProducerWords, accepted) == 24);
    assert!(offset_of!(ProducerWords, buffer) == 32 && offset_of!(ProducerWords, mask) == 40);
    assert!(offset_of!(ProducerWords, max_record) == 48 && offset_of!(ProducerWords, clock) == 56);
};

impl ProducerWords {
    #[cfg(not(logfusion_loom))]
    #[allow(clippy::declare_interior_mutable_const, reason = "the initial value of a static")]
    pub(super) const ABSENT: Self = Self {
        head: AtomicU64::new(0),
        limit: AtomicU64::new(0),
        frame: AtomicUsize::new(0),
        accepted: AtomicU64::new(0),
        buffer: std::ptr::null_mut(),
        mask: 0,
        max_record: 0,
        clock: std::ptr::null(),
        padding: AtomicU64::new(0),
        seen_tail: AtomicU64::new(0),
        open: AtomicUsize::new(0),
        open_pad: AtomicUsize::new(0),
        dropped: [const { [const { AtomicU64::new(0) }; REASONS] }; LEVELS],
    };

    pub(super) fn new(buffer: NonNull<u8>, capacity: usize, start: u64) -> Self {
        Self {
            head: AtomicU64::new(start),
            limit: AtomicU64::new(start),
            frame: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            buffer: buffer.as_ptr(),
            mask: capacity - 1,
            max_record: super::max_record(capacity),
            #[cfg(not(logfusion_loom))]
            clock: std::ptr::null(),
            padding: AtomicU64::new(0),
            seen_tail: AtomicU64::new(start),
            open: AtomicUsize::new(0),
            open_pad: AtomicUsize::new(0),
            dropped: Default::default(),
        }
    }

    pub(super) fn is_wiped(&self) -> bool {
        self.buffer.is_null()
    }

    pub(super) fn head(&self) -> u64 {
        // Acquire: pairs with the Release of `Reservation::commit`; the bytes before the head are visible.
        self.head.load(Ordering::Acquire)
    }

    #[cfg(not(logfusion_loom))]
    #[inline(always)]
    fn ticks(&self) -> u64 {
        self.coarse().map_or_else(crate::clock::ticks, crate::clock::Coarse::get)
    }

    #[cfg(not(logfusion_loom))]
    #[inline(always)]
    fn coarse(&self) -> Option<&'static crate::clock::Coarse> {
        // SAFETY: null, or the clock that lives as long as the process.
        unsafe { self.clock.as_ref() }
    }

    #[cfg(not(logfusion_loom))]
    pub(super) fn set_clock(&mut self, clock: &'static crate::clock::Coarse) {
        self.clock = clock;
    }

    fn capacity(&self) -> u64 {
        self.mask as u64 + 1
    }

    /// Computes the limit that a head beyond the old one needs, from the tail that the slow function saw. Returns
    /// whether the ring is half full.
    #[cold]
    fn renew_limit(&self, head: u64) -> bool {
        let capacity = self.capacity();
        let tail = self.seen_tail.load(Ordering::Relaxed);
        let lap_end = head.wrapping_add(capacity - (head & (capacity - 1)));
        let half = tail.wrapping_add(capacity / 2);
        let share = tail.wrapping_add(allowance(capacity, u32::MAX));
        let half_full = head.wrapping_sub(tail) >= capacity / 2;
        let next = if half_full { share } else { half };
        let limit = if next.wrapping_sub(lap_end) as i64 > 0 { lap_end } else { next };
        self.limit.store(limit, Ordering::Relaxed);
        half_full
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn padding(&self) -> u64 {
        self.padding.load(Ordering::Relaxed)
    }

    pub(super) fn dropped(&self) -> [[u64; REASONS]; LEVELS] {
        std::array::from_fn(|level| std::array::from_fn(|reason| self.dropped[level][reason].load(Ordering::Relaxed)))
    }
}

/// What the slow function finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// No room for a record of this level.
    Full,
    /// The caller is inside another push of this thread.
    Reentered,
    /// The thread has no ring (yet, or any more: its process was forked).
    Absent,
}

/// The producer of one ring. It belongs to one thread and is copied freely on it, but made anew for each call of the API:
/// it knows where on the stack its pushes come from.
#[derive(Debug, Clone, Copy)]
pub struct Producer<'r> {
    words: &'r Words,
    mark: Mark,
    on_own_thread: PhantomData<*const ()>,
}

impl<'r> Producer<'r> {
    /// The producer of the ring that these words belong to.
    ///
    /// # Safety
    ///
    /// Only one thread at a time uses producers of a ring, and a thread that takes over happens after the last use by
    /// the one before. Any number of threads may use [`Words::ABSENT`]. The ring's memory lives for `'r`.
    #[inline(always)]
    pub unsafe fn new(words: &'r Words) -> Self {
        Self { words, mark: Mark::here(), on_own_thread: PhantomData }
    }

    /// The same for pushes from elsewhere on the stack.
    #[inline(always)]
    pub fn at(self, mark: Mark) -> Self {
        Self { mark, ..self }
    }

    /// Whether the thread has no ring (yet, or any more: its process was forked).
    #[inline(always)]
    pub fn is_absent(&self) -> bool {
        self.max_record() == 0
    }

    /// Longest record of this ring; 0: there is no ring.
    #[inline(always)]
    pub fn max_record(&self) -> usize {
        self.words.producer.max_record
    }

    /// The time to stamp records with.
    #[cfg(not(logfusion_loom))]
    #[inline(always)]
    pub fn ticks(&self) -> u64 {
        self.words.producer.ticks()
    }

    /// Reserves `len` bytes, a multiple of 8 and at most [`max_record`](Self::max_record), for one record. Nothing is
    /// published until [`Reservation::commit`]; a reservation that is dropped leaves no trace.
    ///
    /// `None` is whatever the limit folds into one comparison, or a re-entrant call: [`reserve`](Self::reserve) settles it.
    #[inline(always)]
    pub fn reserve_fast(&self, len: usize) -> Option<Reservation<'r>> {
        debug_assert!(len.is_multiple_of(8) && len >= HEADER);
        let words = &self.words.producer;
        let frame = Frame::enter(words, self.mark);
        // Read behind the frame's fence: a handler may have published until then.
        let head = words.head.load(Ordering::Relaxed);
        let room = words.limit.load(Ordering::Relaxed).wrapping_sub(head) as i64;
        (frame.outer == 0 && room >= len as i64).then(|| Reservation { words: self.words, frame, head, pad: 0, len })
    }

    /// Reserves what lies free in one piece, up to `most` bytes, for as many records as the caller can fit in. It
    /// [`shorten`](Reservation::shorten)s the reservation to what it has written.
    #[inline]
    pub fn reserve_available(&self, most: usize) -> Option<Reservation<'r>> {
        let words = &self.words.producer;
        let frame = Frame::enter(words, self.mark);
        let head = words.head.load(Ordering::Relaxed);
        let room = words.limit.load(Ordering::Relaxed).wrapping_sub(head) as i64;
        let len = usize::try_from(room).unwrap_or(0).min(most) & !7;
        (frame.outer == 0 && len >= HEADER).then(|| Reservation { words: self.words, frame, head, pad: 0, len })
    }

    /// As [`reserve_fast`](Self::reserve_fast), and settles what that leaves open: full for this level, end of the buffer,
    /// half full, re-entered, wiped by a fork. On `Err` the caller decides: it waits and tries again, or counts a drop.
    #[cold]
    pub fn reserve(&self, len: usize, level: u32) -> Result<Reservation<'r>, Full> {
        debug_assert!(len.is_multiple_of(8) && len >= HEADER);
        let words = &self.words.producer;
        if words.is_wiped() {
            return Err(Full::Absent);
        }
        let mut frame = Frame::enter(words, self.mark);
        if frame.outer != 0 {
            if !frame.outer_is_dead() {
                return Err(Full::Reentered);
            }
            frame.outer = 0;
            self.give_up_open();
        }
        let capacity = words.capacity();
        let head = words.head.load(Ordering::Relaxed);
        // Acquire: pairs with the Release of `Consumer::release`; what the consumer read there may be overwritten.
        let tail = self.words.consumer.tail.load(Ordering::Acquire);
        words.seen_tail.store(tail, Ordering::Relaxed);
        let to_end = capacity - (head & (capacity - 1));
        let pad = if to_end < len as u64 { to_end } else { 0 };
        let used = head.wrapping_sub(tail);
        if used + pad + len as u64 > allowance(capacity, level) {
            return Err(Full::Full);
        }
        Ok(Reservation { words: self.words, frame, head, pad: pad as usize, len })
    }

    /// Makes padding of an open push that is lost: whoever was given its bytes may not know yet, and write there. Each step
    /// leaves a ring as it should be, for one that is left by a jump.
    fn give_up_open(&self) {
        let words = &self.words.producer;
        let (open, pad) = (words.open.load(Ordering::Relaxed), words.open_pad.load(Ordering::Relaxed));
        if open == 0 {
            return;
        }
        let head = words.head.load(Ordering::Relaxed);
        for (position, len) in [(head, pad), (head.wrapping_add(pad as u64), open - pad)] {
            if len > 0 {
                self.words.write_padding(position, len);
            }
        }
        words.open.store(0, Ordering::Relaxed);
        // Release: as in `Reservation::commit`.
        words.head.store(head.wrapping_add(open as u64), Ordering::Release);
    }

    /// What is due after a push whose head has reached the limit. Returns whether the ring just became half full: then
    /// the caller wakes the drain.
    #[inline(always)]
    pub fn renew_limit(&self) -> bool {
        let words = &self.words.producer;
        let head = words.head.load(Ordering::Relaxed);
        words.limit.load(Ordering::Relaxed).wrapping_sub(head) as i64 <= 0
            && !words.is_wiped()
            && words.renew_limit(head)
    }

    /// Leaves no room to the fast path, until [`open`](Self::open).
    pub fn close(&self) {
        let words = &self.words.producer;
        words.limit.store(words.head.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Gives the fast path its room again.
    pub fn open(&self) {
        if !self.words.producer.is_wiped() {
            // A wake that was due is not lost: who opens a ring has just delivered, or begins a pass.
            _ = self.words.producer.renew_limit(self.words.producer.head.load(Ordering::Relaxed));
        }
    }

    /// Counts a record that was dropped.
    pub fn count_drop(&self, level: u32, reason: Reason) {
        // Wrong levels are no more than a wrong row here.
        let level = (level as usize).clamp(1, LEVELS) - 1;
        // A read-modify-write: a handler may count between the load and the store of its thread.
        self.words.producer.dropped[level][reason as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// How much of the ring records of `level` may fill.
fn allowance(capacity: u64, level: u32) -> u64 {
    match level {
        1 => capacity,
        2 => capacity - capacity / 16,
        _ => capacity - capacity / 8,
    }
}

/// Where on the stack a push comes from: an address in the frame of the function that C called, or above.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub struct Mark(usize);

impl Mark {
    /// Two marks this near are taken for equally deep: the frames of the API's functions differ by as much. A handler
    /// that interrupted a push is farther below it, on Linux by the red zone and a saved context: 1,080 bytes and more on
    /// x86-64.
    const NEAR: usize = 768;

    /// Of the function that this is written out in.
    #[inline(always)]
    pub fn here() -> Self {
        #[cfg(not(logfusion_loom))]
        let here = crate::os::stack_pointer();
        // No model has a push inside another: any place will do.
        #[cfg(logfusion_loom)]
        let here = 1;
        Self(here)
    }

    /// Of a statement that may have pushed by itself: this address in its own frame.
    pub fn of_statement(address: usize) -> Self {
        Self(address)
    }

    /// Of a function of the API that leaves a push open, taken in its own frame: who pushes up to 1 KiB above it is inside.
    #[inline(always)]
    pub fn of_function() -> Self {
        Self(Self::here().0 + 1024 + Self::NEAR)
    }
}

/// The mark of a push in flight; puts back what it found when it ends.
#[derive(Debug)]
struct Frame<'r> {
    words: &'r ProducerWords,
    outer: usize,
}

impl std::fmt::Debug for ProducerWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProducerWords").field("mask", &self.mask).finish_non_exhaustive()
    }
}

impl<'r> Frame<'r> {
    #[inline(always)]
    fn enter(words: &'r ProducerWords, mark: Mark) -> Self {
        let outer = words.frame.load(Ordering::Relaxed);
        words.frame.store(mark.0, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        Self { words, outer }
    }

    /// Whether the push that left its mark is gone: see "Re-entry" in the module's essay.
    ///
    /// A handler on the stack of what it interrupted ends at the first comparison, and one on an alternate stack at the
    /// second question: neither asks the thread library for the stack's bounds, which takes locks and memory there.
    #[cfg(not(logfusion_loom))]
    fn outer_is_dead(&self) -> bool {
        /// Frames nearer than this are taken for frames of one stack.
        const ONE_STACK: usize = 256 << 10;
        let here = self.words.frame.load(Ordering::Relaxed);
        let is_below = here + Mark::NEAR < self.outer;
        if is_below && self.outer - here < ONE_STACK || crate::os::on_alternate_stack() {
            return false;
        }
        let Some(stack) = crate::os::stack_bounds() else { return false };
        match (stack.contains(&here), stack.contains(&self.outer)) {
            (true, true) => !is_below,
            // Back on the thread's own stack: nothing on another one can be in the middle of a push, since a handler on an
            // alternate stack ends before what it interrupted goes on, and a fiber is not switched inside a push.
            (true, false) => true,
            (false, true) => false,
            // On one fiber, as far as that can be told.
            (false, false) => !is_below && here.abs_diff(self.outer) < ONE_STACK,
        }
    }

    #[cfg(logfusion_loom)]
    fn outer_is_dead(&self) -> bool {
        false
    }
}

impl Drop for Frame<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        compiler_fence(Ordering::SeqCst);
        self.words.frame.store(self.outer, Ordering::Relaxed);
    }
}

/// Bytes that will become a record when they are committed.
#[derive(Debug)]
pub struct Reservation<'r> {
    words: &'r Words,
    frame: Frame<'r>,
    head: u64,
    pad: usize,
    len: usize,
}

impl Reservation<'_> {
    /// The reserved bytes. Their content is what an earlier lap left.
    #[inline(always)]
    pub fn bytes(&mut self) -> &mut [u8] {
        let position = self.head.wrapping_add(self.pad as u64);
        #[cfg(logfusion_loom)]
        self.words.track_write(position, self.len);
        let offset = position as usize & self.words.producer.mask;
        // SAFETY: `reserve` found `len` bytes free and contiguous from `offset`: the consumer does not read them before
        // `head` passes them, and this reservation is the only push in flight on the producer's thread (`frame`). The
        // memory was zeroed when it was mapped, so it is initialised.
        unsafe { std::slice::from_raw_parts_mut(self.words.producer.buffer.add(offset), self.len) }
    }

    /// The time to stamp the record with.
    #[cfg(not(logfusion_loom))]
    #[inline(always)]
    pub fn ticks(&self) -> u64 {
        self.words.producer.ticks()
    }

    /// The same where [`crate::clock::is_counter`].
    #[cfg(not(logfusion_loom))]
    #[inline(always)]
    pub fn quick_ticks(&self) -> u64 {
        self.words.producer.coarse().map_or_else(crate::os::hardware_counter, crate::clock::Coarse::get)
    }

    /// Shortens the reservation to its first `len` bytes.
    pub fn shorten(&mut self, len: usize) {
        debug_assert!(len.is_multiple_of(8) && len >= HEADER && len <= self.len);
        self.len = len;
    }

    /// Keeps the push open after its function has returned, for [`Parked::resume`]. Until then every push of the thread
    /// is re-entrant, unless it comes from a frame so far up that the one that parked must be gone. `mark` is that of the
    /// function that C called, [`Mark::of_function`]. `keep` comes before the mark: who leaves by a jump in between leaves
    /// no open push that nobody knows of.
    pub fn park(self, Mark(mark): Mark, keep: impl FnOnce(Parked)) {
        let (words, outer) = (std::ptr::from_ref(self.words), self.frame.outer);
        keep(Parked { words, outer, mark, head: self.head, pad: self.pad, len: self.len });
        let producer = &self.words.producer;
        producer.open_pad.store(self.pad, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        producer.open.store(self.pad + self.len, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        producer.frame.store(mark, Ordering::Relaxed);
        std::mem::forget(self);
    }

    /// Publishes the bytes as `records` records, which the caller wrote one behind the other. Returns whether the ring
    /// just became half full: then the caller wakes the drain.
    #[inline(always)]
    #[must_use = "the drain may sleep beside a ring that fills"]
    pub fn commit(self, records: u64) -> bool {
        let words = &self.words.producer;
        let head = self.publish(records);
        words.limit.load(Ordering::Relaxed).wrapping_sub(head) as i64 <= 0 && words.renew_limit(head)
    }

    /// The same for what [`Producer::reserve_fast`] reserved, and leaves a limit that was reached, of which it tells, to
    /// [`Producer::renew_limit`].
    #[inline(always)]
    #[must_use = "the drain may sleep beside a ring that fills"]
    pub fn commit_up_to_the_limit(self, records: u64) -> bool {
        let head = self.publish(records);
        self.words.producer.limit.load(Ordering::Relaxed) == head
    }

    /// Publishes the bytes as so many records. Returns the new head.
    #[inline(always)]
    fn publish(&self, records: u64) -> u64 {
        let words = &self.words.producer;
        if self.pad > 0 {
            self.words.write_padding(self.head, self.pad);
        }
        let head = self.head.wrapping_add((self.pad + self.len) as u64);
        words.accepted.store(words.accepted.load(Ordering::Relaxed).wrapping_add(records), Ordering::Relaxed);
        // Release: pairs with the Acquire of `ProducerWords::head`; the record's bytes are visible before it.
        words.head.store(head, if seeded(Mistake::RelaxedPublish) { Ordering::Relaxed } else { Ordering::Release });
        head
    }
}

impl Words {
    /// Makes padding of so many reserved bytes: a length and a kind; what follows them is never read.
    #[cold]
    fn write_padding(&self, position: u64, len: usize) {
        #[cfg(logfusion_loom)]
        self.track_write(position, 8);
        let words = &self.producer;
        let offset = position as usize & words.mask;
        let word = (len as u64 | u64::from(PADDING) << 32).to_le();
        // SAFETY: `reserve` counted these bytes, which do not cross the buffer's end, into the free ones; `offset` is a multiple
        // of 8 and the buffer is page-aligned, so an aligned word fits before its end.
        unsafe { words.buffer.add(offset).cast::<u64>().write(word) };
        words.padding.fetch_add(len as u64, Ordering::Relaxed);
    }
}

/// A push that stays open between two calls of the same thread.
#[derive(Debug, Clone, Copy)]
pub struct Parked {
    words: *const Words,
    outer: usize,
    mark: usize,
    head: u64,
    pad: usize,
    len: usize,
}

impl Parked {
    /// Takes the push up again, from a function whose mark is `mark`; `None`: it is lost, because its frame was left by a
    /// jump and the thread has logged since, or because the process was forked.
    ///
    /// # Safety
    ///
    /// The caller is the thread that parked, and `words` are still those of its ring.
    pub unsafe fn resume<'r>(self, Mark(mark): Mark) -> Option<Reservation<'r>> {
        // SAFETY: the caller's promise.
        let words = unsafe { &*self.words };
        let producer = &words.producer;
        let is_open = producer.frame.load(Ordering::Relaxed) == self.mark
            && producer.head.load(Ordering::Relaxed) == self.head
            && !producer.is_wiped();
        is_open.then(|| {
            producer.frame.store(mark, Ordering::Relaxed);
            compiler_fence(Ordering::SeqCst);
            producer.open.store(0, Ordering::Relaxed);
            let frame = Frame { words: producer, outer: self.outer };
            Reservation { words, frame, head: self.head, pad: self.pad, len: self.len }
        })
    }
}
