//! The record in delivery: what its event alone cannot say.
//!
//! A `tracing` event carries a level, a target and fields, but neither the time at which it was logged nor the thread
//! that logged it: a subscriber reads its own clock and its own thread instead. A record of a ring is delivered on the
//! drain thread some time later, so both would be wrong. While the drain delivers a record, any layer may ask here.
//!
//! ```
//! // In a layer's `on_event`:
//! let time_ns = logfusion::delivery::with_current(|delivery| delivery.time_ns());
//! assert_eq!(time_ns, None, "no record is in delivery on this thread");
//! ```

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::Arc;

/// The thread that logged a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadInfo {
    /// The operating system's id of the thread (`gettid` on Linux). Ids are reused after a thread has ended.
    pub id: u64,
    /// The name given by `logfusion_set_thread_name`, else the operating system's; may be empty.
    pub name: Box<str>,
}

/// The record that the drain is delivering on this thread.
#[derive(Debug, Clone)]
pub struct Delivery {
    time_ns: u64,
    thread: Arc<ThreadInfo>,
    span_duration_ns: Option<u64>,
    fields_in_message: u64,
}

impl Delivery {
    /// When the record was logged: nanoseconds since the Unix epoch, by the caller's clock.
    pub fn time_ns(&self) -> u64 {
        self.time_ns
    }

    /// The thread that logged the record.
    pub fn thread(&self) -> &Arc<ThreadInfo> {
        &self.thread
    }

    /// The fields of the event whose values its message contains, since it was made from a template: bit *n* for the field at
    /// index *n*. Text for people need not show them again.
    pub fn fields_in_message(&self) -> u64 {
        self.fields_in_message
    }

    /// In a layer's `on_close` of a span that C has entered: how long it was in that span, in nanoseconds by its own
    /// clock. The drain opens and closes such spans later, so a subscriber's own clock would be wrong. `None`: no such span
    /// is being closed, or it was not left by its own exit.
    pub fn span_duration_ns(&self) -> Option<u64> {
        self.span_duration_ns
    }
}

thread_local! {
    /// Without a destructor: a thread may deliver (in manual mode, or at the exit of the process) after its destructors ran.
    static CURRENT: RefCell<ManuallyDrop<Option<Delivery>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Calls `f` with the record that is being delivered on this thread; `None` where there is none, as for an event that a
/// Rust thread dispatches itself.
pub fn with_current<R>(f: impl FnOnce(&Delivery) -> R) -> Option<R> {
    CURRENT.with(|current| current.try_borrow().ok()?.as_ref().map(f))
}

/// Shows a record of this thread and time as the current one, before foreign code may ask.
pub(crate) fn enter(thread: &Arc<ThreadInfo>, time_ns: u64) {
    CURRENT.with_borrow_mut(|current| match &mut **current {
        Some(delivery) if Arc::ptr_eq(&delivery.thread, thread) => delivery.time_ns = time_ns,
        current => {
            let thread = thread.clone();
            *current = Some(Delivery { time_ns, thread, span_duration_ns: None, fields_in_message: 0 });
        }
    });
}

/// Sets how long the span lasted that is about to be closed.
pub(crate) fn set_span_duration(duration_ns: Option<u64>) {
    CURRENT.with_borrow_mut(|current| {
        if let Some(delivery) = &mut **current {
            delivery.span_duration_ns = duration_ns;
        }
    });
}

/// Sets which fields of the event about to be given are in its message.
#[inline]
pub(crate) fn set_fields_in_message(fields: u64) {
    CURRENT.with_borrow_mut(|current| {
        if let Some(delivery) = &mut **current {
            delivery.fields_in_message = fields;
        }
    });
}

/// Ends what [`enter`] began: the next record is another thread's.
pub(crate) fn leave() {
    CURRENT.with_borrow_mut(|current| **current = None);
}
