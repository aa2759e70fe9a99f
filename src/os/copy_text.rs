//! Copies of short texts of C, measured on the way, without a call.

#[cfg(target_arch = "x86_64")]
use std::arch::{asm, x86_64::*};
use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicU8, Ordering};

/// Bytes in front of the end of the room that only zeros, and what a block has behind the text, may reach.
const SPARE: usize = 24;

/// A text of which the first byte has been read. Where a text is that is nowhere, that faults before a push is open: within one,
/// what the handler logs would be refused.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    text: *const c_char,
    #[cfg(target_arch = "x86_64")]
    block: __m128i,
}

#[cfg(target_arch = "x86_64")]
impl Begun {
    const BLOCK: usize = 16;
    /// Bytes of three blocks.
    const USUAL: usize = 3 * Self::BLOCK;
    /// Of pages that are larger, this divides the size.
    const PAGE: usize = 4096;

    /// `None`: it begins less than 16 bytes before the end of a page.
    ///
    /// # Safety
    ///
    /// `text` points to a NUL-terminated string, which is read by [`copy`](Self::copy) as well.
    #[inline(always)]
    pub unsafe fn read(text: *const c_char) -> Option<Self> {
        if text.addr() % Self::PAGE > Self::PAGE - Self::BLOCK {
            return None;
        }
        // SAFETY: the text's first byte may be read, and the block is of one page.
        Some(Self { text, block: unsafe { load(text) } })
    }

    /// Copies the text, with eight zeros behind it, and returns its length. `None`, and whatever in `to`: it is longer than
    /// `N` − 24 bytes (some of which are copied).
    #[inline(always)]
    pub fn copy<const N: usize>(self, to: &mut [u8; N]) -> Option<usize> {
        const { assert!(N >= Self::BLOCK + SPARE) };
        let to = to.as_mut_ptr();
        // SAFETY: `to` has room for a block.
        let mut nuls = unsafe { store(self.block, to) };
        let mut done = 0;
        // The usual lengths take no more blocks than they must.
        if N >= Self::USUAL + SPARE && nuls == 0 && self.text.addr() % Self::PAGE <= Self::PAGE - Self::USUAL {
            while done < Self::USUAL - Self::BLOCK && nuls == 0 {
                done += Self::BLOCK;
                // SAFETY: these bytes are of one page, and the first is the text's: there was no NUL before it. `to` has room for
                // all of them.
                nuls = unsafe { store(load(self.text.add(done)), to.add(done)) };
            }
        }
        if nuls == 0 {
            done += Self::BLOCK - self.text.addr() % Self::BLOCK;
            // SAFETY: the blocks are aligned, so each is of one page, and the first byte of each is the text's: there was no NUL
            // before it. `to` has room for 24 bytes from `N` - 24 on.
            unsafe {
                asm!(
                    "2:",
                    "movdqu {block}, xmmword ptr [{text} + {done}]",
                    "movdqu xmmword ptr [{to} + {done}], {block}",
                    "pcmpeqb {block}, {zeros}",
                    "pmovmskb {nuls:e}, {block}",
                    "test {nuls:e}, {nuls:e}",
                    "jnz 3f",
                    "add {done}, 16",
                    "cmp {done}, {most}",
                    "jbe 2b",
                    "3:",
                    block = out(xmm_reg) _,
                    zeros = in(xmm_reg) _mm_setzero_si128(),
                    text = in(reg) self.text,
                    to = in(reg) to,
                    done = inout(reg) done,
                    nuls = out(reg) nuls,
                    most = const N - SPARE,
                    options(nostack)
                );
            }
            if nuls == 0 {
                return None;
            }
        }
        let len = done + nuls.trailing_zeros() as usize;
        // SAFETY: the NUL is one of the last 16 bytes written, and there is room for 8 more.
        unsafe {
            to.add(len).cast::<u64>().write_unaligned(0);
            std::hint::assert_unchecked(len <= N - 8);
        }
        Some(len)
    }
}

/// Reads 16 bytes.
///
/// # Safety
///
/// The first of them may be read, and no page ends between them: then the processor may read all. A load of Rust may not, so
/// this is one of the processor's, as in the C library's own `strlen`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn load(from: *const c_char) -> __m128i {
    let block;
    // SAFETY: the caller's promise.
    unsafe {
        asm!("movdqu {block}, xmmword ptr [{from}]", block = lateout(xmm_reg) block, from = in(reg) from,
            options(nostack, preserves_flags, readonly));
    }
    block
}

/// Writes 16 bytes, and returns which of them are NUL, the first in the lowest bit.
///
/// # Safety
///
/// `to` has room for them.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn store(block: __m128i, to: *mut u8) -> u32 {
    // SAFETY: SSE2, which every x86-64 processor has; the caller promises the room.
    unsafe {
        _mm_storeu_si128(to.cast(), block);
        _mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_setzero_si128())) as u32
    }
}

/// As on x86-64, by the C library.
#[cfg(not(target_arch = "x86_64"))]
impl Begun {
    /// Always `Some`.
    ///
    /// # Safety
    ///
    /// `text` points to a NUL-terminated string, which is read by [`copy`](Self::copy) as well.
    #[inline(always)]
    pub unsafe fn read(text: *const c_char) -> Option<Self> {
        // SAFETY: it has a byte at least.
        unsafe { text.read_volatile() };
        Some(Self { text })
    }

    /// Copies the text, with eight zeros behind it, and returns its length. `None`: it is longer than `N` − 24 bytes.
    #[inline(always)]
    pub fn copy<const N: usize>(self, to: &mut [u8; N]) -> Option<usize> {
        const { assert!(N >= 16 + SPARE) };
        // SAFETY: the promise of `read`.
        let len = unsafe { libc::strnlen(self.text, N - SPARE + 1) };
        // SAFETY: strnlen counted these bytes.
        let bytes = unsafe { std::slice::from_raw_parts(self.text.cast(), len) };
        (len <= N - SPARE).then(|| {
            to[..len].copy_from_slice(bytes);
            to[len..len + 8].fill(0);
            len
        })
    }
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
