//! The report: the records of all rings as lines in the output's format, written without a lock or an allocation.
//!
//! Every buffer has its full capacity from the start and is never pushed past it: a record is no longer than
//! [`LONGEST`], a text shown is at most three times as long as its bytes (each bad byte becomes U+FFFD), and escaping makes
//! at most six bytes of one. The memory is present as far as it was ever used.

use super::rings::{self, Entry};
use crate::clock;
use crate::memory::try_box;
use crate::os::{self, ThreadName, Trap};
use crate::output::format::{self, Clock, Encode, Suffix, json::Json, logfmt::Logfmt, text::Text};
use crate::output::{Format, Style, push_value};
use crate::record::decode::{
    DecodeError, Envelope, RawFields, RawRecord, RawText, RawValue, batch, decode, envelope, is_envelope, kind, ticks,
    values,
};
use crate::record::layout::{ATTACH, BATCH, CLEAR, ENTER, EXIT, FIRST_SITE, SET};
use crate::sites::level;
use crate::static_sites::{self, Description, text};
use crate::sync::{AtomicPtr, AtomicU32, Ordering};
use crate::template::{Piece, pieces, show};
use std::ptr;

/// Longest record that is shown: the longest of a ring of 4 MiB. Longer ones are named.
const LONGEST: usize = 256 << 10;
/// Room for a text as it is shown, and to spare.
const TEXT: usize = 3 * LONGEST + (64 << 10);
/// Room for what is escaped of it, and for what waits.
const LINES: usize = 6 * TEXT + 2 * CHUNK;
/// So much is written at a time.
const CHUNK: usize = 64 << 10;
/// Longest name, target and path that are shown.
const NAME: usize = 4 << 10;

/// The engine's own target.
const TARGET: &[u8] = b"logfusion";

static REPORT: AtomicPtr<Report> = AtomicPtr::new(ptr::null_mut());

static STYLE: AtomicU32 = AtomicU32::new(0);

/// Sets how lines look from now on.
pub fn set_style(style: Style) {
    STYLE.store(style.format as u32 | u32::from(style.color) << 8, Ordering::Relaxed);
}

/// Allocates what a report needs, once; `None`: there is no memory for it.
pub fn prepare() -> Option<()> {
    if REPORT.load(Ordering::Acquire).is_null() {
        let report = Report {
            descriptor: 2,
            color: false,
            lines: room(LINES)?,
            text: text_room(TEXT)?,
            template: text_room(TEXT)?,
            name: text_room(4 * NAME)?,
            target: text_room(4 * NAME)?,
            record: room(LONGEST)?,
            clock: Clock::default(),
            now: Now { ticks: 0, wall_ns: 0 },
            records: 0,
            unreadable: 0,
        };
        REPORT.store(Box::leak(try_box(report)?).as_mut_ptr(), Ordering::Release);
    }
    Some(())
}

fn room(bytes: usize) -> Option<Vec<u8>> {
    let mut room = Vec::new();
    room.try_reserve_exact(bytes).ok()?;
    Some(room)
}

fn text_room(bytes: usize) -> Option<String> {
    String::from_utf8(room(bytes)?).ok()
}

/// What a report is made with.
#[derive(Debug)]
pub struct Report {
    descriptor: i32,
    color: bool,
    lines: Vec<u8>,
    text: String,
    template: String,
    name: String,
    target: String,
    record: Vec<u8>,
    clock: Clock,
    now: Now,
    records: u64,
    unreadable: u64,
}

/// A moment by two clocks.
#[derive(Debug, Clone, Copy)]
struct Now {
    ticks: u64,
    wall_ns: u64,
}

impl Now {
    /// The wall time of a record.
    fn wall_ns_of(self, ticks: u64) -> u64 {
        match self.ticks.checked_sub(ticks) {
            Some(ago) => self.wall_ns.saturating_sub(clock::measured_span_ns(ago)),
            None => self.wall_ns.saturating_add(clock::measured_span_ns(ticks - self.ticks)),
        }
    }
}

