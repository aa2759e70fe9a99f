//! The operating system: the one place for raw system calls, and for the processor's counter.
//!
//! Everything else in the engine is ordinary Rust over these few functions. Four of them carry a promise that the engine
//! is built on:
//!
//! - **[`Mapping`]: memory that a forked child finds empty.** A ring and its positions live in such memory, so after
//!   `fork`, or a raw `clone` that no handler sees, the child reads zeros where its parent had a ring, takes the slow path
//!   and starts anew.
//! - **[`OwnerLock`]: knowing that a thread has ended.** A thread may log from its very last destructor, so no destructor
//!   can announce its end. The kernel can: it marks a robust mutex whose owner has died, after the last instruction of
//!   that thread in user space. The thread locks the mutex once and never unlocks it; the drain asks with a `trylock`.
//! - **[`heavy_barrier`]: a fence that one side pays for both.** The caller of a log function only keeps the compiler from
//!   reordering; the drain, about to sleep, makes every running thread execute a full barrier. Of two threads that each
//!   write one word and then read the other's, at least one sees the other's write.
//! - **[`HostGuard`]: no trace in the caller's thread.** What a slow path asks of the system does not reach the `errno`
//!   of the C program that logged.
//!
//! Linux on x86-64 is tested. Other systems get what `std` offers (module `portable`): it compiles without promising
//! anything about fork or ended threads, and it is untested.
//!
//! Atomics are `std`'s in every build: no model reaches below this module.

#[cfg(not(target_os = "linux"))]
pub use portable::*;
#[cfg(target_os = "linux")]
pub use {linux::*, signals::*};

pub use copy_text::{Begun, may_copy_text};
pub use thread_name::ThreadName;
pub use thread_pointer::{set_thread_pointer, thread_pointer};

/// Reads the processor's time counter: the time-stamp counter on x86-64, `cntvct_el0` on aarch64 (untested), zero where
/// there is neither.
#[inline(always)]
pub fn hardware_counter() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has `rdtsc`; it touches no memory.
    let ticks = unsafe { core::arch::x86_64::_rdtsc() };
    #[cfg(target_arch = "aarch64")]
    let ticks = {
        let ticks: u64;
        // SAFETY: the virtual counter is readable in user space on every system that Rust supports; no memory is touched.
        unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
        ticks
    };
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let ticks = 0;
    ticks
}

/// Has the processor bring a value that will be read soon into the nearest cache, if it knows how.
#[inline(always)]
pub fn prefetch<T: ?Sized>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    for offset in (0..size_of_val(value)).step_by(64) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which reads nothing, whatever the address; SSE, which every x86-64 processor has.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast::<i8>().wrapping_add(offset)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        _ = value;
    }
}

/// The stack pointer of the function that this is written out in. (An address of a variable would do, if that did not keep the
/// compiler from ending the function with a jump.)
#[inline(always)]
pub fn stack_pointer() -> usize {
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let here = {
        // A variable: the address of a literal would be that of a constant.
        let here = 0_u8;
        std::ptr::from_ref(&here).addr()
    };
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    let here = {
        let here: usize;
        #[cfg(target_arch = "x86_64")]
        // SAFETY: reads a register.
        unsafe {
            core::arch::asm!("mov {}, rsp", out(reg) here, options(pure, nomem, nostack, preserves_flags))
        };
        #[cfg(target_arch = "aarch64")]
        // SAFETY: reads a register.
        unsafe {
            core::arch::asm!("mov {}, sp", out(reg) here, options(pure, nomem, nostack, preserves_flags))
        };
        here
    };
    here
}

/// Keeps loads and [`hardware_counter`] in the order of the program, which a fence for memory alone does not.
#[inline]
pub fn counter_fence() {
    #[cfg(target_arch = "x86_64")]
    {
        // Newer compilers know it as a safe function.
        #[allow(unused_unsafe)]
        // SAFETY: every x86-64 processor has `lfence`.
        unsafe {
            core::arch::x86_64::_mm_lfence();
        }
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a barrier that every processor has; memory may change meanwhile, as far as the compiler knows.
    unsafe {
        core::arch::asm!("dmb ish", "isb", options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

/// Whether [`hardware_counter`] runs at one rate, at all frequencies and in all sleep states of the processor.
pub fn hardware_counter_is_invariant() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::__cpuid;
        const POWER_MANAGEMENT: u32 = 0x8000_0007;
        const INVARIANT_TSC: u32 = 1 << 8;
        // Newer compilers know `__cpuid` as a safe function.
        #[allow(unused_unsafe)]
        // SAFETY: every x86-64 processor has `cpuid`, and the first leaf asked for tells whether there is the second.
        unsafe {
            __cpuid(0x8000_0000).eax >= POWER_MANAGEMENT && __cpuid(POWER_MANAGEMENT).edx & INVARIANT_TSC != 0
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        cfg!(target_arch = "aarch64")
    }
}

mod copy_text;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(all(test, target_os = "linux"))]
mod tests;
mod thread_name;
mod thread_pointer;
