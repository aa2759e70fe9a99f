//! What is around a thread's records: its spans and its context, replayed for the subscriber.
//!
//! The envelopes of a thread's ring say when it enters and leaves a span, and what its context becomes. The drain keeps a
//! stack of them for each thread, opens each span with the subscriber when its record comes, and is inside of all of them
//! while it delivers that thread's records. So events are in spans for every subscriber as if the thread had dispatched them
//! itself, entered and left more often.
//!
//! **What is lost is made up for.** Each envelope carries the depth at which its thread was. Who enters at depth `d` has left
//! everything from there on, whether the exits came or not; an exit at depth `d` ends all that is deeper, and one of a span
//! whose entry never came finds nothing of its id. A thread that ends leaves all its spans.
//!
//! **Context.** It is a span as well, `context`, with the keys as fields. A span's fields and its parent are settled when it is
//! opened, so a changed context is a new span: inside of the innermost span that the thread is in, or in the place of the
//! context that was changed, if nothing was entered since. It is opened with the next record that needs it.
//!
//! **Another subscriber.** Spans belong to the subscriber that opened them. When it is replaced they are closed there, and
//! opened anew with the next one, from their records.

use crate::delivery;
use crate::dispatch;
use crate::event::Events;
use crate::record::decode::{DecodeError, Envelope, RawValue, decode, envelope};
use crate::record::encode::{Dynamic, Field, Text, Value};
use crate::record::layout::{ATTACH, ENTER, EXIT, MAX_FIELDS, SET};
use crate::spans;
use crate::stats::Outcome;
use smallvec::SmallVec;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracing_core::dispatcher::{Dispatch, with_default};
use tracing_core::span::Id;

/// The target of spans that the engine makes.
pub const TARGET: &str = "logfusion";
/// The name of the spans that carry a context.
pub const CONTEXT: &str = "context";
/// Most keys of a context.
const MOST_KEYS: usize = MAX_FIELDS;

/// What is around the records of one thread.
#[derive(Debug, Default)]
pub struct Scope {
    /// From the outermost.
    entries: Vec<Entry>,
    context: Vec<Pair>,
    /// Counts the changes of the context.
    changes: u64,
    /// The drain is inside of the entries.
    is_entered: bool,
    has_too_many: bool,
}

/// A key of a context and its value.
type Pair = (Box<[u8]>, Box<[u8]>);

#[derive(Debug)]
struct Entry {
    /// How many spans its thread was in, this one included.
    depth: u32,
    id: u32,
    /// When it was entered.
    began_ns: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    /// A span that is opened from this record.
    Span(Vec<u8>, Option<Live>),
    /// The same for the context, as it was after so many changes.
    Context(u64, Vec<u8>, Option<Live>),
    /// One that Rust has opened.
    Rust(tracing::Span),
}

/// A span that is open.
#[derive(Debug)]
struct Live {
    dispatch: Dispatch,
    id: Id,
}

impl Entry {
    fn is_context(&self) -> bool {
        matches!(self.what, What::Context(..))
    }

    /// Enters the span; opens it, if it has yet to be. Returns whether the subscriber wants it.
    fn enter(&mut self, events: &mut Events, dispatch: Option<&Dispatch>) -> Result<bool, Fault> {
        match &mut self.what {
            What::Rust(span) => {
                calling(|| span.with_subscriber(|(id, dispatch)| dispatch.enter(id)));
                Ok(true)
            }
            What::Span(record, live) | What::Context(_, record, live) => {
                if let (None, Some(dispatch)) = (&live, dispatch) {
                    let opened = catch_unwind(AssertUnwindSafe(|| events.open_span(dispatch, record)));
                    let Ok(id) = opened else {
                        _ = catch_unwind(AssertUnwindSafe(|| dispatch::clear_filter_state(dispatch)));
                        return Err(Fault::Panic);
                    };
                    let id = id?;
                    *live = id.map(|id| Live { dispatch: dispatch.clone(), id });
                }
                if let Some(Live { dispatch, id }) = live {
                    calling(|| dispatch.enter(id));
                }
                Ok(live.is_some())
            }
        }
    }

