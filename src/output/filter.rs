//! The filter: which levels of which targets pass.
//!
//! Directives are written as `info,net=debug,db::sql=off,ui`, separated by commas:
//!
//! * a level alone is the default for every target (`info` if there is none);
//! * `target=level` sets the level of a target and of all below it;
//! * a target alone lets all its levels pass.
//!
//! Levels are `error`, `warn`, `info`, `debug`, `trace` and `off` in any case, or 1 to 5 and 0. Of the targets that match,
//! the longest decides; of two directives for the same target, the last. A target is matched by whole `::` segments:
//! `net` covers `net` and `net::tcp`, but not `network`, which a plain prefix would (tracing issue 3539).
//!
//! A level and a target are constants of a callsite, so the answer for a callsite changes only when the directives do.

use std::cmp::Reverse;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tracing_core::{Level, LevelFilter};

/// A set of directives; see the module's head for their syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    default: LevelFilter,
    /// Longest target first, so that the first match decides.
    targets: Vec<(Box<str>, LevelFilter)>,
    /// The lowest and highest of all levels: most questions are answered by these alone.
    min: LevelFilter,
    max: LevelFilter,
}

/// Why directives can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The text after `=` is not a level.
    #[error(
        "filter directive `{directive}`: `{level}` is not a level \
         (error, warn, info, debug, trace, off, or a number from 0 for off to 5 for trace)"
    )]
    Level {
        /// The directive as written.
        directive: String,
        /// What stands in place of the level.
        level: String,
    },
    /// There is no target before `=`, or a segment of it is empty.
    #[error("filter directive `{directive}`: a target is one or more names joined by `::`, none of them empty")]
    EmptyTarget {
        /// The directive as written.
        directive: String,
    },
    /// The target has a character that no target here can have, as span and field filters of `EnvFilter` have.
    #[error(
        "filter directive `{directive}`: `{character}` can't stand in a target \
         (span and field filters are not supported)"
    )]
    Character {
        /// The directive as written.
        directive: String,
        /// The character.
        character: char,
    },
}

impl Directives {
    /// Reads directives. Empty text is `info`; targets that no directive covers are off.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut default = None;
        let mut targets: Vec<(Box<str>, LevelFilter)> = Vec::new();
        for directive in text.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
            let (target, level) = match directive.split_once('=') {
                Some((target, level)) => {
                    let level = level.trim();
                    let parsed = parse_level(level).ok_or_else(|| ParseError::Level {
                        directive: directive.to_owned(),
                        level: level.to_owned(),
                    })?;
                    (target.trim(), parsed)
                }
                None => match parse_level(directive) {
                    Some(level) => {
                        default = Some(level);
                        continue;
                    }
                    None => (directive, LevelFilter::TRACE),
                },
            };
            check_target(directive, target)?;
            targets.retain(|(known, _)| **known != *target);
            targets.push((target.into(), level));
        }
        let default = default.unwrap_or(if targets.is_empty() { LevelFilter::INFO } else { LevelFilter::OFF });
        targets.sort_by_key(|(target, _)| Reverse(target.len()));
        let levels = || targets.iter().map(|(_, level)| *level).chain([default]);
        let (min, max) = (levels().min().unwrap_or(default), levels().max().unwrap_or(default));
        Ok(Self { default, targets, min, max })
    }

    /// Whether a record of this level and target passes.
    pub fn enabled(&self, level: &Level, target: &str) -> bool {
        if *level <= self.min {
            true
        } else if *level > self.max {
            false
        } else {
            *level <= self.level_of(target)
        }
    }

    /// The highest level that any target lets pass.
    pub fn max_level(&self) -> LevelFilter {
        self.max
    }

    fn level_of(&self, target: &str) -> LevelFilter {
        let matching = self.targets.iter().find(|(prefix, _)| covers(prefix, target));
        matching.map_or(self.default, |(_, level)| *level)
    }
}

impl Default for Directives {
    /// `info` for every target.
    fn default() -> Self {
        Self { default: LevelFilter::INFO, targets: Vec::new(), min: LevelFilter::INFO, max: LevelFilter::INFO }
    }
}

impl FromStr for Directives {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

fn parse_level(text: &str) -> Option<LevelFilter> {
    const NAMES: [(&str, &str, LevelFilter); 6] = [
        ("off", "0", LevelFilter::OFF),
        ("error", "1", LevelFilter::ERROR),
        ("warn", "2", LevelFilter::WARN),
        ("info", "3", LevelFilter::INFO),
        ("debug", "4", LevelFilter::DEBUG),
        ("trace", "5", LevelFilter::TRACE),
    ];
    let found = NAMES.iter().find(|(name, number, _)| text.eq_ignore_ascii_case(name) || text == *number);
    found.map(|(_, _, level)| *level)
}

fn check_target(directive: &str, target: &str) -> Result<(), ParseError> {
    if target.bytes().all(|byte| byte.is_ascii_digit()) && !target.is_empty() {
        return Err(ParseError::Level { directive: directive.to_owned(), level: target.to_owned() });
    }
    if target.split("::").any(str::is_empty) {
        return Err(ParseError::EmptyTarget { directive: directive.to_owned() });
    }
    match target.chars().find(|&character| "[]{}\"".contains(character) || character.is_control()) {
        Some(character) => Err(ParseError::Character { directive: directive.to_owned(), character }),
        None => Ok(()),
    }
}

/// Whether `target` is `prefix` or lies below it.
fn covers(prefix: &str, target: &str) -> bool {
    target.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Directives that can be exchanged while records flow.
///
/// Whoever calls [`set`](Self::set) rebuilds tracing's interest cache afterwards: until then, callsites keep the answer that
/// they were given.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    directives: ArcSwap<Directives>,
    /// How many times the directives were exchanged.
    generation: AtomicU64,
}

impl Filter {
    /// A filter with these directives.
    pub(crate) fn new(directives: Directives) -> Self {
        Self { directives: ArcSwap::from_pointee(directives), generation: AtomicU64::new(0) }
    }

