use compare::{TEXT, measure, path};
use std::hint::black_box;

fn main() {
    let path = path();
    let file = std::fs::File::create(&path).expect("a file");
    let (writer, _guard) = tracing_appender::non_blocking::NonBlockingBuilder::default().lossy(false).finish(file);
    tracing_subscriber::fmt().with_writer(writer).with_ansi(false).init();
    let text = black_box(TEXT);
    measure(
        "tracing + appender",
        &path,
        |i| tracing::info!(target: "game::net", a = 142, b = i, c = 37.25),
        |i| tracing::info!(target: "game::net", a = 142, b = i, text),
        || (),
    );
}
