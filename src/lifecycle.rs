//! Start, stop, exit and fork.
//!
//! # Start
//!
//! The first record of the process starts the engine, or `logfusion_init`. A log call never waits for the lifecycle's lock, which
//! a stop holds while callbacks run: where it is taken, the record stays in its ring, and whoever holds the lock looks at
//! the rings once more after letting it go.
//!
//! # Stop
//!
//! ```text
//!   STATE = STOPPED ─▶ heavy barrier ─▶ last passes ─▶ thread ends ─▶ lock released ─▶ any record left? start again
//! ```
//!
//! The barrier makes every push either visible to the last passes or aware that it came late ([`crate::run_state`]). A late push
//! restarts the engine, except at the exit of the process: then the caller delivers by itself, and no thread is started.
//!
//! # Fork
//!
//! `prepare` parks the drain between two records for at most 100 ms, after it has written what was formatted. The parent
//! goes on. The child has no drain thread, and rings that read as empty; it gets a new engine on the same output,
//! which starts with its first record.

use crate::clock;
use crate::config::{Config, DrainMode, Problem};
use crate::crash;
use crate::dispatch::{self, WRAPPER};
use crate::drain;
use crate::engine::{self, Engine, STATE, Sink};
use crate::memory;
use crate::os;
use crate::output::{Destination, Directives, Output, OutputConfig};
use crate::producers;
use crate::run_state::{self, CALLERS, RUNNING, STOPPED};
use crate::static_sites;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering, is_finished, lock};
use std::io;
use std::sync::{Arc, Once, OnceLock, TryLockError};
use std::time::{Duration, Instant};

/// What is known of the current run.
#[derive(Debug, Default)]
pub struct Lifecycle {
    /// The settings of the run, as the program gave them: before the environment.
    given: Option<Config>,
    /// The settings in force: a start without settings takes these again, whatever has become of the environment.
    in_force: Option<Config>,
    thread: Option<JoinHandle<()>>,
    /// What went wrong at the start and does not keep the engine from running.
    trouble: Option<StartError>,
}

impl Lifecycle {
    /// Has the next start use these settings, unless it is given others.
    pub(crate) fn restart_with(&mut self, in_force: Config) {
        self.in_force = Some(in_force);
    }
}

/// What went wrong at a start. The engine runs all the same.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StartError {
    /// The output cannot be opened; stderr is used.
    #[error("the output {0} can't be opened ({1}); writing to stderr instead")]
    Output(String, Arc<io::Error>),
    /// No thread can be started; callers deliver.
    #[error("the drain thread can't be started ({0}); each log call delivers its own record")]
    Thread(Arc<io::Error>),
}

/// How an explicit start ended.
#[derive(Debug)]
pub enum Started {
    /// The engine runs with these settings.
    Running,
    /// The engine runs with other settings.
    WithOthers,
    /// It runs, but not as it should.
    WithTrouble(StartError),
}

/// When the exit stops waiting for anything.
static EXIT_DEADLINE: OnceLock<Instant> = OnceLock::new();

/// How long the exit of the process waits for a drain that is stuck.
const EXIT_LIMIT: Duration = Duration::from_secs(5);

/// How long a fork waits for the drain to come between two records.
const FORK_LIMIT: Duration = Duration::from_millis(100);

impl Engine {
    /// Starts the engine with the settings it had, unless it runs or the lifecycle is in other hands. `false`: there is no memory
    /// for a start.
    pub(crate) fn start_automatically(&'static self) -> bool {
        if STATE.get() != STOPPED {
            return true;
        }
        let Some(mut lifecycle) = try_lock(&self.lifecycle) else { return true };
        let _host = os::HostGuard::new();
        let has_memory = memory::is_there(memory::OF_A_START);
        if has_memory {
            self.start(&mut lifecycle, None, false);
        }
        has_memory
    }

    /// Starts the engine on request; `None`: with the settings it had.
    pub fn start_explicitly(&'static self, config: Option<Config>) -> Started {
        // A callback cannot wait for a stop that waits for it; while it runs, so does the engine.
        let Some(mut lifecycle) =
            (if producers::is_delivering() { try_lock(&self.lifecycle) } else { Some(lock(&self.lifecycle)) })
        else {
            return if config.is_none() { Started::Running } else { Started::WithOthers };
        };
        if STATE.get() != STOPPED {
            let same = config.is_none_or(|config| lifecycle.given.as_ref() == Some(&config));
            return if same { Started::Running } else { Started::WithOthers };
        }
        self.start(&mut lifecycle, config, true);
        match &lifecycle.trouble {
            None => Started::Running,
            Some(trouble) => Started::WithTrouble(trouble.clone()),
        }
    }

