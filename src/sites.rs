//! The table of callsites.
//!
//! An event needs a callsite with `&'static` metadata; a dynamic record has a target and field names that came as strings
//! at run time. They are interned here, on the drain: one leaked callsite for each *shape* (level, target, names)
//! that was ever seen. Only the drain registers callsites: tracing-core takes a global lock for it.
//!
//! The table is bounded in entries and bytes, since strings from outside may differ without end. Past the bounds, records
//! share one callsite for each level, and carry their target and fields in the ordinary fields `log.target` and
//! `context`.

use crate::backtrace::{REQUESTS, Request};
use crate::callbacks::{REGISTRY, Registration, Text};
use crate::os::prefetch;
use crate::output::{Line, Style};
use crate::record::decode::RawRecord;
use crate::static_sites;
use crate::sync::{AtomicU32, Ordering};
use crate::template::Template;
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing_core::callsite::{Callsite, Identifier};
use tracing_core::dispatcher::Dispatch;
use tracing_core::field::FieldSet;
use tracing_core::metadata::Kind;
use tracing_core::subscriber::Interest;
use tracing_core::{Level, LevelFilter, Metadata};

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

/// The number of a level; 0: off.
pub fn number(level: LevelFilter) -> u32 {
    match level.into_level() {
        None => 0,
        Some(level) if level == tracing_core::Level::ERROR => 1,
        Some(level) if level == tracing_core::Level::WARN => 2,
        Some(level) if level == tracing_core::Level::INFO => 3,
        Some(level) if level == tracing_core::Level::DEBUG => 4,
        Some(_) => 5,
    }
}

/// tracing's answer to whether anybody wants a callsite's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum CachedInterest {
    /// Nobody.
    Never = 0,
    /// Ask each time.
    Sometimes = 1,
    /// Somebody, each time.
    Always = 2,
}

/// What a callsite is made of.
#[derive(Debug)]
pub struct Shape<'a> {
    /// 1 error … 5 trace.
    pub level: u32,
    /// The target.
    pub target: &'a str,
    /// Of all fields, the message among them.
    pub names: &'a [&'a str],
    /// File and line of the statement, if they are known.
    pub place: Option<(&'a str, u32)>,
    /// The number of the static site that it stands for; 0: none.
    pub number: u32,
    /// The name, if it is a span's.
    pub span: Option<&'a str>,
    /// The fields whose values are in the message ([`Template::fields`](crate::template::Template::fields)).
    pub in_message: u64,
}

/// A callsite that was made at run time and lives for ever.
#[derive(Debug)]
struct RuntimeSite {
    metadata: OnceLock<Metadata<'static>>,
    interest: &'static AtomicU32,
    /// The number of the static site that it stands for; 0: none.
    number: u32,
}

impl RuntimeSite {
    /// Makes and registers a callsite; `event` is its name if it is an event's. tracing-core keeps it for ever, so it is
    /// leaked.
    fn leak(shape: &Shape<'_>, event: &'static str) -> &'static Self {
        let site: &'static Self =
            Box::leak(Box::new(Self { metadata: OnceLock::new(), interest: leak_interest(), number: shape.number }));
        let leak = |text: &str| -> &'static str { text.to_owned().leak() };
        let names: &'static [&'static str] = shape.names.iter().map(|name| leak(name)).collect::<Vec<_>>().leak();
        let fields = FieldSet::new(names, Identifier(site));
        let (file, line) = shape.place.map(|(file, line)| (leak(file), line)).unzip();
        let target = leak(shape.target);
        let (name, kind) = shape.span.map_or((event, Kind::EVENT), |name| (leak(name), Kind::SPAN));
        let metadata = Metadata::new(name, target, level(shape.level), file, line, None, fields, kind);
        site.metadata.get_or_init(|| metadata);
        tracing_core::callsite::register(site);
        site
    }
}

/// A word for the interest of a callsite. Sixteen share a line of memory, since the drain reads one for each record.
fn leak_interest() -> &'static AtomicU32 {
    static FREE: Mutex<&'static [AtomicU32]> = Mutex::new(&[]);
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    if free.is_empty() {
        *free = Box::leak(Box::new([const { AtomicU32::new(CachedInterest::Never as u32) }; 64]));
    }
    let (word, rest) = free.split_first().expect("filled above");
    *free = rest;
    word
}

impl Callsite for RuntimeSite {
    fn set_interest(&self, interest: Interest) {
        let interest = match () {
            () if interest.is_never() => CachedInterest::Never,
            () if interest.is_always() => CachedInterest::Always,
            () => CachedInterest::Sometimes,
        };
        self.interest.store(interest as u32, Ordering::Relaxed);
        if self.number != 0 {
            static_sites::set_interest(self.number, interest);
        }
    }

