//! What every program of the comparison does: cpp/bench.hpp in Rust, figure for figure. (Of how the machine is
//! it asks only what additions take: none of these peers is near what a line of memory takes.)

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const BURST: i32 = 1000;
const ROUNDS: usize = 101;
const SPACED: usize = 10_000;
const CALLS: i32 = 20;
const REPEATS: usize = 2;
const FILE_RECORDS: i32 = 500_000;
const FILE_ROUNDS: usize = 7;
const LEAST_QUIET: usize = 21;
const QUIET: f64 = 1.15;

/// 35 bytes.
pub const TEXT: &str = "player 142 joined, 37 ms round trip";

fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the counter.
    unsafe { core::arch::x86_64::_rdtsc() }
}

fn tick_ns() -> f64 {
    let (began, first) = (Instant::now(), ticks());
    while began.elapsed() < Duration::from_millis(50) {}
    began.elapsed().as_nanos() as f64 / (ticks() - first) as f64
}

fn print(name: &str, what: &str, values: &[f64]) {
    let values: Vec<String> = values.iter().map(|value| format!("{value:.4}")).collect();
    println!("{{\"peer\":\"{name}\",\"what\":\"{what}\",\"values\":[{}]}}", values.join(","));
}

/// The lines of a file that others append to.
struct Tail {
    path: PathBuf,
    file: Option<File>,
    lines: u64,
    buffer: Vec<u8>,
}

impl Tail {
    fn wait_for(&mut self, lines: u64) {
        let began = Instant::now();
        loop {
            if self.file.is_none() {
                self.file = File::open(&self.path).ok();
            }
            if let Some(file) = &mut self.file {
                loop {
                    let read = file.read(&mut self.buffer).expect("readable");
                    self.lines += self.buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
                    if read == 0 {
                        break;
                    }
                }
            }
            if self.lines >= lines {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{} lines of {lines}", self.lines);
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

/// An instruction that the compiler can't leave out.
fn add(number: &mut u64) {
    // SAFETY: it adds, and does nothing else.
    unsafe { core::arch::asm!("add {0}, 1", inout(reg) *number, options(nomem, nostack)) };
}

/// A clock read and a hundred additions, so many times: ns for each. (`machine_add` of benches/common/machine.h.)
fn additions(count: i32) -> f64 {
    let (mut numbers, mut sum) = ([0_u64; 4], 0_u64);
    let began = Instant::now();
    for _ in 0..count {
        sum = sum.wrapping_add(ticks());
        let [a, b, c, d] = &mut numbers;
        macro_rules! twenty {
            ($($n:literal)*) => { $(_ = $n; add(a); add(b); add(c); add(d);)* };
        }
        twenty!(1 2 3 4 5);
        twenty!(1 2 3 4 5);
        twenty!(1 2 3 4 5);
        twenty!(1 2 3 4 5);
        twenty!(1 2 3 4 5);
    }
    let took = began.elapsed().as_nanos() as f64;
    black_box((sum, numbers));
    took / f64::from(count)
}

/// Times, and what the additions took around each.
#[derive(Default)]
struct Samples(Vec<(f64, f64)>);

impl Samples {
    fn least(&self) -> f64 {
        self.0.iter().map(|(_, around)| *around).fold(f64::INFINITY, f64::min)
    }

    /// Those around which the additions took as little as ever.
    fn quiet(&self) -> Vec<f64> {
        let most = QUIET * self.least();
        sorted(self.0.iter().filter(|(_, around)| *around <= most).map(|(time, _)| *time))
    }

    fn print_medians(&self, name: &str, what: &str) {
        print(name, what, &[at(&sorted(self.0.iter().map(|(time, _)| *time)), 0.5)]);
        let quiet = self.quiet();
        if quiet.len() >= LEAST_QUIET {
            print(name, &format!("{what} quiet"), &[at(&quiet, 0.5), quiet.len() as f64]);
        }
    }
}

fn sorted(times: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut times: Vec<f64> = times.collect();
    times.sort_by(f64::total_cmp);
    times
}

fn burst(mut call: impl FnMut(i32)) -> f64 {
    let began = Instant::now();
    for i in 0..BURST {
        call(black_box(i));
    }
    began.elapsed().as_nanos() as f64 / f64::from(BURST)
}

fn spaced(count: usize, mut call: impl FnMut(i32), ns_a_tick: f64) -> Vec<f64> {
    let one = |_| {
        let began = ticks();
        for i in 0..CALLS {
            call(black_box(i));
        }
        let time = (ticks() - began) as f64 * ns_a_tick / f64::from(CALLS);
        std::thread::sleep(Duration::from_micros(200));
        time
    };
    sorted((0..count).map(one))
}

fn at(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

/// The file that a program is told to log to.
pub fn path() -> PathBuf {
    std::env::args_os().nth(1).expect("a file").into()
}

/// Measures; `flush` makes the peer write what it has.
pub fn measure(name: &str, path: &Path, mut numbers: impl FnMut(i32), mut text: impl FnMut(i32), mut flush: impl FnMut()) {
    let mut tail = Tail { path: path.to_owned(), file: None, lines: 0, buffer: vec![0; 1 << 20] };
    let mut logged = 0_u64;
    let mut settle = |logged: u64| {
        flush();
        tail.wait_for(logged);
    };
    let ns_a_tick = tick_ns();
    let (mut with_numbers, mut with_text) = (Samples::default(), Samples::default());
    for round in 0..ROUNDS + 2 {
        let calls: [(&mut Samples, &mut dyn FnMut() -> f64); 2] =
            [(&mut with_numbers, &mut || burst(&mut numbers)), (&mut with_text, &mut || burst(&mut text))];
        for (samples, burst_of) in calls {
            settle(logged);
            let before = additions(600);
            let time = burst_of();
            let around = before.max(additions(600));
            logged += BURST as u64;
            if round >= 2 {
                samples.0.push((time - burst(|i| _ = black_box(i)), around));
            }
        }
    }
    settle(logged);
    with_numbers.print_medians(name, "numbers");
    with_text.print_medians(name, "text");
    print(name, "machine", &[with_numbers.least().min(with_text.least())]);

    let least = at(&spaced(SPACED / 10, |i| _ = black_box(i), ns_a_tick), 0.5);
    let (mut percentiles, mut best) = (Vec::new(), Vec::<f64>::new());
    for _ in 0..REPEATS {
        let mut times = spaced(SPACED, &mut numbers, ns_a_tick);
        logged += SPACED as u64 * CALLS as u64;
        settle(logged);
        times.iter_mut().for_each(|time| *time = (*time - least).max(0.1));
        percentiles.extend([0.5, 0.99, 0.999].map(|share| at(&times, share)));
        if best.is_empty() || at(&times, 0.99) < at(&best, 0.99) {
            best = times;
        }
    }
    print(name, "spaced", &percentiles);
    let mut histogram = [0.0; 60];
    for time in best {
        histogram[(((time.log10() + 1.0) * 10.0) as usize).min(59)] += 1.0;
    }
    print(name, "histogram", &histogram);

    let mut rates = Vec::new();
    for _ in 0..FILE_ROUNDS {
        let began = Instant::now();
        for i in 0..FILE_RECORDS {
            text(i);
        }
        logged += FILE_RECORDS as u64;
        settle(logged);
        rates.push(f64::from(FILE_RECORDS) / began.elapsed().as_secs_f64());
    }
    print(name, "file", &rates);
    assert_eq!(tail.lines, logged, "lines for records");
}
