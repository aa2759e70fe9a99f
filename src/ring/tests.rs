//! The ring against an oracle that is slow and obvious: a queue of byte vectors, and positions that never wrap.

use super::*;
use crate::record::layout::{HEADER, PADDING};
use crate::sync::{AtomicBool, Ordering};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::hint::black_box;

/// What a ring of this capacity must do.
struct Oracle {
    capacity: u128,
    head: u128,
    /// What the consumer has read.
    next: u128,
    /// What it has given back.
    tail: u128,
    /// Records from `next` on that the last snapshot saw.
    seen: usize,
    /// Records from `next` on, each with the padding before it.
    records: VecDeque<(u128, Vec<u8>)>,
    accepted: u64,
    dropped: [[u64; REASONS]; LEVELS],
    padding: u128,
    padding_read: u128,
    /// Bytes of an open push that the next one finds lost.
    lost: u128,
    /// A commit must say "half full" before the ring is: it was empty, and none has said so since.
    must_wake: bool,
}

impl Oracle {
    fn new(capacity: usize, start: u64) -> Self {
        let start = u128::from(start);
        Self {
            capacity: capacity as u128,
            head: start,
            next: start,
            tail: start,
            seen: 0,
            records: VecDeque::new(),
            accepted: 0,
            dropped: Default::default(),
            padding: 0,
            padding_read: 0,
            lost: 0,
            must_wake: true,
        }
    }

    /// The padding before a record of `len` bytes; `None`: it does not fit.
    fn room(&self, level: u32, len: usize) -> Option<u128> {
        let head = self.head + self.lost;
        let to_end = self.capacity - head % self.capacity;
        let padding = if (len as u128) <= to_end { 0 } else { to_end };
        let sixteenths = [16, 15, 14, 14, 14][level as usize - 1];
        let used = head - self.tail + padding + len as u128;
        (used <= self.capacity / 16 * sixteenths).then_some(padding)
    }

    fn push(&mut self, padding: u128, bytes: Vec<u8>, records: u64, woke: bool) {
        let padding = padding + std::mem::take(&mut self.lost);
        self.head += padding + bytes.len() as u128;
        self.padding += padding;
        self.accepted += records;
        self.must_wake &= !woke;
        let used = self.head - self.tail;
        assert!(!self.must_wake || used < self.capacity / 2, "the ring is half full, and nobody was told");
        // A batch is read as the records that it is made of.
        let mut rest = &bytes[..];
        let mut padding = padding;
        for _ in 0..records {
            let (record, after) = rest.split_at(u32::from_le_bytes(*rest.first_chunk().unwrap()) as usize);
            self.records.push_back((padding, record.to_vec()));
            rest = after;
            padding = 0;
        }
        assert!(rest.is_empty());
    }

    fn read(&mut self) -> Option<Vec<u8>> {
        if self.seen == 0 {
            return None;
        }
        self.seen -= 1;
        let (padding, bytes) = self.records.pop_front()?;
        self.next += padding + bytes.len() as u128;
        self.padding_read += padding;
        Some(bytes)
    }

    /// Kind and length of what lies behind the record of `len` bytes that was read last.
    fn ahead(&self, len: usize) -> Option<(u32, usize)> {
        let (padding, bytes) =
            self.records.front().filter(|_| self.seen > 0 && !self.next.is_multiple_of(self.capacity))?;
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert!(self.next % self.capacity >= len as u128, "records lie in one piece");
        Some(if *padding > 0 { (PADDING, *padding as usize) } else { (word(4), word(0) as usize) })
    }

    fn release(&mut self) {
        self.tail = self.next;
        self.must_wake |= self.tail == self.head;
    }

    fn check(&self, ring: &Ring, consumer: &Consumer<&Ring>) {
        let counts = ring.words().counts();
        assert_eq!(counts.published_bytes, self.head as u64);
        assert_eq!(counts.published_padding, self.padding as u64);
        assert_eq!(counts.accepted, self.accepted);
        assert_eq!(counts.dropped, self.dropped);
        assert_eq!(consumer.position(), (self.next as u64, self.padding_read as u64));
        assert_eq!(u128::from(consumer.unreleased()), self.next - self.tail);
        assert_eq!(consumer.is_half_full(), self.head - self.tail >= self.capacity / 2);
        assert_eq!(consumer.is_drained(), self.head == self.tail);
        assert_eq!(consumer.is_exhausted(), self.seen == 0);
    }
}