/// Who logged.
#[derive(Debug, Clone, Copy)]
struct Who<'a> {
    name: &'a str,
    id: Option<u64>,
}

/// What a line shows.
struct Shown<'a> {
    level: u32,
    target: &'a [u8],
    /// Before the message.
    verb: &'static str,
    message: &'a [u8],
    /// How long the message was.
    full: u64,
    is_template: bool,
    fields: Fields<'a>,
    place: Option<(&'a [u8], u32)>,
}

/// Where fields come from.
enum Fields<'a> {
    Ours(&'a [(&'static str, RawValue<'a>)]),
    Dynamic(RawFields<'a>),
    Static(&'a Description, &'a [u8]),
}

impl Fields<'_> {
    /// Calls `f` with the place, the name and the value of each.
    fn each(&self, f: &mut dyn FnMut(usize, &[u8], RawValue<'_>)) {
        match self {
            Self::Ours(fields) => {
                for (index, (name, value)) in fields.iter().enumerate() {
                    f(index, name.as_bytes(), *value);
                }
            }
            Self::Dynamic(fields) => {
                for (index, field) in fields.iter().enumerate() {
                    f(index, field.name.bytes, field.value);
                }
            }
            Self::Static(description, bytes) => {
                let mut fields = description.fields.iter().enumerate();
                // Read whole when the record was taken; see `shown`.
                _ = values(bytes, description.fields.iter().map(|(type_, _)| *type_), |value| {
                    if let Some((index, (_, name))) = fields.next() {
                        f(index, text(name), value);
                    }
                });
            }
        }
    }

    /// The place of the field of this name.
    fn position(&self, wanted: &[u8]) -> Option<usize> {
        let mut position = None;
        self.each(&mut |index, name, _| {
            if name == wanted {
                position.get_or_insert(index);
            }
        });
        position
    }
}

impl Report {
    /// The process's report, for the one thread that reports; `None`: nothing was prepared.
    pub fn of_process() -> Option<&'static mut Self> {
        // SAFETY: null, or what `prepare` leaked; the caller is the thread of `REPORTER`, so this is the only reference.
        unsafe { REPORT.load(Ordering::Acquire).as_mut() }
    }

    /// Writes the report of a crash of the thread `me`.
    pub fn write(&mut self, descriptor: i32, me: usize, trap: &Trap, may_repeat: bool) {
        let style = STYLE.load(Ordering::Relaxed);
        self.descriptor = descriptor;
        self.color = style >> 8 != 0;
        self.lines.clear();
        self.now = Now { ticks: clock::ticks(), wall_ns: os::wall_ns() };
        (self.records, self.unreadable) = (0, 0);
        match style & 0xff {
            style if style == Format::Logfmt as u32 => self.write_as::<Logfmt>(me, trap, may_repeat),
            style if style == Format::Json as u32 => self.write_as::<Json>(me, trap, may_repeat),
            _ => self.write_as::<Text>(me, trap, may_repeat),
        }
        self.flush();
    }

    fn write_as<E: Encode>(&mut self, me: usize, trap: &Trap, may_repeat: bool) {
        let crashed = rings::entries().find(|entry| entry.is_of(me));
        let mut bytes = [0; ThreadName::MOST];
        let who = Who { name: crashed.map_or("", |entry| entry.name(&mut bytes)), id: crashed.map(Entry::id) };
        let terminated = trap.name.as_bytes();
        let name = RawText { bytes: terminated, full: terminated.len() as u64, terminated };
        self.say::<E>(
            who,
            "crashed; the records that were not written yet follow",
            &[
                ("signal", RawValue::Text(name)),
                ("code", RawValue::I64(trap.code)),
                ("address", RawValue::Pointer(trap.address)),
                ("may_repeat", RawValue::Bool(may_repeat)),
            ],
        );
        for entry in rings::entries() {
            // SAFETY: readers are the reporter's, and this thread is the one.
            unsafe { *entry.reader.get() = entry.open() };
        }
        while let Some((entry, until)) = next_run(&mut self.unreadable) {
            while let Some((ticks, len)) = peek(entry, &mut self.unreadable)
                && ticks <= until
            {
                self.take::<E>(entry, ticks, len);
            }
        }
        let dropped = rings::entries().map(Entry::dropped).sum();
        self.say::<E>(
            who,
            "the end of the records before the crash",
            &[
                ("records", RawValue::U64(self.records)),
                ("unreadable", RawValue::U64(self.unreadable)),
                ("dropped", RawValue::U64(dropped)),
            ],
        );
    }

    /// A line of the engine's own.
    fn say<E: Encode>(&mut self, who: Who<'_>, message: &'static str, fields: &[(&'static str, RawValue<'_>)]) {
        let fields = Fields::Ours(fields);
        let shown = Shown { level: 1, message: message.as_bytes(), full: message.len() as u64, ..Shown::ours(fields) };
        self.push_line::<E>(who, self.now.wall_ns, &shown);
    }

    /// Shows the record that was peeked, and goes past it.
    fn take<E: Encode>(&mut self, entry: &'static Entry, ticks: u64, len: usize) {
        // SAFETY: as in `write_as`; `peek` has returned and keeps nothing.
        let Some(reader) = (unsafe { &mut *entry.reader.get() }) else { return };
        let mut bytes = [0; ThreadName::MOST];
        let who = Who { name: entry.name(&mut bytes), id: Some(entry.id()) };
        let mut record = std::mem::take(&mut self.record);
        let time_ns = self.now.wall_ns_of(ticks);
        let is_whole = len <= LONGEST;
        record.clear();
        if is_whole {
            record.extend_from_slice(reader.peeked(len));
        }
        if reader.is_overtaken() {
            // The drain goes on after all, and has written it.
            *reader = match entry.open() {
                Some(reader) => reader,
                None => return self.record = record,
            };
            return self.record = record;
        }
        reader.advance(len);
        if !is_whole {
            self.say::<E>(who, "a record is too long for this report", &[("bytes", RawValue::U64(len as u64))]);
        } else if kind(&record) == BATCH {
            let is_read = self.push_messages::<E>(who, time_ns, &record).is_ok();
            self.unreadable += u64::from(!is_read);
        } else if let Ok(shown) = shown(&record) {
            self.push_record::<E>(who, time_ns, &shown);
        } else {
            self.unreadable += 1;
        }
        self.record = record;
    }

    fn push_messages<E: Encode>(&mut self, who: Who<'_>, time_ns: u64, record: &[u8]) -> Result<(), DecodeError> {
        let messages = batch(record)?;
        let target = messages.target;
        for message in messages {
            let (level, message) = message?;
            self.push_record::<E>(who, time_ns, &Shown::message(target, level, message));
        }
        Ok(())
    }

    fn push_record<E: Encode>(&mut self, who: Who<'_>, time_ns: u64, shown: &Shown<'_>) {
        self.records += 1;
        self.push_line::<E>(who, time_ns, shown);
    }

    fn push_line<E: Encode>(&mut self, who: Who<'_>, time_ns: u64, shown: &Shown<'_>) {
        let Self { lines, text, template, name, target, clock, .. } = self;
        let descriptor = self.descriptor;
        make_room(lines, descriptor, 6 * 3 * NAME + 1024);
        fill(target, shown.target, NAME);
        lines.extend_from_slice(if self.color { b"\x1b[2m" } else { E::LINE_BEGIN });
        clock.push(lines, time_ns);
        E::head(lines, &level(shown.level), target, self.color);
        if !E::THREAD_LAST {
            E::thread(lines, who.name, who.id);
        }
        E::target_before_message(lines, target);
        let in_message = render(text, template, shown);
        make_room(lines, descriptor, 6 * text.len() + 64);
        E::message_key(lines);
        E::message(lines, text);
        shown.fields.each(&mut |index, key, value| {
            if E::SHOWS_ONCE && in_message >> index & 1 == 1 {
                return;
            }
            let size = if let RawValue::Text(raw) = &value { raw.bytes.len() } else { 0 };
            make_room(lines, descriptor, 6 * 3 * (NAME + size) + 256);
            lines.push(E::SEPARATOR);
            fill(name, key, NAME);
            E::key(lines, format::plain_name(name), suffix::<E>(shown, index, key));
            push_value::<E>(lines, text, &value);
        });
        make_room(lines, descriptor, 2 * 6 * 3 * NAME + 1024);
        fill(name, shown.place.map_or(b"", |(file, _)| file), NAME);
        let file = (!name.is_empty()).then_some(&**name);
        E::place(lines, target, file, shown.place.map(|(_, line)| line));
        if E::THREAD_LAST {
            E::thread(lines, who.name, who.id);
        }
        lines.extend_from_slice(E::LINE_END);
        if lines.len() >= CHUNK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        write_out(&mut self.lines, self.descriptor);
    }
}

