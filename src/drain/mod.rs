//! The drain: from the rings of all threads to events, in the order of time.
//!
//! # A pass
//!
//! 1. Look whether the host has set a subscriber.
//! 2. Read the clock, take the rings of new threads, snapshot all heads. The pass delivers what they cover and what was
//!    logged until that clock.
//! 3. Deliver, always from the ring whose next record is the oldest, in runs ([`merge`]).
//! 4. Write the formatted text; only then give the records' bytes back to their producers. What a crash handler finds in a ring
//!    was not written yet, but for the first messages of a batch that is not done ([`batch`]).
//! 5. Say to those who flush how far the pass came.
//! 6. Look after the rings and the subscriber, for a limited time, unless a crash handler waits for the pass to end: what it
//!    reads must stay.
//!
//! Promised: for each thread the order of its calls; across threads the order of the clocks among the records of one pass.
//!
//! # Who holds the lock
//!
//! One thread at a time delivers: the drain thread, or whoever drains in manual mode or at the end of the process. It holds
//! the drain's lock during a pass, while callbacks and subscribers run; nobody else waits for that lock without
//! limit, except a stop.

mod batch;
mod flush;
pub mod lane;
pub mod merge;
pub mod pace;
pub mod scope;
mod tickets;

pub use flush::{Flush, FlushError};

use crate::backtrace::{Backtrace, Kept, REQUESTS, Request};
use crate::callbacks::{Operation, REGISTRY};
use crate::clock::Calibration;
use crate::config::{Config, DrainMode};
use crate::crash;
use crate::delivery;
use crate::dispatch::{self, WRAPPER};
use crate::engine::{Engine, Sink};
use crate::event::{Delivered, Events, ShortWay};
use crate::os;
use crate::output::{CHUNK, Destination, FilterFile, Lines, News, Output};
use crate::producers;
use crate::record::decode::{is_envelope, kind};
use crate::record::layout::BATCH;
use crate::sites::Part;
use crate::stats::Outcome;
use crate::sync::{Ordering, lock, thread};
use lane::{Lane, Peeked};
use merge::Merge;
use pace::Pace;
use scope::Scope;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing_core::dispatcher::set_default;
use tracing_core::{Dispatch, LevelFilter};

