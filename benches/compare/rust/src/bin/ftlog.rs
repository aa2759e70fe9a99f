use compare::{TEXT, measure, path};
use std::hint::black_box;

fn main() {
    let path = path();
    let file = std::fs::File::create(&path).expect("a file");
    let _guard = ftlog::builder()
        .bounded(100_000, true) // blocks while the queue is full
        .fixed_timezone(time::UtcOffset::UTC)
        .root(std::io::BufWriter::with_capacity(1 << 16, file))
        .try_init()
        .expect("a logger");
    let text = black_box(TEXT);
    measure(
        "ftlog",
        &path,
        |i| log::info!(target: "game::net", "{} {} {}", 142, i, 37.25),
        |i| log::info!(target: "game::net", "{} {} {}", 142, i, text),
        || log::logger().flush(),
    );
}
