//! Static call sites: the table of what they are, and the word in each by which it learns whether to log.
//!
//! # The table
//!
//! A statement of C (`include/logfusion_statements.h`) is a static struct in its program. With its first use it is copied
//! into this table and gets a number, which its records carry. The number stays when the program's part is unloaded, so
//! that queued records can be read; a site that comes again with the same description gets the same number. Past the
//! table's bounds a site gets none: then its records carry everything themselves.
//!
//! # The word
//!
//! | word | says | the statement … |
//! |---|---|---|
//! | 0 | ask | calls [`ask`]: it is new, or the engine is stopped |
//! | 1 | off | does nothing |
//! | number | on | pushes inline, and looks at the word again |
//! | number or 0, and [`CALL`] | on | has the library push |
//!
//! Whether a site is on has several inputs: the engine's state, the filter or the host's subscriber, callbacks, requests
//! for backtraces. Whatever changes calls [`publish`] afterwards. It computes the words from the inputs as they are
//! then, under one lock; so of two changes the later publication knows both (loom: `ComputeBeforeLock`). That lock is a leaf: nothing is called while
//! it is held that takes another one, and tracing's locks may be held by who takes it (an interest is set under them).
//!
//! Words are stored with `Release` and read with `Acquire`: who reads a number also happens after the table has it, and so does
//! the drain, which gets it through the ring.
//!
//! # Stop
//!
//! A stop publishes "ask" everywhere, and then runs the heavy barrier before its last pass ([`crate::run_state`], "The
//! late push"). A statement that looked at its word before pushes, looks again, and finds it changed. (Loom: `NoCheckAfterPush`,
//! `NoBarrierAfterPush`.)
//!
//! # Unloading
//!
//! The words lie in memory of the program, which is unmapped with a plugin. A destructor of each object of the program calls
//! [`withdraw`] before that. The engine writes words under the lock alone, so none is written afterwards.

use crate::backtrace::REQUESTS;
use crate::callbacks::REGISTRY;
use crate::engine::{Engine, Sink};
use crate::lifecycle::lock_within;
use crate::record::layout::{FIRST_SITE, Type};
use crate::sites::{CachedInterest, number};
use crate::sync::{AtomicPtr, AtomicU32, Mutex, MutexGuard, Ordering};
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tracing_core::LevelFilter;

/// The statement asks.
pub const ASK: u32 = 0;
/// The statement does nothing.
pub const OFF: u32 = 1;
/// The statement is wanted, and the library pushes.
pub const CALL: u32 = 1 << 31;

/// Most sites that get a number.
pub const MOST: usize = 65_536;
/// Most bytes that their descriptions may take.
pub const MOST_BYTES: usize = 32 << 20;

/// A site, as it was described. Texts end with a NUL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Description {
    /// It is a span's, whose name is the message.
    pub is_span: bool,
    /// 1 error … 5 trace.
    pub level: u32,
    /// The line of the statement.
    pub line: u32,
    /// The target.
    pub target: Box<[u8]>,
    /// The template.
    pub message: Box<[u8]>,
    /// The file of the statement.
    pub file: Box<[u8]>,
    /// The function of the statement.
    pub function: Box<[u8]>,
    /// Its fields.
    pub fields: Box<[(Type, Box<[u8]>)]>,
}

impl Description {
    fn bytes(&self) -> usize {
        let names: usize = self.fields.iter().map(|(_, name)| name.len() + size_of::<(Type, Box<[u8]>)>()).sum();
        size_of::<Self>() + self.target.len() + self.message.len() + self.file.len() + self.function.len() + names
    }
}

/// The word of a site, in the program's memory, until it is withdrawn.
#[derive(Debug, Clone, Copy)]
struct Word {
    place: *const AtomicU32,
    module: usize,
}

// SAFETY: an atomic may be used from any thread; that it is there is what `withdraw` is for.
unsafe impl Send for Word {}

impl Word {
    fn store(self, word: u32) {
        // SAFETY: the one who registered the word promised that it lies there until it is withdrawn, and it was not.
        let place = unsafe { &*self.place };
        if place.load(Ordering::Relaxed) != word {
            // Release: who reads the number finds the table filled (see the module).
            place.store(word, Ordering::Release);
        }
    }
}

/// A site with a number.
#[derive(Debug)]
struct Entry {
    description: Arc<Description>,
    group: usize,
    /// Of one description there may be several sites: a header's function in two files, say.
    words: SmallVec<[Word; 1]>,
    /// What tracing says, once the drain has registered the site.
    interest: Option<CachedInterest>,
}

