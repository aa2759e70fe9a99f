//! From a record to a `tracing` event, and to the callbacks that want it.
//!
//! A record says by its kind where its callsite is found: a dynamic one carries level, target and names and is interned
//! by them ([`Sites`]), that of a static site carries the site's number ([`StaticSites`]). From there on they are alike.

mod of_site;
mod span;
mod value;

use crate::backtrace::{REQUESTS, Request};
use crate::callbacks::{Place, REGISTRY, Registration, Text, View, ViewField};
use crate::delivery::{self, ThreadInfo};
use crate::dispatch;
use crate::output::{LineMessage, LineRecord, Lines, Output};
use crate::record::decode::{DecodeError, RawField, RawRecord, RawText, RawValue, decode, kind};
use crate::record::layout::FIRST_SITE;
use crate::sites::{CachedInterest, Part, Site, Sites};
use crate::stats::Outcome;
use crate::template::{self, Template};
pub use of_site::AHEAD;
use of_site::{Rest, StaticSite, StaticSites, Values};
use smallvec::SmallVec;
use std::sync::Arc;
use tracing_core::dispatcher::Dispatch;
use tracing_core::{Event, Metadata};

/// The level ERROR, as a kind too.
const ERROR: u32 = 1;

/// Turns records into events.
#[derive(Debug, Default)]
pub struct Events {
    sites: Sites,
    static_sites: StaticSites,
    /// The message of the record at hand, where it is made from a template, and a NUL; kept for its memory.
    rendered: String,
}

/// A record about to be delivered.
#[derive(Debug)]
pub struct Delivered<'r> {
    /// The record's bytes.
    pub bytes: &'r [u8],
    /// When it was logged.
    pub time_ns: u64,
    /// Who logged it.
    pub thread: &'r Arc<ThreadInfo>,
    /// The name of that thread.
    pub thread_name: &'r std::ffi::CStr,
    /// Whether callbacks see it.
    pub to_callbacks: bool,
    /// It was kept for a backtrace, and is delivered for that.
    pub is_kept: bool,
}

/// The short way of a record that no span is around to our own output: see [`Line`](crate::output::Line).
#[derive(Debug)]
pub struct ShortWay<'o> {
    /// Where the line goes.
    pub lines: &'o mut Lines,
    /// Where the lines go.
    pub output: &'o Output,
}

impl ShortWay<'_> {
    /// A record of a static site.
    #[inline]
    fn push_static(&mut self, known: &mut StaticSite, record: &Delivered<'_>) -> Result<bool, DecodeError> {
        let mut values = Values::new();
        known.read(record.bytes, &mut values)?;
        let Self { lines, output } = self;
        let StaticSite { site, rest, .. } = known;
        let line = site.line(output.style(), Some(&rest.template));
        let (message, values) = (LineMessage::Of(&rest.template), &*values);
        let was_bad = lines.push(line, LineRecord { time_ns: record.time_ns, thread: record.thread, message, values });
        Ok(was_bad || site.has_bad_names)
    }

    /// A dynamic record.
    #[inline]
    fn push_dynamic(&mut self, site: &mut Site, raw: &RawRecord<'_>, record: &Delivered<'_>) -> bool {
        let Self { lines, output } = self;
        let line = site.line(output.style(), None);
        let mut values = Values::new();
        for field in raw.fields.iter() {
            values.push(field.value);
        }
        let (message, values) = (LineMessage::Plain(raw.message), &*values);
        let was_bad = lines.push(line, LineRecord { time_ns: record.time_ns, thread: record.thread, message, values });
        was_bad || site.has_bad_names
    }

    /// Before anything else is given to the output, directly or by a callback.
    fn hand_over(&mut self) {
        self.lines.hand_over(self.output);
    }
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
    /// The output did not want it, and this request for backtraces does.
    pub keep: Option<Arc<Request>>,
}

/// A record with its callsite: what a subscriber and callbacks are given.
struct Subject<'a> {
    level: u32,
    /// The text callbacks have been called for it.
    called: bool,
    target: RawText<'a>,
    message: Message<'a>,
    fields: Fields<'a>,
    place: Option<Place<'a>>,
    /// Its callsite is that of all records past the table's bounds.
    is_shared: bool,
    /// It is part of a backtrace.
    is_kept: bool,
    /// It is a span, and the message its name.
    is_span: bool,
    /// The fields whose values are in the message.
    in_message: u64,
}

/// The fields of a record.
type Fields<'a> = SmallVec<[ViewField<'a>; 8]>;

/// The message, fit to show, and as it was logged.
struct Message<'a> {
    text: Text<'a>,
    raw: RawText<'a>,
}

impl<'a> Message<'a> {
    fn new(raw: RawText<'a>) -> Self {
        Self { text: Text::new(raw), raw }
    }

