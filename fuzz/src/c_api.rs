//! The C API as a program of bytes: any functions, in any order, with any arguments that C allows to pass.
//!
//! A pointer is NULL or points to as much as the contract of its function says, in a block of exactly that size, so that the
//! address sanitizer sees each byte that is read past it. Everything else may be anything. State stays from one program to the
//! next (the engine runs, or is stopped; subscriptions are ended); at the end of each, the ledger must add up.

use arbitrary::{Result, Unstructured};
use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::Once;

// The functions, whose names the crate exports.
use logfusion as _;

type Callback = extern "C" fn(*const c_void, *mut c_void);

unsafe extern "C" {
    fn logfusion_init() -> c_int;
    fn logfusion_init_with(config: *const Config) -> c_int;
    fn logfusion_shutdown();
    fn logfusion_install_crash_handler(fd: c_int) -> c_int;
    fn logfusion_log(level: c_int, target: *const c_char, message: *const c_char) -> c_int;
    fn logfusion_log_n(level: c_int, target: *const c_char, n: usize, message: *const c_char, m: usize) -> c_int;
    fn logfusion_log_fields(
        level: c_int,
        target: *const c_char,
        message: *const c_char,
        fields: *const Field,
        count: usize,
    ) -> c_int;
    fn logfusion_log_batch(entries: *const Entry, count: usize) -> isize;
    fn logfusion_reserve(
        level: c_int,
        target: *const c_char,
        capacity: usize,
        text: *mut *mut c_char,
        granted: *mut usize,
    ) -> c_int;
    fn logfusion_commit(length: usize) -> c_int;
    fn logfusion_cancel(reason: c_int) -> c_int;
    fn logfusion_enabled(level: c_int, target: *const c_char) -> c_int;
    fn logfusion_set_filter(directives: *const c_char) -> c_int;
    fn logfusion_backtrace(target: *const c_char, records: usize) -> c_int;
    fn logfusion_backtrace_flush(target: *const c_char) -> c_int;
    fn logfusion_span_enter(
        level: c_int,
        target: *const c_char,
        name: *const c_char,
        fields: *const Field,
        count: usize,
    ) -> u64;
    fn logfusion_span_exit(span: u64) -> c_int;
    fn logfusion_span_attach() -> u64;
    fn logfusion_context_set(key: *const c_char, value: *const c_char) -> c_int;
    fn logfusion_context_clear(key: *const c_char) -> c_int;
    fn logfusion_subscribe(
        target: *const c_char,
        level: c_int,
        callback: Option<Callback>,
        context: *mut c_void,
        handle: *mut u64,
    ) -> c_int;
    fn logfusion_unsubscribe(handle: u64, timeout_ms: c_int) -> c_int;
    fn logfusion_in_callback() -> c_int;
    fn logfusion_flush(timeout_ms: c_int) -> c_int;
    fn logfusion_drain(budget_us: u64) -> i64;
    fn logfusion_set_thread_name(name: *const c_char) -> c_int;
    fn logfusion_stats(stats: *mut Stats) -> c_int;
    fn logfusion_stats_threads(out: *mut ThreadStats, count: *mut usize) -> c_int;
    fn logfusion_last_error(buffer: *mut c_char, size: usize) -> usize;
    fn logfusion_clear_last_error();
    fn logfusion_status_text(status: c_int) -> *const c_char;
    fn logfusion_version() -> *const c_char;
}

/// `logfusion_config`.
#[repr(C)]
struct Config {
    size: usize,
    texts: [*const c_char; 3],
    rotate_bytes: u64,
    keep_files: usize,
    ring_bytes: usize,
    rings_max_bytes: usize,
    numbers: [c_int; 15],
    end: c_int,
}

/// `logfusion_field`.
#[repr(C)]
struct Field {
    name: *const c_char,
    type_: c_int,
    reserved: c_int,
    /// The union: a text's address and length, or a number.
    value: [usize; 2],
}

