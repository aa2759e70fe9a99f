//! Reading a record on the drain: safe code over untrusted bytes.
//!
//! Whatever the bytes are, [`decode`] returns a view that lies inside them or an error. It never panics, never reads
//! outside, and ends after at most [`MAX_FIELDS`] fields. Text is not checked here: it is bytes until somebody shows it.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::layout::{CALLED, CLEAR, CUT, ENTER, HEADER, MAX_FIELDS, TEMPLATE, Type, align8};

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A part says that it is longer than what is left.
    #[error("a part of the record reaches past its end")]
    Truncated,
    /// The length word is not what the record's bytes are.
    #[error("the record's length is {0}: not a multiple of 8 from 16 to the end of its bytes")]
    Length(u32),
    /// No such kind of record.
    #[error("there is no record of kind {0}")]
    Kind(u32),
    /// No such type of value.
    #[error("there is no value of type {0}")]
    Type(u8),
    /// More fields than a record may have.
    #[error("the record says it has {0} fields, more than {MAX_FIELDS}")]
    Fields(u32),
}

/// Text as it was logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawText<'a> {
    /// The bytes; a NUL follows them in the record when [`terminated`](Self::terminated) says so.
    pub bytes: &'a [u8],
    /// How long the caller's text was: more than `bytes` where it was cut.
    pub full: u64,
    /// The same bytes and the NUL behind them.
    pub terminated: &'a [u8],
}

impl<'a> RawText<'a> {
    /// Whether bytes were left out.
    #[inline]
    pub fn is_cut(&self) -> bool {
        self.full > self.bytes.len() as u64
    }

    /// The text as UTF-8, with U+FFFD in place of bad bytes; and whether there were any. Where it was cut, it ends at a
    /// character's boundary.
    pub fn mend(&self) -> (Cow<'a, str>, bool) {
        let text = String::from_utf8_lossy(self.whole_characters());
        let was_bad = matches!(text, Cow::Owned(_));
        (text, was_bad)
    }

    /// Appends the text as [`mend`](Self::mend) makes it, and how much is missing where it was cut. Returns whether there
    /// were bad bytes. Allocates nothing but `out`'s room.
    pub fn show(&self, out: &mut String) -> bool {
        let mut was_bad = false;
        for chunk in self.whole_characters().utf8_chunks() {
            out.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                out.push(char::REPLACEMENT_CHARACTER);
                was_bad = true;
            }
        }
        if self.is_cut() {
            self.push_cut(out, "");
        }
        was_bad
    }

    /// The bytes without a last character that a cut has split: that is no fault of the caller's.
    fn whole_characters(&self) -> &'a [u8] {
        let is_beginning = |bytes| {
            std::str::from_utf8(bytes).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        };
        let lens = 0..=self.bytes.len().min(3);
        let split =
            lens.rev().map(|len| self.bytes.split_at(self.bytes.len() - len)).find(|(_, end)| is_beginning(end));
        split.filter(|_| self.is_cut()).map_or(self.bytes, |(whole, _)| whole)
    }

    /// Appends this text, as `shown`, and how much is missing.
    pub fn push_cut(&self, out: &mut String, shown: &str) {
        let missing = self.full - self.bytes.len() as u64;
        _ = write!(out, "{shown}… ({missing} bytes more)");
    }
}

/// A value as it was logged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RawValue<'a> {
    /// A signed integer.
    I64(i64),
    /// An unsigned integer.
    U64(u64),
    /// A floating-point number.
    F64(f64),
    /// A truth value.
    Bool(bool),
    /// An address.
    Pointer(u64),
    /// Text.
    Text(RawText<'a>),
}

/// A field as it was logged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RawField<'a> {
    /// The key.
    pub name: RawText<'a>,
    /// The value.
    pub value: RawValue<'a>,
}

/// A dynamic record, borrowed from the ring.
#[derive(Debug, PartialEq)]
pub struct RawRecord<'a> {
    /// 1 error … 5 trace.
    pub level: u32,
    /// The caller's clock.
    pub ticks: u64,
    /// The text callbacks have been called for it.
    pub called: bool,
    /// The message is a template for the fields.
    pub templated: bool,
    /// The target.
    pub target: RawText<'a>,
    /// The message.
    pub message: RawText<'a>,
    /// The fields, in the caller's order.
    pub fields: RawFields<'a>,
}