/// What the drain keeps from pass to pass.
#[derive(Default)]
pub struct Drain {
    /// The latest request to flush that the last complete pass saw: what that pass left is older.
    covered: u64,
    lanes: Vec<Lane>,
    /// Since the last look which threads have ended.
    new_lanes: usize,
    /// Some lane's ring may have pages that are not there yet.
    unpopulated: bool,
    merge: Merge,
    clock: Option<Calibration>,
    events: Events,
    lines: Lines,
    /// The message of a batch that is delivered, as a record by itself.
    message: Vec<u8>,
    output: Option<Arc<Output>>,
    dispatch: Option<Dispatch>,
    filter_generation: u64,
    /// What a start has to say, in the first pass.
    to_say: Vec<String>,
    said_hello: bool,
    filter_file: Option<FilterFile>,
    next_chores: Option<Instant>,
    chores_done: u32,
    /// How often tracing's caches had been computed, and the parts of the sites that are to be verified since.
    rebuilds: u64,
    unverified: u32,
    nested_dropped: u64,
    lost_records: u64,
    /// When last errors get room for events again.
    errors_until: Option<Instant>,
    /// Asynchronous flushes that end with the pass, if it is complete.
    operations: Vec<Operation>,
    /// Targets whose backtraces are to be delivered, in the same way.
    flushes: Vec<Box<str>>,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pass {
    /// Records taken out of the rings.
    pub taken: u64,
    /// Whether everything that was there at the beginning was taken.
    pub complete: bool,
    /// Whether something of what it saw is left to the next pass: what was logged while it began ([`merge`]).
    pub left: bool,
}

/// The drain's thread.
pub(crate) fn run(engine: &'static Engine, config: &Config) {
    // Before the first sleep: who finds the drain asleep and nobody to wake would have taken the one wake that is due.
    engine.drain_thread.store(Some(Arc::new(thread::current())));
    let mut trouble = Vec::new();
    if let Some(cpu) = config.drain_cpu
        && let Err(error) = os::set_affinity(cpu)
    {
        trouble.push(format!("the drain thread can't be bound to processor {cpu}: {error}"));
    }
    if config.drain_nice != 0
        && let Err(error) = os::set_nice(config.drain_nice)
    {
        trouble.push(format!("the drain thread can't have the nice value {}: {error}", config.drain_nice));
    }
    lock(&engine.drain).to_say.append(&mut trouble);
    let mut pace = Pace::new(config.idle);
    loop {
        if engine.stopping().load(Ordering::Acquire) {
            lock(&engine.drain).finish(engine);
            return;
        }
        let (busy, urgent) = {
            let mut drain = lock(&engine.drain);
            let pass = drain.pass(engine, None);
            (pass.taken > 0 || pass.left, drain.is_urgent(engine))
        };
        let rest = pace.next(busy);
        if !urgent {
            engine.sleeper.sleep(
                || engine.flush.is_requested() || lock(&engine.drain).is_urgent(engine),
                || thread::park_timeout(rest),
            );
        }
    }
}

/// After so many new threads, at least, the drain looks which ones have ended: threads that come and go in quick
/// succession use few rings. Of many live threads it takes a quarter as many, so that the looks stay cheap.
const MOST_NEW_LANES: usize = 16;

/// How often the drain looks after what need not be looked after in each pass.
const CHORES: Duration = Duration::from_millis(240);

impl Drain {
    /// Takes the output of a new run.
    pub(crate) fn open(&mut self, engine: &'static Engine, output: Option<Arc<Output>>, said: Vec<String>) {
        self.close_spans();
        if output.is_some() {
            self.lines.reserve();
        }
        // Without memory for it, it grows when it must.
        _ = self.message.try_reserve(batch::LONGEST_RECORD);
        self.output = output;
        self.dispatch = None;
        self.to_say = said;
        self.said_hello = false;
        self.filter_file = engine.settings().filter_file.clone().map(FilterFile::new);
        self.chores_done = 0;
        self.next_chores = None;
        self.lost_records = 0;
        // Rust's events don't pass through a ring: what is logged before the first pass goes to this run's output, too.
        self.choose_own(engine);
    }

    /// Takes out of the rings what they hold now, up to `deadline`.
    pub(crate) fn pass(&mut self, engine: &'static Engine, deadline: Option<Instant>) -> Pass {
        crash::pass(|| self.pass_inside(engine, deadline))
    }

    fn pass_inside(&mut self, engine: &'static Engine, deadline: Option<Instant>) -> Pass {
        let ticket = engine.flush.latest_request();
        // Before the heads are looked at, as the ticket.
        let earlier = self.operations.len();
        while let Some(operation) = engine.operations.pop() {
            self.operations.push(operation);
        }
        let earlier_flushes = self.flushes.len();
        self.flushes.extend(std::iter::from_fn(|| REQUESTS.next_flush()));
        self.choose_subscriber(engine);
        if self.clock.is_none() {
            self.clock = Some(Calibration::start());
        }
        let pass = producers::deliver(engine, || {
            let _scope = set_default(&WRAPPER);
            self.speak();
            let pass = self.take(engine, deadline);
            if pass.complete && !self.flushes.is_empty() {
                let ended = if pass.left { earlier_flushes } else { self.flushes.len() };
                self.flush_backtraces(engine, ended);
            }
            if !engine.last_errors.is_quiet() {
                self.report_errors(engine);
            }
            self.write_out(engine);
            // What was written of a batch is still in its ring.
            crash::note_repeats(!pass.complete && self.lanes.iter().any(Lane::is_within_batch));
            pass
        });
        // What a complete pass leaves, the next one takes.
        if pass.complete {
            engine.flush.done(if pass.left { self.covered } else { ticket });
            self.covered = ticket;
            if !self.operations.is_empty() {
                let ended = if pass.left { earlier } else { self.operations.len() };
                self.end_operations(engine, ended);
            }
        }
        if !crash::is_frozen() {
            self.look_after(engine);
        }
        pass
    }

