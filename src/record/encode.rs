//! Writing a record on the calling thread: measure first, then copy.
//!
//! Measuring and writing are two steps because the ring must know the length, or a bound of it, before it hands out its bytes,
//! and because nothing may run between reserving and publishing but copies: no allocation, no UTF-8 check, no user code.

use super::layout::{CALLED, CUT, HEADER, MAX_FIELDS, MAX_NAME, TEMPLATE, Type, align8};

/// Text to be written: a part of what the caller gave, and how long that was.
#[derive(Debug, Clone, Copy, Default)]
pub struct Text<'a> {
    bytes: &'a [u8],
    full: usize,
}

impl<'a> Text<'a> {
    /// Text that is known whole.
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, full: bytes.len() }
    }

    /// The beginning of a text of `full` bytes.
    #[inline]
    pub const fn cut(bytes: &'a [u8], full: usize) -> Self {
        Self { bytes, full }
    }

    /// The bytes to be written.
    #[inline]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How long the caller's text was.
    #[inline]
    pub const fn full(&self) -> usize {
        self.full
    }

    #[inline]
    fn limited(self, limit: usize) -> Self {
        let kept = self.bytes.len().min(limit);
        Self { bytes: &self.bytes[..kept], full: self.full }
    }

    /// Whether it is only the beginning of what the caller gave.
    #[inline]
    pub fn is_cut(self) -> bool {
        self.full > self.bytes.len()
    }

    /// Bytes that this text takes in a record.
    #[inline]
    fn size(self) -> usize {
        align8(4 + self.bytes.len() + 1) + if self.is_cut() { 8 } else { 0 }
    }
}

/// A value to be written.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
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
    Text(Text<'a>),
}

impl Value<'_> {
    #[inline]
    fn size(&self) -> usize {
        if let Self::Text(text) = self { text.size() } else { 8 }
    }

    fn type_(&self) -> Type {
        match self {
            Self::I64(_) => Type::I64,
            Self::U64(_) => Type::U64,
            Self::F64(_) => Type::F64,
            Self::Bool(_) => Type::Bool,
            Self::Pointer(_) => Type::Pointer,
            Self::Text(_) => Type::Text,
        }
    }
}

/// A key and its value.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The key.
    pub name: &'a [u8],
    /// The value.
    pub value: Value<'a>,
}

/// A dynamic record, measured and fitted into a limit.
#[derive(Debug)]
pub struct Dynamic<'a, 'f> {
    kind: u32,
    target: &'a [u8],
    message: Text<'a>,
    fields: &'f mut [Field<'a>],
    size: usize,
    flags: u32,
}

