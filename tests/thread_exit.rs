//! 2,000 threads that come and go: what they log is delivered, from their last destructors too, and their rings are used
//! again.
mod common;

use common::*;
use std::cell::Cell;
use std::time::Duration;

/// Logs when the thread's storage is torn down, at a place in the order that nobody chose.
struct Last(&'static str);

impl Drop for Last {
    fn drop(&mut self) {
        let status = log_text(INFO, "exit", &format!("{} {}", NUMBER.get(), self.0));
        assert_eq!(status, OK);
    }
}

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(0) };
    static BEFORE: Last = const { Last("early") };
    static AFTER: Last = const { Last("late") };
}

/// Of the C library: its destructors run after those of Rust's thread-locals.
fn pthread_key() -> libc::pthread_key_t {
    unsafe extern "C" fn destroy(value: *mut libc::c_void) {
        let status = log_text(INFO, "exit", &format!("{} last", value.addr() - 1));
        assert_eq!(status, OK);
    }
    let mut key = 0;
    // SAFETY: the key is written, and the destructor lives as long as the program.
    assert_eq!(unsafe { libc::pthread_key_create(&raw mut key, Some(destroy)) }, 0);
    key
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn threads_end_and_their_rings_go_on() {
    let all = times(2000, 10_000);
    let _limit = Limit::seconds(200);
    let dir = TempDir::new("thread-exit");
    let path = dir.path("log");
    start(&Config { output: Some(path.clone()), ..Config::default() });
    log(INFO, c"main", c"the first");
    flush_all();
    let key = pthread_key();
    let before = resident_bytes();
    let mut most = 0;
    for round in 0..all / 4 {
        // Joined, not scoped: a scope ends before the threads' destructors have run.
        let threads = [0, 1, 2, 3].map(|thread| {
            std::thread::spawn(move || {
                let number = round * 4 + thread;
                NUMBER.set(number);
                // Registered before and after the thread's first record.
                BEFORE.with(|_| ());
                // SAFETY: the key was made; the value is not null and not a pointer.
                unsafe { libc::pthread_setspecific(key, std::ptr::without_provenance(number + 1)) };
                for text in ["one", "two"] {
                    assert_eq!(log_text(INFO, "exit", &format!("{number} {text}")), OK);
                }
                AFTER.with(|_| ());
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        if round % 8 == 7 {
            // The drain gets its turn on a machine that is busy with other things, too.
            flush_all();
        }
        most = most.max(resident_bytes());
    }
    flush_all();

    // Everything came, each thread's records in its order.
    let mut of_thread: Vec<Vec<String>> = vec![Vec::new(); all];
    for message in messages(&path, "exit") {
        let (number, text) = message.split_once(' ').unwrap();
        of_thread[number.parse::<usize>().unwrap()].push(text.to_owned());
    }
    for (number, texts) in of_thread.iter().enumerate() {
        assert_eq!(texts.len(), 5, "thread {number}: {texts:?}");
        assert_eq!(texts[..2], ["one", "two"], "thread {number}");
        assert!(texts[2..4].contains(&"early".to_owned()) && texts[2..4].contains(&"late".to_owned()), "{texts:?}");
        assert_eq!(texts[4], "last", "thread {number}");
    }

    // The engine finds out that they are gone, and closes their books.
    wait_until(Duration::from_secs(5), "the ends of all threads", || stats().threads_ended == all);
    let sum = stats();
    sum.counts.assert_equations();
    assert_eq!(sum.threads_live, 1, "this thread");
    assert_eq!(sum.counts.offered, all as u64 * 5 + 1);
    assert_eq!((sum.counts.dropped_sum(), sum.counts.failed, sum.counts.queued), (0, 0, 0), "{sum:?}");
    let threads = thread_stats();
    assert_eq!(
        threads.iter().filter(|thread| thread.ended == 1).count(),
        1024 + 1,
        "1,024 one by one, the rest in one"
    );
    let earlier: Vec<_> = threads.iter().filter(|thread| thread.thread_id == 0).collect();
    assert_eq!(earlier.len(), 1);
    assert_eq!(earlier[0].name(), "(ended)");
    assert_eq!(earlier[0].counts.delivered, (all - 1024) as u64 * 5);
    threads.iter().for_each(|thread| thread.counts.assert_equations());

    let (grown, at_most) = (resident_bytes().saturating_sub(before) >> 20, most.saturating_sub(before) >> 20);
    assert!(grown < 100, "{grown} MiB more than before the {all} threads");
    assert!(at_most < 100, "{at_most} MiB at the peak");
}
