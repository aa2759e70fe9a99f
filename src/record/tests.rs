//! Records against an oracle that writes them byte by byte, as `layout` describes them.

use super::batch::{BatchWriter, MOST, Written};
use super::decode::{DecodeError, RawRecord, RawText, RawValue, batch, decode, kind, length, ticks};
use super::encode::{
    COPIED_ROOM, CopyText, Dynamic, Field, LEAST, MESSAGE_ROOM, MIN_LIMIT, TARGET_ROOM, Text, TextInPlace, Value,
    plain_size, write_copied, write_plain,
};
use super::layout::{BATCH, CALLED, CUT, HEADER, MAX_FIELDS, MAX_NAME, align8};
use proptest::collection::vec;
use proptest::prelude::*;

/// A value as a test chooses it.
#[derive(Debug, Clone)]
enum Chosen {
    I64(i64),
    U64(u64),
    F64(u64),
    Bool(bool),
    Pointer(u64),
    /// Bytes, and how many more the caller had.
    Text(Vec<u8>, usize),
}

#[derive(Debug, Clone)]
struct Input {
    level: u32,
    ticks: u64,
    called: bool,
    target: Vec<u8>,
    message: (Vec<u8>, usize),
    fields: Vec<(Vec<u8>, Chosen)>,
}

impl Input {
    fn fields(&self) -> Vec<Field<'_>> {
        let value = |chosen| match chosen {
            &Chosen::I64(value) => Value::I64(value),
            &Chosen::U64(value) => Value::U64(value),
            &Chosen::F64(bits) => Value::F64(f64::from_bits(bits)),
            &Chosen::Bool(value) => Value::Bool(value),
            &Chosen::Pointer(value) => Value::Pointer(value),
            Chosen::Text(bytes, more) => Value::Text(text(bytes, *more)),
        };
        self.fields.iter().map(|(name, chosen)| Field { name, value: value(chosen) }).collect()
    }

    /// The record as the engine writes it, over what an earlier lap left.
    fn encode(&self, limit: usize) -> Vec<u8> {
        let mut fields = self.fields();
        let message = text(&self.message.0, self.message.1);
        let record = Dynamic::measure(self.level, &self.target, message, &mut fields, limit);
        let record = if self.called { record.called() } else { record };
        let mut bytes = vec![0xEE; record.size()];
        record.write(&mut bytes, self.ticks);
        bytes
    }
}

fn text(bytes: &[u8], more: usize) -> Text<'_> {
    if more == 0 { Text::new(bytes) } else { Text::cut(bytes, bytes.len() + more) }
}

/// Writes a record slowly: every part, then zeros to a multiple of 8.
#[derive(Default)]
struct Slow(Vec<u8>);

impl Slow {
    fn put(&mut self, parts: &[&[u8]]) {
        parts.iter().for_each(|part| self.0.extend_from_slice(part));
    }

    /// The NUL, and zeros as far as needed.
    fn end(&mut self) {
        self.0.push(0);
        while !self.0.len().is_multiple_of(8) {
            self.0.push(0);
        }
    }

    fn text(&mut self, text: RawText<'_>) {
        let cut = text.full > text.bytes.len() as u64;
        self.put(&[&(text.bytes.len() as u32 | if cut { CUT } else { 0 }).to_le_bytes(), text.bytes]);
        self.end();
        if cut {
            self.put(&[&text.full.to_le_bytes()]);
        }
    }

    /// The bytes of what was decoded.
    fn record(record: &RawRecord<'_>) -> Vec<u8> {
        let mut slow = Self::default();
        slow.put(&[&[0; 4], &record.level.to_le_bytes(), &record.ticks.to_le_bytes()]);
        let count = record.fields.len() as u32 | if record.called { CALLED } else { 0 };
        slow.put(&[&(record.target.bytes.len() as u32).to_le_bytes(), &count.to_le_bytes()]);
        slow.put(&[record.target.bytes]);
        slow.end();
        slow.text(record.message);
        for field in record.fields.iter() {
            let (kind, word) = match field.value {
                RawValue::I64(value) => (1, value as u64),
                RawValue::U64(value) => (2, value),
                RawValue::F64(value) => (3, value.to_bits()),
                RawValue::Bool(value) => (4, value.into()),
                RawValue::Pointer(value) => (5, value),
                RawValue::Text(_) => (6, 0),
            };
            slow.put(&[&[kind], &(field.name.bytes.len() as u32).to_le_bytes()[..3], field.name.bytes]);
            slow.end();
            match field.value {
                RawValue::Text(text) => slow.text(text),
                _ => slow.put(&[&word.to_le_bytes()]),
            }
        }
        let len = slow.0.len() as u32;
        slow.0[..4].copy_from_slice(&len.to_le_bytes());
        slow.0
    }
}