impl<'a, 'f> Dynamic<'a, 'f> {
    /// Measures a record of `level` (1 to 5) and cuts its texts so that it takes at most `limit` bytes: the message is
    /// fitted first, then each field in turn. Names are cut only if texts of no length are not enough. [`MIN_LIMIT`]
    /// leaves room for all names that are not unusually long; a limit below [`LEAST`], as a thread has that has no ring, is
    /// taken for that.
    pub fn measure(level: u32, target: &'a [u8], message: Text<'a>, fields: &'f mut [Field<'a>], limit: usize) -> Self {
        debug_assert!((1..=5).contains(&level) && fields.len() <= MAX_FIELDS);
        let target = &target[..target.len().min(MAX_NAME)];
        let mut size = HEADER + 8 + align8(target.len() + 1) + message.size();
        for field in fields.iter_mut() {
            field.name = &field.name[..field.name.len().min(MAX_NAME)];
            size += align8(4 + field.name.len() + 1) + field.value.size();
        }
        if size <= limit {
            return Self { kind: level, target, message, fields, size, flags: 0 };
        }
        Self::measure_cut(level, target, message, fields, limit)
    }

    #[cold]
    fn measure_cut(level: u32, target: &'a [u8], message: Text<'a>, fields: &'f mut [Field<'a>], limit: usize) -> Self {
        let limit = limit.max(LEAST);
        let mut longest = MAX_NAME;
        if fixed_size(target, fields, longest) > limit {
            // Each name, the target included, gets one word and its share of what is left.
            let shares = limit.saturating_sub(fixed_size(target, fields, 0));
            longest = (((shares / (fields.len() + 1)) & !7) + 3).min(MAX_NAME);
        }
        let target = &target[..target.len().min(longest)];
        for field in fields.iter_mut() {
            field.name = &field.name[..field.name.len().min(longest)];
        }
        let mut size = fixed_size(target, fields, longest);
        let mut left = limit.saturating_sub(size);
        let mut fit = |text: Text<'a>| {
            let text = text.limited(left & !7);
            left = left.saturating_sub(align8(text.bytes.len()));
            size = size - EMPTY + text.size();
            text
        };
        let message = fit(message);
        for field in fields.iter_mut() {
            if let Value::Text(text) = &mut field.value {
                *text = fit(*text);
            }
        }
        Self { kind: level, target, message, fields, size, flags: 0 }
    }

    /// Marks the record as one whose caller has called the text callbacks.
    pub fn called(self) -> Self {
        Self { flags: CALLED, ..self }
    }

    /// Marks the message as a template for the fields.
    pub fn templated(self) -> Self {
        Self { flags: TEMPLATE, ..self }
    }

    /// Bytes that the record takes, a multiple of 8.
    #[inline]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Writes the record into exactly [`size`](Self::size) bytes.
    pub fn write(&self, out: &mut [u8], ticks: u64) {
        let mut out = Cursor { out };
        out.u64(self.size as u64 | u64::from(self.kind) << 32);
        out.u64(ticks);
        out.u64(self.target.len() as u64 | u64::from(self.fields.len() as u32 | self.flags) << 32);
        out.padded(self.target, 0);
        out.text(self.message);
        for field in self.fields.iter() {
            out.u32(field.value.type_() as u32 | (field.name.len() as u32) << 8);
            out.padded(field.name, 4);
            out.value(field.value);
        }
        debug_assert!(out.out.is_empty(), "a record was measured and written differently");
    }
}

/// A record of a static site, measured and fitted into a limit.
#[derive(Debug)]
pub struct OfSite<'a, 'f> {
    kind: u32,
    values: &'f mut [Value<'a>],
    size: usize,
}

impl<'a, 'f> OfSite<'a, 'f> {
    /// Measures a record of the site `kind`, and cuts its texts in turn so that it takes at most `limit` bytes, or
    /// what it takes without texts.
    pub fn measure(kind: u32, values: &'f mut [Value<'a>], limit: usize) -> Self {
        debug_assert!(values.len() <= MAX_FIELDS);
        let mut size = HEADER + values.iter().map(Value::size).sum::<usize>();
        if size > limit {
            let emptied = |value: &Value<'_>| if let Value::Text(_) = value { EMPTY } else { 8 };
            size = HEADER + values.iter().map(emptied).sum::<usize>();
            let mut left = limit.saturating_sub(size);
            for value in values.iter_mut() {
                if let Value::Text(text) = value {
                    *text = text.limited(left & !7);
                    left = left.saturating_sub(align8(text.bytes.len()));
                    size = size - EMPTY + text.size();
                }
            }
        }
        Self { kind, values, size }
    }

    /// Bytes that the record takes, a multiple of 8.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Writes the record into exactly [`size`](Self::size) bytes.
    pub fn write(&self, out: &mut [u8], ticks: u64) {
        let mut out = Cursor { out };
        out.u64(self.size as u64 | u64::from(self.kind) << 32);
        out.u64(ticks);
        self.values.iter().for_each(|value| out.value(*value));
        debug_assert!(out.out.is_empty(), "a record was measured and written differently");
    }
}

/// Bytes that a record of a static site takes whose values are so many words, and no text.
pub fn size_of_words(count: usize) -> usize {
    HEADER + 8 * count
}

/// Writes such a record, which is all of `out`.
#[inline]
pub fn write_words(out: &mut [u8], kind: u32, ticks: u64, words: impl Iterator<Item = u64>) {
    let size = out.len();
    let mut out = Cursor { out };
    out.u64(size as u64 | u64::from(kind) << 32);
    out.u64(ticks);
    words.for_each(|word| out.u64(word));
    debug_assert!(out.out.is_empty(), "a record was measured and written differently");
}

