//! Linux.

use super::ThreadName;
use crate::memory::try_box;
use std::ffi::CStr;
use std::io;
use std::mem::{self, MaybeUninit};
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use libc::{c_int, c_void};

/// The kernel's id of the calling thread. Ids are reused after a thread has ended.
pub fn thread_id() -> u64 {
    // SAFETY: takes no argument and cannot fail.
    unsafe { libc::gettid() as u64 }
}

/// The calling thread's name as the kernel knows it, at most 15 bytes; bytes that are not UTF-8 become U+FFFD.
pub fn thread_name() -> ThreadName {
    let mut name = [0u8; 16];
    // SAFETY: `PR_GET_NAME` writes at most 16 bytes, NUL included, into the buffer of 16.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    ThreadName::lossy(CStr::from_bytes_until_nul(&name).unwrap_or_default().to_bytes())
}

/// The size of a page of memory, in bytes.
pub fn page_size() -> usize {
    // SAFETY: takes a constant; every Linux knows its page size.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds since the Unix epoch by `CLOCK_REALTIME`; zero before the epoch.
pub fn wall_ns() -> u64 {
    clock_ns(libc::CLOCK_REALTIME)
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable; it stays zero should the call fail.
    unsafe { libc::clock_gettime(clock, &mut time) };
    u64::try_from(time.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}

/// An anonymous, zeroed mapping that reads as zeros in a forked child; unmapped on drop.
///
/// It hands out a pointer and no reference. Whoever reads or writes through the pointer does so before the mapping is
/// dropped, and not while [`discard`](Self::discard) or [`populate`](Self::populate) runs.
#[derive(Debug)]
pub struct Mapping {
    address: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and the type itself has no way to the bytes but a pointer.
unsafe impl Send for Mapping {}
// SAFETY: as above; the methods that touch the bytes are covered by the contract of the pointer's users.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps at least `len` bytes, rounded up to whole pages. None of them is present before it is written or
    /// [`populate`](Self::populate)d.
    ///
    /// Fails when memory is short, and on kernels before 4.14, which cannot hide memory from a forked child.
    pub fn new(len: usize) -> io::Result<Self> {
        let len = len.max(1).checked_next_multiple_of(page_size()).ok_or(io::ErrorKind::InvalidInput)?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let address = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let address = NonNull::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let mapping = Self { address, len };
        if mapping.advise(libc::MADV_WIPEONFORK) { Ok(mapping) } else { Err(io::Error::last_os_error()) }
    }

    /// A mapping that exists, once more: it must not be dropped.
    ///
    /// # Safety
    ///
    /// The memory is that of a mapping of at least `len` bytes, which outlives the value.
    pub unsafe fn of_memory(address: NonNull<u8>, len: usize) -> Self {
        Self { address, len }
    }

    /// The first byte; page-aligned.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.address
    }

    /// The length in bytes, a multiple of the page size.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Gives the pages back to the system; the bytes read as zero from then on.
    pub fn discard(&self) {
        if !self.advise(libc::MADV_DONTNEED) {
            // The kernel refuses where the program has locked its memory (`mlockall`).
            // SAFETY: the range is ours and writable; its users stay away meanwhile (contract of the type).
            unsafe { self.address.as_ptr().write_bytes(0, self.len) };
        }
    }

    /// Makes the pages of a range present, so that no later write waits for a page fault; the bytes stay as they are.
    pub fn populate(&self, range: Range<usize>) {
        if self.populate_shared(range.clone()) {
            return;
        }
        for offset in range.step_by(page_size()) {
            // SAFETY: `offset` is inside of the mapping; its users stay away meanwhile (contract of the type).
            unsafe {
                let byte = self.address.as_ptr().add(offset);
                byte.write_volatile(byte.read_volatile());
            }
        }
    }

    /// The same while others use the bytes; `false`: the kernel cannot (before 5.14), and nothing was done.
    pub fn populate_shared(&self, range: Range<usize>) -> bool {
        self.advise_range(range, libc::MADV_POPULATE_WRITE)
    }

    fn advise(&self, advice: c_int) -> bool {
        self.advise_range(0..self.len, advice)
    }

    fn advise_range(&self, range: Range<usize>, advice: c_int) -> bool {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: the range lies in this mapping; no advice that is used here invalidates it.
        unsafe { libc::madvise(self.address.as_ptr().add(range.start).cast(), range.len(), advice) == 0 }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is exactly this mapping, which nobody uses after the drop (contract of the type).
        unsafe { libc::munmap(self.address.as_ptr().cast(), self.len) };
    }
}

/// A lock that a thread takes once and keeps for life, so that others can tell whether it has ended.
///
/// It is a robust mutex at an address that does not change. One thread at a time may ask [`owner_is_gone`]
/// (the drain), and no new owner locks it meanwhile. In a forked child the owners of the parent do not exist and are
/// never seen to end: the child makes locks of its own.
///
/// [`owner_is_gone`]: Self::owner_is_gone
#[derive(Debug)]
pub struct OwnerLock {
    mutex: NonNull<libc::pthread_mutex_t>,
}

// SAFETY: the mutex is on the heap, and POSIX lets any thread call `trylock` on it.
unsafe impl Send for OwnerLock {}
// SAFETY: as above; it is only ever touched through the `pthread_mutex` functions.
unsafe impl Sync for OwnerLock {}

impl OwnerLock {
    /// A lock without an owner.
    pub fn new() -> io::Result<Self> {
        let mutex = try_box(MaybeUninit::<libc::pthread_mutex_t>::uninit()).ok_or(io::ErrorKind::OutOfMemory)?;
        let mutex = NonNull::from(Box::leak(mutex)).cast::<libc::pthread_mutex_t>();
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the attributes are initialised before they are used and destroyed after; the mutex is new memory.
        let result = unsafe {
            libc::pthread_mutexattr_init(attributes.as_mut_ptr());
            libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST);
            let result = libc::pthread_mutex_init(mutex.as_ptr(), attributes.as_ptr());
            libc::pthread_mutexattr_destroy(attributes.as_mut_ptr());
            result
        };
        if result != 0 {
            // SAFETY: allocated as a box above, and no mutex was made of it.
            drop(unsafe { Box::from_raw(mutex.as_ptr()) });
            return Err(io::Error::from_raw_os_error(result));
        }
        Ok(Self { mutex })
    }

    /// Makes the calling thread the owner until it ends. Never blocks; fails while another thread is the owner.
    pub fn lock_for_current_thread(&self) -> io::Result<()> {
        match self.try_lock() {
            0 => {
                // To the kernel, all of shuttle's threads are one, which does not end.
                #[cfg(logfusion_shuttle)]
                crate::sync::at_thread_end({
                    let mutex = self.mutex;
                    // SAFETY: this thread locked it, and the drain keeps its slot until it is unlocked.
                    move || _ = unsafe { libc::pthread_mutex_unlock(mutex.as_ptr()) }
                });
                Ok(())
            }
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Ends the ownership of the calling thread.
    pub fn unlock(&self) {
        // SAFETY: `new` initialised the mutex; of another thread's a robust one says so, and stays locked.
        unsafe { libc::pthread_mutex_unlock(self.mutex.as_ptr()) };
    }

    /// Whether the owner has ended, or there is none; the lock can then be taken by another thread.
    pub fn owner_is_gone(&self) -> bool {
        #[cfg(logfusion_shuttle)]
        crate::sync::step();
        let gone = self.try_lock() == 0;
        if gone {
            // SAFETY: the calling thread has just locked it.
            unsafe { libc::pthread_mutex_unlock(self.mutex.as_ptr()) };
        }
        gone
    }

    /// Locks, from a dead owner too: 0 or an error number, `EBUSY` while the owner lives.
    fn try_lock(&self) -> c_int {
        // SAFETY: `new` initialised the mutex, and only `drop` destroys it.
        match unsafe { libc::pthread_mutex_trylock(self.mutex.as_ptr()) } {
            // SAFETY: on `EOWNERDEAD` the calling thread holds the mutex, as `consistent` requires.
            libc::EOWNERDEAD => unsafe { libc::pthread_mutex_consistent(self.mutex.as_ptr()) },
            result => result,
        }
    }
}

impl Drop for OwnerLock {
    fn drop(&mut self) {
        // While its owner lives, the mutex is on that thread's robust list and the kernel writes to it when the thread
        // ends: it is leaked then.
        if self.owner_is_gone() {
            // SAFETY: unlocked and on nobody's list; allocated as a box in `new`.
            unsafe {
                libc::pthread_mutex_destroy(self.mutex.as_ptr());
                drop(Box::from_raw(self.mutex.as_ptr()));
            }
        }
    }
}

/// Makes every running thread of the process, the calling one included, execute a full memory barrier.
///
/// Pairs with a compiler fence in the other threads. Their part costs nothing; this one some microseconds. The first
/// call registers the process with the kernel, which can take milliseconds: make one at start.
///
/// Where the kernel has no `membarrier` (before 4.14, or forbidden by a sandbox) this sleeps 10 ms in its place. A
/// store waits in a processor's buffer for less than a microsecond once the instruction is executed, and an
/// interrupt or a switch to another thread empties the buffer, so whatever another thread had executed when the sleep
/// began is visible at its end. No manual promises that, but no processor is known to come near 10 ms.
pub fn heavy_barrier() {
    fence(Ordering::SeqCst);
    let done = membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED as c_int)
        || membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED as c_int)
            && membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED as c_int);
    if !done {
        std::thread::sleep(Duration::from_millis(10));
    }
    fence(Ordering::SeqCst);
}

