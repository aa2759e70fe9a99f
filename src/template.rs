//! Templates: `"{method} {url} -> {status}"`, read once and filled in by the drain.

use crate::record::decode::RawValue;
use std::fmt::Write as _;

/// A template that has been read.
#[derive(Debug, Default)]
pub struct Template {
    parts: Vec<Part>,
    /// What is wrong with it.
    pub fault: Option<Fault>,
}

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// Text as it stands.
    Literal(Box<str>),
    /// The value of the field at this place.
    Field(usize),
}

/// Why a part of a template is shown as it stands.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No field has this name.
    #[error("there is no field `{0}`")]
    Unknown(Box<str>),
    /// A brace is not closed.
    #[error("a `{{` is never closed; a brace is written `{{{{`")]
    Open,
}

/// What a template's text consists of.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Text as it stands.
    Literal(&'t str),
    /// A name, and the same with its braces.
    Name {
        /// Of a field, if it is known.
        name: &'t str,
        /// What stands in the template.
        whole: &'t str,
    },
    /// A brace that is never closed, and all behind it.
    Open(&'t str),
}

/// The pieces of a template's text, in order. Allocates nothing.
pub fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let at = rest.find(['{', '}']).unwrap_or(rest.len());
        let (before, brace) = rest.split_at(at);
        if !before.is_empty() {
            rest = brace;
            return Some(Piece::Literal(before));
        }
        let (len, piece) = if brace.is_empty() {
            return None;
        } else if brace.starts_with("{{") || brace.starts_with("}}") {
            (2, Piece::Literal(&brace[..1]))
        } else if brace.starts_with('}') {
            (1, Piece::Literal(&brace[..1]))
        } else if let Some(end) = brace.find('}') {
            (end + 1, Piece::Name { name: &brace[1..end], whole: &brace[..=end] })
        } else {
            (brace.len(), Piece::Open(brace))
        };
        rest = &brace[len..];
        Some(piece)
    })
}

impl Template {
    /// Reads a template whose record has fields of these names.
    pub fn parse(text: &str, names: &[&str]) -> Self {
        let mut template = Self::default();
        let mut literal = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Literal(text) => literal.push_str(text),
                Piece::Name { name, whole } => match names.iter().position(|known| *known == name) {
                    Some(field) => {
                        if !literal.is_empty() {
                            template.parts.push(Part::Literal(std::mem::take(&mut literal).into()));
                        }
                        template.parts.push(Part::Field(field));
                    }
                    None => {
                        template.fault.get_or_insert(Fault::Unknown(name.into()));
                        literal.push_str(whole);
                    }
                },
                Piece::Open(rest) => {
                    template.fault.get_or_insert(Fault::Open);
                    literal.push_str(rest);
                }
            }
        }
        if !literal.is_empty() {
            template.parts.push(Part::Literal(literal.into()));
        }
        template
    }

    /// One that is the text as it stands.
    pub fn plain(text: &str) -> Self {
        Self { parts: vec![Part::Literal(text.into())], fault: None }
    }

    /// The text, where no field is in it.
    pub fn literal(&self) -> Option<&str> {
        match &*self.parts {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The fields whose values are in the text: bit 1 for the first, since the message is field 0 of its event.
    pub fn fields(&self) -> u64 {
        let bit = |part: &Part| if let Part::Field(field) = part { 1 << (field + 1) } else { 0 };
        self.parts.iter().map(bit).fold(0, |fields, bit: u64| fields | bit)
    }

    /// Its parts, in order.
    #[inline]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Appends the text to `out`; `show` appends the value of a field.
    pub fn render(&self, out: &mut String, mut show: impl FnMut(&mut String, usize)) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Field(field) => show(out, *field),
            }
        }
    }
}

/// Appends a value as a message shows it. Returns whether it is a text that was not UTF-8.
#[inline]
pub fn show(out: &mut String, value: &RawValue<'_>) -> bool {
    match value {
        RawValue::I64(value) => out.push_str(itoa::Buffer::new().format(*value)),
        RawValue::U64(value) => out.push_str(itoa::Buffer::new().format(*value)),
        RawValue::F64(value) if value.is_finite() => out.push_str(zmij::Buffer::new().format(*value)),
        RawValue::F64(value) => _ = write!(out, "{value}"),
        RawValue::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        RawValue::Pointer(value) => _ = write!(out, "{value:#x}"),
        RawValue::Text(raw) => match std::str::from_utf8(raw.bytes) {
            Ok(text) if !raw.is_cut() => out.push_str(text),
            _ => return raw.show(out),
        },
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> (String, Option<Fault>) {
        let template = Template::parse(text, &["a", "b", "long_name"]);
        let mut out = String::new();
        template.render(&mut out, |out, field| out.push_str(["1", "two", "3.5"][field]));
        assert_eq!(template.fields() == 0, template.literal().is_some());
        if let Some(literal) = template.literal() {
            assert_eq!(literal, out);
        }
        (out, template.fault)
    }

    #[test]
    fn names_are_replaced_and_braces_escaped() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("{a}", "1"),
            ("{a}{b}{a}", "1two1"),
            ("x {long_name} y", "x 3.5 y"),
            ("{{a}}", "{a}"),
            ("{{{a}}}", "{1}"),
            ("{{{{", "{{"),
            ("a } b }} c", "a } b } c"),
            ("ü{b}ü", "ütwoü"),
        ] {
            assert_eq!(shown(text), (expected.to_owned(), None), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_stays_as_it_stands_and_is_said() {
        let unknown = |name: &str| Some(Fault::Unknown(name.into()));
        for (text, expected, fault) in [
            ("{c}", "{c}", unknown("c")),
            ("{a} {c} {d} {b}", "1 {c} {d} two", unknown("c")),
            ("{}", "{}", unknown("")),
            ("{a:?}", "{a:?}", unknown("a:?")),
            ("{ a }", "{ a }", unknown(" a ")),
            ("{a", "{a", Some(Fault::Open)),
            ("{a}{", "1{", Some(Fault::Open)),
            ("%s %n {a}", "%s %n 1", None),
        ] {
            assert_eq!(shown(text), (expected.to_owned(), fault), "{text:?}");
        }
    }
}
