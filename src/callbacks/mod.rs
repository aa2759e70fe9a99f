//! Callbacks: who wants to see which records.
//!
//! The registry is a sorted list behind an `ArcSwap`: readers take a snapshot without waiting, writers swap in a new list. arc-swap
//! answers for the list's memory; whether a callback may still be called is the affair of its own word, see
//! [`quiescence`].
//!
//! Every thread keeps the number of callbacks it is inside. A thread that is inside any callback never waits for one:
//! two callbacks that unregister each other would wait for ever.

pub mod quiescence;
mod record;

pub use record::{CField, CRecord, Callback, Text, View, ViewField};

use arc_swap::ArcSwap;
use quiescence::Quiescence;
use smallvec::SmallVec;
use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// One subscription.
#[derive(Debug)]
pub struct Registration {
    handle: u64,
    target: Box<str>,
    max_level: u32,
    callback: Callback,
    context: *mut c_void,
    word: Quiescence,
    /// Ended from inside a callback, so that nobody has waited for it yet.
    unwaited: AtomicBool,
}

// SAFETY: the context is the subscriber's own pointer; its documentation says on which threads it is used, and the
// engine only passes it on.
unsafe impl Send for Registration {}
// SAFETY: as above.
unsafe impl Sync for Registration {}

impl Registration {
    /// Whether a record of this level and target is wanted: whole `::` segments match.
    pub fn matches(&self, level: u32, target: &str) -> bool {
        level <= self.max_level
            && (self.target.is_empty()
                || target.strip_prefix(&*self.target).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
    }

    /// Calls the callback, unless it has been closed. A panic that it lets out goes on, after the call was counted out.
    pub fn call(&self, record: &CRecord) -> bool {
        if !self.word.enter() {
            return false;
        }
        let _inside = Inside::enter(&self.word);
        // SAFETY: `Registry::subscribe` was given a callback that may be called with its context until the registration
        // is closed and quiet; `word` says that it is not closed, and keeps it from becoming quiet. `record` and all
        // that it points to outlive the call.
        unsafe { (self.callback)(record, self.context) };
        true
    }
}

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Whether the calling thread is inside a callback.
pub fn is_inside() -> bool {
    DEPTH.get() > 0
}

struct Inside<'w>(&'w Quiescence);

impl<'w> Inside<'w> {
    fn enter(word: &'w Quiescence) -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self(word)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        self.0.leave();
    }
}

/// How an unsubscription ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsubscribed {
    /// It is not running and never runs again; from inside a callback: it will not be started again.
    Done,
    /// Closed, but a call is still running after the timeout.
    Busy,
    /// There is no such subscription.
    Unknown,
}

/// All subscriptions, the most specific target first, of equal ones the older.
pub struct Registry {
    list: ArcSwap<Vec<Arc<Registration>>>,
    generation: AtomicU64,
    next_handle: AtomicU64,
}

/// The process's registry. It stays over shutdown, restart and fork.
pub static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::default);

impl Default for Registry {
    fn default() -> Self {
        Self { list: ArcSwap::default(), generation: AtomicU64::new(1), next_handle: AtomicU64::new(1) }
    }
}

impl Registry {
    /// Adds a subscription and returns its handle, never 0 and never reused.
    ///
    /// # Safety
    ///
    /// `callback` may be called with `context` on any thread, until [`unsubscribe`](Self::unsubscribe) has returned
    /// [`Unsubscribed::Done`] outside any callback.
    pub unsafe fn subscribe(&self, target: &str, max_level: u32, callback: Callback, context: *mut c_void) -> u64 {
        let handle = self.next_handle.fetch_add(1, Ordering::Relaxed);
        let (target, word, unwaited) = (target.into(), Quiescence::default(), AtomicBool::new(false));
        let registration = Arc::new(Registration { handle, target, max_level, callback, context, word, unwaited });
        self.update(|list| {
            let segments = |target: &str| if target.is_empty() { 0 } else { target.split("::").count() };
            let place = list.partition_point(|other| {
                (segments(&other.target), std::cmp::Reverse(other.handle))
                    > (segments(&registration.target), std::cmp::Reverse(handle))
            });
            list.insert(place, registration.clone());
        });
        handle
    }

    /// Ends a subscription; `None` waits without limit. See `logfusion_unsubscribe`.
    pub fn unsubscribe(&self, handle: u64, timeout: Option<Duration>) -> Unsubscribed {
        let list = self.list.load();
        let Some(registration) = list.iter().find(|registration| registration.handle == handle).cloned() else {
            return Unsubscribed::Unknown;
        };
        drop(list);
        registration.word.close();
        // Closed entries stay in the list until they are quiet, so that a caller who got BUSY, or who ended it from inside
        // a callback, can wait for it.
        if is_inside() {
            let is_first = !registration.unwaited.swap(true, Ordering::Relaxed);
            self.update(|_| ());
            return if is_first { Unsubscribed::Done } else { Unsubscribed::Unknown };
        }
        if registration.unwaited.load(Ordering::Relaxed) && registration.word.is_quiet() {
            self.update(|_| ());
            return Unsubscribed::Unknown;
        }
        if !wait_until(timeout, || registration.word.is_quiet()) {
            return Unsubscribed::Busy;
        }
        // Of two that wait for one handle, one ends it.
        let mut removed = false;
        self.update(|list| {
            let before = list.len();
            list.retain(|other| other.handle != handle);
            removed = list.len() < before;
        });
        if removed { Unsubscribed::Done } else { Unsubscribed::Unknown }
    }

    /// The subscriptions that want such a record.
    pub fn matching(&self, level: u32, target: &str) -> SmallVec<[Arc<Registration>; 2]> {
        self.list.load().iter().filter(|registration| registration.matches(level, target)).cloned().collect()
    }

    /// Changes whenever the list does.
    pub fn generation(&self) -> u64 {
        // Acquire: pairs with the Release of `update`; the list that made this generation is visible.
        self.generation.load(Ordering::Acquire)
    }

    /// The least severe level that any subscription wants; 0: there is none.
    pub fn max_level(&self) -> u32 {
        let list = self.list.load();
        list.iter().filter(|entry| !entry.word.is_closed()).map(|entry| entry.max_level).max().unwrap_or(0)
    }

    fn update(&self, mut change: impl FnMut(&mut Vec<Arc<Registration>>)) {
        self.list.rcu(|list| {
            let mut list = Vec::clone(list);
            list.retain(|entry| !(entry.unwaited.load(Ordering::Relaxed) && entry.word.is_quiet()));
            change(&mut list);
            list
        });
        self.generation.fetch_add(1, Ordering::Release);
    }
}

/// Waits until `done`, for at most `timeout`. Looks at once, then ever less often: callbacks end soon or late.
fn wait_until(timeout: Option<Duration>, done: impl Fn() -> bool) -> bool {
    let started = Instant::now();
    let mut rest = Duration::from_micros(20);
    loop {
        if done() {
            return true;
        }
        let left = timeout.map_or(Duration::MAX, |timeout| timeout.saturating_sub(started.elapsed()));
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(rest.min(left));
        rest = (rest * 2).min(Duration::from_millis(1));
    }
}