    fn metadata(&self) -> &Metadata<'_> {
        self.metadata.get().expect("a callsite's metadata is set before it is registered")
    }
}

/// What the drain keeps for a callsite.
#[derive(Debug)]
pub struct Site {
    /// What tracing has cached for it.
    interest: &'static AtomicU32,
    /// Level, target and names.
    pub metadata: &'static Metadata<'static>,
    /// A target or a field's name was not UTF-8.
    pub has_bad_names: bool,
    /// The fields whose values are in the message.
    pub in_message: u64,
    matching: SmallVec<[Arc<Registration>; 2]>,
    matched_in: u64,
    request: Option<Arc<Request>>,
    requested_in: u64,
    /// The same with the field `backtrace`.
    with_backtrace: Option<&'static RuntimeSite>,
    /// What its lines in our own output have in common.
    line: Option<Line>,
}

/// The name of callsites whose events are those of backtraces: our output takes them whatever its filter says.
pub const BACKTRACE: &str = "backtrace";

impl Site {
    /// Makes and registers a callsite.
    pub fn new(shape: &Shape<'_>, has_bad_names: bool) -> Self {
        let callsite = RuntimeSite::leak(shape, "log");
        let metadata = callsite.metadata.get().expect("set by `leak`");
        Self {
            interest: callsite.interest,
            metadata,
            has_bad_names,
            in_message: shape.in_message,
            matching: SmallVec::new(),
            matched_in: 0,
            request: None,
            requested_in: 0,
            with_backtrace: None,
            line: None,
        }
    }

    /// What its lines have in common, whose message may be made from a template: always the same.
    #[inline]
    pub fn line(&mut self, style: Style, template: Option<&Template>) -> &mut Line {
        let (metadata, in_message) = (self.metadata, self.in_message);
        let line = self.line.get_or_insert_with(|| Line::new(metadata, style, in_message, template));
        if line.style != style {
            *line = Line::new(metadata, style, in_message, template);
        }
        line
    }

    /// Asks for what it points to and a record on the short way needs.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(self.interest);
        self.line.as_ref().inspect(|line| line.prefetch());
    }

    /// The request for backtraces of its target.
    #[inline]
    pub fn request(&mut self) -> Option<Arc<Request>> {
        let generation = REQUESTS.generation();
        if self.requested_in != generation {
            self.request = REQUESTS.of(self.metadata.target());
            self.requested_in = generation;
        }
        self.request.clone()
    }

    /// The callsite for its events in backtraces: one field more.
    pub fn for_backtrace(&mut self) -> &'static Metadata<'static> {
        let callsite = *self.with_backtrace.get_or_insert_with(|| {
            let metadata = self.metadata;
            let names: Vec<&str> = metadata.fields().iter().map(|field| field.name()).chain(["backtrace"]).collect();
            let place = metadata.file().zip(metadata.line());
            let level = number(LevelFilter::from_level(*metadata.level()));
            let target = metadata.target();
            let shape = Shape { level, target, names: &names, place, number: 0, span: None, in_message: 0 };
            RuntimeSite::leak(&shape, BACKTRACE)
        });
        callsite.metadata.get().expect("set by `leak`")
    }

    /// Whether anybody wants its events.
    #[inline]
    pub fn interest(&self) -> CachedInterest {
        match self.interest.load(Ordering::Relaxed) {
            0 => CachedInterest::Never,
            2 => CachedInterest::Always,
            _ => CachedInterest::Sometimes,
        }
    }

    /// The callbacks that want its records. They are looked up when the registry has changed.
    #[inline]
    pub fn matching(&mut self, level: u32) -> &SmallVec<[Arc<Registration>; 2]> {
        let generation = REGISTRY.generation();
        if self.matched_in != generation {
            self.matching = REGISTRY.matching(level, self.metadata.target());
            self.matched_in = generation;
        }
        &self.matching
    }

    /// Whether the cached interest, or the maximum level, is not what `dispatch` says now.
    pub fn is_stale(&self, dispatch: &Dispatch) -> bool {
        let now = dispatch.register_callsite(self.metadata);
        // "Sometimes" is what several subscribers of different minds come to.
        let cached = self.interest();
        now.is_never() && cached == CachedInterest::Always
            || !now.is_never() && cached == CachedInterest::Never
            || !now.is_never() && *self.metadata.level() > LevelFilter::current()
    }
}

/// One of four parts of all sites: a look at each of 10,000 takes the drain 10 ms.
#[derive(Debug, Clone, Copy)]
pub struct Part(pub u32);

impl Part {
    /// How many there are.
    pub const COUNT: u32 = 4;

    /// Every fourth.
    pub fn of<T>(self, all: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        all.skip((self.0 % Self::COUNT) as usize).step_by(Self::COUNT as usize)
    }
}