/// A record of `len` bytes whose content differs from that of any other.
fn record(level: u32, len: usize, number: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..len as u64).map(|at| number.wrapping_mul(31).wrapping_add(at / 8 + at % 8) as u8).collect();
    bytes[..4].copy_from_slice(&(len as u32).to_le_bytes());
    bytes[4..8].copy_from_slice(&level.to_le_bytes());
    bytes
}

/// Runs `f` in a frame that lies at least `depth` bytes below the caller's, as a signal handler would.
#[inline(never)]
fn below<const DEPTH: usize, R>(f: impl FnOnce() -> R) -> R {
    let space = black_box([0_u8; DEPTH]);
    let result = f();
    black_box(space);
    result
}

/// Pushes and leaves it open, as a function of the API does that is called from this frame.
#[inline(never)]
fn park(ring: &Ring, len: usize, level: u32) -> Parked {
    let mut kept = None;
    here(ring).reserve(len, level).unwrap().park(Mark::of_function(), |parked| kept = Some(parked));
    kept.unwrap()
}

/// The producer of a call from this frame.
#[inline(always)]
fn here(ring: &Ring) -> Producer<'_> {
    // SAFETY: each test has one thread that pushes.
    unsafe { Producer::new(ring.words()) }
}

#[derive(Debug, Clone, Copy)]
enum How {
    /// Reserve, write, commit.
    Plain,
    /// The same, and a handler tries to push in between.
    Interrupted,
    /// Reserve, and think better of it.
    Dropped,
    /// Reserve more than is committed.
    Shortened(usize),
    /// Two records in one reservation.
    Batch,
    /// As many records as lie free in one piece.
    Available,
    /// Left open between two functions.
    Parked,
    /// Parked, and given up.
    Cancelled,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A push; its length in thousandths of the longest record.
    Push {
        level: u32,
        length: usize,
        how: How,
    },
    /// Pushes of one kind until the ring refuses.
    Flood {
        level: u32,
        length: usize,
    },
    Snapshot,
    Read(usize),
    Release,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let how = prop_oneof![
        6 => Just(How::Plain),
        1 => Just(How::Interrupted),
        1 => Just(How::Dropped),
        1 => (0..1000_usize).prop_map(How::Shortened),
        1 => Just(How::Batch),
        1 => Just(How::Available),
        1 => Just(How::Parked),
        1 => Just(How::Cancelled),
    ];
    let length = prop_oneof![0..30_usize, 0..=1000_usize, Just(1000_usize)];
    let step = prop_oneof![
        24 => (1..=5_u32, length.clone(), how).prop_map(|(level, length, how)| Step::Push { level, length, how }),
        1 => (1..=5_u32, length).prop_map(|(level, length)| Step::Flood { level, length }),
        4 => Just(Step::Snapshot),
        6 => (1..8_usize).prop_map(Step::Read),
        2 => Just(Step::Read(usize::MAX)),
        5 => Just(Step::Release),
    ];
    prop::collection::vec(step, 1..300)
}

/// A part of the longest record in thousandths, as a length that a record can have.
fn scaled(capacity: usize, thousandths: usize) -> usize {
    (max_record(capacity) * thousandths / 1000 / 8 * 8).clamp(HEADER, max_record(capacity))
}

struct Run<'r> {
    ring: &'r Ring,
    oracle: Oracle,
    producer: Producer<'r>,
    consumer: Consumer<&'r Ring>,
    number: u64,
}

impl<'r> Run<'r> {
    fn new(ring: &'r Ring, start: u64) -> Self {
        // SAFETY: the only producer and the only consumer of this ring, used by this thread.
        let (producer, consumer) = unsafe { (Producer::new(ring.words()), Consumer::new(ring)) };
        Self { ring, oracle: Oracle::new(ring.capacity(), start), producer, consumer, number: 0 }
    }

