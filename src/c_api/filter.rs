//! The filter.

use super::boundary;
use super::errors::{fail, no_memory};
use super::status::Status;
use super::text;
use crate::callbacks::REGISTRY;
use crate::engine::{self, Sink};
use crate::output::Directives;
use crate::sites;
use std::ffi::{c_char, c_int};

/// See `logfusion_enabled` in the header.
///
/// # Safety
///
/// `target` is NULL or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_enabled(level: c_int, target: *const c_char) -> c_int {
    const NAME: &str = "logfusion_enabled";
    boundary(0, || {
        if target.is_null() || !(1..=5).contains(&level) {
            fail(Status::Invalid, format_args!("{NAME}: target is NULL, or level {level} is not 1 to 5"));
            return 0;
        }
        let level = level as u32;
        let Some(engine) = engine::running() else { return 0 };
        if !engine::wants(level) {
            return 0;
        }
        // SAFETY: not NULL, and the caller promises a NUL-terminated string.
        let target = String::from_utf8_lossy(unsafe { text::name(target) });
        let to_output = match engine.sink() {
            Sink::Own => engine.filter.enabled(&sites::level(level), &target),
            Sink::Host => sites::level(level) <= tracing_core::LevelFilter::current(),
            Sink::None => false,
        };
        c_int::from(to_output || !REGISTRY.matching(level, &target).is_empty())
    })
}

/// See `logfusion_set_filter` in the header.
///
/// # Safety
///
/// `directives` is NULL or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_set_filter(directives: *const c_char) -> c_int {
    const NAME: &str = "logfusion_set_filter";
    boundary(Status::Internal.code(), || {
        // SAFETY: the caller's promise.
        let text = match unsafe { text::utf8(NAME, "directives", directives) } {
            Ok(text) => text,
            Err(status) => return status,
        };
        let Some(engine) = engine::with_memory() else { return no_memory(NAME) };
        match Directives::parse(text) {
            Err(error) => fail(Status::Filter, format_args!("{NAME}: {error}")),
            Ok(directives) => {
                if !engine.start_automatically() {
                    return no_memory(NAME);
                }
                engine.filter.set(directives);
                engine.publish_gate();
                Status::Ok.code()
            }
        }
    })
}
