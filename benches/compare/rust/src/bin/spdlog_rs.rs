use compare::{TEXT, measure, path};
use spdlog::prelude::*;
use spdlog::sink::{AsyncPoolSink, FileSink};
use std::hint::black_box;

fn main() {
    let path = path();
    let file = FileSink::builder().path(&path).build_arc().expect("a file");
    let sink = AsyncPoolSink::builder().sink(file).build_arc().expect("a sink");
    let logger = Logger::builder().name("game::net").sink(sink).build_arc().expect("a logger");
    let text = black_box(TEXT);
    measure(
        "spdlog-rs async",
        &path,
        |i| info!(logger: logger, "{} {} {}", 142, i, 37.25),
        |i| info!(logger: logger, "{} {} {}", 142, i, text),
        || logger.flush(),
    );
}
