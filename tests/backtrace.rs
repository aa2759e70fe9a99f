//! Backtraces: what the filter left out comes when an ERROR does, or when it is asked for.
mod common;

use common::*;
use logfusion::c_api::{logfusion_backtrace, logfusion_backtrace_flush};
use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

static CALLED: AtomicU64 = AtomicU64::new(0);

unsafe extern "C-unwind" fn count(_: *const logfusion::c_api::CRecord, _: *mut c_void) {
    CALLED.fetch_add(1, Ordering::Relaxed);
}

fn backtrace(target: &CStr, records: usize) -> c_int {
    // SAFETY: a NUL-terminated string.
    unsafe { logfusion_backtrace(target.as_ptr(), records) }
}

fn flush_backtrace(target: &CStr) {
    // SAFETY: a NUL-terminated string.
    assert_eq!(unsafe { logfusion_backtrace_flush(target.as_ptr()) }, OK);
}

#[test]
fn what_went_before_an_error_comes_with_it() {
    let _limit = Limit::seconds(60);
    let dir = TempDir::new("backtrace");
    let path = dir.path("log");
    start(&Config { output: Some(path.clone()), format: JSON, filter: Some("warn"), ..Config::default() });
    // Message and whether it is a backtrace's, of what was written since the last look.
    let mut read = 0;
    let mut news = || {
        flush_all();
        let lines = json_lines(&path);
        let new: Vec<(String, bool)> = lines[read..]
            .iter()
            .filter(|line| line["target"] != "logfusion")
            .map(|line| {
                let fields = &line["fields"];
                (fields["message"].as_str().unwrap().to_owned(), fields["backtrace"] == true)
            })
            .collect();
        read = lines.len();
        new
    };
    let kept = |message: &str| (message.to_owned(), true);
    let plain = |message: &str| (message.to_owned(), false);

    log(DEBUG, c"net", c"before anybody asked");
    assert_eq!(backtrace(c"net", 3), OK);
    for number in 0..5 {
        log_text(DEBUG, "net::tcp", &format!("debug {number}"));
    }
    log(TRACE, c"network", c"another target");
    log(INFO, c"net", c"info");
    log(WARN, c"net", c"a warning passes");
    log(ERROR, c"other", c"an error elsewhere");
    assert_eq!(news(), [plain("a warning passes"), plain("an error elsewhere")]);
    log(ERROR, c"net", c"broken");
    log(ERROR, c"net", c"again");
    assert_eq!(news(), [kept("debug 3"), kept("debug 4"), kept("info"), plain("broken"), plain("again")]);

    // Within a batch.
    let batch = [(DEBUG, "in a batch"), (ERROR, "the error of the batch"), (DEBUG, "behind it")];
    let entries = batch.map(|(level, message)| Entry::new(level, "net", message));
    assert_eq!(log_batch(&entries), 3);
    log(ERROR, c"net", c"another");
    assert_eq!(news(), [kept("in a batch"), plain("the error of the batch"), kept("behind it"), plain("another")]);

    // Records keep their times, their levels and their fields.
    let before = now_ns();
    log_fields(DEBUG, c"net", c"with fields", &[Field::i64(c"number", 7)]);
    std::thread::sleep(Duration::from_millis(30));
    log(ERROR, c"net", c"later");
    assert_eq!(news(), [kept("with fields"), plain("later")]);
    let lines = json_lines(&path);
    let line = &lines[lines.len() - 2];
    assert_eq!((line["level"].as_str(), &line["fields"]["number"]), (Some("DEBUG"), &7.into()));
    let stamp = |line: &serde_json::Value| line["timestamp"].as_str().unwrap().to_owned();
    assert!(stamp(line) < stamp(&lines[lines.len() - 1]), "its own time: {line}");
    assert!(now_ns() > before + 30_000_000);

    // An error brings its own thread's; a flush everybody's.
    let (logged, has_logged) = mpsc::channel();
    let held = std::thread::spawn(move || {
        log(INFO, c"net", c"of another thread");
        logged.send(()).unwrap();
        std::thread::park();
    });
    has_logged.recv().unwrap();
    log(INFO, c"net", c"mine");
    log(ERROR, c"net", c"mine is broken");
    assert_eq!(news(), [kept("mine"), plain("mine is broken")]);
    flush_backtrace(c"nothing of that name");
    flush_backtrace(c"net");
    assert_eq!(news(), [kept("of another thread")]);
    held.thread().unpark();
    held.join().unwrap();

    // Callbacks get a record once, and the ledger counts it once.
    let handle = subscribe::<()>(c"net", DEBUG, count, std::ptr::null());
    log(DEBUG, c"net", c"for callbacks too");
    log(ERROR, c"net", c"and broken");
    assert_eq!(news(), [kept("for callbacks too"), plain("and broken")]);
    assert_eq!(CALLED.load(Ordering::Relaxed), 2);
    unsubscribe(handle, -1);
    let counts = stats().counts;
    assert_eq!(counts.accepted, counts.delivered + counts.filtered + counts.failed);

    // No more.
    assert_eq!(backtrace(c"net", 0), OK);
    let accepted = stats().counts.accepted;
    log(DEBUG, c"net", c"for nobody");
    assert_eq!(stats().counts.accepted, accepted, "not even logged");
    log(ERROR, c"net", c"alone");
    assert_eq!(news(), [plain("alone")]);
    assert_eq!(backtrace(c"net", 65_537), -2);
    // SAFETY: NULL is allowed.
    assert_eq!(unsafe { logfusion_backtrace(std::ptr::null(), 1) }, -1);
}
