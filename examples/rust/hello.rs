//! What a Rust program writes: nothing to set up, and its C parts log to the same place.

use logfusion::{ffi_warn, info, instrument};
use std::ffi::c_int;

#[instrument]
fn load(level: &str) -> usize {
    let bytes = level.len() * 1024;
    info!(bytes, "loaded");
    bytes
}

/// A callback that C calls: it must not unwind, and does not wait for anybody.
extern "C" fn on_audio_error(code: c_int) {
    ffi_warn!(target: "game::audio", code, "the device is gone");
}

fn main() {
    for plugin in ["lua", "physics"] {
        info!(target: format!("plugins::{plugin}"), "ready");
    }
    load("harbour");
    on_audio_error(-19);
}
