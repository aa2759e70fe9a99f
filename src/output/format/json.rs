//! JSON: one object a line, in the shape of `tracing-subscriber`'s own JSON format.
//!
//! ```text
//! {"timestamp":"2026-11-22T09:00:00.123456Z","level":"INFO","fields":{"message":"the message","k":1},"target":"ffi::http",
//!  "filename":"http.c","line_number":7,"span":{"id":7,"name":"request"},"spans":[{"id":7,"name":"request"}],
//!  "threadName":"main","threadId":1234}
//! ```
//!
//! (One line in the output.) Keys and their order are those of that format with everything it can show switched on; what
//! a record does not have is left out. The differences: `threadId` is the operating system's id, a number, not the text
//! `ThreadId(1)`; a span's fields keep their order; and no key is repeated in `fields` or in a span.
//!
//! Integers, booleans and finite floating-point numbers are written as such. NaN and the infinities, which JSON does not
//! have, are `null`. Integers of 128 bits and what is known by its `Debug` alone are strings.

use tracing_core::Level;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::escape::{push_json, push_json_inner, push_json_inner_if_harmless};
use super::{
    Encode, LineOf, Scratch, Suffix, innermost_named, push_context, push_float, push_int, push_scope, push_span_fields,
};

/// Keys and values as JSON writes them.
pub(crate) struct Json;

impl Encode for Json {
    const SEPARATOR: u8 = b',';
    const RESERVED: &'static [&'static str] = &[];
    const RESERVED_IN_SPAN: &'static [&'static str] = &["name"];
    const UNIQUE_KEYS: bool = true;
    const LINE_BEGIN: &'static [u8] = b"{\"timestamp\":\"";
    const LINE_END: &'static [u8] = b"}\n";
    const THREAD_LAST: bool = true;
    const SHOWS_ONCE: bool = false;
    const MESSAGE_APART: bool = false;

    fn head(out: &mut Vec<u8>, level: &Level, _: &str, _: bool) {
        out.extend_from_slice(level_text(level));
    }

    fn thread(line: &mut Vec<u8>, name: &str, id: Option<u64>) {
        if !name.is_empty() {
            line.extend_from_slice(b",\"threadName\":");
            push_json(line, name);
        }
        if let Some(id) = id {
            line.extend_from_slice(b",\"threadId\":");
            push_int(line, id);
        }
    }

    fn place(line: &mut Vec<u8>, target: &str, file: Option<&str>, number: Option<u32>) {
        line.extend_from_slice(b"},\"target\":");
        push_json(line, target);
        if let Some(file) = file {
            line.extend_from_slice(b",\"filename\":");
            push_json(line, file);
        }
        if let Some(number) = number {
            line.extend_from_slice(b",\"line_number\":");
            push_int(line, number);
        }
    }

    fn key(out: &mut Vec<u8>, name: &str, suffix: Option<Suffix>) {
        out.push(b'"');
        push_json_inner(out, name);
        if let Some(suffix) = suffix {
            suffix.push(out);
        }
        out.extend_from_slice(b"\":");
    }

    fn text(out: &mut Vec<u8>, value: &str) {
        push_json(out, value);
    }

    #[inline]
    fn text_if_harmless(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
        let begin = out.len();
        out.push(b'"');
        let is_harmless = push_json_inner_if_harmless(out, bytes);
        if is_harmless {
            out.push(b'"');
        } else {
            out.truncate(begin);
        }
        is_harmless
    }

    #[inline]
    fn message_part_if_harmless(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
        push_json_inner_if_harmless(out, bytes)
    }

    fn debug(out: &mut Vec<u8>, value: &str) {
        push_json(out, value);
    }

    fn float(out: &mut Vec<u8>, value: f64) {
        if value.is_finite() {
            push_float(out, value);
        } else {
            out.extend_from_slice(b"null");
        }
    }

    fn message_key(out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"message\":");
    }

    fn message(out: &mut Vec<u8>, value: &str) {
        push_json(out, value);
    }

    const MESSAGE_IN_PARTS: bool = true;
    const MESSAGE_QUOTE: &'static [u8] = b"\"";

    #[inline]
    fn message_part(out: &mut Vec<u8>, value: &str) {
        push_json_inner(out, value);
    }
}

/// Appends a line of `subject`; `span` is the innermost span around it.
pub(crate) fn push_line<'a, S: LookupSpan<'a>>(
    scratch: &mut Scratch,
    subject: &LineOf<'_>,
    span: Option<&SpanRef<'a, S>>,
) {
    let metadata = subject.metadata();
    scratch.line.extend_from_slice(Json::LINE_BEGIN);
    scratch.push_time();
    Json::head(&mut scratch.line, metadata.level(), metadata.target(), false);
    subject.push::<Json>(scratch);
    let line = &mut scratch.line;
    push_context(span, line, Json::SEPARATOR);
    Json::place(line, metadata.target(), metadata.file(), metadata.line());
    if let Some(span) = span {
        let start = line.len();
        line.extend_from_slice(b",\"span\":");
        if innermost_named(span, &mut |span| push_span(span, line)) {
            line.extend_from_slice(b",\"spans\":[");
            push_scope(span, line, &|span, line| {
                if line.last() != Some(&b'[') {
                    line.push(b',');
                }
                push_span(span, line);
            });
            line.push(b']');
        } else {
            line.truncate(start);
        }
    }
    scratch.push_thread(Json::thread);
    scratch.line.extend_from_slice(Json::LINE_END);
}

fn push_span<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>, out: &mut Vec<u8>) {
    out.push(b'{');
    push_span_fields(span, out, b',');
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.extend_from_slice(b"\"name\":");
    push_json(out, span.name());
    out.push(b'}');
}

/// What stands between the time and the first field.
fn level_text(level: &Level) -> &'static [u8] {
    match *level {
        Level::ERROR => b"\",\"level\":\"ERROR\",\"fields\":{",
        Level::WARN => b"\",\"level\":\"WARN\",\"fields\":{",
        Level::INFO => b"\",\"level\":\"INFO\",\"fields\":{",
        Level::DEBUG => b"\",\"level\":\"DEBUG\",\"fields\":{",
        Level::TRACE => b"\",\"level\":\"TRACE\",\"fields\":{",
    }
}
