//! Start, stop, flush, and the settings.

use super::errors::{fail, no_memory, set};
use super::status::Status;
use super::{boundary, text, timeout};
use crate::callbacks;
use crate::config::{Clock, Config, DrainMode, Overflow};
use crate::drain::FlushError;
use crate::engine::{self, Engine, STATE};
use crate::lifecycle::{StartError, Started};
use crate::memory;
use crate::os::HostGuard;
use crate::output::{Color, Destination, Directives, Format, OutputConfig};
use crate::producers;
use crate::run_state::STOPPED;
use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// `logfusion_config`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct CConfig {
    pub size: usize,
    pub filter: *const c_char,
    pub output: *const c_char,
    pub drain_name: *const c_char,
    pub rotate_bytes: u64,
    pub keep_files: usize,
    pub ring_bytes: usize,
    pub rings_max_bytes: usize,
    pub format: c_int,
    pub color: c_int,
    pub rotate: c_int,
    pub overflow: c_int,
    pub block_ms: c_int,
    pub idle_us: c_int,
    pub wake_on_half_full: c_int,
    pub wake_on_error: c_int,
    pub drain: c_int,
    pub drain_pinned: c_int,
    pub drain_cpu: c_int,
    pub drain_priority: c_int,
    pub global_default: c_int,
    pub clock: c_int,
    pub span_close: c_int,
}

const _: () = {
    use std::mem::offset_of;
    if size_of::<usize>() == 8 {
        assert!(size_of::<CConfig>() == 128 && offset_of!(CConfig, rotate_bytes) == 32);
        assert!(offset_of!(CConfig, format) == 64 && offset_of!(CConfig, wake_on_half_full) == 88);
        assert!(offset_of!(CConfig, drain_pinned) == 100 && offset_of!(CConfig, span_close) == 120);
    }
};

/// See `logfusion_init` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_init() -> c_int {
    boundary(Status::Internal.code(), || {
        let _errno = HostGuard::new();
        let Some(engine) = startable() else { return no_memory("logfusion_init") };
        started(engine.start_explicitly(None))
    })
}

/// See `logfusion_init_with` in the header.
///
/// # Safety
///
/// `config` is NULL or points to a readable `logfusion_config` whose `size` is set, with NULL or NUL-terminated strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_init_with(config: *const CConfig) -> c_int {
    const NAME: &str = "logfusion_init_with";
    boundary(Status::Internal.code(), || {
        let _errno = HostGuard::new();
        if config.is_null() {
            return fail(Status::Null, format_args!("{NAME}: config is NULL"));
        }
        // SAFETY: not NULL, and the caller set `size`, the first member.
        let size = unsafe { config.cast::<usize>().read_unaligned() };
        if size != size_of::<CConfig>() {
            let right = size_of::<CConfig>();
            return fail(Status::Size, format_args!("{NAME}: config->size is {size}, not {right}"));
        }
        let Some(engine) = startable() else { return no_memory(NAME) };
        // SAFETY: the struct has the size of ours, and every bit pattern is a value of its members.
        let config = unsafe { config.read_unaligned() };
        // SAFETY: the caller's promise about the strings.
        match unsafe { settings(&config) } {
            Ok(config) => started(engine.start_explicitly(Some(config))),
            Err(status) => status,
        }
    })
}

/// The engine, if it runs or there is memory for a start.
fn startable() -> Option<&'static Engine> {
    engine::if_possible().filter(|_| STATE.get() != STOPPED || memory::is_there(memory::OF_A_START))
}

fn started(started: Started) -> c_int {
    match started {
        Started::Running => Status::Ok.code(),
        Started::WithOthers => {
            fail(Status::Running, format_args!("the engine runs with other settings; logfusion_shutdown comes first"))
        }
        Started::WithTrouble(trouble) => {
            let status = match trouble {
                StartError::Output(..) => Status::Output,
                StartError::Thread(..) => Status::Thread,
            };
            fail(status, format_args!("{trouble}"))
        }
    }
}

