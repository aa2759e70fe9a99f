//! **logfusion**: a lock-free logging engine that is called across language boundaries.
//!
//! A C call copies a record into a ring of the calling thread and returns, in little more than the time of reading the
//! clock. One drain thread reads all rings in the order of time, turns each record into a
//! [`tracing`](https://docs.rs/tracing) event, and hands it to the subscriber and to callbacks registered from C.
//!
//! C and C++ programs use `include/logfusion.h`, which is their manual. A Rust program that links this crate gets the
//! records of its C parts as ordinary events in its own subscriber, with nothing to set up; a layer finds a record's own
//! time and thread through [`delivery`]. Its own statements may be tracing's macros or the ones [below](#macros), which are the same
//! and do more: see [`info!`] and, for functions that C calls, [`ffi_info!`].
//!
//! ```
//! # use std::ffi::c_int;
//! use logfusion::{ffi_warn, info, instrument};
//!
//! #[instrument]
//! fn load(level: &str) {
//!     info!(bytes = 4096, "loaded");
//! }
//!
//! extern "C" fn on_error(code: c_int) {
//!     ffi_warn!(target: "game::audio", code, "the device is gone");
//! }
//! # load("one");
//! # on_error(3);
//! ```
//!
//! # The flow
//!
//! The modules are declared in the order in which a record passes through them:
//!
//! ```text
//!  c_api ─▶ record::encode ─▶ ring::Producer ══▶ ring::Consumer ─▶ record::decode ─▶ event ─▶ dispatch ─▶ output
//!  check     bytes, no alloc   wait-free          merged by time    untrusted bytes   callsite      └───▶ callbacks
//! ```
//!
//! [`docs`] tells how it works, what it costs and where it ends.
//!
//! Under the private cfg `logfusion_loom` only the protocols are built, on loom's atomics: see `loom-tests`.
#![deny(unsafe_code)]

#[cfg(not(logfusion_loom))]
mod backtrace;
#[allow(unsafe_code, reason = "arguments are C pointers, and C names are exported")]
#[cfg(not(logfusion_loom))]
#[doc(hidden)]
pub mod c_api;
#[allow(unsafe_code, reason = "C callbacks are called here")]
#[cfg(not(logfusion_loom))]
mod callbacks;
#[allow(unsafe_code, reason = "a signal handler reads the rings of all threads")]
#[cfg(not(logfusion_loom))]
mod crash;
#[cfg(not(logfusion_loom))]
pub mod delivery;
#[cfg(not(logfusion_loom))]
mod dispatch;
#[allow(unsafe_code, reason = "a ring's only consumer is made here")]
#[cfg(not(logfusion_loom))]
mod drain;
#[allow(unsafe_code, reason = "the engine is leaked, and replaced in a forked child")]
#[cfg(not(logfusion_loom))]
mod engine;
#[cfg(not(logfusion_loom))]
mod event;
#[cfg(not(logfusion_loom))]
mod last_errors;
#[cfg(not(logfusion_loom))]
mod lifecycle;
#[cfg(not(logfusion_loom))]
mod output;
#[allow(unsafe_code, reason = "a thread finds its ring through a raw pointer")]
#[cfg(not(logfusion_loom))]
mod producers;
#[cfg(not(logfusion_loom))]
mod rate;
#[doc(hidden)]
pub mod record;
#[allow(unsafe_code, reason = "two threads share the ring's memory")]
#[doc(hidden)]
pub mod ring;
#[doc(hidden)]
pub mod run_state;
#[cfg(not(logfusion_loom))]
mod sites;
#[cfg(not(logfusion_loom))]
mod spans;
#[allow(unsafe_code, reason = "the words of sites lie in memory of the program")]
#[cfg(not(logfusion_loom))]
mod static_sites;
#[cfg(not(logfusion_loom))]
mod stats;
#[cfg(not(logfusion_loom))]
mod template;

#[cfg(not(logfusion_loom))]
mod clock;
#[cfg(not(logfusion_loom))]
mod config;
#[cfg(not(logfusion_loom))]
pub mod docs;
#[allow(unsafe_code, reason = "raw system calls")]
#[cfg(not(logfusion_loom))]
mod os;
#[doc(hidden)]
pub mod sync;

#[allow(unsafe_code, reason = "the text of C is read")]
#[cfg(not(logfusion_loom))]
mod c_text;
#[cfg(not(logfusion_loom))]
#[doc(hidden)]
pub mod ffi;
#[cfg(not(logfusion_loom))]
mod macros;
#[cfg(not(logfusion_loom))]
mod memory;
#[cfg(not(logfusion_loom))]
#[doc(hidden)]
pub mod shown;
#[cfg(not(logfusion_loom))]
mod statement;
#[cfg(not(logfusion_loom))]
mod targets;
#[doc(hidden)]
pub mod versioned;

#[cfg(not(logfusion_loom))]
pub use self::{
    c_text::{CText, safe_c_str_to_string, safe_string_to_c_str},
    ffi::RingValue,
    spans::{AttachedSpan, attach_span},
    statement::current_span,
};
#[cfg(not(logfusion_loom))]
pub use logfusion_macros::instrument;
#[cfg(not(logfusion_loom))]
#[doc(no_inline)]
pub use tracing::{Instrument, Level, Span, field};

#[cfg(not(logfusion_loom))]
#[doc(hidden)]
pub use tracing as __tracing;

/// What the macros expand to.
#[cfg(not(logfusion_loom))]
#[doc(hidden)]
pub mod __private {
    pub use crate::spans::note_c_span;
    pub use crate::statement::{scope, wants};
    pub use crate::targets::TargetSite;
    pub use crate::{ffi as ring, shown};
}

#[cfg(logfusion_loom)]
#[path = "crash/freeze.rs"]
pub mod freeze;
#[cfg(logfusion_loom)]
#[path = "drain/pace.rs"]
pub mod pace;
#[cfg(logfusion_loom)]
#[path = "callbacks/quiescence.rs"]
pub mod quiescence;
#[cfg(logfusion_loom)]
#[path = "drain/tickets.rs"]
pub mod tickets;

/// The version of the crate and of the C API.
#[cfg(not(logfusion_loom))]
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