    /// Exchanges the directives.
    pub(crate) fn set(&self, directives: Directives) {
        self.directives.store(Arc::new(directives));
        // Release: who reads the new generation (acquire, in `generation`) also loads these directives or later ones.
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The directives in force.
    pub(crate) fn load(&self) -> Arc<Directives> {
        self.directives.load_full()
    }

    /// Grows with each [`set`](Self::set).
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// [`Directives::enabled`] of the directives in force, without touching their reference count.
    pub(crate) fn enabled(&self, level: &Level, target: &str) -> bool {
        self.directives.load().enabled(level, target)
    }

    /// The least severe level of `target` that passes.
    pub(crate) fn level_of(&self, target: &str) -> LevelFilter {
        self.directives.load().level_of(target)
    }

    /// [`Directives::max_level`] of the directives in force.
    pub(crate) fn max_level(&self) -> LevelFilter {
        self.directives.load().max_level()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

    /// How many levels of `target` pass, by asking for each.
    fn passing(directives: &str, target: &str) -> usize {
        let directives = Directives::parse(directives).unwrap();
        let passing: Vec<_> = LEVELS.iter().map(|level| directives.enabled(level, target)).collect();
        let count = passing.iter().filter(|passes| **passes).count();
        assert!(passing[..count].iter().all(|passes| *passes), "a severer level is filtered: {passing:?}");
        count
    }

    #[test]
    fn table() {
        for (directives, target, expected) in [
            ("", "any", 3),
            (" , ,", "any", 3),
            ("WARN", "any", 2),
            ("4", "any", 4),
            ("0", "any", 0),
            ("off,net=Info", "net", 3),
            ("off,net=info", "other", 0),
            ("info,net=debug,db::sql=off,ui", "net", 4),
            ("info,net=debug,db::sql=off,ui", "db::sql::query", 0),
            ("info,net=debug,db::sql=off,ui", "db", 3),
            ("info,net=debug,db::sql=off,ui", "ui::menu", 5),
            (" net = debug , warn ", "net", 4),
            (" net = debug , warn ", "x", 2),
            // whole segments
            ("error,net=trace", "net::tcp", 5),
            ("error,net=trace", "network", 1),
            ("error,net=trace", "net:", 1),
            ("error,net=trace", "ne", 1),
            ("error,net=trace", "a::net", 1),
            // the longest match, whatever the order
            ("a=error,a::b=trace,a::b::c=warn", "a::b::c::d", 2),
            ("a::b::c=warn,a::b=trace,a=error", "a::b::x", 5),
            // the last of equals
            ("a=error,a=debug", "a", 4),
            ("debug,warn", "a", 2),
            ("a=debug,a", "a", 5),
        ] {
            assert_eq!(passing(directives, target), expected, "{directives:?} {target:?}");
        }
    }

    #[test]
    fn max_level_is_the_highest_of_all() {
        for (directives, expected) in [
            ("", LevelFilter::INFO),
            ("off", LevelFilter::OFF),
            ("warn,a=debug", LevelFilter::DEBUG),
            ("warn,a=debug,a=off", LevelFilter::WARN),
            ("a", LevelFilter::TRACE),
        ] {
            assert_eq!(Directives::parse(directives).unwrap().max_level(), expected, "{directives:?}");
        }
        assert_eq!(Directives::default(), Directives::parse("").unwrap());
    }

    #[test]
    fn errors_name_the_directive_and_what_is_allowed() {
        for (directives, expected) in [
            (
                "info, net=loud ",
                "filter directive `net=loud`: `loud` is not a level (error, warn, info, debug, trace, off, or a number from 0 for off to 5 for trace)",
            ),
            (
                "a=b=c",
                "filter directive `a=b=c`: `b=c` is not a level (error, warn, info, debug, trace, off, or a number from 0 for off to 5 for trace)",
            ),
            (
                "a=",
                "filter directive `a=`: `` is not a level (error, warn, info, debug, trace, off, or a number from 0 for off to 5 for trace)",
            ),
            ("=info", "filter directive `=info`: a target is one or more names joined by `::`, none of them empty"),
            (
                "net::=info",
                "filter directive `net::=info`: a target is one or more names joined by `::`, none of them empty",
            ),
            (
                "[span]=info",
                "filter directive `[span]=info`: `[` can't stand in a target (span and field filters are not supported)",
            ),
        ] {
            assert_eq!(Directives::parse(directives).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn set_is_seen_at_once() {
        let filter = Filter::new(Directives::default());
        assert!(!filter.enabled(&Level::DEBUG, "a"));
        let generation = filter.generation();
        filter.set(Directives::parse("a=debug").unwrap());
        assert!(filter.enabled(&Level::DEBUG, "a"));
        assert_eq!(filter.max_level(), LevelFilter::DEBUG);
        assert_eq!(*filter.load(), Directives::parse("a=debug").unwrap());
        assert!(filter.generation() > generation);
    }
}