/// `logfusion_entry`.
#[repr(C)]
struct Entry {
    target: *const c_char,
    target_length: usize,
    message: *const c_char,
    message_length: usize,
    level: c_int,
    reserved: c_int,
}

/// `logfusion_stats_t`: the size, 18 counts of the ledger, and 9 more numbers.
#[repr(C)]
struct Stats([u64; 28]);

/// `logfusion_thread_stats_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct ThreadStats([u64; 25]);

const OK: c_int = 0;
const NUL_TERMINATED: usize = usize::MAX;

/// Memory that the arguments of one call point to.
#[derive(Default)]
struct Memory {
    texts: Vec<Box<[u8]>>,
    fields: Vec<Field>,
}

impl Memory {
    fn keep(&mut self, text: Vec<u8>) -> *const c_char {
        self.texts.push(text.into());
        self.texts[self.texts.len() - 1].as_ptr().cast()
    }

    /// Bytes: few and any, or many and alike.
    fn bytes(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        if u.ratio(1, 16)? {
            return Ok(vec![u.arbitrary()?; u.int_in_range(0..=100_000)?]);
        }
        let len = u.int_in_range(0..=48)?;
        Ok(u.bytes(len.min(u.len()))?.to_vec())
    }

    /// NULL, or a text with its NUL.
    fn text(&mut self, u: &mut Unstructured<'_>) -> Result<*const c_char> {
        if u.ratio(1, 12)? {
            return Ok(ptr::null());
        }
        let known = [&b""[..], b"game", b"game::net", b"logfusion", b"game=debug,warn", b"off"];
        let mut text = if u.arbitrary()? { u.choose(&known)?.to_vec() } else { Self::bytes(u)? };
        text.retain(|byte| *byte != 0);
        text.push(0);
        Ok(self.keep(text))
    }

    /// A text and a length: its own, that of a part, none that any text has, or none at all.
    fn sized(&mut self, u: &mut Unstructured<'_>) -> Result<(*const c_char, usize)> {
        match u.int_in_range(0..=7)? {
            0 => Ok((ptr::null(), u.arbitrary()?)),
            1 => Ok((self.text(u)?, NUL_TERMINATED)),
            2 => Ok((self.text(u)?, (isize::MAX as usize + 1).saturating_add(u.arbitrary::<u8>()?.into()))),
            _ => {
                let bytes = Self::bytes(u)?;
                let len = u.int_in_range(0..=bytes.len())?;
                Ok((self.keep(bytes), len))
            }
        }
    }

    /// Fields, as many as `count` says, or no count that fields can have.
    fn fields(&mut self, u: &mut Unstructured<'_>) -> Result<(*const Field, usize)> {
        if u.ratio(1, 12)? {
            return Ok((ptr::null(), u.arbitrary()?));
        }
        for _ in 0..u.int_in_range(0..=40)? {
            let name = self.text(u)?;
            let type_ = u.int_in_range(-1..=8)?;
            let value = if type_ == 6 {
                let (data, length) = self.sized(u)?;
                [data as usize, length]
            } else {
                [u.arbitrary()?, u.arbitrary()?]
            };
            self.fields.push(Field { name, type_, reserved: u.arbitrary()?, value });
        }
        let count = if u.ratio(1, 12)? { usize::MAX / 8 } else { self.fields.len() };
        Ok((self.fields.as_ptr(), count))
    }

    fn entries(&mut self, u: &mut Unstructured<'_>) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for _ in 0..u.int_in_range(0..=20)? {
            let (target, target_length) = self.sized(u)?;
            let (message, message_length) = self.sized(u)?;
            entries.push(Entry {
                target,
                target_length,
                message,
                message_length,
                level: level(u)?,
                reserved: u.arbitrary()?,
            });
        }
        Ok(entries)
    }

    fn config(&mut self, u: &mut Unstructured<'_>) -> Result<Config> {
        let mut numbers = [0; 15];
        for number in &mut numbers {
            *number = if u.ratio(1, 8)? { u.arbitrary()? } else { u.int_in_range(-1..=2)? };
        }
        let small = |u: &mut Unstructured<'_>| -> Result<usize> {
            Ok(*u.choose(&[0, 0, 0, 4096, 5000, 1 << 16, 1, usize::MAX])?)
        };
        Ok(Config {
            size: if u.ratio(1, 8)? { u.arbitrary()? } else { size_of::<Config>() },
            // The output is that of the environment.
            texts: [self.text(u)?, ptr::null(), self.text(u)?],
            rotate_bytes: small(u)? as u64,
            keep_files: small(u)?,
            ring_bytes: small(u)?,
            rings_max_bytes: small(u)?,
            numbers,
            end: 0,
        })
    }
}

