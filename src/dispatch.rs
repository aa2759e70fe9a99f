//! The wrapper dispatcher: where events go, and what keeps a subscriber from harming the drain.
//!
//! While it delivers, the drain has one subscriber as its scoped default, [`Wrapper`], which forwards to the current one:
//! the engine's own output, or the host's global subscriber as soon as there is one. It is there for three reasons, each
//! of them reproduced:
//!
//! 1. *Interest.* With a single dispatcher, tracing-core computes a callsite's interest from the CURRENT thread's default
//!    (tracing#3611): a callsite that a thread without one registers is switched off for all. With the wrapper there are
//!    two dispatchers, and all of them are asked.
//! 2. *Recursion.* A layer that logs from `on_event` calls itself without end where the default is global, and its event
//!    vanishes where it is scoped. The drain calls the current subscriber directly, so such an event arrives here, is
//!    queued as owned values and delivered after the record that caused it. What is logged during *that* delivery is
//!    dropped and counted, or a layer that always logs would never end.
//! 3. *Replacement.* The wrapper, not the output, becomes the global default when the program asks for it, so a restart
//!    with another output needs no second global default.
//!
//! It also is how the engine notices that a host computes tracing's caches anew: see [`rebuild_interest`].

use crate::sync::{AtomicU64, Ordering, fence};
use arc_swap::ArcSwapOption;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::{Arc, LazyLock};
use tracing_core::dispatcher::{self, Dispatch};
use tracing_core::field::{Field, Value, Visit};
use tracing_core::span::{Attributes, Current, Id, Record};
use tracing_core::subscriber::{Interest, NoSubscriber, Subscriber};
use tracing_core::{Event, LevelFilter, Metadata};

/// Where events go at the moment; none: nowhere.
static CURRENT: ArcSwapOption<Dispatch> = ArcSwapOption::const_empty();

/// Forwards everything to the current subscriber.
#[derive(Debug)]
pub struct Wrapper(());

/// The one wrapper. Made when the engine first starts.
pub static WRAPPER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Wrapper(())));

/// The least severe level that our own output takes, while it is the current subscriber.
static OWN_MAX_LEVEL: ArcSwapOption<LevelFilter> = ArcSwapOption::const_empty();

/// How often somebody has begun to compute tracing's caches anew: each time all dispatchers are asked for their maximum level
/// first, the wrapper among them.
static REBUILDS: AtomicU64 = AtomicU64::new(0);

/// How often the engine computes them at most, if a host does each time.
const MOST_REBUILDS: u32 = 4;

/// Changes whenever somebody begins to compute tracing's caches anew.
pub fn rebuilds() -> u64 {
    // Acquire: a filter that was changed before is seen after.
    REBUILDS.load(Ordering::Acquire)
}

/// Computes tracing's caches anew, and does not undo what a host that changes its filter meanwhile makes of them.
///
/// tracing-core asks the subscribers and stores what they said later, so whoever began first may store last, and what it stores
/// is old: a level switched on would stay silent until the next time. A host that changes its filter computes the caches
/// after that, so one that began before ours has ended is a reason to begin anew; one that begins later also stores later.
pub fn rebuild_interest() {
    LazyLock::force(&WRAPPER);
    for _ in 0..MOST_REBUILDS {
        let begun = rebuilds();
        tracing_core::callsite::rebuild_interest_cache();
        // What was stored comes before the look at who has begun.
        fence(Ordering::SeqCst);
        // Where our output is none, the wrapper may not be asked at all.
        if rebuilds() <= begun + 1 {
            break;
        }
    }
}

/// Replaces the current subscriber: the engine's own output with its level, or the host's. The caller rebuilds tracing's
/// interest cache.
pub fn set_current(dispatch: Dispatch, own_max_level: Option<LevelFilter>) {
    CURRENT.store(Some(Arc::new(dispatch)));
    OWN_MAX_LEVEL.store(own_max_level.map(Arc::new));
}

