//! Backtraces.

use super::errors::{fail, no_memory};
use super::status::Status;
use super::{boundary, text};
use crate::backtrace::{MOST_RECORDS, REQUESTS};
use crate::engine;
use crate::os::HostGuard;
use std::ffi::{c_char, c_int};

/// See `logfusion_backtrace` in the header.
///
/// # Safety
///
/// `target` is NULL or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_backtrace(target: *const c_char, records: usize) -> c_int {
    const NAME: &str = "logfusion_backtrace";
    boundary(Status::Internal.code(), || {
        let _host = HostGuard::new();
        // SAFETY: the caller's promise.
        let target = match unsafe { text::utf8(NAME, "target", target) } {
            Ok(target) => target,
            Err(status) => return status,
        };
        if records > MOST_RECORDS {
            return fail(Status::Invalid, format_args!("{NAME}: records is {records}, more than {MOST_RECORDS}"));
        }
        let Some(engine) = engine::started_with_memory() else { return no_memory(NAME) };
        REQUESTS.set(target, records);
        engine.publish_gate();
        Status::Ok.code()
    })
}

/// See `logfusion_backtrace_flush` in the header.
///
/// # Safety
///
/// `target` is NULL or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_backtrace_flush(target: *const c_char) -> c_int {
    const NAME: &str = "logfusion_backtrace_flush";
    boundary(Status::Internal.code(), || {
        let _host = HostGuard::new();
        // SAFETY: the caller's promise.
        let target = match unsafe { text::utf8(NAME, "target", target) } {
            Ok(target) => target,
            Err(status) => return status,
        };
        let Some(engine) = engine::started_with_memory() else { return no_memory(NAME) };
        REQUESTS.flush(target);
        engine.wake();
        Status::Ok.code()
    })
}