fn write_out(lines: &mut Vec<u8>, descriptor: i32) {
    os::write_in_handler(descriptor, lines);
    lines.clear();
}

/// Writes what waits, where `size` more bytes have no room beside it.
fn make_room(lines: &mut Vec<u8>, descriptor: i32, size: usize) {
    if lines.len() + size > lines.capacity() {
        write_out(lines, descriptor);
    }
}

/// Makes `out` the beginning of a text, fit to show.
fn fill(out: &mut String, bytes: &[u8], most: usize) {
    out.clear();
    let full = bytes.len() as u64;
    let bytes = &bytes[..bytes.len().min(most)];
    RawText { bytes, full, terminated: &[] }.show(out);
}

/// Makes `out` the message. Returns which fields are in it, a bit each.
fn render(out: &mut String, template: &mut String, shown: &Shown<'_>) -> u64 {
    out.clear();
    out.push_str(shown.verb);
    let bytes = &shown.message[..shown.message.len().min(LONGEST)];
    let raw = RawText { bytes, full: shown.full, terminated: &[] };
    if !shown.is_template {
        raw.show(out);
        return 0;
    }
    template.clear();
    raw.show(template);
    let mut in_message = 0;
    let push = |out: &mut String, piece: &str| {
        let has_room = out.len() + piece.len() <= out.capacity();
        if has_room {
            out.push_str(piece);
        }
    };
    for piece in pieces(template) {
        match piece {
            Piece::Literal(text) | Piece::Open(text) => push(out, text),
            Piece::Name { name, whole } => match shown.fields.position(name.as_bytes()) {
                None => push(out, whole),
                Some(wanted) => {
                    in_message |= 1 << wanted;
                    shown.fields.each(&mut |index, _, value| {
                        let size = if let RawValue::Text(raw) = &value { 3 * raw.bytes.len() } else { 0 };
                        if index == wanted && out.len() + size + 512 <= out.capacity() {
                            show(out, &value);
                        }
                    });
                }
            },
        }
    }
    in_message
}