    /// Pushes and tells the oracle; returns whether there was room.
    fn push(&mut self, level: u32, len: usize, how: How) -> bool {
        self.number += 1;
        if let How::Available = how {
            return self.push_available(level, len);
        }
        let expected = self.oracle.room(level, len);
        // As the C functions do, but for every fourth, which takes the slow function at once.
        let fast = if self.number.is_multiple_of(4) { None } else { self.producer.reserve_fast(len) };
        let reserved = match fast {
            Some(reservation) => Ok(reservation),
            None => self.producer.reserve(len, level),
        };
        let mut reservation = match (reserved, expected) {
            (Ok(reservation), Some(_)) => reservation,
            (Err(full), None) => {
                assert_eq!(full, Full::Full);
                self.producer.count_drop(level, Reason::Full);
                self.oracle.dropped[level as usize - 1][Reason::Full as usize] += 1;
                return false;
            }
            (result, expected) => panic!("{len} bytes at level {level}: {result:?}, expected {expected:?}"),
        };
        let padding = expected.unwrap();
        let mut bytes = record(level, len, self.number);
        let mut records = 1;
        match how {
            How::Plain => {}
            How::Dropped => {
                reservation.bytes().fill(0xA5);
                return true;
            }
            How::Interrupted => {
                let (before, after) = bytes.split_at(len / 16 * 8);
                reservation.bytes()[..before.len()].copy_from_slice(before);
                for (length, severity) in [(HEADER, 1), (len, level)] {
                    // As far below as the context that the kernel saves for a handler.
                    let refused = below::<1024, _>(|| {
                        let producer = here(self.ring);
                        assert!(producer.reserve_fast(length).is_none());
                        assert!(producer.reserve_available(length).is_none());
                        producer.reserve(length, severity).err()
                    });
                    assert_eq!(refused, Some(Full::Reentered));
                    self.producer.count_drop(severity, Reason::Reentered);
                    self.oracle.dropped[severity as usize - 1][Reason::Reentered as usize] += 1;
                }
                reservation.bytes()[before.len()..].copy_from_slice(after);
            }
            How::Shortened(thousandths) => {
                let shorter = (len * thousandths / 1000 / 8 * 8).clamp(HEADER, len);
                bytes = record(level, shorter, self.number);
                reservation.bytes().fill(0x5A);
                reservation.shorten(shorter);
            }
            How::Batch if len >= 2 * HEADER => {
                let first = (len / 2 / 8 * 8).max(HEADER);
                bytes = record(level, first, self.number);
                bytes.extend(record(level, len - first, !self.number));
                records = 2;
            }
            How::Batch | How::Available => {}
            How::Parked | How::Cancelled => {
                drop(reservation);
                // Parked below and resumed here, as the two C functions are called from one frame.
                let parked = below::<64, _>(|| park(self.ring, len, level));
                assert_eq!(below::<64, _>(|| here(self.ring).reserve(HEADER, 1).err()), Some(Full::Reentered));
                // SAFETY: the same thread and the same ring.
                reservation = unsafe { parked.resume(Mark::here()) }.expect("nothing came between");
                if let How::Cancelled = how {
                    drop(reservation);
                    // SAFETY: as above.
                    assert!(unsafe { parked.resume(Mark::here()) }.is_none(), "a push is taken up once");
                    return true;
                }
            }
        }
        if !matches!(how, How::Interrupted) {
            reservation.bytes().copy_from_slice(&bytes);
        }
        assert_eq!(reservation.bytes().len(), bytes.len());
        let woke = reservation.commit(records);
        self.oracle.push(padding, bytes, records, woke);
        true
    }

    /// Fills what is free in one piece with records of `len` bytes; it is never more than lesser records may have.
    fn push_available(&mut self, level: u32, len: usize) -> bool {
        let most = max_record(self.ring.capacity());
        let Some(mut reservation) = self.producer.reserve_available(most) else { return false };
        let room = reservation.bytes().len();
        assert!(room <= most && self.oracle.room(5, room) == Some(0));
        let records = room / len;
        let bytes: Vec<u8> =
            (0..records as u64).flat_map(|at| record(level, len, self.number.wrapping_add(at << 32))).collect();
        if records == 0 {
            return false;
        }
        reservation.bytes()[..bytes.len()].copy_from_slice(&bytes);
        reservation.shorten(bytes.len());
        let woke = reservation.commit(records as u64);
        self.oracle.push(0, bytes, records as u64, woke);
        true
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Push { level, length, how } => {
                self.push(level, scaled(self.ring.capacity(), length), how);
            }
            Step::Flood { level, length } => {
                while self.push(level, scaled(self.ring.capacity(), length), How::Plain) {}
            }
            Step::Snapshot => {
                let any = self.consumer.snapshot();
                self.oracle.seen = self.oracle.records.len();
                assert_eq!(any, self.oracle.seen > 0);
            }
            Step::Read(most) => {
                for _ in 0..most {
                    let expected = self.oracle.read();
                    let read = self.consumer.peek().unwrap();
                    assert_eq!(read, expected.as_deref());
                    let Some(len) = read.map(<[u8]>::len) else { break };
                    assert_eq!(self.consumer.peek().unwrap(), expected.as_deref(), "a second look sees the same");
                    assert_eq!(self.consumer.kind_ahead(len), self.oracle.ahead(len));
                    self.consumer.advance(len);
                }
            }
            Step::Release => {
                self.consumer.release();
                self.oracle.release();
            }
        }
        self.oracle.check(self.ring, &self.consumer);
    }
}

