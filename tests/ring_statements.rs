//! `ffi_info!` and its like: every kind of value, and what must not get out of a function that C calls.
mod common;

use common::*;
use logfusion::{CText, ffi_debug, ffi_error, ffi_info, ffi_trace, ffi_warn, field};
use serde_json::{Value, json};
use std::ffi::CStr;
use std::fmt;
use std::path::Path;
use std::ptr::null;

/// A `Display` that panics, and a payload whose destructor does.
struct Explosive;

impl fmt::Display for Explosive {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Payload;
        impl Drop for Payload {
            fn drop(&mut self) {
                panic!("and again");
            }
        }
        std::panic::panic_any(Payload)
    }
}

/// Logs when it is dropped, with the thread's other local values.
struct AtExit;

impl Drop for AtExit {
    fn drop(&mut self) {
        ffi_info!(target: "ring::exit", "of a thread's end");
    }
}

thread_local! {
    static AT_EXIT: AtExit = const { AtExit };
}

/// Level, target and fields of the records since the last call.
fn next(path: &Path, seen: &mut usize) -> Vec<Value> {
    flush_all();
    let records = json_lines(path);
    let new = records.iter().skip(std::mem::replace(seen, records.len()));
    let new = new.filter(|record| record["target"] != "logfusion");
    new.map(|record| json!([record["level"], record["target"], record["fields"]])).collect()
}

