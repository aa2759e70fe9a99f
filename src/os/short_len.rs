//! The length of a short text of C, without a call.

use std::ffi::c_char;

/// Bytes before the NUL, if it is soon found: those of a text of up to 48 bytes, of one of up to 63 where it begins a
/// block of 16.
///
/// # Safety
///
/// `text` points to a NUL-terminated string.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub unsafe fn short_len(text: *const c_char) -> Option<usize> {
    const BLOCK: usize = 16;
    let before = text.addr() % BLOCK;
    let block = text.wrapping_sub(before);
    // SAFETY: the block is aligned and holds the text's first byte.
    let nuls = unsafe { nuls_in(block) } >> before;
    if nuls != 0 {
        return Some(nuls.trailing_zeros() as usize);
    }
    for at in [BLOCK, 2 * BLOCK, 3 * BLOCK] {
        // SAFETY: aligned as the first; the text has no NUL before it, so its first byte is the text's too.
        let nuls = unsafe { nuls_in(block.wrapping_add(at)) };
        if nuls != 0 {
            return Some(at - before + nuls.trailing_zeros() as usize);
        }
    }
    None
}

/// Which of 16 bytes are NUL, the first in the lowest bit.
///
/// # Safety
///
/// `block` is aligned to 16 bytes, and one of them may be read. Then the processor may read all of them, since no page
/// ends in between; a load of Rust may not, so this is one of the processor's, as in the C library's own `strlen`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn nuls_in(block: *const c_char) -> u32 {
    let nuls: u32;
    // SAFETY: SSE2, which every x86-64 processor has; it reads within a page that the caller may read.
    unsafe {
        core::arch::asm!(
            "pxor {bytes}, {bytes}",
            "pcmpeqb {bytes}, xmmword ptr [{block}]",
            "pmovmskb {nuls:e}, {bytes}",
            bytes = out(xmm_reg) _,
            block = in(reg) block,
            nuls = lateout(reg) nuls,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    nuls
}

/// As on x86-64, by the C library.
///
/// # Safety
///
/// `text` points to a NUL-terminated string.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub unsafe fn short_len(text: *const c_char) -> Option<usize> {
    // SAFETY: the caller's promise.
    Some(unsafe { libc::strnlen(text, 64) }).filter(|len| *len < 64)
}
