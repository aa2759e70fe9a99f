//! The drain's view of static sites: each with its callsite and its template, made when its first record comes.
//!
//! What a site has lies in some 17 lines of memory, one behind the other to find. Where many sites log in turn none of them is in
//! a cache, and a record would take 2 to 2.4 times as long: so the sites of the next records are prefetched, each a step further
//! with each record.

use super::{Fields, ViewField};
use crate::callbacks::Place;
use crate::os::prefetch;
use crate::record::decode::{DecodeError, RawText, RawValue, values};
use crate::sites::{Part, Shape, Site};
use crate::static_sites::{self, Description, text};
use crate::template::Template;
use smallvec::SmallVec;
use std::ffi::{CStr, CString};
use std::sync::Arc;
use tracing_core::dispatcher::Dispatch;

/// The values of a record.
pub type Values<'a> = SmallVec<[RawValue<'a>; 8]>;

/// The static sites whose records have come, by number.
#[derive(Debug, Default)]
pub struct StaticSites(Vec<Option<Box<StaticSite>>>);

/// A static site.
#[derive(Debug)]
pub struct StaticSite {
    pub description: Arc<Description>,
    pub site: Site,
    pub template: Template,
    pub target: Owned,
    pub message: Owned,
    pub place: OwnedPlace,
}

/// Records that are looked at ahead: a step of [`StaticSite::prefetch`] for each.
pub const AHEAD: usize = 4;

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
        if self.0.get(index).is_none_or(Option::is_none) {
            before();
            self.make(number, index)?;
        }
        self.0[index].as_deref_mut().ok_or(DecodeError::Kind(number))
    }

    /// Whether they may not fit into the nearest caches.
    #[inline]
    pub fn are_many(&self) -> bool {
        self.0.len() > 256
    }

    /// The site of this kind of record, if it is one and its first record has come.
    #[inline]
    pub fn known(&self, kind: u32) -> Option<&StaticSite> {
        self.0.get(static_sites::index(kind)?)?.as_deref()
    }

    #[cold]
    fn make(&mut self, number: u32, index: usize) -> Result<(), DecodeError> {
        let description = static_sites::description(index).ok_or(DecodeError::Kind(number))?;
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        let site = StaticSite::new(number, description);
        if let Some(fault) = &site.template.fault {
            let (file, line) = (site.place.file.to_string_lossy(), site.description.line);
            let template = String::from_utf8_lossy(text(&site.description.message));
            tracing::warn!(target: "logfusion", file = &*file, line, template = &*template, "wrong template: {fault}");
        }
        self.0[index] = Some(Box::new(site));
        Ok(())
    }

    /// Whether the interest of some site of this part is not what `dispatch` says now.
    pub fn any_interest_is_stale(&self, dispatch: &Dispatch, part: Part) -> bool {
        part.of(self.0.iter()).flatten().any(|known| known.site.is_stale(dispatch))
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
        let template = if is_span { Template::default() } else { Template::parse(&message, &names[1..]) };
        let (level, in_message) = (description.level, template.fields());
        let shape = Shape { level, target: &target, names: &names, place, number, span, in_message };
        let c_text = |bytes: &[u8]| CStr::from_bytes_until_nul(bytes).map(CStr::to_owned).unwrap_or_default();
        Self {
            site: Site::new(&shape, has_bad_names),
            target: Owned::new(&target),
            message: Owned::new(template.literal().filter(|_| !is_span).unwrap_or(&message)),
            place: OwnedPlace {
                file: c_text(&description.file),
                function: c_text(&description.function),
                line: description.line,
            },
            template,
            description,
        }
    }

    /// Asks for what a record of this site needs, which comes `ahead` + 1 records later: itself, then what it points to, then what
    /// that points to, and so on.
    #[inline]
    pub fn prefetch(&self, ahead: usize) {
        match ahead {
            3 => prefetch(self),
            2 => {
                prefetch(&*self.description);
                prefetch(self.template.parts());
                prefetch(&*self.message.0);
                self.site.prefetch();
            }
            1 => {
                prefetch(&*self.description.fields);
                self.site.made_line().inspect(|line| line.prefetch());
            }
            _ => {
                self.site.made_line().inspect(|line| line.prefetch_texts());
            }
        }
    }

    /// Reads the values of a record of this site. Into place: moving so many would take longer than reading them.
    #[inline]
    pub fn read<'a>(&self, bytes: &'a [u8], all: &mut Values<'a>) -> Result<(), DecodeError> {
        values(bytes, self.description.fields.iter().map(|(type_, _)| *type_), |value| all.push(value))
    }

    /// The fields of a record of this site.
    pub fn fields<'a>(&'a self, bytes: &'a [u8]) -> Result<Fields<'a>, DecodeError> {
        let names = self.description.fields.iter().map(|(_, name)| {
            let bytes = text(name);
            RawText { bytes, full: bytes.len() as u64, terminated: name }
        });
        let mut values = Values::new();
        self.read(bytes, &mut values)?;
        Ok(names.zip(values).map(|(name, value)| ViewField::new(name, value)).collect())
    }
}
