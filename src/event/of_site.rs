//! The drain's view of static sites: each with its callsite and its template, made when its first record comes.
//!
//! Where many sites log in turn, what they have is in no near cache. So what a record on the short way needs of its site lies together,
//! in five lines of memory and a shared sixth; those of the next two records are prefetched, the second's first. (Where it lay in some
//! 17 lines, each found through the one before, a record of one of 10,000 sites took 1.3 times as long as of one of ten; it takes 1.1
//! times as long. A prefetch waits where the page is new to the processor: pages count, too.)

use super::{Fields, ViewField};
use crate::callbacks::Place;
use crate::os::prefetch;
use crate::record::decode::{DecodeError, RawText, RawValue, values};
use crate::record::layout::{MAX_FIELDS, Type};
use crate::sites::{Part, Shape, Site};
use crate::static_sites::{self, Description, text};
use crate::template::Template;
use smallvec::SmallVec;
use std::ffi::{CStr, CString};
use std::sync::Arc;
use tracing_core::dispatcher::Dispatch;

/// The values of a record.
pub type Values<'a> = SmallVec<[RawValue<'a>; MAX_FIELDS]>;

/// The static sites whose records have come, by number. In chunks: they neither move nor are scattered over memory.
#[derive(Debug, Default)]
pub struct StaticSites(Vec<Option<Box<Chunk>>>);

type Chunk = [Option<StaticSite>; CHUNK];

/// Sites of a chunk.
const CHUNK: usize = 32;

/// A static site.
#[derive(Debug)]
#[repr(align(64))]
pub struct StaticSite {
    pub site: Site,
    /// 1 error … 5 trace.
    pub level: u32,
    /// Those of its fields.
    types: SmallVec<[Type; 16]>,
    /// Apart, since most records on the short way don't need it.
    pub rest: Box<Rest>,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<StaticSite>() == 5 * 64);

/// What a static site has besides, for events and callbacks.
#[derive(Debug)]
pub struct Rest {
    description: Arc<Description>,
    pub template: Template,
    pub target: Owned,
    pub message: Owned,
    pub place: OwnedPlace,
}

/// Records that are looked at ahead: a step of [`StaticSites::prefetch`] for each.
pub const AHEAD: usize = 2;

/// A text with its NUL.
#[derive(Debug)]
pub struct Owned(Box<[u8]>);

impl Owned {
    fn new(text: &str) -> Self {
        Self(text.bytes().chain([0]).collect())
    }

    /// As a text of a record.
    pub fn raw(&self) -> RawText<'_> {
        let bytes = text(&self.0);
        RawText { bytes, full: bytes.len() as u64, terminated: &self.0 }
    }
}

/// Where the statement is.
#[derive(Debug)]
pub struct OwnedPlace {
    file: CString,
    function: CString,
    line: u32,
}

impl OwnedPlace {
    pub fn as_place(&self) -> Place<'_> {
        Place { file: &self.file, function: &self.function, line: self.line }
    }
}

impl StaticSites {
    /// The site of this number. `before` comes before it is made, which calls foreign code.
    #[inline]
    pub fn of(&mut self, number: u32, before: impl FnOnce()) -> Result<&mut StaticSite, DecodeError> {
        let index = static_sites::index(number).ok_or(DecodeError::Kind(number))?;
        if self.place(index).is_some_and(Option::is_some) {
            return self.made(number, index);
        }
        before();
        self.make(number, index)?;
        self.made(number, index)
    }

    /// Whether they may not fit into the nearest caches.
    #[inline]
    pub fn are_many(&self) -> bool {
        self.0.len() > 256 / CHUNK
    }

    /// Asks for what a record of this kind needs, which comes `ahead` + 1 records later, if it is a site's: the site, then what it
    /// points to.
    #[inline]
    pub fn prefetch(&self, kind: u32, ahead: usize) {
        match static_sites::index(kind).and_then(|index| self.place(index)) {
            // Whether it is there is not known before it has come.
            Some(place) if ahead == AHEAD - 1 => prefetch(place),
            Some(Some(known)) if ahead == 0 => known.site.prefetch(),
            _ => (),
        }
    }

