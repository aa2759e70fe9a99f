//! Memory that may be missing. Of what a caller may have to allocate, stable Rust can ask for a vector's alone; where an `Arc` or
//! a package allocates, as much is asked for before.

use crate::os;
use std::hint::black_box;

/// More than a thread's first record allocates (1 KB): what arc-swap keeps for each thread, the `Arc` of its ring, a block of the queue
/// to the drain.
pub const OF_A_FIRST_RECORD: usize = 4 << 10;

/// More than a statement's first use allocates, but for the table of sites, which asks for itself; and more than functions of the
/// API do, but for very long texts and thousands of threads or callbacks.
pub const OF_A_CALL: usize = 16 << 10;

/// More than a start allocates on the thread that starts: 890 KB with the defaults, the buffers of the output above all.
pub const OF_A_START: usize = 1 << 20;

/// Whether this many bytes can be allocated now, 1 MiB at most. Another thread may come first: then the process ends after all.
pub fn is_there(bytes: usize) -> bool {
    let _errno = os::HostGuard::new();
    // glibc maps a larger one for itself, and where it is freed takes its size for one to be kept in the heap from then on.
    const PIECE: usize = 64 << 10;
    let mut pieces = [const { Vec::<u8>::new() }; (1 << 20) / PIECE];
    let mut needed = pieces.iter_mut().take(bytes.div_ceil(PIECE));
    let is_there = needed.all(|piece| piece.try_reserve_exact(bytes.min(PIECE)).is_ok());
    // The compiler leaves out what nobody looks at.
    black_box(&mut pieces);
    is_there
}

/// A box, as an array of one; `None`: there is no memory for it.
pub fn try_box<T>(value: T) -> Option<Box<[T; 1]>> {
    let mut one = Vec::new();
    one.try_reserve_exact(1).ok()?;
    one.push(value);
    one.try_into().ok()
}