/// What makes a key unique, as in [`format::suffix`], but once: that one allocates.
fn suffix<E: Encode>(shown: &Shown<'_>, index: usize, name: &[u8]) -> Option<Suffix> {
    let is_taken = || {
        shown.fields.position(name).is_some_and(|first| first < index)
            || E::RESERVED.iter().any(|reserved| reserved.as_bytes() == name)
            || !E::MESSAGE_APART && name == b"message"
            || name.starts_with(format::CONTEXT_PREFIX.as_bytes())
    };
    (E::UNIQUE_KEYS && is_taken()).then(|| Suffix::once(index + 1))
}

/// The time and length of the next record of a ring; bytes that are none end it.
fn peek(entry: &Entry, unreadable: &mut u64) -> Option<(u64, usize)> {
    // SAFETY: as in `write_as`.
    let reader = unsafe { (*entry.reader.get()).as_mut() }?;
    match reader.peek() {
        Ok(bytes) => bytes.map(|bytes| (ticks(bytes), bytes.len())),
        Err(_) => {
            *unreadable += 1;
            None
        }
    }
}

/// The ring whose next record is the oldest, and the time of the second oldest.
fn next_run(unreadable: &mut u64) -> Option<(&'static Entry, u64)> {
    let mut oldest: Option<(&Entry, u64)> = None;
    let mut until = u64::MAX;
    for entry in rings::entries() {
        let Some((ticks, _)) = peek(entry, unreadable) else { continue };
        match oldest {
            Some((_, time)) if time <= ticks => until = until.min(ticks),
            _ => {
                until = oldest.map_or(until, |(_, time)| until.min(time));
                oldest = Some((entry, ticks));
            }
        }
    }
    oldest.map(|(entry, _)| (entry, until))
}