fn level(u: &mut Unstructured<'_>) -> Result<c_int> {
    if u.ratio(1, 10)? { u.arbitrary() } else { u.int_in_range(0..=6) }
}

/// Time limits, not so long that the fuzzer waits.
fn timeout(u: &mut Unstructured<'_>) -> Result<c_int> {
    u.int_in_range(0..=3)
}

thread_local! {
    /// What callbacks of this program do when they are called on this thread, by turns.
    static HANDLES: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

extern "C" fn does_nothing(_: *const c_void, _: *mut c_void) {}

/// Calls what may be called in a callback, and what may not.
extern "C" fn calls_back(_: *const c_void, context: *mut c_void) {
    let what = context as usize;
    // SAFETY: no function wants more than terminated texts.
    unsafe {
        assert_eq!(logfusion_in_callback(), 1);
        match what % 6 {
            0 => _ = logfusion_log(3, c"game".as_ptr(), c"from a callback".as_ptr()),
            1 => assert_ne!(logfusion_flush(10), OK),
            2 => logfusion_shutdown(),
            3 => _ = logfusion_unsubscribe(what as u64 / 6, 0),
            4 => _ = logfusion_drain(10),
            _ => _ = logfusion_set_filter(c"info".as_ptr()),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Call {
    Init,
    InitWith,
    Shutdown,
    InstallCrashHandler,
    Log,
    LogN,
    LogFields,
    LogBatch,
    Reserve,
    Commit,
    Cancel,
    Enabled,
    SetFilter,
    Backtrace,
    BacktraceFlush,
    SpanEnter,
    SpanExit,
    SpanAttach,
    ContextSet,
    ContextClear,
    Subscribe,
    Unsubscribe,
    Flush,
    Drain,
    SetThreadName,
    Stats,
    StatsThreads,
    LastError,
    ClearLastError,
    Texts,
}

/// All of them.
const CALLS: &[Call] = &[
    Call::Init,
    Call::InitWith,
    Call::Shutdown,
    Call::InstallCrashHandler,
    Call::Log,
    Call::LogN,
    Call::LogFields,
    Call::LogBatch,
    Call::Reserve,
    Call::Commit,
    Call::Cancel,
    Call::Enabled,
    Call::SetFilter,
    Call::Backtrace,
    Call::BacktraceFlush,
    Call::SpanEnter,
    Call::SpanExit,
    Call::SpanAttach,
    Call::ContextSet,
    Call::ContextClear,
    Call::Subscribe,
    Call::Unsubscribe,
    Call::Flush,
    Call::Drain,
    Call::SetThreadName,
    Call::Stats,
    Call::StatsThreads,
    Call::LastError,
    Call::ClearLastError,
    Call::Texts,
];

/// Runs a program.
pub fn c_api(data: &[u8]) {
    static ENVIRONMENT: Once = Once::new();
    ENVIRONMENT.call_once(|| {
        // SAFETY: nothing else runs yet. The environment's word is the last.
        unsafe { std::env::set_var("LOGFUSION_OUTPUT", "/dev/null") };
        if std::env::var_os("LOGFUSION_FUZZ_SEEDED").is_some() {
            // ci/soak asks for this mistake, to see that the sanitizer finds it.
            let text: Box<[u8]> = b"a block of its own".as_slice().into();
            // SAFETY: none: a byte behind the block is read.
            unsafe { logfusion_log_n(1, ptr::null(), 0, text.as_ptr().cast(), text.len() + 1) };
        }
    });
    // A program that ends early has ended.
    _ = run(&mut Unstructured::new(data));
    // SAFETY: no pointers but to the statistics.
    unsafe {
        HANDLES.with_borrow_mut(|handles| handles.drain(..).for_each(|handle| _ = logfusion_unsubscribe(handle, -1)));
        logfusion_cancel(0);
        logfusion_shutdown();
        let mut stats = Stats([0; 28]);
        stats.0[0] = size_of::<Stats>() as u64;
        assert_eq!(logfusion_stats(&mut stats), OK);
        let [_, offered, accepted, delivered, filtered, failed, queued, ..] = stats.0;
        let dropped: u64 = stats.0[7..13].iter().sum();
        let by_reason: u64 = stats.0[13..18].iter().sum();
        assert_eq!(offered, accepted + by_reason, "{:?}", stats.0);
        assert_eq!(dropped, by_reason, "{:?}", stats.0);
        assert_eq!(accepted, delivered + filtered + failed + queued, "{:?}", stats.0);
        assert_eq!((queued, failed), (0, 0), "{:?}", stats.0);
    }
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let mut spans = Vec::new();
    let mut open: Option<(*mut c_char, usize)> = None;
    while !u.is_empty() {
        let mut memory = Memory::default();
        let m = &mut memory;
        let call = *u.choose(CALLS)?;
        // SAFETY: pointers are NULL or to what their functions take, in memory that is kept for the call; see `Memory`.
        unsafe {
            match call {
                Call::Init => _ = logfusion_init(),
                Call::InitWith if u.ratio(1, 16)? => assert_ne!(logfusion_init_with(ptr::null()), OK),
                Call::InitWith => {
                    let config = Box::new(m.config(u)?);
                    logfusion_init_with(&*config);
                }
                Call::Shutdown => logfusion_shutdown(),
                // One that is refused: a real one would outlive the fuzzer's own.
                Call::InstallCrashHandler => {
                    assert_ne!(logfusion_install_crash_handler(u.int_in_range(c_int::MIN..=-2)?), OK);
                }
                Call::Log => _ = logfusion_log(level(u)?, m.text(u)?, m.text(u)?),
                Call::LogN => {
                    let ((target, n), (message, len)) = (m.sized(u)?, m.sized(u)?);
                    logfusion_log_n(level(u)?, target, n, message, len);
                }
                Call::LogFields => {
                    let (fields, count) = m.fields(u)?;
                    logfusion_log_fields(level(u)?, m.text(u)?, m.text(u)?, fields, count);
                }
                Call::LogBatch => {
                    let entries = m.entries(u)?;
                    let count = if u.ratio(1, 12)? { usize::MAX / 16 } else { entries.len() };
                    let none = u.ratio(1, 12)?;
                    logfusion_log_batch(if none { ptr::null() } else { entries.as_ptr() }, count);
                }
                Call::Reserve => {
                    let (mut text, mut granted) = (ptr::null_mut(), 0);
                    let capacity = if u.arbitrary()? { u.int_in_range(0..=2000)? } else { u.arbitrary()? };
                    let (to, granted_to) = match u.int_in_range(0..=15)? {
                        0 => (ptr::null_mut(), &raw mut granted),
                        1 => (&raw mut text, ptr::null_mut()),
                        _ => (&raw mut text, &raw mut granted),
                    };
                    let status = logfusion_reserve(level(u)?, m.text(u)?, capacity, to, granted_to);
                    open = (status == OK && !text.is_null() && !granted_to.is_null()).then_some((text, granted));
                }
                Call::Commit => {
                    if let Some((text, granted)) = open.take() {
                        text.cast::<u8>().write_bytes(u.arbitrary()?, u.int_in_range(0..=granted)?);
                    }
                    logfusion_commit(if u.arbitrary()? { u.int_in_range(0..=3000)? } else { u.arbitrary()? });
                }
                Call::Cancel => {
                    open = None;
                    logfusion_cancel(u.arbitrary()?);
                }
                Call::Enabled => _ = logfusion_enabled(level(u)?, m.text(u)?),
                Call::SetFilter => _ = logfusion_set_filter(m.text(u)?),
                Call::Backtrace => {
                    _ = logfusion_backtrace(m.text(u)?, if u.ratio(1, 8)? { u.arbitrary()? } else { 20 })
                }
                Call::BacktraceFlush => _ = logfusion_backtrace_flush(m.text(u)?),
                Call::SpanEnter => {
                    let (fields, count) = m.fields(u)?;
                    spans.push(logfusion_span_enter(level(u)?, m.text(u)?, m.text(u)?, fields, count));
                }
                Call::SpanExit => {
                    let span = if u.ratio(1, 6)? { Some(u.arbitrary()?) } else { spans.pop() };
                    logfusion_span_exit(span.unwrap_or(0));
                }
                Call::SpanAttach => spans.push(logfusion_span_attach()),
                Call::ContextSet => _ = logfusion_context_set(m.text(u)?, m.text(u)?),
                Call::ContextClear => _ = logfusion_context_clear(m.text(u)?),
                Call::Subscribe => {
                    let mut handle = 0;
                    let callback = [None, Some(does_nothing as Callback), Some(calls_back)][u.int_in_range(0..=2)?];
                    let context = ptr::without_provenance_mut(u.int_in_range::<usize>(0..=200)?);
                    let to = if u.ratio(1, 16)? { ptr::null_mut() } else { &raw mut handle };
                    if logfusion_subscribe(m.text(u)?, level(u)?, callback, context, to) == OK {
                        HANDLES.with_borrow_mut(|handles| handles.push(handle));
                    }
                }
                Call::Unsubscribe => {
                    let known = HANDLES.with_borrow_mut(Vec::pop);
                    let handle = if u.ratio(1, 6)? { Some(u.arbitrary()?) } else { known };
                    let status = logfusion_unsubscribe(handle.unwrap_or(0), timeout(u)?);
                    if let Some(known) = known
                        && (status != OK || handle != Some(known))
                    {
                        HANDLES.with_borrow_mut(|handles| handles.push(known));
                    }
                }
                Call::Flush => _ = logfusion_flush(timeout(u)?),
                Call::Drain => _ = logfusion_drain(u.int_in_range(0..=2000)?),
                Call::SetThreadName => _ = logfusion_set_thread_name(m.text(u)?),
                Call::Stats => {
                    let mut stats = Box::new(Stats([0; 28]));
                    stats.0[0] = if u.arbitrary()? { size_of::<Stats>() as u64 } else { u.arbitrary()? };
                    let none = u.ratio(1, 16)?;
                    logfusion_stats(if none { ptr::null_mut() } else { &mut *stats });
                }
                Call::StatsThreads => {
                    let mut count = u.int_in_range(0..=4)?;
                    let mut out = vec![ThreadStats([0; 25]); count];
                    if let Some(first) = out.first_mut() {
                        first.0[0] = if u.ratio(3, 4)? { size_of::<ThreadStats>() as u64 } else { u.arbitrary()? };
                    }
                    let none = u.ratio(1, 16)?;
                    logfusion_stats_threads(if none { ptr::null_mut() } else { out.as_mut_ptr() }, &mut count);
                }
                Call::LastError => {
                    let mut buffer = vec![0u8; u.int_in_range(0..=300)?];
                    let none = u.ratio(1, 16)?;
                    let to = if none { ptr::null_mut() } else { buffer.as_mut_ptr().cast() };
                    logfusion_last_error(to, buffer.len());
                }
                Call::ClearLastError => logfusion_clear_last_error(),
                Call::Texts => {
                    assert!(!logfusion_status_text(u.arbitrary()?).is_null() && !logfusion_version().is_null());
                }
            }
        }
    }
    Ok(())
}
