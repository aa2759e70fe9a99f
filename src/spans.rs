//! Spans and context, on the calling thread.
//!
//! A thread says in its ring when it enters and leaves a span; the drain does the rest (`drain::scope`). Here is what
//! the thread itself has to know: how deep it is, and which spans are open, so that an exit can be told from one that comes
//! twice, out of order, or on another thread.
//!
//! **What is dropped.** A span whose entry finds no room is left without a record, too. The others' exits are pushed as
//! WARN records are: a flood of lesser ones does not keep them out, and there is at most one for each span that is open.

use crate::producers::{self, Dropped};
use crate::record::encode::{ENVELOPE, write_envelope};
use crate::record::layout::{ATTACH, EXIT};
use crate::ring::{Mark, Producer};
use crate::sync::{AtomicU64, Mutex, Ordering, lock, thread_local};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::num::NonZeroU64;

/// Deepest nesting of a thread's spans.
pub const MOST_SPANS: usize = 64;

/// The levels of entries of attached spans, and of exits.
const INFO: u32 = 3;
const WARN: u32 = 2;

/// A span that is open.
#[derive(Debug, Clone, Copy)]
struct Open {
    id: u32,
    /// The drain will hear of it.
    is_accepted: bool,
    name_length: u8,
    /// The beginning of its name; empty for one of Rust.
    name: [u8; MOST_NAME],
}

/// So much of a name is kept on the calling thread.
const MOST_NAME: usize = 58;

impl Open {
    const NONE: Self = Self { id: 0, is_accepted: false, name_length: 0, name: [0; MOST_NAME] };

    fn new(id: u32, name: &[u8], is_accepted: bool) -> Self {
        let mut open = Self { id, is_accepted, ..Self::NONE };
        let kept = &name[..name.len().min(MOST_NAME)];
        open.name[..kept.len()].copy_from_slice(kept);
        open.name_length = kept.len() as u8;
        open
    }

    fn name(&self) -> &[u8] {
        &self.name[..usize::from(self.name_length)]
    }
}

#[derive(Debug)]
struct Stack {
    depth: Cell<usize>,
    last_id: Cell<u32>,
    open: [Cell<Open>; MOST_SPANS],
}

thread_local! {
    static STACK: Stack = const {
        Stack {
            depth: Cell::new(0),
            last_id: Cell::new(0),
            open: [const { Cell::new(Open::NONE) }; MOST_SPANS],
        }
    };
}

/// An open span of this thread: its id and its depth, which begins at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(NonZeroU64);

impl Token {
    /// As a number that is not 0.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

/// The span is not open on this thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotOpen;

/// Why a span could not be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotEntered {
    /// [`MOST_SPANS`] are open.
    TooDeep,
}

/// Enters a span, by an envelope of this kind. `level`, `size` and `write` are those of what is inside.
pub fn enter(
    producer: Producer<'static>,
    kind: u32,
    level: u32,
    name: &[u8],
    size: usize,
    write: impl FnOnce(&mut [u8], u64),
) -> Result<Token, NotEntered> {
    STACK.with(|stack| {
        let depth = stack.depth.get();
        let place = stack.open.get(depth).ok_or(NotEntered::TooDeep)?;
        let id = stack.last_id.get().wrapping_add(1);
        stack.last_id.set(id);
        let pushed = producers::push(producer, level, ENVELOPE + size, |out, ticks| {
            write(write_envelope(out, kind, ticks, depth as u32, id), ticks);
        });
        place.set(Open::new(id, name, pushed.is_ok()));
        stack.depth.set(depth + 1);
        let token = u64::from(id) << 32 | (depth + 1) as u64;
        Ok(Token(NonZeroU64::new(token).expect("the depth is not 0")))
    })
}

/// Leaves a span, and all that were entered inside of it.
pub fn exit(token: u64, mark: Mark) -> Result<(), NotOpen> {
    STACK.with(|stack| {
        let (depth, id) = (token as u32 as usize, (token >> 32) as u32);
        let place = depth.checked_sub(1).filter(|_| depth <= stack.depth.get()).ok_or(NotOpen)?;
        if stack.open[place].get().id != id {
            return Err(NotOpen);
        }
        let is_known = stack.open[place..stack.depth.get()].iter().any(|open| open.get().is_accepted);
        stack.depth.set(place);
        if is_known {
            let producer = producers::current(mark);
            // Where even this is dropped, the thread's next entry tells the drain as much.
            _ = producers::push(producer, WARN, ENVELOPE, |out, ticks| {
                write_envelope(out, EXIT, ticks, place as u32, id);
            });
        }
        Ok(())
    })
}

