use compare::{TEXT, measure, path};
use std::hint::black_box;

fn main() {
    let path = path();
    let config = fast_log::Config::new().file(path.to_str().expect("UTF-8")).chan_len(Some(100_000));
    fast_log::init(config).expect("a logger");
    let text = black_box(TEXT);
    measure(
        "fast_log",
        &path,
        |i| log::info!(target: "game::net", "{} {} {}", 142, i, 37.25),
        |i| log::info!(target: "game::net", "{} {} {}", 142, i, text),
        || fast_log::flush().expect("it runs").wait(),
    );
}
