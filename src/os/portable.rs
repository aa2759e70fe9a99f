//! What `std` offers, for systems other than Linux; untested. A forked child is not recognised, a thread is never seen to
//! end (its ring is kept until the process ends), and requests about processors, priorities, signals and `errno` do
//! nothing.

use super::ThreadName;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::{Duration, Instant, SystemTime};

/// A number of the calling thread, never reused.
pub fn thread_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local!(static ID: Cell<u64> = const { Cell::new(0) });
    ID.with(|id| {
        if id.get() == 0 {
            id.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        id.get()
    })
}

/// The name that Rust knows of the calling thread; empty if it knows none.
pub fn thread_name() -> ThreadName {
    ThreadName::new(std::thread::current().name().unwrap_or_default())
}

/// The alignment of a [`Mapping`].
pub fn page_size() -> usize {
    4096
}

/// Nanoseconds since the first call.
pub fn monotonic_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds since the Unix epoch; zero before it.
pub fn wall_ns() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

/// Zeroed memory from the allocator. A forked child sees what its parent wrote.
#[derive(Debug)]
pub struct Mapping {
    address: NonNull<u8>,
    layout: Layout,
}

// SAFETY: memory belongs to the process, and the type itself has no way to the bytes but a pointer.
unsafe impl Send for Mapping {}
// SAFETY: as above; the methods that touch the bytes are covered by the contract of the pointer's users.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Allocates at least `len` bytes.
    pub fn new(len: usize) -> io::Result<Self> {
        let len = len.max(1).checked_next_multiple_of(page_size()).ok_or(io::ErrorKind::InvalidInput)?;
        let layout = Layout::from_size_align(len, page_size()).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: the size is not zero.
        let address = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { address, layout })
    }

    /// Memory of a mapping that exists, once more: it must not be dropped.
    ///
    /// # Safety
    ///
    /// The memory is that of a mapping of at least `len` bytes, which outlives the value.
    pub unsafe fn of_memory(address: NonNull<u8>, len: usize) -> Self {
        // SAFETY: the alignment is a power of two, and the mapping has this size.
        Self { address, layout: unsafe { Layout::from_size_align_unchecked(len, page_size()) } }
    }

    /// The first byte.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.address
    }

    /// The length in bytes.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.layout.size()
    }

    /// Makes the bytes zero.
    pub fn discard(&self) {
        // SAFETY: the range is ours; its users stay away meanwhile.
        unsafe { self.address.as_ptr().write_bytes(0, self.len()) };
    }

    /// Makes the pages of a range present.
    pub fn populate(&self, range: Range<usize>) {
        for offset in range.step_by(page_size()) {
            // SAFETY: `offset` is inside of the allocation; its users stay away meanwhile.
            unsafe {
                let byte = self.address.as_ptr().add(offset);
                byte.write_volatile(byte.read_volatile());
            }
        }
    }

    /// Can't be done while others use the bytes.
    pub fn populate_shared(&self, _: Range<usize>) -> bool {
        false
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.address.as_ptr(), self.layout) };
    }
}

/// Cannot tell whether a thread has ended, and never says so.
#[derive(Debug)]
pub struct OwnerLock;

impl OwnerLock {
    /// A lock without an owner.
    pub fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Does nothing.
    pub fn lock_for_current_thread(&self) -> io::Result<()> {
        Ok(())
    }

    /// Does nothing.
    pub fn unlock(&self) {}

    /// Always false.
    pub fn owner_is_gone(&self) -> bool {
        false
    }
}

/// Sleeps for longer than any processor keeps a store in its buffer.
pub fn heavy_barrier() {
    fence(Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(10));
    fence(Ordering::SeqCst);
}

/// Runs `f`.
pub fn with_signals_blocked<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// Unsupported.
pub fn set_affinity(_cpu: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Unsupported.
pub fn set_nice(_nice: i32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Always false.
pub fn is_set_uid() -> bool {
    false
}

/// Unsupported.
pub fn at_fork(_prepare: extern "C" fn(), _parent: extern "C" fn(), _child: extern "C" fn()) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Has `f` called when the process exits normally.
pub fn at_exit(f: extern "C" fn()) {
    // SAFETY: `f` is a function without conditions.
    unsafe { libc::atexit(f) };
}

/// Unknown.
pub fn stack_bounds() -> Option<Range<usize>> {
    None
}

/// Always false.
pub fn on_alternate_stack() -> bool {
    false
}

/// Calls `f`. There is no SIGPIPE, or it is left as it is.
pub fn without_sigpipe<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// Does nothing.
#[derive(Debug)]
pub struct HostGuard;

impl HostGuard {
    /// Does nothing.
    #[allow(clippy::new_without_default)] // as on Linux
    pub fn new() -> Self {
        Self
    }
}

/// What a handler of a crash is told.
#[derive(Debug)]
pub struct SignalInfo(());

/// A crash, as its handler is told of it.
#[derive(Debug, Clone, Copy)]
pub struct Trap {
    /// The signal's name.
    pub name: &'static str,
    /// Its code.
    pub code: i64,
    /// The address that it was about.
    pub address: u64,
}

/// Crashes are not handled here.
pub fn handle_crashes(_: extern "C" fn(i32, *mut SignalInfo, *mut std::ffi::c_void)) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Never called.
pub fn describe_trap(_: i32, _: *mut SignalInfo) -> Trap {
    Trap { name: "", code: 0, address: 0 }
}

/// Never called.
pub fn chain(_: i32, _: *mut SignalInfo, _: *mut std::ffi::c_void) -> bool {
    false
}

/// A number of the calling thread: not 0.
pub fn thread_token() -> usize {
    thread_id() as usize
}

/// Descriptors are not looked at.
pub fn is_open(_: i32) -> bool {
    true
}

/// There is no handler that could use it.
pub fn duplicate_as(_: &std::fs::File, _: Option<i32>) -> io::Result<i32> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Never called.
pub fn write_in_handler(_: i32, _: &[u8]) {}

/// Objects are not pinned.
pub fn pin_object_of(_: extern "C" fn()) {}
