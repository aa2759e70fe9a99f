//! logfmt: `key=value` pairs, for people and machines.
//!
//! ```text
//! ts=2026-11-22T09:00:00.123456Z level=info target=ffi::http thread=main thread_id=1234 span="request{id=7}:" msg="the message" k=1
//! ```
//!
//! `thread`, `thread_id`, `span` and `msg` are left out where there is none; `span` shows the spans around the record as text
//! does. A value stands in double quotes, with `\` before `"` and `\`, if it is empty or has a space, `=`, `"`, `\` or an
//! escaped character.

use tracing_core::Level;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::escape::{push_key, push_value, push_value_if_harmless};
use super::{Encode, LineOf, Scratch, Suffix, push_context, push_float, push_int, push_scope, text};

/// Keys and values as logfmt writes them.
pub(crate) struct Logfmt;

impl Encode for Logfmt {
    const SEPARATOR: u8 = b' ';
    const RESERVED: &'static [&'static str] = &["ts", "level", "target", "thread", "thread_id", "span", "msg"];
    const RESERVED_IN_SPAN: &'static [&'static str] = &[];
    const UNIQUE_KEYS: bool = true;
    const LINE_BEGIN: &'static [u8] = b"ts=";
    const LINE_END: &'static [u8] = b"\n";
    const THREAD_LAST: bool = false;
    const SHOWS_ONCE: bool = false;
    const MESSAGE_APART: bool = true;

    fn head(out: &mut Vec<u8>, level: &Level, target: &str, _: bool) {
        out.extend_from_slice(level_text(level));
        push_value(out, target);
    }

    fn thread(line: &mut Vec<u8>, name: &str, id: Option<u64>) {
        if !name.is_empty() {
            line.extend_from_slice(b" thread=");
            push_value(line, name);
        }
        if let Some(id) = id {
            line.extend_from_slice(b" thread_id=");
            push_int(line, id);
        }
    }

    fn key(out: &mut Vec<u8>, name: &str, suffix: Option<Suffix>) {
        push_key(out, name);
        if let Some(suffix) = suffix {
            suffix.push(out);
        }
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
        push_value_if_harmless(out, bytes)
    }

    fn debug(out: &mut Vec<u8>, value: &str) {
        push_value(out, value);
    }

    fn float(out: &mut Vec<u8>, value: f64) {
        push_float(out, value);
    }

    fn message_key(out: &mut Vec<u8>) {
        out.extend_from_slice(b" msg=");
    }

    fn message(out: &mut Vec<u8>, value: &str) {
        push_value(out, value);
    }

    // Whether it stands in quotes is seen only when it is whole.
    const MESSAGE_IN_PARTS: bool = false;
    const MESSAGE_QUOTE: &'static [u8] = b"";

    fn message_part(out: &mut Vec<u8>, value: &str) {
        push_value(out, value);
    }
}

/// Appends a line of `subject`; `span` is the innermost span around it.
pub(crate) fn push_line<'a, S: LookupSpan<'a>>(
    scratch: &mut Scratch,
    subject: &LineOf<'_>,
    span: Option<&SpanRef<'a, S>>,
) {
    let metadata = subject.metadata();
    scratch.line.extend_from_slice(Logfmt::LINE_BEGIN);
    scratch.push_time();
    Logfmt::head(&mut scratch.line, metadata.level(), metadata.target(), false);
    scratch.push_thread(Logfmt::thread);
    if let Some(span) = span {
        let Scratch { line, debug, .. } = scratch;
        let start = line.len();
        if push_scope(span, line, &text::push_span) {
            debug.clear();
            debug.push_str(str::from_utf8(&line[start..]).unwrap_or_default());
            line.truncate(start);
            line.extend_from_slice(b" span=");
            push_value(line, debug);
        }
    }
    subject.push::<Logfmt>(scratch);
    push_context(span, &mut scratch.line, Logfmt::SEPARATOR);
    scratch.line.extend_from_slice(Logfmt::LINE_END);
}

/// What stands between the time and the target.
fn level_text(level: &Level) -> &'static [u8] {
    match *level {
        Level::ERROR => b" level=error target=",
        Level::WARN => b" level=warn target=",
        Level::INFO => b" level=info target=",
        Level::DEBUG => b" level=debug target=",
        Level::TRACE => b" level=trace target=",
    }
}