    /// The message that a template makes of the fields, in `rendered`.
    fn render(template: &Template, fields: &[ViewField<'_>], rendered: &'a mut String) -> Self {
        rendered.clear();
        template.render(rendered, |out, field| _ = template::show(out, &fields[field].value));
        rendered.push('\0');
        let terminated = rendered.as_bytes();
        let bytes = &terminated[..terminated.len() - 1];
        Self::new(RawText { bytes, full: bytes.len() as u64, terminated })
    }
}

impl Events {
    /// Gives a record to the subscriber, on the short way if there is one for it, and to the callbacks that want it.
    pub fn deliver(
        &mut self,
        dispatch: Option<&Dispatch>,
        record: &Delivered<'_>,
        mut short: Option<ShortWay<'_>>,
    ) -> Result<Report, DecodeError> {
        let Self { sites, static_sites, rendered } = self;
        let kind = kind(record.bytes);
        let enter = || delivery::enter(record.thread, record.time_ns);
        if kind >= FIRST_SITE {
            let known = static_sites.of(kind, enter)?;
            let level = known.level;
            if let Some(short) = &mut short
                && is_for_subscriber_alone(&mut known.site, level, dispatch, record)
            {
                return Ok(Report::delivered(short.push_static(known, record)?));
            }
            let mut wanted = Wanted::by(&mut known.site, level, None, dispatch, record);
            if wanted.is_none() {
                return Ok(wanted.nobody());
            }
            if let Some(short) = short.as_mut().filter(|_| wanted.is_certain()) {
                short.push_static(known, record)?;
                wanted.set_served();
            }
            let known = static_sites.of(kind, enter)?;
            let fields = known.fields(record.bytes)?;
            let Rest { template, target, message, place, .. } = &*known.rest;
            let message = match template.literal() {
                Some(_) => Message::new(message.raw()),
                None => Message::render(template, &fields, rendered),
            };
            let subject = Subject {
                level,
                called: false,
                target: target.raw(),
                message,
                fields,
                place: Some(place.as_place()),
                is_shared: false,
                is_kept: record.is_kept,
                is_span: false,
                in_message: known.site.in_message,
            };
            return Ok(give(&known.site, &subject, wanted, record, short));
        }
        let raw = decode(record.bytes)?;
        let (site, is_shared) = sites.of(&raw, enter);
        let has_line = !is_shared && !raw.templated;
        if let Some(short) = short.as_mut().filter(|_| has_line)
            && is_for_subscriber_alone(site, raw.level, dispatch, record)
        {
            return Ok(Report::delivered(short.push_dynamic(site, &raw, record)));
        }
        let target = is_shared.then(|| Text::new(raw.target));
        let mut wanted = Wanted::by(site, raw.level, target.as_ref(), dispatch, record);
        if wanted.is_none() {
            return Ok(wanted.nobody());
        }
        if let Some(short) = short.as_mut().filter(|_| has_line && wanted.is_certain()) {
            short.push_dynamic(site, &raw, record);
            wanted.set_served();
        }
        let subject = Subject { is_shared, is_kept: record.is_kept, ..dynamic(&raw, rendered) };
        Ok(give(site, &subject, wanted, record, short))
    }

    /// Whether static sites may lie in memory when their records come, and not in a cache.
    #[inline]
    pub fn has_many_sites(&self) -> bool {
        self.static_sites.are_many()
    }

    /// Asks for what the records to come need, of these kinds. See [`StaticSites::prefetch`].
    #[inline]
    pub fn prefetch(&self, kinds: [Option<u32>; AHEAD]) {
        for (ahead, kind) in kinds.into_iter().enumerate() {
            if let Some(kind) = kind {
                self.static_sites.prefetch(kind, ahead);
            }
        }
    }

    /// The request for backtraces that an ERROR answers; of another record, none.
    pub fn answered_by(&mut self, bytes: &[u8]) -> Option<Arc<Request>> {
        match kind(bytes) {
            ERROR => self.sites.of(&decode(bytes).ok()?, || ()).0.request(),
            kind if kind >= FIRST_SITE => {
                let known = self.static_sites.of(kind, || ()).ok()?;
                if known.level == ERROR { known.site.request() } else { None }
            }
            _ => None,
        }
    }

