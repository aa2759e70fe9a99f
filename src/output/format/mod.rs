//! Formatting: an event becomes one line.
//!
//! The three formats differ in how they frame a record and write a key and a value; what they share is here: the walk over
//! an event's fields, unique keys, the record's own time and thread, and the spans around it.
//!
//! **Time and thread.** They are those of the record in delivery (see [`crate::delivery`]): when and where it was logged, not
//! when and where it is written. An event that a Rust thread dispatches itself has the time of now and that thread.
//!
//! **Unique keys.** A callsite may have several fields of one name, as when a C site has both a message template and a pair
//! called `message`. A reader of JSON would keep one of them, so the first keeps its name and each later one gets `#` and
//! its position: `{"message":"text","message#3":"pair"}`. No value is lost. The same goes for a logfmt key that the line's head
//! uses, such as `level`. Text is for people, and repeats keys as they come.
//!
//! **Buffers.** A line is built in a scratch buffer of the thread, outside any lock: an argument's `Debug` may be slow, panic
//! or log by itself without harm to other threads, and a half-built line is never seen.

pub(crate) mod escape;
pub(crate) mod json;
pub(crate) mod logfmt;
pub(crate) mod text;

use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::marker::PhantomData;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing_core::field::{Field, FieldSet, Visit};
use tracing_core::{Event, Level, Metadata};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::delivery;
use crate::drain::scope;

/// How one format writes keys and values.
pub(crate) trait Encode {
    /// Between two pairs.
    const SEPARATOR: u8;
    /// Names that the head of a line has taken already.
    const RESERVED: &'static [&'static str];
    /// Names that a span's own entries have taken already.
    const RESERVED_IN_SPAN: &'static [&'static str];
    /// Whether a repeated key must be made unique.
    const UNIQUE_KEYS: bool;
    /// What a line begins with, before its time.
    const LINE_BEGIN: &'static [u8];
    /// What a line ends with.
    const LINE_END: &'static [u8];
    /// Whether the thread stands at the end, not before the message.
    const THREAD_LAST: bool;
    /// Whether a field is left out whose value is in the message.
    const SHOWS_ONCE: bool;
    /// Whether the message comes in front of the fields and without their kind of key.
    const MESSAGE_APART: bool;

    /// Writes what follows the time: the level, and the target where it stands there.
    fn head(out: &mut Vec<u8>, level: &Level, target: &str, color: bool);
    /// Writes the target where it stands between the thread and the message.
    fn target_before_message(_: &mut Vec<u8>, _: &str) {}
    /// Writes name and id of a thread, as far as it has them.
    fn thread(out: &mut Vec<u8>, name: &str, id: Option<u64>);
    /// Writes what follows the fields, and may say where the statement is.
    fn place(_: &mut Vec<u8>, _target: &str, _file: Option<&str>, _line: Option<u32>) {}
    /// Writes a key and what follows it; `suffix` makes a repeated key unique.
    fn key(out: &mut Vec<u8>, name: &str, position: Option<Suffix>);
    /// Writes a text value.
    fn text(out: &mut Vec<u8>, value: &str);
    /// Writes a text value as [`text`](Self::text) does, if its bytes are ASCII and stay as they are; else nothing, and returns
    /// `false`. One look instead of two: such bytes are UTF-8.
    fn text_if_harmless(out: &mut Vec<u8>, bytes: &[u8]) -> bool;
    /// Writes what `Debug` made of a value.
    fn debug(out: &mut Vec<u8>, value: &str);
    /// Writes a floating-point value.
    fn float(out: &mut Vec<u8>, value: f64);
    /// Writes what comes before a message that has a place of its own.
    fn message_key(out: &mut Vec<u8>);
    /// Writes the message as text.
    fn message(out: &mut Vec<u8>, value: &str);
    /// The same for a part of the message.
    fn message_part_if_harmless(out: &mut Vec<u8>, bytes: &[u8]) -> bool;
    /// Whether a message may be written in parts, between quotes.
    const MESSAGE_IN_PARTS: bool;
    /// What stands before and behind them.
    const MESSAGE_QUOTE: &'static [u8];
    /// Writes a part of the message.
    fn message_part(out: &mut Vec<u8>, value: &str);
}