    #[inline(always)]
    fn made(&mut self, number: u32, index: usize) -> Result<&mut StaticSite, DecodeError> {
        let chunk = self.0.get_mut(index / CHUNK).and_then(Option::as_mut);
        chunk.and_then(|chunk| chunk[index % CHUNK].as_mut()).ok_or(DecodeError::Kind(number))
    }

    #[inline]
    fn place(&self, index: usize) -> Option<&Option<StaticSite>> {
        Some(&self.0.get(index / CHUNK)?.as_ref()?[index % CHUNK])
    }

    #[cold]
    fn make(&mut self, number: u32, index: usize) -> Result<(), DecodeError> {
        let description = static_sites::description(index).ok_or(DecodeError::Kind(number))?;
        if self.0.len() <= index / CHUNK {
            self.0.resize_with(index / CHUNK + 1, || None);
        }
        let site = StaticSite::new(number, description);
        let Rest { description, template, place, .. } = &*site.rest;
        if let Some(fault) = &template.fault {
            let (file, line) = (place.file.to_string_lossy(), description.line);
            let template = String::from_utf8_lossy(text(&description.message));
            tracing::warn!(target: "logfusion", file = &*file, line, template = &*template, "wrong template: {fault}");
        }
        let chunk = self.0[index / CHUNK].get_or_insert_with(|| Box::new([const { None }; CHUNK]));
        chunk[index % CHUNK] = Some(site);
        Ok(())
    }

    /// Whether the interest of some site of this part is not what `dispatch` says now.
    pub fn any_interest_is_stale(&self, dispatch: &Dispatch, part: Part) -> bool {
        part.of(self.0.iter().flatten().flat_map(|chunk| &**chunk)).flatten().any(|known| known.site.is_stale(dispatch))
    }
}

impl StaticSite {
    fn new(number: u32, description: Arc<Description>) -> Self {
        let is_bad = |bytes: &[u8]| std::str::from_utf8(bytes).is_err();
        let target = String::from_utf8_lossy(text(&description.target));
        let message = String::from_utf8_lossy(text(&description.message));
        let file = String::from_utf8_lossy(text(&description.file));
        let fields: Vec<_> = description.fields.iter().map(|(_, name)| String::from_utf8_lossy(text(name))).collect();
        let is_span = description.is_span;
        let first = (!is_span).then_some("message");
        let names: Vec<&str> = first.into_iter().chain(fields.iter().map(|name| &**name)).collect();
        let has_bad_names = is_bad(text(&description.target))
            || is_bad(text(&description.message))
            || description.fields.iter().any(|(_, name)| is_bad(text(name)));
        let place = Some((&*file, description.line));
        let span = is_span.then_some(&*message);
        let template = if is_span { Template::plain(&message) } else { Template::parse(&message, &names[1..]) };
        let (level, in_message) = (description.level, template.fields());
        let shape = Shape { level, target: &target, names: &names, place, number, span, in_message };
        let c_text = |bytes: &[u8]| CStr::from_bytes_until_nul(bytes).map(CStr::to_owned).unwrap_or_default();
        let site = Site::new(&shape, has_bad_names);
        let types = description.fields.iter().map(|(type_, _)| *type_).collect();
        let rest = Rest {
            target: Owned::new(&target),
            message: Owned::new(template.literal().unwrap_or(&message)),
            place: OwnedPlace {
                file: c_text(&description.file),
                function: c_text(&description.function),
                line: description.line,
            },
            template,
            description,
        };
        Self { site, level, types, rest: Box::new(rest) }
    }

    /// Reads the values of a record of this site. Into place: moving so many would take longer than reading them.
    #[inline]
    pub fn read<'a>(&self, bytes: &'a [u8], all: &mut Values<'a>) -> Result<(), DecodeError> {
        values(bytes, self.types.iter().copied(), |value| all.push(value))
    }

    /// The fields of a record of this site.
    pub fn fields<'a>(&'a self, bytes: &'a [u8]) -> Result<Fields<'a>, DecodeError> {
        let names = self.rest.description.fields.iter().map(|(_, name)| {
            let bytes = text(name);
            RawText { bytes, full: bytes.len() as u64, terminated: name }
        });
        let mut values = Values::new();
        self.read(bytes, &mut values)?;
        Ok(names.zip(&values).map(|(name, value)| ViewField::new(name, *value)).collect())
    }
}
