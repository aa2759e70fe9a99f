//! Copies of short texts of C, measured on the way, without a call.

use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicU8, Ordering};

/// Bytes in front of the end of the room that only zeros, and what a block has behind the text, may reach.
const SPARE: usize = 24;

/// Copies a text, with eight zeros behind it, and returns its length. `None`, and whatever in `to`: the text is longer than
/// `N` − 24 bytes (some of which are copied), or begins less than 16 bytes before the end of a page.
///
/// # Safety
///
/// `text` points to a NUL-terminated string.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub unsafe fn copy_text<const N: usize>(to: &mut [u8; N], text: *const c_char) -> Option<usize> {
    const { assert!(N >= 16 + SPARE) };
    const BLOCK: usize = 16;
    /// Of pages that are larger, this divides the size.
    const PAGE: usize = 4096;
    let to = to.as_mut_ptr();
    if text.addr() % PAGE > PAGE - BLOCK {
        return None;
    }
    // SAFETY: the text's first byte may be read, and the block is of one page; `to` has room.
    let mut nuls = unsafe { copy_block(to, text, 0) };
    let mut done = 0;
    if nuls == 0 {
        done = BLOCK - text.addr() % BLOCK;
        loop {
            if done > N - SPARE {
                return None;
            }
            // SAFETY: the block is aligned, so of one page, and its first byte is the text's: there was no NUL before it. `to`
            // has room for 24 bytes from here on.
            nuls = unsafe { copy_block(to, text, done) };
            if nuls != 0 {
                break;
            }
            done += BLOCK;
        }
    }
    let len = done + nuls.trailing_zeros() as usize;
    // SAFETY: the NUL is one of the last 16 bytes written, and there is room for 8 more.
    unsafe { to.add(len).cast::<u64>().write_unaligned(0) };
    Some(len)
}

/// Copies the 16 bytes behind the first `done`, and returns which of them are NUL, the first in the lowest bit.
///
/// # Safety
///
/// The first of the bytes may be read, and no page ends between them: then the processor may read all. A load of Rust may not,
/// so this is one of the processor's, as in the C library's own `strlen`. `to` has room for 16 bytes.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn copy_block(to: *mut u8, from: *const c_char, done: usize) -> u32 {
    let nuls: u32;
    // SAFETY: SSE2, which every x86-64 processor has; the caller promises what is read and written.
    unsafe {
        core::arch::asm!(
            "movdqu {bytes}, xmmword ptr [{from} + {done}]",
            "movdqu xmmword ptr [{to} + {done}], {bytes}",
            "pcmpeqb {bytes}, {zeros}",
            "pmovmskb {nuls:e}, {bytes}",
            bytes = out(xmm_reg) _,
            zeros = in(xmm_reg) core::arch::x86_64::_mm_setzero_si128(),
            from = in(reg) from,
            to = in(reg) to,
            done = in(reg) done,
            nuls = lateout(reg) nuls,
            options(nostack, preserves_flags)
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
pub unsafe fn copy_text<const N: usize>(to: &mut [u8; N], text: *const c_char) -> Option<usize> {
    const { assert!(N >= 16 + SPARE) };
    // SAFETY: the caller's promise.
    let len = unsafe { libc::strnlen(text, N - SPARE + 1) };
    // SAFETY: strnlen counted these bytes.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast(), len) };
    (len <= N - SPARE).then(|| {
        to[..len].copy_from_slice(bytes);
        to[len..len + 8].fill(0);
        len
    })
}

/// Whether texts may be read up to 15 bytes beyond their end. The processor allows it, valgrind's checkers report it.
#[inline(always)]
pub fn may_copy_text() -> bool {
    const UNKNOWN: u8 = 0;
    const YES: u8 = 1;
    const NO: u8 = 2;
    static ANSWER: AtomicU8 = AtomicU8::new(UNKNOWN);

    #[cold]
    fn ask() -> bool {
        // SAFETY: a NUL-terminated name.
        let preload = unsafe { libc::getenv(c"LD_PRELOAD".as_ptr()) };
        // SAFETY: not NULL, so a NUL-terminated text, which stays until the environment is changed.
        let is_watched = !preload.is_null() && names_a_checker(unsafe { CStr::from_ptr(preload) }.to_bytes());
        ANSWER.store(if is_watched { NO } else { YES }, Ordering::Relaxed);
        !is_watched
    }

    match ANSWER.load(Ordering::Relaxed) {
        YES => true,
        NO => false,
        _ => ask(),
    }
}

/// What valgrind has the loader preload names its tool.
fn names_a_checker(preload: &[u8]) -> bool {
    let checkers = [&b"vgpreload_memcheck"[..], b"vgpreload_helgrind", b"vgpreload_drd"];
    (0..preload.len()).any(|at| checkers.iter().any(|checker| preload[at..].starts_with(checker)))
}

/// Faults where a text is that is nowhere: within a push, what the handler logs would be refused.
///
/// # Safety
///
/// `text` points to a NUL-terminated string.
#[inline(always)]
pub unsafe fn touch(text: *const c_char) {
    // SAFETY: it has a byte at least.
    unsafe { text.read_volatile() };
}
