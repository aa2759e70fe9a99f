//! "Callback registration".

use crate::c_api::errors::{fail, no_memory};
use crate::c_api::log::push_called;
use crate::c_api::status::Status;
use crate::c_api::{boundary, marked_boundary, text};
use crate::callbacks::{self, REGISTRY, Text, TextCallback};
use crate::engine;
use crate::os::HostGuard;
use crate::producers;
use crate::record::decode::RawText;
use crate::record::layout::MAX_NAME;
use crate::sync::Ordering;
use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Whatever is wrong with an argument of these functions.
const BAD: c_int = -1;

/// See `logfusion_register_log_callback` in the header.
///
/// # Safety
///
/// - `target` is NULL or a NUL-terminated string.
/// - `callback` is NULL or may be called with `context` on any thread, until it is unregistered or replaced.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_register_log_callback(
    target: *const c_char,
    callback: Option<TextCallback>,
    context: *mut c_void,
) -> c_int {
    const NAME: &str = "logfusion_register_log_callback";
    boundary(BAD, || {
        let _host = HostGuard::new();
        // SAFETY: the caller's promise.
        let Ok(target) = (unsafe { text::utf8(NAME, "target", target) }) else { return BAD };
        if target.is_empty() {
            fail(Status::Invalid, format_args!("{NAME}: target is empty"));
            return BAD;
        }
        let Some(callback) = callback else {
            fail(Status::Null, format_args!("{NAME}: callback is NULL"));
            return BAD;
        };
        let Some(engine) = engine::started_with_memory() else {
            no_memory(NAME);
            return BAD;
        };
        // SAFETY: the caller's promise about `callback` and `context`.
        unsafe { REGISTRY.set_text(target, callback, context) };
        engine.publish_gate();
        0
    })
}

/// See `logfusion_unregister_log_callback` in the header.
///
/// # Safety
///
/// `target` is NULL or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_unregister_log_callback(target: *const c_char) -> c_int {
    const NAME: &str = "logfusion_unregister_log_callback";
    boundary(BAD, || {
        let _host = HostGuard::new();
        // SAFETY: the caller's promise.
        let Ok(target) = (unsafe { text::utf8(NAME, "target", target) }) else { return BAD };
        if !REGISTRY.remove_text(target) {
            fail(Status::Unknown, format_args!("{NAME}: no callback is registered for {target:?}"));
            return BAD;
        }
        if let Some(engine) = engine::if_possible() {
            engine.publish_gate();
        }
        0
    })
}

/// See `logfusion_log_with_callback` in the header.
///
/// # Safety
///
/// `target` and `message` are NULL or NUL-terminated strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_log_with_callback(level: c_int, target: *const c_char, message: *const c_char) {
    marked_boundary((), |mark| {
        if target.is_null() || message.is_null() {
            let which = if target.is_null() { "target" } else { "message" };
            fail(Status::Null, format_args!("logfusion_log_with_callback: {which} is NULL; nothing was logged"));
            return;
        }
        let level = super::level(level);
        let producer = producers::current(mark);
        // SAFETY: not NULL, and the caller promises NUL-terminated strings.
        let (given_target, given_message) =
            unsafe { (text::terminated(target, MAX_NAME), text::terminated(message, producer.max_record())) };
        if engine::wants(level) {
            push_called(producer, level, given_target.bytes(), given_message);
        }
        if callbacks::is_inside() {
            return;
        }
        // SAFETY: the texts were read from these strings.
        let (target, message) = unsafe { (shown(target, given_target), shown(message, given_message)) };
        let calls = REGISTRY.matching_texts(level, target.as_str());
        if calls.is_empty() {
            return;
        }
        let _host = HostGuard::new();
        let (target, message) = (target.to_c(), message.to_c());
        for registration in &calls {
            let called = catch_unwind(AssertUnwindSafe(|| registration.call_text(level, &target, &message)));
            if called.is_err() {
                engine::current().totals.callbacks_failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
}

/// A text of the caller's as a callback is shown it.
///
/// # Safety
///
/// `text` was read from `pointer`, a NUL-terminated string that lives for `'a`.
unsafe fn shown<'a>(pointer: *const c_char, text: crate::record::encode::Text<'a>) -> Text<'a> {
    let (bytes, full) = (text.bytes(), text.full() as u64);
    let terminated = if text.is_cut() {
        &[]
    } else {
        // SAFETY: the text is whole, so its NUL follows its bytes.
        unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), bytes.len() + 1) }
    };
    Text::new(RawText { bytes, full, terminated })
}

plain_names! {
    register_log_callback = logfusion_register_log_callback(
        target: *const c_char, callback: Option<TextCallback>, context: *mut c_void,
    ) -> c_int;
    unregister_log_callback = logfusion_unregister_log_callback(target: *const c_char) -> c_int;
    log_with_callback = logfusion_log_with_callback(level: c_int, target: *const c_char, message: *const c_char);
}
