//! Statements whose target is known at run time only.
//!
//! tracing wants the target in the static metadata of a callsite. So such a statement has a callsite for each target that
//! it was ever given, made on first use and kept for ever, as tracing keeps all of them. It is dispatched on the calling
//! thread like any other statement: to the thread's subscriber, inside its spans, in the order of the program.
//!
//! Targets may come from outside and differ without end, so their number and bytes are bounded for the process. Past
//! the bounds a statement uses one callsite with the target `logfusion::overflow`, and carries its target in a last field
//! `log.target`.

use crate::sites::{MOST_SITE_BYTES, MOST_SITES};
use crate::sync::Mutex;
use crate::sync::{AtomicU32, Ordering, lock};
use arc_swap::ArcSwapOption;
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};
use tracing_core::callsite::{Callsite, Identifier};
use tracing_core::dispatcher;
use tracing_core::field::{FieldSet, Value};
use tracing_core::metadata::Kind;
use tracing_core::span::Id;
use tracing_core::subscriber::Interest;
use tracing_core::{Event, Level, Metadata};

/// What is static of a statement with a target of run time.
#[derive(Debug)]
pub struct TargetSite {
    level: Level,
    name: &'static str,
    fields: &'static [&'static str],
    place: (&'static str, u32, &'static str),
    sites: ArcSwapOption<HashMap<Box<str>, &'static Site>>,
    overflow: OnceLock<&'static Site>,
}

/// The callsite of a statement with one target.
#[derive(Debug)]
pub struct Site {
    metadata: OnceLock<Metadata<'static>>,
    interest: AtomicU32,
    is_shared: bool,
}

/// A statement that somebody wants.
#[derive(Debug)]
pub struct Wanted<'t> {
    metadata: &'static Metadata<'static>,
    /// The target, if the event has to carry it in a field.
    carried: Option<&'t str>,
}

/// What all targets together take.
#[derive(Debug)]
struct Taken {
    sites: usize,
    bytes: usize,
}

/// Locked while a callsite is added; no subscriber is asked meanwhile.
static TAKEN: Mutex<Taken> = Mutex::new(Taken { sites: 0, bytes: 0 });

const NEVER: u32 = 0;
const SOMETIMES: u32 = 1;
const ALWAYS: u32 = 2;

impl TargetSite {
    /// A statement at `file`, `line` of a module, with fields of these names.
    pub const fn new(
        level: Level,
        name: &'static str,
        fields: &'static [&'static str],
        place: (&'static str, u32, &'static str),
    ) -> Self {
        Self { level, name, fields, place, sites: ArcSwapOption::const_empty(), overflow: OnceLock::new() }
    }

    /// Whether the statement is wanted with this target.
    pub fn wants<'t>(&'static self, target: &'t str) -> Option<Wanted<'t>> {
        let known = self.sites.load().as_deref().and_then(|sites| sites.get(target).copied());
        let site = known.unwrap_or_else(|| self.add(target));
        let metadata = site.metadata.get()?;
        let wanted = match site.interest.load(Ordering::Relaxed) {
            NEVER => false,
            ALWAYS => true,
            _ => dispatcher::get_default(|current| current.enabled(metadata)),
        };
        wanted.then_some(Wanted { metadata, carried: site.is_shared.then_some(target) })
    }

    #[cold]
    fn add(&'static self, target: &str) -> &'static Site {
        let mut taken = lock(&TAKEN);
        let sites = self.sites.load_full();
        if let Some(site) = sites.as_ref().and_then(|sites| sites.get(target).copied()) {
            return site;
        }
        if taken.sites >= MOST_SITES || taken.bytes + target.len() > MOST_SITE_BYTES {
            drop(taken);
            return self.overflow.get_or_init(|| {
                let names = self.fields.iter().copied().chain(["log.target"]).collect::<Vec<_>>().leak();
                Site::leak(self, "logfusion::overflow", names, true)
            });
        }
        *taken = Taken { sites: taken.sites + 1, bytes: taken.bytes + target.len() };
        let site = Site::leak(self, target.to_owned().leak(), self.fields, false);
        let mut sites = sites.map_or_else(HashMap::new, |sites| HashMap::clone(&sites));
        sites.insert(target.into(), site);
        self.sites.store(Some(Arc::new(sites)));
        drop(taken);
        // Another thread may see the callsite before it is registered: it asks the subscriber, then.
        tracing_core::callsite::register(site);
        site
    }
}

