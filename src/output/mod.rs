//! Outputs: where records become lines of text, logfmt or JSON in a file or on a standard stream.
//!
//! ```text
//! event ──▶ layer: filter ──▶ format: one line, in the thread's scratch buffer ──▶ writer: buffer ──▶ file, rotated
//! ```
//!
//! An `Output` is a `tracing` subscriber of its own, a registry with one layer, and any thread may dispatch to it. A line is
//! built without a lock and copied into the buffer under one. The drain calls `Output::write` when it has delivered
//! enough or has nothing more to deliver; events of Rust threads are written at once.
//!
//! After a fork the lock may be held by a thread that the child does not have. So the child does not touch it:
//! `Output::reopen` leaves the inherited buffer behind and puts a new one, with the file opened anew, in its place.

pub(crate) mod filter;
mod filter_file;
mod form;
pub(crate) mod format;
mod layer;
mod line;
mod rotate;
mod writer;

use crate::sync::{Mutex, MutexGuard, lock};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use tracing_core::Dispatch;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

use self::filter::Filter;
use self::layer::OutputLayer;
use self::rotate::Rotation;
use self::writer::{Counters, Writer};

pub use self::filter::Directives;
pub(crate) use self::filter_file::{FilterFile, News};
pub(crate) use self::line::{Line, LineMessage, LineRecord, Lines, push_value};
pub(crate) use self::writer::CHUNK;
pub(crate) use self::writer::{OutputStats, WriteError};

/// How a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// `key=value` pairs.
    Logfmt,
    /// One JSON object a line, in the shape of `tracing-subscriber`'s.
    Json,
}

/// Where records are written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Destination {
    /// Standard error.
    #[default]
    Stderr,
    /// Standard output.
    Stdout,
    /// Nowhere: records reach callbacks only.
    None,
    /// A file, appended to.
    File(PathBuf),
}

/// Whether text has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// On a terminal that is not `dumb`, unless the environment variable `NO_COLOR` is set and not empty.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always, in a file as well.
    Always,
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Style {
    pub(crate) format: Format,
    pub(crate) color: bool,
}

/// Settings of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputConfig {
    /// Where records are written.
    pub destination: Destination,
    /// How they are written.
    pub format: Format,
    /// Whether text has colours.
    pub color: Color,
    /// A file is rotated before it would grow past this; 0 for never.
    pub rotate_bytes: u64,
    /// Whether a file is rotated at the beginning of each day (UTC).
    pub rotate_daily: bool,
    /// How many rotated files are kept, as `PATH.1` (the newest) to `PATH.keep_files`.
    pub keep_files: u32,
    /// Whether there is a line when a span ends.
    pub span_close: bool,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            destination: Destination::default(),
            format: Format::default(),
            color: Color::default(),
            rotate_bytes: 0,
            rotate_daily: false,
            keep_files: 5,
            span_close: false,
        }
    }
}

/// An open output.
#[derive(Debug)]
pub(crate) struct Output {
    shared: Arc<Shared>,
    dispatch: Dispatch,
}

impl Output {
    /// Opens the destination. The error is that of opening a file; a standard stream always opens.
    pub(crate) fn open(config: &OutputConfig, filter: Arc<Filter>) -> io::Result<Self> {
        let shared = Arc::new(Shared::open(config)?);
        let layer = OutputLayer { shared: Arc::clone(&shared), filter };
        Ok(Self { shared, dispatch: Dispatch::new(Registry::default().with(layer)) })
    }

    /// The subscriber that writes to this output.
    pub(crate) fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// How lines look.
    pub(crate) fn style(&self) -> Style {
        let Shared { format, color, .. } = *self.shared.current();
        Style { format, color: color && format == Format::Text }
    }

    /// Appends lines, and leaves `lines` empty.
    pub(crate) fn push_lines(&self, lines: &mut Vec<u8>) {
        let shared = self.shared.current();
        let buffered = shared.lock().push_lines(lines);
        shared.buffered.store(buffered, Ordering::Relaxed);
    }

