//! What the integration tests share: the C API as safe Rust functions, the header's structs written down a second time,
//! temporary directories, log lines, children, and a limit that turns a hang into a failure.
//!
//! The structs are copied from `include/logfusion.h`, not from the engine: a test sees what a C program sees.
#![allow(dead_code, reason = "each test uses a part")]

pub mod ledger;
pub mod site;

use logfusion::c_api;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How often a test does what it does: `LOGFUSION_LONG=1` (ci/soak) asks for the long form.
pub fn times(quick: usize, long: usize) -> usize {
    if std::env::var_os("LOGFUSION_LONG").is_some_and(|value| value == "1") { long } else { quick }
}

pub const OK: c_int = 0;
pub const E_RUNNING: c_int = -5;
pub const E_DROPPED: c_int = -6;
pub const E_TIMEOUT: c_int = -7;
pub const E_BUSY: c_int = -8;
pub const E_IN_CALLBACK: c_int = -9;
pub const E_UNKNOWN: c_int = -10;
pub const E_MEMORY: c_int = -13;
pub const E_MODE: c_int = -15;

pub const ERROR: c_int = 1;
pub const WARN: c_int = 2;
pub const INFO: c_int = 3;
pub const DEBUG: c_int = 4;
pub const TRACE: c_int = 5;

pub const JSON: c_int = 2;
pub const BLOCK: c_int = 1;
pub const MANUAL: c_int = 1;
pub const NO: c_int = 2;

/// `logfusion_config`.
#[repr(C)]
struct CConfig {
    size: usize,
    filter: *const c_char,
    output: *const c_char,
    drain_name: *const c_char,
    rotate_bytes: u64,
    keep_files: usize,
    ring_bytes: usize,
    rings_max_bytes: usize,
    format: c_int,
    color: c_int,
    rotate: c_int,
    overflow: c_int,
    block_ms: c_int,
    idle_us: c_int,
    wake_on_half_full: c_int,
    wake_on_error: c_int,
    drain: c_int,
    drain_pinned: c_int,
    drain_cpu: c_int,
    drain_priority: c_int,
    global_default: c_int,
    clock: c_int,
    span_close: c_int,
}

/// The settings that tests use; what is zero or `None` is the default.
#[derive(Debug, Clone, Default)]
pub struct Config {
    pub filter: Option<&'static str>,
    pub output: Option<PathBuf>,
    pub drain_name: Option<&'static str>,
    pub ring_bytes: usize,
    pub format: c_int,
    pub overflow: c_int,
    pub block_ms: c_int,
    pub idle_us: c_int,
    pub drain: c_int,
    pub global_default: c_int,
    pub clock: c_int,
    pub span_close: c_int,
}

/// Starts the engine; the environment of whoever runs the tests has no say.
pub fn init_with(config: &Config) -> c_int {
    forget_environment();
    let text = |text: &[u8]| CString::new(text).unwrap();
    let filter = config.filter.map(|filter| text(filter.as_bytes()));
    let output = config.output.as_deref().map(|path| text(path.as_os_str().as_encoded_bytes()));
    let name = config.drain_name.map(|name| text(name.as_bytes()));
    let pointer = |text: &Option<CString>| text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
    let c = CConfig {
        size: size_of::<CConfig>(),
        filter: pointer(&filter),
        output: pointer(&output),
        drain_name: pointer(&name),
        rotate_bytes: 0,
        keep_files: 0,
        ring_bytes: config.ring_bytes,
        rings_max_bytes: 0,
        format: config.format,
        color: 1,
        rotate: 0,
        overflow: config.overflow,
        block_ms: config.block_ms,
        idle_us: config.idle_us,
        wake_on_half_full: 0,
        wake_on_error: 0,
        drain: config.drain,
        drain_pinned: 0,
        drain_cpu: 0,
        drain_priority: 0,
        global_default: config.global_default,
        clock: config.clock,
        span_close: config.span_close,
    };
    // SAFETY: the struct has the header's layout and its strings live until the call has returned.
    unsafe { c_api::logfusion_init_with((&raw const c).cast()) }
}

/// Starts the engine, which must succeed.
pub fn start(config: &Config) {
    assert_eq!(init_with(config), OK, "{}", last_error());
}

/// Takes the engine's variables out of the environment.
pub fn forget_environment() {
    let ours = |name: &str| name.starts_with("LOGFUSION_") || name == "RUST_LOG";
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(ours)) {
        // SAFETY: called before a test starts threads of its own; libtest's main thread waits meanwhile.
        unsafe { std::env::remove_var(name) };
    }
}