/// Reads the settings; a value that is out of its range sets the last error.
///
/// # Safety
///
/// The strings are NULL or NUL-terminated.
unsafe fn settings(c: &CConfig) -> Result<Config, c_int> {
    const NAME: &str = "logfusion_init_with";
    let invalid = |member: &str, value: i128, range: &str| {
        fail(Status::Invalid, format_args!("{NAME}: {member} is {value}; allowed: {range}"))
    };
    let within = |member: &str, value: i128, least: i128, most: i128| {
        let is_within = (least..=most).contains(&value);
        if is_within { Ok(()) } else { Err(invalid(member, value, &format!("{least} to {most}"))) }
    };
    let switch = |member: &str, value: c_int, default: bool| match value {
        0 => Ok(default),
        1 => Ok(true),
        2 => Ok(false),
        _ => Err(invalid(member, value.into(), "0 (default), 1 (yes), 2 (no)")),
    };
    let mut config = Config::default();
    if !c.filter.is_null() {
        // SAFETY: the caller's promise.
        let filter = unsafe { text::utf8(NAME, "filter", c.filter) }?;
        if !filter.is_empty() {
            Directives::parse(filter).map_err(|error| fail(Status::Filter, format_args!("{NAME}: filter: {error}")))?;
            config.filter = filter.to_owned();
        }
    }
    if !c.drain_name.is_null() {
        // SAFETY: the caller's promise.
        let name = text::cut(unsafe { text::utf8(NAME, "drain_name", c.drain_name) }?, 15);
        if !name.is_empty() {
            config.drain_name = name.to_owned();
        }
    }
    if c.rotate_bytes > 0 {
        within("rotate_bytes", c.rotate_bytes.into(), 4096, u64::MAX.into())?;
    }
    within("keep_files", c.keep_files as i128, 0, 1000)?;
    within("rotate", c.rotate.into(), 0, 1)?;
    config.output = OutputConfig {
        // SAFETY: the caller's promise.
        destination: unsafe { destination(c.output) },
        format: match c.format {
            0 => Format::Text,
            1 => Format::Logfmt,
            2 => Format::Json,
            other => return Err(invalid("format", other.into(), "0 (text), 1 (logfmt), 2 (json)")),
        },
        color: match c.color {
            0 => Color::Auto,
            1 => Color::Never,
            2 => Color::Always,
            other => return Err(invalid("color", other.into(), "0 (auto), 1 (never), 2 (always)")),
        },
        rotate_bytes: c.rotate_bytes,
        rotate_daily: c.rotate == 1,
        keep_files: if c.keep_files == 0 { config.output.keep_files } else { c.keep_files as u32 },
        span_close: switch("span_close", c.span_close, false)?,
    };
    if c.ring_bytes > 0 {
        within("ring_bytes", c.ring_bytes as i128, 4096, 1 << 30)?;
        config.ring_bytes = c.ring_bytes.next_power_of_two();
    }
    if c.rings_max_bytes > 0 {
        config.rings_max_bytes = c.rings_max_bytes;
    }
    within("rings_max_bytes", config.rings_max_bytes as i128, config.ring_bytes as i128, i128::MAX)?;
    config.overflow = match (c.overflow, c.block_ms) {
        (0, _) => Overflow::Drop,
        (1, 0) => Overflow::Block(Duration::from_secs(1)),
        (1, limit) => Overflow::Block(timeout(limit).unwrap_or(Duration::MAX)),
        (other, _) => return Err(invalid("overflow", other.into(), "0 (drop), 1 (block)")),
    };
    if c.idle_us != 0 {
        within("idle_us", c.idle_us.into(), 50, 1_000_000)?;
        config.idle = Duration::from_micros(c.idle_us as u64);
    }
    config.wake_on_half_full = switch("wake_on_half_full", c.wake_on_half_full, true)?;
    config.wake_on_error = switch("wake_on_error", c.wake_on_error, false)?;
    config.set_global_default = switch("global_default", c.global_default, true)?;
    config.drain = match c.drain {
        0 => DrainMode::Thread,
        1 => DrainMode::Manual,
        other => return Err(invalid("drain", other.into(), "0 (thread), 1 (manual)")),
    };
    if switch("drain_pinned", c.drain_pinned, false)? {
        within("drain_cpu", c.drain_cpu.into(), 0, 1023)?;
        config.drain_cpu = Some(c.drain_cpu as usize);
    } else {
        within("drain_cpu (without drain_pinned)", c.drain_cpu.into(), 0, 0)?;
    }
    within("drain_priority", c.drain_priority.into(), -20, 19)?;
    config.drain_nice = c.drain_priority;
    config.clock = match c.clock {
        0 => Clock::Counter,
        1 => Clock::Coarse,
        other => return Err(invalid("clock", other.into(), "0 (tsc), 1 (coarse)")),
    };
    Ok(config)
}