/// Appended to a repeated key: `#position`, once or, where a field has that very name, several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suffix {
    position: usize,
    times: usize,
}

impl Suffix {
    /// The plain one.
    pub(crate) fn once(position: usize) -> Self {
        Self { position, times: 1 }
    }

    fn push(self, out: &mut Vec<u8>) {
        for _ in 0..self.times {
            out.push(b'#');
            push_int(out, self.position);
        }
    }
}

/// The fields of an event that one walk writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Select {
    All,
    Only(usize),
    Except(usize),
}

/// Walks over fields and writes each as a pair.
pub(crate) struct Pairs<'a, E> {
    out: &'a mut Vec<u8>,
    debug: &'a mut String,
    fields: &'static FieldSet,
    reserved: &'static [&'static str],
    /// The position of the field that is written as the message.
    message: Option<usize>,
    select: Select,
    /// What comes before the next pair.
    separator: Option<u8>,
    /// A bit for the hash of each name seen; a bit found set calls for a comparison of names.
    seen: u64,
    /// The fields that are left out, a bit each.
    hidden: u64,
    /// What names are written with: empty but for the keys of a context.
    prefix: &'static str,
    /// For a span: where each pair starts, with its field's position. No separators are written then.
    starts: Option<&'a mut Vec<(usize, usize)>>,
    encode: PhantomData<E>,
}

impl<'a, E: Encode> Pairs<'a, E> {
    fn new(
        out: &'a mut Vec<u8>,
        debug: &'a mut String,
        fields: &'static FieldSet,
        reserved: &'static [&'static str],
    ) -> Self {
        let seen = reserved.iter().fold(0, |seen, name| seen | name_bit(name));
        Self {
            out,
            debug,
            fields,
            reserved,
            message: None,
            select: Select::All,
            separator: None,
            seen,
            hidden: 0,
            prefix: "",
            starts: None,
            encode: PhantomData,
        }
    }

    /// Writes what comes before a value; `None` if the field is not for this walk, else whether it is the message.
    #[inline]
    fn begin(&mut self, field: &Field) -> Option<bool> {
        let position = field.index();
        if self.hidden >> (position & 63) & 1 == 1 {
            return None;
        }
        match self.select {
            Select::All => {}
            Select::Only(only) if only == position => {}
            Select::Except(except) if except != position => {}
            _ => return None,
        }
        if self.message == Some(position) {
            E::message_key(self.out);
            return Some(true);
        }
        match &mut self.starts {
            Some(starts) => starts.push((position, self.out.len())),
            None => {
                self.out.extend(self.separator);
                self.separator = Some(E::SEPARATOR);
            }
        }
        let name = plain_name(field.name());
        let mut suffix = None;
        if E::UNIQUE_KEYS {
            let bit = name_bit(name);
            if self.seen & bit != 0 || name.starts_with(CONTEXT_PREFIX) {
                suffix = self.suffix(name, position);
            }
            self.seen |= bit;
        }
        if self.prefix.is_empty() {
            E::key(self.out, name, suffix);
        } else {
            E::key(self.out, &format!("{}{name}", self.prefix), suffix);
        }
        Some(false)
    }

    /// What makes the key unique: positions are, so two keys with a suffix differ; a field that has that very name is
    /// evaded by one more repetition.
    #[cold]
    fn suffix(&self, name: &str, position: usize) -> Option<Suffix> {
        suffix(self.fields, self.message, self.reserved, name, position)
    }
}

/// What makes the key of the field at `position` unique, if anything has to.
pub(crate) fn suffix(
    fields: &FieldSet,
    message: Option<usize>,
    reserved: &[&str],
    name: &str,
    position: usize,
) -> Option<Suffix> {
    let names = || fields.iter().enumerate().map(|(at, field)| (at, plain_name(field.name())));
    let taken = names().take(position).any(|(at, other)| Some(at) != message && other == name);
    if !taken && !reserved.contains(&name) && !name.starts_with(CONTEXT_PREFIX) {
        return None;
    }
    let mut times = 1;
    let mut candidate = format!("{name}#{position}");
    while names().any(|(_, other)| other == candidate) || reserved.contains(&candidate.as_str()) {
        times += 1;
        let _ = write!(candidate, "#{position}");
    }
    Some(Suffix { position, times })
}

