//! Threads and their rings: the first record, the last one, and a fork in between.
//!
//! # The first record
//!
//! A thread finds its ring through one thread-local pointer to the ring's [`Words`] (and the quick pushes through
//! another, which may be null). It begins at [`Words::ABSENT`], which has no room, so the first push of a thread lands in
//! the slow function: that starts the engine if need be, takes a ring from the pool or maps one, and hands it to the
//! drain through a `SegQueue`.
//!
//! # The last record
//!
//! A thread may log from any destructor while it exits, in an order that nobody knows. So no destructor of ours says that
//! the thread is done; the kernel does. Each slot has a robust mutex that its thread locked and never unlocks;
//! when the thread is gone, the drain's trylock finds out ([`crate::os::OwnerLock`]).
//!
//! ```text
//!   ATTACHED ──owner gone──▶ GONE ──ring read to its end──▶ RETIRED ──discard──▶ pool ──renew, lock──▶ ATTACHED
//! ```
//!
//! The order matters: only a look at the ring *after* the owner was found gone proves that it is empty for good.
//! Loom: `EmptyBeforeGone`.
//!
//! # Fork
//!
//! In a child the ring's memory reads as zeros (also after a raw `clone`): no room, no buffer, so the first push takes the slow way
//! and attaches the thread anew. What the parent's threads had queued stays the parent's.
//!
//! # The drain's own records
//!
//! While a thread delivers, what it logs (a callback that logs, say) goes to a ring of the drain's own, whose records no
//! callback sees. The thread-local pointer is exchanged for the time of the pass, so pushes pay nothing for the question.
//! Statements of C have pointers of their own to a thread's words: those are closed meanwhile, by their limit.

use crate::config::{Clock, DrainMode, Overflow};
use crate::crash::rings::Listed;
use crate::delivery::ThreadInfo;
use crate::engine::{self, Engine};
use crate::memory;
use crate::os::{self, OwnerLock, ThreadName};
use crate::ring::{Full, LEVELS, Mark, Producer, REASONS, Reason, Reservation, Ring, Words};
use crate::stats::Ledger;
use crate::sync::{AtomicU64, Ordering, lock, thread, thread_local};
use crate::versioned::Versioned;
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A thread's ring, and what is known of the thread.
#[derive(Debug)]
pub struct Slot {
    /// The ring's place in the list of crash handlers; before the ring, since members are dropped in this order.
    listed: Listed,
    /// The ring.
    pub ring: Ring,
    /// Locked by the thread; `None` for the drain's own ring, which is never retired.
    owner: Option<OwnerLock>,
    /// Who logs.
    thread_id: u64,
    name: Versioned<ThreadName>,
    /// What became of its records.
    pub ledger: Ledger,
}

impl Slot {
    /// The slot of the calling thread; `None`: no memory.
    fn new(ring: Ring, owner: Option<OwnerLock>) -> Option<Self> {
        let (thread_id, name) = (os::thread_id(), os::thread_name());
        Some(Self {
            listed: Listed::new(&ring, thread_id, &name)?,
            ring,
            owner,
            thread_id,
            name: Versioned::new(name),
            ledger: Ledger::default(),
        })
    }

    /// Makes the calling thread the owner.
    fn lock(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.lock_for_current_thread().is_ok())
    }

    /// Makes a pooled slot that of the calling thread. `false`: it can't be.
    fn renew(&mut self) -> bool {
        if !self.lock() {
            return false;
        }
        let name = os::thread_name();
        (self.thread_id, self.name, self.ledger) = (os::thread_id(), Versioned::new(name), Ledger::default());
        self.listed.turn_to(self.thread_id, &name);
        // Last: until then a crash handler sees no ring here, and so no thread that is not its owner.
        self.ring.renew();
        true
    }

    /// Whether this is the ring of records logged by callbacks and subscribers while they are given one.
    pub fn is_drains_own(&self) -> bool {
        self.owner.is_none()
    }

    /// Who logs, and a number that changes with it.
    pub fn thread(&self) -> (u32, Arc<ThreadInfo>) {
        let (name, version) = self.name.get();
        (version, Arc::new(ThreadInfo { id: self.thread_id, name: name.as_str().into() }))
    }

    /// Whether [`thread`](Self::thread) would say something else than it did.
    pub fn was_renamed(&self, since: u32) -> bool {
        self.name.has_changed(since)
    }

    /// Whether the thread has ended. Once `true`, the ring belongs to the caller.
    pub fn owner_is_gone(&self) -> bool {
        self.owner.as_ref().is_some_and(OwnerLock::owner_is_gone)
    }

    fn rename(&self, name: ThreadName) {
        self.listed.rename(&name);
        self.name.set(name);
    }
}

