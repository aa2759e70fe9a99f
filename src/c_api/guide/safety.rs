//! "Memory safety and FFI".

use crate::c_api::errors::fail;
use crate::c_api::log::push;
use crate::c_api::status::Status;
use crate::c_api::{boundary, marked_boundary, text};
use crate::engine;
use crate::lifecycle::lock_within;
use crate::os::HostGuard;
use crate::producers;
use crate::record::encode::{Field, Text, Value};
use crate::record::layout::{MAX_FIELDS, MAX_NAME};
use crate::sync::{Mutex, MutexGuard};
use smallvec::SmallVec;
use std::alloc::Layout;
use std::collections::HashMap;
use std::ffi::{c_char, c_int};
use std::sync::LazyLock;
use std::time::Duration;

const LOG: &str = "logfusion_safe_log_message";

/// See `logfusion_safe_log_message` in the header.
///
/// # Safety
///
/// - `target` and `message` are NULL or NUL-terminated strings.
/// - `keys` and `values` are NULL or point to `count` elements, each NULL or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_safe_log_message(
    level: c_int,
    target: *const c_char,
    message: *const c_char,
    keys: *const *const c_char,
    values: *const *const c_char,
    count: c_int,
) -> c_int {
    let refuse = |code: c_int, status: Status, reason: &str| {
        fail(status, format_args!("{LOG}: {reason}; nothing was logged"));
        code
    };
    marked_boundary(Status::Internal.code(), |mark| {
        if target.is_null() || message.is_null() {
            return refuse(-1, Status::Null, if target.is_null() { "target is NULL" } else { "message is NULL" });
        }
        let count = match usize::try_from(count) {
            Ok(count) if count <= text::MOST / size_of::<*const c_char>() => count,
            _ => return refuse(-2, Status::Size, "count is negative or too large"),
        };
        if count > 0 && (keys.is_null() || values.is_null()) {
            return refuse(-2, Status::Null, if keys.is_null() { "keys is NULL" } else { "values is NULL" });
        }
        let producer = producers::current(mark);
        let limit = producer.max_record();
        // SAFETY: not NULL, and the caller promises NUL-terminated strings.
        let (target, message) = unsafe { (text::terminated(target, MAX_NAME), text::terminated(message, limit)) };
        if !is_utf8(target) {
            return refuse(-3, Status::Utf8, "target is not UTF-8");
        }
        if !is_utf8(message) {
            return refuse(-4, Status::Utf8, "message is not UTF-8");
        }
        let mut fields = SmallVec::new();
        for index in 0..count {
            // SAFETY: neither is NULL, the caller promises `count` elements, and the size does not overflow. The pointers
            // may be misaligned.
            let pair = unsafe { (keys.add(index).read_unaligned(), values.add(index).read_unaligned()) };
            // SAFETY: the caller's promise for each pair.
            if let Err((status, reason)) = unsafe { add(&mut fields, pair, limit) } {
                fail(status, format_args!("{LOG}: pair {index} {reason}; it is left out"));
            }
        }
        let level = super::level(level);
        if engine::wants(level) {
            push(producer, level, target.bytes(), message, &mut fields, Status::Ok.code());
        }
        Status::Ok.code()
    })
}

/// Whether a text is UTF-8 as far as it was read: the cut may have split its last character.
fn is_utf8(text: Text<'_>) -> bool {
    match std::str::from_utf8(text.bytes()) {
        Ok(_) => true,
        Err(error) => text.is_cut() && error.error_len().is_none(),
    }
}