fn membarrier(command: c_int) -> bool {
    // SAFETY: takes no pointer.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Runs `f` with signals blocked on the calling thread: a thread that is started in it never runs a handler of the program,
/// but for those of what the thread itself does wrong, inside of a callback, say. A fault whose signal is blocked
/// would end the process past every handler (`abort` unblocks its own). The mask is restored afterwards, after a panic too.
pub fn with_signals_blocked<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(libc::sigset_t);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: the set is the mask that was read below.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
        }
    }
    // SAFETY: a signal set is plain data, valid as zeros; all pointers are to these two sets.
    let _restore = unsafe {
        let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = (mem::zeroed(), mem::zeroed());
        libc::sigfillset(&mut all);
        for fault in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS] {
            libc::sigdelset(&mut all, fault);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        Restore(before)
    };
    f()
}

/// Binds the calling thread to one processor.
pub fn set_affinity(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: a processor set is plain data, valid as zeros; `cpu` is inside of it; 0 names the calling thread.
    check(unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set)
    })
}

/// Sets the nice value of the calling thread, -20 (first) to 19 (last); below 0 needs a privilege.
pub fn set_nice(nice: i32) -> io::Result<()> {
    // SAFETY: takes no pointer. On Linux a nice value belongs to a thread, and the id of one is allowed here.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, thread_id() as libc::id_t, nice) })
}