/// A text that is copied where there is room for all that [`crate::os::Begun`] may write.
struct Copied<'a>(&'a [u8]);

impl CopyText for Copied<'_> {
    fn copy<const N: usize>(self, to: &mut [u8; N]) -> Option<usize> {
        let Self(text) = self;
        to.get_mut(text.len()..text.len() + 24)?[..8].fill(0);
        to[..text.len()].copy_from_slice(text);
        Some(text.len())
    }
}

/// Bytes that text is made of, and bytes that it should not be made of: from a seed, since a strategy a byte is slow.
fn bytes(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    (len, any::<u64>()).prop_map(|(len, seed)| {
        let mut state = seed;
        let byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match (state >> 32) as u8 {
                any @ 0..32 => any,
                any @ 32..64 => any | 0x80,
                other => 0x20 + other % 0x5F,
            }
        };
        std::iter::repeat_with(byte).take(len).collect()
    })
}

fn value() -> impl Strategy<Value = Chosen> {
    prop_oneof![
        any::<i64>().prop_map(Chosen::I64),
        any::<u64>().prop_map(Chosen::U64),
        any::<u64>().prop_map(Chosen::F64),
        any::<bool>().prop_map(Chosen::Bool),
        any::<u64>().prop_map(Chosen::Pointer),
        (bytes(0..200), more()).prop_map(|(bytes, more)| Chosen::Text(bytes, more)),
    ]
}

/// How much the caller's text was longer than what it handed over.
fn more() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0), 1 => 1..20_usize, 1 => any::<u32>().prop_map(|more| more as usize)]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![12 => bytes(0..30), 1 => bytes(MAX_NAME - 4..MAX_NAME + 20)]
}

fn input() -> impl Strategy<Value = Input> {
    let message = prop_oneof![bytes(0..40), bytes(0..3000)];
    let fields = prop_oneof![vec((name(), value()), 0..4), vec((name(), value()), 0..=MAX_FIELDS)];
    (1..=5_u32, any::<u64>(), any::<bool>(), name(), (message, more()), fields).prop_map(
        |(level, ticks, called, target, message, fields)| Input { level, ticks, called, target, message, fields },
    )
}

/// What was kept of a text: a beginning, its full length, and a NUL. Returns whether the encoder cut it.
fn check_text(raw: RawText<'_>, (whole, more): (&[u8], usize)) -> bool {
    assert!(whole.starts_with(raw.bytes));
    assert_eq!(raw.full, (whole.len() + more) as u64);
    assert_eq!(raw.is_cut(), raw.full > raw.bytes.len() as u64);
    check_terminated(raw);
    raw.bytes.len() < whole.len()
}

fn check_terminated(raw: RawText<'_>) {
    assert_eq!(raw.terminated.split_last(), Some((&0, raw.bytes)));
}

/// A name that was kept whole, or cut where names must be cut.
fn check_name(raw: RawText<'_>, whole: &[u8]) -> bool {
    assert!(whole.starts_with(raw.bytes));
    check_terminated(raw);
    raw.bytes.len() < whole.len().min(MAX_NAME)
}

fn check_text_inside(bytes: &[u8], text: RawText<'_>) {
    let (outer, inner) = (bytes.as_ptr_range(), text.terminated.as_ptr_range());
    assert!(outer.start <= inner.start && inner.end <= outer.end);
    assert_eq!(text.terminated.len(), text.bytes.len() + 1);
    assert_eq!(text.terminated.as_ptr(), text.bytes.as_ptr());
}

/// Whatever it is, what is read of it lies inside.
fn check_batch(bytes: &[u8]) {
    let Ok(messages) = batch(bytes) else { return };
    check_text_inside(bytes, messages.target);
    for (level, message) in messages.flatten() {
        assert!((1..=5).contains(&level));
        check_text_inside(bytes, message);
    }
}