static ABSENT: Words = Words::ABSENT;

thread_local! {
    /// The words of the calling thread's ring.
    static WORDS: Cell<&'static Words> = const { Cell::new(&ABSENT) };
    /// The slot that they belong to; null: none.
    static SLOT: Cell<*const Slot> = const { Cell::new(ptr::null()) };
    /// The slow function is at work on this thread: a signal handler that logs finds it so.
    static ATTACHING: Cell<bool> = const { Cell::new(false) };
    /// The thread delivers.
    static DELIVERING: Cell<bool> = const { Cell::new(false) };
}

/// Drops of threads that have no ring to count them in, by level and reason.
pub static WITHOUT_RING: [[AtomicU64; REASONS]; LEVELS] = [const { [const { AtomicU64::new(0) }; REASONS] }; LEVELS];

/// Sets the words of the calling thread's ring.
fn use_words(words: &'static Words) {
    WORDS.set(words);
    let may_be_quick =
        !ptr::eq(words, &ABSENT) && !DELIVERING.get() && crate::clock::is_counter() && os::may_copy_text();
    os::set_thread_pointer(if may_be_quick { ptr::from_ref(words).cast() } else { ptr::null() });
}

/// The words of the calling thread's ring for pushes, also by statements of C themselves, that stamp their records by the
/// processor's counter, or by the coarse clock, and measure texts as they copy them, and ask nothing but whether there is room.
/// `None` while they must not: the thread has no ring, or it delivers, and its records go elsewhere.
#[inline(always)]
pub fn quick_words() -> Option<&'static Words> {
    // SAFETY: null, or what `use_words` has set on this thread.
    unsafe { os::thread_pointer().cast::<Words>().as_ref() }
}

/// The calling thread's producer, for pushes from `mark`.
#[inline(always)]
pub fn current(mark: Mark) -> Producer<'static> {
    // SAFETY: the words are the calling thread's own (or ABSENT): only `attach` and `deliver` set the pointer. Their
    // slot is kept by the drain until the thread is gone, or for ever.
    let producer = unsafe { Producer::new(WORDS.get()) };
    if producer.is_absent() { attach() } else { producer }.at(mark)
}

/// The calling thread's producer for quick pushes ([`quick_words`]). If there is none, or no room, [`current`]'s follows.
#[inline(always)]
pub fn quick(mark: Mark) -> Option<Producer<'static>> {
    // SAFETY: as in `current`.
    quick_words().map(|words| unsafe { Producer::new(words) }.at(mark))
}

/// The record was not accepted; it has been counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped;

/// Pushes a record of `size` bytes, which `write` writes, waiting for room where the policy says so. A refused record has
/// been counted.
pub fn push(
    producer: Producer<'static>,
    level: u32,
    size: usize,
    write: impl FnOnce(&mut [u8], u64),
) -> Result<(), Dropped> {
    let mut reservation = reserve(producer, level, size)?;
    let ticks = reservation.ticks();
    write(reservation.bytes(), ticks);
    publish(reservation, level, 1);
    Ok(())
}

/// Reserves room, waiting for it where the policy says so. A refused record has been counted.
pub fn reserve(producer: Producer<'static>, level: u32, size: usize) -> Result<Reservation<'static>, Dropped> {
    if let Some(reservation) = producer.reserve_fast(size) {
        return Ok(reservation);
    }
    match producer.reserve(size, level) {
        Ok(reservation) => Ok(reservation),
        Err(full) => reserve_slowly(producer, level, size, full),
    }
}

/// Publishes a reservation of `records` records and does what the caller owes the drain. `level` is the most severe.
#[inline(always)]
pub fn publish(reservation: Reservation<'static>, level: u32, records: u64) {
    let half_full = reservation.commit(records);
    after_push(half_full, level);
}

/// Publishes the record of a quick push, which is no ERROR. What the caller owes the drain, if anything (then `true` is
/// returned), it leaves to [`after_quick`].
#[inline(always)]
#[must_use = "the drain may sleep beside a ring that fills"]
pub fn publish_quickly(reservation: Reservation<'static>) -> bool {
    reservation.commit_up_to_the_limit(1) || engine::STATE.is_late()
}

/// What is due after a quick push, also of a statement of C, which publishes by itself.
pub fn after_quick(level: u32) {
    // SAFETY: as in `current`.
    let producer = unsafe { Producer::new(WORDS.get()) };
    after_push(producer.renew_limit(), level);
}

#[inline(always)]
fn after_push(half_full: bool, level: u32) {
    if half_full || level == 1 {
        engine::wake_for(half_full);
    }
    if engine::STATE.is_late() {
        engine::settle_late_push();
    }
}

#[cold]
fn reserve_slowly(
    producer: Producer<'static>,
    level: u32,
    size: usize,
    full: Full,
) -> Result<Reservation<'static>, Dropped> {
    let _errno = os::HostGuard::new();
    let reason = match full {
        Full::Full => match wait_for_room(producer, level, size) {
            Ok(reservation) => return Ok(reservation),
            Err(reason) => reason,
        },
        Full::Reentered => Reason::Reentered,
        Full::Absent => {
            // `current` tried to attach and could not, or was itself interrupted.
            let reason = if ATTACHING.get() { Reason::Reentered } else { Reason::Memory };
            WITHOUT_RING[(level as usize).clamp(1, LEVELS) - 1][reason as usize].fetch_add(1, Ordering::Relaxed);
            return Err(Dropped);
        }
    };
    producer.count_drop(level, reason);
    Err(Dropped)
}