    /// Bytes that are formatted and not yet written.
    pub(crate) fn buffered(&self) -> usize {
        self.shared.current().buffered.load(Ordering::Relaxed)
    }

    /// Writes what is buffered, rotating where it is due. On an error what could not be written is discarded and counted.
    ///
    /// Lines that another thread wrote or lost in the meantime are in [`stats`](Self::stats) alone.
    pub(crate) fn write(&self) -> Result<(), WriteError> {
        let shared = self.shared.current();
        shared.write(&mut shared.lock())
    }

    /// What the output has done since it was opened, or in a forked child since it was reopened.
    pub(crate) fn stats(&self) -> OutputStats {
        self.shared.current().counters.stats()
    }

    /// Where lines go.
    pub(crate) fn destination(&self) -> &Destination {
        &self.shared.current().config.destination
    }

    /// Shows the open file, if it is one, to crash handlers.
    pub(crate) fn note_file(&self) {
        self.shared.current().lock().note_file();
    }

    /// Drops the buffer without writing or locking it and opens the destination anew, for the child after a fork. The old
    /// buffer's memory is kept until the output is dropped. On an error nothing has changed.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        let current = self.shared.current();
        let successor = Shared::open(&current.config)?;
        // Should another thread have reopened it meanwhile, its opening will do.
        let _ = current.successor.set(Box::new(successor));
        Ok(())
    }
}

/// Whether this is the subscriber of an output: a statement of Rust has it as its thread's default.
pub(crate) fn is_own(dispatch: &Dispatch) -> bool {
    dispatch.is::<OutputLayer>()
}

/// The longest that delivered lines are gathered: a bound for the buffer if the drain is slow to write.
const WRITE_AT: usize = 1 << 20;

/// What an output and its layer share.
#[derive(Debug)]
struct Shared {
    config: OutputConfig,
    format: Format,
    color: bool,
    /// Lines go nowhere, so none is formatted.
    discards: bool,
    writer: Mutex<Writer>,
    /// The buffer's length: stored with the lock held, read without it.
    buffered: AtomicUsize,
    counters: Counters,
    /// What took this one's place in a forked child.
    successor: OnceLock<Box<Shared>>,
}

impl Shared {
    fn open(config: &OutputConfig) -> io::Result<Self> {
        let rotation =
            Rotation { bytes: config.rotate_bytes, daily: config.rotate_daily, keep_files: config.keep_files };
        Ok(Self {
            config: config.clone(),
            format: config.format,
            color: has_color(config),
            discards: config.destination == Destination::None,
            writer: Mutex::new(Writer::open(&config.destination, rotation, SystemTime::now())?),
            buffered: AtomicUsize::new(0),
            counters: Counters::default(),
            successor: OnceLock::new(),
        })
    }

    #[inline]
    fn current(&self) -> &Self {
        let mut current = self;
        while let Some(successor) = current.successor.get() {
            current = successor;
        }
        current
    }

    /// A panic with the lock held leaves whole lines behind: poison means nothing here.
    fn lock(&self) -> MutexGuard<'_, Writer> {
        lock(&self.writer)
    }

    /// Appends a line, and writes the buffer if `at_once` or if it has grown too large.
    #[inline]
    fn push(&self, line: &[u8], at_once: bool) {
        let mut writer = self.lock();
        let buffered = writer.push(line);
        self.buffered.store(buffered, Ordering::Relaxed);
        if at_once || buffered >= WRITE_AT {
            // The event has no way to return an error: it is in the statistics.
            let _ = self.write(&mut writer);
        }
    }

    fn write(&self, writer: &mut Writer) -> Result<(), WriteError> {
        let result = writer.write(SystemTime::now(), &self.counters);
        self.buffered.store(0, Ordering::Relaxed);
        result
    }
}

fn has_color(config: &OutputConfig) -> bool {
    use std::io::IsTerminal;
    let is_terminal = || match config.destination {
        Destination::Stderr => io::stderr().is_terminal(),
        Destination::Stdout => io::stdout().is_terminal(),
        Destination::None | Destination::File(_) => false,
    };
    match config.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
            is_terminal() && !declined && !dumb
        }
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