/// The fields of a record: bytes that [`decode`] has looked through, read again one by one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RawFields<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> RawFields<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each of them.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RawField<'a>> + use<'a> {
        let mut input = Cursor { input: self.bytes };
        (0..self.count).map(move |_| input.field().expect("`decode` read this field before"))
    }
}

/// The length word of the record that begins `bytes`, if it can be one: a multiple of 8, from the header's size to all
/// that is there.
#[inline]
pub fn length(bytes: &[u8]) -> Result<usize, DecodeError> {
    let word = *bytes.first_chunk::<4>().ok_or(DecodeError::Truncated)?;
    let length = u32::from_le_bytes(word);
    if !(length as usize).is_multiple_of(8) || (length as usize) < HEADER || length as usize > bytes.len() {
        return Err(DecodeError::Length(length));
    }
    Ok(length as usize)
}

/// The time of a record that [`length`] accepted.
#[inline]
pub fn ticks(bytes: &[u8]) -> u64 {
    bytes.get(8..16).and_then(|word| word.first_chunk::<8>()).map_or(0, |word| u64::from_le_bytes(*word))
}

/// Reads the record that `bytes` is, whole.
#[inline]
pub fn decode(bytes: &[u8]) -> Result<RawRecord<'_>, DecodeError> {
    let length = length(bytes)?;
    let mut input = Cursor { input: &bytes[..length] };
    let kind = (input.u64()? >> 32) as u32;
    let ticks = input.u64()?;
    if !(1..=5).contains(&kind) {
        return Err(DecodeError::Kind(kind));
    }
    let counts = input.u64()?;
    let target = input.padded(counts as u32 as usize, 0)?;
    let count = (counts >> 32) as u32 & !(CALLED | TEMPLATE);
    let has = |flag: u32| counts >> 32 & u64::from(flag) != 0;
    if count as usize > MAX_FIELDS {
        return Err(DecodeError::Fields(count));
    }
    let message = input.text()?;
    let fields = RawFields { bytes: input.input, count: count as usize };
    for _ in 0..count {
        input.field()?;
    }
    Ok(RawRecord { level: kind, ticks, called: has(CALLED), templated: has(TEMPLATE), target, message, fields })
}

/// The messages of a batch, or what is left of them.
#[derive(Debug)]
pub struct Messages<'a> {
    /// Of all.
    pub target: RawText<'a>,
    left: &'a [u8],
}

/// Begins to read the batch that `bytes` is, whole.
pub fn batch(bytes: &[u8]) -> Result<Messages<'_>, DecodeError> {
    let length = length(bytes)?;
    let mut input = Cursor { input: &bytes[HEADER..length] };
    let counts = input.u64()?;
    let target = input.padded(counts as u32 as usize, 0)?;
    Ok(Messages { target, left: input.input })
}

impl<'a> Messages<'a> {
    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.left.len()
    }

    /// Goes on where so many bytes were left.
    pub fn go_on(&mut self, left: usize) {
        self.left = &self.left[self.left.len().saturating_sub(left)..];
    }

    fn read(&mut self) -> Result<(u32, RawText<'a>), DecodeError> {
        let mut input = Cursor { input: std::mem::take(&mut self.left) };
        let word = input.u32()?;
        let level = word >> 24;
        if !(1..=5).contains(&level) {
            return Err(DecodeError::Kind(level));
        }
        let message = input.padded((word & 0xff_ffff) as usize, 4)?;
        self.left = input.input;
        Ok((level, message))
    }
}

/// Level and text of each message; an error is the last.
impl<'a> Iterator for Messages<'a> {
    type Item = Result<(u32, RawText<'a>), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.left.is_empty()).then(|| self.read())
    }
}

/// The kind of a record that [`length`] accepted.
#[inline]
pub fn kind(bytes: &[u8]) -> u32 {
    bytes.get(4..8).and_then(|word| word.first_chunk::<4>()).map_or(0, |word| u32::from_le_bytes(*word))
}