/// The blocking policy: looks again until there is room or the time is over. The drain never waits for itself.
fn wait_for_room(producer: Producer<'static>, level: u32, size: usize) -> Result<Reservation<'static>, Reason> {
    let Overflow::Block(limit) = engine::current().settings().overflow else { return Err(Reason::Full) };
    if DELIVERING.get() || crate::callbacks::is_inside() {
        return Err(Reason::Full);
    }
    let started = Instant::now();
    let mut rest = Duration::from_micros(100);
    loop {
        engine::wake();
        if engine::STATE.is_late() {
            engine::settle_late_push();
        }
        let left = limit.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(Reason::Timeout);
        }
        thread::sleep(rest.min(left));
        match producer.reserve(size, level) {
            Ok(reservation) => return Ok(reservation),
            Err(Full::Full) => rest = (rest * 2).min(Duration::from_millis(1)),
            Err(_) => return Err(Reason::Reentered),
        }
    }
}

/// The thread's first record, in this process.
#[cold]
fn attach() -> Producer<'static> {
    let _errno = os::HostGuard::new();
    if !ATTACHING.replace(true) {
        if let Some(slot) = try_attach() {
            SLOT.set(ptr::from_ref(slot));
            use_words(slot.ring.words());
        }
        ATTACHING.set(false);
    }
    // SAFETY: as in `current`.
    unsafe { Producer::new(WORDS.get()) }
}

fn try_attach() -> Option<&'static Slot> {
    // A child of a raw clone finds the parent's engine here, and gets one of its own.
    let engine = engine::start_if_possible()?;
    if DELIVERING.get() {
        return engine.drains_slot();
    }
    let slot = engine.take_slot()?;
    let kept = Arc::as_ptr(&slot);
    engine.adopt(slot).then(|| {
        // SAFETY: the drain holds this slot, and lets it go only after the owner's thread is gone; the reference is
        // stored in that thread's local storage alone. In a forked child the drain's list is leaked.
        unsafe { &*kept }
    })
}

/// Names the calling thread; an empty name is the operating system's. `false`: there is no memory for its ring.
pub fn set_thread_name(name: &str) -> bool {
    if current(Mark::here()).is_absent() {
        return false;
    }
    // SAFETY: the slot of a thread that is attached is kept by the drain until the thread is gone.
    let slot = unsafe { SLOT.get().as_ref() };
    let name = if name.is_empty() { os::thread_name() } else { ThreadName::new(name) };
    slot.inspect(|slot| slot.rename(name)).is_some()
}

/// Whether the calling thread delivers records at the moment.
pub fn is_delivering() -> bool {
    DELIVERING.get()
}

/// In a child that was forked inside a callback: the thread delivers no more, and its rings are the parent's.
pub(crate) fn leave_delivery_in_child() {
    if DELIVERING.replace(false) {
        use_words(&ABSENT);
        SLOT.set(ptr::null());
    }
    WITHOUT_RING.iter().flatten().for_each(|counter| counter.store(0, Ordering::Relaxed));
}