impl<'a> Shown<'a> {
    fn ours(fields: Fields<'a>) -> Self {
        Self { level: 4, target: TARGET, verb: "", message: b"", full: 0, is_template: false, fields, place: None }
    }

    fn dynamic(record: &RawRecord<'a>) -> Self {
        Self {
            level: record.level,
            target: record.target.bytes,
            verb: "",
            message: record.message.bytes,
            full: record.message.full,
            is_template: record.templated,
            fields: Fields::Dynamic(record.fields),
            place: None,
        }
    }

    /// A message of a batch.
    fn message(target: RawText<'a>, level: u32, message: RawText<'a>) -> Self {
        let fields = Fields::Ours(&[]);
        Self { level, target: target.bytes, message: message.bytes, full: message.full, ..Self::ours(fields) }
    }

    fn of_site(description: &'a Description, bytes: &'a [u8]) -> Self {
        let message = text(&description.message);
        Self {
            level: description.level,
            target: text(&description.target),
            verb: "",
            message,
            full: message.len() as u64,
            is_template: !description.is_span,
            fields: Fields::Static(description, bytes),
            place: Some((text(&description.file), description.line)),
        }
    }
}

/// What a record's line shows.
fn shown(bytes: &[u8]) -> Result<Shown<'_>, DecodeError> {
    if is_envelope(kind(bytes)) { around(&envelope(bytes)?) } else { logged(bytes) }
}

/// The line of a record that is no envelope.
fn logged(bytes: &[u8]) -> Result<Shown<'_>, DecodeError> {
    match kind(bytes) {
        number if number >= FIRST_SITE => {
            let description = static_sites::index(number).and_then(static_sites::published);
            let description = description.ok_or(DecodeError::Kind(number))?;
            values(bytes, description.fields.iter().map(|(type_, _)| *type_), |_| ())?;
            Ok(Shown::of_site(description, bytes))
        }
        _ => decode(bytes).map(|record| Shown::dynamic(&record)),
    }
}

/// The line of what changes around records.
fn around<'a>(envelope: &Envelope<'a>) -> Result<Shown<'a>, DecodeError> {
    Ok(match envelope.kind {
        ENTER => Shown { verb: "enter ", is_template: false, ..logged(envelope.record()?)? },
        ATTACH => Shown { verb: "enter a span of Rust's", ..Shown::ours(Fields::Ours(&[])) },
        EXIT => Shown { verb: "exit the span", ..Shown::ours(Fields::Ours(&[])) },
        SET => Shown { verb: "set in the context", ..Shown::ours(logged(envelope.record()?)?.fields) },
        CLEAR => {
            let Shown { message, full, fields, .. } = logged(envelope.record()?)?;
            Shown { verb: "remove from the context: ", message, full, ..Shown::ours(fields) }
        }
        other => return Err(DecodeError::Kind(other)),
    })
}