/// "stderr", "stdout", "none", or a path.
///
/// # Safety
///
/// `output` is NULL or NUL-terminated.
unsafe fn destination(output: *const c_char) -> Destination {
    if output.is_null() {
        return Destination::Stderr;
    }
    // SAFETY: not NULL, and the caller promises the NUL.
    match unsafe { CStr::from_ptr(output) }.to_bytes() {
        b"" | b"stderr" => Destination::Stderr,
        b"stdout" => Destination::Stdout,
        b"none" => Destination::None,
        path => Destination::File(OsStr::from_bytes(path).into()),
    }
}

/// See `logfusion_shutdown` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_shutdown() {
    boundary((), || {
        let _errno = HostGuard::new();
        if producers::is_delivering() || callbacks::is_inside() {
            set(format_args!("logfusion_shutdown: a callback can't stop the engine; nothing was done"));
        } else {
            // Where there is no memory for an engine, there is none to stop.
            if let Some(engine) = engine::if_possible() {
                engine.shut_down();
            }
        }
    });
}

/// See `logfusion_flush` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_flush(timeout_ms: c_int) -> c_int {
    boundary(Status::Internal.code(), || {
        let _errno = HostGuard::new();
        let Some(engine) = engine::if_possible() else { return no_memory("logfusion_flush") };
        let Err(error) = engine.flush(timeout(timeout_ms)) else { return Status::Ok.code() };
        let status = match error {
            FlushError::Timeout => Status::Timeout,
            FlushError::InCallback => Status::InCallback,
            FlushError::Output => Status::Output,
        };
        fail(status, format_args!("logfusion_flush: {error}"))
    })
}

/// See `logfusion_drain` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_drain(budget_us: u64) -> i64 {
    const NAME: &str = "logfusion_drain";
    boundary(Status::Internal.code().into(), || {
        let _errno = HostGuard::new();
        if producers::is_delivering() || callbacks::is_inside() {
            return fail(Status::InCallback, format_args!("{NAME}: a callback can't drain")).into();
        }
        let Some(engine) = engine::start_if_possible() else { return no_memory(NAME).into() };
        if engine.settings().drain == DrainMode::Thread {
            return fail(Status::Mode, format_args!("{NAME}: the drain thread delivers; see logfusion_config.drain"))
                .into();
        }
        let budget = (budget_us < u64::MAX).then(|| Duration::from_micros(budget_us));
        match engine.drain_here(budget) {
            Some(taken) => taken as i64,
            None => fail(Status::Busy, format_args!("{NAME}: another thread delivers at the moment")).into(),
        }
    })
}

/// See `logfusion_set_thread_name` in the header.
///
/// # Safety
///
/// `name` is NULL or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_set_thread_name(name: *const c_char) -> c_int {
    const NAME: &str = "logfusion_set_thread_name";
    boundary(Status::Internal.code(), || {
        let _errno = HostGuard::new();
        // SAFETY: the caller's promise.
        let name = match unsafe { text::utf8(NAME, "name", name) } {
            Ok(name) => text::cut(name, 31),
            Err(status) => return status,
        };
        if producers::set_thread_name(name) {
            Status::Ok.code()
        } else {
            fail(Status::Memory, format_args!("{NAME}: there is no memory for the thread's ring"))
        }
    })
}
