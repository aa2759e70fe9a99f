//! From a record to a `tracing` event.
//!
//! An event needs a callsite with `&'static` metadata; a dynamic record has a target and field names that came as strings
//! at run time. They are interned here, on the drain: one leaked callsite for each shape (level, target, names) that was ever seen.
//! The table is bounded in entries and bytes; past that, records share one callsite for each level, and carry their
//! target and fields in the ordinary fields `log.target` and `context`.

use crate::callbacks::{REGISTRY, Registration, Text, View, ViewField};
use crate::dispatch;
use crate::record::decode::{RawField, RawRecord, RawText, RawValue};
use crate::stats::Outcome;
use crate::sync::{AtomicU32, Ordering};
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use tracing_core::callsite::{Callsite, Identifier};
use tracing_core::dispatcher::Dispatch;
use tracing_core::field::{DebugValue, FieldSet, Value, debug};
use tracing_core::metadata::Kind;
use tracing_core::subscriber::Interest;
use tracing_core::{Event, Level, Metadata};

/// Most shapes that get a callsite of their own.
pub const MOST_SITES: usize = 4096;
/// Most bytes that their names may take.
pub const MOST_SITE_BYTES: usize = 1 << 20;

/// The level of a kind of record.
pub fn level(number: u32) -> Level {
    match number {
        1 => Level::ERROR,
        2 => Level::WARN,
        4 => Level::DEBUG,
        5 => Level::TRACE,
        _ => Level::INFO,
    }
}

const NEVER: u32 = 0;
const SOMETIMES: u32 = 1;
const ALWAYS: u32 = 2;

/// A callsite that was made at run time and lives for ever.
#[derive(Debug)]
struct RuntimeSite {
    metadata: OnceLock<Metadata<'static>>,
    interest: AtomicU32,
}

impl RuntimeSite {
    /// Makes and registers a callsite. tracing-core keeps it for ever, so it is leaked.
    fn leak(level_number: u32, target: String, names: Vec<&'static str>) -> &'static Self {
        let site: &'static Self =
            Box::leak(Box::new(Self { metadata: OnceLock::new(), interest: AtomicU32::new(NEVER) }));
        let fields = FieldSet::new(names.leak(), Identifier(site));
        let target: &'static str = target.leak();
        site.metadata
            .get_or_init(|| Metadata::new("log", target, level(level_number), None, None, None, fields, Kind::EVENT));
        tracing_core::callsite::register(site);
        site
    }
}

impl Callsite for RuntimeSite {
    fn set_interest(&self, interest: Interest) {
        let interest = match () {
            () if interest.is_never() => NEVER,
            () if interest.is_always() => ALWAYS,
            () => SOMETIMES,
        };
        self.interest.store(interest, Ordering::Relaxed);
    }

    fn metadata(&self) -> &Metadata<'_> {
        self.metadata.get().expect("a callsite's metadata is set before it is registered")
    }
}

/// What the drain keeps for a callsite.
#[derive(Debug)]
struct Site {
    callsite: &'static RuntimeSite,
    metadata: &'static Metadata<'static>,
    /// A target or a field's name was not UTF-8.
    has_bad_names: bool,
    matching: SmallVec<[Arc<Registration>; 2]>,
    matched_in: u64,
}

impl Site {
    fn new(callsite: &'static RuntimeSite, has_bad_names: bool) -> Self {
        let metadata = callsite.metadata.get().expect("set by `leak`");
        Self { callsite, metadata, has_bad_names, matching: SmallVec::new(), matched_in: 0 }
    }

    /// Looks which callbacks match, when the registry has changed.
    #[inline]
    fn match_callbacks(&mut self, level: u32, target: &str) {
        let generation = REGISTRY.generation();
        if self.matched_in != generation {
            self.matching = REGISTRY.matching(level, target);
            self.matched_in = generation;
        }
    }
}

/// The table of callsites.
#[derive(Debug, Default)]
pub struct Events {
    sites: HashMap<Box<[u8]>, Site>,
    bytes: usize,
    shared: [Option<Site>; 5],
    key: Vec<u8>,
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
        let (site, is_shared) = self.site(raw);
        let mut report = Report { outcome: Outcome::Filtered, bad_utf8: false, callbacks_failed: 0 };
        let interest = site.callsite.interest.load(Ordering::Relaxed);
        let wanted = dispatch.filter(|_| interest != NEVER);
        if !is_shared {
            site.match_callbacks(raw.level, site.metadata.target());
        }
        let calls: SmallVec<[Arc<Registration>; 2]> = match record.to_callbacks {
            true if is_shared => REGISTRY.matching(raw.level, Text::new(raw.target).as_str()),
            true => site.matching.clone(),
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
                dispatch::give(dispatch, interest != ALWAYS, event)
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
                for registration in &calls {
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
        self.sites.values().chain(self.shared.iter().flatten()).any(|site| {
            let now = dispatch.register_callsite(site.metadata);
            now.is_never() != (site.callsite.interest.load(Ordering::Relaxed) == NEVER)
        })
    }

    /// The callsite of a record's shape, and whether it is a shared one.
    #[inline]
    fn site(&mut self, raw: &RawRecord<'_>) -> (&mut Site, bool) {
        self.key.clear();
        self.key.push(raw.level as u8);
        self.key.extend_from_slice(raw.target.bytes);
        for field in &raw.fields {
            // 0xFF is in no UTF-8 text: shapes cannot run into each other.
            self.key.push(0xFF);
            self.key.extend_from_slice(field.name.bytes);
        }
        // Two look-ups where the site is there would be one with Polonius; the second is of a hot line.
        if !self.sites.contains_key(&*self.key) && !self.intern(raw) {
            let names = vec!["message", "log.target", "context"];
            let shared = self.shared[raw.level as usize - 1].get_or_insert_with(|| {
                Site::new(RuntimeSite::leak(raw.level, "logfusion::overflow".to_owned(), names), false)
            });
            return (shared, true);
        }
        (self.sites.get_mut(&*self.key).expect("the shape is in the table"), false)
    }

    /// Adds a shape; `false`: the table is full.
    #[cold]
    fn intern(&mut self, raw: &RawRecord<'_>) -> bool {
        if self.sites.len() >= MOST_SITES || self.bytes + self.key.len() > MOST_SITE_BYTES {
            return false;
        }
        self.bytes += self.key.len();
        let target = Text::new(raw.target);
        let fields: SmallVec<[Text<'_>; 8]> = raw.fields.iter().map(|field| Text::new(field.name)).collect();
        let has_bad_names = target.was_bad || fields.iter().any(|name| name.was_bad);
        let leaked = fields.iter().map(|name| -> &'static str { name.as_str().to_owned().leak() });
        let names = std::iter::once("message").chain(leaked).collect();
        let site = Site::new(RuntimeSite::leak(raw.level, target.as_str().to_owned(), names), has_bad_names);
        self.sites.insert(self.key.as_slice().into(), site);
        true
    }
}

fn view_of<'a>(field: &RawField<'a>) -> ViewField<'a> {
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
