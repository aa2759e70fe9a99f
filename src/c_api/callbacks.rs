//! Subscriptions.

use super::errors::{fail, no_memory};
use super::status::Status;
use super::{boundary, text, timeout};
use crate::callbacks::{Callback, REGISTRY, Unsubscribed};
use crate::engine;
use crate::os::HostGuard;
use std::ffi::{c_char, c_int, c_void};

/// See `logfusion_subscribe` in the header.
///
/// # Safety
///
/// - `target` is NULL or a NUL-terminated string.
/// - `callback` is NULL or may be called with `context` from any thread, until the subscription has ended.
/// - `handle` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_subscribe(
    target: *const c_char,
    max_level: c_int,
    callback: Option<Callback>,
    context: *mut c_void,
    handle: *mut u64,
) -> c_int {
    const NAME: &str = "logfusion_subscribe";
    boundary(Status::Internal.code(), || {
        if handle.is_null() {
            return fail(Status::Null, format_args!("{NAME}: handle is NULL"));
        }
        // SAFETY: not NULL, and the caller promises that it is writable.
        unsafe { handle.write_unaligned(0) };
        // SAFETY: the caller's promise.
        let target = match unsafe { text::utf8(NAME, "target", target) } {
            Ok(target) => target,
            Err(status) => return status,
        };
        let Some(callback) = callback else {
            return fail(Status::Null, format_args!("{NAME}: callback is NULL"));
        };
        if !(1..=5).contains(&max_level) {
            return fail(Status::Invalid, format_args!("{NAME}: {max_level} is not a level (1 to 5)"));
        }
        let Some(engine) = engine::with_memory() else { return no_memory(NAME) };
        // SAFETY: the caller's promise about `callback` and `context`.
        let number = unsafe { REGISTRY.subscribe(target, max_level as u32, callback, context) };
        engine.publish_gate();
        // SAFETY: as above.
        unsafe { handle.write_unaligned(number) };
        Status::Ok.code()
    })
}

/// See `logfusion_unsubscribe` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_unsubscribe(handle: u64, timeout_ms: c_int) -> c_int {
    const NAME: &str = "logfusion_unsubscribe";
    boundary(Status::Internal.code(), || {
        let _host = HostGuard::new();
        let Some(engine) = engine::with_memory() else { return no_memory(NAME) };
        let ended = REGISTRY.unsubscribe(handle, timeout(timeout_ms));
        engine.publish_gate();
        match ended {
            Unsubscribed::Done => Status::Ok.code(),
            Unsubscribed::Busy => {
                let text =
                    format_args!("{NAME}: the callback still runs after {timeout_ms} ms; it will not start again");
                fail(Status::Busy, text)
            }
            Unsubscribed::Unknown => fail(Status::Unknown, format_args!("{NAME}: there is no subscription {handle}")),
        }
    })
}

/// See `logfusion_in_callback` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_in_callback() -> c_int {
    boundary(0, || c_int::from(crate::callbacks::is_inside()))
}