pub fn log(level: c_int, target: &CStr, message: &CStr) -> c_int {
    // SAFETY: both are NUL-terminated.
    unsafe { c_api::logfusion_log(level, target.as_ptr(), message.as_ptr()) }
}

/// Through `logfusion_log_n`.
pub fn log_text(level: c_int, target: &str, message: &str) -> c_int {
    let (target, message) = (target.as_bytes(), message.as_bytes());
    log_bytes(level, target, message)
}

pub fn log_bytes(level: c_int, target: &[u8], message: &[u8]) -> c_int {
    // SAFETY: the lengths are those of the slices.
    unsafe {
        c_api::logfusion_log_n(level, target.as_ptr().cast(), target.len(), message.as_ptr().cast(), message.len())
    }
}

/// `logfusion_field`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Field {
    pub name: *const c_char,
    pub type_: c_int,
    pub reserved: c_int,
    pub value: FieldValue,
}

/// The union in `logfusion_field`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union FieldValue {
    pub i64: i64,
    pub u64: u64,
    pub f64: f64,
    pub boolean: c_int,
    pub pointer: *const c_void,
    pub text: FieldText,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct FieldText {
    pub data: *const c_char,
    pub length: usize,
}

// SAFETY: the functions below, the only ones that make one, take static texts.
unsafe impl Sync for Field {}

impl Field {
    pub fn i64(name: &'static CStr, value: i64) -> Self {
        Self { name: name.as_ptr(), type_: 1, reserved: 0, value: FieldValue { i64: value } }
    }

    pub fn u64(name: &'static CStr, value: u64) -> Self {
        Self { name: name.as_ptr(), type_: 2, reserved: 0, value: FieldValue { u64: value } }
    }

    pub fn f64(name: &'static CStr, value: f64) -> Self {
        Self { name: name.as_ptr(), type_: 3, reserved: 0, value: FieldValue { f64: value } }
    }

    pub fn bool(name: &'static CStr, value: bool) -> Self {
        Self { name: name.as_ptr(), type_: 4, reserved: 0, value: FieldValue { boolean: value.into() } }
    }

    pub fn text(name: &'static CStr, value: &'static str) -> Self {
        let text = FieldText { data: value.as_ptr().cast(), length: value.len() };
        Self { name: name.as_ptr(), type_: 6, reserved: 0, value: FieldValue { text } }
    }
}

pub fn log_fields(level: c_int, target: &CStr, message: &CStr, fields: &[Field]) -> c_int {
    // SAFETY: NUL-terminated texts, and fields of static texts made by the functions above.
    unsafe {
        c_api::logfusion_log_fields(
            level,
            target.as_ptr(),
            message.as_ptr(),
            fields.as_ptr().cast::<c_api::CField>(),
            fields.len(),
        )
    }
}

/// `logfusion_entry`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Entry {
    target: *const c_char,
    target_length: usize,
    message: *const c_char,
    message_length: usize,
    level: c_int,
    reserved: c_int,
}

// SAFETY: `new`, the only function that makes one, takes static texts.
unsafe impl Sync for Entry {}

impl Entry {
    /// Without a target and a message.
    pub const EMPTY: Self = Self {
        target: std::ptr::null(),
        target_length: 0,
        message: std::ptr::null(),
        message_length: 0,
        level: INFO,
        reserved: 0,
    };

    pub fn level(&self) -> c_int {
        self.level
    }

    pub fn new(level: c_int, target: &'static str, message: &'static str) -> Self {
        Self {
            target: target.as_ptr().cast(),
            target_length: target.len(),
            message: message.as_ptr().cast(),
            message_length: message.len(),
            level,
            reserved: 0,
        }
    }
}

pub fn log_batch(entries: &[Entry]) -> isize {
    // SAFETY: the layout is the header's, and the texts are static.
    unsafe { c_api::logfusion_log_batch(entries.as_ptr().cast(), entries.len()) }
}

/// The same, with entries that lie at an address so many bytes behind one that is aligned.
pub fn log_batch_at(offset: usize, entries: &[Entry]) -> isize {
    let mut place = vec![0_u64; size_of_val(entries) / 8 + 1];
    // SAFETY: there is room for them behind the offset, less than 8; the rest as above.
    unsafe {
        let place = place.as_mut_ptr().byte_add(offset).cast::<u8>();
        place.copy_from_nonoverlapping(entries.as_ptr().cast(), size_of_val(entries));
        c_api::logfusion_log_batch(place.cast(), entries.len())
    }
}

