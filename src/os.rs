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

#[cfg(target_os = "linux")]
pub use linux::*;
#[cfg(not(target_os = "linux"))]
pub use portable::*;

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

#[cfg(target_os = "linux")]
mod linux {
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
    pub fn thread_name() -> String {
        let mut name = [0u8; 16];
        // SAFETY: `PR_GET_NAME` writes at most 16 bytes, NUL included, into the buffer of 16.
        unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
        CStr::from_bytes_until_nul(&name).unwrap_or_default().to_string_lossy().into_owned()
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
            let mutex = Box::new(MaybeUninit::<libc::pthread_mutex_t>::uninit());
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
                0 => Ok(()),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }

        /// Whether the owner has ended, or there is none; the lock can then be taken by another thread.
        pub fn owner_is_gone(&self) -> bool {
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

    /// Runs `f` with all signals blocked on the calling thread: a thread that is started in it never runs a handler of
    /// the program. The mask is restored afterwards, after a panic too.
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
}

/// What `std` offers, for systems other than Linux; untested. A forked child is not recognised, a thread is never seen to
/// end (its ring is kept until the process ends), and requests about processors, priorities, signals and `errno` do
/// nothing.
#[cfg(not(target_os = "linux"))]
mod portable {
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
    pub fn thread_name() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
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
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::cell::Cell;
    use std::io;
    use std::mem;
    use std::ptr;
    use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering, compiler_fence};
    use std::sync::{Arc, mpsc};
    use std::thread;

    use super::*;