/// Bytes of an envelope in front of what it holds: the header, and a place.
pub const ENVELOPE: usize = HEADER + 8;

/// Writes the beginning of an envelope, which is all of `out`, and returns the rest.
pub fn write_envelope(out: &mut [u8], kind: u32, ticks: u64, depth: u32, id: u32) -> &mut [u8] {
    let size = out.len();
    let mut out = Cursor { out };
    out.u64(size as u64 | u64::from(kind) << 32);
    out.u64(ticks);
    out.u64(u64::from(depth) | u64::from(id) << 32);
    out.out
}

/// Bytes that a record without fields takes, if its message is not cut.
#[inline(always)]
pub fn plain_size(target: &[u8], message: &[u8]) -> usize {
    HEADER + 8 + align8(target.len() + 1) + align8(4 + message.len() + 1)
}

/// Writes a record without fields into exactly [`plain_size`] bytes: what [`Dynamic::write`] writes, in as few instructions
/// as safe code takes.
#[inline(always)]
pub fn write_plain(out: &mut [u8], level: u32, ticks: u64, target: &[u8], message: &[u8]) {
    let size = out.len();
    let (counts, body) = out.split_at_mut(HEADER + 8);
    counts[..8].copy_from_slice(&(size as u64 | u64::from(level) << 32).to_le_bytes());
    counts[8..16].copy_from_slice(&ticks.to_le_bytes());
    counts[16..].copy_from_slice(&(target.len() as u64).to_le_bytes());
    let (target_out, message_out) = body.split_at_mut(align8(target.len() + 1));
    // Of each part the last word first: it holds the NUL and the zeros, and the bytes overwrite what is theirs.
    if let Some(last) = target_out.last_chunk_mut::<8>() {
        *last = [0; 8];
    }
    copy_short(&mut target_out[..target.len()], target);
    write_message(message_out, message.len() as u32, message);
}

/// Room for a target that is measured as it is copied, and for such a message: 24 bytes more than what is always
/// taken.
pub const TARGET_ROOM: usize = 56;
/// See [`TARGET_ROOM`].
pub const MESSAGE_ROOM: usize = 280;
/// Room for a record of both.
pub const COPIED_ROOM: usize = align8(HEADER + 8 + TARGET_ROOM + 4 + MESSAGE_ROOM);

/// A text whose copy tells how long it is.
pub trait CopyText {
    /// Copies it, with eight zeros behind it, and returns its length. `None`, and whatever in `to`: it has no room there.
    fn copy<const N: usize>(self, to: &mut [u8; N]) -> Option<usize>;
}

/// One that is copied without a call, if it has at most [`MOST`](Self::MOST) bytes.
#[derive(Debug, Clone, Copy)]
pub struct Short<'t>(pub &'t [u8]);

impl Short<'_> {
    pub const MOST: usize = 64;
}

impl CopyText for Short<'_> {
    #[inline(always)]
    fn copy<const N: usize>(self, to: &mut [u8; N]) -> Option<usize> {
        let Self(text) = self;
        if text.len() > Self::MOST {
            return None;
        }
        let (place, rest) = to.split_at_mut_checked(text.len())?;
        *rest.first_chunk_mut()? = [0; 8];
        copy_short(place, text);
        Some(text.len())
    }
}

/// Writes what [`write_plain`] writes, into [`COPIED_ROOM`] bytes, of texts whose copies tell how long they are; each has
/// eight zeros behind it. Returns the record's size, or `None` if one of them could not be copied.
#[inline(always)]
pub fn write_copied(
    out: &mut [u8],
    level: u32,
    ticks: u64,
    target: impl CopyText,
    message: impl CopyText,
) -> Option<usize> {
    let (counts, body) = out.split_first_chunk_mut::<{ HEADER + 8 }>()?;
    counts[8..16].copy_from_slice(&ticks.to_le_bytes());
    let target_len = target.copy::<TARGET_ROOM>(body.first_chunk_mut()?)?;
    counts[16..].copy_from_slice(&(target_len as u64).to_le_bytes());
    let message_out = body.get_mut(align8(target_len + 1)..)?;
    let size = counts.len() + align8(target_len + 1) + write_copied_message(message_out, 0, message)?;
    counts[..4].copy_from_slice(&(size as u32).to_le_bytes());
    counts[4..8].copy_from_slice(&level.to_le_bytes());
    Some(size)
}

