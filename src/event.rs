//! From a record to a `tracing` event, and to the callbacks that want it.

use crate::callbacks::{REGISTRY, Registration, Text, View, ViewField};
use crate::dispatch;
use crate::record::decode::{RawField, RawRecord, RawText, RawValue};
use crate::sites::{CachedInterest, Sites};
use crate::stats::Outcome;
use smallvec::SmallVec;
use std::fmt::Write as _;
use std::sync::Arc;
use tracing_core::dispatcher::Dispatch;
use tracing_core::field::{DebugValue, Value, debug};
use tracing_core::{Event, Metadata};

/// Turns records into events.
#[derive(Debug, Default)]
pub struct Events {
    sites: Sites,
}

/// A record about to be delivered.
#[derive(Debug)]
pub struct Delivered<'r, 'a> {
    /// The record.
    pub raw: &'r RawRecord<'a>,
    /// When it was logged.
    pub time_ns: u64,
    /// The id of the thread that logged it.
    pub thread_id: u64,
    /// Its name.
    pub thread_name: &'r std::ffi::CStr,
    /// Whether callbacks see it.
    pub to_callbacks: bool,
}

/// What became of it.
#[derive(Debug)]
pub struct Report {
    /// For the ledger.
    pub outcome: Outcome,
    /// A text was not UTF-8.
    pub bad_utf8: bool,
    /// Callbacks that panicked.
    pub callbacks_failed: u64,
}

impl Events {
    /// Gives a record to the subscriber and to the callbacks that want it.
    pub fn deliver(&mut self, dispatch: Option<&Dispatch>, record: &Delivered<'_, '_>) -> Report {
        let raw = record.raw;
        let (site, is_shared) = self.sites.of(raw);
        let mut report = Report { outcome: Outcome::Filtered, bad_utf8: false, callbacks_failed: 0 };
        let interest = site.interest();
        let wanted = dispatch.filter(|_| interest != CachedInterest::Never);
        let calls: SmallVec<[Arc<Registration>; 2]> = match record.to_callbacks {
            true if is_shared => REGISTRY.matching(raw.level, Text::new(raw.target).as_str()),
            true => site.matching(raw.level).clone(),
            false => SmallVec::new(),
        };
        if wanted.is_none() && calls.is_empty() {
            return report;
        }
        let message = Text::new(raw.message);
        let fields: SmallVec<[ViewField<'_>; 8]> = raw.fields.iter().map(view_of).collect();
        report.bad_utf8 = site.has_bad_names
            || message.was_bad
            || fields.iter().any(|field| field.text.as_ref().is_some_and(|text| text.was_bad));
        if let Some(dispatch) = wanted {
            let given = with_event(site.metadata, is_shared, raw, &message, &fields, |event| {
                dispatch::give(dispatch, interest != CachedInterest::Always, event)
            });
            if given {
                report.outcome = Outcome::Delivered;
            }
            dispatch::give_nested(dispatch);
        }
        if !calls.is_empty() {
            let target = Text::new(raw.target);
            let view = View {
                level: raw.level,
                time_ns: record.time_ns,
                thread_id: record.thread_id,
                thread_name: record.thread_name,
                target: &target,
                message: (&message, raw.message.full),
                fields: &fields,
            };
            view.with_c(|c_record| {
                for registration in calls.iter().filter(|registration| !(raw.called && registration.is_text())) {
                    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| registration.call(c_record))) {
                        Ok(true) => report.outcome = Outcome::Delivered,
                        Ok(false) => (),
                        Err(_) => report.callbacks_failed += 1,
                    }
                }
            });
        }
        report
    }

    /// Whether some callsite's interest is not what `dispatch` says now (tracing-core's cache has known races).
    pub fn any_interest_is_stale(&self, dispatch: &Dispatch) -> bool {
        self.sites.any_interest_is_stale(dispatch)
    }
}

