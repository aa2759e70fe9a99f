//! A value that its owner sets, and of which somebody else keeps a copy: a thread's name, and the drain's.
//!
//! | word | written by | read by |
//! |---|---|---|
//! | `value` | the owner, under the lock | the copy's keeper, under the lock |
//! | `version` | the owner, under the lock | the copy's keeper: with the value under the lock, alone without it |
//!
//! The keeper asks in each of its rounds whether the version is still that of its copy. The question is `Relaxed`: it may miss
//! a change for a while, and what it sees is no more than a reason to take the lock. Value and version are read together:
//! a version that is read after the lock is let go may be that of a later value, which the keeper then never
//! takes (loom: `VersionAfterUnlock`).

use crate::sync::{AtomicU32, Mistake, Mutex, Ordering, lock, seeded};

/// See the module.
#[derive(Debug)]
pub struct Versioned<T> {
    value: Mutex<T>,
    /// Counts the changes of `value`.
    version: AtomicU32,
}

impl<T: Copy> Versioned<T> {
    /// The first version of a value.
    pub fn new(value: T) -> Self {
        Self { value: Mutex::new(value), version: AtomicU32::new(0) }
    }

    /// The value, and its version.
    pub fn get(&self) -> (T, u32) {
        let value = lock(&self.value);
        let copy = *value;
        if seeded(Mistake::VersionAfterUnlock) {
            drop(value);
        }
        (copy, self.version.load(Ordering::Relaxed))
    }

    /// Sets the value.
    pub fn set(&self, value: T) {
        let mut current = lock(&self.value);
        *current = value;
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether there is another version than this by now.
    #[inline]
    pub fn has_changed(&self, version: u32) -> bool {
        self.version.load(Ordering::Relaxed) != version
    }
}
