//! Lines of records: the short way from a record of the drain to the output's buffer.
//!
//! The engine's own output is the only one that sees the events it is sent, so for a plain record there need not be any: its
//! line is put together from what all lines of its callsite have in common, made once ([`Line`]), and its values. A line is
//! byte for byte what the layer makes of the event (a test compares them); records inside spans take the long way.

use super::form::{Blank, Fill, Forms, MessagePart, Parts};
use super::format::{self, Clock, Encode, json::Json, logfmt::Logfmt, text::Text};
use super::writer::CAPACITY;
use super::{Format, Output, Style};
use crate::delivery::ThreadInfo;
use crate::record::decode::{RawText, RawValue};
use crate::record::layout::MAX_FIELDS;
use crate::template::{Part, Template, show};
use std::fmt::Write as _;
use std::sync::Arc;
use tracing_core::Metadata;

/// What the lines of one callsite have in common, in one style.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) style: Style,
    forms: Forms,
    parts: Box<Parts>,
}

impl Line {
    /// Asks for what lies elsewhere in memory.
    #[inline]
    pub(crate) fn prefetch(&self) {
        self.forms.prefetch();
    }

    /// The line of a callsite whose first field is the message, which has the values of the fields `in_message` and may be
    /// made from a template.
    #[cold]
    pub(crate) fn new(
        metadata: &'static Metadata<'static>,
        style: Style,
        in_message: u64,
        template: Option<&Template>,
    ) -> Self {
        match style.format {
            Format::Text => Self::of::<Text>(metadata, style, in_message, template),
            Format::Logfmt => Self::of::<Logfmt>(metadata, style, in_message, template),
            Format::Json => Self::of::<Json>(metadata, style, in_message, template),
        }
    }

    fn of<E: Encode>(
        metadata: &'static Metadata<'static>,
        style: Style,
        in_message: u64,
        template: Option<&Template>,
    ) -> Self {
        let (mut before, mut between, mut after) = (Vec::new(), Vec::new(), Vec::new());
        E::head(&mut before, metadata.level(), metadata.target(), style.color);
        E::target_before_message(&mut between, metadata.target());
        E::message_key(&mut between);
        E::place(&mut after, metadata.target(), metadata.file(), metadata.line());
        let literal = |text: &str| {
            let mut shown = Vec::new();
            E::message_part(&mut shown, text);
            MessagePart::Literal(shown.into())
        };
        let part = |part: &Part| match part {
            Part::Literal(text) => literal(text),
            Part::Field(field) => MessagePart::Field(*field as u8),
        };
        let message = match (template, template.and_then(Template::literal)) {
            (_, Some(text)) => Box::from([literal(text)]),
            (Some(template), _) if E::MESSAGE_IN_PARTS => template.parts().iter().map(part).collect(),
            _ => Box::from([MessagePart::Whole]),
        };
        let (before, between, after) = (before.into(), between.into(), after.into());
        let parts = Parts { before, between, message, keys: keys::<E>(metadata, in_message), after };
        Self { style, forms: Forms::default(), parts: Box::new(parts) }
    }
}

/// The keys of all fields but the message.
fn keys<E: Encode>(metadata: &'static Metadata<'static>, in_message: u64) -> Box<[Option<Box<[u8]>>]> {
    let fields = metadata.fields();
    // Where it has a key that another field could repeat, it counts as a field.
    let message = E::MESSAGE_APART.then_some(0);
    let key = |(position, name): (usize, &str)| {
        if E::SHOWS_ONCE && in_message >> (position & 63) & 1 == 1 {
            return None;
        }
        let mut key = vec![E::SEPARATOR];
        let name = format::plain_name(name);
        let suffix = if E::UNIQUE_KEYS { format::suffix(fields, message, E::RESERVED, name, position) } else { None };
        E::key(&mut key, name, suffix);
        Some(key.into_boxed_slice())
    };
    fields.iter().map(|field| field.name()).enumerate().skip(1).map(key).collect()
}

/// A record whose line is put together.
pub(crate) struct LineRecord<'a> {
    /// When it was logged.
    pub(crate) time_ns: u64,
    /// Who logged it.
    pub(crate) thread: &'a Arc<ThreadInfo>,
    /// Counts where the line's form has not all of it.
    pub(crate) message: LineMessage<'a>,
    /// Of all its fields.
    pub(crate) values: &'a [RawValue<'a>],
}

/// The message of a line.
#[derive(Clone, Copy)]
pub(crate) enum LineMessage<'a> {
    /// As it was logged.
    Plain(RawText<'a>),
    /// What a template makes of the values.
    Of(&'a Template),
}

/// Lines on their way to the output.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    lines: Vec<u8>,
    clock: Clock,
    scratch: String,
    /// Of a form; kept for its memory.
    draft: Vec<u8>,
    /// Where the line's message has the value of a field.
    in_message: [(usize, usize); MAX_FIELDS],
}

impl Lines {
    /// Appends the line of a record. Returns whether a text was not UTF-8.
    #[inline]
    pub(crate) fn push(&mut self, line: &mut Line, record: LineRecord<'_>) -> bool {
        match line.style.format {
            Format::Text => self.push_as::<Text>(line, record),
            Format::Logfmt => self.push_shared::<Logfmt>(line, record),
            Format::Json => self.push_shared::<Json>(line, record),
        }
    }

    /// Once for all kinds of records: text alone is worth the bytes of a copy for each.
    #[inline(never)]
    fn push_shared<E: Encode>(&mut self, line: &mut Line, record: LineRecord<'_>) -> bool {
        self.push_as::<E>(line, record)
    }

