//! Four threads, a slow output, and a count of everything: shared by the tests of the two overflow policies.

use super::*;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::sync::Barrier;
use std::thread::JoinHandle;

pub const THREADS: usize = 4;
/// Records of each thread: a million, as the issue asks for, where the engine is optimised.
pub const RECORDS: usize = scaled(1_000_000, 250_000);

/// What one thread counted by itself.
#[derive(Debug)]
pub struct Own {
    pub name: String,
    pub offered: u64,
    pub accepted: u64,
}

/// What came out of the pipe.
#[derive(Debug, Default)]
pub struct Lines {
    /// Of each thread, by its name.
    pub records: HashMap<String, u64>,
    /// The engine's own lines.
    pub own: Vec<String>,
}

/// Reads the pipe slowly, `pause` after each 64 KiB, and checks each line as it comes: whole, of a known thread, and with
/// a greater number than the thread's last one. So nothing comes twice, and nothing overtakes.
fn read_slowly(path: PathBuf, pause: Duration) -> JoinHandle<Lines> {
    std::thread::spawn(move || {
        let mut pipe = File::open(path).unwrap();
        let mut read = Lines::default();
        let mut last: [Option<u64>; THREADS] = [None; THREADS];
        let mut counts = [0_u64; THREADS];
        let mut buffer = vec![0_u8; 1 << 16];
        let mut line: Vec<u8> = Vec::new();
        loop {
            let got = pipe.read(&mut buffer).unwrap();
            if got == 0 {
                break;
            }
            for piece in buffer[..got].split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(piece);
                if piece.last() == Some(&b'\n') {
                    check(std::str::from_utf8(&line).unwrap().trim_end(), &mut last, &mut counts, &mut read.own);
                    line.clear();
                }
            }
            std::thread::sleep(pause);
        }
        assert!(line.is_empty(), "the last line is whole");
        read.records = (0..THREADS).map(|thread| (name(thread), counts[thread])).collect();
        read
    })
}

fn check(line: &str, last: &mut [Option<u64>; THREADS], counts: &mut [u64; THREADS], own: &mut Vec<String>) {
    let Some((head, message)) = line.split_once(" ledger: ") else {
        assert!(line.contains(" logfusion: "), "a line of nobody: {line:?}");
        own.push(line.to_owned());
        return;
    };
    let (thread, number) = message.split_once(' ').unwrap();
    let thread: usize = thread.parse().unwrap();
    let number: u64 = number.parse().unwrap();
    assert!(head.contains(&format!(" {}[", name(thread))), "the line names its thread: {line:?}");
    assert!(last[thread].is_none_or(|last| last < number), "thread {thread}: {number} after {:?}", last[thread]);
    last[thread] = Some(number);
    counts[thread] += 1;
}

pub fn name(thread: usize) -> String {
    format!("ledger-{thread}")
}

/// Logs [`RECORDS`] from each of [`THREADS`] threads at once, and counts the statuses. Every 100th is a WARN and every
/// 1,000th an ERROR.
fn log_from_all() -> Vec<Own> {
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let name = name(thread);
                    set_thread_name(&CString::new(name.as_str()).unwrap());
                    let mut own = Own { name, offered: 0, accepted: 0 };
                    let mut message = Vec::with_capacity(32);
                    barrier.wait();
                    for number in 0..RECORDS {
                        use std::io::Write;
                        let level = match number {
                            _ if number % 1000 == 0 => ERROR,
                            _ if number % 100 == 0 => WARN,
                            _ => INFO,
                        };
                        message.clear();
                        write!(message, "{thread} {number}").unwrap();
                        own.offered += 1;
                        match log_bytes(level, b"ledger", &message) {
                            OK => own.accepted += 1,
                            status => assert_eq!(status, E_DROPPED),
                        }
                    }
                    own
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Asks for the ledger while threads log: each answer satisfies the equations, and no count goes back.
fn watch(while_running: impl Fn() -> bool) -> u64 {
    let mut before: HashMap<u64, Counts> = HashMap::new();
    let mut answers = 0;
    while while_running() {
        for thread in thread_stats() {
            let now = thread.counts;
            now.assert_equations();
            if let Some(old) = before.insert(thread.thread_id, now) {
                let grows = [
                    (old.offered, now.offered),
                    (old.accepted, now.accepted),
                    (old.delivered, now.delivered),
                    (old.dropped_sum(), now.dropped_sum()),
                    (old.accepted_bytes, now.accepted_bytes),
                ];
                assert!(grows.iter().all(|(old, now)| old <= now), "a count went back: {old:?}, {now:?}");
            }
        }
        answers += 1;
        std::thread::sleep(Duration::from_millis(2));
    }
    answers
}

/// Compares the ledger with what the threads and the reader counted, once everything is quiet.
fn compare(own: &[Own], read: &Lines) {
    for own in own {
        let counts = stats_of(&own.name);
        counts.assert_equations();
        assert_eq!(counts.offered, own.offered, "{}: each call is offered", own.name);
        assert_eq!(counts.accepted, own.accepted, "{}: each OK is accepted", own.name);
        assert_eq!((counts.queued, counts.filtered, counts.failed), (0, 0, 0), "{}: {counts:?}", own.name);
        assert_eq!(counts.delivered, read.records[&own.name], "{}: each delivered record is a line", own.name);
    }
    let sum = stats();
    sum.counts.assert_equations();
    assert_eq!(sum.output_lost_records, 0);
    assert_eq!(sum.dropped_without_ring, 0);
    assert_eq!(sum.counts.offered, own.iter().map(|own| own.offered).sum::<u64>());
}

/// Four threads log into a pipe whose reader pauses, with rings of 64 KiB and the overflow policy of `policy`, while the
/// ledger is watched; a stop delivers the rest. What the threads counted and what came out are compared, and returned. The
/// engine runs on another output afterwards.
pub fn log_into_a_slow_pipe(dir: &TempDir, policy: Config, pause: Duration) -> (Vec<Own>, Lines) {
    let path = dir.path("pipe");
    make_fifo(&path);
    let reader = read_slowly(path.clone(), pause);
    start(&Config { output: Some(path), ring_bytes: 64 << 10, ..policy });

    let threads = std::thread::spawn(log_from_all);
    let answers = watch(|| !threads.is_finished());
    assert!(answers > 0);
    let own = threads.join().unwrap();
    shutdown();
    // The output is kept until the next start, which closes the pipe.
    start(&Config { output: Some(dir.path("other")), ..Config::default() });
    let read = reader.join().unwrap();
    compare(&own, &read);
    (own, read)
}
