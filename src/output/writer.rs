//! The writer: lines gathered in a buffer, and the place they are written to.
//!
//! Lines are written a [`CHUNK`] at a time, or what a pass left, always whole lines in one `write(2)` where the system takes
//! them, so that several processes can append to one file. A write that fails loses the lines that it did not get through:
//! they are counted, the buffer is empty again, and the next write starts afresh. If the failure cut a line in two, the next
//! write first ends it.

use crate::os;
use crate::sync::{Mutex, lock};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use super::Destination;
use super::rotate::{LogFile, Rotation};

/// A write that failed.
#[derive(Debug, thiserror::Error)]
#[error("{lost_records} records could not be written: {source}")]
pub(crate) struct WriteError {
    /// Records that were buffered and are lost.
    pub(crate) lost_records: u64,
    /// What the system said.
    pub(crate) source: io::Error,
}

/// What an output has done so far. The numbers only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OutputStats {
    /// Bytes written.
    pub(crate) written_bytes: u64,
    /// Records that were formatted but not written whole.
    pub(crate) lost_records: u64,
    /// Writes that failed.
    pub(crate) errors: u64,
    /// Files rotated.
    pub(crate) rotations: u64,
    /// Rotations, and reopenings of a file that was moved away, that failed; logging went on in the old file.
    pub(crate) rotation_errors: u64,
    /// The last failure of either kind.
    pub(crate) last_error: Option<String>,
}