extern "C" fn all_values() {
    const KEY: &str = "a.constant";
    struct Point {
        x: u8,
    }
    let (text, owned, r#type, point) = ("text", "owned".to_owned(), 'x', Point { x: 1 });
    // SAFETY: NUL-terminated, or NULL.
    let (good, bad, none) =
        unsafe { (CText::new(c"good".as_ptr()), CText::new(c"b\xffd".as_ptr()), CText::new(null())) };
    let address = 0x10 as *const u8;
    ffi_error!("error {}", 1);
    ffi_warn!("warn {text}");
    ffi_info!(target: "ring::literal", "info");
    ffi_debug!(target: owned.clone(), "debug");
    ffi_trace!(target: &[b'a', 0xff], "trace");
    ffi_info!(
        a = i8::MIN,
        b = u64::MAX,
        c = 0.5_f32,
        d = true,
        e = -1_isize,
        "quoted key" = 0.1,
        { KEY } = i64::MIN,
        "numbers"
    );
    ffi_info!(text, owned, r#type, point.x, s = &owned[1..], big = 1_u128 << 64, good, bad, none, address, "values");
    ffi_info!(?text, %owned, a = ?Some(1), b = %2, c = Some(3), d = None::<&str>, e = field::debug("e"), f = display("f"), "forms");
    ffi_info!({ braces = 1 }, "message {}", 2);
    ffi_info!(only = "fields");
    ffi_info!(message = good, "both");
    ffi_info!(message = good, b = 2);
    ffi_info!(message = 5, "a number");
}

#[test]
fn statements_become_records() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("ring-statements");
    let path = dir.path("log");
    let seen = &mut 0;
    let ring_bytes = 64 << 10;
    start(&Config { filter: Some("trace"), output: Some(path.clone()), format: JSON, ring_bytes, ..Config::default() });

    all_values();
    let expected = [
        json!(["ERROR", "ffi", {"message": "error 1"}]),
        json!(["WARN", "ffi", {"message": "warn text"}]),
        json!(["INFO", "ring::literal", {"message": "info"}]),
        json!(["DEBUG", "owned", {"message": "debug"}]),
        json!(["TRACE", "a\u{FFFD}", {"message": "trace"}]),
        json!(["INFO", "ffi", {
            "message": "numbers", "a": -128, "b": u64::MAX, "c": 0.5, "d": true, "e": -1, "quoted key": 0.1, "a.constant": i64::MIN,
        }]),
        json!(["INFO", "ffi", {
            "message": "values", "text": "text", "owned": "owned", "type": "x", "point.x": 1, "s": "wned",
            "big": "18446744073709551616", "good": "good", "bad": "b\u{FFFD}d", "none": "null", "address": "0x10",
        }]),
        json!(["INFO", "ffi", {
            "message": "forms", "text": "\"text\"", "owned": "owned", "a": "Some(1)", "b": "2", "c": 3, "e": "\"e\"", "f": "f",
        }]),
        json!(["INFO", "ffi", {"message": "message 2", "braces": 1}]),
        json!(["INFO", "ffi", {"message": "", "only": "fields"}]),
        json!(["INFO", "ffi", {"message": "both", "message#1": "good"}]),
        json!(["INFO", "ffi", {"message": "good", "b": 2}]),
        json!(["INFO", "ffi", {"message": "a number", "message#1": 5}]),
    ];
    for (seen, expected) in next(&path, seen).iter().zip(&expected) {
        assert_eq!(seen, expected);
    }
    assert_eq!(*seen, expected.len() + 1, "and what the engine says at its start");

    // A panic ends in the statement, and the record says where it was.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    ffi_warn!(target: "ring::panic", value = %Explosive, "{}", 1);
    ffi_warn!(target: "ring::panic", value = [0][std::hint::black_box(1)], "index");
    std::panic::set_hook(hook);
    let line = line!() - 2;
    let panicked = |line: u32| json!(["WARN", "ffi", {"message": "an argument of this statement panicked", "file": file!(), "line": line}]);
    assert_eq!(next(&path, seen), [panicked(line - 1), panicked(line)]);

    // What nobody wants is not evaluated; what is logged leaves errno alone.
    set_filter(c"info");
    ffi_debug!(value = %Explosive, "unwanted");
    // SAFETY: errno is the thread's own.
    unsafe { *libc::__errno_location() = 4711 };
    ffi_info!(is_there = std::fs::File::open("/nowhere").is_ok(), "errno");
    // SAFETY: as above.
    assert_eq!(unsafe { *libc::__errno_location() }, 4711);
    assert_eq!(next(&path, seen), [json!(["INFO", "ffi", {"message": "errno", "is_there": false}])]);

    // Long text is cut, with a mark, whether it is given or formatted.
    let long = "x".repeat(100_000);
    let c_long = std::ffi::CString::new(long.as_str()).unwrap();
    ffi_info!(long, "{}", 1);
    ffi_info!("{long}");
    ffi_info!(message = CText::from(&*c_long));
    let texts = next(&path, seen);
    for text in [&texts[0][2]["long"], &texts[1][2]["message"], &texts[2][2]["message"]] {
        let text = text.as_str().unwrap();
        assert!(text.starts_with("xxx") && text.ends_with(" bytes more)") && text.len() < 5000, "{}", text.len());
    }

    // So is a target.
    let target = "t".repeat(2000);
    ffi_info!(target: &target, "plain");
    ffi_info!(target: &target, a = 1, "with a field");
    let cut = &target[..1024];
    let expected =
        [json!(["INFO", cut, {"message": "plain"}]), json!(["INFO", cut, {"message": "with a field", "a": 1}])];
    assert_eq!(next(&path, seen), expected);

    // From a destructor of a thread that ends.
    std::thread::spawn(|| AT_EXIT.with(|_| ())).join().unwrap();
    assert_eq!(next(&path, seen), [json!(["INFO", "ring::exit", {"message": "of a thread's end"}])]);

    let sum = stats().counts;
    sum.assert_equations();
    assert_eq!((sum.dropped_sum(), sum.failed), (0, 0), "{sum:?}");
}

#[test]
fn c_text_shows_as_text() {
    // SAFETY: NUL-terminated, or NULL.
    let texts = unsafe { [c"good".as_ptr(), c"b\xff\"".as_ptr(), null()].map(|text| CText::new(text)) };
    assert_eq!(texts.map(|text| text.to_string()), ["good", "b\u{FFFD}\"", "null"]);
    assert_eq!(texts.map(|text| format!("{text:?}")), ["\"good\"", "\"b\u{FFFD}\\\"\"", "null"]);
    assert_eq!(CText::from(c"from").to_string(), CStr::to_str(c"from").unwrap());
}