    fn start(&'static self, lifecycle: &mut Lifecycle, config: Option<Config>, explicit: bool) {
        if STATE.get() != STOPPED {
            return;
        }
        install_hooks();
        let mut problems = Vec::new();
        let config = match (config, lifecycle.in_force.take()) {
            // A restart keeps the filter, which may have been replaced meanwhile.
            (None, Some(in_force)) => in_force,
            (given, _) => {
                let given = lifecycle.given.insert(given.unwrap_or_default());
                let config = given.clone().with_environment(&mut problems);
                if let Ok(directives) = Directives::parse(&config.filter) {
                    self.filter.set(directives);
                }
                config
            }
        };
        lifecycle.in_force = Some(config.clone());
        lifecycle.trouble = None;
        self.set_settings(&config);
        // Until the drain looks for the first time.
        clock::COARSE.set(clock::ticks());
        let output = self.open_output(&config.output, &mut lifecycle.trouble);
        let sink = match config.output.destination {
            // The gate must not stay behind the host's level until the first pass.
            _ if dispatch::host_default().is_some() => Sink::Host,
            Destination::None => Sink::None,
            _ => Sink::Own,
        };
        self.sink.store(sink as u32, Ordering::Relaxed);
        crash::note_output(output.as_ref().filter(|_| sink == Sink::Own));
        let output = output.map(Arc::new);
        self.output.store(output.clone());
        self.greet(&problems, lifecycle.trouble.as_ref(), output);
        if explicit && config.set_global_default {
            // Taken already: the drain finds the host's subscriber by itself.
            _ = tracing_core::dispatcher::set_global_default(WRAPPER.clone());
        }
        self.publish_gate();
        let state = match config.drain {
            DrainMode::Manual => RUNNING,
            DrainMode::Thread => match self.spawn(&config) {
                Ok(thread) => {
                    lifecycle.thread = Some(thread);
                    RUNNING
                }
                Err(error) => {
                    lifecycle.trouble = Some(StartError::Thread(Arc::new(error)));
                    CALLERS
                }
            },
        };
        self.enter(state);
        if state == CALLERS {
            // Whoever logged while the lifecycle was taken left the record to this thread.
            self.settle_late_push();
        }
    }

    /// The output, or stderr in its place. None for none: a subscriber that throws everything away still has an interest.
    fn open_output(&self, config: &OutputConfig, trouble: &mut Option<StartError>) -> Option<Output> {
        if config.destination == Destination::None {
            return None;
        }
        Output::open(config, self.filter.clone()).map(Some).unwrap_or_else(|error| {
            let name = format!("{:?}", config.destination);
            *trouble = Some(StartError::Output(name, Arc::new(error)));
            let stderr = OutputConfig { destination: Destination::Stderr, ..config.clone() };
            Output::open(&stderr, self.filter.clone()).ok()
        })
    }

    /// Gives the drain its output and what it has to say first.
    fn greet(&'static self, problems: &[Problem], trouble: Option<&StartError>, output: Option<Arc<Output>>) {
        let mut drain = lock(&self.drain);
        let said = problems.iter().map(ToString::to_string).chain(trouble.map(ToString::to_string));
        drain.open(self, output, said.collect());
    }

    fn spawn(&'static self, config: &Config) -> io::Result<JoinHandle<()>> {
        let builder = thread::Builder::new().name(config.drain_name.clone());
        let config = config.clone();
        self.stopping().store(false, Ordering::Relaxed);
        os::with_signals_blocked(|| builder.spawn(move || drain::run(self, &config)))
    }

    /// Delivers everything that was accepted, stops the drain, and starts again if somebody logged meanwhile.
    pub fn shut_down(&'static self) {
        {
            let mut lifecycle = lock(&self.lifecycle);
            if STATE.get() != STOPPED {
                self.stop(&mut lifecycle, STOPPED, None);
            }
        }
        self.look_again();
    }

    /// Called by whoever held the lifecycle's lock and may have left the engine stopped.
    fn look_again(&'static self) {
        let any_queued = || lock(&self.slots).any_queued() || !self.operations.is_empty();
        run_state::look_again(any_queued, || _ = self.start_automatically());
    }

    fn stop(&'static self, lifecycle: &mut Lifecycle, next: u32, limit: Option<Duration>) {
        self.enter(next);
        self.stopping().store(true, Ordering::Release);
        self.wake();
        match lifecycle.thread.take() {
            Some(thread) => join(thread, limit),
            None if producers::is_delivering() => (),
            None => {
                if let Some(mut drain) = lock_within(&self.drain, limit) {
                    drain.finish(self);
                }
            }
        }
        self.drain_thread.store(None);
        self.flush.part();
    }

    /// The push is queued, and nobody may be there to deliver it.
    pub(crate) fn settle_late_push(&'static self) {
        // What is logged during a delivery belongs to the pass under way, or to the next one.
        if producers::is_delivering() {
            return;
        }
        match STATE.get() {
            STOPPED => run_state::start_late(|| _ = self.start_automatically()),
            CALLERS => {
                if let Some(mut drain) = lock_within(&self.drain, Some(inline_limit())) {
                    drain.pass(self, None);
                }
            }
            _ => (),
        }
    }

    pub(crate) fn stopping(&self) -> &AtomicBool {
        &self.flush.stopping
    }
}