    /// What a pass does beside delivering, which nobody waits for.
    fn look_after(&mut self, engine: &'static Engine) {
        self.populate_more();
        let many_are_new = self.new_lanes >= MOST_NEW_LANES.max(self.lanes.len() / 4);
        let chores_are_due = self.next_chores.is_none_or(|next| Instant::now() >= next);
        if many_are_new || chores_are_due {
            producers::deliver(engine, || {
                let _scope = set_default(&WRAPPER);
                if chores_are_due {
                    self.chores(engine);
                } else {
                    self.retire(engine);
                }
                self.write_out(engine);
            });
        }
    }

    /// The last passes of a run. Two do: the first takes everything that was pushed before the stop, the second what was
    /// logged while it was delivered.
    pub(crate) fn finish(&mut self, engine: &'static Engine) {
        self.pass(engine, None);
        // The last pass says what was dropped and left out until now.
        self.next_chores = None;
        self.errors_until = None;
        producers::deliver(engine, || {
            let _scope = set_default(&WRAPPER);
            tracing::debug!(target: "logfusion", "stopping");
        });
        self.pass(engine, None);
        self.next_chores = None;
    }

    /// Whether the next pass should not wait: a ring is half full, or anything at all is there and errors wake.
    fn is_urgent(&mut self, engine: &Engine) -> bool {
        let any = engine.settings().wake_on_error;
        engine.stopping().load(Ordering::Relaxed)
            || self.unpopulated
            || !engine.new_slots.is_empty()
            || self.lanes.iter_mut().any(|lane| lane.is_half_full() || any && lane.has_more())
    }

    /// The host's subscriber, once there is one; else our own output.
    fn choose_subscriber(&mut self, engine: &'static Engine) {
        let sink = engine.sink();
        if self.dispatch.is_some() && sink == Sink::Host {
            return;
        }
        if let Some(host) = dispatch::host_default() {
            self.close_spans();
            self.write_out(engine);
            dispatch::set_current(host.clone(), None);
            self.dispatch = Some(host);
            // To the last reference: while our output lives, tracing asks it, too, which events are wanted.
            self.output = None;
            engine.output.store(None);
            engine.sink.store(Sink::Host as u32, Ordering::Relaxed);
            self.rebuild(engine);
            return;
        }
        if sink == Sink::Host {
            // The thread that started the engine had a subscriber for itself alone.
            let none = engine.settings().output.destination == Destination::None;
            engine.sink.store(if none { Sink::None } else { Sink::Own } as u32, Ordering::Relaxed);
            engine.publish_gate();
        }
        self.choose_own(engine);
    }

    /// Our own output, where it is what records go to.
    fn choose_own(&mut self, engine: &'static Engine) {
        if engine.sink() == Sink::Own
            && let Some(output) = &self.output
            && (self.dispatch.is_none() || self.filter_generation != engine.filter.generation())
        {
            dispatch::set_current(output.dispatch().clone(), Some(engine.filter.max_level()));
            self.dispatch = Some(output.dispatch().clone());
            self.rebuild(engine);
        } else if engine.sink() == Sink::None && self.dispatch.is_none() {
            // Without it, Rust's events and the engine's own would go on to the output of the run before.
            dispatch::set_current(Dispatch::none(), Some(LevelFilter::OFF));
            self.dispatch = Some(Dispatch::none());
            self.rebuild(engine);
        }
    }

    /// Populates a piece of one new ring.
    fn populate_more(&mut self) {
        if self.unpopulated {
            self.unpopulated = self.lanes.iter_mut().rev().any(Lane::populate_more);
        }
    }

    /// Closes all spans with the subscriber that has them: there will be another.
    fn close_spans(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.scope.close());
    }

