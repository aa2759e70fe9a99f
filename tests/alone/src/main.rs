//! A program that depends on logfusion alone: nothing here may name `tracing`. It sets no subscriber and starts nothing;
//! `tests/alone.rs` runs it and reads what came out.

use logfusion::field::{self, Empty};
use logfusion::{
    Level, Span, debug_span, error, error_span, event, info, info_span, instrument, span, trace, warn, warn_span,
};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::Barrier;
use std::task::{Context, Poll, Waker};

fn main() {
    let what = std::env::args().nth(1);
    match what.as_deref() {
        Some("events") => events(),
        Some("spans") => spans(),
        Some("functions") => functions(),
        Some("threads") => threads(),
        other => panic!("unknown part: {other:?}"),
    }
}

/// Each form of a statement.
fn events() {
    struct Point {
        x: i32,
        y: i32,
    }
    const KEY: &str = "a.constant";
    const TARGET: &str = "alone::constant";
    let point = Point { x: -1, y: 2 };
    let (number, text, owned) = (7_u8, "text", "owned".to_owned());
    let target = format!("alone::{number}");

    info!("plain");
    info!("with {} and {number}", text);
    info!(target: "alone::literal", "literal target");
    info!(number, text, ?owned, %number, point.x, "fields");
    info!(a = 1, b.c = true, "quoted key" = 0.5, { KEY } = text, d = ?Some(1), e = %owned, none = None::<u8>, "named");
    info!({ braces = 1 }, "message {}", 2);
    info!(only = "fields");
    info!(message = text, "both");
    info!(message = text);
    error!("error");
    warn!("warn");
    trace!(value = unwanted(), "not by default");
    event!(Level::WARN, number, "event");

    // The same with a target of run time, in each of its types.
    info!(target: &target, "plain");
    info!(target: target.as_str(), "with {} and {number}", text);
    info!(target: TARGET, "constant target");
    info!(target: target.clone(), number, text, ?owned, %number, point.y, "fields");
    info!(
        target: &target,
        a = 1, b.c = true, "quoted key" = 0.5, { KEY } = text, d = ?Some(1), e = %owned, none = None::<u8>, f = field::debug("x"),
        "named",
    );
    info!(target: &target, { braces = 1 }, "message {}", 2);
    info!(target: &target, only = "fields");
    info!(target: &target, message = text, "both");
    info!(target: &target, message = text,);
    info!(name: "a name", target: &target, r#type = 1, "raw");
    error!(target: &target, "error");
    trace!(target: &target, value = unwanted(), "not by default");
    let filtered = "alone_quiet::x".to_owned();
    info!(target: &filtered, value = unwanted(), "filtered");
    warn!(target: &filtered, "not filtered");
}

fn unwanted() -> u32 {
    panic!("a statement that nobody wants evaluates nothing")
}

fn spans() {
    let outer = info_span!("outer", number = 1, later = Empty);
    {
        let _entered = outer.enter();
        info!("in outer");
        logfusion::current_span().record("later", "recorded");
        let target = "alone::runtime".to_owned();
        info!(target: &target, "with a target of run time");
        let _inner = span!(Level::WARN, "inner", text = "t").entered();
        info!("in inner");
        info!(parent: &outer, "in outer by its parent");
        info!(target: &target, parent: &outer, "so with a target of run time");
        info!(target: &target, parent: None, "in no span");
    }
    warn_span!(target: "alone::spans", parent: &outer, "child").in_scope(|| info!("in child"));
    let _unwanted = debug_span!("unwanted").entered();
    let _error = error_span!("error").entered();
    info!("in error");
}

#[derive(Debug)]
struct Failure(u32);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failure {}", self.0)
    }
}

impl From<std::num::ParseIntError> for Failure {
    fn from(_: std::num::ParseIntError) -> Self {
        Self(99)
    }
}

#[derive(Debug)]
struct Game {
    name: &'static str,
}

#[instrument]
fn plain(number: i32, text: &str, list: Vec<u8>) {
    info!("in plain");
    drop(list);
    _ = (number, text);
}

#[instrument("renamed", level = "warn", target = "alone::other", skip(secret), fields(size = secret.len(), number = number + 1, later))]
fn configured(secret: &str, number: i32) {
    logfusion::current_span().record("later", true);
    info!("in configured");
}

#[instrument(skip_all, err)]
fn fails(text: &str) -> Result<u32, Failure> {
    let number: u32 = text.parse()?;
    if number > 10 {
        return Err(Failure(number));
    }
    Ok(number)
}

#[instrument(err(Debug, level = "warn"), ret(Display), target = "alone::results")]
fn both(number: u32) -> Result<u32, Failure> {
    if number == 0 { Err(Failure(number)) } else { Ok(number * 2) }
}

#[instrument(ret, level = Level::WARN)]
fn returns((a, b): (u8, u8), [c, ..]: [u8; 2]) -> impl fmt::Debug {
    if a > b {
        return a;
    }
    b + c
}

#[instrument(level = 2)]
fn unwanted_span(number: u32) {
    info!("in no span");
    _ = number;
}

impl Game {
    #[instrument(name = "frame", skip(self), fields(game = self.name))]
    fn render(&self, number: u64) -> u64 {
        info!("rendering");
        number
    }

    #[instrument(ret)]
    async fn load(&self, level: &str) -> Result<usize, Failure> {
        info!("loading");
        Pause(false).await;
        info!("still loading");
        Ok(level.len())
    }

    #[instrument(skip(self), err)]
    fn boxed<'a>(&'a self, text: &'a str) -> Pin<Box<dyn Future<Output = Result<u32, Failure>> + 'a>> {
        Box::pin(async move {
            Pause(false).await;
            info!("in the box");
            let number: u32 = text.parse().map_err(Failure::from)?;
            Ok(number)
        })
    }

    #[instrument]
    fn block(&self) -> impl Future<Output = u8> {
        async move {
            Pause(false).await;
            info!("in the block");
            3
        }
    }
}

#[instrument(parent = parent, skip_all)]
fn with_parent(parent: &Span) {
    info!("in with_parent");
}

#[instrument(follows_from = causes, skip_all)]
fn follows(causes: &[Span]) {
    info!("in follows");
}

const NAME: &str = "by a constant";

/// Where logfusion has another name.
mod elsewhere {
    pub use logfusion as log;
}

#[instrument(crate = crate::elsewhere::log, name = NAME, target = "alone::elsewhere", ret(level = "error"))]
fn relocated(r#type: u8, _unused: &str) -> u8 {
    r#type
}

/// Is pending once.
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => return output,
            // Between two polls the future's span is left.
            Poll::Pending => info!("between polls"),
        }
    }
}

fn functions() {
    plain(-1, "two", vec![3]);
    configured("secret", 4);
    _ = fails("11");
    _ = fails("x");
    _ = fails("1");
    _ = both(0);
    _ = both(21);
    _ = returns((1, 2), [3, 4]);
    unwanted_span(1);
    let game = Game { name: "pong" };
    game.render(5);
    _ = block_on(game.load("one"));
    _ = block_on(game.boxed("y"));
    block_on(game.block());
    let span = info_span!("a parent");
    with_parent(&span);
    follows(&[span]);
    relocated(9, "");
}

/// The first statements of the process, at the same time.
fn threads() {
    const THREADS: usize = 8;
    let barrier = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let barrier = barrier.clone();
            std::thread::spawn(move || {
                let target = format!("alone::thread{number}");
                barrier.wait();
                if number % 2 == 0 { info!(number, "first") } else { info!(target: &target, number, "first") }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
}
