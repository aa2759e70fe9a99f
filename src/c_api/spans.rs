//! Spans and the context of a thread.

use super::errors::fail;
use super::log::{level, read_fields, target_of};
use super::sites::{CSite, CSiteValue, Values};
use super::status::Status;
use super::{boundary, marked_boundary, text};
use crate::callbacks::CField;
use crate::engine;
use crate::producers::{self, Dropped};
use crate::record::encode::{Dynamic, ENVELOPE, Field, OfSite, Text, Value};
use crate::record::layout::{CLEAR, ENTER, FIRST_SITE, SET};
use crate::ring::{Mark, Producer};
use crate::spans::{self, MOST_SPANS, NotEntered, Token};
use crate::static_sites::CALL;
use std::ffi::{c_char, c_int, c_void};

/// The level of what has none: INFO.
const INFO: u32 = 3;

/// What a span is described in may take so much of a ring.
fn limit(producer: Producer<'_>) -> usize {
    producer.max_record().saturating_sub(ENVELOPE)
}

fn number(function: &str, entered: Result<Token, NotEntered>) -> u64 {
    match entered {
        Ok(token) => token.get(),
        Err(NotEntered::TooDeep) => {
            fail(
                Status::Size,
                format_args!("{function}: the thread is in {MOST_SPANS} spans; it does not enter another"),
            );
            0
        }
    }
}

/// See `logfusion_span_enter` in the header.
///
/// # Safety
///
/// As [`logfusion_log_fields`](super::logfusion_log_fields), `name` for its message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_span_enter(
    level: c_int,
    target: *const c_char,
    name: *const c_char,
    fields: *const CField,
    count: usize,
) -> u64 {
    const NAME: &str = "logfusion_span_enter";
    marked_boundary(0, |mark| {
        if name.is_null() {
            fail(Status::Null, format_args!("{NAME}: name is NULL; no span is entered"));
            return 0;
        }
        let (level, _) = self::level(NAME, level);
        // SAFETY: the caller promises NULL or a NUL-terminated string.
        let (target, _) = unsafe { target_of(NAME, target, Status::Ok.code()) };
        // SAFETY: the caller's promises.
        let Ok((mut fields, _)) = (unsafe { read_fields(NAME, fields, count, Status::Ok.code()) }) else { return 0 };
        if !engine::wants(level) {
            return 0;
        }
        // SAFETY: not NULL, and the caller promises a NUL-terminated string.
        let name = Text::new(unsafe { text::name(name) });
        let producer = producers::current(mark);
        let record = Dynamic::measure(level, target, name, &mut fields, limit(producer));
        let write = |out: &mut [u8], ticks| record.write(out, ticks);
        number(NAME, spans::enter(producer, ENTER, level, name.bytes(), record.size(), write))
    })
}

/// See `logfusion_site_span_enter` in the header.
///
/// # Safety
///
/// As [`logfusion_site_push`](super::logfusion_site_push).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_site_span_enter(
    site: *const CSite,
    word: u32,
    values: *const CSiteValue,
    mark: *const c_void,
) -> u64 {
    const NAME: &str = "logfusion_site_span_enter";
    boundary(0, || {
        // SAFETY: NULL, or the caller promises a site.
        let Some(site) = (unsafe { site.as_ref() }) else {
            fail(Status::Null, format_args!("{NAME}: site is NULL"));
            return 0;
        };
        let mut all = Values::new();
        // SAFETY: the caller's promises.
        unsafe { site.read(values, &mut all) };
        // SAFETY: the site is one of the macros.
        let name = unsafe { site.message() };
        let (level, producer) = (site.level(), producers::current(Mark::of_statement(mark.addr())));
        let kind = word & !CALL;
        let entered = if kind >= FIRST_SITE {
            let record = OfSite::measure(kind, &mut all, limit(producer));
            spans::enter(producer, ENTER, level, name, record.size(), |out, ticks| record.write(out, ticks))
        } else {
            // SAFETY: the site is one of the macros.
            let (target, _, mut fields) = unsafe { site.pairs(&all) };
            let record = Dynamic::measure(level, target, Text::new(name), &mut fields, limit(producer));
            spans::enter(producer, ENTER, level, name, record.size(), |out, ticks| record.write(out, ticks))
        };
        number(NAME, entered)
    })
}

/// See `logfusion_span_attach` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_span_attach() -> u64 {
    const NAME: &str = "logfusion_span_attach";
    boundary(0, || {
        let span = crate::current_span();
        if span.is_none() { 0 } else { number(NAME, spans::attach(span)) }
    })
}

/// See `logfusion_span_exit` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_span_exit(span: u64) -> c_int {
    const NAME: &str = "logfusion_span_exit";
    marked_boundary(Status::Internal.code(), |mark| match spans::exit(span, mark) {
        _ if span == 0 => Status::Ok.code(),
        Ok(()) => Status::Ok.code(),
        Err(spans::NotOpen) => fail(
            Status::Unknown,
            format_args!(
                "{NAME}: the span is not open on this thread: it was left before, with one around it, or is another thread's"
            ),
        ),
    })
}

/// See `logfusion_context_set` in the header.
///
/// # Safety
///
/// `key` and `value` are NULL or NUL-terminated strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_context_set(key: *const c_char, value: *const c_char) -> c_int {
    const NAME: &str = "logfusion_context_set";
    marked_boundary(Status::Internal.code(), |mark| {
        if key.is_null() || value.is_null() {
            let which = if key.is_null() { "key" } else { "value" };
            return fail(Status::Null, format_args!("{NAME}: {which} is NULL; the context is as it was"));
        }
        let producer = producers::current(mark);
        // SAFETY: not NULL, and the caller promises NUL-terminated strings.
        let (key, value) = unsafe { (text::name(key), text::terminated(value, limit(producer))) };
        if key.is_empty() {
            return fail(Status::Invalid, format_args!("{NAME}: key is empty; the context is as it was"));
        }
        let mut fields = [Field { name: key, value: Value::Text(value) }];
        let record = Dynamic::measure(INFO, b"", Text::new(b""), &mut fields, limit(producer));
        status(spans::change_context(producer, SET, record.size(), |out, ticks| record.write(out, ticks)))
    })
}

/// See `logfusion_context_clear` in the header.
///
/// # Safety
///
/// `key` is NULL or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_context_clear(key: *const c_char) -> c_int {
    const NAME: &str = "logfusion_context_clear";
    marked_boundary(Status::Internal.code(), |mark| {
        let mut name: &[u8] = b"";
        if !key.is_null() {
            // SAFETY: not NULL, and the caller promises a NUL-terminated string.
            name = unsafe { text::name(key) };
            if name.is_empty() {
                return fail(Status::Invalid, format_args!("{NAME}: key is empty; NULL removes all keys"));
            }
        }
        let producer = producers::current(mark);
        let record = Dynamic::measure(INFO, b"", Text::new(name), &mut [], limit(producer));
        status(spans::change_context(producer, CLEAR, record.size(), |out, ticks| record.write(out, ticks)))
    })
}

fn status(pushed: Result<(), Dropped>) -> c_int {
    match pushed {
        Ok(()) => Status::Ok.code(),
        Err(Dropped) => Status::Dropped.code(),
    }
}