    fn leave(&self) {
        match &self.what {
            What::Rust(span) => {
                calling(|| span.with_subscriber(|(id, dispatch)| dispatch.exit(id)));
            }
            What::Span(_, live) | What::Context(_, _, live) => {
                if let Some(Live { dispatch, id }) = live {
                    calling(|| dispatch.exit(id));
                }
            }
        }
    }

    /// Gives the span back to the subscriber that opened it: as that thread's default, since a registry gives the span's
    /// parent back through it. Returns whether there was one.
    fn close(&mut self) -> bool {
        match &mut self.what {
            What::Rust(span) => {
                let span = std::mem::replace(span, tracing::Span::none());
                let dispatch = span.with_subscriber(|(_, dispatch)| dispatch.clone());
                calling(|| with_default(&dispatch.unwrap_or_else(Dispatch::none), || drop(span)));
                true
            }
            What::Span(_, live) | What::Context(_, _, live) => {
                let Some(Live { dispatch, id }) = live.take() else { return false };
                calling(|| with_default(&dispatch, || dispatch.try_close(id)));
                true
            }
        }
    }
}

/// Why an envelope could not be replayed.
#[derive(Debug)]
pub enum Fault {
    /// Its bytes are wrong.
    Decode,
    /// The subscriber panicked.
    Panic,
}

impl From<DecodeError> for Fault {
    fn from(_: DecodeError) -> Self {
        Self::Decode
    }
}

/// Calls `f`, which calls a subscriber. A panic ends here: whose fault it was is not known, and the span is as good as
/// entered, left or closed.
fn calling<R>(f: impl FnOnce() -> R) {
    _ = catch_unwind(AssertUnwindSafe(|| dispatch::with_subscriber(f)));
}