/// The table.
#[derive(Debug, Default)]
pub struct Sites {
    sites: Vec<Site>,
    by_shape: HashMap<Arc<[u8]>, usize>,
    /// The shape of the record before, and its place: threads log in runs of one shape.
    last: Option<(Arc<[u8]>, usize)>,
    bytes: usize,
    /// By level, those of events and then those of spans.
    shared: [Option<Box<Site>>; 10],
    /// The shape of the record at hand; kept for its memory.
    shape: Vec<u8>,
}

impl Sites {
    /// The callsite of a record's shape, and whether it is a shared one. `before` comes before it is made, which calls
    /// foreign code.
    #[inline]
    pub fn of(&mut self, raw: &RawRecord<'_>, before: impl FnOnce()) -> (&mut Site, bool) {
        if let Some((last, index)) = &self.last
            && is_shape_of(last, raw)
        {
            return (&mut self.sites[*index], false);
        }
        write_shape(&mut self.shape, raw);
        self.of_shape(raw, false, before)
    }

    /// The same for a record that describes a span.
    pub fn of_span(&mut self, raw: &RawRecord<'_>) -> (&mut Site, bool) {
        write_shape(&mut self.shape, raw);
        // No event's shape begins with such a level.
        self.shape[0] |= 0x80;
        self.shape.extend_from_slice(raw.message.bytes);
        if let Some((last, index)) = &self.last
            && **last == *self.shape
        {
            return (&mut self.sites[*index], false);
        }
        self.of_shape(raw, true, || ())
    }

    fn of_shape(&mut self, raw: &RawRecord<'_>, is_span: bool, before: impl FnOnce()) -> (&mut Site, bool) {
        let known = self.by_shape.get_key_value(&*self.shape).map(|(shape, index)| (shape.clone(), *index));
        self.last = known.or_else(|| {
            before();
            self.intern(raw, is_span)
        });
        match self.last.as_ref().map(|(_, index)| *index) {
            Some(index) => (&mut self.sites[index], false),
            None => {
                let index = raw.level as usize - 1 + if is_span { 5 } else { 0 };
                let shared = self.shared[index].get_or_insert_with(|| {
                    let names = [if is_span { "log.name" } else { "message" }, "log.target", "context"];
                    let (level, target, span) = (raw.level, "logfusion::overflow", is_span.then_some("span"));
                    let shape = Shape { level, target, names: &names, place: None, number: 0, span, in_message: 0 };
                    Box::new(Site::new(&shape, false))
                });
                (shared, true)
            }
        }
    }