    #[inline(always)]
    fn push_as<E: Encode>(&mut self, line: &mut Line, record: LineRecord<'_>) -> bool {
        let LineRecord { time_ns, thread, message, values } = record;
        let Self { lines, clock, scratch, draft, in_message } = self;
        lines.extend_from_slice(if line.style.color { b"\x1b[2m" } else { E::LINE_BEGIN });
        clock.push(lines, time_ns);
        let form = line.forms.of::<E>(&line.parts, thread, draft);
        let mut any_bad = false;
        let mut text = &*form.text;
        for Blank { len_before, fill } in &form.blanks {
            let (before, rest) = text.split_at(*len_before as usize);
            text = rest;
            lines.extend_from_slice(before);
            any_bad |= match fill {
                Fill::InMessage(field) => {
                    let field = usize::from(*field);
                    let begin = lines.len();
                    let is_bad = push_in_message::<E>(lines, scratch, &values[field]);
                    if !E::SHOWS_ONCE {
                        in_message[field] = (begin, lines.len());
                    }
                    is_bad
                }
                // Where a value is shown once there is none.
                Fill::Again(field) if !E::SHOWS_ONCE => {
                    let field = usize::from(*field);
                    push_again::<E>(lines, scratch, &values[field], in_message[field]);
                    false
                }
                Fill::Field(field) | Fill::Again(field) => {
                    push_value::<E>(lines, scratch, &values[usize::from(*field)])
                }
                Fill::Message => push_message::<E>(lines, scratch, message, values),
            };
        }
        lines.extend_from_slice(text);
        any_bad
    }

    /// Has room from now on for as much as is formatted at a time.
    pub(crate) fn reserve(&mut self) {
        // Without memory for it they grow when they must.
        _ = self.lines.try_reserve(CAPACITY);
    }

    /// Bytes that wait.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Gives the lines to the output, in front of what it is given next.
    #[inline]
    pub(crate) fn hand_over(&mut self, output: &Output) {
        if !self.lines.is_empty() {
            output.push_lines(&mut self.lines);
        }
    }
}

/// Appends a value. Returns whether it is a text that was not UTF-8.
#[inline]
pub(crate) fn push_value<E: Encode>(out: &mut Vec<u8>, scratch: &mut String, value: &RawValue<'_>) -> bool {
    match value {
        RawValue::I64(value) => format::push_int(out, *value),
        RawValue::U64(value) => format::push_int(out, *value),
        RawValue::F64(value) => E::float(out, *value),
        RawValue::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        RawValue::Pointer(value) => {
            scratch.clear();
            _ = write!(scratch, "{value:#x}");
            E::debug(out, scratch);
        }
        RawValue::Text(raw) if !raw.is_cut() && E::text_if_harmless(out, raw.bytes) => (),
        RawValue::Text(raw) => return push_raw(out, scratch, *raw, E::text),
    }
    false
}

/// Appends a value that the line has between `begin` and `end`, as a part of its message.
#[inline]
fn push_again<E: Encode>(out: &mut Vec<u8>, scratch: &mut String, value: &RawValue<'_>, (begin, end): (usize, usize)) {
    match value {
        RawValue::I64(_) | RawValue::U64(_) => out.extend_from_within(begin..end),
        RawValue::Text(_) => {
            out.extend_from_slice(E::MESSAGE_QUOTE);
            out.extend_from_within(begin..end);
            out.extend_from_slice(E::MESSAGE_QUOTE);
        }
        other => _ = push_value::<E>(out, scratch, other),
    }
}

/// Appends a value as a part of the message. Returns whether it is a text that was not UTF-8.
#[inline]
fn push_in_message<E: Encode>(out: &mut Vec<u8>, scratch: &mut String, value: &RawValue<'_>) -> bool {
    match value {
        RawValue::Text(raw) if !raw.is_cut() && E::message_part_if_harmless(out, raw.bytes) => (),
        RawValue::Text(raw) => return push_raw(out, scratch, *raw, E::message_part),
        RawValue::I64(value) => format::push_int(out, *value),
        RawValue::U64(value) => format::push_int(out, *value),
        other => {
            scratch.clear();
            _ = show(scratch, other);
            // Digits, signs and letters.
            out.extend_from_slice(scratch.as_bytes());
        }
    }
    false
}

/// Appends a whole message. Returns whether a text was not UTF-8.
#[inline(always)]
fn push_message<E: Encode>(
    out: &mut Vec<u8>,
    scratch: &mut String,
    message: LineMessage<'_>,
    values: &[RawValue<'_>],
) -> bool {
    match message {
        LineMessage::Plain(raw) if !raw.is_cut() && E::message_part_if_harmless(out, raw.bytes) => false,
        LineMessage::Plain(raw) => push_raw(out, scratch, raw, E::message_part),
        LineMessage::Of(template) => {
            debug_assert!(!E::MESSAGE_IN_PARTS, "the form has it in parts");
            let mut any_bad = false;
            scratch.clear();
            template.render(scratch, |out, field| any_bad |= show(out, &values[field]));
            E::message(out, scratch);
            any_bad
        }
    }
}

/// Appends a text, fit to show. Returns whether it was not UTF-8.
#[inline]
fn push_raw(out: &mut Vec<u8>, scratch: &mut String, raw: RawText<'_>, push: impl Fn(&mut Vec<u8>, &str)) -> bool {
    match std::str::from_utf8(raw.bytes) {
        Ok(text) if !raw.is_cut() => {
            push(out, text);
            false
        }
        _ => push_mended(out, scratch, raw, push),
    }
}

#[cold]
fn push_mended(out: &mut Vec<u8>, scratch: &mut String, raw: RawText<'_>, push: impl Fn(&mut Vec<u8>, &str)) -> bool {
    scratch.clear();
    let was_bad = raw.show(scratch);
    push(out, scratch);
    was_bad
}
