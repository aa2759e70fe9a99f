//! Crash signals: the handler, and the one that was there before.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::OnceLock;

use libc::c_int;

/// What the kernel says of a signal.
pub type SignalInfo = libc::siginfo_t;
type Handler = extern "C" fn(c_int, *mut SignalInfo, *mut c_void);

const SIGNALS: [(c_int, &str); 5] = [
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGABRT, "SIGABRT"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGBUS, "SIGBUS"),
];

/// What was there before ours, by the place in [`SIGNALS`].
static BEFORE: [OnceLock<libc::sigaction>; SIGNALS.len()] = [const { OnceLock::new() }; SIGNALS.len()];

/// A crash, as its handler is told of it.
#[derive(Debug, Clone, Copy)]
pub struct Trap {
    /// The signal's name.
    pub name: &'static str,
    /// Its `si_code`: above 0, the kernel's; 0 and below, a process's (`raise`, `abort`, `kill`).
    pub code: i64,
    /// The address that the fault was about.
    pub address: u64,
}

/// Calls `handler` for each crash signal, on the thread's alternate stack if it has one. All other signals are blocked
/// meanwhile; a second crash signal calls it again.
pub fn handle_crashes(handler: Handler) -> io::Result<()> {
    for ((signal, _), before) in SIGNALS.iter().zip(&BEFORE) {
        // SAFETY: the structs are plain data, valid as zeros; the handler is a function for `SA_SIGINFO`, and the old
        // action is kept before the new one is there.
        unsafe {
            let mut old: libc::sigaction = mem::zeroed();
            check(libc::sigaction(*signal, ptr::null(), &raw mut old))?;
            before.get_or_init(|| old);
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = handler as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            libc::sigfillset(&raw mut action.sa_mask);
            for (signal, _) in SIGNALS {
                libc::sigdelset(&raw mut action.sa_mask, signal);
            }
            check(libc::sigaction(*signal, &raw const action, ptr::null_mut()))?;
        }
    }
    Ok(())
}

/// What a handler's arguments say.
pub fn describe_trap(signal: c_int, info: *mut SignalInfo) -> Trap {
    let name = SIGNALS.iter().find(|(known, _)| *known == signal).map_or("?", |(_, name)| name);
    // SAFETY: the kernel's, valid for the time of the handler; the address is there for faults, and harmless otherwise.
    let (code, address) = unsafe { info.as_ref().map_or((0, 0), |info| (info.si_code, info.si_addr().addr())) };
    let address = if code > 0 { address as u64 } else { 0 };
    Trap { name, code: i64::from(code), address }
}

/// Calls the handler before ours; where there was none, makes the system's default follow when ours returns. Returns
/// whether the program seems to go on.
#[inline(never)]
pub fn chain(signal: c_int, info: *mut SignalInfo, context: *mut c_void) -> bool {
    let place = SIGNALS.iter().position(|(known, _)| *known == signal);
    let before = place.and_then(|place| BEFORE[place].get());
    // SAFETY: as in `describe_trap`.
    let was_sent = unsafe { info.as_ref() }.is_none_or(|info| info.si_code <= 0);
    let handler = before.map_or(libc::SIG_DFL, |before| before.sa_sigaction);
    if handler == libc::SIG_IGN && was_sent {
        return true;
    }
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        set_default(signal);
        if was_sent {
            // Arrives when the handler returns, or at once. A fault comes again by itself.
            // SAFETY: takes no pointer.
            unsafe { libc::raise(signal) };
        }
        return false;
    }
    // SAFETY: the program installed this function for the signal, with the arguments that its flags say.
    unsafe {
        if before.is_some_and(|before| before.sa_flags & libc::SA_SIGINFO != 0) {
            mem::transmute::<libc::sighandler_t, Handler>(handler)(signal, info, context);
        } else {
            mem::transmute::<libc::sighandler_t, extern "C" fn(c_int)>(handler)(signal);
        }
    }
    !is_default(signal)
}

fn set_default(signal: c_int) {
    // SAFETY: plain data, valid as zeros, which say `SIG_DFL`.
    unsafe {
        let action: libc::sigaction = mem::zeroed();
        libc::sigaction(signal, &raw const action, ptr::null_mut());
    }
}

/// Whether the handler before ours has given the signal up: it ends the process when it comes again.
fn is_default(signal: c_int) -> bool {
    // SAFETY: plain data, valid as zeros.
    unsafe {
        let mut now: libc::sigaction = mem::zeroed();
        libc::sigaction(signal, ptr::null(), &raw mut now) == 0 && now.sa_sigaction == libc::SIG_DFL
    }
}

/// The calling thread, as the C library knows it: not 0, and read without a system call.
pub fn thread_token() -> usize {
    // SAFETY: takes nothing.
    unsafe { libc::pthread_self() as usize }
}

/// Whether this descriptor is open.
pub fn is_open(descriptor: c_int) -> bool {
    // SAFETY: takes no pointer; a descriptor that is not open is an error like others.
    unsafe { libc::fcntl(descriptor, libc::F_GETFD) >= 0 }
}

/// Opens `file` a second time, under this number or, for the first time, under a new one that stays open for good.
pub fn duplicate_as(file: &File, number: Option<c_int>) -> io::Result<c_int> {
    // SAFETY: takes no pointer; the number is one that this function opened.
    let result = unsafe {
        match number {
            Some(number) => libc::dup3(file.as_raw_fd(), number, libc::O_CLOEXEC),
            None => libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3),
        }
    };
    if result >= 0 { Ok(result) } else { Err(io::Error::last_os_error()) }
}

/// Writes in a signal handler: with `write(2)` alone, again after an interruption, and for at most a second into a pipe that
/// is full. `errno` stays as it was. What can't be written is left out.
pub fn write_in_handler(descriptor: c_int, mut bytes: &[u8]) {
    // SAFETY: the location is valid for as long as the thread lives.
    let errno = unsafe { *libc::__errno_location() };
    let began = super::monotonic_ns();
    while !bytes.is_empty() {
        // SAFETY: the bytes are valid for their length.
        let written = unsafe { libc::write(descriptor, bytes.as_ptr().cast(), bytes.len()) };
        if let Ok(written) = usize::try_from(written) {
            bytes = &bytes[written.min(bytes.len())..];
            continue;
        }
        // SAFETY: as above.
        let error = unsafe { *libc::__errno_location() };
        let may_try = error == libc::EINTR || error == libc::EAGAIN;
        if !may_try || super::monotonic_ns().saturating_sub(began) > 1_000_000_000 {
            break;
        }
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

fn check(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
