//! Log files: appended to, rotated by size and by day.
//!
//! A rotation renames `PATH` to `PATH.1`, `PATH.1` to `PATH.2` and so on, lets the oldest go, and opens `PATH` anew. It comes
//! before a line that would carry the file past the limit, or before the first line of a new day (UTC, by the time of
//! writing); a line is never split, so a file is larger than the limit only if its single line is.
//!
//! Others may act on the same path:
//!
//! * Another process that logs there. Both append whole lines. Who rotates holds the file's advisory lock and checks, while
//!   it does, that `PATH` is still the file that it has open; otherwise the other one has rotated already, and it follows.
//! * logrotate, or a person, who moves the file away or deletes it. About once a second the file is compared with what
//!   `PATH` names, and opened anew if they differ.
//!
//! What fails is counted and tried again a second later; meanwhile lines go to the file that is open. Only regular files
//! are rotated or followed: not a pipe, not `/dev/null`.

use crate::crash;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::writer::{Counters, Short, write_lines};

/// When to rotate, and how many files to keep.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rotation {
    /// The size that a file may have; 0 for any.
    pub(super) bytes: u64,
    /// Whether a new day begins a new file.
    pub(super) daily: bool,
    /// How many rotated files to keep.
    pub(super) keep_files: u32,
}

/// A file that lines are appended to.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    /// Whether the last line in the file lacks its end.
    torn: bool,
    regular: bool,
    /// Bytes in the file: corrected once a second for what other processes append.
    size: u64,
    /// The day, since the epoch, of the file's lines.
    day: u64,
    /// The second in which `PATH` was last looked at.
    checked: u64,
    /// The second in which a rotation could not be done: no other is tried in it.
    failed: Option<u64>,
}

impl LogFile {
    /// Opens `path` for appending, and creates it, readable by its owner alone, if it is not there.
    pub(super) fn open(path: PathBuf, rotation: Rotation, now: SystemTime) -> io::Result<Self> {
        let file = open(&path)?;
        let metadata = file.metadata()?;
        let second = unix_second(now);
        let mut this = Self {
            path,
            rotation,
            file,
            torn: false,
            regular: metadata.is_file(),
            size: 0,
            day: 0,
            checked: second,
            failed: None,
        };
        this.adopt(&metadata, second);
        this.note();
        Ok(this)
    }

    /// Writes whole lines, rotating where it is due.
    pub(super) fn write(&mut self, lines: &[u8], now: SystemTime, counters: &Counters) -> Result<(), Short> {
        let second = unix_second(now);
        if self.regular && second != self.checked {
            self.checked = second;
            if let Err(error) = self.follow(second) {
                counters.rotation_failed(&error);
            }
        }
        let mut written = 0;
        while written < lines.len() {
            let rest = &lines[written..];
            let may_rotate = self.regular && self.failed != Some(second);
            if may_rotate && self.is_due(rest, second) {
                match self.rotate(second, counters) {
                    Ok(true) => {}
                    Ok(false) => self.failed = Some(second),
                    Err(error) => {
                        self.failed = Some(second);
                        counters.rotation_failed(&error);
                    }
                }
                continue;
            }
            let count = if may_rotate { self.fitting(rest) } else { rest.len() };
            if self.size == 0 {
                self.day = second / SECONDS_A_DAY;
            }
            write_lines(&mut self.file, &rest[..count], &mut self.torn)
                .map_err(|short| Short { written: written + short.written, ..short })?;
            self.size += count as u64;
            written += count;
        }
        Ok(())
    }

    fn is_due(&self, lines: &[u8], second: u64) -> bool {
        let limit = self.rotation.bytes;
        let too_large = limit > 0 && self.size.saturating_add(first_line(lines) as u64) > limit;
        let new_day = self.rotation.daily && second / SECONDS_A_DAY > self.day;
        self.size > 0 && (too_large || new_day)
    }

    /// How many bytes of `lines`, up to the end of a line, the file has room for; one line at least.
    fn fitting(&self, lines: &[u8]) -> usize {
        if self.rotation.bytes == 0 {
            return lines.len();
        }
        let room = usize::try_from(self.rotation.bytes.saturating_sub(self.size)).unwrap_or(usize::MAX);
        match lines.get(..room) {
            None => lines.len(),
            Some(within) => memchr::memrchr(b'\n', within).map_or_else(|| first_line(lines), |end| end + 1),
        }
    }

    /// Renames the chain and opens the file anew; `false` if another process is doing that at this moment.
    fn rotate(&mut self, second: u64, counters: &Counters) -> io::Result<bool> {
        // A filesystem without locks is left to its one process.
        if let Err(TryLockError::WouldBlock) = self.file.try_lock() {
            return Ok(false);
        }
        let result = self.rotate_locked(second, counters);
        if result.is_err() {
            // On success the lock went with the old file.
            let _ = self.file.unlock();
        }
        result.map(|()| true)
    }