    /// Adds a shape; `None`: the table is full.
    #[cold]
    fn intern(&mut self, raw: &RawRecord<'_>, is_span: bool) -> Option<(Arc<[u8]>, usize)> {
        if self.sites.len() >= MOST_SITES || self.bytes + self.shape.len() > MOST_SITE_BYTES {
            return None;
        }
        self.bytes += self.shape.len();
        let target = Text::new(raw.target);
        let fields: SmallVec<[Text<'_>; 8]> = raw.fields.iter().map(|field| Text::new(field.name)).collect();
        let name = Text::new(raw.message);
        let has_bad_names = target.was_bad || fields.iter().any(|name| name.was_bad) || is_span && name.was_bad;
        let message = (!is_span).then_some("message");
        let names: Vec<&str> = message.into_iter().chain(fields.iter().map(Text::as_str)).collect();
        let index = self.sites.len();
        let span = is_span.then_some(name.as_str());
        let (level, target, in_message) = (raw.level, target.as_str(), 0);
        let shape = Shape { level, target, names: &names, place: None, number: 0, span, in_message };
        self.sites.push(Site::new(&shape, has_bad_names));
        let shape: Arc<[u8]> = self.shape.as_slice().into();
        self.by_shape.insert(shape.clone(), index);
        Some((shape, index))
    }

    /// Whether what tracing has cached for some callsite of this part is not what `dispatch` says now: the cache has known
    /// races.
    pub fn any_interest_is_stale(&self, dispatch: &Dispatch, part: Part) -> bool {
        let all = self.sites.iter().chain(self.shared.iter().flatten().map(|site| &**site));
        part.of(all).any(|site| site.is_stale(dispatch))
    }
}

/// Level, target and names as one key. Lengths come first: strings that are not UTF-8 may contain any separator.
fn write_shape(shape: &mut Vec<u8>, raw: &RawRecord<'_>) {
    shape.clear();
    shape.push(raw.level as u8);
    for name in names(raw) {
        shape.extend_from_slice(&(name.len() as u32).to_le_bytes());
        shape.extend_from_slice(name);
    }
}

/// Whether [`write_shape`] would write this.
#[inline]
fn is_shape_of(shape: &[u8], raw: &RawRecord<'_>) -> bool {
    let Some((&level, mut rest)) = shape.split_first() else { return false };
    u32::from(level) == raw.level
        && names(raw).all(|name| {
            let Some((len, behind)) = rest.split_first_chunk() else { return false };
            let is_next = u32::from_le_bytes(*len) as usize == name.len() && behind.starts_with(name);
            rest = behind.get(name.len()..).unwrap_or_default();
            is_next
        })
        && rest.is_empty()
}

fn names<'a>(raw: &RawRecord<'a>) -> impl Iterator<Item = &'a [u8]> {
    std::iter::once(raw.target.bytes).chain(raw.fields.iter().map(|field| field.name.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::decode::decode;
    use crate::record::encode::{Dynamic, Field, Text as Given, Value};

    fn with_record<R>(target: &[u8], names: &[&[u8]], f: impl FnOnce(&RawRecord<'_>) -> R) -> R {
        let mut fields: Vec<Field<'_>> = names.iter().map(|name| Field { name, value: Value::I64(1) }).collect();
        let record = Dynamic::measure(3, target, Given::new(b"text"), &mut fields, 1 << 16);
        let mut bytes = vec![0; record.size()];
        record.write(&mut bytes, 0);
        f(&decode(&bytes).expect("sound"))
    }

    #[test]
    fn one_shape_has_one_callsite() {
        let mut sites = Sites::default();
        let first = with_record(b"shape::one", &[b"a"], |raw| sites.of(raw, || ()).0.metadata as *const _);
        let again = with_record(b"shape::one", &[b"a"], |raw| sites.of(raw, || ()).0.metadata as *const _);
        let other = with_record(b"shape::one", &[b"b"], |raw| sites.of(raw, || ()).0.metadata as *const _);
        assert_eq!(first, again);
        assert_ne!(first, other);
    }

    #[test]
    fn hostile_bytes_do_not_make_shapes_run_into_each_other() {
        let mut sites = Sites::default();
        let fields = with_record(b"a", &[b"b"], |raw| sites.of(raw, || ()).0.metadata.fields().len());
        let none = with_record(b"a\xFFb", &[], |raw| sites.of(raw, || ()).0.metadata.fields().len());
        let joined = with_record(b"a\x01\0\0\0b", &[], |raw| sites.of(raw, || ()).0.metadata.fields().len());
        assert_eq!((fields, none, joined), (2, 1, 1));
    }

    #[test]
    fn a_shape_is_told_without_writing_it() {
        let names: [&[&[u8]]; 7] = [&[], &[b""], &[b"a"], &[b"b"], &[b"a", b"b"], &[b"ab"], &[b"a", b"b", b"c"]];
        let targets: [&[u8]; 4] = [b"", b"t", b"t\x01\0\0\0a", &[b'x'; 300]];
        let all = || targets.iter().flat_map(|target| names.iter().map(move |names| (*target, *names)));
        for (target, names) in all() {
            let mut shape = Vec::new();
            with_record(target, names, |raw| write_shape(&mut shape, raw));
            for other in all() {
                let is_same = with_record(other.0, other.1, |raw| is_shape_of(&shape, raw));
                assert_eq!(is_same, other == (target, names), "{target:?} {names:?} {other:?}");
            }
            for len in 0..shape.len() {
                assert!(!with_record(target, names, |raw| is_shape_of(&shape[..len], raw)), "{len}");
            }
            shape[0] ^= 0x80;
            assert!(!with_record(target, names, |raw| is_shape_of(&shape, raw)));
        }
    }

    #[test]
    fn a_full_table_shares_callsites() {
        let mut sites = Sites::default();
        for index in 0..MOST_SITES {
            let target = format!("full::{index}");
            assert!(!with_record(target.as_bytes(), &[], |raw| sites.of(raw, || ()).1));
        }
        with_record(b"full::one::more", &[b"key"], |raw| {
            let (site, is_shared) = sites.of(raw, || ());
            assert!(is_shared);
            let names: Vec<&str> = site.metadata.fields().iter().map(|field| field.name()).collect();
            assert_eq!(names, ["message", "log.target", "context"]);
        });
        assert!(!with_record(b"full::7", &[], |raw| sites.of(raw, || ()).1), "what is in the table stays there");
    }

    #[test]
    fn names_are_bounded_in_bytes() {
        let mut sites = Sites::default();
        let mut interned = 0;
        for index in 0..MOST_SITES {
            let target = format!("{index:0>1024}");
            interned += usize::from(!with_record(target.as_bytes(), &[], |raw| sites.of(raw, || ()).1));
        }
        assert!(interned <= MOST_SITE_BYTES / 1024 && interned > MOST_SITE_BYTES / 1024 * 9 / 10, "{interned}");
    }
}
