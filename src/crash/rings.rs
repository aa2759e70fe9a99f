//! The list of rings that a crash handler reads without a lock.
//!
//! It only grows: an entry whose ring is gone is empty, and is taken again for the next ring. Entries are leaked, so the handler
//! walks the list at any time; a ring's memory stays while it may look there ([`super::freeze`]).

use crate::memory::try_box;
use crate::os::{self, ThreadName};
use crate::ring::{Consumer, Ring};
use crate::sync::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;
use std::ptr;

/// Longest name of a thread that is shown, in words.
const NAME: usize = ThreadName::MOST / 8;

/// A ring of the list.
#[derive(Debug, Default)]
pub struct Entry {
    /// 0: free.
    taken: AtomicUsize,
    /// Its memory; null: there is none, or not yet.
    memory: AtomicPtr<u8>,
    capacity: AtomicUsize,
    /// The thread as the C library knows it.
    thread: AtomicUsize,
    id: AtomicU64,
    name: [AtomicU64; NAME],
    next: AtomicPtr<Entry>,
    /// The handler's: nobody else looks here.
    pub reader: UnsafeCell<Option<Reader>>,
}

// SAFETY: all members but `reader` are atomics, and that one belongs to the one thread that reports a crash.
unsafe impl Sync for Entry {}

/// A consumer that takes nothing.
pub type Reader = Consumer<ManuallyDrop<Ring>>;

static FIRST: AtomicPtr<Entry> = AtomicPtr::new(ptr::null_mut());

/// A ring's place in the list, given back when it is dropped: before the ring is.
#[derive(Debug)]
pub struct Listed(&'static Entry);

impl Listed {
    /// Shows the ring of the calling thread to crash handlers; `None`: no memory.
    pub fn new(ring: &Ring, id: u64, name: &ThreadName) -> Option<Self> {
        // Looked at first: an exchange that fails takes the line from who uses the entry.
        let take = |entry: &Entry| {
            entry.taken.load(Ordering::Relaxed) == 0
                && entry.taken.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
        };
        let new = || push(Entry { taken: AtomicUsize::new(1), ..Entry::default() });
        let this = Self(entries().find(|entry| take(entry)).or_else(new)?);
        this.0.capacity.store(ring.capacity(), Ordering::Relaxed);
        this.turn_to(id, name);
        // Release: who finds the memory finds the rest.
        this.0.memory.store(ring.memory(), Ordering::Release);
        Some(this)
    }

    /// Shows the ring as that of the calling thread.
    pub fn turn_to(&self, id: u64, name: &ThreadName) {
        self.0.thread.store(os::thread_token(), Ordering::Relaxed);
        self.0.id.store(id, Ordering::Relaxed);
        self.rename(name);
    }

    /// Shows another name of its thread.
    pub fn rename(&self, name: &ThreadName) {
        let mut bytes = [0; 8 * NAME];
        bytes[..name.as_str().len()].copy_from_slice(name.as_str().as_bytes());
        for (word, chunk) in self.0.name.iter().zip(bytes.as_chunks::<8>().0) {
            word.store(u64::from_ne_bytes(*chunk), Ordering::Relaxed);
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.0.memory.store(ptr::null_mut(), Ordering::Relaxed);
        super::wait_to_unmap();
        self.0.taken.store(0, Ordering::Release);
    }
}

fn push(entry: Entry) -> Option<&'static Entry> {
    let pointer = Box::leak(try_box(entry)?).as_mut_ptr();
    let mut first = FIRST.load(Ordering::Relaxed);
    loop {
        // SAFETY: leaked above, and not in the list yet or shared as it is by now.
        let entry: &'static Entry = unsafe { &*pointer };
        entry.next.store(first, Ordering::Relaxed);
        match FIRST.compare_exchange_weak(first, pointer, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return Some(entry),
            Err(other) => first = other,
        }
    }
}

/// All of the list.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    let mut next = FIRST.load(Ordering::Acquire);
    std::iter::from_fn(move || {
        // SAFETY: null, or an entry that `push` leaked. Acquire, above and below: it was made before.
        let entry = unsafe { next.as_ref() }?;
        next = entry.next.load(Ordering::Acquire);
        Some(entry)
    })
}

impl Entry {
    /// A reader of the ring from its tail on; `None`: there is no ring, or nothing to read.
    pub fn open(&self) -> Option<Reader> {
        // SAFETY: it moves no tail; that what it reads may change is its caller's matter.
        let mut reader = unsafe { Consumer::new(self.ring()?) };
        (reader.is_sound() && reader.snapshot()).then_some(reader)
    }

    fn ring(&self) -> Option<ManuallyDrop<Ring>> {
        let memory = ptr::NonNull::new(self.memory.load(Ordering::Acquire))?;
        // SAFETY: the memory is that of a ring of this capacity, and stays mapped: see `freeze`.
        Some(unsafe { Ring::of_memory(memory, self.capacity.load(Ordering::Relaxed)) })
    }

    /// Whether this is the ring of the thread of this token, which runs.
    pub fn is_of(&self, thread: usize) -> bool {
        self.thread.load(Ordering::Relaxed) == thread && self.ring().is_some_and(|ring| !ring.is_wiped())
    }

    /// The thread's id.
    pub fn id(&self) -> u64 {
        self.id.load(Ordering::Relaxed)
    }

    /// The thread's name, in `bytes`.
    pub fn name<'b>(&self, bytes: &'b mut [u8; ThreadName::MOST]) -> &'b str {
        for (chunk, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(&self.name) {
            *chunk = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        let len = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        // A name that was cut, or that is changed at this moment, may end within a character.
        bytes[..len].utf8_chunks().next().map_or("", |chunk| chunk.valid())
    }

    /// Records that were dropped for want of room or otherwise.
    pub fn dropped(&self) -> u64 {
        self.ring().map_or(0, |ring| ring.words().counts().dropped.iter().flatten().sum())
    }
}