/// The same for a message alone, behind a word that holds `above` and its length. Returns what it takes.
#[inline(always)]
pub(super) fn write_copied_message(out: &mut [u8], above: u32, message: impl CopyText) -> Option<usize> {
    let (word, text) = out.split_first_chunk_mut::<4>()?;
    let len = message.copy::<MESSAGE_ROOM>(text.first_chunk_mut()?)?;
    *word = (above | len as u32).to_le_bytes();
    Some(align8(4 + len + 1))
}

/// Writes a text behind a word that holds its length, with all that follows it.
#[inline(always)]
pub(super) fn write_message(out: &mut [u8], word: u32, message: &[u8]) {
    if let Some(last) = out.last_chunk_mut::<8>() {
        *last = [0; 8];
    }
    out[..4].copy_from_slice(&word.to_le_bytes());
    copy_short(&mut out[4..4 + message.len()], message);
}

/// What a text takes when it is cut to nothing: 8 bytes of text and 8 of full length.
const EMPTY: usize = 16;

/// Bytes that a record takes when its texts are cut to nothing and its names to `longest` bytes.
fn fixed_size(target: &[u8], fields: &[Field<'_>], longest: usize) -> usize {
    let field_size = |field: &Field<'_>| {
        let name = align8(4 + field.name.len().min(longest) + 1);
        name + if let Value::Text(_) = field.value { EMPTY } else { 8 }
    };
    let target = align8(target.len().min(longest) + 1);
    HEADER + 8 + target + EMPTY + fields.iter().map(field_size).sum::<usize>()
}

/// A limit that cuts no name where the target takes [`MAX_NAME`] bytes and the names of [`MAX_FIELDS`] texts together as
/// many.
pub const MIN_LIMIT: usize = HEADER + 8 + align8(MAX_NAME + 1) + EMPTY + MAX_NAME + MAX_FIELDS * (12 + EMPTY);

/// The least limit: the smallest record of [`MAX_FIELDS`] texts, all cut to nothing, with names of a few bytes.
pub const LEAST: usize = HEADER + 8 + 8 + EMPTY + MAX_FIELDS * (8 + EMPTY);

/// A message whose text the caller writes itself, in place: `capacity` bytes at [`TextInPlace::text_offset`].
///
/// The record is published with the capacity's size; what the text does not use becomes part of its zeros.
#[derive(Debug, Clone, Copy)]
pub struct TextInPlace {
    kind: u32,
    target_len: usize,
    capacity: usize,
}

impl TextInPlace {
    /// Measures a record for a text of at most `capacity` bytes.
    pub fn measure(level: u32, target: &[u8], capacity: usize) -> Self {
        Self { kind: level, target_len: target.len().min(MAX_NAME), capacity }
    }

    /// Where the text begins in the record.
    pub fn text_offset(&self) -> usize {
        HEADER + 8 + align8(self.target_len + 1) + 4
    }

    /// Bytes that the record takes when its text has `length` bytes of `full`.
    pub fn size(&self, length: usize, full: usize) -> usize {
        self.text_offset() - 4 + align8(4 + length + 1) + if full > length { 8 } else { 0 }
    }

    /// Bytes to reserve: room for the whole capacity and for a full length.
    pub fn reserve(&self) -> usize {
        self.size(self.capacity, usize::MAX)
    }

    /// Writes what comes before the text; length and time follow in [`finish`](Self::finish).
    pub fn write_before(&self, out: &mut [u8], target: &[u8]) {
        let mut out = Cursor { out };
        out.u64(u64::from(self.kind) << 32);
        out.u64(0);
        out.u64(self.target_len as u64);
        out.padded(&target[..self.target_len], 0);
    }

