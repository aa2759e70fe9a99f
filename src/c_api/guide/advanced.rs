//! "Advanced FFI patterns": what happens later. The connections have a file of their own.

use crate::c_api::boundary;
use crate::c_api::errors::{fail, no_memory};
use crate::c_api::status::Status;
use crate::callbacks::{Operation, OperationCallback};
use crate::engine;
use crate::os::HostGuard;
use crate::run_state::CALLERS;
use std::ffi::c_int;

/// See `logfusion_async_operation` in the header.
///
/// # Safety
///
/// `callback` is NULL or may be called once, on another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_async_operation(operation_id: c_int, callback: Option<OperationCallback>) -> c_int {
    const NAME: &str = "logfusion_async_operation";
    boundary(Status::Internal.code(), || {
        let _host = HostGuard::new();
        let Some(callback) = callback else {
            return fail(Status::Null, format_args!("{NAME}: callback is NULL"));
        };
        let Some(engine) = engine::start_if_possible() else { return no_memory(NAME) };
        if engine::STATE.get() == CALLERS {
            return fail(Status::Thread, format_args!("{NAME}: there is no thread that could call back"));
        }
        // SAFETY: the caller's promise.
        let operation = unsafe { Operation::new(operation_id, callback) };
        if engine.begin_operation(operation).is_err() {
            return fail(Status::Busy, format_args!("{NAME}: too many operations are under way"));
        }
        Status::Ok.code()
    })
}

plain_names! {
    async_operation = logfusion_async_operation(operation_id: c_int, callback: Option<OperationCallback>) -> c_int;
}
