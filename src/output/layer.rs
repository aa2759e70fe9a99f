//! The layer: filters callsites, and formats events into the output's buffer.
//!
//! One layer does both. It answers for a callsite once, `always` or `never`, and tracing caches the answer; a separate
//! filter would be one more virtual call for each event and change nothing.
//!
//! Events come from two kinds of threads. The drain gathers many and writes them when it chooses (see
//! [`Output::write`](super::Output::write)). A Rust thread that dispatches an event itself has nobody to write for it, so its
//! line is written at once, with everything that was gathered before it.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Interest, LevelFilter, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::filter::Filter;
use super::format::json::{self, Json};
use super::format::logfmt::{self, Logfmt};
use super::format::text::{self, Text};
use super::format::{LineOf, Scratch, SpanFields, is_context};
use super::{Format, Shared};
use crate::delivery;
use crate::sites::BACKTRACE;
use crate::spans;

/// The output as a layer of a subscriber.
#[derive(Debug)]
pub(super) struct OutputLayer {
    pub(super) shared: Arc<Shared>,
    pub(super) filter: Arc<Filter>,
}

/// How deep events may nest, as when an argument's `Debug` logs by itself. It may log something that logs, but not for ever.
const MAX_NESTING: u32 = 4;

thread_local! {
    static NESTING: Cell<u32> = const { Cell::new(0) };
}

/// Counts this thread's events under way; goes back when dropped, also by a panic.
struct Nesting;

impl Nesting {
    fn enter() -> Option<Self> {
        let depth = NESTING.get();
        (depth < MAX_NESTING).then(|| {
            NESTING.set(depth + 1);
            Self
        })
    }
}

impl Drop for Nesting {
    fn drop(&mut self) {
        NESTING.set(NESTING.get() - 1);
    }
}

impl<S: Subscriber + for<'lookup> LookupSpan<'lookup>> Layer<S> for OutputLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.wants(metadata) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.max_level())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !attributes.fields().is_empty() {
            self.record_span(id, &context, |visitor| attributes.record(visitor));
        }
        if delivery::with_current(|_| ()).is_none() {
            self.note_rust_span(attributes.metadata(), id, &context);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.record_span(id, &context, |visitor| values.record(visitor));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let shared = self.shared.current();
        if shared.discards {
            return;
        }
        push_line(shared, &LineOf::Event(event), context.event_span(event).as_ref());
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let shared = self.shared.current();
        if !shared.config.span_close || shared.discards {
            return;
        }
        let Some(span) = context.span(&id) else { return };
        let metadata = span.metadata();
        // A span of C is opened and closed by the drain, some time after its thread has entered and left it.
        let duration = match delivery::with_current(|delivery| delivery.span_duration_ns()) {
            Some(duration) => duration,
            None => span.extensions().get::<Opened>().map(|opened| opened.0.elapsed().as_nanos() as u64),
        };
        if let Some(duration_ns) = duration.filter(|_| self.wants(metadata) && !is_context(metadata)) {
            push_line(shared, &LineOf::Close(metadata, duration_ns), Some(&span));
        }
    }
}

/// When a Rust thread opened a span.
struct Opened(Instant);

fn push_line<'a, S: LookupSpan<'a>>(shared: &Shared, subject: &LineOf<'_>, span: Option<&SpanRef<'a, S>>) {
    let Some(_nesting) = Nesting::enter() else {
        shared.counters.lost(1);
        return;
    };
    let mut scratch = Scratch::take();
    scratch.line.clear();
    match shared.format {
        Format::Text => text::push_line(&mut scratch, subject, span, shared.color),
        Format::Logfmt => logfmt::push_line(&mut scratch, subject, span),
        Format::Json => json::push_line(&mut scratch, subject, span),
    }
    let delivered = delivery::with_current(|_| ()).is_some();
    shared.push(&scratch.line, !delivered);
    scratch.keep();
}

impl OutputLayer {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata.level(), metadata.target()) || metadata.name() == BACKTRACE
    }

    /// What a span of Rust has besides its fields: the span of C that its thread is in, and a beginning.
    fn note_rust_span<S: Subscriber + for<'lookup> LookupSpan<'lookup>>(
        &self,
        metadata: &'static Metadata<'static>,
        id: &Id,
        context: &Context<'_, S>,
    ) {
        let c_span = spans::innermost_name().filter(|_| metadata.fields().field(spans::C_SPAN).is_none());
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        if let Some(name) = c_span {
            let mut fields = extensions.remove::<SpanFields>().unwrap_or_default();
            match self.shared.format {
                Format::Text | Format::Logfmt => fields.add::<Text>(spans::C_SPAN, &name),
                Format::Json => fields.add::<Json>(spans::C_SPAN, &name),
            }
            extensions.replace(fields);
        }
        if self.shared.current().config.span_close {
            extensions.replace(Opened(Instant::now()));
        }
    }

    fn record_span<S: Subscriber + for<'lookup> LookupSpan<'lookup>>(
        &self,
        id: &Id,
        context: &Context<'_, S>,
        record: impl FnOnce(&mut dyn tracing_core::field::Visit),
    ) {
        let Some(span) = context.span(id) else { return };
        let mut scratch = Scratch::take();
        // Taken out meanwhile: an argument's `Debug` that logs reads the span's extensions.
        let mut fields = span.extensions_mut().remove::<SpanFields>().unwrap_or_default();
        match self.shared.format {
            Format::Logfmt if is_context(span.metadata()) => {
                fields.record::<Logfmt>(&mut scratch, span.metadata(), record);
            }
            // logfmt shows a span as text does.
            Format::Text | Format::Logfmt => fields.record::<Text>(&mut scratch, span.metadata(), record),
            Format::Json => fields.record::<Json>(&mut scratch, span.metadata(), record),
        }
        span.extensions_mut().replace(fields);
        scratch.keep();
    }
}