/// A site past the bounds.
#[derive(Debug)]
struct Unnumbered {
    level: u32,
    target: Box<str>,
    word: Word,
}

/// What is wanted of a target: the least severe level, by whom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Wanted {
    output: u32,
    /// By callbacks and backtraces, whatever the output wants.
    others: u32,
}

/// The sites of one target.
#[derive(Debug)]
struct Group {
    target: Box<str>,
    wanted: Wanted,
    /// Not what it was before the last publication: the words of its sites are to be computed anew.
    has_changed: bool,
}

/// How words of sites that are on look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Nobody delivers: all sites ask.
    #[default]
    Stopped,
    /// The drain delivers.
    Running,
    /// Who logs delivers: the library pushes.
    Callers,
}

#[derive(Debug, Default)]
struct Table {
    entries: Vec<Entry>,
    by_description: HashMap<Arc<Description>, usize>,
    bytes: usize,
    groups: Vec<Group>,
    by_target: HashMap<Box<str>, usize>,
    unnumbered: Vec<Unnumbered>,
    state: State,
    sink_is_host: bool,
}

static TABLE: OnceLock<Mutex<Table>> = OnceLock::new();

/// Longest wait for the table. Its lock is held for microseconds; only in a child of a raw `clone`, or in a signal handler
/// inside of [`ask`], it may be held for ever.
const LIMIT: Duration = Duration::from_secs(5);

fn table(limit: Duration) -> Option<MutexGuard<'static, Table>> {
    lock_within(TABLE.get_or_init(Mutex::default), Some(limit))
}

/// Held over a fork, so that the child finds the table whole.
#[derive(Debug)]
pub struct HeldForFork(#[allow(dead_code, reason = "it is held")] Option<MutexGuard<'static, Table>>);

/// Keeps the table as it is.
pub fn hold_for_fork(limit: Duration) -> HeldForFork {
    HeldForFork(table(limit))
}

/// What `target` is wanted for now.
fn wanted(engine: &Engine, target: &str) -> Wanted {
    let output = match engine.sink() {
        Sink::Own => number(engine.filter.level_of(target)),
        Sink::Host => number(LevelFilter::current()),
        Sink::None => 0,
    };
    Wanted { output, others: REGISTRY.level_of(target).max(REQUESTS.level_of(target)) }
}

impl Table {
    fn word_of(&self, id: u32, level: u32, wanted: Wanted, interest: Option<CachedInterest>) -> u32 {
        let to_output = level <= wanted.output && !(self.sink_is_host && interest == Some(CachedInterest::Never));
        let is_on = to_output || level <= wanted.others;
        match self.state {
            State::Stopped => ASK,
            _ if !is_on => OFF,
            State::Running if id != 0 => id,
            _ => id | CALL,
        }
    }

    fn entry_word(&self, index: usize) -> u32 {
        let entry = &self.entries[index];
        self.word_of(id(index), entry.description.level, self.groups[entry.group].wanted, entry.interest)
    }

    /// Computes what is wanted of each target, and the words of its sites where that has changed: the drain calls this several
    /// times a second.
    fn publish(&mut self, engine: &Engine, state: Option<State>) {
        let before = (self.state, self.sink_is_host);
        self.state = state.unwrap_or(self.state);
        self.sink_is_host = engine.sink() == Sink::Host;
        let all = before != (self.state, self.sink_is_host);
        let mut any = false;
        for group in &mut self.groups {
            let wanted = wanted(engine, &group.target);
            group.has_changed = all || wanted != group.wanted;
            group.wanted = wanted;
            any |= group.has_changed;
        }
        if any {
            let concerned = |index: &usize| self.groups[self.entries[*index].group].has_changed;
            (0..self.entries.len()).filter(concerned).for_each(|index| self.publish_entry(index));
        }
        for site in &self.unnumbered {
            site.word.store(self.word_of(0, site.level, wanted(engine, &site.target), None));
        }
    }

    fn publish_entry(&self, index: usize) {
        if !self.entries[index].words.is_empty() {
            let word = self.entry_word(index);
            self.entries[index].words.iter().for_each(|place| place.store(word));
        }
    }

    /// The word to go on with, of a site that is new or asks again.
    fn ask(&mut self, engine: &Engine, description: Description, word: Word) -> u32 {
        let description = Arc::new(description);
        let known = self.by_description.get(&description).copied();
        let said = match known.or_else(|| self.add(engine, &description)) {
            Some(index) => {
                let words = &mut self.entries[index].words;
                if !words.iter().any(|known| known.place == word.place) {
                    words.push(word);
                }
                self.entry_word(index)
            }
            None => {
                let target = String::from_utf8_lossy(text(&description.target)).into_owned();
                let said = self.word_of(0, description.level, wanted(engine, &target), None);
                if !self.unnumbered.iter().any(|known| known.word.place == word.place) {
                    self.unnumbered.push(Unnumbered { level: description.level, target: target.into(), word });
                }
                said
            }
        };
        word.store(said);
        said
    }

    /// Whether there is memory for one site more, if the table has to grow.
    fn has_memory(&mut self) -> bool {
        self.entries.try_reserve(1).is_ok()
            && self.by_description.try_reserve(1).is_ok()
            && self.groups.try_reserve(1).is_ok()
            && self.by_target.try_reserve(1).is_ok()
    }

    /// Gives a site a number; `None`: the table is full, or can't grow.
    fn add(&mut self, engine: &Engine, description: &Arc<Description>) -> Option<usize> {
        let bytes = description.bytes();
        let has_room = self.entries.len() < MOST && self.bytes + bytes <= MOST_BYTES;
        if !has_room || !self.has_memory() {
            return None;
        }
        self.bytes += bytes;
        let target = String::from_utf8_lossy(text(&description.target));
        let group = self.by_target.get(&*target).copied().unwrap_or_else(|| {
            let wanted = wanted(engine, &target);
            self.groups.push(Group { target: (*target).into(), wanted, has_changed: false });
            self.by_target.insert((*target).into(), self.groups.len() - 1);
            self.groups.len() - 1
        });
        PUBLISHED[self.entries.len()].store(Arc::as_ptr(description).cast_mut(), Ordering::Release);
        self.by_description.insert(description.clone(), self.entries.len());
        self.entries.push(Entry { description: description.clone(), group, words: SmallVec::new(), interest: None });
        Some(self.entries.len() - 1)
    }
}

/// The descriptions by their indices, for a crash handler, which takes no lock. The table keeps them for good.
static PUBLISHED: [AtomicPtr<Description>; MOST] = [const { AtomicPtr::new(std::ptr::null_mut()) }; MOST];

/// What the site of this index is, without a lock.
pub fn published(index: usize) -> Option<&'static Description> {
    // SAFETY: null, or what an `Arc` in the table points to; entries are never removed.
    unsafe { PUBLISHED.get(index)?.load(Ordering::Acquire).as_ref() }
}