    /// Runs `body` in a child made by `spawn` and returns its exit status. The child may only do what is safe in a signal
    /// handler.
    fn exit_status_of_child(spawn: fn() -> libc::pid_t, body: impl FnOnce() -> i32) -> i32 {
        let pid = spawn();
        assert!(pid >= 0, "{}", io::Error::last_os_error());
        if pid == 0 {
            let status = body();
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(status) };
        }
        let mut status = 0;
        // SAFETY: waits for our child; `status` is writable.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert!(libc::WIFEXITED(status), "the child ended with {status:#x}");
        libc::WEXITSTATUS(status)
    }

    fn fork() -> libc::pid_t {
        // SAFETY: the child keeps to what `exit_status_of_child` allows.
        unsafe { libc::fork() }
    }

    /// A child that no `pthread_atfork` handler sees.
    fn raw_clone() -> libc::pid_t {
        // SAFETY: without a new stack and flags this is `fork`; the child keeps to what `exit_status_of_child` allows.
        unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD as usize, 0usize, 0usize, 0usize, 0usize) as libc::pid_t }
    }

    fn count_nonzero(mapping: &Mapping) -> usize {
        // SAFETY: no other thread uses the mapping of a test.
        let bytes = unsafe { std::slice::from_raw_parts(mapping.as_ptr().as_ptr(), mapping.len()) };
        bytes.iter().filter(|byte| **byte != 0).count()
    }

    fn fill(mapping: &Mapping, byte: u8) {
        // SAFETY: no other thread uses the mapping of a test.
        unsafe { mapping.as_ptr().as_ptr().write_bytes(byte, mapping.len()) };
    }

    fn resident_pages(mapping: &Mapping) -> usize {
        let mut pages = vec![0u8; mapping.len() / page_size()];
        // SAFETY: one byte for each page of the mapping.
        let result = unsafe { libc::mincore(mapping.as_ptr().as_ptr().cast(), mapping.len(), pages.as_mut_ptr()) };
        assert_eq!(result, 0);
        pages.iter().filter(|page| **page & 1 != 0).count()
    }

    #[test]
    fn thread_has_id_and_name() {
        let (id, name) =
            thread::Builder::new().name("audio".into()).spawn(|| (thread_id(), thread_name())).unwrap().join().unwrap();
        assert_ne!(id, thread_id());
        assert_eq!(name, "audio");
    }

    #[test]
    fn mapping_is_zeroed_whole_pages_that_can_be_made_resident() {
        for len in [0, 1, page_size(), page_size() + 1, 1 << 20] {
            let mapping = Mapping::new(len).unwrap();
            assert!(mapping.len() >= len.max(1) && mapping.len() < len.max(1) + page_size());
            assert_eq!(mapping.as_ptr().addr().get() % page_size(), 0);
            mapping.populate(0..mapping.len());
            assert_eq!(resident_pages(&mapping), mapping.len() / page_size());
            assert_eq!(count_nonzero(&mapping), 0);
        }
        assert!(Mapping::new(usize::MAX).is_err());
        assert!(Mapping::new(usize::MAX / 2).is_err());
    }

    #[test]
    fn mapping_is_discarded_and_populated() {
        let mapping = Mapping::new(16 * page_size()).unwrap();
        fill(&mapping, 0xAB);
        mapping.populate(0..mapping.len());
        assert_eq!(count_nonzero(&mapping), mapping.len(), "populating keeps the bytes");
        mapping.discard();
        assert_eq!(resident_pages(&mapping), 0);
        mapping.populate(page_size()..5 * page_size());
        assert_eq!(resident_pages(&mapping), 4);
        mapping.populate_shared(5 * page_size()..mapping.len());
        assert_eq!(resident_pages(&mapping), 15);
        assert_eq!(count_nonzero(&mapping), 0);
    }

    #[test]
    fn discarded_memory_is_zero_though_it_is_locked() {
        let mapping = Mapping::new(page_size()).unwrap();
        fill(&mapping, 1);
        // SAFETY: locks memory that is ours; unmapping unlocks it.
        if unsafe { libc::mlock(mapping.as_ptr().as_ptr().cast(), mapping.len()) } == 0 {
            mapping.discard();
            assert_eq!(count_nonzero(&mapping), 0);
        }
    }

    #[test]
    fn forked_child_reads_zeros() {
        let mapping = Mapping::new(4 * page_size()).unwrap();
        for (spawn, value) in [(fork as fn() -> _, 0xAA), (raw_clone, 0xBB)] {
            fill(&mapping, value);
            let status = exit_status_of_child(spawn, || {
                let zero = count_nonzero(&mapping) == 0;
                fill(&mapping, 0xCC);
                if zero && count_nonzero(&mapping) == mapping.len() { 42 } else { 1 }
            });
            assert_eq!(status, 42);
            assert_eq!(count_nonzero(&mapping), mapping.len(), "the parent keeps its bytes");
        }
        mapping.discard();
        fill(&mapping, 1);
        assert_eq!(exit_status_of_child(fork, || (count_nonzero(&mapping) == 0) as i32), 1, "a reused mapping, too");
    }

    #[test]
    fn owner_is_seen_to_end_and_never_early() {
        // A lock is reused by thread after thread, as a pooled ring is.
        let locks: Vec<_> = (0..8).map(|_| Arc::new(OwnerLock::new().unwrap())).collect();
        for round in 0..2000 / locks.len() {
            let threads: Vec<_> = (locks.iter())
                .map(|lock| {
                    let (locked, is_locked) = mpsc::channel();
                    let (end, may_end) = mpsc::channel::<()>();
                    let mine = lock.clone();
                    let thread = thread::spawn(move || {
                        mine.lock_for_current_thread().unwrap();
                        locked.send(()).unwrap();
                        may_end.recv().unwrap();
                    });
                    is_locked.recv().unwrap();
                    (lock, thread, end)
                })
                .collect();
            for (lock, ..) in &threads {
                assert!(!lock.owner_is_gone(), "round {round}: seen to end while it runs");
                assert_eq!(lock.lock_for_current_thread().unwrap_err().raw_os_error(), Some(libc::EBUSY));
            }
            for (lock, thread, end) in threads {
                end.send(()).unwrap();
                thread.join().unwrap();
                assert!(lock.owner_is_gone(), "round {round}: not seen to end");
                assert!(lock.owner_is_gone(), "asking again changes nothing");
            }
        }
    }

    #[test]
    fn owner_is_alive_in_its_last_destructor() {
        struct AtEnd(Cell<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>);
        impl Drop for AtEnd {
            fn drop(&mut self) {
                let (started, finish) = self.0.take().unwrap();
                started.send(()).unwrap();
                finish.recv().unwrap();
            }
        }
        thread_local!(static AT_END: AtEnd = const { AtEnd(Cell::new(None)) });

        let lock = Arc::new(OwnerLock::new().unwrap());
        let (started, is_started) = mpsc::channel();
        let (finish, may_finish) = mpsc::channel();
        let mine = lock.clone();
        let thread = thread::spawn(move || {
            mine.lock_for_current_thread().unwrap();
            AT_END.with(|at_end| at_end.0.set(Some((started, may_finish))));
        });
        is_started.recv().unwrap();
        assert!(!lock.owner_is_gone());
        finish.send(()).unwrap();
        thread.join().unwrap();
        assert!(lock.owner_is_gone());
    }

    #[test]
    fn lock_is_dropped_before_its_owner_ends() {
        // Were the memory freed, the kernel would write to it when the thread ends.
        for _ in 0..100 {
            thread::spawn(|| {
                let lock = OwnerLock::new().unwrap();
                lock.lock_for_current_thread().unwrap();
                assert!(!lock.owner_is_gone(), "its own thread is alive");
            })
            .join()
            .unwrap();
        }
    }

    #[test]
    fn heavy_barrier_orders_the_light_side() {
        // Each side writes its own word and reads the other's: both reading the old value is what is forbidden.
        const ROUNDS: u64 = 20_000;
        static LIGHT: AtomicU64 = AtomicU64::new(0);
        static HEAVY: AtomicU64 = AtomicU64::new(0);
        static LIGHT_SAW: AtomicU64 = AtomicU64::new(0);
        static ROUND: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
        fn meet(side: usize, round: u64) {
            ROUND[side].store(round, Ordering::SeqCst);
            let mut spins = 0u32;
            while ROUND[1 - side].load(Ordering::SeqCst) < round {
                spins += 1;
                if spins.is_multiple_of(1000) {
                    thread::yield_now();
                }
            }
        }
        let light = thread::spawn(|| {
            for round in 1..=ROUNDS {
                meet(0, 2 * round);
                LIGHT.store(round, Ordering::Relaxed);
                compiler_fence(Ordering::SeqCst);
                LIGHT_SAW.store(HEAVY.load(Ordering::Relaxed), Ordering::Relaxed);
                meet(0, 2 * round + 1);
            }
        });
        let mut both_missed = 0;
        for round in 1..=ROUNDS {
            meet(1, 2 * round);
            HEAVY.store(round, Ordering::Relaxed);
            heavy_barrier();
            let heavy_saw = LIGHT.load(Ordering::Relaxed);
            meet(1, 2 * round + 1);
            both_missed += u64::from(heavy_saw < round && LIGHT_SAW.load(Ordering::Relaxed) < round);
        }
        light.join().unwrap();
        assert_eq!(both_missed, 0, "of {ROUNDS} rounds");
    }

    fn is_blocked(signal: i32) -> bool {
        // SAFETY: a signal set is plain data; a null new mask only reads the old one.
        unsafe {
            let mut mask: libc::sigset_t = mem::zeroed();
            libc::pthread_sigmask(libc::SIG_SETMASK, ptr::null(), &mut mask);
            libc::sigismember(&mask, signal) == 1
        }
    }

    #[test]
    fn signals_are_blocked_inside_and_restored() {
        let signals = [libc::SIGTERM, libc::SIGUSR1, libc::SIGCHLD, libc::SIGALRM];
        let before = signals.map(is_blocked);
        let inherited = with_signals_blocked(|| thread::spawn(move || signals.map(is_blocked))).join().unwrap();
        assert_eq!(inherited, [true; 4]);
        assert_eq!(signals.map(is_blocked), before);
        assert!(std::panic::catch_unwind(|| with_signals_blocked(|| std::panic::resume_unwind(Box::new(())))).is_err());
        assert_eq!(signals.map(is_blocked), before, "after a panic, too");
    }

    #[test]
    fn affinity_and_nice_are_the_thread_s_own() {
        // SAFETY: neither takes a pointer.
        let (cpu, nice_of) = unsafe {
            (libc::sched_getcpu() as usize, |id: u64| libc::getpriority(libc::PRIO_PROCESS, id as libc::id_t))
        };
        let before = nice_of(thread_id());
        thread::spawn(move || {
            set_affinity(cpu).unwrap();
            // SAFETY: takes no pointer.
            assert_eq!(unsafe { libc::sched_getcpu() }, cpu as i32);
            set_nice(before + 3).unwrap();
            assert_eq!(nice_of(thread_id()), before + 3);
        })
        .join()
        .unwrap();
        assert_eq!(nice_of(thread_id()), before);
        assert!(set_affinity(usize::MAX).is_err());
        assert!(set_affinity(1023).is_err(), "no machine of the tests has so many");
    }

    #[test]
    fn fork_handlers_run_on_both_sides() {
        static CALLS: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];
        extern "C" fn prepare() {
            CALLS[0].fetch_add(1, Ordering::SeqCst);
        }
        extern "C" fn parent() {
            CALLS[1].fetch_add(1, Ordering::SeqCst);
        }
        extern "C" fn child() {
            CALLS[2].fetch_add(1, Ordering::SeqCst);
        }
        at_fork(prepare, parent, child).unwrap();
        // Other tests of this process may fork meanwhile.
        let status = exit_status_of_child(fork, || {
            let [prepared, _, child] = [0, 1, 2].map(|i| CALLS[i].load(Ordering::SeqCst));
            if prepared >= 1 && child == 1 { 42 } else { 1 }
        });
        assert_eq!(status, 42);
        assert!(CALLS[1].load(Ordering::SeqCst) >= 1);
        assert_eq!(CALLS[2].load(Ordering::SeqCst), 0);
        let child_calls = exit_status_of_child(raw_clone, || CALLS[2].load(Ordering::SeqCst) as i32);
        assert_eq!(child_calls, 0, "a raw clone calls no handler");
    }

    #[test]
    fn exit_handler_runs() {
        extern "C" fn leave() {
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(42) };
        }
        let status = exit_status_of_child(fork, || {
            at_exit(leave);
            // SAFETY: handlers run last first, and ours does not return.
            unsafe { libc::exit(1) }
        });
        assert_eq!(status, 42);
    }

    #[test]
    fn stack_contains_a_local() {
        fn contains_local() -> bool {
            let local = 0u8;
            stack_bounds().unwrap().contains(&ptr::from_ref(&local).addr())
        }
        assert!(contains_local());
        assert!(thread::spawn(contains_local).join().unwrap());
    }

    #[test]
    fn alternate_stack_is_recognised() {
        static SEEN: AtomicI32 = AtomicI32::new(-1);
        extern "C" fn handler(_signal: i32) {
            SEEN.store(i32::from(on_alternate_stack()), Ordering::SeqCst);
        }
        // The thread has an alternate stack already: Rust installs one on every thread that it starts.
        thread::spawn(|| {
            // SAFETY: the handler only stores to an atomic and asks for the stack; the signal goes to this thread.
            unsafe {
                let mut action: libc::sigaction = mem::zeroed();
                action.sa_sigaction = handler as extern "C" fn(i32) as usize;
                for (flags, expected) in [(libc::SA_ONSTACK, 1), (0, 0)] {
                    action.sa_flags = flags;
                    assert_eq!(libc::sigaction(libc::SIGURG, &action, ptr::null_mut()), 0);
                    libc::pthread_kill(libc::pthread_self(), libc::SIGURG);
                    assert_eq!(SEEN.load(Ordering::SeqCst), expected);
                }
                action.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(libc::SIGURG, &action, ptr::null_mut());
            }
        })
        .join()
        .unwrap();
        assert!(!on_alternate_stack());
    }

    #[test]
    fn errno_is_kept() {
        // SAFETY: closing a descriptor that nobody can have fails and sets `errno`.
        let fail = || unsafe { libc::close(-1) };
        // SAFETY: sets this thread's own `errno`.
        unsafe { *libc::__errno_location() = libc::EXDEV };
        {
            let _guard = HostGuard::new();
            fail();
            assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::EBADF));
        }
        assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::EXDEV));
    }

    #[test]
    fn process_is_not_set_uid() {
        assert!(!is_set_uid());
    }

    #[test]
    fn clocks_advance() {
        let (monotonic, wall, counter) = (monotonic_ns(), wall_ns(), hardware_counter());
        thread::sleep(std::time::Duration::from_millis(2));
        assert!(monotonic_ns() >= monotonic + 2_000_000);
        assert!(wall > 1_700_000_000_000_000_000);
        assert!(hardware_counter() > counter);
    }
}
