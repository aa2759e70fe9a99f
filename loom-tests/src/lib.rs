//! Models of logfusion's protocols, explored by [loom](https://docs.rs/loom): every interleaving of a few threads, up to a
//! bound of preemptions, and every outcome that the memory model allows. `ci/loom` runs them; without the cfg
//! `logfusion_loom` this crate is empty.
//!
//! The models run the library's own code, on loom's atomics. What stands in for a part that loom cannot run (the kernel,
//! a queue of another crate) is said at the model.
//!
//! [`explore`] expects that a model holds. [`must_fail`] switches a mistake on in the library and expects loom to find it:
//! a model that cannot fail proves nothing. Nor does one that loom hardly explores: a model says by [`saw`] which outcomes it
//! met, and `explore` fails if one was never met.
//!
//! The second guard is there for a reason. Loom 0.7.2 looks for a race of a store with the *latest* access to the same
//! atomic alone. A thread that loads a word and then stores it (as the producer does with its head) hides the loads of all
//! others before it, and if nothing else is shared loom explores one permutation and stops. So in these models the
//! thread that pushes is the main one, which loom runs first: the other's load then comes after the store, and that
//! race it finds.
//!
//! `LOGFUSION_LOOM_LONG=1` takes the long form's bounds.
#![cfg(logfusion_loom)]

use logfusion::sync::{Mistake, seed};
use loom::model::Builder;
use std::collections::BTreeSet;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How often a thread that could go on is interrupted in one permutation, at most; `None`: without bound.
#[derive(Debug, Clone, Copy)]
pub struct Preemptions {
    /// In the form that every test run explores.
    pub quick: Option<usize>,
    /// In the long form.
    pub long: Option<usize>,
}

impl Preemptions {
    fn bound(self) -> Option<usize> {
        let long = std::env::var_os("LOGFUSION_LOOM_LONG").is_some_and(|value| value == "1");
        if long { self.long } else { self.quick }
    }
}

/// Seeds are global: one model at a time.
static ONE_MODEL: Mutex<()> = Mutex::new(());

static SEEN: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes that the model met this outcome.
pub fn saw(outcome: &'static str) {
    lock(&SEEN).insert(outcome);
}

/// Explores a model that holds and meets each of these outcomes in some permutation. Says how many there were.
pub fn explore(name: &str, preemptions: Preemptions, outcomes: &[&str], model: impl Fn() + Send + Sync + 'static) {
    let _one = lock(&ONE_MODEL);
    lock(&SEEN).clear();
    let explored = Explored::new(preemptions);
    explored.check(model);
    explored.say(name, "hold");
    let seen = lock(&SEEN);
    for outcome in outcomes {
        assert!(seen.contains(outcome), "{name}: never met “{outcome}”, only {seen:?}");
    }
}

/// Explores a model with a mistake, which must make it fail with a message that contains `symptom`.
pub fn must_fail(
    name: &str,
    preemptions: Preemptions,
    mistake: Mistake,
    symptom: &str,
    model: impl Fn() + Send + Sync + 'static,
) {
    let _one = lock(&ONE_MODEL);
    let explored = Explored::new(preemptions);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    seed(Some(mistake));
    let result = catch_unwind(AssertUnwindSafe(|| explored.check(model)));
    seed(None);
    std::panic::set_hook(hook);
    let Err(payload) = result else { panic!("{name}: loom does not find the mistake {mistake:?}") };
    let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("a panic without text").trim();
    assert!(text.contains(symptom), "{name} with {mistake:?} must fail with “{symptom}”, but: {text}");
    explored.say(name, &format!("until {mistake:?} was found ({symptom})"));
}

struct Explored {
    bound: Option<usize>,
    permutations: Arc<AtomicU64>,
    started: Instant,
}

impl Explored {
    fn new(preemptions: Preemptions) -> Self {
        Self { bound: preemptions.bound(), permutations: Arc::default(), started: Instant::now() }
    }

    fn check(&self, model: impl Fn() + Send + Sync + 'static) {
        let mut builder = Builder::new();
        builder.preemption_bound = self.bound;
        builder.max_branches = 10_000;
        let permutations = self.permutations.clone();
        builder.check(move || {
            permutations.fetch_add(1, Ordering::Relaxed);
            model();
        });
    }

    /// Straight to stderr, and whole: the test harness would keep the output of tests that pass.
    fn say(&self, name: &str, what: &str) {
        let permutations = self.permutations.load(Ordering::Relaxed);
        let bound = self.bound.map_or("no preemption bound".to_owned(), |bound| format!("preemption bound {bound}"));
        let seconds = self.started.elapsed().as_secs_f64();
        let line = format!("{name}: {permutations} permutations, {bound}, {seconds:.1} s, {what}\n");
        _ = std::io::stderr().write_all(line.as_bytes());
    }
}