/// Pushes a change of the thread's context, an envelope of this kind around a record.
pub fn change_context(
    producer: Producer<'static>,
    kind: u32,
    size: usize,
    write: impl FnOnce(&mut [u8], u64),
) -> Result<(), Dropped> {
    producers::push(producer, INFO, ENVELOPE + size, |out, ticks| {
        write(write_envelope(out, kind, ticks, 0, 0), ticks);
    })
}

/// The name of the innermost span that C has entered on this thread, if there is one: its beginning, if it is long.
#[inline]
pub fn innermost_name() -> Option<String> {
    STACK.with(|stack| match stack.depth.get() {
        0 => None,
        depth => {
            let open = stack.open[..depth].iter().rev().map(Cell::get).find(|open| !open.name().is_empty())?;
            Some(String::from_utf8_lossy(open.name()).into_owned())
        }
    })
}

/// The field of a Rust span that names the span of C around it.
pub const C_SPAN: &str = "c_span";

/// Records the span of C that the thread is in, if any: Rust's spans cannot have it as their parent, since it is opened
/// later, by the drain.
#[inline]
pub fn note_c_span(span: &tracing::Span) {
    if let Some(name) = innermost_name() {
        span.record(C_SPAN, name);
    }
}

/// Spans on their way to the drain, beside their records.
static ATTACHED: Mutex<BTreeMap<u64, tracing::Span>> = Mutex::new(BTreeMap::new());
static LAST_ATTACHED: AtomicU64 = AtomicU64::new(0);

/// Makes a Rust span the parent of what this thread logs through its ring, until it is left.
pub fn attach(span: tracing::Span) -> Result<Token, NotEntered> {
    let number = LAST_ATTACHED.fetch_add(1, Ordering::Relaxed) + 1;
    lock(&ATTACHED).insert(number, span);
    let token = enter(producers::current(Mark::here()), ATTACH, INFO, b"", 8, |out, _| {
        out.copy_from_slice(&number.to_le_bytes())
    });
    let is_accepted = STACK.with(|stack| {
        let innermost = stack.depth.get().checked_sub(1).map(|place| stack.open[place].get());
        token.is_ok() && innermost.is_some_and(|open| open.is_accepted)
    });
    if !is_accepted {
        _ = take_attached(number);
    }
    token
}

/// Takes the span that was handed over under this number.
pub fn take_attached(number: u64) -> Option<tracing::Span> {
    lock(&ATTACHED).remove(&number)
}

/// A Rust span that is the parent of the records of this thread's ring, until this is dropped: see [`attach_span`].
#[derive(Debug)]
#[must_use = "the span is left when this is dropped"]
pub struct AttachedSpan {
    token: Option<Token>,
    on_this_thread: PhantomData<*const ()>,
}

impl Drop for AttachedSpan {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            // Left already, if one around it was.
            _ = exit(token.get(), Mark::here());
        }
    }
}

/// Makes a span the parent of what C code on this thread logs, and of [`ffi_info!`](crate::ffi_info) and its like.
///
/// Records of a ring are delivered by the drain, which knows nothing of the spans that Rust code has entered. Between this
/// call and the drop of the guard it enters `span` around them. The span is kept open until the drain has delivered
/// them. Spans that C enters meanwhile are inside of it.
///
/// ```
/// # unsafe extern "C" fn decode_frame() {}
/// let span = logfusion::info_span!("decode", frame = 7);
/// let attached = logfusion::attach_span(&span);
/// // What `decode_frame` logs in C is inside `decode`.
/// unsafe { decode_frame() };
/// drop(attached);
/// ```
///
/// Where a thread is in 64 such spans and spans of C, the guard does nothing.
pub fn attach_span(span: &tracing::Span) -> AttachedSpan {
    AttachedSpan { token: attach(span.clone()).ok(), on_this_thread: PhantomData }
}
