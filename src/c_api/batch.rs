//! Batches: one reservation a chunk, one clock read, one publication.

use super::errors::fail;
use super::log::Entry;
use super::status::Status;
use super::{boundary, text};
use crate::engine;
use crate::producers;
use crate::record::encode::Dynamic;
use crate::ring::Producer;
use smallvec::SmallVec;
use std::ffi::{c_char, c_int};

/// `logfusion_entry`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct CEntry {
    target: *const c_char,
    target_length: usize,
    message: *const c_char,
    message_length: usize,
    level: c_int,
    reserved: c_int,
}

const _: () = assert!(size_of::<usize>() != 8 || size_of::<CEntry>() == 40);

const NAME: &str = "logfusion_log_batch";

/// Most records that are published together. The measured records of a chunk lie on the caller's stack.
const CHUNK: usize = 32;

/// See `logfusion_log_batch` in the header.
///
/// # Safety
///
/// `entries` is NULL or points to `count` entries whose texts are as `logfusion_log_n` wants them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_log_batch(entries: *const CEntry, count: usize) -> isize {
    boundary(Status::Internal.code() as isize, || {
        if count == 0 {
            return 0;
        }
        if entries.is_null() {
            return fail(Status::Null, format_args!("{NAME}: entries is NULL; nothing was logged")) as isize;
        }
        if count > text::MOST / size_of::<CEntry>() {
            return fail(Status::Size, format_args!("{NAME}: count is {count}; nothing was logged")) as isize;
        }
        let producer = producers::current();
        let ticks = crate::clock::ticks();
        let mut accepted = 0;
        let mut chunk = Chunk::new(producer, ticks);
        for index in 0..count {
            // SAFETY: not NULL, the caller promises `count` entries, and `count * size` does not overflow. The pointer
            // may be misaligned: the entry is copied out.
            let entry = unsafe { entries.add(index).read_unaligned() };
            // SAFETY: the caller's promises for each entry.
            let Ok(entry) = (unsafe { read(index, &entry) }) else { continue };
            if engine::wants(entry.level) {
                accepted += chunk.add(entry);
            }
        }
        accepted += chunk.publish();
        accepted as isize
    })
}

/// # Safety
///
/// As [`Entry::read`].
unsafe fn read<'a>(index: usize, entry: &CEntry) -> Result<Entry<'a>, c_int> {
    if entry.reserved != 0 {
        let text = format_args!("{NAME}: entry {index} has a `reserved` that is not 0; it is left out");
        return Err(fail(Status::Invalid, text));
    }
    // SAFETY: the caller's promise.
    let read = unsafe {
        Entry::read(NAME, entry.level, (entry.target, entry.target_length), (entry.message, entry.message_length))
    };
    read.map(|(entry, _)| entry)
}

/// Measured records that go into the ring together.
struct Chunk<'a> {
    producer: Producer<'static>,
    ticks: u64,
    records: SmallVec<[(u32, Dynamic<'a, 'a>); CHUNK]>,
    size: usize,
}

impl<'a> Chunk<'a> {
    fn new(producer: Producer<'static>, ticks: u64) -> Self {
        Self { producer, ticks, records: SmallVec::new(), size: 0 }
    }

    /// Adds a record, after publishing the chunk if it is full. Returns how many were accepted by that.
    #[inline]
    fn add(&mut self, entry: Entry<'a>) -> usize {
        let most = self.producer.max_record();
        let record = Dynamic::measure(entry.level, entry.target, entry.message, &mut [], most);
        let accepted = if self.records.len() == CHUNK || self.size + record.size() > most { self.publish() } else { 0 };
        self.size += record.size();
        self.records.push((entry.level, record));
        accepted
    }

    /// Publishes the chunk and empties it. Returns how many were accepted.
    fn publish(&mut self) -> usize {
        let Some(severest) = self.records.iter().map(|(level, _)| *level).min() else { return 0 };
        let least = self.records.iter().map(|(level, _)| *level).max().unwrap_or(severest);
        // The least severe record must be allowed all of the room; where it is not, each record is on its own, and is
        // counted on its own.
        let accepted = match self.producer.reserve(self.size, least) {
            Ok(mut reservation) => {
                let mut out = reservation.bytes();
                for (_, record) in &self.records {
                    let (place, rest) = out.split_at_mut(record.size());
                    record.write(place, self.ticks);
                    out = rest;
                }
                producers::publish(reservation, severest, self.records.len() as u64);
                self.records.len()
            }
            Err(_) => {
                let one_by_one = self.records.iter().filter(|(level, record)| {
                    producers::push(self.producer, *level, record.size(), |out, _| record.write(out, self.ticks))
                        .is_ok()
                });
                one_by_one.count()
            }
        };
        self.records.clear();
        self.size = 0;
        accepted
    }
}
