//! Every target gets every input that is kept for it, without a fuzzer.
//!
//! With `WRITE_SEEDS=1` the seeds are written first: what the layout and the targets can look like, by hand.

use logfusion::record::batch::BatchWriter;
use logfusion::record::encode::{Dynamic, ENVELOPE, Field, MIN_LIMIT, Text, Value, write_envelope};
use logfusion::record::layout::{ATTACH, CLEAR, ENTER, EXIT, SET};
use std::fs;
use std::path::{Path, PathBuf};

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

fn replay(target: &str) {
    let (_, run) = logfusion_fuzz::TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    let mut files: Vec<_> = fs::read_dir(corpus(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 10, "where is the corpus of {target}?");
    for file in &files {
        let input = fs::read(file).unwrap();
        if let Err(panic) = std::panic::catch_unwind(|| run(&input)) {
            eprintln!("the input was {}", file.display());
            std::panic::resume_unwind(panic);
        }
    }
    println!("{target}: {} inputs", files.len());
}

#[test]
fn c_api() {
    replay("c_api");
}

#[test]
fn decode() {
    write_seeds("decode", decode_seeds);
    replay("decode");
}

#[test]
fn round_trip() {
    write_seeds("round_trip", round_trip_seeds);
    replay("round_trip");
}

#[test]
fn each_corpus_has_a_target() {
    let mut names: Vec<_> = fs::read_dir(corpus("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let targets: Vec<_> = logfusion_fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, targets);
}

fn write_seeds(target: &str, seeds: impl Fn() -> Vec<Vec<u8>>) {
    if std::env::var_os("WRITE_SEEDS").is_some() {
        for (number, seed) in seeds().iter().enumerate() {
            fs::write(corpus(target).join(format!("seed-{number:02}")), seed).unwrap();
        }
    }
}

fn encode<'a>(level: u32, target: &'a str, message: Text<'a>, fields: &mut [Field<'a>]) -> Vec<u8> {
    let record = Dynamic::measure(level, target.as_bytes(), message, fields, MIN_LIMIT);
    let mut bytes = vec![0; record.size()];
    record.write(&mut bytes, 0x0123_4567_89AB_CDEF);
    bytes
}

/// A record of each kind and of each type of value, cut and whole, and the ways in which a record can be wrong.
fn decode_seeds() -> Vec<Vec<u8>> {
    let text = |text: &'static str| Text::new(text.as_bytes());
    let values = [
        Value::I64(-1),
        Value::U64(u64::MAX),
        Value::F64(0.5),
        Value::Bool(true),
        Value::Pointer(0xDEAD_BEEF),
        Value::Text(Text::new(b"a\0b\xFF")),
        Value::Text(Text::cut(b"cut", 1000)),
    ];
    let mut seeds = vec![
        Vec::new(),
        vec![16, 0, 0, 0],
        encode(1, "", text(""), &mut []),
        encode(2, "ffi::http", text("GET /index.html 200"), &mut []),
        encode(3, "seven77", text("eight888"), &mut []),
        encode(4, "t", Text::cut(b"the beginning", 1 << 40), &mut []),
    ];
    for value in values {
        seeds.push(encode(5, "t", text("m"), &mut [Field { name: b"name", value }]));
    }
    let mut all = values.map(|value| Field { name: b"key", value });
    let whole = encode(3, "game::physics", text("step done"), &mut all);
    let wrong = [(0, 0xFF), (0, 8), (0, 20), (4, 0), (4, 6), (16, 0xFF), (20, 33), (40, 0x7F), (43, 0x80), (64, 9)];
    for (at, value) in wrong {
        let mut bytes = whole.clone();
        bytes[at] = value;
        seeds.push(bytes);
    }
    seeds.push(whole[..whole.len() - 8].to_vec());
    seeds.push([&whole[..], &whole[..]].concat());
    for (kind, inner) in
        [(ENTER, &whole[..]), (ATTACH, &[7, 0, 0, 0, 0, 0, 0, 0]), (EXIT, &[]), (SET, &whole), (CLEAR, &whole)]
    {
        let mut bytes = vec![0; ENVELOPE + inner.len()];
        write_envelope(&mut bytes, kind, 5, 1, 9).copy_from_slice(inner);
        seeds.push(bytes.clone());
        // In one another, and with a length that reaches too far.
        let mut outer = vec![0; ENVELOPE + bytes.len()];
        write_envelope(&mut outer, ENTER, 5, 1, 9).copy_from_slice(&bytes);
        seeds.push(outer.clone());
        outer[ENVELOPE] = 0xF8;
        seeds.push(outer);
    }
    seeds.push(whole);
    let mut bytes = vec![0; 120];
    let mut batch = BatchWriter::new(&mut bytes, b"game::net").expect("there is room");
    while batch.push(3, b"tick 042") {}
    batch.finish(7).expect("five messages");
    for (at, value) in [(0, 120), (16, 0xFF), (20, 0), (20, 0xFF), (43, 0), (43, 6), (40, 0xFF)] {
        let mut changed = bytes.clone();
        changed[at] = value;
        seeds.push(changed);
    }
    seeds
}

/// Inputs have no layout that could be written by hand: runs of each byte and a counter steer through most choices.
fn round_trip_seeds() -> Vec<Vec<u8>> {
    let runs = [0x00_u8, 0x01, 0x05, 0x20, 0x41, 0x80, 0xFF];
    let mut seeds: Vec<_> = runs.iter().map(|byte| vec![*byte; 200]).collect();
    seeds.push(Vec::new());
    seeds.extend([1, 3, 7, 29, 101].map(|step| (0..600_u32).map(|at| (at * step) as u8).collect()));
    seeds
}
