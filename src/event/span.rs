//! From a record that describes a span to the span.

use super::{Events, Message, Subject, dynamic, value};
use crate::dispatch;
use crate::record::decode::{DecodeError, decode, kind};
use crate::record::layout::FIRST_SITE;
use crate::sites::{CachedInterest, Site};
use tracing_core::dispatcher::Dispatch;
use tracing_core::span::{Attributes, Id};

impl Events {
    /// Opens a span inside the one that is current on this thread; `None`: the subscriber does not want it.
    pub fn open_span(&mut self, dispatch: &Dispatch, bytes: &[u8]) -> Result<Option<Id>, DecodeError> {
        let Self { sites, static_sites, rendered } = self;
        let kind = kind(bytes);
        if kind >= FIRST_SITE {
            let known = static_sites.of(kind, || ())?;
            let subject = Subject {
                level: known.level,
                called: false,
                target: known.rest.target.raw(),
                message: Message::new(known.rest.message.raw()),
                fields: known.fields(bytes)?,
                place: None,
                is_shared: false,
                is_kept: false,
                is_span: true,
                in_message: 0,
            };
            return Ok(open(dispatch, &known.site, &subject));
        }
        let raw = decode(bytes)?;
        let (site, is_shared) = sites.of_span(&raw);
        let subject = Subject { is_shared, is_span: true, ..dynamic(&raw, rendered) };
        Ok(open(dispatch, site, &subject))
    }
}

fn open(dispatch: &Dispatch, site: &Site, subject: &Subject<'_>) -> Option<Id> {
    let interest = site.interest();
    if interest == CachedInterest::Never {
        return None;
    }
    dispatch::with_subscriber(|| {
        let is_wanted = interest == CachedInterest::Always || dispatch.enabled(site.metadata);
        is_wanted.then(|| {
            value::with_values(site.metadata, subject, |values| {
                dispatch.new_span(&Attributes::new(site.metadata, values))
            })
        })
    })
}
