//! Callbacks: who wants to see which records.
//!
//! The registry is a sorted list behind an `ArcSwap`: readers take a snapshot without waiting, writers swap in a new list. arc-swap
//! answers for the list's memory; whether a callback may still be called is the affair of its own word, see
//! [`quiescence`].
//!
//! There are two families: *subscriptions*, any number of them, which are given the whole record, and *text callbacks*, one
//! a target, which are given level, target and message. A text callback may also be called by the thread that logs
//! (`log_with_callback`); the record says so, and the drain leaves these callbacks out.
//!
//! Every thread keeps the number of callbacks it is inside. A thread that is inside any callback never waits for one:
//! two callbacks that unregister each other would wait for ever.

mod operation;
pub mod quiescence;
mod record;

pub use operation::{Operation, OperationCallback};
pub use record::{CField, CRecord, Callback, Place, Text, TextCallback, View, ViewField};

use arc_swap::ArcSwap;
use quiescence::Quiescence;
use smallvec::SmallVec;
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Arc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::sync::{AtomicBool, AtomicU64, Ordering, thread, thread_local};

/// What is called.
#[derive(Debug, Clone, Copy)]
enum Function {
    Record(Callback),
    Text(TextCallback),
}

/// One subscription, or one text callback.
#[derive(Debug)]
pub struct Registration {
    handle: u64,
    target: Box<str>,
    max_level: u32,
    function: Function,
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
        level <= self.max_level && self.covers(target)
    }

    fn covers(&self, target: &str) -> bool {
        self.target.is_empty()
            || target.strip_prefix(&*self.target).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }

    /// Whether it is a text callback.
    pub fn is_text(&self) -> bool {
        matches!(self.function, Function::Text(_))
    }

    /// Calls the callback, unless it has been closed. A panic that it lets out goes on, after the call was counted out.
    pub fn call(&self, record: &CRecord) -> bool {
        match self.function {
            // SAFETY: see `run`. `record` and all that it points to outlive the call.
            Function::Record(callback) => self.run(|| unsafe { callback(record, self.context) }),
            Function::Text(callback) => {
                let (level, target, message) = record.texts();
                // SAFETY: see `run`. The texts of `record` outlive the call.
                self.run(|| unsafe { callback(level, target, message, self.context) })
            }
        }
    }

    /// As [`call`](Self::call), for a text callback on the thread that logs.
    pub fn call_text(&self, level: u32, target: &CStr, message: &CStr) -> bool {
        let Function::Text(callback) = self.function else { return false };
        let (target, message): (*const c_char, *const c_char) = (target.as_ptr(), message.as_ptr());
        // SAFETY: see `run`. The texts outlive the call.
        self.run(|| unsafe { callback(level as c_int, target, message, self.context) })
    }

    /// Runs `f`, which calls the callback with its context, unless it has been closed: the registry was given a callback
    /// that may be called so until the registration is closed and quiet; `word` says that it is not closed, and keeps it
    /// from becoming quiet.
    fn run(&self, f: impl FnOnce()) -> bool {
        struct Leave<'w>(&'w Quiescence);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.leave();
            }
        }
        if !self.word.enter() {
            return false;
        }
        let _leave = Leave(&self.word);
        inside(f);
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