/// Our own output, while it is the current subscriber.
pub fn own() -> Option<Dispatch> {
    OWN_MAX_LEVEL.load().as_ref()?;
    CURRENT.load().as_deref().cloned()
}

/// The global (or, on a thread that has one, scoped) default, if it is somebody else's. Called outside the drain's scope.
pub fn host_default() -> Option<Dispatch> {
    dispatcher::get_default(|dispatch| {
        let ours = dispatch.is::<NoSubscriber>() || dispatch.is::<Wrapper>() || crate::output::is_own(dispatch);
        (!ours).then(|| dispatch.clone())
    })
}

fn with_current<R>(f: impl FnOnce(&Dispatch) -> R) -> Option<R> {
    CURRENT.load().as_deref().map(f)
}

impl Subscriber for Wrapper {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        with_current(|current| current.register_callsite(metadata)).unwrap_or_else(Interest::never)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Nested: asking the subscriber without giving it the event would poison per-layer filters. It is asked later.
        DELIVERING.get() || with_current(|current| current.enabled(metadata)).unwrap_or(false)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        REBUILDS.fetch_add(1, Ordering::SeqCst);
        // A host's subscriber speaks for itself: it is one of tracing's dispatchers, and the most verbose one counts.
        Some(OWN_MAX_LEVEL.load().as_deref().copied().unwrap_or(LevelFilter::OFF))
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        with_current(|current| current.new_span(span)).unwrap_or_else(|| Id::from_u64(u64::MAX))
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        with_current(|current| current.record(span, values));
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        with_current(|current| current.record_follows_from(span, follows));
    }

    fn event(&self, event: &Event<'_>) {
        if DELIVERING.get() {
            queue_nested(event);
        } else {
            with_current(|current| current.event(event));
        }
    }

    fn enter(&self, span: &Id) {
        with_current(|current| current.enter(span));
    }

    fn exit(&self, span: &Id) {
        with_current(|current| current.exit(span));
    }

    fn clone_span(&self, id: &Id) -> Id {
        with_current(|current| current.clone_span(id)).unwrap_or_else(|| id.clone())
    }

    fn try_close(&self, id: Id) -> bool {
        with_current(|current| current.try_close(id)).unwrap_or(false)
    }

    fn current_span(&self) -> Current {
        with_current(Dispatch::current_span).unwrap_or_else(Current::none)
    }
}

thread_local! {
    /// An event of ours is inside the current subscriber.
    static DELIVERING: Cell<bool> = const { Cell::new(false) };
    /// It is one that a subscriber logged.
    static NESTED: Cell<bool> = const { Cell::new(false) };
    /// Without a destructor: a thread may deliver after its destructors ran.
    static QUEUE: RefCell<ManuallyDrop<Vec<OwnedEvent>>> = const { RefCell::new(ManuallyDrop::new(Vec::new())) };
    static QUEUED: Cell<bool> = const { Cell::new(false) };
}

/// Most nested events that one record may cause.
const MOST_NESTED: usize = 64;

/// Nested events that were dropped.
pub static NESTED_DROPPED: AtomicU64 = AtomicU64::new(0);

/// Calls `f`, which calls a subscriber: what the subscriber logs meanwhile is queued.
#[inline]
pub fn with_subscriber<R>(f: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            DELIVERING.set(false);
        }
    }
    DELIVERING.set(true);
    let _leave = Leave;
    f()
}

/// Gives an event to a subscriber as the tracing macros do: `enabled` where the callsite's interest says so, and the event
/// only after it said yes. Returns whether it was given.
#[inline]
pub fn give(dispatch: &Dispatch, ask: bool, event: &Event<'_>) -> bool {
    with_subscriber(|| {
        if ask && !dispatch.enabled(event.metadata()) {
            return false;
        }
        dispatch.event(event);
        true
    })
}

/// Delivers what subscribers logged while they were given an event.
#[inline]
pub fn give_nested(dispatch: &Dispatch) {
    if QUEUED.get() {
        give_queue(dispatch);
    }
}