/// Reserves, writes as much of `text` as was granted, and commits. The status of the reservation if it gave no room.
pub fn reserve_and_commit(level: c_int, target: &CStr, text: &[u8]) -> c_int {
    match reserve(level, target, text.len()) {
        Err(status) => status,
        Ok((place, granted)) => {
            let len = granted.min(text.len());
            // SAFETY: `granted` bytes are there to be written.
            unsafe { place.copy_from_nonoverlapping(text.as_ptr(), len) };
            c_api::logfusion_commit(text.len())
        }
    }
}

pub fn reserve(level: c_int, target: &CStr, capacity: usize) -> Result<(*mut u8, usize), c_int> {
    let (mut place, mut granted) = (std::ptr::null_mut::<c_char>(), 0);
    // SAFETY: NUL-terminated, and both results are writable.
    let status =
        unsafe { c_api::logfusion_reserve(level, target.as_ptr(), capacity, &raw mut place, &raw mut granted) };
    if place.is_null() { Err(status) } else { Ok((place.cast(), granted)) }
}

/// The span's number; 0: it was not entered.
pub fn span_enter(level: c_int, target: &CStr, name: &CStr, fields: &[Field]) -> u64 {
    // SAFETY: as `log_fields`.
    unsafe { c_api::logfusion_span_enter(level, target.as_ptr(), name.as_ptr(), fields.as_ptr().cast(), fields.len()) }
}

pub fn span_exit(span: u64) -> c_int {
    c_api::logfusion_span_exit(span)
}

pub fn context_set(key: &CStr, value: &CStr) -> c_int {
    // SAFETY: NUL-terminated.
    unsafe { c_api::logfusion_context_set(key.as_ptr(), value.as_ptr()) }
}

/// `None` removes all keys.
pub fn context_clear(key: Option<&CStr>) -> c_int {
    // SAFETY: NULL, or NUL-terminated.
    unsafe { c_api::logfusion_context_clear(key.map_or(std::ptr::null(), CStr::as_ptr)) }
}

pub fn flush(timeout_ms: c_int) -> c_int {
    c_api::logfusion_flush(timeout_ms)
}

/// Flushes without limit, which must succeed.
pub fn flush_all() {
    assert_eq!(flush(-1), OK, "{}", last_error());
}

pub fn shutdown() {
    c_api::logfusion_shutdown();
}

pub fn set_filter(directives: &CStr) {
    // SAFETY: NUL-terminated.
    assert_eq!(unsafe { c_api::logfusion_set_filter(directives.as_ptr()) }, OK, "{}", last_error());
}

pub fn set_thread_name(name: &CStr) {
    // SAFETY: NUL-terminated.
    assert_eq!(unsafe { c_api::logfusion_set_thread_name(name.as_ptr()) }, OK, "{}", last_error());
}

pub fn last_error() -> String {
    let mut buffer = [0_u8; 1024];
    // SAFETY: the size is the buffer's.
    unsafe { c_api::logfusion_last_error(buffer.as_mut_ptr().cast(), buffer.len()) };
    CStr::from_bytes_until_nul(&buffer).unwrap().to_string_lossy().into_owned()
}

/// `logfusion_record`.
#[repr(C)]
pub struct Record {
    pub size: usize,
    target: *const c_char,
    target_length: usize,
    message: *const c_char,
    message_length: usize,
    pub message_full_length: usize,
    fields: *const Field,
    field_count: usize,
    pub time_ns: u64,
    pub thread_id: u64,
    thread_name: *const c_char,
    file: *const c_char,
    line: c_int,
    pub level: c_int,
}

impl Record {
    /// The record that a callback was given.
    ///
    /// # Safety
    ///
    /// `record` is the first argument of a callback that runs.
    pub unsafe fn of<'a>(record: *const c_api::CRecord) -> &'a Self {
        // SAFETY: the layouts are the same; the caller keeps to the call.
        unsafe { &*record.cast() }
    }

    pub fn target(&self) -> &str {
        text(self.target, self.target_length)
    }

    pub fn message(&self) -> &str {
        text(self.message, self.message_length)
    }

    pub fn fields(&self) -> &[Field] {
        if self.field_count == 0 {
            return &[];
        }
        // SAFETY: the engine gives so many fields for the length of the callback.
        unsafe { std::slice::from_raw_parts(self.fields, self.field_count) }
    }
}

fn text<'a>(data: *const c_char, length: usize) -> &'a str {
    // SAFETY: the engine gives so many bytes for the length of the callback.
    std::str::from_utf8(unsafe { std::slice::from_raw_parts(data.cast(), length) }).unwrap()
}

