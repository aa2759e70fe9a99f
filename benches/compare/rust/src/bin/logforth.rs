use compare::{TEXT, measure, path};
use logforth::append::asynchronous::AsyncBuilder;
use logforth::append::file::FileBuilder;
use logforth::layout::TextLayout;
use std::hint::black_box;

fn main() {
    let path = path();
    let (directory, name) = (path.parent().expect("a directory"), path.file_stem().expect("a name"));
    let file = FileBuilder::new(directory, name.to_str().expect("UTF-8"))
        .filename_suffix("log")
        .layout(TextLayout::default().no_color())
        .build()
        .expect("a file");
    let append = AsyncBuilder::new("logforth").overflow_block().append(file).build();
    logforth::starter_log::builder().dispatch(|dispatch| dispatch.append(append)).apply();
    let text = black_box(TEXT);
    measure(
        "logforth async",
        &path,
        |i| log::info!(target: "game::net", "{} {} {}", 142, i, 37.25),
        |i| log::info!(target: "game::net", "{} {} {}", 142, i, text),
        || log::logger().flush(),
    );
}
