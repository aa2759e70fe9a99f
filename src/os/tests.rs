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
    let (id, name) = thread::Builder::new()
        .name("audio".into())
        .spawn(|| (thread_id(), thread_name().as_str().to_owned()))
        .unwrap()
        .join()
        .unwrap();
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
    let faults = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL];
    let inherited = with_signals_blocked(|| thread::spawn(move || faults.map(is_blocked))).join().unwrap();
    assert_eq!(inherited, [false; 4]);
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
    let (cpu, nice_of) =
        unsafe { (libc::sched_getcpu() as usize, |id: u64| libc::getpriority(libc::PRIO_PROCESS, id as libc::id_t)) };
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

#[test]
fn each_thread_has_a_pointer_of_its_own() {
    let mine = std::ptr::from_ref(&0_u8).cast();
    assert!(thread_pointer().is_null());
    set_thread_pointer(mine);
    let others = std::thread::spawn(|| {
        let at_first = thread_pointer().addr();
        set_thread_pointer(std::ptr::without_provenance(8));
        (at_first, thread_pointer().addr())
    });
    assert_eq!((others.join().unwrap(), thread_pointer()), ((0, 8), mine));
}

#[test]
fn short_texts_are_copied_from_within_their_page() {
    let page = page_size();
    let mapping = Mapping::new(3 * page).unwrap();
    let first = mapping.as_ptr().as_ptr();
    for guard in [0, 2] {
        // SAFETY: a page of the test's own mapping, which nobody reads from here on.
        assert_eq!(unsafe { libc::mprotect(first.add(guard * page).cast(), page, libc::PROT_NONE) }, 0);
    }
    // SAFETY: the page in the middle, which is the test's alone.
    let text = unsafe { std::slice::from_raw_parts_mut(first.add(page), page) };
    for len in 0..100 {
        for begin in (0..32).chain(page - len - 32..page - len) {
            text.fill(b'x');
            (0..len).for_each(|at| text[begin + at] = b'a' + at as u8 % 20);
            text[begin + len] = 0;
            let mut copy = [0xEE; 200];
            let room: &mut [u8; 64 + 24] = copy.first_chunk_mut().unwrap();
            // SAFETY: NUL-terminated.
            let begun = unsafe { Begun::read(text[begin..].as_ptr().cast()) };
            match begun.and_then(|text| text.copy(room)) {
                Some(copied) => {
                    assert_eq!((copied, &copy[..len]), (len, &text[begin..begin + len]), "{begin}");
                    assert_eq!(copy[len..len + 8], [0; 8], "{begin} {len}");
                }
                None => assert!(len > 64 || begin > page - 16, "{begin} {len}"),
            }
            assert!(copy[64 + 24..].iter().all(|byte| *byte == 0xEE), "{begin} {len}");
        }
    }
}
