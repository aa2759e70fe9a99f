//! What this module's tests share.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use tracing_core::callsite::Callsite;
use tracing_core::field::{FieldSet, Value};
use tracing_core::{Event, Interest, Kind, Level, Metadata, identify_callsite};

use super::{Destination, Directives, Filter, Format, Output, OutputConfig};
use crate::delivery::{self, ThreadInfo};

/// A directory of its own, removed with its content.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("logfusion-output-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A callsite made at run time; leaked, as the engine's are.
struct Site(OnceLock<Metadata<'static>>);

impl Callsite for Site {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        self.0.get().unwrap()
    }
}

/// Metadata of an event with these fields.
pub(super) fn site(
    level: Level,
    target: &str,
    names: &[&str],
    file: Option<&'static str>,
) -> &'static Metadata<'static> {
    let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into()) };
    let site: &'static Site = Box::leak(Box::new(Site(OnceLock::new())));
    let names: Vec<&'static str> = names.iter().copied().map(leak).collect();
    let fields = FieldSet::new(Box::leak(names.into()), identify_callsite!(site));
    let line = file.map(|_| 7);
    site.0.get_or_init(|| Metadata::new("event", leak(target), level, file, line, None, fields, Kind::EVENT))
}

/// An output to a file `log`, and a record in delivery on this thread.
pub(super) struct Fixture {
    pub(super) directory: Directory,
    pub(super) output: Output,
}

impl Fixture {
    pub(super) fn new(format: Format) -> Self {
        Self::with(format, |_| {})
    }

    pub(super) fn with(format: Format, configure: impl FnOnce(&mut OutputConfig)) -> Self {
        let directory = Directory::new();
        let destination = Destination::File(directory.path("log"));
        let mut config = OutputConfig { destination, format, ..OutputConfig::default() };
        configure(&mut config);
        let filter = Arc::new(Filter::new(Directives::parse("trace").unwrap()));
        let output = Output::open(&config, filter).unwrap();
        deliver("main", 1234);
        Self { directory, output }
    }

    /// Dispatches an event and returns all that the file has then.
    pub(super) fn event(&self, metadata: &'static Metadata<'static>, values: &[&dyn Value]) -> String {
        let values: Vec<_> = values.iter().map(|value| Some(*value)).collect();
        self.output.dispatch().event(&Event::new(metadata, &metadata.fields().value_set_all(&values)));
        self.written()
    }

    pub(super) fn written(&self) -> String {
        self.output.write().unwrap();
        self.directory.read("log")
    }
}

/// From now on, this thread delivers a record of 2026-11-22T09:00:00.123456789Z.
pub(super) fn deliver(thread: &str, id: u64) {
    deliver_at(thread, id, 1_795_338_000_123_456_789);
}

/// The same of another time.
pub(super) fn deliver_at(thread: &str, id: u64, time_ns: u64) {
    delivery::enter(&Arc::new(ThreadInfo { id, name: thread.into() }), time_ns);
}