fn capacities() -> impl Strategy<Value = usize> {
    (12..=16_u32).prop_map(|bits| 1 << bits)
}

/// Positions around which something wraps: the buffer, or `u64`.
fn starts() -> impl Strategy<Value = u64> {
    let near = 0..(1_u64 << 18);
    prop_oneof![
        Just(0_u64),
        near.clone(),
        near.clone().prop_map(|back| u64::MAX - back),
        near.clone().prop_map(|back| (i64::MAX as u64).wrapping_add(back).wrapping_sub(1 << 17)),
        near.prop_map(|back| (1_u64 << 32).wrapping_add(back).wrapping_sub(1 << 17)),
    ]
    .prop_map(|position| position & !7)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn does_what_the_oracle_does(capacity in capacities(), start in starts(), steps in steps()) {
        let ring = Ring::starting_at(capacity, start).unwrap();
        let mut run = Run::new(&ring, start);
        for step in steps {
            run.step(step);
        }
        // What is left is there, in order.
        run.step(Step::Snapshot);
        run.step(Step::Read(usize::MAX));
        run.step(Step::Release);
        prop_assert!(run.consumer.is_drained() && run.oracle.records.is_empty());
        prop_assert_eq!(run.oracle.padding, run.oracle.padding_read);
    }

    /// Whatever lesser records came before, and wherever the ring stands: there is room for an error.
    #[test]
    fn a_flood_leaves_room_for_errors(
        capacity in capacities(),
        start in starts(),
        consumed in 0..64_usize,
        lengths in prop::collection::vec(0..=1000_usize, 1..8),
        with_warnings in any::<bool>(),
    ) {
        let ring = Ring::starting_at(capacity, start).unwrap();
        let mut run = Run::new(&ring, start);
        let levels: &[u32] = if with_warnings { &[3, 2, 5, 2, 4] } else { &[3, 5, 4] };
        let flood = |run: &mut Run<'_>| {
            // Long records, then what still fits, at each level.
            for length in lengths.iter().copied().chain([0]) {
                for &level in levels {
                    run.step(Step::Flood { level, length });
                }
            }
        };
        flood(&mut run);
        run.step(Step::Snapshot);
        run.step(Step::Read(consumed));
        run.step(Step::Release);
        flood(&mut run);
        let longest = if with_warnings { capacity / 32 } else { capacity / 16 };
        prop_assert!(run.push(1, longest, How::Plain));
        if !with_warnings {
            return Ok(());
        }
        // And no flood of less than warnings shuts out a warning of the same share.
        let ring = Ring::starting_at(capacity, start).unwrap();
        let mut run = Run::new(&ring, start);
        for length in lengths.iter().copied().chain([0]) {
            run.step(Step::Flood { level: 3, length });
        }
        prop_assert!(run.push(2, capacity / 32, How::Plain));
    }

    /// Bytes that are no records: reading ends, at the snapshot, and what is read lies before it.
    #[test]
    fn survives_garbage(
        start in starts(),
        pushes in prop::collection::vec((prop::collection::vec(any::<u8>(), 1024), 2..128_usize, 0..4_u32), 1..20),
    ) {
        let ring = Ring::starting_at(4096, start).unwrap();
        // SAFETY: the only producer and the only consumer of this ring, used by this thread.
        let (producer, mut consumer) = unsafe { (Producer::new(ring.words()), Consumer::new(&ring)) };
        for (mut bytes, words, plausible) in pushes {
            let len = words * 8;
            // Bytes that look like a record, or like padding, get further.
            if plausible > 0 {
                bytes[1..8].fill(0);
                bytes[4] = plausible as u8 - 1;
                bytes[0] &= !7;
            }
            let Ok(mut reservation) = producer.reserve(len, 1) else { continue };
            reservation.bytes().copy_from_slice(&bytes[..len]);
            let _ = reservation.commit(1);
            consumer.snapshot();
            let head = ring.words().counts().published_bytes;
            loop {
                let (before, padding) = consumer.position();
                let left = head.wrapping_sub(before);
                match consumer.peek().map(|record| record.map(<[u8]>::len)) {
                    Ok(record) => {
                        let (at, padding_now) = consumer.position();
                        prop_assert!(at.wrapping_sub(before) <= left);
                        prop_assert_eq!(padding_now - padding, at.wrapping_sub(before));
                        let Some(record) = record else { break };
                        prop_assert!(record >= HEADER && record as u64 <= head.wrapping_sub(at));
                        consumer.advance(record);
                    }
                    Err(corrupt) => {
                        prop_assert!(corrupt.skipped <= left);
                        prop_assert_eq!(corrupt.position.wrapping_add(corrupt.skipped), head);
                        prop_assert!(consumer.is_exhausted());
                    }
                }
            }
            prop_assert_eq!(consumer.position().0, head);
            consumer.release();
        }
    }
}

