//! What a statement of the macros asks before it logs: is the level wanted, and where do events go?
//!
//! A program that has set a `tracing` subscriber gets its events there, and the engine has no part in them. A program
//! that has set none gets the engine's default output with the first statement: the engine starts, and the events of
//! threads without a subscriber go straight to its output. No global default is set for that: a subscriber that the host
//! sets a moment later finds the place free.
//!
//! ```text
//!   statement ──▶ wants(level): one load where it is disabled ──▶ scope() ──▶ tracing's own macro
//!                   └ nothing has been set up: start the engine      └ the thread has no subscriber: ours, for this statement
//! ```
//!
//! A span keeps the subscriber that it was opened in. So the scope is our output's subscriber itself and not the wrapper of
//! [`crate::dispatch`], behind which outputs change while a span is open; also where the wrapper is the global default.

use crate::dispatch::{self, Wrapper};
use crate::engine::{self, STATE, Sink};
use crate::producers;
use crate::run_state::STOPPED;
use crate::sync::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tracing_core::dispatcher::{self, DefaultGuard, Dispatch};
use tracing_core::subscriber::NoSubscriber;
use tracing_core::{Level, LevelFilter};

/// The engine was started by a statement, or found running by one: the maximum level says everything.
static READY: AtomicBool = AtomicBool::new(false);

/// How long a first statement waits for the start of the engine that another thread is at.
const START_LIMIT: Duration = Duration::from_millis(100);

/// Whether a statement of this level may be wanted. The first one starts the engine, where the thread has no subscriber.
#[inline(always)]
pub fn wants(level: &Level) -> bool {
    *level <= LevelFilter::current() || !READY.load(Ordering::Relaxed) && prepare(level)
}

#[cold]
#[inline(never)]
fn prepare(level: &Level) -> bool {
    if has_no_subscriber() {
        start();
    }
    *level <= LevelFilter::current()
}

/// What a statement holds while it dispatches.
#[derive(Debug)]
pub struct Scope {
    _default: Option<DefaultGuard>,
}

/// Makes the engine's output the thread's subscriber, if it has none.
#[inline]
pub fn scope() -> Scope {
    Scope { _default: if has_no_subscriber() { own_scope() } else { None } }
}

#[cold]
#[inline(never)]
fn own_scope() -> Option<DefaultGuard> {
    if !READY.load(Ordering::Relaxed) {
        start();
    }
    dispatch::own().map(|own| dispatcher::set_default(&own))
}

/// Whether the thread has no subscriber of the host's. Inside of one, where tracing gives none, there is one all the same.
#[inline]
fn has_no_subscriber() -> bool {
    let is_ours = |current: &Dispatch| current.is::<NoSubscriber>() || current.is::<Wrapper>();
    // What is logged during a delivery is the wrapper's business.
    dispatcher::get_current(is_ours).unwrap_or(false) && !producers::is_delivering()
}

/// Starts the engine; if another thread is at it, waits until its output is there.
fn start() {
    let Some(engine) = engine::start_if_possible() else { return };
    let started = Instant::now();
    while STATE.get() == STOPPED && started.elapsed() < START_LIMIT {
        std::thread::sleep(Duration::from_micros(50));
    }
    // Where the program has no output, nothing is to be waited for.
    let is_ready = dispatch::own().is_some() || engine.sink() != Sink::Own;
    READY.store(is_ready, Ordering::Relaxed);
}

/// The innermost span of this thread: [`tracing::Span::current`], which works as well where no subscriber is set.
///
/// ```
/// # use logfusion::field::Empty;
/// let span = logfusion::info_span!("request", status = Empty);
/// let _entered = span.enter();
/// logfusion::current_span().record("status", 200);
/// ```
pub fn current_span() -> tracing::Span {
    let _scope = scope();
    tracing::Span::current()
}