/// The numbers of [`OutputStats`], written by whoever holds the buffer's lock and read by anyone without it: a write that
/// blocks must not block who asks.
#[derive(Debug, Default)]
pub(super) struct Counters {
    written_bytes: AtomicU64,
    lost_records: AtomicU64,
    errors: AtomicU64,
    rotations: AtomicU64,
    rotation_errors: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Counters {
    pub(super) fn lost(&self, records: u64) {
        self.lost_records.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn rotated(&self) {
        self.rotations.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn rotation_failed(&self, error: &io::Error) {
        self.rotation_errors.fetch_add(1, Ordering::Relaxed);
        self.remember(format!("rotation: {error}"));
    }

    fn write_failed(&self, error: &io::Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        self.remember(error.to_string());
    }

    fn remember(&self, error: String) {
        *lock(&self.last_error) = Some(error);
    }

    pub(super) fn stats(&self) -> OutputStats {
        OutputStats {
            written_bytes: self.written_bytes.load(Ordering::Relaxed),
            lost_records: self.lost_records.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            rotations: self.rotations.load(Ordering::Relaxed),
            rotation_errors: self.rotation_errors.load(Ordering::Relaxed),
            last_error: lock(&self.last_error).clone(),
        }
    }
}

/// Text is written when so much has been formatted, or when a pass ends. A quarter of it costs a tenth of the rate (6.8 and
/// 7.5 million records a second), double gains nothing.
pub(crate) const CHUNK: usize = 256 << 10;

/// Capacity of a buffer at the start, and after a giant record: a chunk and its last line. Its pages are taken as they are
/// used.
pub(super) const CAPACITY: usize = CHUNK + (16 << 10);
/// A buffer that a giant record made larger than this is not kept.
const KEEP_CAPACITY: usize = 4 << 20;

/// The buffer of lines and where they go.
#[derive(Debug)]
pub(super) struct Writer {
    /// Whole lines, one a record.
    buffer: Vec<u8>,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Null,
    Standard { stream: Standard, torn: bool },
    File(Box<LogFile>),
}

/// A standard stream. Its descriptor is looked up for each write, so that a host that redirects it is followed.
#[derive(Debug, Clone, Copy)]
enum Standard {
    Out,
    Err,
}

impl Writer {
    pub(super) fn open(destination: &Destination, rotation: Rotation, now: SystemTime) -> io::Result<Self> {
        let (capacity, target) = match destination {
            Destination::None => (0, Target::Null),
            Destination::Stdout => (CAPACITY, Target::Standard { stream: Standard::Out, torn: false }),
            Destination::Stderr => (CAPACITY, Target::Standard { stream: Standard::Err, torn: false }),
            Destination::File(path) => (CAPACITY, Target::File(Box::new(LogFile::open(path.clone(), rotation, now)?))),
        };
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(capacity)?;
        Ok(Self { buffer, target })
    }

    pub(super) fn note_file(&self) {
        if let Target::File(file) = &self.target {
            file.note();
        }
    }

    /// Appends a line to the buffer and returns the buffer's length.
    pub(super) fn push(&mut self, line: &[u8]) -> usize {
        self.buffer.extend_from_slice(line);
        self.buffer.len()
    }

    /// Appends lines to the buffer, leaves `lines` empty, and returns the buffer's length.
    pub(super) fn push_lines(&mut self, lines: &mut Vec<u8>) -> usize {
        if self.buffer.is_empty() {
            std::mem::swap(&mut self.buffer, lines);
        } else {
            self.buffer.append(lines);
        }
        self.buffer.len()
    }

    /// Writes the buffer; it is empty afterwards in any case.
    pub(super) fn write(&mut self, now: SystemTime, counters: &Counters) -> Result<(), WriteError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let result = os::without_sigpipe(|| match &mut self.target {
            Target::Null => Ok(()),
            Target::Standard { stream, torn } => stream.write(&self.buffer, torn),
            Target::File(file) => file.write(&self.buffer, now, counters),
        });
        let result = match result {
            Ok(()) => {
                counters.written_bytes.fetch_add(self.buffer.len() as u64, Ordering::Relaxed);
                Ok(())
            }
            Err(short) => {
                let lost_records = short.lost_records(&self.buffer);
                let Short { written, error } = short;
                counters.written_bytes.fetch_add(written as u64, Ordering::Relaxed);
                counters.lost(lost_records);
                counters.write_failed(&error);
                Err(WriteError { lost_records, source: error })
            }
        };
        self.buffer.clear();
        if self.buffer.capacity() > KEEP_CAPACITY {
            self.buffer.shrink_to(CAPACITY);
        }
        result
    }
}

impl Standard {
    /// The descriptor itself: unlike Rust's own handles it has no buffer that could keep bytes after an error, and it
    /// reports a closed descriptor.
    #[cfg(target_os = "linux")]
    fn write(self, lines: &[u8], torn: &mut bool) -> Result<(), Short> {
        let descriptor = match self {
            Self::Out => 1,
            Self::Err => 2,
        };
        write_lines(&mut os::BorrowedDescriptor(descriptor), lines, torn)
    }

    #[cfg(not(target_os = "linux"))]
    fn write(self, lines: &[u8], torn: &mut bool) -> Result<(), Short> {
        match self {
            Self::Out => {
                let mut out = io::stdout().lock();
                write_lines(&mut out, lines, torn)?;
                out.flush().map_err(|error| Short { written: 0, error })
            }
            Self::Err => write_lines(&mut io::stderr().lock(), lines, torn),
        }
    }
}

/// A write that ended early.
#[derive(Debug)]
pub(super) struct Short {
    /// Bytes that were written before.
    pub(super) written: usize,
    pub(super) error: io::Error,
}

impl Short {
    /// Of these lines, how many are not in the output. One that is whole but for its end is: the next write ends it.
    fn lost_records(&self, lines: &[u8]) -> u64 {
        let missing = &lines[self.written..];
        let missing = missing.strip_prefix(b"\n").unwrap_or(missing);
        memchr::memchr_iter(b'\n', missing).count() as u64
    }
}

/// How long a non-blocking descriptor, such as a pipe that Node.js shares, may stay full before the lines are given up.
const FULL_LIMIT: Duration = Duration::from_millis(100);

/// Writes whole lines. `torn` remembers that the last byte written is not the end of a line.
pub(super) fn write_lines(to: &mut impl Write, lines: &[u8], torn: &mut bool) -> Result<(), Short> {
    if *torn {
        write_all(to, b"\n").map_err(|short| Short { written: 0, ..short })?;
        *torn = false;
    }
    write_all(to, lines).inspect_err(|short| *torn = short.written > 0 && lines[short.written - 1] != b'\n')
}

fn write_all(to: &mut impl Write, bytes: &[u8]) -> Result<(), Short> {
    const PAUSE: Duration = Duration::from_millis(1);
    let mut pauses_left = FULL_LIMIT.as_millis() / PAUSE.as_millis();
    let mut written = 0;
    while written < bytes.len() {
        match to.write(&bytes[written..]) {
            Ok(0) => return Err(Short { written, error: io::ErrorKind::WriteZero.into() }),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && pauses_left > 0 => {
                pauses_left -= 1;
                thread::sleep(PAUSE);
            }
            Err(error) => return Err(Short { written, error }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// Answers each write by its script: a number of bytes taken, or an error.
    struct Scripted {
        script: VecDeque<Result<usize, io::ErrorKind>>,
        taken: Vec<u8>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = self.script.pop_front().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn scripted(script: impl Into<VecDeque<Result<usize, io::ErrorKind>>>) -> Scripted {
        Scripted { script: script.into(), taken: Vec::new() }
    }

    #[test]
    fn short_and_interrupted_writes_are_continued() {
        let mut to = scripted([Ok(3), Err(io::ErrorKind::Interrupted), Ok(1), Err(io::ErrorKind::WouldBlock)]);
        let mut torn = false;
        write_lines(&mut to, b"one\ntwo\n", &mut torn).unwrap();
        assert_eq!(to.taken, b"one\ntwo\n");
        assert!(!torn);
    }

    #[test]
    fn a_torn_line_is_ended_before_the_next() {
        let mut to = scripted([Ok(6), Err(io::ErrorKind::StorageFull), Err(io::ErrorKind::StorageFull)]);
        let mut torn = false;
        let short = write_lines(&mut to, b"one\ntwo\n", &mut torn).unwrap_err();
        assert_eq!((short.written, torn), (6, true));
        let short = write_lines(&mut to, b"three\n", &mut torn).unwrap_err();
        assert_eq!((short.written, torn), (0, true));
        write_lines(&mut to, b"four\n", &mut torn).unwrap();
        assert_eq!(to.taken, b"one\ntw\nfour\n");
        assert!(!torn);
    }

    #[test]
    fn a_line_that_lacks_its_end_alone_is_not_lost() {
        let lines = b"one\ntwo\n";
        for (taken, lost) in [(1, 2), (3, 1), (4, 1), (6, 1), (7, 0)] {
            let mut to = scripted([Ok(taken), Err(io::ErrorKind::StorageFull)]);
            let mut torn = false;
            let short = write_lines(&mut to, lines, &mut torn).unwrap_err();
            assert_eq!(short.lost_records(lines), lost, "{taken} bytes");
            write_lines(&mut to, b"three\n", &mut torn).unwrap();
            let kept =
                to.taken.split(|&byte| byte == b'\n').filter(|line| [&b"one"[..], b"two"].contains(line)).count();
            assert_eq!(kept as u64 + lost, 2, "{taken} bytes");
        }
    }

    #[test]
    fn a_failure_between_lines_tears_nothing() {
        let mut to = scripted([Ok(4), Ok(0)]);
        let mut torn = false;
        let short = write_lines(&mut to, b"one\ntwo\n", &mut torn).unwrap_err();
        assert_eq!((short.written, short.error.kind(), torn), (4, io::ErrorKind::WriteZero, false));
    }

    #[test]
    fn a_full_pipe_is_given_up_in_the_end() {
        let mut to = scripted(vec![Err(io::ErrorKind::WouldBlock); 1000]);
        let short = write_lines(&mut to, b"one\n", &mut false).unwrap_err();
        assert_eq!(short.error.kind(), io::ErrorKind::WouldBlock);
        assert!(to.script.len() > 800);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_counted_and_the_next_write_tried() {
        let destination = Destination::File("/dev/full".into());
        let mut writer = Writer::open(&destination, Rotation::default(), SystemTime::now()).unwrap();
        let counters = Counters::default();
        for round in 1..=2 {
            writer.push(b"one\n");
            assert_eq!(writer.push(b"two\n"), 8);
            let error = writer.write(SystemTime::now(), &counters).unwrap_err();
            assert_eq!(error.lost_records, 2);
            assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
            let stats = counters.stats();
            assert_eq!((stats.lost_records, stats.errors, stats.written_bytes), (2 * round, round, 0));
            assert!(stats.last_error.unwrap().contains("No space left"));
        }
    }

    #[test]
    fn a_giant_record_does_not_keep_its_memory() {
        let mut writer = Writer::open(&Destination::None, Rotation::default(), SystemTime::now()).unwrap();
        writer.push(&vec![b'x'; KEEP_CAPACITY + 1]);
        writer.write(SystemTime::now(), &Counters::default()).unwrap();
        assert!(writer.buffer.capacity() <= KEEP_CAPACITY);
    }
}