    /// Computes tracing's caches anew, and what callers derive from them.
    fn rebuild(&mut self, engine: &'static Engine) {
        self.filter_generation = engine.filter.generation();
        dispatch::rebuild_interest();
        engine.publish_gate();
    }

    fn speak(&mut self) {
        if !std::mem::replace(&mut self.said_hello, true) {
            tracing::debug!(target: "logfusion", version = crate::VERSION, "started");
        }
        for text in self.to_say.drain(..) {
            tracing::warn!(target: "logfusion", "{text}");
        }
    }

    /// Delivers what the heads cover now.
    fn take(&mut self, engine: &'static Engine, deadline: Option<Instant>) -> Pass {
        let Self { lanes, new_lanes, unpopulated, merge, clock, events, lines, message, output, dispatch, .. } = self;
        let Some(clock) = clock else { return Pass::default() };
        let horizon = merge.begin(lanes, |lanes| {
            while let Some(slot) = engine.new_slots.pop() {
                // In manual mode its thread does all of it.
                let is_populated = engine.settings().drain == DrainMode::Manual;
                *unpopulated |= !is_populated;
                // SAFETY: a slot is handed over once, by the thread that made it, and only this place takes it.
                lanes.push(unsafe { Lane::new(slot, is_populated) });
                *new_lanes += 1;
            }
        });
        let now_ns = clock.wall_ns(horizon.now());
        // Where the output is our own, nobody else sees its events, and there need not be any.
        let own = output.as_deref().filter(|_| engine.sink() == Sink::Own);
        // Behind the heads: what was logged after a request for backtraces finds it.
        let backtraces = REQUESTS.max_level() > 0;
        // Other people's code may take any time.
        let is_alone = own.is_some() && REGISTRY.max_level() == 0;
        let ends = |look: bool, lane: &Lane| {
            // What is written of a batch that is not done is written again.
            crash::is_frozen() && !(is_alone && lane.is_within_batch())
                || look && deadline.is_some_and(|deadline| Instant::now() >= deadline)
        };
        // A look at the clock costs a third of a record.
        let is_quick = is_alone && deadline.is_some();
        let mut is_over = false;
        let mut taken = 0_u64;
        let mut longest = 0;
        while let Some((index, until)) = merge.next_run() {
            let lane = &mut lanes[index];
            let thread = lane.take_thread();
            if !lane.scope.is_plain() {
                delivery::enter(&thread.info, 0);
                lane.scope.enter(events, dispatch.as_ref());
            }
            while let Some((ticks, len)) = lane.next_of_run(until, horizon) {
                let time_ns = clock.wall_ns(ticks);
                longest = longest.max(now_ns.saturating_sub(time_ns));
                let dispatch = dispatch.as_ref();
                let delivery = Delivery { events, lines, own, dispatch, engine, thread: &thread, backtraces };
                let (outcome, done) = delivery.of_peeked(lane, time_ns, len, message);
                lane.advance(done, outcome);
                taken += 1;
                let is_much = output.as_ref().is_some_and(|output| output.buffered() + lines.len() >= CHUNK);
                if is_much || lane.is_quarter_unreleased() {
                    write(output.as_deref(), lines);
                    merge.release(lanes);
                    // A write may take longer than many records.
                    is_over = ends(true, &lanes[index]);
                    break;
                }
                is_over = ends(!is_quick || taken % 8 == 1, lane);
                if is_over {
                    break;
                }
            }
            let lane = &mut lanes[index];
            lane.scope.leave();
            delivery::leave();
            lane.put_back(thread);
            if is_over {
                merge.abandon();
                hand_over(output.as_deref(), lines);
                return Pass { taken, complete: false, left: true };
            }
            merge.put_back(lane, index, horizon);
        }
        hand_over(output.as_deref(), lines);
        engine.totals.longest_delay_ns.fetch_max(longest, Ordering::Relaxed);
        Pass { taken, complete: true, left: merge.any_left(lanes) }
    }