/// Calls `f`, which is or calls a callback.
pub fn inside<R>(f: impl FnOnce() -> R) -> R {
    struct Inside;
    impl Drop for Inside {
        fn drop(&mut self) {
            DEPTH.set(DEPTH.get() - 1);
        }
    }
    DEPTH.set(DEPTH.get() + 1);
    let _inside = Inside;
    f()
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
        let registration = self.registration(target, max_level, Function::Record(callback), context);
        self.update(|list| insert(list, &registration));
        registration.handle
    }

    /// Adds the text callback of a target, for all levels; the one before ends as [`remove_text`](Self::remove_text) ends
    /// it.
    ///
    /// # Safety
    ///
    /// `callback` may be called with `context` on any thread, until it is replaced or removed outside any callback.
    pub unsafe fn set_text(&self, target: &str, callback: TextCallback, context: *mut c_void) {
        let registration = self.registration(target, 5, Function::Text(callback), context);
        self.wait_for_texts(target);
        let mut replaced = None;
        self.update(|list| {
            replaced = take_text(list, target);
            insert(list, &registration);
        });
        if let Some(replaced) = replaced {
            self.end_text(&replaced);
        }
    }

    /// Removes the text callback of a target. Outside any callback it waits until it is not running. `false`: there is
    /// none.
    pub fn remove_text(&self, target: &str) -> bool {
        self.wait_for_texts(target);
        let mut removed = None;
        self.update(|list| removed = take_text(list, target));
        removed.inspect(|removed| self.end_text(removed)).is_some()
    }

    /// Closes a text callback that has been taken out of the list. Outside any callback it waits until it is quiet; inside,
    /// the entry goes back, so that others can wait for it.
    fn end_text(&self, registration: &Arc<Registration>) {
        registration.word.close();
        if !is_inside() {
            wait_until(None, || registration.word.is_quiet());
        } else {
            registration.unwaited.store(true, Ordering::Relaxed);
            self.update(|list| {
                if !registration.word.is_quiet() {
                    insert(list, registration);
                }
            });
        }
    }

    /// Outside any callback: waits for text callbacks of this target that were ended from inside one.
    fn wait_for_texts(&self, target: &str) {
        if is_inside() {
            return;
        }
        let list = self.list.load();
        let ended: SmallVec<[Arc<Registration>; 2]> = list
            .iter()
            .filter(|other| other.is_text() && other.word.is_closed() && *other.target == *target)
            .cloned()
            .collect();
        drop(list);
        ended.iter().for_each(|ended| {
            wait_until(None, || ended.word.is_quiet());
        });
    }

    fn registration(
        &self,
        target: &str,
        max_level: u32,
        function: Function,
        context: *mut c_void,
    ) -> Arc<Registration> {
        let handle = self.next_handle.fetch_add(1, Ordering::Relaxed);
        let (target, word, unwaited) = (target.into(), Quiescence::default(), AtomicBool::new(false));
        Arc::new(Registration { handle, target, max_level, function, context, word, unwaited })
    }

    /// Ends a subscription; `None` waits without limit. See `logfusion_unsubscribe`.
    pub fn unsubscribe(&self, handle: u64, timeout: Option<Duration>) -> Unsubscribed {
        let list = self.list.load();
        let found = list.iter().find(|other| other.handle == handle && !other.is_text()).cloned();
        let Some(registration) = found else { return Unsubscribed::Unknown };
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

    /// The text callbacks that want such a record.
    pub fn matching_texts(&self, level: u32, target: &str) -> SmallVec<[Arc<Registration>; 2]> {
        let list = self.list.load();
        list.iter().filter(|other| other.is_text() && other.matches(level, target)).cloned().collect()
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

    /// The least severe level that any subscription wants of a target; 0: none wants it.
    pub fn level_of(&self, target: &str) -> u32 {
        let list = self.list.load();
        let wanting = list.iter().filter(|entry| !entry.word.is_closed() && entry.covers(target));
        wanting.map(|entry| entry.max_level).max().unwrap_or(0)
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

/// Puts a registration in its place: the most specific first, of equal ones the older.
fn insert(list: &mut Vec<Arc<Registration>>, registration: &Arc<Registration>) {
    let segments = |target: &str| if target.is_empty() { 0 } else { target.split("::").count() };
    let rank = |registration: &Registration| (segments(&registration.target), std::cmp::Reverse(registration.handle));
    let place = list.partition_point(|other| rank(other) > rank(registration));
    list.insert(place, registration.clone());
}

/// Takes the text callback of a target out of the list.
fn take_text(list: &mut Vec<Arc<Registration>>, target: &str) -> Option<Arc<Registration>> {
    let place = list.iter().position(|other| other.is_text() && !other.word.is_closed() && *other.target == *target)?;
    Some(list.remove(place))
}

/// Waits until `done`, for at most `timeout`. Looks at once and for a few microseconds, then ever less often: callbacks
/// end soon or late.
fn wait_until(timeout: Option<Duration>, done: impl Fn() -> bool) -> bool {
    for _ in 0..100 {
        if done() {
            return true;
        }
        std::hint::spin_loop();
    }
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
        thread::sleep(rest.min(left));
        rest = (rest * 2).min(Duration::from_millis(1));
    }
}