/// Subscribes; the context must live until `unsubscribe` has returned `OK`.
pub fn subscribe<T>(target: &CStr, max_level: c_int, callback: c_api::Callback, context: *const T) -> u64 {
    let mut handle = 0;
    // SAFETY: NUL-terminated; each test keeps the context until it has unsubscribed or ends.
    let status = unsafe {
        c_api::logfusion_subscribe(
            target.as_ptr(),
            max_level,
            Some(callback),
            context.cast_mut().cast::<c_void>(),
            &raw mut handle,
        )
    };
    assert_eq!(status, OK, "{}", last_error());
    assert_ne!(handle, 0);
    handle
}

pub fn unsubscribe(handle: u64, timeout_ms: c_int) -> c_int {
    c_api::logfusion_unsubscribe(handle, timeout_ms)
}

/// `logfusion_thread_stats_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ThreadStats {
    size: usize,
    pub thread_id: u64,
    name: [c_char; 32],
    pub counts: Counts,
    pub ended: c_int,
    reserved: c_int,
}

impl ThreadStats {
    pub fn name(&self) -> String {
        let bytes: Vec<u8> = self.name.iter().take_while(|byte| **byte != 0).map(|byte| *byte as u8).collect();
        String::from_utf8(bytes).unwrap()
    }
}

/// What both structs of statistics have.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub offered: u64,
    pub accepted: u64,
    pub delivered: u64,
    pub filtered: u64,
    pub failed: u64,
    pub queued: u64,
    pub dropped: [u64; 6],
    pub dropped_full: u64,
    pub dropped_reentered: u64,
    pub dropped_timeout: u64,
    pub dropped_memory: u64,
    pub dropped_other: u64,
    pub accepted_bytes: u64,
}

impl Counts {
    pub fn dropped_sum(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// The ledger's equations.
    pub fn assert_equations(&self) {
        let reasons = self.dropped_full
            + self.dropped_reentered
            + self.dropped_timeout
            + self.dropped_memory
            + self.dropped_other;
        assert_eq!(self.offered, self.accepted + self.dropped_sum(), "offered = accepted + dropped: {self:?}");
        assert_eq!(self.dropped_sum(), reasons, "drops by level = drops by reason: {self:?}");
        let parts = self.delivered + self.filtered + self.failed + self.queued;
        assert_eq!(self.accepted, parts, "accepted = delivered + filtered + failed + queued: {self:?}");
        assert_eq!(self.dropped[0], 0, "no record has the level OFF: {self:?}");
    }
}

/// `logfusion_stats_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Stats {
    size: usize,
    pub counts: Counts,
    pub dropped_without_ring: u64,
    pub output_bytes: u64,
    pub output_errors: u64,
    pub output_lost_records: u64,
    pub callbacks_failed: u64,
    pub bad_utf8: u64,
    pub longest_delivery_delay_ns: u64,
    pub threads_live: usize,
    pub threads_ended: usize,
}

/// The sum of the ledger.
pub fn stats() -> Stats {
    try_stats().unwrap_or_else(|status| panic!("{status}: {}", last_error()))
}

/// The sum of the ledger, or the status.
pub fn try_stats() -> Result<Stats, c_int> {
    let mut stats = Stats { size: size_of::<Stats>(), ..Stats::default() };
    // SAFETY: the layout is the header's.
    let status = unsafe { c_api::logfusion_stats((&raw mut stats).cast()) };
    if status == OK { Ok(stats) } else { Err(status) }
}

/// The ledger, thread by thread.
pub fn thread_stats() -> Vec<ThreadStats> {
    let empty = ThreadStats {
        size: size_of::<ThreadStats>(),
        thread_id: 0,
        name: [0; 32],
        counts: Counts::default(),
        ended: 0,
        reserved: 0,
    };
    let mut all = vec![empty; 4096];
    let mut count = all.len();
    // SAFETY: the layout is the header's, and there are so many elements.
    let status = unsafe { c_api::logfusion_stats_threads(all.as_mut_ptr().cast(), &raw mut count) };
    assert_eq!(status, OK, "{}", last_error());
    assert!(count <= all.len());
    all.truncate(count);
    all
}

/// The ledger of the thread with this name.
pub fn stats_of(name: &str) -> Counts {
    let all = thread_stats();
    let found: Vec<_> = all.iter().filter(|thread| thread.name() == name).collect();
    assert_eq!(found.len(), 1, "one thread is called {name:?}");
    found[0].counts
}

/// The kernel's id of the calling thread.
pub fn thread_id() -> u64 {
    // SAFETY: takes no argument.
    unsafe { libc::gettid() as u64 }
}