/// A text without its NUL.
pub fn text(terminated: &[u8]) -> &[u8] {
    terminated.strip_suffix(&[0]).unwrap_or(terminated)
}

fn id(index: usize) -> u32 {
    FIRST_SITE + index as u32
}

/// The number of a site's record as an index, if it is one.
pub fn index(id: u32) -> Option<usize> {
    id.checked_sub(FIRST_SITE).map(|index| index as usize).filter(|index| *index < MOST)
}

/// Describes a site that asks, and returns its word: never [`ASK`].
///
/// # Safety
///
/// `place` stays valid until [`withdraw`] is called for `module`.
pub unsafe fn ask(engine: &Engine, description: Description, place: *const AtomicU32, module: usize) -> u32 {
    // A signal handler may be inside of this function: it goes on without the table.
    let Some(mut table) = table(Duration::from_millis(10)) else { return CALL };
    match table.ask(engine, description, Word { place, module }) {
        // The engine is about to stop, or to start: the library's push settles it.
        ASK => CALL,
        word => word,
    }
}

/// Publishes the words anew, after any of their inputs has changed; `state`: that has.
pub fn publish(engine: &Engine, state: Option<State>) {
    if let Some(mut table) = table(LIMIT) {
        table.publish(engine, state);
    }
}

/// tracing has set the interest in the site of this number.
pub fn set_interest(id: u32, interest: CachedInterest) {
    if let (Some(index), Some(mut table)) = (index(id), table(LIMIT))
        && let Some(entry) = table.entries.get_mut(index)
        && entry.interest.replace(interest) != Some(interest)
    {
        table.publish_entry(index);
    }
}

/// Forgets the words of a module that is about to be unloaded.
pub fn withdraw(module: usize) {
    let Some(mut table) = table(LIMIT) else { return };
    let keep = |word: &Word| {
        if word.module == module {
            // What the module still logs in later destructors asks, and is withdrawn again.
            word.store(ASK);
        }
        word.module != module
    };
    for entry in &mut table.entries {
        entry.words.retain(|word| keep(word));
    }
    table.unnumbered.retain(|site| keep(&site.word));
}

/// What the site of this index is.
pub fn description(index: usize) -> Option<Arc<Description>> {
    table(LIMIT)?.entries.get(index).map(|entry| entry.description.clone())
}
