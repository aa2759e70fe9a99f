//! "Error handling across FFI".

use crate::c_api::boundary;
use crate::c_api::errors::{clear, copy, fail, with_last};
use crate::c_api::status::Status;
use std::ffi::{CStr, c_char, c_int};

/// See `logfusion_get_last_error` in the header.
///
/// # Safety
///
/// `buffer` is NULL or points to `buffer_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_get_last_error(buffer: *mut c_char, buffer_size: c_int) -> c_int {
    const NAME: &str = "logfusion_get_last_error";
    boundary(-1, || {
        if buffer.is_null() || buffer_size <= 0 {
            // The error that was asked for is worth more than one about the question.
            if with_last(str::is_empty) {
                fail(Status::Null, format_args!("{NAME}: buffer is NULL, or buffer_size {buffer_size} below 1"));
            }
            return -1;
        }
        // SAFETY: the size is positive, and the caller promises so many bytes.
        with_last(|text| unsafe { copy(text, buffer, buffer_size as usize) }) as c_int
    })
}

/// See `logfusion_process_data_with_error_handling` in the header.
///
/// # Safety
///
/// - `input` is NULL or a NUL-terminated string.
/// - `output` is NULL or points to `output_size` writable bytes; it may overlap `input`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_process_data_with_error_handling(
    input: *const c_char,
    output: *mut c_char,
    output_size: c_int,
) -> c_int {
    const NAME: &str = "logfusion_process_data_with_error_handling";
    const PREFIX: &[u8] = b"processed: ";
    boundary(Status::Internal.code(), || {
        if input.is_null() {
            fail(Status::Null, format_args!("{NAME}: input is NULL"));
            return -1;
        }
        if output.is_null() || output_size <= 0 {
            fail(Status::Null, format_args!("{NAME}: output is NULL, or output_size {output_size} below 1"));
            return -2;
        }
        let len = {
            // SAFETY: not NULL, and the caller promises a NUL-terminated string; it is not written to in this block.
            let text = unsafe { CStr::from_ptr(input) };
            if let Err(error) = text.to_str() {
                fail(Status::Utf8, format_args!("{NAME}: input is not UTF-8: {error}"));
                return -3;
            }
            text.count_bytes()
        };
        let whole = PREFIX.len() + len;
        if whole >= output_size as usize {
            fail(Status::Size, format_args!("{NAME}: {} bytes do not fit in {output_size}", whole + 1));
            return -4;
        }
        // SAFETY: the input has `len` bytes and a NUL, the output room for the prefix and all of them. They may overlap,
        // so the input is moved first.
        unsafe {
            output.add(PREFIX.len()).copy_from(input, len);
            output.copy_from_nonoverlapping(PREFIX.as_ptr().cast(), PREFIX.len());
            output.add(whole).write(0);
        }
        clear();
        whole as c_int
    })
}

/// See `logfusion_safe_ffi_function` in the header.
///
/// # Safety
///
/// None: the pointer is only compared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_safe_ffi_function(pointer: *const c_char) -> c_int {
    boundary(-1, || {
        if pointer.is_null() {
            return fail(Status::Null, format_args!("logfusion_safe_ffi_function: the pointer is NULL"));
        }
        0
    })
}

#[cfg(feature = "plain-names")]
use crate::c_api::logfusion_clear_last_error;

plain_names! {
    get_last_error = logfusion_get_last_error(buffer: *mut c_char, buffer_size: c_int) -> c_int;
    clear_last_error = logfusion_clear_last_error();
    process_data_with_error_handling = logfusion_process_data_with_error_handling(
        input: *const c_char, output: *mut c_char, output_size: c_int,
    ) -> c_int;
    safe_ffi_function = logfusion_safe_ffi_function(pointer: *const c_char) -> c_int;
}