    fn rotate_locked(&mut self, second: u64, counters: &Counters) -> io::Result<()> {
        if self.is_current()? {
            let keep = self.rotation.keep_files;
            if keep == 0 {
                found(fs::remove_file(&self.path))?;
            }
            for number in (0..keep).rev() {
                found(fs::rename(self.numbered(number), self.numbered(number + 1)))?;
            }
            counters.rotated();
        }
        self.reopen(second)
    }

    /// `PATH.number`; 0 is `PATH`.
    fn numbered(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.path.clone();
        }
        let mut path = OsString::from(&self.path);
        path.push(format!(".{number}"));
        path.into()
    }

    /// Opens the file anew if `PATH` names another one by now.
    fn follow(&mut self, second: u64) -> io::Result<()> {
        if self.is_current()? {
            self.size = self.file.metadata()?.len();
            Ok(())
        } else {
            self.reopen(second)
        }
    }

    fn is_current(&self) -> io::Result<bool> {
        match fs::metadata(&self.path) {
            Ok(named) => Ok(is_same_file(&named, &self.file.metadata()?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn reopen(&mut self, second: u64) -> io::Result<()> {
        let file = open(&self.path)?;
        let metadata = file.metadata()?;
        self.file = file;
        self.torn = false;
        self.adopt(&metadata, second);
        self.note();
        Ok(())
    }

    /// Shows the open file to crash handlers. They keep it open: the lock of a rotation ends here, with the next file.
    pub(super) fn note(&self) {
        crash::note_file(&self.file);
    }

    fn adopt(&mut self, metadata: &Metadata, second: u64) {
        self.regular = metadata.is_file();
        self.size = metadata.len();
        let modified = metadata.modified().map_or(second, unix_second);
        self.day = modified.min(second) / SECONDS_A_DAY;
    }
}

const SECONDS_A_DAY: u64 = 86_400;

fn unix_second(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn first_line(lines: &[u8]) -> usize {
    memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1)
}

/// A file of the chain that is not there yet is no error.
fn found(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Without a file's identity, nobody else's rotation is noticed.
#[cfg(not(unix))]
fn is_same_file(_: &Metadata, _: &Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::super::testing::Directory;
    use super::*;
    use std::time::Duration;

    const DAY: u64 = SECONDS_A_DAY;

    /// Noon of a day long after any test file's creation, since a file's own day is never later than now.
    fn noon() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(unix_second(SystemTime::now()) / DAY * DAY + DAY / 2)
    }

    fn after(seconds: u64) -> SystemTime {
        noon() + Duration::from_secs(seconds)
    }

    fn rotation(bytes: u64, keep_files: u32) -> Rotation {
        Rotation { bytes, daily: false, keep_files }
    }

    #[test]
    fn by_size_at_line_ends_and_the_oldest_goes() {
        let directory = Directory::new();
        let counters = Counters::default();
        let mut file = LogFile::open(directory.path("log"), rotation(10, 2), noon()).unwrap();
        // 4 + 4 fit, then 8 of 10; a line longer than the limit has a file of its own.
        file.write(b"aaa\nbbb\nccc\nddddddd\na line that is longer\nx\n", noon(), &counters).unwrap();
        assert_eq!(directory.read("log"), "x\n");
        assert_eq!(directory.read("log.1"), "a line that is longer\n");
        assert_eq!(directory.read("log.2"), "ddddddd\n");
        assert_eq!(directory.names(), ["log", "log.1", "log.2"]);
        assert_eq!(counters.stats().rotations, 4);
    }

    #[test]
    fn by_size_counts_what_the_file_has_already() {
        let directory = Directory::new();
        fs::write(directory.path("log"), "12345678\n").unwrap();
        let mut file = LogFile::open(directory.path("log"), rotation(10, 1), noon()).unwrap();
        file.write(b"a\n", noon(), &Counters::default()).unwrap();
        assert_eq!((directory.read("log.1"), directory.read("log")), ("12345678\n".into(), "a\n".into()));
    }

    #[test]
    fn keeping_no_files_removes() {
        let directory = Directory::new();
        let mut file = LogFile::open(directory.path("log"), rotation(4, 0), noon()).unwrap();
        file.write(b"aaa\nbbb\n", noon(), &Counters::default()).unwrap();
        assert_eq!((directory.names(), directory.read("log")), (vec!["log".to_owned()], "bbb\n".to_owned()));
    }

    #[test]
    fn daily() {
        let directory = Directory::new();
        let counters = Counters::default();
        let rotation = Rotation { bytes: 0, daily: true, keep_files: 5 };
        let mut file = LogFile::open(directory.path("log"), rotation, noon()).unwrap();
        file.write(b"today\n", noon(), &counters).unwrap();
        file.write(b"still today\n", after(DAY / 2 - 1), &counters).unwrap();
        file.write(b"tomorrow\n", after(DAY / 2), &counters).unwrap();
        file.write(b"the clock was set back\n", noon(), &counters).unwrap();
        assert_eq!(directory.read("log.1"), "today\nstill today\n");
        assert_eq!(directory.read("log"), "tomorrow\nthe clock was set back\n");
        drop(file);
        // A file of an earlier day is found at the start. Its modification time is the real clock's.
        let mut file = LogFile::open(directory.path("log"), rotation, after(3 * DAY)).unwrap();
        file.write(b"days later\n", after(3 * DAY), &counters).unwrap();
        assert_eq!(directory.read("log"), "days later\n");
        assert_eq!(counters.stats().rotations, 2);
    }

    #[test]
    fn an_empty_file_is_not_rotated_by_a_new_day() {
        let directory = Directory::new();
        let rotation = Rotation { bytes: 0, daily: true, keep_files: 5 };
        let mut file = LogFile::open(directory.path("log"), rotation, noon()).unwrap();
        file.write(b"a\n", after(2 * DAY), &Counters::default()).unwrap();
        file.write(b"b\n", after(2 * DAY), &Counters::default()).unwrap();
        assert_eq!((directory.names(), directory.read("log")), (vec!["log".to_owned()], "a\nb\n".to_owned()));
    }

    #[test]
    fn a_file_that_was_moved_or_removed_is_opened_anew() {
        let directory = Directory::new();
        let counters = Counters::default();
        let mut file = LogFile::open(directory.path("log"), Rotation::default(), noon()).unwrap();
        file.write(b"a\n", noon(), &counters).unwrap();
        fs::rename(directory.path("log"), directory.path("moved")).unwrap();
        file.write(b"b\n", noon(), &counters).unwrap();
        file.write(b"c\n", after(1), &counters).unwrap();
        assert_eq!((directory.read("moved"), directory.read("log")), ("a\nb\n".into(), "c\n".into()));
        fs::remove_file(directory.path("log")).unwrap();
        file.write(b"d\n", after(2), &counters).unwrap();
        assert_eq!(directory.read("log"), "d\n");
        assert_eq!(counters.stats().rotation_errors, 0);
    }

    #[test]
    fn two_processes_rotate_once() {
        let directory = Directory::new();
        let counters = Counters::default();
        let open = || LogFile::open(directory.path("log"), rotation(8, 3), noon()).unwrap();
        let (mut one, mut other) = (open(), open());
        one.write(b"one 1\n", noon(), &counters).unwrap();
        // The other does not know of that line yet, and appends; a second later both see the file's true size.
        other.write(b"other 1\n", noon(), &counters).unwrap();
        one.write(b"one 2\n", after(1), &counters).unwrap();
        other.write(b"x\n", noon(), &counters).unwrap();
        assert_eq!(directory.read("log.1"), "one 1\nother 1\n");
        assert_eq!(directory.read("log"), "one 2\nx\n");
        assert_eq!(directory.names(), ["log", "log.1"]);
        assert_eq!(counters.stats().rotations, 1);
    }

    #[test]
    fn a_rotation_under_way_elsewhere_is_left_alone() {
        let directory = Directory::new();
        let counters = Counters::default();
        let mut file = LogFile::open(directory.path("log"), rotation(2, 1), noon()).unwrap();
        let elsewhere = File::open(directory.path("log")).unwrap();
        elsewhere.lock().unwrap();
        file.write(b"a\nb\n", noon(), &counters).unwrap();
        assert_eq!(directory.read("log"), "a\nb\n");
        drop(elsewhere);
        file.write(b"c\n", after(1), &counters).unwrap();
        assert_eq!((directory.read("log.1"), directory.read("log")), ("a\nb\n".into(), "c\n".into()));
    }

    #[test]
    fn a_rotation_that_fails_is_counted_and_logging_goes_on() {
        let directory = Directory::new();
        let counters = Counters::default();
        let obstacle = directory.path("log.1");
        fs::create_dir(&obstacle).unwrap();
        let mut file = LogFile::open(directory.path("log"), rotation(2, 1), noon()).unwrap();
        file.write(b"a\nb\nc\n", noon(), &counters).unwrap();
        assert_eq!(directory.read("log"), "a\nb\nc\n");
        let stats = counters.stats();
        assert_eq!((stats.rotation_errors, stats.rotations), (1, 0));
        assert!(stats.last_error.unwrap().starts_with("rotation: "));
        fs::remove_dir(&obstacle).unwrap();
        file.write(b"d\n", after(1), &counters).unwrap();
        assert_eq!((directory.read("log.1"), directory.read("log")), ("a\nb\nc\n".into(), "d\n".into()));
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_not_rotated_and_a_new_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let counters = Counters::default();
        let mut file = LogFile::open("/dev/null".into(), rotation(1, 1), noon()).unwrap();
        file.write(b"a\nb\n", after(1), &counters).unwrap();
        assert_eq!(counters.stats(), Counters::default().stats());
        let directory = Directory::new();
        LogFile::open(directory.path("log"), Rotation::default(), noon()).unwrap();
        assert_eq!(fs::metadata(directory.path("log")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
