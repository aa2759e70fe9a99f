//! The crash handler.

use super::boundary;
use super::errors::{fail, no_memory};
use super::status::Status;
use crate::crash::{self, Refused};
use crate::engine;
use crate::os::HostGuard;
use std::ffi::c_int;

/// See `logfusion_install_crash_handler` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_install_crash_handler(fd: c_int) -> c_int {
    const NAME: &str = "logfusion_install_crash_handler";
    boundary(Status::Internal.code(), || {
        let _errno = HostGuard::new();
        let note_file = || {
            if let Some(engine) = engine::if_possible()
                && let Some(output) = &*engine.output.load()
            {
                output.note_file();
            }
        };
        match crash::install(fd, note_file) {
            Ok(()) => Status::Ok.code(),
            Err(Refused::Memory) => no_memory(NAME),
            Err(refused @ Refused::Descriptor(_)) => fail(Status::Invalid, format_args!("{NAME}: {refused}")),
            Err(refused @ Refused::System(_)) => fail(Status::Internal, format_args!("{NAME}: {refused}")),
        }
    })
}