/// Reads the values of a static site's record, whose fields have these types; `take` is given each.
#[inline]
pub fn values<'a>(
    bytes: &'a [u8],
    types: impl Iterator<Item = Type>,
    mut take: impl FnMut(RawValue<'a>),
) -> Result<(), DecodeError> {
    let length = length(bytes)?;
    let mut input = Cursor { input: &bytes[HEADER..length] };
    for type_ in types {
        input.value(type_, &mut take)?;
    }
    Ok(())
}

/// A record that changes what is around those that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Which change it is.
    pub kind: u32,
    /// How many spans its thread was in.
    pub depth: u32,
    /// What tells the span from others that were at this depth.
    pub id: u32,
    rest: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// The record inside.
    pub fn record(&self) -> Result<&'a [u8], DecodeError> {
        let length = length(self.rest)?;
        Ok(&self.rest[..length])
    }

    /// The number inside.
    pub fn number(&self) -> Result<u64, DecodeError> {
        Cursor { input: self.rest }.u64()
    }
}

/// Whether a record of this kind is an envelope.
#[inline]
pub fn is_envelope(kind: u32) -> bool {
    (ENTER..=CLEAR).contains(&kind)
}

/// Reads the envelope that `bytes` is, whole.
pub fn envelope(bytes: &[u8]) -> Result<Envelope<'_>, DecodeError> {
    let kind = kind(bytes);
    if !is_envelope(kind) {
        return Err(DecodeError::Kind(kind));
    }
    let length = length(bytes)?;
    let mut input = Cursor { input: &bytes[HEADER..length] };
    let place = input.u64()?;
    Ok(Envelope { kind, depth: place as u32, id: (place >> 32) as u32, rest: input.input })
}

/// Reads forward through a slice.
struct Cursor<'a> {
    input: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.input.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.input = rest;
        Ok(taken)
    }

    #[inline(always)]
    fn u32(&mut self) -> Result<u32, DecodeError> {
        let (word, rest) = self.input.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.input = rest;
        Ok(u32::from_le_bytes(*word))
    }

    #[inline(always)]
    fn u64(&mut self) -> Result<u64, DecodeError> {
        let (word, rest) = self.input.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.input = rest;
        Ok(u64::from_le_bytes(*word))
    }

    #[inline(always)]
    fn padded(&mut self, len: usize, before: usize) -> Result<RawText<'a>, DecodeError> {
        // `len` comes from a `u32`: the sum cannot overflow a `usize` of 64 bits, and is checked on 32.
        let size = before.checked_add(len).and_then(|sum| sum.checked_add(8)).ok_or(DecodeError::Truncated)? & !7;
        let taken = self.take(size - before)?;
        debug_assert_eq!(size, align8(before + len + 1));
        Ok(RawText { bytes: &taken[..len], full: len as u64, terminated: &taken[..len + 1] })
    }

    #[inline(always)]
    fn text(&mut self) -> Result<RawText<'a>, DecodeError> {
        let word = self.u32()?;
        let mut text = self.padded((word & !CUT) as usize, 4)?;
        if word & CUT != 0 {
            text.full = self.u64()?;
        }
        Ok(text)
    }

    #[inline(always)]
    fn field(&mut self) -> Result<RawField<'a>, DecodeError> {
        let word = self.u32()?;
        let type_ = Type::from_u8(word as u8).ok_or(DecodeError::Type(word as u8))?;
        let name = self.padded((word >> 8) as usize, 4)?;
        self.value(type_, |value| RawField { name, value })
    }

    /// Gives a value to `take`, of each type by itself: of one value for all types the compiler makes stores of four bytes
    /// that it then loads as eight, and the processor waits for each (6.3 to 6.8 million records a second).
    #[inline(always)]
    fn value<R>(&mut self, type_: Type, take: impl FnOnce(RawValue<'a>) -> R) -> Result<R, DecodeError> {
        Ok(match type_ {
            Type::I64 => take(RawValue::I64(self.u64()? as i64)),
            Type::U64 => take(RawValue::U64(self.u64()?)),
            Type::F64 => take(RawValue::F64(f64::from_bits(self.u64()?))),
            Type::Bool => take(RawValue::Bool(self.u64()? != 0)),
            Type::Pointer => take(RawValue::Pointer(self.u64()?)),
            Type::Text => take(RawValue::Text(self.text()?)),
        })
    }
}
