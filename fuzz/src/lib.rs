//! The fuzz targets: plain functions that take bytes, and panic when a promise is broken.
//!
//! `cargo fuzz` calls them through the programs of `fuzz_targets/`, on nightly; `tests/replay.rs` calls them with every
//! file of `corpus/`, on stable and without a fuzzer. README.md says how to run both and how the corpus came to be.

mod c_api;

pub use c_api::c_api;

use arbitrary::{Result, Unstructured};
use logfusion::record::batch::BatchWriter;
use logfusion::record::decode::{self, RawRecord, RawText, RawValue};
use logfusion::record::encode::{Dynamic, ENVELOPE, Field, LEAST, Text, TextInPlace, Value, plain_size, write_plain};
use logfusion::record::layout::{MAX_FIELDS, MAX_NAME, Type};
use std::ops::Range;

/// A target: its name, which is also that of its corpus, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[("c_api", c_api), ("decode", decode), ("round_trip", round_trip)];

/// Untrusted bytes: [`decode::decode`] refuses them, or returns a view that lies inside; what it returns can be
/// encoded, and then says the same.
pub fn decode(data: &[u8]) {
    envelope(data);
    values_of_a_site(data);
    batch(data);
    let Ok(record) = decode::decode(data) else { return };
    let length = decode::length(data).expect("a decoded record has a length");
    let data = &data[..length];
    assert_eq!(decode::ticks(data), record.ticks);
    assert!((1..=5).contains(&record.level) && record.fields.len() <= MAX_FIELDS);

    // The parts lie inside the record, one behind the other.
    let bounds = data.as_ptr_range();
    let mut end = bounds.start;
    let mut check = |text: RawText<'_>| {
        let range = text.terminated.as_ptr_range();
        assert!(end <= range.start && range.end <= bounds.end);
        assert_eq!(text.terminated.len(), text.bytes.len() + 1);
        assert_eq!(text.terminated.as_ptr(), text.bytes.as_ptr());
        assert_eq!(text.is_cut(), text.full > text.bytes.len() as u64);
        end = range.end;
    };
    check(record.target);
    check(record.message);
    for field in record.fields.iter() {
        check(field.name);
        if let RawValue::Text(text) = field.value {
            check(text);
        }
    }

    let mut fields: Vec<_> =
        record.fields.iter().map(|field| Field { name: field.name.bytes, value: value(field.value) }).collect();
    let encoded = Dynamic::measure(record.level, record.target.bytes, text(record.message), &mut fields, usize::MAX);
    let encoded = if record.called { encoded.called() } else { encoded };
    let mut bytes = vec![0xEE; encoded.size()];
    encoded.write(&mut bytes, record.ticks);
    assert_same(&record, &decode::decode(&bytes).expect("what was decoded can be encoded"));
}

/// An envelope is refused, or holds bytes of its own, which are decoded in their turn.
fn envelope(data: &[u8]) {
    let Ok(envelope) = decode::envelope(data) else { return };
    let length = decode::length(data).expect("an envelope has a length");
    assert!(decode::is_envelope(decode::kind(data)) && length >= ENVELOPE);
    assert_eq!(envelope.number().is_ok(), length >= ENVELOPE + 8);
    if let Ok(inner) = envelope.record() {
        assert!(inner.as_ptr() == data[ENVELOPE..].as_ptr() && inner.len() <= length - ENVELOPE);
        decode(inner);
    }
}

/// The values of a static site's record, of types that the bytes choose: refused, or inside.
fn values_of_a_site(data: &[u8]) {
    let types: Vec<Type> = data.iter().take(MAX_FIELDS).filter_map(|byte| Type::from_u8(byte % 7)).collect();
    let bounds = data.as_ptr_range();
    let mut count = 0;
    let read = decode::values(data, types.iter().copied(), |value| {
        count += 1;
        if let RawValue::Text(text) = value {
            let range = text.terminated.as_ptr_range();
            assert!(bounds.start <= range.start && range.end <= bounds.end);
        }
    });
    assert!(read.is_err() || count == types.len());
}

