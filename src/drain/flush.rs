//! Flush: waiting until everything accepted before a moment has been delivered and written.
//!
//! A request is a ticket. A pass reads the latest ticket *before* it snapshots the heads, so everything that was published
//! before the request is covered by that pass or an earlier one; when it has written its text, it says that ticket is done.
//! See [`super::tickets`].

use super::tickets::Tickets;
use crate::callbacks::Operation;
use crate::config::DrainMode;
use crate::engine::{self, Engine, STATE};
use crate::lifecycle::lock_within;
use crate::output::OutputStats;
use crate::producers;
use crate::run_state::{CALLERS, RUNNING, STOPPED};
use crate::sync::{AtomicBool, Condvar, Mutex, lock, thread};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Requests and what became of them.
#[derive(Debug, Default)]
pub struct Flush {
    tickets: Tickets,
    done: Mutex<u64>,
    changed: Condvar,
    output: Mutex<OutputCounts>,
    /// The drain shall end.
    pub(crate) stopping: AtomicBool,
}

/// Why a flush did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FlushError {
    /// The time is over.
    #[error("the flush did not end in time: the drain is busy, or an output, a subscriber or a callback is stuck")]
    Timeout,
    /// The caller is inside a callback: the drain would wait for itself.
    #[error("a flush inside a callback would wait for itself")]
    InCallback,
    /// Delivered, but text was lost.
    #[error("some text could not be written since the last flush")]
    Output,
}

/// What outputs have done, over all runs.
#[derive(Debug, Default, Clone)]
pub struct OutputCounts {
    /// Of outputs that were closed.
    before: Counts,
    current: Counts,
    lost_at_last_flush: u64,
}

/// Counts of an output.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    /// Bytes written.
    pub written_bytes: u64,
    /// Failed operations.
    pub errors: u64,
    /// Records whose text was lost.
    pub lost_records: u64,
}

impl Flush {
    /// The latest ticket. Read before the heads are.
    pub(crate) fn latest_request(&self) -> u64 {
        self.tickets.latest()
    }

    /// Whether somebody waits.
    pub(crate) fn is_requested(&self) -> bool {
        self.latest_request() > *lock(&self.done)
    }

    /// Everything up to this ticket is delivered and written.
    pub(crate) fn done(&self, ticket: u64) {
        let mut done = lock(&self.done);
        if ticket > *done {
            *done = ticket;
            self.changed.notify_all();
        }
    }

    /// Notes what the output has done.
    pub(crate) fn note_output(&self, stats: Option<OutputStats>) {
        let Some(stats) = stats else { return };
        lock(&self.output).current =
            Counts { written_bytes: stats.written_bytes, errors: stats.errors, lost_records: stats.lost_records };
    }

    /// The output will be another one: its counts are added to those before.
    pub(crate) fn part(&self) {
        let mut output = lock(&self.output);
        let last = std::mem::take(&mut output.current);
        output.before.written_bytes += last.written_bytes;
        output.before.errors += last.errors;
        output.before.lost_records += last.lost_records;
    }

    /// What outputs have done in this process.
    pub fn output_counts(&self) -> Counts {
        let output = lock(&self.output);
        Counts {
            written_bytes: output.before.written_bytes + output.current.written_bytes,
            errors: output.before.errors + output.current.errors,
            lost_records: output.before.lost_records + output.current.lost_records,
        }
    }

    /// How a flush ends that came through.
    fn outcome(&self) -> Result<(), FlushError> {
        let lost = self.output_counts().lost_records;
        let before = std::mem::replace(&mut lock(&self.output).lost_at_last_flush, lost);
        if before < lost { Err(FlushError::Output) } else { Ok(()) }
    }

    fn wait(&self, ticket: u64, timeout: Option<Duration>) -> bool {
        let done = lock(&self.done);
        let waiting = |done: &mut u64| *done < ticket;
        match timeout {
            None => {
                drop(self.changed.wait_while(done, waiting).unwrap_or_else(PoisonError::into_inner));
                true
            }
            Some(timeout) => {
                let waited = self.changed.wait_timeout_while(done, timeout, waiting);
                !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
            }
        }
    }
}

impl Engine {
    /// Waits until everything that was accepted before the call is delivered and written; `None` waits without limit.
    pub fn flush(&'static self, timeout: Option<Duration>) -> Result<(), FlushError> {
        if producers::is_delivering() || crate::callbacks::is_inside() {
            return Err(FlushError::InCallback);
        }
        if timeout == Some(Duration::ZERO) && !lock(&self.slots).any_queued() {
            return self.flush.outcome();
        }
        if self.flush_in_time(timeout) { self.flush.outcome() } else { Err(FlushError::Timeout) }
    }

    fn flush_in_time(&'static self, timeout: Option<Duration>) -> bool {
        let ticket = self.flush.tickets.request();
        match STATE.get() {
            RUNNING if self.settings().drain == DrainMode::Thread => {
                engine::wake();
                self.flush.wait(ticket, timeout)
            }
            RUNNING | CALLERS => self.flush_here(timeout),
            _ => self.flush_while_stopped(timeout),
        }
    }

    /// Nothing runs, or a stop is under way, which delivers what is queued or starts the engine again.
    fn flush_while_stopped(&'static self, timeout: Option<Duration>) -> bool {
        let started = Instant::now();
        while lock(&self.slots).any_queued() {
            let left = timeout.map(|timeout| timeout.saturating_sub(started.elapsed()));
            if left == Some(Duration::ZERO) {
                return false;
            }
            if STATE.get() != STOPPED {
                return self.flush_in_time(left);
            }
            // A late push whose caller is about to start the engine, or has found the lifecycle taken: this one starts it.
            let has_memory = self.start_automatically();
            thread::sleep(if has_memory { Duration::from_micros(100) } else { Duration::from_millis(10) });
        }
        true
    }

    /// Begins a flush that nobody waits for: the pass that ends it calls back. `Err`: too many are under way.
    pub fn begin_operation(&'static self, operation: Operation) -> Result<(), Operation> {
        self.operations.push(operation)?;
        // The ticket comes after the operation: the pass that is due for it finds the operation.
        self.flush.tickets.request();
        engine::wake();
        // A stop sees the operation in its last passes, or this sees the stop: as with a push.
        if STATE.is_late() {
            engine::settle_late_push();
        }
        Ok(())
    }

    /// Where no thread drains: the caller does.
    fn flush_here(&'static self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        lock_within(&self.drain, timeout).is_some_and(|mut drain| {
            let pass = drain.pass(self, deadline);
            pass.complete && (!pass.left || drain.pass(self, deadline).complete)
        })
    }

    /// Manual mode: delivers what is queued, for about `budget`. `None`: another thread delivers.
    pub fn drain_here(&'static self, budget: Option<Duration>) -> Option<u64> {
        let deadline = budget.and_then(|budget| Instant::now().checked_add(budget));
        lock_within(&self.drain, Some(Duration::ZERO)).map(|mut drain| drain.pass(self, deadline).taken)
    }
}