impl Scope {
    /// Whether there is nothing around the records.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.entries.is_empty() && self.context.is_empty()
    }

    /// Enters everything, before a run of records.
    #[inline]
    pub fn enter(&mut self, events: &mut Events, dispatch: Option<&Dispatch>) {
        if !self.entries.is_empty() {
            self.enter_all(events, dispatch);
        }
    }

    #[cold]
    fn enter_all(&mut self, events: &mut Events, dispatch: Option<&Dispatch>) {
        for entry in &mut self.entries {
            // Its record was read before.
            _ = entry.enter(events, dispatch);
        }
        self.is_entered = true;
    }

    /// Leaves everything, after a run.
    #[inline]
    pub fn leave(&mut self) {
        if self.is_entered {
            self.entries.iter().rev().for_each(Entry::leave);
            self.is_entered = false;
        }
    }

    /// Closes the spans: their subscriber is about to be replaced. The next one gets them when they are entered.
    pub fn close(&mut self) {
        self.leave();
        self.entries.iter_mut().rev().for_each(|entry| _ = entry.close());
    }

    /// The thread has ended.
    pub fn end(&mut self) {
        self.close();
        self.entries.clear();
    }

    /// Before an event: the context that it belongs to is the innermost one.
    #[inline]
    pub fn settle(&mut self, events: &mut Events, dispatch: Option<&Dispatch>) {
        if !self.is_plain() {
            self.settle_context(events, dispatch);
        }
    }

    fn settle_context(&mut self, events: &mut Events, dispatch: Option<&Dispatch>) {
        let changes = self.changes;
        let innermost = |entries: &[Entry]| {
            let found = entries.iter().enumerate().rev().find(|(_, entry)| entry.is_context());
            found.map(|(index, entry)| (index, matches!(entry.what, What::Context(known, ..) if known == changes)))
        };
        loop {
            match innermost(&self.entries) {
                Some((_, true)) => return,
                None if self.context.is_empty() => return,
                // Nothing was entered since: the new one takes its place.
                Some((index, false)) if index + 1 == self.entries.len() => _ = self.pop(None),
                _ => break,
            }
        }
        let mut fields: SmallVec<[Field<'_>; 8]> = SmallVec::new();
        for (key, value) in &self.context {
            fields.push(Field { name: key, value: Value::Text(Text::new(value)) });
        }
        let (target, name) = (TARGET.as_bytes(), Text::new(CONTEXT.as_bytes()));
        // As severe as can be: where any record is wanted, so is its context.
        let record = Dynamic::measure(1, target, name, &mut fields, u32::MAX as usize);
        let mut bytes = vec![0; record.size()];
        record.write(&mut bytes, 0);
        drop(fields);
        let depth = self.entries.last().map_or(0, |entry| entry.depth);
        let entry = Entry { depth, id: 0, began_ns: 0, what: What::Context(changes, bytes, None) };
        _ = self.push(events, dispatch, entry);
    }

    /// Does what an envelope says.
    pub fn replay(
        &mut self,
        events: &mut Events,
        dispatch: Option<&Dispatch>,
        bytes: &[u8],
        time_ns: u64,
    ) -> Result<Outcome, Fault> {
        let given = envelope(bytes)?;
        let Envelope { kind, depth, id, .. } = given;
        let is_wanted = match kind {
            ENTER | ATTACH => {
                let what = if kind == ENTER {
                    What::Span(given.record()?.to_vec(), None)
                } else {
                    // Handed over once; a record that says so again is none of ours.
                    let number = given.number()?;
                    What::Rust(spans::take_attached(number).ok_or(DecodeError::Kind(kind))?)
                };
                self.pop_to(depth, None);
                self.settle(events, dispatch);
                self.push(events, dispatch, Entry { depth: depth.saturating_add(1), id, began_ns: time_ns, what })?
            }
            EXIT => self.pop_to(depth, Some((id, time_ns))),
            SET => {
                for field in decode(given.record()?)?.fields.iter() {
                    if let RawValue::Text(value) = field.value {
                        self.set(field.name.bytes, value.bytes);
                    }
                }
                true
            }
            _ => {
                let key = decode(given.record()?)?.message.bytes;
                self.context.retain(|(known, _)| !key.is_empty() && **known != *key);
                self.changes += 1;
                true
            }
        };
        Ok(if is_wanted { Outcome::Delivered } else { Outcome::Filtered })
    }

    fn push(&mut self, events: &mut Events, dispatch: Option<&Dispatch>, mut entry: Entry) -> Result<bool, Fault> {
        if !self.is_entered {
            self.enter_all(events, dispatch);
        }
        let is_wanted = entry.enter(events, dispatch)?;
        self.entries.push(entry);
        Ok(is_wanted)
    }

    /// Leaves all spans deeper than `depth`. `ended`: the outermost of them, if it is the one of this id, has ended now.
    /// Returns whether a subscriber had it.
    fn pop_to(&mut self, depth: u32, ended: Option<(u32, u64)>) -> bool {
        let mut had = false;
        while self.entries.last().is_some_and(|entry| entry.depth > depth) {
            had = self.pop(ended);
        }
        had
    }

    fn pop(&mut self, ended: Option<(u32, u64)>) -> bool {
        let Some(mut entry) = self.entries.pop() else { return false };
        if self.is_entered {
            entry.leave();
        }
        let duration = ended.filter(|(id, _)| *id == entry.id && matches!(entry.what, What::Span(..)));
        delivery::set_span_duration(duration.map(|(_, now_ns)| now_ns.saturating_sub(entry.began_ns)));
        let had = entry.close();
        delivery::set_span_duration(None);
        had && !entry.is_context()
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        match self.context.iter().position(|(known, _)| **known == *key) {
            Some(index) if *self.context[index].1 == *value => return,
            Some(index) => self.context[index].1 = value.into(),
            None if self.context.len() < MOST_KEYS => self.context.push((key.into(), value.into())),
            None => {
                if !std::mem::replace(&mut self.has_too_many, true) {
                    let key = String::from_utf8_lossy(key);
                    tracing::warn!(
                        target: "logfusion", key = &*key,
                        "a thread's context has more than {MOST_KEYS} keys; further ones are left out"
                    );
                }
                return;
            }
        }
        self.changes += 1;
    }
}
