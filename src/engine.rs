//! The engine: one for the process, made when it is first needed and never freed.
//!
//! A forked child gets an engine of its own: the parent's may be locked by threads that do not exist in the child, so it
//! is left as it is, and everything that locks hang off is made anew.

use crate::backtrace::REQUESTS;
use crate::callbacks::{Operation, REGISTRY};
use crate::config::Config;
use crate::crash;
use crate::drain::pace::Sleeper;
use crate::drain::{Drain, Flush};
use crate::last_errors::LastErrors;
use crate::lifecycle::Lifecycle;
use crate::memory;
use crate::os;
use crate::output::filter::Filter;
use crate::output::{Directives, Output};
use crate::producers::Slot;
use crate::run_state::{self, RunState};
use crate::sites::number;
use crate::static_sites;
use crate::stats::{Slots, Totals};
use crate::sync::thread::Thread;
use crate::sync::{AtomicPtr, AtomicU32, AtomicUsize, Mutex, Ordering, lock};
use arc_swap::{ArcSwap, ArcSwapOption};
use crossbeam_queue::{ArrayQueue, SegQueue};
use std::sync::{Arc, OnceLock};
use tracing_core::LevelFilter;

/// Whether anybody delivers what is pushed now.
pub static STATE: RunState = RunState::STOPPED;

/// The least severe level that anybody wants: a call of a lesser one returns at once. Everything, until the engine knows.
static GATE: AtomicU32 = AtomicU32::new(5);

/// Whether anybody may want records of this level: one relaxed load.
#[inline(always)]
pub fn wants(level: u32) -> bool {
    level <= least_wanted()
}

/// The least severe level of which anybody may want records; 0: nobody wants any.
#[inline(always)]
pub fn least_wanted() -> u32 {
    GATE.load(Ordering::Relaxed)
}

/// When callers wake the drain.
static WAKE: AtomicU32 = AtomicU32::new(WAKE_ON_HALF_FULL);
/// When a ring becomes half full.
pub const WAKE_ON_HALF_FULL: u32 = 1;
/// After each ERROR.
pub const WAKE_ON_ERROR: u32 = 2;

/// Rings of ended threads that are kept for new ones.
const POOLED: usize = 64;

/// Most asynchronous flushes that wait for a pass.
const OPERATIONS: usize = 1024;

/// Everything that has one owner for the process.
pub struct Engine {
    process: u32,
    pub(crate) lifecycle: Mutex<Lifecycle>,
    settings: ArcSwap<Config>,
    pub(crate) filter: Arc<Filter>,
    pub(crate) drain: Mutex<Drain>,
    pub(crate) sleeper: Sleeper,
    pub(crate) drain_thread: ArcSwapOption<Thread>,
    pub(crate) flush: Flush,
    pub(crate) slots: Mutex<Slots>,
    pub(crate) new_slots: SegQueue<Arc<Slot>>,
    pub(crate) pool: ArrayQueue<Arc<Slot>>,
    pub(crate) drains_slot: OnceLock<Arc<Slot>>,
    pub(crate) ring_bytes: AtomicUsize,
    pub(crate) totals: Totals,
    /// The output of the run, for an exit inside a callback.
    pub(crate) output: ArcSwapOption<Output>,
    /// What calls had to complain of, for the drain to say.
    pub(crate) last_errors: LastErrors,
    /// Asynchronous flushes that no pass has seen yet.
    pub(crate) operations: ArrayQueue<Operation>,
    /// Where records go: see [`Sink`].
    pub(crate) sink: AtomicU32,
    gate: Mutex<()>,
}

/// Where the drain sends events, as far as callers need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Sink {
    /// To the engine's own output, behind its filter.
    Own = 0,
    /// To the host's subscriber.
    Host = 1,
    /// Nowhere; callbacks alone get them.
    None = 2,
}

static ENGINE: AtomicPtr<Engine> = AtomicPtr::new(std::ptr::null_mut());

/// The process's engine.
pub fn current() -> &'static Engine {
    let engine = ENGINE.load(Ordering::Acquire);
    // SAFETY: the pointer is null or comes from `Box::leak` in `install`.
    match unsafe { engine.as_ref() } {
        Some(engine) => engine,
        None => install(std::ptr::null_mut(), Engine::new(Config::default(), Arc::default())),
    }
}

/// The process's engine, or in a child the one that it has inherited; `None`: there is none, and no memory for one.
pub fn current_if_possible() -> Option<&'static Engine> {
    let exists = !ENGINE.load(Ordering::Acquire).is_null();
    (exists || has_memory()).then(current)
}

/// The process's engine; a child that a raw `clone` made gets its own here. `None`: there is none, and no memory for one.
pub fn if_possible() -> Option<&'static Engine> {
    let engine = current_if_possible()?;
    if engine.process == std::process::id() { Some(engine) } else { has_memory().then(|| engine.replace_in_child()) }
}

fn has_memory() -> bool {
    memory::is_there(memory::OF_A_START)
}

/// The process's engine, started if it is not running and nobody is starting or stopping it; `None`: there is no memory for
/// a start.
pub fn start_if_possible() -> Option<&'static Engine> {
    if_possible().filter(|engine| engine.start_automatically())
}

/// As [`start_if_possible`], without a system call while the engine runs.
pub fn running() -> Option<&'static Engine> {
    if STATE.get() == run_state::RUNNING { Some(current()) } else { start_if_possible() }
}