    /// Writes what was formatted and gives the rings' bytes back.
    pub(crate) fn write_out(&mut self, engine: &Engine) {
        write(self.output.as_deref(), &mut self.lines);
        self.merge.end(&mut self.lanes);
        let stats = self.output.as_deref().map(Output::stats);
        engine.flush.note_output(stats);
    }

    /// In a forked child: drops the text that the parent had formatted.
    pub(crate) fn reopen_output(&mut self) {
        if let Some(output) = &self.output {
            // Where it fails, the child's events go nowhere until its engine starts.
            _ = output.reopen();
        }
    }

    /// What need not be done in each pass.
    fn chores(&mut self, engine: &'static Engine) {
        if self.chores_done.is_multiple_of(4) {
            self.look_at_filter_file(engine);
        }
        self.next_chores = Some(Instant::now() + CHORES);
        self.chores_done = self.chores_done.wrapping_add(1);
        if let Some(clock) = &mut self.clock {
            clock.refine();
        }
        self.verify_interest(engine);
        self.retire(engine);
        report_drops(&mut self.lanes);
        self.report_losses();
    }

    fn look_at_filter_file(&mut self, engine: &'static Engine) {
        match self.filter_file.as_mut().and_then(FilterFile::look) {
            Some(News::Directives(directives)) => {
                engine.filter.set(directives);
                engine.publish_gate();
            }
            Some(News::Fault(text)) => tracing::warn!(target: "logfusion", "{text}"),
            None => (),
        }
    }

    /// Closes the books of threads that have ended, and lets their rings go.
    fn retire(&mut self, engine: &Engine) {
        self.new_lanes = 0;
        let mut finished: Vec<Lane> = self.lanes.extract_if(.., |lane| lane.is_finished()).collect();
        // Only now nothing can be added to what they dropped.
        report_drops(&mut finished);
        for mut lane in finished {
            lane.scope.end();
            let slot = lane.slot().clone();
            drop(lane);
            lock(&engine.slots).end(&slot);
            engine.retire(slot);
        }
    }

    /// tracing-core's interest cache and maximum level have races: after they were computed, what they say is compared with
    /// what the subscriber says, of each site within a second, so that none is wrongly silent for longer. A thread that began
    /// to compute them may take longer, so all are compared again every few seconds.
    fn verify_interest(&mut self, engine: &'static Engine) {
        let Some(dispatch) = &self.dispatch else { return };
        // A host's maximum level cannot be asked for, so its caches are computed anew about once a second.
        let level_is_stale = match engine.sink() {
            Sink::Host => self.chores_done.is_multiple_of(4),
            Sink::Own => engine.filter.max_level() > LevelFilter::current(),
            Sink::None => false,
        };
        let rebuilds = dispatch::rebuilds();
        if self.rebuilds != rebuilds {
            (self.rebuilds, self.unverified) = (rebuilds, Part::COUNT);
        }
        // In turn: five and the number of parts have no common divisor.
        let is_due = self.unverified > 0 || self.chores_done.is_multiple_of(5);
        self.unverified = self.unverified.saturating_sub(1);
        if level_is_stale || is_due && self.events.any_interest_is_stale(dispatch, Part(self.chores_done)) {
            self.rebuild(engine);
        } else {
            engine.publish_gate();
        }
    }