fn check(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the process runs with more rights than its user (set-uid, set-gid, file capabilities), so that its
/// environment is not to be trusted.
pub fn is_set_uid() -> bool {
    // SAFETY: reads a value that the kernel passed at start; 0 if it has none.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Has `prepare` called before each `fork`, then `parent` and `child`, each in the process of its name; for good.
///
/// In a child of a program with several threads only async-signal-safe functions may be called. A raw `clone` calls
/// none of the three.
pub fn at_fork(prepare: extern "C" fn(), parent: extern "C" fn(), child: extern "C" fn()) -> io::Result<()> {
    // SAFETY: the three are functions without conditions, which live as long as this code does.
    match unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Keeps the shared object that `f` lies in loaded for good, whatever `dlclose` is called for it; the program itself is.
pub fn pin_object_of(f: extern "C" fn()) {
    // SAFETY: the info is plain data, valid as zeros; its name is a string of the loader's, which stays while the object
    // is loaded. Nothing is loaded anew.
    unsafe {
        let mut info: libc::Dl_info = mem::zeroed();
        if libc::dladdr(f as *const c_void, &raw mut info) != 0 && !info.dli_fname.is_null() {
            libc::dlopen(info.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
            // The program itself can't be opened like this; nobody is to find that.
            libc::dlerror();
        }
    }
}

/// Has `f` called when the process exits normally, or when the shared object that contains this code is unloaded.
pub fn at_exit(f: extern "C" fn()) {
    // SAFETY: `f` is a function without conditions, and the C library calls it before this code is unmapped.
    unsafe { libc::atexit(f) };
}

/// The calling thread's stack as the thread library knows it; for the main thread as far as it may grow. Slow there:
/// it reads `/proc/self/maps`.
pub fn stack_bounds() -> Option<Range<usize>> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut lowest: *mut c_void = ptr::null_mut();
    let mut len = 0;
    // SAFETY: the attributes are read and destroyed only if `getattr_np` has filled them in.
    let known = unsafe {
        libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) == 0 && {
            let result = libc::pthread_attr_getstack(attributes.as_ptr(), &mut lowest, &mut len);
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            result == 0
        }
    };
    known.then(|| lowest.addr()..lowest.addr().saturating_add(len))
}

/// Whether the calling code runs on the thread's alternate signal stack. A stack that was set up with
/// `SS_AUTODISARM` is not recognised.
pub fn on_alternate_stack() -> bool {
    // SAFETY: `stack_t` is plain data, valid as zeros; a null first argument changes nothing.
    unsafe {
        let mut stack: libc::stack_t = mem::zeroed();
        libc::sigaltstack(ptr::null(), &mut stack) == 0 && stack.ss_flags & libc::SS_ONSTACK != 0
    }
}

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
}

/// `PTHREAD_CANCEL_DISABLE` of Linux.
const CANCEL_DISABLE: c_int = 1;

/// Work on a thread of the host: `errno` is afterwards as it was before, and `pthread_cancel` waits until the guard is
/// dropped, since the unwinding of a cancelled thread would end the process at the panic boundary.
#[derive(Debug)]
pub struct HostGuard {
    errno: c_int,
    cancel_state: c_int,
}

impl HostGuard {
    /// Remembers the calling thread's `errno` and forbids its cancellation.
    #[allow(clippy::new_without_default)] // a guard that is made by accident guards nothing
    #[must_use = "undoes its work when it is dropped"]
    pub fn new() -> Self {
        // SAFETY: the location is valid for as long as the thread lives.
        let errno = unsafe { *libc::__errno_location() };
        let mut cancel_state = 0;
        // SAFETY: the old state is written to a live variable.
        unsafe { pthread_setcancelstate(CANCEL_DISABLE, &raw mut cancel_state) };
        Self { errno, cancel_state }
    }
}

impl Drop for HostGuard {
    fn drop(&mut self) {
        // SAFETY: the old state may be NULL.
        unsafe { pthread_setcancelstate(self.cancel_state, ptr::null_mut()) };
        // SAFETY: as in `new`.
        unsafe { *libc::__errno_location() = self.errno };
    }
}

/// Calls `f` with SIGPIPE blocked on this thread; one that `f` caused is taken back. A write into a closed pipe is
/// then an error and nothing else.
pub fn without_sigpipe<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: the sets are initialised by `sigemptyset` before they are used, and all pointers are to live variables.
    unsafe {
        let mut pipe: libc::sigset_t = mem::zeroed();
        let mut old: libc::sigset_t = mem::zeroed();
        let mut pending: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut pipe);
        libc::sigaddset(&raw mut pipe, libc::SIGPIPE);
        libc::sigpending(&raw mut pending);
        let was_pending = libc::sigismember(&raw const pending, libc::SIGPIPE) == 1;
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const pipe, &raw mut old);
        let result = f();
        if !was_pending {
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            libc::sigtimedwait(&raw const pipe, ptr::null_mut(), &raw const now);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const old, ptr::null_mut());
        result
    }
}

/// A descriptor of the host that is written to as it is: no duplicate is needed, so it works when no descriptor is left.
#[derive(Debug)]
pub struct BorrowedDescriptor(pub c_int);

impl io::Write for BorrowedDescriptor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // SAFETY: the bytes are valid for their length; a closed descriptor is an error like others.
        let written = unsafe { libc::write(self.0, bytes.as_ptr().cast(), bytes.len()) };
        usize::try_from(written).map_err(|_| io::Error::last_os_error())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
