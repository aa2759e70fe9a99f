//! cargo +nightly fuzz run --features libfuzzer c_api
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logfusion_fuzz::c_api(data));
