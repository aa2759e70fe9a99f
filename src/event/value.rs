//! Values in the forms in which they are shown: to tracing, in a message, and in one text for all.

use super::Subject;
use crate::callbacks::{Text, ViewField};
use crate::record::decode::{RawText, RawValue};
use crate::template;
use smallvec::SmallVec;
use tracing_core::Metadata;
use tracing_core::field::{DebugValue, Value, ValueSet, debug};

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
    raw.push_cut(marked, shown);
    marked
}

/// Calls `f` with the values of a subject: of an event the message first, of a span the fields alone.
#[inline]
pub fn with_values<R>(
    metadata: &'static Metadata<'static>,
    subject: &Subject<'_>,
    f: impl FnOnce(&ValueSet<'_>) -> R,
) -> R {
    let fields = &subject.fields;
    let mut marked = String::new();
    let message = with_cut_mark(subject.message.text.as_str(), subject.message.raw, &mut marked);
    if subject.is_shared {
        let context = fields.iter().map(context_of).collect::<Vec<_>>().join(" ");
        let target = Text::new(subject.target);
        let values = [Shown::Text(message), Shown::Text(target.as_str()), Shown::Text(&context)];
        let values = values.each_ref().map(|value| Some(value.as_value()));
        return f(&metadata.fields().value_set_all(&values));
    }
    if fields.is_empty() && !subject.is_kept && !subject.is_span {
        return f(&metadata.fields().value_set_all(&[Some(&message)]));
    }
    let mut marked: SmallVec<[String; 8]> = SmallVec::from_elem(String::new(), fields.len());
    let mut shown: SmallVec<[Shown<'_>; 9]> = SmallVec::with_capacity(fields.len() + 2);
    if !subject.is_span {
        shown.push(Shown::Text(message));
    }
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
    if subject.is_kept {
        shown.push(Shown::Bool(true));
    }
    let values: SmallVec<[Option<&dyn Value>; 9]> = shown.iter().map(|value| Some(value.as_value())).collect();
    f(&metadata.fields().value_set_all(&values))
}

/// `name=value`, for the field `context` of records past the table's bounds.
fn context_of(field: &ViewField<'_>) -> String {
    let mut pair = format!("{}=", Text::new(field.name).as_str());
    _ = template::show(&mut pair, &field.value);
    pair
}
