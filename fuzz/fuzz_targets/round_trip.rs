//! cargo +nightly fuzz run --features libfuzzer round_trip
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logfusion_fuzz::round_trip(data));
