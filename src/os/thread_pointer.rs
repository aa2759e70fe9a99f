//! A pointer of each thread's own, found without a call that a compiler sees.
//!
//! In a library that may be loaded, Rust finds a thread-local variable by a call, for which a function must first save all that it
//! holds: 20 instructions of a push. This variable is found through a *TLS descriptor*: a call of the loader's own kind, which
//! changes one register, and which the linker replaces by a number in a program. Stable Rust has no name for it. (With the
//! initial-exec model, as the statements of C have it, all thread-local memory of the library would have to lie in the few hundred
//! bytes that glibc keeps for libraries that are loaded later.) Source: A. Oliva and G. Araújo, "Speeding Up Thread-Local Storage
//! Access in Dynamic Libraries", 2006.

use std::ffi::c_void;

#[cfg(all(target_arch = "x86_64", target_pointer_width = "64", target_os = "linux"))]
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

    /// How far from the thread's control block the variable is.
    #[inline(always)]
    fn offset() -> usize {
        let offset;
        // SAFETY: the code that the TLS ABI gives for the variable above. It changes `rax` and flags; glibc before 2.40 may
        // change vector registers too, where the variable is used first.
        unsafe {
            asm!(
                "lea rax, [rip + logfusion_thread_pointer@tlsdesc]",
                "call qword ptr [rax + logfusion_thread_pointer@tlscall]",
                out("rax") offset,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _, out("xmm6") _,
                out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _, out("xmm12") _, out("xmm13") _,
                out("xmm14") _, out("xmm15") _,
            );
        }
        offset
    }

    #[inline(always)]
    pub fn get() -> *const c_void {
        let pointer;
        // SAFETY: the variable, of the calling thread.
        unsafe {
            asm!("mov {}, qword ptr fs:[{}]", lateout(reg) pointer, in(reg) offset(),
                options(nostack, preserves_flags, readonly));
        }
        pointer
    }

    pub fn set(pointer: *const c_void) {
        // SAFETY: the same; Rust knows nothing of it.
        unsafe {
            asm!("mov qword ptr fs:[{}], {}", in(reg) offset(), in(reg) pointer, options(nostack, preserves_flags));
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64", target_os = "linux")))]
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