fn view_of(field: RawField<'_>) -> ViewField<'_> {
    let text = match field.value {
        RawValue::Text(raw) => Some(Text::new(raw)),
        _ => None,
    };
    ViewField { name: field.name, value: field.value, text }
}

/// A value in the form in which tracing takes it.
enum Shown<'a> {
    Text(&'a str),
    I64(i64),
    U64(u64),
    F64(f64),
    Bool(bool),
    Pointer(DebugValue<*const ()>),
}

impl Shown<'_> {
    fn as_value(&self) -> &dyn Value {
        match self {
            Self::Text(value) => value,
            Self::I64(value) => value,
            Self::U64(value) => value,
            Self::F64(value) => value,
            Self::Bool(value) => value,
            Self::Pointer(value) => value,
        }
    }
}

/// A text with a mark of how much is missing.
fn with_cut_mark<'a>(shown: &'a str, raw: RawText<'_>, marked: &'a mut String) -> &'a str {
    if !raw.is_cut() {
        return shown;
    }
    let missing = raw.full - raw.bytes.len() as u64;
    _ = write!(marked, "{shown}… ({missing} bytes more)");
    marked
}

/// Builds the event and gives it to `f`.
#[inline]
fn with_event(
    metadata: &'static Metadata<'static>,
    is_shared: bool,
    raw: &RawRecord<'_>,
    message: &Text<'_>,
    fields: &[ViewField<'_>],
    f: impl FnOnce(&Event<'_>) -> bool,
) -> bool {
    let mut marked = String::new();
    let message = with_cut_mark(message.as_str(), raw.message, &mut marked);
    if is_shared {
        let context = fields.iter().map(context_of).collect::<Vec<_>>().join(" ");
        let target = Text::new(raw.target);
        let values = [Shown::Text(message), Shown::Text(target.as_str()), Shown::Text(&context)];
        let values = values.each_ref().map(|value| Some(value.as_value()));
        return f(&Event::new(metadata, &metadata.fields().value_set_all(&values)));
    }
    if fields.is_empty() {
        return f(&Event::new(metadata, &metadata.fields().value_set_all(&[Some(&message)])));
    }
    let mut marked: SmallVec<[String; 8]> = SmallVec::from_elem(String::new(), fields.len());
    let mut shown: SmallVec<[Shown<'_>; 9]> = SmallVec::with_capacity(fields.len() + 1);
    shown.push(Shown::Text(message));
    for (field, marked) in fields.iter().zip(&mut marked) {
        shown.push(match (&field.value, &field.text) {
            (RawValue::Text(raw), Some(text)) => Shown::Text(with_cut_mark(text.as_str(), *raw, marked)),
            (RawValue::Text(_), None) => Shown::Text(""),
            (RawValue::I64(value), _) => Shown::I64(*value),
            (RawValue::U64(value), _) => Shown::U64(*value),
            (RawValue::F64(value), _) => Shown::F64(*value),
            (RawValue::Bool(value), _) => Shown::Bool(*value),
            (RawValue::Pointer(value), _) => Shown::Pointer(debug(std::ptr::without_provenance(*value as usize))),
        });
    }
    let values: SmallVec<[Option<&dyn Value>; 9]> = shown.iter().map(|value| Some(value.as_value())).collect();
    f(&Event::new(metadata, &metadata.fields().value_set_all(&values)))
}

/// `name=value`, for the field `context` of records past the table's bounds.
fn context_of(field: &ViewField<'_>) -> String {
    let name = Text::new(field.name);
    let name = name.as_str();
    match field.value {
        RawValue::I64(value) => format!("{name}={value}"),
        RawValue::U64(value) => format!("{name}={value}"),
        RawValue::F64(value) => format!("{name}={value}"),
        RawValue::Bool(value) => format!("{name}={value}"),
        RawValue::Pointer(value) => format!("{name}={value:#x}"),
        RawValue::Text(_) => format!("{name}={}", field.text.as_ref().map_or("", Text::as_str)),
    }
}