#[test]
fn longest_record_always_fits_an_empty_ring() {
    for bits in 12..=18 {
        let capacity = 1 << bits;
        let len = max_record(capacity);
        assert!(len.is_multiple_of(8) && len >= HEADER);
        // Wherever the head stands, padding included.
        for offset in (0..capacity).step_by(capacity / 64) {
            let ring = Ring::starting_at(capacity, offset as u64).unwrap();
            let mut run = Run::new(&ring, offset as u64);
            assert!(run.push(5, len, How::Plain), "{len} of {capacity} at {offset}");
        }
    }
}

#[test]
fn smallest_padding_is_a_word() {
    let start = 4096 - 8;
    let ring = Ring::starting_at(4096, start).unwrap();
    let mut run = Run::new(&ring, start);
    assert!(run.push(3, HEADER, How::Plain));
    assert_eq!(ring.words().counts().published_padding, 8);
    run.step(Step::Snapshot);
    run.step(Step::Read(1));
}

#[test]
fn no_ring_has_no_room() {
    let absent = Words::ABSENT;
    // SAFETY: the words of no ring may be used by any thread.
    let producer = unsafe { Producer::new(&absent) };
    assert!(producer.is_absent());
    assert_eq!(producer.reserve(HEADER, 1).err(), Some(Full::Absent));
    assert_eq!(producer.max_record(), 0);
}

#[test]
fn discarded_ring_begins_anew() {
    let ring = Ring::starting_at(4096, !7).unwrap();
    let mut run = Run::new(&ring, !7);
    for level in [1, 3] {
        while run.push(level, 128, How::Plain) {}
    }
    // Its thread ended inside a push.
    std::mem::forget(run.producer.reserve(HEADER, 1));
    ring.discard();
    assert!(ring.is_wiped());
    // As in a forked child: nothing is written, and the caller is told.
    assert_eq!(run.producer.reserve(HEADER, 1).err(), Some(Full::Absent));
    ring.renew();
    let counts = ring.words().counts();
    assert_eq!((counts.accepted, counts.published_bytes, counts.published_padding), (0, 0, 0));
    assert_eq!(counts.dropped, [[0; REASONS]; LEVELS]);
    let mut run = Run::new(&ring, 0);
    run.step(Step::Flood { level: 1, length: 100 });
    run.step(Step::Snapshot);
    run.step(Step::Read(usize::MAX));
    run.step(Step::Release);
}

/// A push that is left by a jump: its reservation never ends.
#[inline(never)]
fn leave_by_jump(ring: &Ring) -> Option<Full> {
    let producer = here(ring);
    // As the C functions push: the fast way, then the slow one, from one frame.
    if let Some(reservation) = producer.reserve_fast(64) {
        std::mem::forget(reservation);
        return None;
    }
    producer.reserve(64, 3).map(std::mem::forget).err()
}

#[test]
fn push_left_by_a_jump_is_repaired() {
    let ring = Ring::new(4096).unwrap();
    let mut run = Run::new(&ring, 0);
    for _ in 0..3 {
        assert_eq!(below::<8192, _>(|| leave_by_jump(&ring)), None);
        // What lies below the lost push may be a handler that interrupted it.
        assert_eq!(below::<16384, _>(|| here(&ring).reserve(64, 1).err()), Some(Full::Reentered));
        // What lies above it cannot.
        assert!(run.push(3, 64, How::Plain));
        assert!(run.push(3, 64, How::Plain));
    }
    // Nor can the same statement, met again: no handler has the frame of what it interrupted.
    below::<8192, _>(|| {
        for _ in 0..3 {
            assert_eq!(leave_by_jump(&ring), None);
        }
    });
    assert!(run.push(3, 64, How::Plain));
    run.step(Step::Snapshot);
    run.step(Step::Read(usize::MAX));
    run.step(Step::Release);
}