/// Nanoseconds since the epoch.
pub fn now_ns() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// A directory of the test's own, removed at its end.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("logfusion-{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn make_fifo(path: &Path) {
    let path = CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    // SAFETY: NUL-terminated.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0, "{}", std::io::Error::last_os_error());
}

/// The whole lines of a file; a last line without its end fails the test.
pub fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line of {path:?} is whole");
    text.lines().map(str::to_owned).collect()
}

/// The lines of a text output whose target is `target`, from the message on.
pub fn messages(path: &Path, target: &str) -> Vec<String> {
    let mark = format!(" {target}: ");
    lines(path).iter().filter_map(|line| line.split_once(&mark)).map(|(_, message)| message.to_owned()).collect()
}

/// The records of a JSON output; a line that is not JSON fails the test.
pub fn json_lines(path: &Path) -> Vec<serde_json::Value> {
    let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    lines(path).iter().map(parse).collect()
}

/// Waits until `done`, and fails the test if that takes longer than `limit`. For what the API gives no event for.
pub fn wait_until(limit: Duration, what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Ends the process if the test has not ended in time: a hang is a failure like any other.
#[derive(Debug)]
pub struct Limit {
    _ended: mpsc::Sender<()>,
}

impl Limit {
    pub fn seconds(seconds: u64) -> Self {
        let (ended, wait) = mpsc::channel();
        std::thread::spawn(move || {
            if wait.recv_timeout(Duration::from_secs(seconds)) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("the test hangs: it did not end within {seconds} s");
                // SAFETY: ends the process without running anything of it.
                unsafe { libc::_exit(99) };
            }
        });
        Self { _ended: ended }
    }
}

/// Asserts that `call` with a limit of so many milliseconds takes at least that, and that the 99th percentile of what it takes
/// longer is at most 10 ms above that of a plain sleep, taken in turn: what the machine itself adds while it is busy with
/// other things is not the call's. The best of five attempts counts, since noise only adds.
pub fn assert_overrun(limits: impl Iterator<Item = c_int> + Clone, call: impl Fn(c_int)) {
    let overrun = |limit: c_int, wait: &dyn Fn(c_int)| {
        let before = Instant::now();
        wait(limit);
        let took = before.elapsed();
        let limit = Duration::from_millis(limit as u64);
        took.checked_sub(limit).unwrap_or_else(|| panic!("gave up after {took:?} of {limit:?}"))
    };
    let sleep = |limit: c_int| std::thread::sleep(Duration::from_millis(limit as u64));
    let percentile = |mut overruns: Vec<Duration>| {
        overruns.sort_unstable();
        overruns[overruns.len() * 99 / 100]
    };
    let attempts: Vec<(Duration, Duration)> = (0..5)
        .map(|_| limits.clone().map(|limit| (overrun(limit, &call), overrun(limit, &sleep))).unzip())
        .map(|(calls, sleeps): (Vec<_>, Vec<_>)| (percentile(calls), percentile(sleeps)))
        .collect();
    let is_good = |(call, sleep): &(Duration, Duration)| *call <= *sleep + Duration::from_millis(10);
    assert!(attempts.iter().any(is_good), "p99 of the overrun, and of a sleep's: {attempts:?}");
}

/// How much smaller a test is in a build without optimisation.
pub const fn scaled(release: usize, dev: usize) -> usize {
    if cfg!(debug_assertions) { dev } else { release }
}

/// The variable that tells a child what to do.
const ROLE: &str = "TEST_CHILD_ROLE";

/// What this process was started for, if it is a child.
pub fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Runs `test` of this program again, in a child that finds `role`; the child's log file is `log`.
pub fn child(test: &str, role: &str, log: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(ROLE, role).env("TEST_CHILD_LOG", log);
    command
}

/// The log file that [`child`] was given.
pub fn child_log() -> PathBuf {
    std::env::var_os("TEST_CHILD_LOG").unwrap().into()
}

/// Runs a child to its end, for at most `limit`.
pub fn run(mut command: Command, limit: Duration) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id() as libc::pid_t;
    let (ended, wait) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let hangs = wait.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
        if hangs {
            // SAFETY: takes no pointer; the child is ours and has not been waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        hangs
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    assert!(!watch.join().unwrap(), "the child hangs: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Waits for a child process that this one forked; returns what `waitpid` says.
pub fn wait_for(pid: libc::pid_t) -> c_int {
    let mut status = 0;
    // SAFETY: `status` is writable.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid, "{}", std::io::Error::last_os_error());
    status
}