    /// Calls back for the first `ended` asynchronous flushes: this pass, or an earlier one, has done them.
    #[cold]
    fn end_operations(&mut self, engine: &'static Engine, ended: usize) {
        producers::deliver(engine, || {
            let _scope = set_default(&WRAPPER);
            for operation in self.operations.drain(..ended) {
                if catch_unwind(AssertUnwindSafe(|| operation.end())).is_err() {
                    engine.totals.callbacks_failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }

    /// Delivers what is kept for the first `ended` targets that were asked for.
    #[cold]
    fn flush_backtraces(&mut self, engine: &'static Engine, ended: usize) {
        let Self { lanes, events, lines, dispatch, flushes, .. } = self;
        for target in flushes.drain(..ended) {
            for lane in lanes.iter_mut() {
                let kept = lane.backtrace.take_target(&target);
                let thread = lane.take_thread();
                let dispatch = dispatch.as_ref();
                let own = None;
                Delivery { events, lines, own, dispatch, engine, thread: &thread, backtraces: true }.of_kept(kept);
                delivery::leave();
                lane.put_back(thread);
            }
        }
    }

    /// Makes an event of each last error that callers queued, and says about once a second how many were too many.
    #[cold]
    fn report_errors(&mut self, engine: &Engine) {
        let mut said = 0;
        while let Some(text) = engine.last_errors.take() {
            said += 1;
            tracing::error!(target: "logfusion", ffi_error = text.as_str(), "last error");
        }
        let now = Instant::now();
        if self.errors_until.is_none_or(|until| now >= until) {
            self.errors_until = (said > 0).then(|| now + Duration::from_secs(1));
            let count = engine.last_errors.begin_second(said);
            if count > 0 {
                tracing::warn!(target: "logfusion", count, "more last errors");
            }
        }
    }

    /// Says what was lost on the way out since the last report.
    fn report_losses(&mut self) {
        let nested = dispatch::NESTED_DROPPED.load(Ordering::Relaxed);
        if nested > self.nested_dropped {
            let count = nested - self.nested_dropped;
            self.nested_dropped = nested;
            tracing::warn!(target: "logfusion", count, "events that subscribers logged were dropped");
        }
        let stats = self.output.as_deref().map(Output::stats).unwrap_or_default();
        if stats.lost_records > self.lost_records {
            let count = stats.lost_records - self.lost_records;
            self.lost_records = stats.lost_records;
            let error = stats.last_error.map(|error| error.to_string()).unwrap_or_default();
            tracing::warn!(target: "logfusion", count, error, "records could not be written");
        }
    }
}

/// Says which threads lost records since the last report.
fn report_drops(lanes: &mut [Lane]) {
    for lane in lanes {
        if let Some([error, warn, info, debugs, trace]) = lane.new_drops() {
            let thread = lane.take_thread();
            let (name, id) = (&*thread.info.name, thread.info.id);
            tracing::warn!(
                target: "logfusion", thread = name, thread_id = id, error, warn, info, debug = debugs, trace,
                "records were dropped"
            );
            lane.put_back(thread);
        }
    }
}

fn hand_over(output: Option<&Output>, lines: &mut Lines) {
    if let Some(output) = output {
        lines.hand_over(output);
    }
}

fn write(output: Option<&Output>, lines: &mut Lines) {
    hand_over(output, lines);
    if let Some(output) = output {
        // Counted by the output, and reported by the chores.
        _ = output.write();
    }
}

/// Delivers records of one thread.
struct Delivery<'d> {
    events: &'d mut Events,
    lines: &'d mut Lines,
    /// Our own output, if it is the subscriber.
    own: Option<&'d Output>,
    dispatch: Option<&'d Dispatch>,
    engine: &'d Engine,
    thread: &'d lane::LaneThread,
    /// Whether anybody asks for backtraces.
    backtraces: bool,
}

impl Delivery<'_> {
    /// Delivers the record that `lane` has peeked, or the next message of a batch, which is put into `message`. Returns what
    /// became of it, and how many bytes of the ring are done with.
    #[inline]
    fn of_peeked(mut self, lane: &mut Lane, time_ns: u64, len: usize, message: &mut Vec<u8>) -> (Outcome, usize) {
        let to_callbacks = !lane.slot().is_drains_own();
        if self.events.has_many_sites() && !lane.is_within_batch() {
            self.prefetch_behind(lane, len);
        }
        let Peeked { bytes, scope, backtrace, batch } = lane.peeked(len);
        let (bytes, done) = if kind(bytes) == BATCH {
            match batch.take(bytes, message) {
                Some(is_last) => (&**message, if is_last { len } else { 0 }),
                None => return (Outcome::Failed, len),
            }
        } else {
            (bytes, len)
        };
        let outcome = if !self.backtraces && scope.is_plain() && !is_envelope(kind(bytes)) {
            self.give(bytes, time_ns, to_callbacks, false).0
        } else {
            self.give_in(scope, backtrace, bytes, time_ns, to_callbacks)
        };
        (outcome, done)
    }

    /// Asks for what the records behind the peeked one need, which has `len` bytes.
    #[inline(never)]
    fn prefetch_behind(&self, lane: &Lane, len: usize) {
        self.events.prefetch(lane.kinds_ahead(len));
    }

    /// Delivers a record inside of what is around it, after the backtrace that it calls for.
    fn give_in(
        &mut self,
        scope: &mut Scope,
        backtrace: &mut Backtrace,
        bytes: &[u8],
        time_ns: u64,
        to_callbacks: bool,
    ) -> Outcome {
        delivery::enter(&self.thread.info, time_ns);
        if is_envelope(kind(bytes)) {
            return self.replay(scope, bytes, time_ns);
        }
        if self.backtraces
            && let Some(request) = self.events.answered_by(bytes)
        {
            // What was kept was logged in other spans than those of now.
            scope.leave();
            self.of_kept(backtrace.take(&request));
            delivery::enter(&self.thread.info, time_ns);
            scope.enter(self.events, self.dispatch);
        }
        scope.settle(self.events, self.dispatch);
        if !scope.is_plain() {
            self.hand_over();
            self.own = None;
        }
        let (outcome, keep) = self.give(bytes, time_ns, to_callbacks, false);
        if let Some(request) = keep {
            backtrace.keep(&request, time_ns, bytes);
        }
        outcome
    }

    /// Does what an envelope says.
    #[cold]
    fn replay(&mut self, scope: &mut Scope, bytes: &[u8], time_ns: u64) -> Outcome {
        self.hand_over();
        let Self { events, dispatch, .. } = self;
        let outcome = scope.replay(events, *dispatch, bytes, time_ns).unwrap_or(Outcome::Failed);
        if let Some(dispatch) = dispatch {
            _ = catch_unwind(AssertUnwindSafe(|| dispatch::give_nested(dispatch)));
        }
        outcome
    }

    /// Lines that were put together go before what the subscriber writes now.
    fn hand_over(&mut self) {
        if let Some(own) = self.own {
            self.lines.hand_over(own);
        }
    }

    /// Delivers records that were kept. The ledger has counted them.
    fn of_kept(&mut self, kept: VecDeque<Kept>) {
        for Kept { time_ns, bytes } in kept {
            self.give(&bytes, time_ns, false, true);
        }
    }

    #[inline]
    fn give(
        &mut self,
        bytes: &[u8],
        time_ns: u64,
        to_callbacks: bool,
        is_kept: bool,
    ) -> (Outcome, Option<Arc<Request>>) {
        let Self { events, lines, own, dispatch, engine, thread, .. } = self;
        let (thread, thread_name) = (&thread.info, &*thread.c_name);
        let record = Delivered { bytes, time_ns, thread, thread_name, to_callbacks, is_kept };
        let short = own.map(|output| ShortWay { lines, output });
        match catch_unwind(AssertUnwindSafe(|| events.deliver(*dispatch, &record, short))) {
            Ok(Err(_)) => (Outcome::Failed, None),
            Ok(Ok(report)) => {
                if report.bad_utf8 {
                    engine.totals.bad_utf8.fetch_add(1, Ordering::Relaxed);
                }
                if report.callbacks_failed > 0 {
                    engine.totals.callbacks_failed.fetch_add(report.callbacks_failed, Ordering::Relaxed);
                }
                (report.outcome, report.keep)
            }
            Err(_) => {
                if let Some(dispatch) = dispatch {
                    _ = catch_unwind(AssertUnwindSafe(|| dispatch::clear_filter_state(dispatch)));
                }
                (Outcome::Failed, None)
            }
        }
    }
}