/// Adds a pair, or gives the key it has already another value.
///
/// # Safety
///
/// Both are NULL or NUL-terminated strings that live for `'a`.
unsafe fn add<'a>(
    fields: &mut SmallVec<[Field<'a>; MAX_FIELDS]>,
    (key, value): (*const c_char, *const c_char),
    limit: usize,
) -> Result<(), (Status, &'static str)> {
    if key.is_null() || value.is_null() {
        return Err((Status::Null, if key.is_null() { "has a NULL key" } else { "has a NULL value" }));
    }
    // SAFETY: neither is NULL, and the caller promises NUL-terminated strings.
    let (key, value) = unsafe { (text::terminated(key, MAX_NAME), text::terminated(value, limit)) };
    if !is_utf8(key) {
        return Err((Status::Utf8, "has a key that is not UTF-8"));
    }
    let (name, value) = (key.bytes(), Value::Text(value));
    match fields.iter().position(|field| field.name == name) {
        Some(place) => fields[place].value = value,
        None if fields.len() < MAX_FIELDS => fields.push(Field { name, value }),
        None => return Err((Status::Size, "is past the 32nd field")),
    }
    Ok(())
}

/// The largest buffer.
const MOST: c_int = 1 << 20;

/// The buffers that are out: address and size.
static LIVE: LazyLock<Mutex<HashMap<usize, usize>>> = LazyLock::new(Mutex::default);

/// Locks the list. It is held for moments only; in a child that was forked in such a moment it stays locked, and then the
/// functions fail.
fn live() -> Option<MutexGuard<'static, HashMap<usize, usize>>> {
    lock_within(&LIVE, Some(Duration::from_secs(1)))
}

fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size, align_of::<usize>()).ok()
}

/// See `logfusion_allocate_log_buffer` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_allocate_log_buffer(size: c_int) -> *mut c_char {
    const NAME: &str = "logfusion_allocate_log_buffer";
    boundary(std::ptr::null_mut(), || {
        let _host = HostGuard::new();
        let null = |status, reason: &str| {
            fail(status, format_args!("{NAME}: {reason}"));
            std::ptr::null_mut()
        };
        if !(1..=MOST).contains(&size) {
            return null(Status::Size, "size is not 1 to 1,048,576");
        }
        let (Some(layout), Some(mut live)) = (layout(size as usize), live()) else {
            return null(Status::Busy, "the list of buffers is locked");
        };
        // SAFETY: the size is not 0.
        let buffer = unsafe { std::alloc::alloc_zeroed(layout) };
        if buffer.is_null() {
            return null(Status::Memory, "there is no memory");
        }
        live.insert(buffer.addr(), size as usize);
        buffer.cast()
    })
}

/// See `logfusion_free_log_buffer` in the header.
///
/// # Safety
///
/// A buffer of [`logfusion_allocate_log_buffer`] is not used any more. Any other pointer is only compared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_free_log_buffer(buffer: *mut c_char, size: c_int) {
    const NAME: &str = "logfusion_free_log_buffer";
    boundary((), || {
        let _host = HostGuard::new();
        if buffer.is_null() {
            fail(Status::Null, format_args!("{NAME}: the buffer is NULL"));
            return;
        }
        let Some(mut live) = live() else {
            fail(Status::Busy, format_args!("{NAME}: the list of buffers is locked; nothing was freed"));
            return;
        };
        match live.get(&buffer.addr()).copied() {
            None => {
                fail(Status::Unknown, format_args!("{NAME}: no buffer of ours, or freed already; nothing was freed"));
            }
            Some(right) if usize::try_from(size) != Ok(right) => {
                fail(Status::Size, format_args!("{NAME}: size is {size}, not {right}; nothing was freed"));
            }
            Some(right) => {
                live.remove(&buffer.addr());
                drop(live);
                if let Some(layout) = layout(right) {
                    // SAFETY: the list had it, so it was allocated with this layout and not freed.
                    unsafe { std::alloc::dealloc(buffer.cast(), layout) };
                }
            }
        }
    });
}

plain_names! {
    safe_log_message = logfusion_safe_log_message(
        level: c_int, target: *const c_char, message: *const c_char,
        keys: *const *const c_char, values: *const *const c_char, count: c_int,
    ) -> c_int;
    allocate_log_buffer = logfusion_allocate_log_buffer(size: c_int) -> *mut c_char;
    free_log_buffer = logfusion_free_log_buffer(buffer: *mut c_char, size: c_int);
}