/// Calls `f`, which delivers, with the thread's ring exchanged for the drain's own.
pub fn deliver<R>(engine: &'static Engine, f: impl FnOnce() -> R) -> R {
    struct Restore {
        words: &'static Words,
        slot: *const Slot,
    }
    impl Drop for Restore {
        fn drop(&mut self) {
            DELIVERING.set(false);
            use_words(self.words);
            SLOT.set(self.slot);
            if !ptr::eq(self.words, &ABSENT) {
                // SAFETY: these are the words that `current` would use here.
                unsafe { Producer::new(self.words) }.open();
            }
        }
    }
    let own = engine.drains_slot_if_made();
    let restore = Restore {
        words: WORDS.replace(own.map_or(&ABSENT, |slot| slot.ring.words())),
        slot: SLOT.replace(own.map_or(ptr::null(), ptr::from_ref)),
    };
    os::set_thread_pointer(ptr::null());
    if !ptr::eq(restore.words, &ABSENT) {
        // Statements of C know the words by themselves: they find no room, and ask.
        // SAFETY: they were the calling thread's own until now.
        unsafe { Producer::new(restore.words) }.close();
    }
    DELIVERING.set(true);
    f()
}

impl Engine {
    /// A slot for the calling thread: from the pool, or new; `None`: no memory, or rings may not take more.
    fn take_slot(&self) -> Option<Arc<Slot>> {
        let has_memory = || memory::is_there(memory::OF_A_FIRST_RECORD);
        if self.pool.is_empty() && !has_memory() {
            return None;
        }
        let is_coarse = self.settings().clock == Clock::Coarse;
        let capacity = self.settings().ring_bytes;
        while let Some(mut pooled) = self.pool.pop() {
            // Rings of an earlier configuration are not used again.
            if let Some(slot) = Arc::get_mut(&mut pooled)
                && slot.ring.capacity() == capacity
                && slot.renew()
            {
                if is_coarse {
                    slot.ring.use_coarse_clock();
                }
                return Some(pooled);
            }
            self.ring_bytes.fetch_sub(pooled.ring.capacity(), Ordering::Relaxed);
        }
        // What was in the pool may have been of no use, or gone to another thread.
        if !has_memory() {
            return None;
        }
        let mut ring = self.new_ring(capacity)?;
        if is_coarse {
            ring.use_coarse_clock();
        }
        // Locked last: whose memory is missing later has nothing that the kernel knows of.
        let slot = OwnerLock::new().ok().and_then(|owner| Slot::new(ring, Some(owner))).filter(Slot::lock);
        if slot.is_none() {
            self.ring_bytes.fetch_sub(capacity, Ordering::Relaxed);
        }
        slot.map(Arc::new)
    }

    fn new_ring(&self, capacity: usize) -> Option<Ring> {
        let most = self.settings().rings_max_bytes;
        let reserve = |sum: usize| sum.checked_add(capacity).filter(|sum| *sum <= most);
        self.ring_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve).ok()?;
        let ring = Ring::new(capacity);
        if ring.is_err() {
            self.ring_bytes.fetch_sub(capacity, Ordering::Relaxed);
        }
        ring.ok()
    }

    /// Gives a slot to the drain and to the ledger. `false`: there is no memory for that, and its ring is gone.
    fn adopt(&self, slot: Arc<Slot>) -> bool {
        if !lock(&self.slots).push(slot.clone()) {
            slot.owner.as_ref().inspect(|owner| owner.unlock());
            self.ring_bytes.fetch_sub(slot.ring.capacity(), Ordering::Relaxed);
            return false;
        }
        if self.settings().drain == DrainMode::Manual {
            slot.ring.populate(Ring::FIRST.min(slot.ring.capacity())..slot.ring.capacity());
        }
        self.new_slots.push(slot);
        // The drain thread populates the rest, before a thread that begins with a burst comes there.
        self.wake();
        true
    }

    /// Puts a slot whose owner is gone and whose ring is empty into the pool.
    pub(crate) fn retire(&self, slot: Arc<Slot>) {
        let capacity = slot.ring.capacity();
        slot.ring.discard();
        if self.pool.push(slot).is_err() {
            self.ring_bytes.fetch_sub(capacity, Ordering::Relaxed);
        }
    }

    fn drains_slot_if_made(&self) -> Option<&Slot> {
        self.drains_slot.get().map(|slot| &**slot)
    }

    /// The ring of records that are logged while records are delivered.
    fn drains_slot(&'static self) -> Option<&'static Slot> {
        if self.drains_slot.get().is_none() {
            let capacity = self.settings().ring_bytes;
            let Some(slot) = Slot::new(self.new_ring(capacity)?, None).map(Arc::new) else {
                self.ring_bytes.fetch_sub(capacity, Ordering::Relaxed);
                return None;
            };
            // Only the thread that holds the drain's lock comes here: the cell is still empty.
            if self.adopt(slot.clone()) {
                _ = self.drains_slot.set(slot);
            }
        }
        self.drains_slot_if_made()
    }
}
