//! logfusion
#![cfg_attr(not(logfusion_loom), deny(unsafe_code))]

#[allow(unsafe_code, reason = "raw system calls")]
#[cfg(not(logfusion_loom))]
pub(crate) mod os;

pub mod sync;
pub mod record;
#[allow(unsafe_code, reason = "the ring's memory")]
pub mod ring;
pub mod run_state;
#[cfg(not(logfusion_loom))]
mod clock;
#[cfg(not(logfusion_loom))]
mod config;
#[cfg(not(logfusion_loom))]
#[allow(unsafe_code, reason = "the thread-local pointer to a ring")]
mod producers;
#[cfg(not(logfusion_loom))]
#[allow(unsafe_code, reason = "one leaked engine")]
mod engine;
#[cfg(not(logfusion_loom))]
mod lifecycle;
#[cfg(not(logfusion_loom))]
#[allow(unsafe_code)]
mod drain;
#[cfg(not(logfusion_loom))]
mod event;
#[cfg(not(logfusion_loom))]
mod dispatch;
#[cfg(not(logfusion_loom))]
pub mod delivery;
#[cfg(not(logfusion_loom))]
#[allow(unsafe_code)]
mod callbacks;
#[cfg(not(logfusion_loom))]
mod output;
#[cfg(not(logfusion_loom))]
mod stats;
#[cfg(not(logfusion_loom))]
#[allow(unsafe_code)]
mod c_api;
#[cfg(not(logfusion_loom))]
const VERSION: &str = env!("CARGO_PKG_VERSION");
