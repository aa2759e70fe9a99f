//! A fork under load: the child logs at once, to the same file, in whole lines; nothing of the parent's comes twice, and
//! the parent does not notice.
mod common;

use common::*;
use logfusion::c_api::logfusion_async_operation;
use std::collections::HashSet;
use std::ffi::{c_char, c_int};
use std::sync::atomic::{AtomicBool, Ordering};

/// What the child does, and how it ends: 0 is good. `alarm` ends one that hangs.
fn child_process(number: usize, ending: &str) -> ! {
    // SAFETY: takes no pointer.
    unsafe { libc::alarm(10) };
    let mut status = 0;
    let zero = stats().counts.offered;
    for record in 0..50 {
        if log_text(INFO, "child", &format!("{number} {record}")) != OK {
            status = 1;
        }
    }
    let counts = stats().counts;
    if zero != 0 || counts.offered != 50 {
        eprintln!("child {number}: {zero} offered at first, then {counts:?}");
        status = 2;
    }
    let thread = std::thread::spawn(move || log_text(INFO, "child", &format!("{number} 50")));
    if thread.join().unwrap() != OK {
        status = 3;
    }
    if ending == "flush" {
        if flush(5000) != OK {
            status = 4;
        }
        // SAFETY: ends the child without running anything of the test's.
        unsafe { libc::_exit(status) }
    }
    // SAFETY: the normal end of a program.
    unsafe { libc::exit(status) }
}

unsafe extern "C-unwind" fn exit_well(_: c_int, _: c_int, _: *const c_char) {
    // SAFETY: ends the child.
    unsafe { libc::_exit(0) }
}

/// How children end, by turns.
const ENDINGS: [&str; 3] = ["flush", "exit", "exec"];

fn fork() -> libc::pid_t {
    // SAFETY: the child uses the engine, which promises to work there, and what the C library makes fit for it.
    unsafe { libc::fork() }
}

/// A fork that no handler sees.
fn raw_clone() -> libc::pid_t {
    // SAFETY: without a new stack and flags this is `fork`; the engine promises to work in the child.
    unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD as usize, 0usize, 0usize, 0usize, 0usize) as libc::pid_t }
}

fn assert_good(pid: libc::pid_t, what: &str) {
    let status = wait_for(pid);
    assert!(
        libc::WIFEXITED(status),
        "{what} ended with {status:#x}: {}",
        if libc::WIFSIGNALED(status) { "a signal; SIGALRM (14) means that it hung" } else { "not an exit" }
    );
    assert_eq!(libc::WEXITSTATUS(status), 0, "{what}");
}

#[test]
fn a_child_logs_on_and_its_parent_does_not_notice() {
    let forks = times(21, 501);
    let _limit = Limit::seconds(300);
    let dir = TempDir::new("fork");
    let path = dir.path("log");
    start(&Config { output: Some(path.clone()), ring_bytes: 1 << 20, ..Config::default() });
    let stop = AtomicBool::new(false);
    let logged: Vec<Vec<String>> = std::thread::scope(|scope| {
        let loggers: Vec<_> = (0..4)
            .map(|thread| {
                let stop = &stop;
                scope.spawn(move || {
                    let mut accepted = Vec::new();
                    for number in 0.. {
                        if stop.load(Ordering::Acquire) {
                            break;
                        }
                        let text = format!("{thread} {number}");
                        if log_text(INFO, "parent", &text) == OK {
                            accepted.push(text);
                        }
                        if number % 8 == 0 {
                            std::thread::sleep(std::time::Duration::from_micros(100));
                        }
                    }
                    accepted
                })
            })
            .collect();
        for number in 0..forks {
            // The forking thread has a ring, with something in it.
            assert_eq!(log_text(INFO, "forker", &format!("before {number}")), OK);
            let ending = ENDINGS[number % ENDINGS.len()];
            let pid = fork();
            if pid == 0 && ending == "exec" {
                // SAFETY: a program without arguments.
                unsafe { libc::execl(c"/bin/true".as_ptr(), c"true".as_ptr(), std::ptr::null::<libc::c_char>()) };
            } else if pid == 0 {
                child_process(number, ending);
            }
            assert!(pid > 0);
            assert_eq!(log_text(INFO, "forker", &format!("after {number}")), OK);
            assert_good(pid, &format!("child {number}, which ends by {ending}"));
        }
        stop.store(true, Ordering::Release);
        loggers.into_iter().map(|logger| logger.join().unwrap()).collect()
    });
    // One that no handler sees, of a process that does nothing else: the child's allocator is in order.
    flush_all();
    assert_eq!(log_text(INFO, "forker", "before the raw clone"), OK);
    let pid = raw_clone();
    if pid == 0 {
        // SAFETY: takes no pointer.
        unsafe { libc::alarm(10) };
        let logged = (0..51).all(|record| log_text(INFO, "child", &format!("{forks} {record}")) == OK);
        let flushed = flush(5000) == OK;
        // SAFETY: ends the child.
        unsafe { libc::_exit(if logged && flushed { 0 } else { 1 }) }
    }
    assert!(pid > 0);
    assert_good(pid, "the raw clone");
    // One that first asks for something that its own drain must do.
    let pid = raw_clone();
    if pid == 0 {
        // SAFETY: takes no pointer.
        unsafe { libc::alarm(10) };
        // SAFETY: the callback may be called at any time.
        let begun = unsafe { logfusion_async_operation(1, Some(exit_well)) } == OK;
        if begun && flush(5000) == OK {
            std::thread::sleep(std::time::Duration::from_secs(5));
        }
        // SAFETY: ends the child.
        unsafe { libc::_exit(1) }
    }
    assert!(pid > 0);
    assert_good(pid, "the raw clone that waits for its drain");
    flush_all();

    let mut seen = HashSet::new();
    let all = lines(&path);
    for line in &all {
        let known = [" parent: ", " child: ", " forker: ", " logfusion: "].iter().filter(|mark| line.contains(**mark));
        assert_eq!(known.count(), 1, "a torn line: {line:?}");
        // Time, thread and text: nothing comes twice.
        assert!(line.contains(" logfusion: ") || seen.insert(line.as_str()), "twice: {line:?}");
    }
    for (thread, logged) in logged.iter().enumerate() {
        let prefix = format!("{thread} ");
        let in_file: Vec<String> =
            messages(&path, "parent").into_iter().filter(|message| message.starts_with(&prefix)).collect();
        assert_eq!(in_file.len(), logged.len(), "records of parent's thread {thread}");
        assert_eq!(&in_file, logged);
    }
    let forker = messages(&path, "forker");
    assert_eq!(forker.len(), 2 * forks + 1);
    for number in (0..=forks).filter(|number| *number == forks || ENDINGS[number % ENDINGS.len()] != "exec") {
        let prefix = format!("{number} ");
        let child: HashSet<String> =
            messages(&path, "child").into_iter().filter(|message| message.starts_with(&prefix)).collect();
        assert_eq!(child.len(), 51, "child {number}");
    }
    let sum = stats().counts;
    sum.assert_equations();
    assert_eq!((sum.failed, sum.queued), (0, 0), "{sum:?}");
}