fn value(raw: RawValue<'_>) -> Value<'_> {
    match raw {
        RawValue::I64(value) => Value::I64(value),
        RawValue::U64(value) => Value::U64(value),
        RawValue::F64(value) => Value::F64(value),
        RawValue::Bool(value) => Value::Bool(value),
        RawValue::Pointer(value) => Value::Pointer(value),
        RawValue::Text(raw) => Value::Text(text(raw)),
    }
}

/// Text with its full length; one that is less than what is there, which no encoder writes, means nothing.
fn text(raw: RawText<'_>) -> Text<'_> {
    Text::cut(raw.bytes, raw.bytes.len().max(raw.full as usize))
}

/// Whether the second record, which an encoder wrote, says what the first one did.
fn assert_same(first: &RawRecord<'_>, second: &RawRecord<'_>) {
    let name = |name: RawText<'_>| name.bytes[..name.bytes.len().min(MAX_NAME)].to_vec();
    let text = |text: RawText<'_>| (text.bytes.to_vec(), text.full.max(text.bytes.len() as u64));
    assert_eq!((first.level, first.ticks, name(first.target)), (second.level, second.ticks, name(second.target)));
    assert_eq!(text(first.message), text(second.message));
    assert_eq!((first.called, first.fields.len()), (second.called, second.fields.len()));
    for (first, second) in first.fields.iter().zip(second.fields.iter()) {
        assert_eq!(name(first.name), name(second.name));
        match (first.value, second.value) {
            (RawValue::Text(first), RawValue::Text(second)) => assert_eq!(text(first), text(second)),
            // A number that is not one is not equal to itself.
            (RawValue::F64(first), RawValue::F64(second)) => assert_eq!(first.to_bits(), second.to_bits()),
            (first, second) => assert_eq!(first, second),
        }
    }
}

/// A batch: its messages lie inside, one behind the other.
fn batch(data: &[u8]) {
    let Ok(messages) = decode::batch(data) else { return };
    let mut end = messages.target.terminated.as_ptr_range().end;
    for (level, message) in messages.flatten() {
        let range = message.terminated.as_ptr_range();
        assert!((1..=5).contains(&level) && end <= range.start && range.end <= data.as_ptr_range().end);
        end = range.end;
    }
}

/// Any record and any limit: what is encoded takes what was measured and no more than the limit, and decodes to what
/// went in, texts up to where they were cut.
pub fn round_trip(data: &[u8]) {
    // An input that ends early is completed with zeros: there is no input that can't be used.
    let _ = Input::take(&mut Unstructured::new(data)).map(|input| input.round_trip());
}

/// A record to be encoded.
struct Input<'a> {
    level: u32,
    ticks: u64,
    limit: usize,
    target: &'a [u8],
    message: Text<'a>,
    fields: Vec<Field<'a>>,
}

impl<'a> Input<'a> {
    fn take(input: &mut Unstructured<'a>) -> Result<Self> {
        let level = input.int_in_range(1..=5)?;
        let ticks = input.arbitrary()?;
        let limit = if input.arbitrary()? { input.int_in_range(LEAST..=2 * LEAST)? } else { 1 << 12 };
        let target = name(input)?;
        let message = cut_text(input)?;
        let count = input.int_in_range(0..=MAX_FIELDS)?;
        let fields =
            (0..count).map(|_| Ok(Field { name: name(input)?, value: any_value(input)? })).collect::<Result<_>>()?;
        Ok(Self { level, ticks, limit, target, message, fields })
    }

    fn round_trip(mut self) {
        let mut fields = self.fields.clone();
        let encoded = Dynamic::measure(self.level, self.target, self.message, &mut fields, self.limit);
        let mut bytes = vec![0xEE; encoded.size()];
        assert!(bytes.len() <= self.limit && bytes.len().is_multiple_of(8));
        encoded.write(&mut bytes, self.ticks);
        let record = decode::decode(&bytes).expect("an encoded record is decoded");
        assert_eq!(decode::length(&bytes), Ok(bytes.len()));
        assert_eq!((record.level, record.ticks), (self.level, self.ticks));
        let mut cut = check_name(record.target, self.target);
        cut |= check_text(record.message, self.message);
        assert_eq!(record.fields.len(), self.fields.len());
        for (raw, field) in record.fields.iter().zip(&self.fields) {
            cut |= check_name(raw.name, field.name);
            match (raw.value, field.value) {
                (RawValue::Text(raw), Value::Text(text)) => cut |= check_text(raw, text),
                (RawValue::I64(raw), Value::I64(value)) => assert_eq!(raw, value),
                (RawValue::U64(raw), Value::U64(value)) => assert_eq!(raw, value),
                (RawValue::F64(raw), Value::F64(value)) => assert_eq!(raw.to_bits(), value.to_bits()),
                (RawValue::Bool(raw), Value::Bool(value)) => assert_eq!(raw, value),
                (RawValue::Pointer(raw), Value::Pointer(value)) => assert_eq!(raw, value),
                (raw, value) => panic!("{value:?} became {raw:?}"),
            }
        }
        let whole = Dynamic::measure(self.level, self.target, self.message, &mut self.fields, usize::MAX).size();
        assert_eq!(cut, whole > self.limit, "{whole} bytes, limit {}", self.limit);
        self.in_place();
        self.plain();
    }

    /// Target and message alone, the short way.
    fn plain(&self) {
        let (target, message) = (&self.target[..self.target.len().min(MAX_NAME)], self.message.bytes());
        let mut bytes = vec![0xEE; plain_size(target, message)];
        write_plain(&mut bytes, self.level, self.ticks, target, message);
        let record = Dynamic::measure(self.level, target, Text::new(message), &mut [], usize::MAX);
        let mut same = vec![0xDD; record.size()];
        record.write(&mut same, self.ticks);
        assert_eq!(bytes, same);

        // In a batch.
        let mut room = vec![0xEE; self.limit & !7];
        let Some(mut batch) = BatchWriter::new(&mut room, target) else { return };
        let count = (0..3).take_while(|_| batch.push(self.level, message)).count();
        let Some(written) = batch.finish(self.ticks) else { return };
        let mut messages = decode::batch(&room[..written.size]).expect("a written batch is read");
        for _ in 0..count {
            let (level, text) = messages.next().expect("there are as many").expect("a written message is read");
            assert_eq!((messages.target.bytes, level, text.bytes), (target, self.level, message));
        }
        assert!(messages.next().is_none());
    }

    /// The message alone, written where it will lie.
    fn in_place(&self) {
        let text = self.message.bytes();
        let capacity = self.limit % (text.len() + 8);
        let place = TextInPlace::measure(self.level, self.target, capacity);
        let mut bytes = vec![0xEE; place.reserve()];
        place.write_before(&mut bytes, self.target);
        let kept = &text[..text.len().min(capacity)];
        bytes[place.text_offset()..][..kept.len()].copy_from_slice(kept);
        let size = place.finish(&mut bytes, text.len(), self.ticks);
        let record = decode::decode(&bytes[..size]).expect("a record written in place is decoded");
        assert_eq!((record.level, record.ticks, record.fields.len()), (self.level, self.ticks, 0));
        assert_eq!((record.message.bytes, record.message.full), (kept, text.len() as u64));
        assert_eq!(record.message.terminated.last(), Some(&0));
        assert!(!check_name(record.target, self.target));
        let mut same = vec![0xDD; size];
        Dynamic::measure(self.level, self.target, Text::cut(kept, text.len()), &mut [], usize::MAX)
            .write(&mut same, self.ticks);
        assert_eq!(bytes[..size], same);
    }
}

/// A name: a beginning, whole up to the longest name unless it had to be cut further. Returns whether it was.
fn check_name(raw: RawText<'_>, name: &[u8]) -> bool {
    assert!(name.starts_with(raw.bytes));
    assert_eq!(raw.terminated.split_last(), Some((&0, raw.bytes)));
    raw.bytes.len() < name.len().min(MAX_NAME)
}

/// A text: a beginning, its full length and a NUL. Returns whether it was cut.
fn check_text(raw: RawText<'_>, text: Text<'_>) -> bool {
    assert!(text.bytes().starts_with(raw.bytes));
    assert_eq!(raw.full, text.full() as u64);
    assert_eq!(raw.terminated.split_last(), Some((&0, raw.bytes)));
    raw.bytes.len() < text.bytes().len()
}

fn name<'a>(input: &mut Unstructured<'a>) -> Result<&'a [u8]> {
    bytes(input, 0..MAX_NAME + 100)
}

