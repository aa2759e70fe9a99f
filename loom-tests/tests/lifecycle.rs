//! The whole lifecycle at once: threads that log, flush and end, a drain that sleeps, stops in between, late pushes that start
//! the engine again, and a callback that is unregistered. Too large for loom, so
//! [shuttle](https://docs.rs/shuttle) runs it in random interleavings (ci/shuttle): 100,000 under `make soak`.
//!
//! The protocols are the library's own; what holds them together is `src/lifecycle.rs` and `src/drain/mod.rs`, written out
//! here in short. Stand-ins: mutexed lists for the queue of new rings, an atomic flag for the robust mutex that tells the end of a
//! thread.
#![cfg(logfusion_shuttle)]

use logfusion::pace::Sleeper;
use logfusion::quiescence::Quiescence;
use logfusion::ring::{Consumer, Producer, Ring};
use logfusion::run_state::{RUNNING, RunState, STOPPED, look_again, start_late};
use logfusion::sync::{AtomicU32, AtomicU64, Mistake, Ordering, seed};
use logfusion::tickets::Tickets;
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread::{self, JoinHandle, Thread};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

const LEN: usize = 16;
const INFO: u32 = 3;
const CALLERS: usize = 2;
const RECORDS: u64 = 6;

/// A thread's ring.
struct Slot {
    ring: Ring,
    caller: usize,
    accepted: AtomicU64,
    delivered: AtomicU64,
    gone: AtomicU32,
}

struct SlotRing(Arc<Slot>);

impl std::ops::Deref for SlotRing {
    type Target = Ring;

    fn deref(&self) -> &Ring {
        &self.0.ring
    }
}

#[derive(Default)]
struct Drain {
    lanes: Vec<Consumer<SlotRing>>,
    /// What came from each caller.
    delivered: [Vec<u64>; CALLERS],
    retired: usize,
}

struct Engine {
    state: RunState,
    stopping: AtomicU32,
    sleeper: Sleeper,
    thread: Mutex<Option<Thread>>,
    lifecycle: Mutex<Option<JoinHandle<()>>>,
    drain: Mutex<Drain>,
    new_slots: Mutex<Vec<Arc<Slot>>>,
    slots: Mutex<Vec<Arc<Slot>>>,
    tickets: Tickets,
    done: Mutex<u64>,
    changed: Condvar,
    callback: Quiescence,
    /// The callback's context has been freed.
    freed: AtomicU32,
}

impl Engine {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: RunState::running(),
            stopping: AtomicU32::new(0),
            sleeper: Sleeper::default(),
            thread: Mutex::new(None),
            lifecycle: Mutex::new(None),
            drain: Mutex::default(),
            new_slots: Mutex::default(),
            slots: Mutex::default(),
            tickets: Tickets::default(),
            done: Mutex::new(0),
            changed: Condvar::new(),
            callback: Quiescence::default(),
            freed: AtomicU32::new(0),
        })
    }

    fn wake(&self) {
        if self.sleeper.must_wake()
            && let Some(thread) = &*self.thread.lock().unwrap()
        {
            thread.unpark();
        }
    }

    fn pass(&self, drain: &mut Drain) {
        let ticket = self.tickets.latest();
        for slot in self.new_slots.lock().unwrap().drain(..) {
            // SAFETY: a slot is handed over once, and its lane is the only consumer.
            drain.lanes.push(unsafe { Consumer::new(SlotRing(slot)) });
        }
        for lane in &mut drain.lanes {
            lane.snapshot();
            while let Some(record) = lane.peek().expect("records alone are in the ring") {
                let tag = u64::from_le_bytes(record[8..].try_into().expect("8 bytes"));
                if self.callback.enter() {
                    assert_eq!(self.freed.load(Ordering::Relaxed), 0, "a callback runs after its end");
                    self.callback.leave();
                }
                lane.advance(LEN);
                let slot = &lane.ring().0;
                drain.delivered[slot.caller].push(tag);
                slot.delivered.fetch_add(1, Ordering::Release);
            }
            lane.release();
        }
        let gone = |lane: &Consumer<SlotRing>| lane.ring().0.gone.load(Ordering::Acquire) == 1;
        let before = drain.lanes.len();
        drain.lanes.retain(|lane| !lane.is_drained_for_good(|| gone(lane)));
        drain.retired += before - drain.lanes.len();
        let mut done = self.done.lock().unwrap();
        if ticket > *done {
            *done = ticket;
            self.changed.notify_all();
        }
    }

    fn run(&self) {
        *self.thread.lock().unwrap() = Some(thread::current());
        loop {
            if self.stopping.load(Ordering::Acquire) == 1 {
                let mut drain = self.drain.lock().unwrap();
                self.pass(&mut drain);
                self.pass(&mut drain);
                return;
            }
            self.pass(&mut self.drain.lock().unwrap());
            let reason = || {
                self.tickets.latest() > *self.done.lock().unwrap()
                    || self.stopping.load(Ordering::Relaxed) == 1
                    || !self.new_slots.lock().unwrap().is_empty()
            };
            self.sleeper.sleep(reason, thread::park);
        }
    }

    fn start(self: &Arc<Self>, lifecycle: &mut Option<JoinHandle<()>>) {
        self.stopping.store(0, Ordering::Relaxed);
        let engine = self.clone();
        *lifecycle = Some(thread::spawn(move || engine.run()));
        self.state.set(RUNNING);
    }

    fn start_automatically(self: &Arc<Self>) {
        if self.state.get() == STOPPED
            && let Ok(mut lifecycle) = self.lifecycle.try_lock()
            && self.state.get() == STOPPED
        {
            self.start(&mut lifecycle);
        }
    }

    fn stop(self: &Arc<Self>) {
        {
            let mut lifecycle = self.lifecycle.lock().unwrap();
            if self.state.get() != STOPPED {
                self.state.set(STOPPED);
                self.stopping.store(1, Ordering::Release);
                self.wake();
                if let Some(drain) = lifecycle.take() {
                    drain.join().expect("the drain ends");
                }
                *self.thread.lock().unwrap() = None;
                let _done = self.done.lock().unwrap();
                self.changed.notify_all();
            }
        }
        let queued = |slot: &Arc<Slot>| slot.accepted.load(Ordering::Relaxed) > slot.delivered.load(Ordering::Acquire);
        look_again(|| self.slots.lock().unwrap().iter().any(queued), || self.start_automatically());
    }

    fn push(self: &Arc<Self>, slot: &Slot, tag: u64) {
        // SAFETY: the slot's thread alone pushes.
        let producer = unsafe { Producer::new(slot.ring.words()) };
        let mut reservation = producer.reserve(LEN, INFO).expect("room");
        let (head, body) = reservation.bytes().split_at_mut(8);
        head.copy_from_slice(&(LEN as u64 | u64::from(INFO) << 32).to_le_bytes());
        body.copy_from_slice(&tag.to_le_bytes());
        slot.accepted.fetch_add(1, Ordering::Relaxed);
        if reservation.commit(1) {
            self.wake();
        }
        if self.state.is_late() {
            start_late(|| self.start_automatically());
        }
    }

    /// Whether everything before is delivered; `false`: the engine was stopped meanwhile.
    fn flush(&self) -> bool {
        let ticket = self.tickets.request();
        self.wake();
        let mut done = self.done.lock().unwrap();
        while *done < ticket {
            if self.state.get() != RUNNING {
                return false;
            }
            done = self.changed.wait(done).unwrap();
        }
        true
    }
}