impl Site {
    /// tracing-core keeps callsites for ever, so it is leaked.
    fn leak(
        statement: &'static TargetSite,
        target: &'static str,
        names: &'static [&'static str],
        is_shared: bool,
    ) -> &'static Self {
        let site: &'static Self =
            Box::leak(Box::new(Self { metadata: OnceLock::new(), interest: AtomicU32::new(SOMETIMES), is_shared }));
        let (file, line, module) = statement.place;
        let fields = FieldSet::new(names, Identifier(site));
        site.metadata.get_or_init(|| {
            let level = statement.level;
            Metadata::new(statement.name, target, level, Some(file), Some(line), Some(module), fields, Kind::EVENT)
        });
        site
    }
}

impl Callsite for Site {
    fn set_interest(&self, interest: Interest) {
        let interest = match () {
            () if interest.is_never() => NEVER,
            () if interest.is_always() => ALWAYS,
            () => SOMETIMES,
        };
        self.interest.store(interest, Ordering::Relaxed);
    }

    fn metadata(&self) -> &Metadata<'_> {
        self.metadata.get().expect("set by `leak`")
    }
}

impl Wanted<'_> {
    /// Dispatches the event.
    pub fn dispatch(self, values: &[Option<&dyn Value>]) {
        self.with(values, |metadata, values| Event::dispatch(metadata, values));
    }

    /// Dispatches the event inside a span.
    pub fn dispatch_in(self, parent: impl Into<Option<Id>>, values: &[Option<&dyn Value>]) {
        self.with(values, |metadata, values| Event::child_of(parent, metadata, values));
    }

    fn with(
        self,
        values: &[Option<&dyn Value>],
        f: impl FnOnce(&'static Metadata<'static>, &tracing_core::field::ValueSet<'_>),
    ) {
        let fields = self.metadata.fields();
        match &self.carried {
            None => f(self.metadata, &fields.value_set_all(values)),
            Some(target) => {
                let values: SmallVec<[Option<&dyn Value>; 9]> =
                    values.iter().copied().chain([Some(target as &dyn Value)]).collect();
                f(self.metadata, &fields.value_set_all(&values));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_core::subscriber::Subscriber;
    use tracing_core::{field, span};

    /// Keeps the target and the fields of the last event.
    struct Last(Mutex<String>);

    impl Subscriber for Last {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            struct Text(String);
            impl field::Visit for Text {
                fn record_debug(&mut self, field: &field::Field, value: &dyn std::fmt::Debug) {
                    self.0 += &format!(" {field}={value:?}");
                }
            }
            let mut text = Text(event.metadata().target().to_owned());
            event.record(&mut text);
            *lock(&self.0) = text.0;
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn targets_are_bounded_and_none_is_lost() {
        static STATEMENT: TargetSite = TargetSite::new(Level::INFO, "event", &["message", "a"], ("f", 1, "m"));
        let last = Arc::new(Last(Mutex::default()));
        let log = |target: &str| {
            let wanted = STATEMENT.wants(target).expect("enabled");
            wanted.dispatch(&[Some(&"text" as &dyn Value), Some(&7 as &dyn Value)]);
            lock(&last.0).clone()
        };
        dispatcher::with_default(&last.clone().into(), || {
            for number in 0..MOST_SITES {
                let target = format!("targets::{number}");
                assert_eq!(log(&target), format!("{target} message=\"text\" a=7"));
            }
            for target in ["one::more", "and::another"] {
                let expected = format!("logfusion::overflow message=\"text\" a=7 log.target={target:?}");
                assert_eq!(log(target), expected);
            }
            assert_eq!(log("targets::1"), "targets::1 message=\"text\" a=7");
        });
    }
}