fn cut_text<'a>(input: &mut Unstructured<'a>) -> Result<Text<'a>> {
    let bytes = bytes(input, 0..1 << 13)?;
    let more: u32 = if input.ratio(1, 4)? { input.arbitrary()? } else { 0 };
    Ok(Text::cut(bytes, bytes.len() + more as usize))
}

/// Bytes of a chosen length: a part of the input, or of a long run of one letter, so that small inputs can be long texts.
fn bytes<'a>(input: &mut Unstructured<'a>, len: Range<usize>) -> Result<&'a [u8]> {
    static RUN: [u8; 1 << 13] = [b'x'; 1 << 13];
    if input.ratio(1, 8)? {
        return Ok(&RUN[..input.int_in_range(len.start..=len.end - 1)?]);
    }
    let len = (input.arbitrary::<u8>()? as usize).clamp(len.start, len.end - 1).min(input.len());
    input.bytes(len)
}

fn any_value<'a>(input: &mut Unstructured<'a>) -> Result<Value<'a>> {
    Ok(match input.int_in_range(0..=5)? {
        0 => Value::I64(input.arbitrary()?),
        1 => Value::U64(input.arbitrary()?),
        2 => Value::F64(f64::from_bits(input.arbitrary()?)),
        3 => Value::Bool(input.arbitrary()?),
        4 => Value::Pointer(input.arbitrary()?),
        _ => Value::Text(cut_text(input)?),
    })
}