    /// Whether the interest of some callsite of this part is not what `dispatch` says now (tracing-core's cache has known
    /// races).
    pub fn any_interest_is_stale(&self, dispatch: &Dispatch, part: Part) -> bool {
        self.sites.any_interest_is_stale(dispatch, part) || self.static_sites.any_interest_is_stale(dispatch, part)
    }
}

fn dynamic<'a>(raw: &RawRecord<'a>, rendered: &'a mut String) -> Subject<'a> {
    let fields: Fields<'a> = raw.fields.iter().map(|RawField { name, value }| ViewField::new(name, value)).collect();
    let mut in_message = 0;
    let message = if raw.templated {
        // A static site past the bounds of the table: the template is read each time.
        let names: SmallVec<[Text<'_>; 8]> = fields.iter().map(|field| Text::new(field.name)).collect();
        let names: SmallVec<[&str; 8]> = names.iter().map(Text::as_str).collect();
        let template = Template::parse(Text::new(raw.message).as_str(), &names);
        in_message = template.fields();
        Message::render(&template, &fields, rendered)
    } else {
        Message::new(raw.message)
    };
    let (level, called, target) = (raw.level, raw.called, raw.target);
    let (is_shared, is_kept, is_span) = (false, false, false);
    Subject { level, called, target, message, fields, place: None, is_shared, is_kept, is_span, in_message }
}

/// Whether nobody gets the record but the subscriber, which need not be asked: so it is with most.
#[inline]
fn is_for_subscriber_alone(site: &mut Site, level: u32, dispatch: Option<&Dispatch>, record: &Delivered<'_>) -> bool {
    dispatch.is_some()
        && !record.is_kept
        && site.interest() == CachedInterest::Always
        && (!record.to_callbacks || site.matching(level).is_empty())
}

/// Who wants a record.
struct Wanted<'d> {
    dispatch: Option<&'d Dispatch>,
    /// Whether the subscriber has to be asked for each event.
    ask: bool,
    calls: SmallVec<[Arc<Registration>; 2]>,
    /// The request for backtraces, if the subscriber does not want the record.
    keep: Option<Arc<Request>>,
    metadata: &'static Metadata<'static>,
    /// The subscriber has it, on the short way.
    served: bool,
}

impl<'d> Wanted<'d> {
    /// `shared_target`: the record's own target, where the site is shared by several.
    fn by(
        site: &mut Site,
        level: u32,
        shared_target: Option<&Text<'_>>,
        dispatch: Option<&'d Dispatch>,
        record: &Delivered<'_>,
    ) -> Self {
        if record.is_kept {
            let metadata = if shared_target.is_some() { site.metadata } else { site.for_backtrace() };
            return Self { dispatch, ask: true, calls: SmallVec::new(), keep: None, metadata, served: false };
        }
        let interest = site.interest();
        let calls = match shared_target {
            _ if !record.to_callbacks => SmallVec::new(),
            Some(target) => REGISTRY.matching(level, target.as_str()),
            None => site.matching(level).clone(),
        };
        let dispatch = dispatch.filter(|_| interest != CachedInterest::Never);
        let ask = interest != CachedInterest::Always;
        let keep = if dispatch.is_some() && !ask {
            None
        } else {
            shared_target.map_or_else(|| site.request(), |target| REQUESTS.of(target.as_str()))
        };
        Self { dispatch, ask, calls, keep, metadata: site.metadata, served: false }
    }

    /// Whether the subscriber takes it without being asked.
    fn is_certain(&self) -> bool {
        self.dispatch.is_some() && !self.ask
    }

    fn set_served(&mut self) {
        self.dispatch = None;
        self.served = true;
    }

    fn nobody(self) -> Report {
        Report { keep: self.keep, ..Report::filtered() }
    }

    fn is_none(&self) -> bool {
        self.dispatch.is_none() && self.calls.is_empty()
    }
}

impl Report {
    fn delivered(bad_utf8: bool) -> Self {
        Self { outcome: Outcome::Delivered, bad_utf8, ..Self::filtered() }
    }

    fn filtered() -> Self {
        Self { outcome: Outcome::Filtered, bad_utf8: false, callbacks_failed: 0, keep: None }
    }
}

/// Gives a record to those who want it.
fn give(
    site: &Site,
    subject: &Subject<'_>,
    wanted: Wanted<'_>,
    record: &Delivered<'_>,
    short: Option<ShortWay<'_>>,
) -> Report {
    if let Some(mut short) = short {
        short.hand_over();
    }
    delivery::enter(record.thread, record.time_ns);
    let outcome = if wanted.served { Outcome::Delivered } else { Outcome::Filtered };
    let mut report = Report { outcome, keep: wanted.keep, ..Report::filtered() };
    report.bad_utf8 = site.has_bad_names
        || subject.message.text.was_bad
        || subject.fields.iter().any(|field| field.text.as_ref().is_some_and(|text| text.was_bad));
    if let Some(dispatch) = wanted.dispatch {
        let metadata = wanted.metadata;
        delivery::set_fields_in_message(subject.in_message);
        let given = value::with_values(metadata, subject, |values| {
            dispatch::give(dispatch, wanted.ask, &Event::new(metadata, values))
        });
        if given {
            report.outcome = Outcome::Delivered;
            report.keep = None;
        }
        delivery::set_fields_in_message(0);
        dispatch::give_nested(dispatch);
    }
    if !wanted.calls.is_empty() {
        let target = Text::new(subject.target);
        let view = View {
            level: subject.level,
            time_ns: record.time_ns,
            thread_id: record.thread.id,
            thread_name: record.thread_name,
            target: &target,
            message: (&subject.message.text, subject.message.raw.full),
            fields: &subject.fields,
            place: subject.place,
        };
        view.with_c(|c_record| {
            for registration in wanted.calls.iter().filter(|call| !(subject.called && call.is_text())) {
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

impl<'a> ViewField<'a> {
    fn new(name: RawText<'a>, value: RawValue<'a>) -> Self {
        let text = match value {
            RawValue::Text(raw) => Some(Text::new(raw)),
            _ => None,
        };
        Self { name, value, text }
    }
}