/// A raw identifier's name without its prefix, as tracing's own formats write it.
pub(crate) fn plain_name(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

#[inline]
fn name_bit(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let (first, last) = (bytes.first().copied().unwrap_or(0), bytes.last().copied().unwrap_or(0));
    let hash = usize::from(first) ^ (usize::from(last) << 1) ^ (bytes.len() << 3);
    1 << (hash & 63)
}

impl<E: Encode> Visit for Pairs<'_, E> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if self.begin(field).is_some() {
            E::float(self.out, value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if self.begin(field).is_some() {
            push_int(self.out, value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if self.begin(field).is_some() {
            push_int(self.out, value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if self.begin(field).is_some() {
            self.out.extend_from_slice(if value { b"true" } else { b"false" });
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match self.begin(field) {
            Some(true) => E::message(self.out, value),
            Some(false) => E::text(self.out, value),
            None => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let Some(is_message) = self.begin(field) else { return };
        self.debug.clear();
        // A `Debug` that reports an error has written what it could.
        let _ = write!(self.debug, "{value:?}");
        match is_message {
            true => E::message(self.out, self.debug),
            false => E::debug(self.out, self.debug),
        }
    }
}

/// What a line is of.
pub(crate) enum LineOf<'e> {
    /// An event.
    Event(&'e Event<'e>),
    /// The end of a span that lasted so many nanoseconds.
    Close(&'static Metadata<'static>, u64),
}

impl LineOf<'_> {
    /// Its level and its target.
    pub(crate) fn metadata(&self) -> &'static Metadata<'static> {
        match self {
            Self::Event(event) => event.metadata(),
            Self::Close(metadata, _) => metadata,
        }
    }

    /// Appends message and fields.
    #[inline]
    fn push<E: Encode>(&self, scratch: &mut Scratch) {
        match self {
            Self::Event(event) if E::MESSAGE_APART => push_message_and_fields::<E>(scratch, event),
            Self::Event(event) => {
                let Scratch { line, debug, .. } = scratch;
                event.record(&mut Pairs::<E>::new(line, debug, event.metadata().fields(), E::RESERVED));
            }
            Self::Close(_, duration_ns) => {
                let line = &mut scratch.line;
                E::message_key(line);
                E::message(line, "close");
                line.push(E::SEPARATOR);
                E::key(line, "duration_ns", None);
                push_int(line, *duration_ns);
            }
        }
    }
}

/// What the keys of a context begin with. Other fields whose names do are given their position, as if they repeated one.
pub(crate) const CONTEXT_PREFIX: &str = "context.";

/// Writes the message of an event in its own place, then its other fields.
fn push_message_and_fields<E: Encode>(scratch: &mut Scratch, event: &Event<'_>) {
    let fields = event.metadata().fields();
    let message = fields.iter().position(|field| field.name() == "message");
    let mut pairs = Pairs::<E>::new(&mut scratch.line, &mut scratch.debug, fields, E::RESERVED);
    pairs.separator = Some(E::SEPARATOR);
    if E::SHOWS_ONCE {
        pairs.hidden = delivery::with_current(|delivery| delivery.fields_in_message()).unwrap_or(0);
    }
    pairs.message = message;
    match message {
        // The message comes first, as tracing's macros and our sites have it: one walk will do.
        None | Some(0) => event.record(&mut pairs),
        Some(position) => {
            pairs.select = Select::Only(position);
            event.record(&mut pairs);
            pairs.select = Select::Except(position);
            event.record(&mut pairs);
        }
    }
}

/// The fields of a span, kept in the span's extensions in the output's format: each pair with its field's position.
#[derive(Debug, Default)]
pub(crate) struct SpanFields(Vec<(usize, Box<[u8]>)>);

impl SpanFields {
    /// Adds fields; one that is there already is replaced.
    pub(crate) fn record<E: Encode>(
        &mut self,
        scratch: &mut Scratch,
        metadata: &'static Metadata<'static>,
        record: impl FnOnce(&mut dyn Visit),
    ) {
        let mut starts = Vec::new();
        scratch.line.clear();
        let is_context = is_context(metadata);
        let reserved = if is_context { &[] } else { E::RESERVED_IN_SPAN };
        let mut pairs = Pairs::<E>::new(&mut scratch.line, &mut scratch.debug, metadata.fields(), reserved);
        // Fields may come in several parts, so every name is compared with those before it.
        pairs.seen = u64::MAX;
        pairs.prefix = if is_context { CONTEXT_PREFIX } else { "" };
        pairs.starts = Some(&mut starts);
        record(&mut pairs);
        let ends = starts.iter().skip(1).map(|(_, start)| *start).chain([scratch.line.len()]);
        for (&(position, start), end) in starts.iter().zip(ends) {
            let pair = Box::from(&scratch.line[start..end]);
            match self.0.iter_mut().find(|(known, _)| *known == position) {
                Some(entry) => entry.1 = pair,
                None => self.0.push((position, pair)),
            }
        }
    }

    /// Adds a field that the span's callsite does not have.
    pub(crate) fn add<E: Encode>(&mut self, name: &str, value: &str) {
        let mut pair = Vec::new();
        E::key(&mut pair, name, None);
        E::text(&mut pair, value);
        self.0.push((usize::MAX, pair.into()));
    }

    fn push(&self, out: &mut Vec<u8>, separator: u8) {
        for (index, (_, pair)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(separator);
            }
            out.extend_from_slice(pair);
        }
    }
}

/// Spans of a scope that a line shows, counted from the innermost: a bound for the recursion below and for the line.
const MAX_SPANS: usize = 64;

/// Whether a span carries the context of a thread: it is shown as fields.
pub(crate) fn is_context(metadata: &Metadata<'_>) -> bool {
    metadata.name() == scope::CONTEXT && metadata.target() == scope::TARGET
}

/// Calls `push` for the innermost span that is no context. Returns whether there is one.
fn innermost_named<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>, push: &mut dyn FnMut(&SpanRef<'a, S>)) -> bool {
    if !is_context(span.metadata()) {
        push(span);
        return true;
    }
    span.parent().is_some_and(|parent| innermost_named(&parent, push))
}

/// Appends the innermost context around an event.
fn push_context<'a, S: LookupSpan<'a>>(span: Option<&SpanRef<'a, S>>, out: &mut Vec<u8>, separator: u8) {
    let Some(span) = span else { return };
    if !is_context(span.metadata()) {
        return push_context(span.parent().as_ref(), out, separator);
    }
    let start = out.len();
    if out.last() != Some(&b'{') {
        out.push(separator);
    }
    let begin = out.len();
    push_span_fields(span, out, separator);
    if out.len() == begin {
        out.truncate(start);
    }
}

/// Calls `push` for the innermost spans but contexts, outermost of them first, and returns whether there was one.
/// `Scope::from_root` would allocate.
fn push_scope<'a, S: LookupSpan<'a>>(
    span: &SpanRef<'a, S>,
    out: &mut Vec<u8>,
    push: &impl Fn(&SpanRef<'a, S>, &mut Vec<u8>),
) -> bool {
    fn walk<'a, S: LookupSpan<'a>>(
        span: &SpanRef<'a, S>,
        out: &mut Vec<u8>,
        push: &impl Fn(&SpanRef<'a, S>, &mut Vec<u8>),
        left: usize,
    ) -> bool {
        let mut had_any = false;
        if left > 0
            && let Some(parent) = span.parent()
        {
            had_any = walk(&parent, out, push, left - 1);
        }
        if is_context(span.metadata()) {
            return had_any;
        }
        push(span, out);
        true
    }
    walk(span, out, push, MAX_SPANS - 1)
}

fn push_span_fields<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>, out: &mut Vec<u8>, separator: u8) {
    if let Some(fields) = span.extensions().get::<SpanFields>() {
        fields.push(out, separator);
    }
}

pub(crate) fn push_int(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn push_float(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(zmij::Buffer::new().format(value).as_bytes());
}

/// The buffers with which a thread formats, kept from line to line.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The line being built.
    pub(crate) line: Vec<u8>,
    /// What a value's `Debug` wrote, before it is escaped.
    debug: String,
    clock: Clock,
    thread: CurrentThread,
}

/// A buffer that a giant record made larger than this is not kept.
const KEEP_SCRATCH: usize = 64 << 10;

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

impl Scratch {
    /// Takes the thread's buffers; new ones if they are in use, as by an argument's `Debug` that logs by itself.
    pub(crate) fn take() -> Box<Self> {
        SCRATCH.try_with(Cell::take).ok().flatten().unwrap_or_default()
    }

    /// Gives the buffers back for the thread's next line.
    pub(crate) fn keep(mut self: Box<Self>) {
        if self.line.capacity() > KEEP_SCRATCH {
            self.line = Vec::new();
        }
        if self.debug.capacity() > KEEP_SCRATCH {
            self.debug = String::new();
        }
        // A thread that is ending has no place for them.
        let _ = SCRATCH.try_with(|cell| cell.set(Some(self)));
    }

    /// Appends the time of the record.
    fn push_time(&mut self) {
        let time_ns = delivery::with_current(|delivery| delivery.time_ns()).unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            now.as_nanos().try_into().unwrap_or(u64::MAX)
        });
        self.clock.push(&mut self.line, time_ns);
    }

    /// Appends, by `push`, the thread's name, `""` if it has none, and its id, where the system tells it.
    fn push_thread(&mut self, push: impl Fn(&mut Vec<u8>, &str, Option<u64>)) {
        let Self { line, thread, .. } = self;
        let delivered = delivery::with_current(|delivery| {
            let thread = delivery.thread();
            push(line, &thread.name, Some(thread.id));
        });
        if delivered.is_none() {
            push(line, std::thread::current().name().unwrap_or(""), thread.id());
        }
    }
}

/// Writes times as `2026-11-22T09:00:00.123456Z`. The last one is kept: in a burst many records have one microsecond, and most
/// that come in turn one second.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Of `text`, since the epoch.
    micros: u64,
    text: [u8; 27],
}

impl Default for Clock {
    fn default() -> Self {
        // What no time of nanoseconds has.
        Self { micros: u64::MAX, text: *b"????-??-??T??:??:??.??????Z" }
    }
}

impl Clock {
    #[inline]
    pub(crate) fn push(&mut self, out: &mut Vec<u8>, time_ns: u64) {
        let micros = time_ns / 1_000;
        if self.micros != micros {
            self.turn_to(micros);
        }
        out.extend_from_slice(&self.text);
    }

    fn turn_to(&mut self, micros: u64) {
        const SECOND: u64 = 1_000_000;
        if self.micros / SECOND != micros / SECOND {
            self.turn_to_second(micros / SECOND);
        }
        self.micros = micros;
        let mut left = micros % SECOND;
        for digit in self.text[20..26].iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
    }

    #[cold]
    fn turn_to_second(&mut self, second: u64) {
        // The nanoseconds of a u64 end in the year 2554: always a valid timestamp of four-digit year.
        let timestamp = jiff::Timestamp::from_second(second as i64).unwrap_or_default();
        let time = jiff::tz::Offset::UTC.to_datetime(timestamp);
        let (year, month, day) = (time.year(), time.month(), time.day());
        let (hour, minute, whole) = (time.hour(), time.minute(), time.second());
        let _ = write!(&mut self.text[..20], "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{whole:02}.");
    }
}

/// The system's id of the thread that owns a scratch buffer.
#[derive(Debug, Default)]
struct CurrentThread {
    /// The process in which it was asked, since a forked child's thread has another.
    process: u32,
    id: Option<u64>,
}

impl CurrentThread {
    fn id(&mut self) -> Option<u64> {
        let process = std::process::id();
        if self.process != process {
            *self = Self { process, id: system_thread_id() };
        }
        self.id
    }
}

/// Linux tells it without a call into C; elsewhere a line of such a thread has no id.
fn system_thread_id() -> Option<u64> {
    let link = std::fs::read_link("/proc/thread-self").ok()?;
    link.file_name()?.to_str()?.parse().ok()
}
