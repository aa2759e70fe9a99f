//! The crash handler: when the program crashes, what was logged before reaches the output.
//!
//! # States
//!
//! ```text
//!            the first signal                 a thread that crashes while another reports waits for it
//!   READY ──────────────────▶ REPORTING ──▶ CHAINING ──▶ the process ends
//!     ▲    REPORTER: 0 → who                    │
//!     └─────────────────────────────────────────┘  the handler before ours returns to the program
//! ```
//!
//! 1. The handler [freezes](freeze) the drain: a pass under way writes what it has formatted, releases it and stops.
//! 2. It reads the [rings] from their tails to their heads, in the order of time, and writes each record as a line in the
//!    output's own format ([`report`]), between a line that says what happened and one that counts. The filter is not asked.
//! 3. It calls the handler that was there before: a crash reporter's, or the system's default.
//!
//! # What it calls
//!
//! Nothing that a signal handler may not: it takes no lock and allocates nothing, since the thread may have crashed while
//! it held the allocator's lock or one of ours. All its memory is there from [`install`] on. It makes one kind of system call,
//! `write(2)`, but for `rt_sigaction` and `tgkill` where the default follows; waits spin. It reads only memory that the engine
//! itself owns, and decodes a copy of each record: a second crash is possible where the program's own has overwritten the
//! engine's memory, and then goes straight to the handler before.
//!
//! # Repeats
//!
//! The drain is given 200 ms. It may be inside of a callback that doesn't return, or it is the thread that crashed. Then rings
//! also hold what was formatted and not written, which is why it isn't lost; but a host's subscriber, a callback, or a pipe
//! that took half of a write may have seen some of it. The first line says `may_repeat=true`; so it does where a pass that had a
//! time limit ended within a batch.
//!
//! # Forks
//!
//! A child inherits the handler, and finds the rings of its parent wiped.

pub mod freeze;
mod report;
pub mod rings;

use crate::lifecycle::lock_within;
use crate::os;
use crate::output::{Destination, Output};
use crate::sync::{AtomicBool, AtomicU32, AtomicUsize, Mutex, Ordering, lock, thread};
use freeze::Freeze;
use report::Report;
use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

static FREEZE: Freeze = Freeze::new();

/// The thread that reports or has the handler before ours report; 0: none.
static REPORTER: AtomicUsize = AtomicUsize::new(0);

/// The descriptor that the program gave, or [`OWN`].
static GIVEN: AtomicU32 = AtomicU32::new(OWN as u32);
/// Stands for the engine's own output.
pub const OWN: i32 = -1;

/// How long the drain is given to end its pass.
const PASS_LIMIT: Duration = Duration::from_millis(200);
/// How long a thread that crashes waits for another that reports.
const OTHER_LIMIT: Duration = Duration::from_secs(5);
/// How long everything waits for a process that does not end, though nobody reports any more.
const END_LIMIT: Duration = Duration::from_secs(5);
/// How long everything waits for a handler before ours that does not return: it may have jumped back into the program.
const CHAIN_LIMIT: Duration = Duration::from_secs(60);

/// Why there is no handler.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A descriptor that is not open.
    #[error("{0} is no open file descriptor, nor -1 for the engine's own output")]
    Descriptor(i32),
    /// There is no memory for what a report needs.
    #[error("there is no memory for a report")]
    Memory,
    /// Handlers can't be installed.
    #[error("crash signals can't be handled: {0}")]
    System(#[from] io::Error),
}

/// Has crashes reported to `fd` from now on; [`OWN`]: to where the engine's own output writes, else to stderr.
pub fn install(fd: i32, output: impl FnOnce()) -> Result<(), Refused> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    if fd != OWN && !os::is_open(fd) {
        return Err(Refused::Descriptor(fd));
    }
    let mut installed = lock(&INSTALLED);
    report::prepare().ok_or(Refused::Memory)?;
    if fd == OWN {
        SHADOWS.store(true, Ordering::Relaxed);
        output();
    }
    GIVEN.store(fd as u32, Ordering::Relaxed);
    if !*installed {
        os::handle_crashes(on_signal)?;
        *installed = true;
    }
    Ok(())
}

/// Some of what the rings hold has been written.
static REPEATS: AtomicBool = AtomicBool::new(false);

/// Says at the end of a pass whether the rings hold what was written.
pub fn note_repeats(any: bool) {
    REPEATS.store(any, Ordering::Relaxed);
}

/// Whether a pass under way should end: the process crashes.
#[inline]
pub fn is_frozen() -> bool {
    FREEZE.is_frozen()
}