#[cold]
fn give_queue(dispatch: &Dispatch) {
    QUEUED.set(false);
    let queue = QUEUE.with_borrow_mut(|queue| std::mem::take(&mut **queue));
    NESTED.set(true);
    for event in &queue {
        event.with(|event| give(dispatch, true, event));
    }
    NESTED.set(false);
}

#[cold]
fn queue_nested(event: &Event<'_>) {
    QUEUE.with_borrow_mut(|queue| {
        if NESTED.get() || queue.len() >= MOST_NESTED {
            NESTED_DROPPED.fetch_add(1, Ordering::Relaxed);
        } else {
            queue.push(OwnedEvent::new(event));
            QUEUED.set(true);
        }
    });
}

/// After a subscriber panicked: per-layer filters may still hold their verdicts on the lost event, and would apply them to
/// the next one. Another event, asked about and given, replaces them. It does not go through the macros: where nobody wants
/// its level, they would not even ask.
pub fn clear_filter_state(dispatch: &Dispatch) {
    NESTED.set(false);
    let metadata = &PROBE_METADATA;
    let message = Some(&"a subscriber panicked" as &dyn Value);
    give(dispatch, true, &Event::new(metadata, &metadata.fields().value_set_all(&[message])));
}

/// The callsite of the event after a panic. It is not registered: nobody may answer for it once and for all.
struct Probe;

static PROBE: Probe = Probe;

static PROBE_METADATA: Metadata<'static> = tracing_core::metadata! {
    name: "probe",
    target: "logfusion::probe",
    level: tracing_core::Level::TRACE,
    fields: &["message"],
    callsite: &PROBE,
    kind: tracing_core::metadata::Kind::EVENT,
};

impl tracing_core::Callsite for Probe {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        &PROBE_METADATA
    }
}

/// An event that outlives its call.
struct OwnedEvent {
    metadata: &'static Metadata<'static>,
    values: Vec<(usize, OwnedValue)>,
}

enum OwnedValue {
    I64(i64),
    U64(u64),
    F64(f64),
    Bool(bool),
    Str(String),
    Debug(tracing_core::field::DisplayValue<String>),
}

impl OwnedValue {
    fn as_value(&self) -> &dyn Value {
        match self {
            Self::I64(value) => value,
            Self::U64(value) => value,
            Self::F64(value) => value,
            Self::Bool(value) => value,
            Self::Str(value) => value,
            Self::Debug(value) => value,
        }
    }
}

impl OwnedEvent {
    fn new(event: &Event<'_>) -> Self {
        struct Collect(Vec<(usize, OwnedValue)>);
        impl Visit for Collect {
            fn record_i64(&mut self, field: &Field, value: i64) {
                self.0.push((field.index(), OwnedValue::I64(value)));
            }
            fn record_u64(&mut self, field: &Field, value: u64) {
                self.0.push((field.index(), OwnedValue::U64(value)));
            }
            fn record_f64(&mut self, field: &Field, value: f64) {
                self.0.push((field.index(), OwnedValue::F64(value)));
            }
            fn record_bool(&mut self, field: &Field, value: bool) {
                self.0.push((field.index(), OwnedValue::Bool(value)));
            }
            fn record_str(&mut self, field: &Field, value: &str) {
                self.0.push((field.index(), OwnedValue::Str(value.to_owned())));
            }
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                let shown = tracing_core::field::display(format!("{value:?}"));
                self.0.push((field.index(), OwnedValue::Debug(shown)));
            }
        }
        let mut collect = Collect(Vec::new());
        event.record(&mut collect);
        Self { metadata: event.metadata(), values: collect.0 }
    }

    fn with(&self, f: impl FnOnce(&Event<'_>) -> bool) {
        let fields = self.metadata.fields();
        let mut values: Vec<Option<&dyn Value>> = vec![None; fields.len()];
        for (index, value) in &self.values {
            if let Some(place) = values.get_mut(*index) {
                *place = Some(value.as_value());
            }
        }
        f(&Event::new(self.metadata, &fields.value_set_all(&values)));
    }
}
