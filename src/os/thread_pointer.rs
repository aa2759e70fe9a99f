//! A pointer of each thread's own, found without a call.
//!
//! In a library that may be loaded, Rust finds a thread-local variable by a call of the loader's, for which a function must first
//! save all that it holds: 20 instructions of a push, and the call itself where the library was loaded. This variable is at a fixed
//! distance from the thread's control block instead (the initial-exec model, for which stable Rust has no name). glibc has room for
//! a few such words in libraries that are loaded later; of musl a library that is loaded later gets none.

use std::ffi::c_void;

#[cfg(all(target_arch = "x86_64", target_pointer_width = "64", target_os = "linux", target_env = "gnu"))]
mod fixed {
    use std::arch::{asm, global_asm};
    use std::ffi::c_void;

    global_asm!(
        r#".pushsection .tbss.logfusion_thread_pointer, "awT", @nobits"#,
        ".globl logfusion_thread_pointer",
        ".hidden logfusion_thread_pointer",
        ".p2align 3",
        ".type logfusion_thread_pointer, @object",
        ".size logfusion_thread_pointer, 8",
        "logfusion_thread_pointer:",
        ".zero 8",
        ".popsection",
    );

    #[inline(always)]
    pub fn get() -> *const c_void {
        let pointer;
        // SAFETY: the variable above, of the calling thread.
        unsafe {
            asm!(
                "mov {0}, qword ptr [rip + logfusion_thread_pointer@GOTTPOFF]",
                "mov {0}, qword ptr fs:[{0}]",
                out(reg) pointer, options(nostack, preserves_flags, readonly)
            );
        }
        pointer
    }

    pub fn set(pointer: *const c_void) {
        // SAFETY: the same, which Rust knows nothing of.
        unsafe {
            asm!(
                "mov {0}, qword ptr [rip + logfusion_thread_pointer@GOTTPOFF]",
                "mov qword ptr fs:[{0}], {1}",
                out(reg) _, in(reg) pointer, options(nostack, preserves_flags)
            );
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64", target_os = "linux", target_env = "gnu")))]
mod fixed {
    use std::cell::Cell;
    use std::ffi::c_void;

    thread_local! {
        static POINTER: Cell<*const c_void> = const { Cell::new(std::ptr::null()) };
    }

    #[inline(always)]
    pub fn get() -> *const c_void {
        POINTER.get()
    }

    pub fn set(pointer: *const c_void) {
        POINTER.set(pointer);
    }
}

/// The calling thread's pointer; null until it is set.
#[inline(always)]
pub fn thread_pointer() -> *const c_void {
    fixed::get()
}

/// Sets it.
pub fn set_thread_pointer(pointer: *const c_void) {
    fixed::set(pointer);
}