/// Does work of the drain, which moves tails of rings and writes; while the process crashes it waits.
pub fn pass<R>(work: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            FREEZE.leave();
        }
    }
    let who = os::thread_token();
    wait_until(|| FREEZE.try_enter(who));
    let _leave = Leave;
    work()
}

/// Waits until memory may be unmapped that was taken from the list of rings.
fn wait_to_unmap() {
    wait_until(|| FREEZE.may_unmap());
}

#[inline]
fn wait_until(may_go_on: impl Fn() -> bool) {
    if !may_go_on() {
        wait_for_the_end(&may_go_on);
    }
}

/// The process is about to end. Should it not, nothing waits for ever.
#[cold]
fn wait_for_the_end(may_go_on: &dyn Fn() -> bool) {
    let began = Instant::now();
    let mut nobody_reports = began;
    while !may_go_on() {
        thread::sleep(Duration::from_millis(1));
        if REPORTER.load(Ordering::Relaxed) != 0 {
            nobody_reports = Instant::now();
        }
        if nobody_reports.elapsed() >= END_LIMIT || began.elapsed() >= CHAIN_LIMIT {
            let_go();
        }
    }
}

/// Everything may go on, as at the exit of a process that a handler before ours ends in good order.
pub fn let_go() {
    REPORTER.store(0, Ordering::Relaxed);
    FREEZE.thaw();
}

/// In a forked child, which has none of the threads that passed or reported.
pub fn forget_threads() {
    FREEZE.leave();
    note_repeats(false);
    let_go();
}

/// Its frame is small: where the report overflows the signal stack, the system calls it once more on that stack's beginning.
extern "C" fn on_signal(number: i32, info: *mut os::SignalInfo, context: *mut std::ffi::c_void) {
    let me = os::thread_token();
    let first = REPORTER.compare_exchange(0, me, Ordering::AcqRel, Ordering::Acquire);
    match first {
        Ok(_) => report_crash(me, number, info),
        // Our own report crashed, or the handler before ours.
        Err(reporter) if reporter == me => (),
        Err(_) => _ = spin_until(OTHER_LIMIT, || REPORTER.load(Ordering::Acquire) == 0),
    }
    let goes_on = os::chain(number, info, context);
    if first.is_ok() {
        if goes_on {
            FREEZE.thaw();
        }
        REPORTER.store(0, Ordering::Release);
    }
}

#[inline(never)]
fn report_crash(me: usize, number: i32, info: *mut os::SignalInfo) {
    FREEZE.freeze();
    let done = FREEZE.inside() != me && spin_until(PASS_LIMIT, || FREEZE.inside() == 0);
    let given = GIVEN.load(Ordering::Relaxed) as i32;
    let fd = if given == OWN { OUTPUT.load(Ordering::Relaxed) as i32 } else { given };
    if let Some(report) = Report::of_process() {
        let may_repeat = !done || REPEATS.load(Ordering::Relaxed);
        report.write(fd, me, &os::describe_trap(number, info), may_repeat);
    }
}

/// Waits without a system call (the clock is read in user space). Returns whether it came to be.
fn spin_until(limit: Duration, is_so: impl Fn() -> bool) -> bool {
    let began = os::monotonic_ns();
    loop {
        if is_so() {
            return true;
        }
        if u128::from(os::monotonic_ns().saturating_sub(began)) >= limit.as_nanos() {
            return false;
        }
        std::hint::spin_loop();
    }
}

/// The descriptor of the engine's own output.
static OUTPUT: AtomicU32 = AtomicU32::new(2);
/// Whether the output's file is kept open for a handler.
static SHADOWS: AtomicBool = AtomicBool::new(false);
/// The number under which it is.
static SHADOW: Mutex<Option<i32>> = Mutex::new(None);

/// Reports look like the lines of this output from now on, and go where they go; `None`: text, to stderr.
pub fn note_output(output: Option<&Output>) {
    report::set_style(output.map(Output::style).unwrap_or_default());
    match output.map(Output::destination) {
        Some(Destination::File(_)) => (),
        Some(Destination::Stdout) => OUTPUT.store(1, Ordering::Relaxed),
        _ => OUTPUT.store(2, Ordering::Relaxed),
    }
}

/// The output writes to another file. A handler can't ask for its descriptor, and one that is closed may be another
/// file's by the time of the crash: so the file is open a second time, always under the same number.
pub fn note_file(file: &File) {
    if !SHADOWS.load(Ordering::Relaxed) {
        return;
    }
    if let Some(mut shadow) = lock_within(&SHADOW, Some(Duration::from_millis(100))) {
        // Without a descriptor to spare, reports go where they went before.
        if let Ok(number) = os::duplicate_as(file, *shadow) {
            *shadow = Some(number);
            OUTPUT.store(number as u32, Ordering::Relaxed);
        }
    }
}