#[test]
fn stale_parked_push_is_not_resumed() {
    let ring = Ring::new(4096).unwrap();
    let mut run = Run::new(&ring, 0);
    let mut parked = Vec::new();
    // Each was given up by a jump to this frame, far above, which then logs.
    for _ in 0..3 {
        parked.push(below::<8192, _>(|| park(&ring, 64, 3)));
        // Its bytes become padding, so it may still be written.
        run.oracle.lost = 64;
        assert!(run.push(3, 64, How::Plain));
    }
    // A younger push is open now; the older ones are not mistaken for it.
    let young = below::<8192, _>(|| park(&ring, 128, 3));
    for old in parked {
        // SAFETY: the same thread and the same ring.
        assert!(unsafe { old.resume(Mark::here()) }.is_none());
    }
    // SAFETY: as above.
    let mut reservation = unsafe { young.resume(Mark::here()) }.unwrap();
    let bytes = record(3, 128, 9);
    reservation.bytes().copy_from_slice(&bytes);
    let woke = reservation.commit(1);
    run.oracle.push(0, bytes, 1, woke);
    // SAFETY: as above.
    assert!(unsafe { young.resume(Mark::here()) }.is_none());
    assert!(run.push(3, 64, How::Plain));
    // A fork wipes the words.
    let parked = below::<64, _>(|| park(&ring, 64, 3));
    run.oracle.check(&ring, &run.consumer);
    ring.discard();
    // SAFETY: as above.
    assert!(unsafe { parked.resume(Mark::here()) }.is_none());
}

/// Two threads and the smallest ring: every record arrives once, whole and in order.
#[test]
fn two_threads() {
    const RECORDS: u64 = if cfg!(miri) { 1_000 } else { 1_000_000 };

    fn mix(number: u64) -> u64 {
        (number ^ (number >> 29)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23)
    }
    /// The length of a record in words: short ones, and a long one now and then.
    fn words(number: u64) -> usize {
        if number.is_multiple_of(97) { 128 } else { 3 + (mix(number) % 12) as usize }
    }

    /// Ends the other thread's wait when this one panics.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }

    let ring = Ring::starting_at(4096, (u64::MAX - 40_000_000) & !7).unwrap();
    let (wrote, read) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _over = Over(&wrote);
            // SAFETY: the only producer.
            let producer = unsafe { Producer::new(ring.words()) };
            for number in 0..RECORDS {
                let (len, level) = (words(number) * 8, 1 + (number % 5) as u32);
                let mut reservation = loop {
                    match producer.reserve(len, level) {
                        Ok(reservation) => break reservation,
                        Err(full) => assert_eq!(full, Full::Full),
                    }
                    assert!(!read.load(Ordering::Relaxed), "the consumer gave up");
                    std::thread::yield_now();
                };
                let (head, body) = reservation.bytes().split_at_mut(HEADER);
                head[..8].copy_from_slice(&(len as u64 | u64::from(level) << 32).to_le_bytes());
                head[8..].copy_from_slice(&number.to_le_bytes());
                for (word, at) in body.chunks_exact_mut(8).zip(0..) {
                    word.copy_from_slice(&mix(number + at).to_le_bytes());
                }
                let _ = reservation.commit(1);
            }
        });
        let _over = Over(&read);
        // SAFETY: the only consumer.
        let mut consumer = unsafe { Consumer::new(&ring) };
        let mut number = 0;
        while number < RECORDS {
            let is_last = wrote.load(Ordering::Acquire);
            if !consumer.snapshot() {
                assert!(!is_last, "the producer gave up");
                std::thread::yield_now();
                continue;
            }
            while let Some(record) = consumer.peek().unwrap() {
                let word = |at: usize| u64::from_le_bytes(*record[8 * at..].first_chunk().unwrap());
                assert_eq!((record.len(), word(1)), (words(number) * 8, number));
                assert_eq!((word(0) >> 32) as u32, 1 + (number % 5) as u32);
                for at in 2..record.len() / 8 {
                    assert_eq!(word(at), mix(number + at as u64 - 2));
                }
                let len = record.len();
                consumer.advance(len);
                number += 1;
                // Sometimes late, as when text waits to be written.
                if number.is_multiple_of(3) {
                    consumer.release();
                }
            }
            consumer.release();
        }
        let (counts, (position, padding)) = (ring.words().counts(), consumer.position());
        assert_eq!((counts.accepted, counts.published_bytes, counts.published_padding), (RECORDS, position, padding));
        assert!(consumer.is_drained());
    });
}
