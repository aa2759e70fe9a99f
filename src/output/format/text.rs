//! Text, for people.
//!
//! ```text
//! 2026-11-22T09:00:00.123456Z  INFO main[1234] request{id=7}: ffi::http: the message key=value other="has spaces"
//! ```
//!
//! What a message was made of (a C statement's template names it) is not shown again behind it.
//!
//! Time, level, name and id of the thread, the spans around the record from the outermost, target, message, pairs. A text
//! value stands in quotes where it could be misread without; a `Debug` value never does. In colour, the time is dim and the
//! level has its colour.

use tracing_core::Level;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::escape::{push_text, push_text_if_harmless, push_value, push_value_if_harmless};
use super::{Encode, LineOf, Scratch, Suffix, push_context, push_float, push_int, push_scope, push_span_fields};

/// Keys and values as text shows them.
pub(crate) struct Text;

impl Encode for Text {
    const SEPARATOR: u8 = b' ';
    const RESERVED: &'static [&'static str] = &[];
    const RESERVED_IN_SPAN: &'static [&'static str] = &[];
    const UNIQUE_KEYS: bool = false;
    const LINE_BEGIN: &'static [u8] = b"";
    const LINE_END: &'static [u8] = b"\n";
    const THREAD_LAST: bool = false;
    const SHOWS_ONCE: bool = true;
    const MESSAGE_APART: bool = true;

    fn head(out: &mut Vec<u8>, level: &Level, _: &str, color: bool) {
        out.extend_from_slice(level_text(level, color));
    }

    fn target_before_message(out: &mut Vec<u8>, target: &str) {
        push_text(out, target);
        out.push(b':');
    }

    /// As `name[id] `.
    fn thread(line: &mut Vec<u8>, name: &str, id: Option<u64>) {
        push_text(line, name);
        if let Some(id) = id {
            line.push(b'[');
            push_int(line, id);
            line.push(b']');
        }
        if id.is_some() || !name.is_empty() {
            line.push(b' ');
        }
    }

    fn key(out: &mut Vec<u8>, name: &str, _: Option<Suffix>) {
        push_value(out, name);
        out.push(b'=');
    }

    fn text(out: &mut Vec<u8>, value: &str) {
        push_value(out, value);
    }

    #[inline]
    fn text_if_harmless(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
        push_value_if_harmless(out, bytes)
    }

    #[inline]
    fn message_part_if_harmless(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
        push_text_if_harmless(out, bytes)
    }

    fn debug(out: &mut Vec<u8>, value: &str) {
        push_text(out, value);
    }

    fn float(out: &mut Vec<u8>, value: f64) {
        push_float(out, value);
    }

    fn message_key(out: &mut Vec<u8>) {
        out.push(b' ');
    }

    fn message(out: &mut Vec<u8>, value: &str) {
        push_text(out, value);
    }

    const MESSAGE_IN_PARTS: bool = true;
    const MESSAGE_QUOTE: &'static [u8] = b"";

    #[inline]
    fn message_part(out: &mut Vec<u8>, value: &str) {
        push_text(out, value);
    }
}

/// Appends a line of `subject`; `span` is the innermost span around it.
pub(crate) fn push_line<'a, S: LookupSpan<'a>>(
    scratch: &mut Scratch,
    subject: &LineOf<'_>,
    span: Option<&SpanRef<'a, S>>,
    color: bool,
) {
    let metadata = subject.metadata();
    if color {
        scratch.line.extend_from_slice(b"\x1b[2m");
    }
    scratch.push_time();
    Text::head(&mut scratch.line, metadata.level(), metadata.target(), color);
    scratch.push_thread(Text::thread);
    if let Some(span) = span
        && push_scope(span, &mut scratch.line, &push_span)
    {
        scratch.line.push(b' ');
    }
    Text::target_before_message(&mut scratch.line, metadata.target());
    subject.push::<Text>(scratch);
    push_context(span, &mut scratch.line, Text::SEPARATOR);
    scratch.line.extend_from_slice(Text::LINE_END);
}

/// Appends a span as `name{fields}:`.
pub(super) fn push_span<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>, out: &mut Vec<u8>) {
    push_text(out, span.name());
    let name_end = out.len();
    out.push(b'{');
    push_span_fields(span, out, b' ');
    if out.len() == name_end + 1 {
        out.truncate(name_end);
    } else {
        out.push(b'}');
    }
    out.push(b':');
}

/// The level with the spaces around it, and in colour the end of the dim time before it.
fn level_text(level: &Level, color: bool) -> &'static [u8] {
    match (*level, color) {
        (Level::ERROR, false) => b" ERROR ",
        (Level::WARN, false) => b"  WARN ",
        (Level::INFO, false) => b"  INFO ",
        (Level::DEBUG, false) => b" DEBUG ",
        (Level::TRACE, false) => b" TRACE ",
        (Level::ERROR, true) => b"\x1b[0m \x1b[31mERROR\x1b[0m ",
        (Level::WARN, true) => b"\x1b[0m  \x1b[33mWARN\x1b[0m ",
        (Level::INFO, true) => b"\x1b[0m  \x1b[32mINFO\x1b[0m ",
        (Level::DEBUG, true) => b"\x1b[0m \x1b[34mDEBUG\x1b[0m ",
        (Level::TRACE, true) => b"\x1b[0m \x1b[35mTRACE\x1b[0m ",
    }
}
