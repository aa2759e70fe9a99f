//! The ring: bytes before head, reads before tail (`logfusion::ring`, "Orderings").
#![cfg(logfusion_loom)]

use logfusion::ring::{Consumer, Full, Producer, Reason, Ring};
use logfusion::sync::Mistake;
use loom::sync::Arc;
use loom::thread;
use loom_tests::{Preemptions, explore, must_fail, saw};

const BOUND: Preemptions = Preemptions { quick: Some(4), long: None };
const CAPACITY: usize = 64;
/// Two fit; before the third lies padding, and it needs the place of the first.
const LEN: usize = 24;
const ERROR: u32 = 1;

fn push(producer: &Producer<'_>, number: u64) -> Result<bool, Full> {
    let mut reservation = producer.reserve(LEN, ERROR)?;
    let words = [LEN as u64 | u64::from(ERROR) << 32, number, !number];
    for (place, word) in reservation.bytes().chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    Ok(reservation.commit(1))
}

/// Reads what is there; returns the numbers of the records.
fn pass(consumer: &mut Consumer<Arc<Ring>>) -> Vec<u64> {
    let mut numbers = Vec::new();
    consumer.snapshot();
    while let Some(record) = consumer.peek().expect("records alone are in the ring") {
        let words: Vec<_> =
            record.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("8 bytes"))).collect();
        assert_eq!(words, [LEN as u64 | u64::from(ERROR) << 32, words[1], !words[1]], "torn");
        numbers.push(words[1]);
        consumer.advance(LEN);
    }
    consumer.release();
    numbers
}

fn ring(start: u64) -> (Arc<Ring>, Consumer<Arc<Ring>>) {
    let ring = Arc::new(Ring::starting_at(CAPACITY, start).expect("heap memory"));
    // SAFETY: the only consumer of a new ring.
    let consumer = unsafe { Consumer::new(ring.clone()) };
    (ring, consumer)
}

/// Threads: the producer and the consumer. Records: 3 of 24 bytes in a ring of 64, which goes around `u64` and wraps with
/// padding; the producer waits while the ring is full.
fn waits_while_full() {
    const RECORDS: u64 = 3;
    let (ring, mut consumer) = ring(0_u64.wrapping_sub(CAPACITY as u64));
    let reading = thread::spawn(move || {
        let mut numbers = Vec::new();
        while numbers.len() < RECORDS as usize {
            let new = pass(&mut consumer);
            if new.is_empty() {
                saw("empty");
                thread::yield_now();
            }
            numbers.extend(new);
        }
        assert!((0..RECORDS).eq(numbers), "in order, none lost, none twice");
        assert!(consumer.is_drained());
    });
    // SAFETY: this thread alone uses a producer of the ring.
    let producer = unsafe { Producer::new(ring.words()) };
    for number in 0..RECORDS {
        while let Err(full) = push(&producer, number) {
            assert_eq!(full, Full::Full);
            saw("full");
            thread::yield_now();
        }
    }
    reading.join().expect("the consumer ends");
}

const READ: [&str; 5] =
    ["read nothing meanwhile", "read 1 meanwhile", "read 2 meanwhile", "read 3 meanwhile", "read 4 meanwhile"];

/// Threads: the producer and the consumer. Records: 4 of 24 bytes in a ring of 64, without waiting: what finds no room is
/// counted. The consumer makes two passes meanwhile and one at the end.
fn drops_when_full() {
    const RECORDS: u64 = 4;
    let (ring, mut consumer) = ring(0);
    let reading = thread::spawn(move || {
        let mut numbers = pass(&mut consumer);
        numbers.extend(pass(&mut consumer));
        (numbers, consumer)
    });
    // SAFETY: this thread alone uses a producer of the ring.
    let producer = unsafe { Producer::new(ring.words()) };
    let mut pushed = Vec::new();
    for number in 0..RECORDS {
        match push(&producer, number) {
            Ok(_) => pushed.push(number),
            Err(_) => producer.count_drop(ERROR, Reason::Full),
        }
    }
    let (mut numbers, mut consumer) = reading.join().expect("the consumer ends");
    saw(READ[numbers.len()]);
    numbers.extend(pass(&mut consumer));
    assert_eq!(numbers, pushed, "in order, none lost, none twice");

    let counts = ring.words().counts();
    assert_eq!(counts.accepted, numbers.len() as u64);
    assert_eq!(counts.accepted + counts.dropped[0][Reason::Full as usize], RECORDS);
    assert_eq!(consumer.position(), (counts.published_bytes, counts.published_padding));
    assert_eq!(numbers.len() as u64 * LEN as u64 + counts.published_padding, counts.published_bytes);
    saw(if pushed.len() == RECORDS as usize {
        "all accepted"
    } else if pushed.last() == Some(&(RECORDS - 1)) {
        "accepted after a drop"
    } else {
        "the last dropped"
    });
}

#[test]
fn records_come_whole_and_in_order() {
    explore("ring, producer waits", BOUND, &["empty", "full"], waits_while_full);
    let outcomes = [&READ[..], &["all accepted", "accepted after a drop", "the last dropped"]].concat();
    explore("ring, producer drops", BOUND, &outcomes, drops_when_full);
}

#[test]
fn publishing_must_release() {
    must_fail("ring, producer waits", BOUND, Mistake::RelaxedPublish, "Causality violation", waits_while_full);
    must_fail("ring, producer drops", BOUND, Mistake::RelaxedPublish, "Causality violation", drops_when_full);
}

#[test]
fn giving_space_back_must_release() {
    must_fail("ring, producer waits", BOUND, Mistake::RelaxedRelease, "Causality violation", waits_while_full);
    must_fail("ring, producer drops", BOUND, Mistake::RelaxedRelease, "Causality violation", drops_when_full);
}
