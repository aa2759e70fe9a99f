//! The C API: checks and conversions, and nothing else.
//!
//! Every function of `include/logfusion.h` is here under its C name. It looks at its arguments, calls a safe function of
//! the engine and turns the result into a status. The header is the manual; what it promises is not repeated.
//!
//! One panic boundary serves all entries: `boundary`. A panic that reaches it is a defect of the engine; it costs the
//! call, sets the last error, and goes no further.

mod backtrace;
mod batch;
mod callbacks;
mod crash;
mod errors;
mod filter;
mod guide;
mod lifecycle;
mod log;
mod quick;
mod reserve;
mod sites;
mod spans;
mod stats;
mod status;
mod text;

pub use crate::callbacks::{CField, CRecord, Callback};
pub use backtrace::*;
pub use batch::*;
pub use callbacks::*;
pub use crash::logfusion_install_crash_handler;
pub use errors::{logfusion_clear_last_error, logfusion_last_error};
pub use filter::*;
pub use guide::*;
pub use lifecycle::*;
pub(crate) use log::push_plain;
pub use log::{logfusion_log, logfusion_log_fields, logfusion_log_n};
pub use reserve::*;
pub use sites::*;
pub use spans::*;
pub use stats::*;
pub use status::*;
pub(crate) use text::terminated;

use crate::ring::Mark;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Calls `f`; a panic in it becomes `otherwise` and the last error.
#[inline(always)]
fn boundary<R>(otherwise: R, f: impl FnOnce() -> R) -> R {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result,
        Err(_) => panicked(otherwise),
    }
}

/// As [`boundary`], for an entry that pushes: it tells `f`, whose frame may be large, where on the stack that entry is.
#[inline(always)]
fn marked_boundary<R>(otherwise: R, f: impl FnOnce(Mark) -> R) -> R {
    #[inline(never)]
    fn in_its_own_frame<R>(f: impl FnOnce(Mark) -> R, mark: Mark) -> R {
        f(mark)
    }
    let mark = Mark::here();
    boundary(otherwise, || in_its_own_frame(f, mark))
}

#[cold]
fn panicked<R>(otherwise: R) -> R {
    // Even the last error must not be able to unwind.
    _ = catch_unwind(|| errors::set(format_args!("the engine panicked; this is a defect of logfusion")));
    otherwise
}

/// A timeout of the API: `None` waits without limit.
fn timeout(milliseconds: c_int) -> Option<Duration> {
    u64::try_from(milliseconds).ok().map(Duration::from_millis)
}