    /// Settles the record after its text, of `full` bytes, was written at [`text_offset`](Self::text_offset) as far as the
    /// capacity goes. Returns the size of the record, which begins `out`.
    pub fn finish(&self, out: &mut [u8], full: usize, ticks: u64) -> usize {
        let length = full.min(self.capacity);
        let size = self.size(length, full);
        let text = self.text_offset();
        let cut = full > length;
        out[text - 4..text].copy_from_slice(&(length as u32 | if cut { CUT } else { 0 }).to_le_bytes());
        let end = text - 4 + align8(4 + length + 1);
        out[text + length..end].fill(0);
        if cut {
            out[end..end + 8].copy_from_slice(&(full as u64).to_le_bytes());
        }
        out[..4].copy_from_slice(&(size as u32).to_le_bytes());
        out[8..16].copy_from_slice(&ticks.to_le_bytes());
        size
    }
}

/// Copies between slices of one length. Most texts of a record are short: two overlapping moves of a fixed size cost less
/// than the call of `memcpy` (batch of 64 with 8-byte texts: 13.0 to 8.6 ns a record).
#[inline(always)]
pub(super) fn copy_short(out: &mut [u8], bytes: &[u8]) {
    fn ends<const N: usize>(out: &mut [u8], bytes: &[u8]) -> bool {
        if let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>())
            && let Some(place) = out.first_chunk_mut::<N>()
        {
            *place = *first;
            if let Some(place) = out.last_chunk_mut::<N>() {
                *place = *last;
            }
            return true;
        }
        false
    }
    // The likeliest lengths are decided first: a chain from 0 upwards would take seven comparisons for a usual message.
    let len = bytes.len();
    let copied = if len >= 16 {
        if len <= 32 { ends::<16>(out, bytes) } else { len <= 64 && ends::<32>(out, bytes) }
    } else if len >= 8 {
        ends::<8>(out, bytes)
    } else if len >= 4 {
        ends::<4>(out, bytes)
    } else if len >= 2 {
        ends::<2>(out, bytes)
    } else {
        len == 0 || ends::<1>(out, bytes)
    };
    if !copied {
        out.copy_from_slice(bytes);
    }
}

/// Writes forward through a slice.
struct Cursor<'o> {
    out: &'o mut [u8],
}

impl Cursor<'_> {
    #[inline(always)]
    fn take(&mut self, len: usize) -> &mut [u8] {
        let out = std::mem::take(&mut self.out);
        let (taken, rest) = out.split_at_mut(len);
        self.out = rest;
        taken
    }

    #[inline(always)]
    fn u32(&mut self, value: u32) {
        self.take(4).copy_from_slice(&value.to_le_bytes());
    }

    #[inline(always)]
    fn u64(&mut self, value: u64) {
        self.take(8).copy_from_slice(&value.to_le_bytes());
    }

    /// Bytes, NUL, zeros; `before` bytes of the same unit were written already.
    #[inline(always)]
    fn padded(&mut self, bytes: &[u8], before: usize) {
        let size = align8(before + bytes.len() + 1) - before;
        let out = self.take(size);
        // The last word first: it holds the NUL and the zeros, and the bytes overwrite what is theirs.
        match out.last_chunk_mut::<8>() {
            Some(last) => *last = [0; 8],
            None => out.fill(0),
        }
        copy_short(&mut out[..bytes.len()], bytes);
    }

    #[inline(always)]
    fn value(&mut self, value: Value<'_>) {
        match value {
            Value::I64(value) => self.u64(value as u64),
            Value::U64(value) | Value::Pointer(value) => self.u64(value),
            Value::F64(value) => self.u64(value.to_bits()),
            Value::Bool(value) => self.u64(u64::from(value)),
            Value::Text(text) => self.text(text),
        }
    }

    #[inline(always)]
    fn text(&mut self, text: Text<'_>) {
        self.u32(text.bytes.len() as u32 | if text.is_cut() { CUT } else { 0 });
        self.padded(text.bytes, 4);
        if text.is_cut() {
            self.u64(text.full as u64);
        }
    }
}