fn caller(engine: &Arc<Engine>, number: usize) {
    let slot = Arc::new(Slot {
        ring: Ring::new(256).expect("heap memory"),
        caller: number,
        accepted: AtomicU64::new(0),
        delivered: AtomicU64::new(0),
        gone: AtomicU32::new(0),
    });
    engine.slots.lock().unwrap().push(slot.clone());
    engine.new_slots.lock().unwrap().push(slot.clone());
    engine.wake();
    for tag in 0..RECORDS {
        engine.push(&slot, tag);
        if tag == 1 + number as u64 && engine.flush() {
            assert!(engine.drain.lock().unwrap().delivered[number].len() > tag as usize, "flushed and not delivered");
        }
    }
    slot.gone.store(1, Ordering::Release);
}

fn lifecycle() {
    let engine = Engine::new();
    engine.start(&mut engine.lifecycle.lock().unwrap());
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| {
            let engine = engine.clone();
            thread::spawn(move || caller(&engine, number))
        })
        .collect();
    let stops = engine.clone();
    let stopper = thread::spawn(move || (0..2).for_each(|_| stops.stop()));
    let ends = engine.clone();
    let unregisters = thread::spawn(move || {
        ends.callback.close();
        while !ends.callback.is_quiet() {
            thread::yield_now();
        }
        ends.freed.store(1, Ordering::Relaxed);
    });
    callers.into_iter().for_each(|caller| caller.join().expect("the caller ends"));
    stopper.join().expect("the stopper ends");
    unregisters.join().expect("the callback ends");
    engine.stop();
    assert_eq!(engine.state.get(), STOPPED, "nothing is left to start the engine for");
    let mut drain = engine.drain.lock().unwrap();
    for delivered in &drain.delivered {
        assert_eq!(*delivered, (0..RECORDS).collect::<Vec<_>>(), "each record once, in order");
    }
    // Of a thread that ended after the last stop, the next pass finds it.
    engine.pass(&mut drain);
    assert_eq!((drain.lanes.len(), drain.retired), (0, CALLERS), "all rings of ended threads are let go");
}

/// `LOGFUSION_SCHEDULES` says how many.
fn schedules() -> usize {
    std::env::var("LOGFUSION_SCHEDULES").ok().and_then(|number| number.parse().ok()).unwrap_or(2000)
}

/// Some are rare: it ends with the first schedule that fails.
fn finds(mistake: Mistake) {
    const MOST: usize = 1_000_000;
    seed(Some(mistake));
    let found = catch_unwind(AssertUnwindSafe(|| shuttle::check_random(lifecycle, MOST)));
    seed(None);
    assert!(found.is_err(), "shuttle does not find the mistake {mistake:?}");
}

/// One test, since the seed is the process's.
#[test]
fn the_lifecycle_holds_and_mistakes_are_found() {
    shuttle::check_random(lifecycle, schedules());
    // The other strategy: few switches, at places that it learns.
    shuttle::check_pct(lifecycle, schedules() / 4, 3);
    for mistake in [
        Mistake::NoCheckAfterPush,
        Mistake::NoLookAfterStop,
        Mistake::SleepWithoutSecondLook,
        Mistake::EnterWithoutClosedCheck,
        Mistake::EmptyBeforeGone,
    ] {
        finds(mistake);
    }
    eprintln!("lifecycle: {} schedules, and 5 seeded mistakes found", schedules() + schedules() / 4);
}