/// As [`if_possible`]; `None`, too: there is no memory for what a function of the API allocates.
pub fn with_memory() -> Option<&'static Engine> {
    if memory::is_there(memory::OF_A_CALL) { if_possible() } else { None }
}

/// As [`with_memory`], and started.
pub fn started_with_memory() -> Option<&'static Engine> {
    with_memory().filter(|engine| engine.start_automatically())
}

fn install(old: *mut Engine, new: Engine) -> &'static Engine {
    let new = Box::into_raw(Box::new(new));
    match ENGINE.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: just leaked; never freed, and shared from here on.
        Ok(_) => unsafe { &*new },
        Err(installed) => {
            // SAFETY: `new` was not published, so it is still this thread's alone.
            drop(unsafe { Box::from_raw(new) });
            // SAFETY: as in `current`; not null, since an exchange with null as the old value failed or another won.
            unsafe { &*installed }
        }
    }
}

impl Engine {
    fn new(config: Config, filter: Arc<Filter>) -> Self {
        Self {
            process: std::process::id(),
            lifecycle: Mutex::default(),
            settings: ArcSwap::from_pointee(config),
            filter,
            drain: Mutex::default(),
            sleeper: Sleeper::default(),
            drain_thread: ArcSwapOption::const_empty(),
            flush: Flush::default(),
            slots: Mutex::default(),
            new_slots: SegQueue::new(),
            pool: ArrayQueue::new(POOLED),
            drains_slot: OnceLock::new(),
            ring_bytes: AtomicUsize::new(0),
            totals: Totals::default(),
            output: ArcSwapOption::const_empty(),
            last_errors: LastErrors::default(),
            operations: ArrayQueue::new(OPERATIONS),
            sink: AtomicU32::new(Sink::Own as u32),
            gate: Mutex::new(()),
        }
    }

    /// In a forked child: an engine with the same settings, and nothing of the parent's records.
    pub(crate) fn replace_in_child(&'static self) -> &'static Self {
        let filter = Arc::new(Filter::new(Directives::clone(&self.filter.load())));
        let child = Self::new(Config::clone(&self.settings()), filter);
        // After a raw `clone` no handler hands the settings on. They are not read under the lifecycle's lock: a thread
        // that does not exist here may hold it.
        if STATE.get() != crate::run_state::STOPPED {
            lock(&child.lifecycle).restart_with(Config::clone(&self.settings()));
        }
        STATE.set(crate::run_state::STOPPED);
        crash::forget_threads();
        install(std::ptr::from_ref(self).cast_mut(), child)
    }

    /// The settings in force.
    pub fn settings(&self) -> arc_swap::Guard<Arc<Config>> {
        self.settings.load()
    }

    pub(crate) fn set_settings(&self, config: &Config) {
        let half = if config.wake_on_half_full { WAKE_ON_HALF_FULL } else { 0 };
        let error = if config.wake_on_error { WAKE_ON_ERROR } else { 0 };
        WAKE.store(half | error, Ordering::Relaxed);
        self.settings.store(Arc::new(config.clone()));
    }

    /// Where records go.
    pub fn sink(&self) -> Sink {
        match self.sink.load(Ordering::Relaxed) {
            1 => Sink::Host,
            2 => Sink::None,
            _ => Sink::Own,
        }
    }

    /// Computes the gate and the words of static sites from everything that has a say, and publishes them. Nothing that
    /// takes other locks runs inside.
    pub fn publish_gate(&self) {
        let leaf = lock(&self.gate);
        let output = match self.sink() {
            Sink::Own => number(self.filter.max_level()),
            Sink::Host => number(LevelFilter::current()),
            Sink::None => 0,
        };
        GATE.store(output.max(REGISTRY.max_level()).max(REQUESTS.max_level()), Ordering::Relaxed);
        drop(leaf);
        static_sites::publish(self, None);
    }

    /// Enters a state of the engine: see [`crate::run_state`] and [`crate::static_sites`], "Stop".
    pub fn enter(&self, state: u32) {
        let words = match state {
            run_state::RUNNING => static_sites::State::Running,
            run_state::CALLERS => static_sites::State::Callers,
            _ => static_sites::State::Stopped,
        };
        if state == run_state::RUNNING {
            STATE.set(state);
            static_sites::publish(self, Some(words));
        } else {
            // Before the barrier in `set`.
            static_sites::publish(self, Some(words));
            STATE.set(state);
        }
    }

    /// Wakes the drain if it sleeps. The reason must be visible before.
    pub fn wake(&self) {
        if self.sleeper.must_wake()
            && let Some(thread) = &*self.drain_thread.load()
        {
            thread.unpark();
        }
    }
}

/// Wakes the drain, if it is configured to be woken for this: a ring that became half full, or else an ERROR.
#[cold]
pub fn wake_for(half_full: bool) {
    let reason = if half_full { WAKE_ON_HALF_FULL } else { WAKE_ON_ERROR };
    if WAKE.load(Ordering::Relaxed) & reason != 0 {
        wake();
    }
}

/// Wakes the drain if it sleeps.
pub fn wake() {
    let _errno = os::HostGuard::new();
    current().wake();
}

/// Called after a push that found that nobody delivers: see [`crate::run_state`].
#[cold]
pub fn settle_late_push() {
    let _errno = os::HostGuard::new();
    current().settle_late_push();
}
