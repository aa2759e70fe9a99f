//! "FFI logging basics".

records! {
    logfusion_log_info = log_info(message: text) => INFO "ffi" (message) {}, quick;
    logfusion_log_warning = log_warning(message: text) => WARN "ffi" (message) {}, quick;
    logfusion_log_error = log_error(message: text, error_code: int)
        => ERROR "ffi" (message) { error_code = error_code };
}