/// How long a caller who delivers by itself waits for another who does; at the exit of the process all of them together
/// wait no longer than the exit itself.
fn inline_limit() -> Duration {
    const LIMIT: Duration = Duration::from_secs(1);
    EXIT_DEADLINE.get().map_or(LIMIT, |deadline| deadline.saturating_duration_since(Instant::now()).min(LIMIT))
}

/// Waits for a thread, for at most `limit`.
fn join(thread: JoinHandle<()>, limit: Option<Duration>) {
    let started = Instant::now();
    while limit.is_some_and(|limit| started.elapsed() < limit) && !is_finished(&thread) {
        thread::sleep(Duration::from_micros(100));
    }
    if limit.is_none() || is_finished(&thread) {
        // The drain catches panics record by record; one that gets here has been printed by the hook.
        _ = thread.join();
    }
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poison)) => Some(poison.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Locks within `limit`; `None` waits without limit.
pub(crate) fn lock_within<T>(mutex: &Mutex<T>, limit: Option<Duration>) -> Option<MutexGuard<'_, T>> {
    let Some(limit) = limit else { return Some(lock(mutex)) };
    let started = Instant::now();
    loop {
        if let Some(guard) = try_lock(mutex) {
            return Some(guard);
        }
        if started.elapsed() >= limit {
            return None;
        }
        thread::sleep(Duration::from_micros(50));
    }
}

fn install_hooks() {
    // Its primitives exist inside of an execution alone.
    if cfg!(logfusion_shuttle) {
        return;
    }
    static HOOKS: Once = Once::new();
    HOOKS.call_once(|| {
        // Threads, hooks and rings of ended threads outlive any `dlclose`: so does the code.
        os::pin_object_of(at_exit);
        os::at_exit(at_exit);
        // Without the handlers a child still finds its rings wiped, and makes its engine with its first record.
        _ = os::at_fork(before_fork, after_fork_in_parent, after_fork_in_child);
    });
}

extern "C" fn at_exit() {
    EXIT_DEADLINE.get_or_init(|| Instant::now() + EXIT_LIMIT);
    crash::let_go();
    let engine = engine::current();
    // The exit may have been called inside a callback: the drain then waits for the exit, not the exit for the drain. What
    // was delivered until now is written; what is still queued is lost with the process.
    if producers::is_delivering() {
        engine.enter(CALLERS);
        if let Some(output) = &*engine.output.load() {
            _ = output.write();
        }
        return;
    }
    // A stop that is under way on another thread holds the lifecycle until everything is delivered.
    match lock_within(&engine.lifecycle, Some(EXIT_LIMIT)) {
        Some(mut lifecycle) if STATE.get() == RUNNING || lock(&engine.slots).any_queued() => {
            engine.stop(&mut lifecycle, CALLERS, Some(EXIT_LIMIT));
        }
        _ => engine.enter(CALLERS),
    }
}

/// The guards that a fork holds from `prepare` to the handlers behind it, on one thread.
struct Held {
    _sites: static_sites::HeldForFork,
    _lifecycle: Option<MutexGuard<'static, Lifecycle>>,
    drain: Option<MutexGuard<'static, drain::Drain>>,
}

thread_local! {
    static HELD: std::cell::RefCell<Option<Held>> = const { std::cell::RefCell::new(None) };
}

extern "C" fn before_fork() {
    // In a callback: the child may log, and end by `exec` or `_exit`.
    if producers::is_delivering() {
        return;
    }
    let engine = engine::current();
    let lifecycle = lock_within(&engine.lifecycle, Some(FORK_LIMIT));
    let mut drain = lock_within(&engine.drain, Some(FORK_LIMIT));
    if let Some(drain) = &mut drain {
        crash::pass(|| drain.write_out(engine));
    }
    // Last, as it is a leaf.
    let sites = static_sites::hold_for_fork(FORK_LIMIT);
    _ = HELD.try_with(|held| *held.borrow_mut() = Some(Held { _sites: sites, _lifecycle: lifecycle, drain }));
}

extern "C" fn after_fork_in_parent() {
    let held = HELD.try_with(|held| held.borrow_mut().take()).ok().flatten();
    if held.is_some() {
        drop(held);
        engine::current().look_again();
    }
}

extern "C" fn after_fork_in_child() {
    let engine = engine::current();
    let child = engine.replace_in_child();
    producers::leave_delivery_in_child();
    let held = HELD.try_with(|held| held.borrow_mut().take()).ok().flatten();
    if let Some(held) = held {
        if let Some(lifecycle) = &held._lifecycle {
            let mut inherited = lock(&child.lifecycle);
            inherited.given.clone_from(&lifecycle.given);
            inherited.in_force.clone_from(&lifecycle.in_force);
        }
        // The parent's state is left alone, locks included: the thread that the drain's guard would wake is not here.
        if let Some(mut drain) = held.drain {
            // Events that the child's Rust code dispatches itself still go to the parent's output, until the child's
            // engine starts: without what the parent had formatted.
            drain.reopen_output();
            std::mem::forget(drain);
        }
        std::mem::forget(held._lifecycle);
    }
}