fn check_inside(bytes: &[u8], record: &RawRecord<'_>) {
    let inside = |text: RawText<'_>| check_text_inside(bytes, text);
    inside(record.target);
    inside(record.message);
    assert!(record.fields.len() <= MAX_FIELDS && (1..=5).contains(&record.level));
    for field in record.fields.iter() {
        inside(field.name);
        if let RawValue::Text(text) = field.value {
            inside(text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn round_trip(input in input(), limit in prop_oneof![LEAST..2000, LEAST..=MIN_LIMIT, LEAST..1 << 17]) {
        let bytes = input.encode(limit);
        prop_assert!(bytes.len() <= limit && bytes.len().is_multiple_of(8));
        prop_assert_eq!(length(&bytes), Ok(bytes.len()));
        prop_assert_eq!(ticks(&bytes), input.ticks);
        let record = decode(&bytes).unwrap();
        prop_assert_eq!(&Slow::record(&record), &bytes);
        prop_assert_eq!((record.level, record.ticks, record.called), (input.level, input.ticks, input.called));
        check_inside(&bytes, &record);

        let mut names_cut = check_name(record.target, &input.target);
        let mut cut = check_text(record.message, (&input.message.0, input.message.1));
        let mut texts = 1;
        prop_assert_eq!(record.fields.len(), input.fields.len());
        for (raw, (name, chosen)) in record.fields.iter().zip(&input.fields) {
            names_cut |= check_name(raw.name, name);
            match (raw.value, chosen) {
                (RawValue::Text(raw), Chosen::Text(bytes, more)) => {
                    texts += 1;
                    cut |= check_text(raw, (bytes, *more));
                }
                (RawValue::I64(raw), Chosen::I64(value)) => prop_assert_eq!(raw, *value),
                (RawValue::U64(raw), Chosen::U64(value)) => prop_assert_eq!(raw, *value),
                (RawValue::F64(raw), Chosen::F64(bits)) => prop_assert_eq!(raw.to_bits(), *bits),
                (RawValue::Bool(raw), Chosen::Bool(value)) => prop_assert_eq!(raw, *value),
                (RawValue::Pointer(raw), Chosen::Pointer(value)) => prop_assert_eq!(raw, *value),
                (raw, chosen) => panic!("{chosen:?} became {raw:?}"),
            }
        }
        // Nothing is cut in vain, and what is cut leaves no more room unused than each text's rounding.
        let whole = input.encode(usize::MAX).len();
        prop_assert_eq!(cut || names_cut, whole > limit);
        prop_assert_eq!(input.encode(whole.max(LEAST)).len(), whole, "a record that just fits is not cut");
        if cut && !names_cut {
            prop_assert!(bytes.len() + 16 * texts > limit, "{} of {} bytes used", bytes.len(), limit);
        }
    }

    /// The short way writes what the long one does.
    #[test]
    fn plain(level in 1..=5_u32, ticks in any::<u64>(), target in bytes(0..80), message in bytes(0..300)) {
        let input =
            Input { level, ticks, called: false, target, message: (message, 0), fields: Vec::new() };
        let mut bytes = vec![0xEE; plain_size(&input.target, &input.message.0)];
        write_plain(&mut bytes, level, ticks, &input.target, &input.message.0);
        prop_assert_eq!(&bytes, &input.encode(1 << 16));

        let mut room = vec![0xEE; COPIED_ROOM];
        let (target, message) = (&input.target, &input.message.0);
        let copied = write_copied(&mut room, level, ticks, Copied(target), Copied(message));
        prop_assert_eq!(copied.is_some(), target.len() <= TARGET_ROOM - 24 && message.len() <= MESSAGE_ROOM - 24);
        if let Some(size) = copied {
            prop_assert_eq!(&room[..size], &bytes[..]);
        }
    }

    /// A batch becomes the records that its messages would have been by themselves, as many as had room.
    #[test]
    fn batches(
        ticks in any::<u64>(),
        target in bytes(0..80),
        messages in vec((1..=5_u32, bytes(0..200)), 1..40),
        room in 0..2 * MOST,
        damage in (any::<prop::sample::Index>(), any::<u8>()),
    ) {
        let mut bytes = vec![0xEE; room & !7];
        let Some(mut writer) = BatchWriter::new(&mut bytes, &target) else {
            prop_assert!(room < HEADER + 8 + target.len() + 8);
            return Ok(());
        };
        let written: Vec<_> = messages.iter().take_while(|(level, message)| {
            level % 2 == 0 && writer.push_copied(*level, Copied(message)) || writer.push(*level, message)
        }).collect();
        let levels = written.iter().map(|(level, _)| *level);
        let Some(Written { size, messages: count, severest }) = writer.finish(ticks) else {
            prop_assert!(written.is_empty());
            return Ok(());
        };
        prop_assert_eq!((count as usize, Some(severest)), (written.len(), levels.min()));
        let next = messages.get(written.len()).map_or(usize::MAX, |(_, message)| align8(4 + message.len() + 1));
        prop_assert!(size.saturating_add(next) > (room & !7).min(MOST), "there was room for more");
        bytes.truncate(size);
        prop_assert_eq!((length(&bytes), kind(&bytes)), (Ok(size), BATCH));
        let mut read = batch(&bytes).unwrap();
        prop_assert_eq!((read.target.bytes, ticks), (&target[..], super::decode::ticks(&bytes)));
        for (level, message) in written {
            // As from any place on.
            let left = read.left();
            read = batch(&bytes).unwrap();
            read.go_on(left);
            let (was_level, was_message) = read.next().unwrap().unwrap();
            prop_assert_eq!((was_level, was_message.bytes), (*level, &message[..]));
        }
        prop_assert!(read.next().is_none());
        check_batch(&bytes);

        prop_assert!(batch(&bytes[..size - 8]).is_err(), "the length word says more");
        let at = damage.0.index(size);
        bytes[at] = damage.1;
        check_batch(&bytes);
    }

    #[test]
    fn text_in_place(
        level in 1..=5_u32,
        target in name(),
        capacity in 0..500_usize,
        written in bytes(600..601),
        full in prop_oneof![0..600_usize, Just(usize::MAX >> 1)],
        ticks in any::<u64>(),
    ) {
        let place = TextInPlace::measure(level, &target, capacity);
        let mut bytes = vec![0xEE; place.reserve()];
        prop_assert!(bytes.len().is_multiple_of(8));
        place.write_before(&mut bytes, &target);
        let at = place.text_offset();
        let kept = full.min(capacity);
        // As `vsnprintf` does: as far as the capacity goes.
        bytes[at..at + kept].copy_from_slice(&written[..kept]);
        let size = place.finish(&mut bytes, full, ticks);
        prop_assert!(size <= bytes.len());
        prop_assert_eq!(size, place.size(kept, full));
        let record = decode(&bytes[..size]).unwrap();
        prop_assert_eq!((record.level, record.ticks, record.fields.len()), (level, ticks, 0));
        prop_assert_eq!(record.target.bytes, &target[..target.len().min(MAX_NAME)]);
        prop_assert_eq!((record.message.bytes, record.message.full), (&written[..kept], full as u64));
        check_terminated(record.message);
        // The same record, written the other way.
        let mut whole = Slow::record(&record);
        prop_assert_eq!(&whole, &bytes[..size]);
        let message = Text::cut(&written[..kept], full);
        let record = Dynamic::measure(level, &target, message, &mut [], usize::MAX);
        prop_assert_eq!(record.size(), size);
        whole.fill(0xDD);
        record.write(&mut whole, ticks);
        prop_assert_eq!(&whole, &bytes[..size]);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(mut bytes in vec(any::<u8>(), 0..200), plausible in 0..4_u32, fields in 0..40_u8) {
        // Random bytes seldom get past the first words.
        if bytes.len() >= 24 {
            let whole = bytes.len() & !7;
            if plausible > 0 {
                bytes[..4].copy_from_slice(&(whole as u32).to_le_bytes());
                bytes[4..8].copy_from_slice(&plausible.to_le_bytes());
            }
            if plausible > 1 {
                bytes[16..24].copy_from_slice(&[3, 0, 0, 0, fields, 0, 0, 0]);
            }
        }
        if let Ok(record) = decode(&bytes) {
            check_inside(&bytes, &record);
        }
        check_batch(&bytes);
    }

    /// A record of which some bytes were changed, or the end is missing.
    #[test]
    fn damaged_records_are_decoded_or_refused(
        input in input(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = input.encode(4096);
        let end = end.index(bytes.len());
        prop_assert!(decode(&bytes[..end]).is_err(), "the length word says more than {end}");
        for (at, value) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        if let Ok(record) = decode(&bytes) {
            check_inside(&bytes, &record);
        }
        // The same, with a length word that agrees.
        let end = end & !7;
        bytes[..4.min(end)].copy_from_slice(&(end as u32).to_le_bytes()[..4.min(end)]);
        match decode(&bytes[..end]) {
            Ok(record) => check_inside(&bytes[..end], &record),
            Err(error) => prop_assert!(end < HEADER || !matches!(error, DecodeError::Length(_))),
        }
    }
}

/// The most that a record can hold besides text fits the least limit, whatever the names.
#[test]
fn long_names_share_what_there_is() {
    let name = [b'n'; 2 * MAX_NAME];
    let long = [b'x'; 5000];
    for limit in (LEAST..6000).step_by(8).chain([1 << 16]) {
        let mut fields = vec![Field { name: &name, value: Value::Text(Text::new(&long)) }; MAX_FIELDS];
        let record = Dynamic::measure(1, &name, Text::new(&long), &mut fields, limit);
        assert!(record.size() <= limit, "{} of {limit}", record.size());
        let mut bytes = vec![0xEE; record.size()];
        record.write(&mut bytes, 7);
        let record = decode(&bytes).unwrap();
        assert_eq!(record.fields.len(), MAX_FIELDS);
        let shortest = record.fields.iter().map(|field| field.name.bytes.len()).min().unwrap();
        assert!(shortest >= (((limit - LEAST) / (MAX_FIELDS + 1)) & !7).min(MAX_NAME));
    }
}

#[test]
fn each_error_is_told() {
    let input =
        Input { level: 3, ticks: 9, called: false, target: b"t".into(), message: (b"m".into(), 0), fields: Vec::new() };
    let sound = input.encode(4096);
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = sound.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        decode(&changed).map(|_| ()).unwrap_err()
    };
    assert_eq!(decode(&[]), Err(DecodeError::Truncated));
    assert_eq!(decode(&sound[..3]), Err(DecodeError::Truncated));
    assert_eq!(with(0, &[8, 0, 0, 0]), DecodeError::Length(8));
    assert_eq!(with(0, &[20, 0, 0, 0]), DecodeError::Length(20));
    assert_eq!(with(0, &[0xFF; 4]), DecodeError::Length(u32::MAX));
    assert_eq!(with(4, &[0]), DecodeError::Kind(0));
    assert_eq!(with(4, &[6]), DecodeError::Kind(6));
    assert_eq!(with(16, &[0xFF; 4]), DecodeError::Truncated);
    assert_eq!(with(20, &[33, 0, 0, 0]), DecodeError::Fields(33));
    assert_eq!(with(20, &[1, 0, 0, 0]), DecodeError::Truncated);
    assert_eq!(with(32, &[0xFF; 4]), DecodeError::Truncated);
    let fields = vec![(b"k".to_vec(), Chosen::Bool(true))];
    let mut bytes = Input { fields, ..input }.encode(4096);
    let at = bytes.len() - 16;
    assert!(decode(&bytes).is_ok());
    for number in [0, 7, 255] {
        bytes[at] = number;
        assert_eq!(decode(&bytes), Err(DecodeError::Type(number)));
    }
}

#[test]
fn a_cut_text_ends_at_a_character_and_a_bad_one_is_mended() {
    let text =
        |bytes: &'static [u8], missing: u64| RawText { bytes, full: bytes.len() as u64 + missing, terminated: b"" };
    for (bytes, missing, mended, was_bad) in [
        (&b"ab\xc3"[..], 5, "ab", false),
        (b"ab\xe2\x82", 5, "ab", false),
        (b"ab\xf0\x9f\x98", 5, "ab", false),
        (b"\x80\xc3", 1, "\u{fffd}", true),
        (b"ab\xc3", 0, "ab\u{fffd}", true),
        (b"ab\x82", 5, "ab\u{fffd}", true),
        (b"", 5, "", false),
        ("größe".as_bytes(), 0, "größe", false),
    ] {
        let raw = text(bytes, missing);
        assert_eq!(raw.mend(), (mended.into(), was_bad), "{bytes:?}");
        let mut shown = String::new();
        assert_eq!(raw.show(&mut shown), was_bad);
        let mark = if missing > 0 { format!("… ({missing} bytes more)") } else { String::new() };
        assert_eq!(shown, format!("{mended}{mark}"));
    }
}
