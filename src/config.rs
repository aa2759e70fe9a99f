//! Configuration: what can be set, its defaults, and where it comes from.
//!
//! **Concept.** A [`Config`] is plain data. It starts as the defaults, a program fills in what it wants
//! (`logfusion_config` in C), and the environment has the last word, since whoever runs a program may want to see more of
//! it than its author did. Nothing in here fails: a value that can't be used is reported as a [`Problem`] and another one
//! is used, because a mistake in a log setting must not keep a program from starting.
//!
//! **Protocol.** [`Config::validate`] checks what a program filled in and puts defaults in place of bad values; then
//! [`Config::with_environment`] reads the variables and keeps what was there where a variable can't be read. Both run
//! once, before the engine starts. The environment is ignored in a process with more rights than its user (set-uid): it
//! could name a file to be overwritten.
//!
//! **Details.** All settings are rows of one table, `SETTINGS`. An empty variable counts as unset. Words are read
//! without regard to case; numbers of bytes may end in K, M or G (1024, 1024², 1024³).
//!
//! | variable | value | default |
//! |---|---|---|
//! | `LOGFUSION_LOG`, else `RUST_LOG` | directives: `info,net::http=debug` | `info` |
//! | `LOGFUSION_FILTER_FILE` | path of a file of directives, looked at once a second | none |
//! | `LOGFUSION_CLOCK` | `tsc`, `coarse` | `tsc` |
//! | `LOGFUSION_FORMAT` | `text`, `logfmt`, `json` | `text` |
//! | `LOGFUSION_OUTPUT` | `stderr`, `stdout`, `none`, else the path of a file (`./none` for one of that name) | `stderr` |
//! | `LOGFUSION_COLOR` | `auto`, `never`, `always` | `auto` |
//! | `LOGFUSION_ROTATE_BYTES` | bytes, 0 for never | 0 |
//! | `LOGFUSION_ROTATE` | `never`, `daily` | `never` |
//! | `LOGFUSION_KEEP_FILES` | rotated files to keep | 5 |
//! | `LOGFUSION_RING_BYTES` | bytes a thread, a power of two, 4K to 1G | 1M |
//! | `LOGFUSION_RINGS_MAX_BYTES` | bytes of all rings together, at least one ring | 1G |
//! | `LOGFUSION_OVERFLOW` | `drop`, `block` (for 1000 ms at most), `block:MS` | `drop` |
//! | `LOGFUSION_IDLE_US` | longest rest of the drain, 50 to 1000000 µs | 10000 |
//! | `LOGFUSION_DRAIN` | `thread`, `manual` | `thread` |
//! | `LOGFUSION_DRAIN_CPU` | number of the processor for the drain | any |

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::os;
use crate::output::{Color, Destination, Directives, Format, OutputConfig};

/// What a logging thread does when its ring is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Drop the record and count it.
    #[default]
    Drop,
    /// Wait for room, at most this long; then drop. [`Duration::MAX`] waits without limit.
    Block(Duration),
}

/// Who reads the rings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DrainMode {
    /// A thread of the engine's own.
    #[default]
    Thread,
    /// The program, by calling `logfusion_drain`.
    Manual,
}

/// What a record is stamped with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The processor's counter, read by each call.
    #[default]
    Counter,
    /// The time at which the drain looked last: one load, and as coarse as its pace.
    Coarse,
}

/// Everything that can be set before the engine starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which records are delivered: directives such as `info,net::http=debug`.
    pub filter: String,
    /// A file of directives that is looked at once a second.
    pub filter_file: Option<PathBuf>,
    /// Where records are written, and how.
    pub output: OutputConfig,
    /// What records are stamped with, of threads that log first from then on.
    pub clock: Clock,
    /// The size of each thread's ring: a power of two from 4 KiB to 1 GiB.
    pub ring_bytes: usize,
    /// The most that all rings together may take; a thread past it has its records dropped and counted.
    pub rings_max_bytes: usize,
    /// What happens when a ring is full.
    pub overflow: Overflow,
    /// The longest rest of the drain while nothing is logged: 50 µs to 1 s.
    pub idle: Duration,
    /// Whether a ring that becomes half full wakes the drain, at the cost of one system call.
    pub wake_on_half_full: bool,
    /// Whether each error wakes the drain, at the cost of a system call.
    pub wake_on_error: bool,
    /// Who reads the rings.
    pub drain: DrainMode,
    /// The processor that the drain thread is bound to.
    pub drain_cpu: Option<usize>,
    /// The nice value of the drain thread, -20 (first) to 19 (last).
    pub drain_nice: i32,
    /// The name of the drain thread: 1 to 15 bytes.
    pub drain_name: String,
    /// Whether an explicit start makes the engine `tracing`'s global default, if there is none.
    pub set_global_default: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            filter_file: None,
            output: OutputConfig::default(),
            clock: Clock::default(),
            ring_bytes: 1 << 20,
            rings_max_bytes: 1 << 30,
            overflow: Overflow::default(),
            idle: Duration::from_millis(10),
            wake_on_half_full: true,
            wake_on_error: false,
            drain: DrainMode::default(),
            drain_cpu: None,
            drain_nice: 0,
            drain_name: "logfusion".to_owned(),
            set_global_default: true,
        }
    }
}

/// A value that can't be used, and what is used in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The environment variable, or the member of the configuration.
    pub setting: &'static str,
    /// The value that was found.
    pub value: String,
    /// What the value should have been: "a format".
    pub expected: &'static str,
    /// The value that is used.
    pub used: String,
    /// The values that are understood, or what is wrong with this one.
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, value, expected, used, allowed } = self;
        write!(f, "{setting}: {value:?} is not {expected}; using {used:?} (allowed: {allowed})")
    }
}

impl Config {
    /// Puts the defaults in place of values that can't be used, such as those of a C struct.
    pub fn validate(&mut self, problems: &mut Vec<Problem>) {
        let defaults = Self::default();
        for setting in &SETTINGS {
            if (setting.is_valid)(self) {
                continue;
            }
            let value = (setting.show)(self);
            (setting.reset)(self, &defaults);
            problems.push(setting.problem(setting.member, value, self));
        }
    }

    /// Takes over what the environment says, and keeps what is here where it says nothing or nothing readable.
    ///
    /// Reads the process's environment, so no other thread may be in `setenv` meanwhile.
    pub fn with_environment(self, problems: &mut Vec<Problem>) -> Self {
        if os::is_set_uid() {
            return self;
        }
        self.with_variables(|name| std::env::var_os(name), problems)
    }

    fn with_variables(mut self, variable: impl Fn(&str) -> Option<OsString>, problems: &mut Vec<Problem>) -> Self {
        for setting in &SETTINGS {
            let found = setting.variables.iter().find_map(|name| {
                let value = variable(name)?;
                (!value.is_empty()).then_some((*name, value))
            });
            let Some((name, value)) = found else { continue };
            let mut changed = self.clone();
            if (setting.read)(&mut changed, &value).is_some() && (setting.is_valid)(&changed) {
                self = changed;
            } else {
                problems.push(setting.problem(name, value.to_string_lossy().into_owned(), &self));
            }
        }
        // Two good values may not go together: a ring larger than what all rings may take.
        self.validate(problems);
        self
    }
}

/// One row of [`SETTINGS`].
struct Setting {
    /// The name in [`Config`] and in the C struct.
    member: &'static str,
    /// The environment variables; the first that is not empty counts.
    variables: &'static [&'static str],
    /// What a value should be, to go after "is not".
    expected: &'static str,
    /// The values that are understood.
    allowed: &'static str,
    /// Stores the text of a variable; `None` if it can't be read.
    read: fn(&mut Config, &OsStr) -> Option<()>,
    /// The value as a variable would say it.
    show: fn(&Config) -> String,
    /// Whether the value can be used.
    is_valid: fn(&Config) -> bool,
    /// Copies the value from the defaults.
    reset: fn(&mut Config, &Config),
}

impl Setting {
    /// What the rows have in common that can't hold an invalid value.
    const ANY: Self = Self {
        member: "",
        variables: &[],
        expected: "",
        allowed: "",
        read: |_, _| None,
        show: |_| String::new(),
        is_valid: |_| true,
        reset: |_, _| (),
    };

    fn problem(&self, setting: &'static str, value: String, config: &Config) -> Problem {
        let mut allowed = self.allowed.to_owned();
        if self.member == "filter"
            && let Err(error) = Directives::parse(&value)
        {
            allowed = format!("{allowed}; {error}");
        }
        Problem { setting, value, expected: self.expected, used: (self.show)(config), allowed }
    }
}

const RING_BYTES: RangeInclusive<usize> = 4 << 10..=1 << 30;
const IDLE: RangeInclusive<Duration> = Duration::from_micros(50)..=Duration::from_secs(1);
const NICE: RangeInclusive<i32> = -20..=19;
/// What `block` means without a number.
const BLOCK_DEFAULT: Duration = Duration::from_millis(1000);
/// The longest limit that is not "no limit".
const BLOCK_MAX: Duration = Duration::from_millis(u32::MAX as u64);
/// Linux keeps 16 bytes for a name, the NUL included.
const NAME_MAX: usize = 15;

const FORMATS: [(&str, Format); 3] = [("text", Format::Text), ("logfmt", Format::Logfmt), ("json", Format::Json)];
const COLORS: [(&str, Color); 3] = [("auto", Color::Auto), ("never", Color::Never), ("always", Color::Always)];
const ROTATIONS: [(&str, bool); 2] = [("never", false), ("daily", true)];
const SWITCH: [(&str, bool); 2] = [("no", false), ("yes", true)];
const CLOCKS: [(&str, Clock); 2] = [("tsc", Clock::Counter), ("coarse", Clock::Coarse)];
const DRAINS: [(&str, DrainMode); 2] = [("thread", DrainMode::Thread), ("manual", DrainMode::Manual)];

/// All settings that a variable can change or that can hold a value of no use.
static SETTINGS: [Setting; 18] = [
    Setting {
        member: "filter",
        variables: &["LOGFUSION_LOG", "RUST_LOG"],
        expected: "a filter",
        allowed: "directives such as info,net::http=debug",
        read: |config, value| set(&mut config.filter, value.to_str().map(|text| text.trim().to_owned())),
        show: |config| config.filter.clone(),
        is_valid: |config| Directives::parse(&config.filter).is_ok(),
        reset: |config, defaults| config.filter.clone_from(&defaults.filter),
    },
    Setting {
        member: "filter_file",
        variables: &["LOGFUSION_FILTER_FILE"],
        read: |config, value| set(&mut config.filter_file, Some(Some(value.into()))),
        ..Setting::ANY
    },
    Setting {
        member: "clock",
        variables: &["LOGFUSION_CLOCK"],
        expected: "a clock",
        allowed: "tsc, coarse",
        read: |config, value| set(&mut config.clock, word(&CLOCKS, value)),
        show: |config| name_of(&CLOCKS, &config.clock),
        ..Setting::ANY
    },
    Setting {
        member: "format",
        variables: &["LOGFUSION_FORMAT"],
        expected: "a format",
        allowed: "text, logfmt, json",
        read: |config, value| set(&mut config.output.format, word(&FORMATS, value)),
        show: |config| name_of(&FORMATS, &config.output.format),
        ..Setting::ANY
    },
    Setting {
        member: "output",
        variables: &["LOGFUSION_OUTPUT"],
        expected: "an output",
        allowed: "stderr, stdout, none, else the path of a file",
        read: |config, value| set(&mut config.output.destination, Some(destination(value))),
        show: |config| match &config.output.destination {
            Destination::Stderr => "stderr".to_owned(),
            Destination::Stdout => "stdout".to_owned(),
            Destination::None => "none".to_owned(),
            Destination::File(path) => path.to_string_lossy().into_owned(),
        },
        is_valid: |config| match &config.output.destination {
            Destination::File(path) => {
                !path.as_os_str().is_empty() && !path.as_os_str().as_encoded_bytes().contains(&0)
            }
            _ => true,
        },
        reset: |config, defaults| config.output.destination = defaults.output.destination.clone(),
    },
    Setting {
        member: "span_close",
        variables: &["LOGFUSION_SPAN_CLOSE"],
        expected: "yes or no",
        allowed: "yes, no",
        read: |config, value| set(&mut config.output.span_close, word(&SWITCH, value)),
        show: |config| name_of(&SWITCH, &config.output.span_close),
        ..Setting::ANY
    },
    Setting {
        member: "color",
        variables: &["LOGFUSION_COLOR"],
        expected: "a choice of colour",
        allowed: "auto, never, always",
        read: |config, value| set(&mut config.output.color, word(&COLORS, value)),
        show: |config| name_of(&COLORS, &config.output.color),
        ..Setting::ANY
    },
    Setting {
        member: "rotate_bytes",
        variables: &["LOGFUSION_ROTATE_BYTES"],
        expected: "a number of bytes",
        allowed: "0 for never, or a number such as 10M",
        read: |config, value| set(&mut config.output.rotate_bytes, bytes(value)),
        show: |config| config.output.rotate_bytes.to_string(),
        ..Setting::ANY
    },
    Setting {
        member: "rotate",
        variables: &["LOGFUSION_ROTATE"],
        expected: "a time of rotation",
        allowed: "never, daily",
        read: |config, value| set(&mut config.output.rotate_daily, word(&ROTATIONS, value)),
        show: |config| name_of(&ROTATIONS, &config.output.rotate_daily),
        ..Setting::ANY
    },
    Setting {
        member: "keep_files",
        variables: &["LOGFUSION_KEEP_FILES"],
        expected: "a number of files",
        allowed: "1 to 1000",
        read: |config, value| set(&mut config.output.keep_files, number(value)),
        show: |config| config.output.keep_files.to_string(),
        is_valid: |config| (1..=1000).contains(&config.output.keep_files),
        reset: |config, defaults| config.output.keep_files = defaults.output.keep_files,
    },
    Setting {
        member: "ring_bytes",
        variables: &["LOGFUSION_RING_BYTES"],
        expected: "a ring size",
        allowed: "a power of two from 4K to 1G",
        read: |config, value| set(&mut config.ring_bytes, usize::try_from(bytes(value)?).ok()),
        show: |config| config.ring_bytes.to_string(),
        is_valid: |config| config.ring_bytes.is_power_of_two() && RING_BYTES.contains(&config.ring_bytes),
        reset: |config, defaults| config.ring_bytes = defaults.ring_bytes,
    },
    Setting {
        member: "rings_max_bytes",
        variables: &["LOGFUSION_RINGS_MAX_BYTES"],
        expected: "a size for all rings",
        allowed: "at least the bytes of one ring, such as 256M",
        read: |config, value| set(&mut config.rings_max_bytes, usize::try_from(bytes(value)?).ok()),
        show: |config| config.rings_max_bytes.to_string(),
        is_valid: |config| config.rings_max_bytes >= config.ring_bytes,
        reset: |config, defaults| config.rings_max_bytes = defaults.rings_max_bytes,
    },
    Setting {
        member: "overflow",
        variables: &["LOGFUSION_OVERFLOW"],
        expected: "an overflow policy",
        allowed: "drop, block, block:MS with at most 4294967295 ms",
        read: |config, value| set(&mut config.overflow, overflow(value)),
        show: |config| match config.overflow {
            Overflow::Drop => "drop".to_owned(),
            Overflow::Block(limit) => format!("block:{}", limit.as_millis()),
        },
        is_valid: |config| !matches!(config.overflow, Overflow::Block(limit) if limit > BLOCK_MAX && limit != Duration::MAX),
        reset: |config, defaults| config.overflow = defaults.overflow,
    },
    Setting {
        member: "idle_us",
        variables: &["LOGFUSION_IDLE_US"],
        expected: "an idle time",
        allowed: "50 to 1000000 microseconds",
        read: |config, value| set(&mut config.idle, number(value).map(Duration::from_micros)),
        show: |config| config.idle.as_micros().to_string(),
        is_valid: |config| IDLE.contains(&config.idle),
        reset: |config, defaults| config.idle = defaults.idle,
    },
    Setting {
        member: "drain",
        variables: &["LOGFUSION_DRAIN"],
        expected: "a way to drain",
        allowed: "thread, manual",
        read: |config, value| set(&mut config.drain, word(&DRAINS, value)),
        show: |config| name_of(&DRAINS, &config.drain),
        ..Setting::ANY
    },
    Setting {
        member: "drain_cpu",
        variables: &["LOGFUSION_DRAIN_CPU"],
        expected: "a processor",
        allowed: "the number of a processor, the first is 0",
        read: |config, value| set(&mut config.drain_cpu, number(value).map(Some)),
        show: |config| config.drain_cpu.map_or("any".to_owned(), |cpu| cpu.to_string()),
        ..Setting::ANY
    },
    Setting {
        member: "drain_nice",
        expected: "a nice value",
        allowed: "-20 to 19",
        show: |config| config.drain_nice.to_string(),
        is_valid: |config| NICE.contains(&config.drain_nice),
        reset: |config, defaults| config.drain_nice = defaults.drain_nice,
        ..Setting::ANY
    },
    Setting {
        member: "drain_name",
        expected: "a thread name",
        allowed: "1 to 15 bytes without NUL",
        show: |config| config.drain_name.clone(),
        is_valid: |config| (1..=NAME_MAX).contains(&config.drain_name.len()) && !config.drain_name.contains('\0'),
        reset: |config, defaults| config.drain_name.clone_from(&defaults.drain_name),
        ..Setting::ANY
    },
];

fn set<T>(member: &mut T, value: Option<T>) -> Option<()> {
    *member = value?;
    Some(())
}

fn word<T: Clone>(words: &[(&str, T)], value: &OsStr) -> Option<T> {
    let value = value.to_str()?.trim();
    words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value)).map(|(_, meaning)| meaning.clone())
}

fn name_of<T: PartialEq>(words: &[(&str, T)], value: &T) -> String {
    words.iter().find(|(_, meaning)| meaning == value).map_or_else(String::new, |(word, _)| (*word).to_owned())
}

fn number<T: std::str::FromStr>(value: &OsStr) -> Option<T> {
    value.to_str()?.trim().parse().ok()
}

fn bytes(value: &OsStr) -> Option<u64> {
    let value = value.to_str()?.trim();
    let (digits, unit) = match value.as_bytes().last()?.to_ascii_uppercase() {
        b'K' => (&value[..value.len() - 1], 1 << 10),
        b'M' => (&value[..value.len() - 1], 1 << 20),
        b'G' => (&value[..value.len() - 1], 1 << 30),
        _ => (value, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

fn destination(value: &OsStr) -> Destination {
    const WORDS: [(&str, Destination); 3] =
        [("stderr", Destination::Stderr), ("stdout", Destination::Stdout), ("none", Destination::None)];
    word(&WORDS, value).unwrap_or_else(|| Destination::File(value.into()))
}

fn overflow(value: &OsStr) -> Option<Overflow> {
    const WORDS: [(&str, Overflow); 2] = [("drop", Overflow::Drop), ("block", Overflow::Block(BLOCK_DEFAULT))];
    word(&WORDS, value).or_else(|| {
        let (block, limit) = value.to_str()?.trim().split_once(':')?;
        let limit = limit.parse::<u32>().ok().filter(|_| block.eq_ignore_ascii_case("block"))?;
        Some(Overflow::Block(Duration::from_millis(limit.into())))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn read_into(config: Config, variables: &[(&str, &str)]) -> (Config, Vec<Problem>) {
        let mut problems = Vec::new();
        let lookup = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value));
        let config = config.with_variables(lookup, &mut problems);
        (config, problems)
    }

    fn read(variables: &[(&str, &str)]) -> (Config, Vec<Problem>) {
        read_into(Config::default(), variables)
    }

    #[test]
    fn defaults_are_valid_and_an_empty_environment_changes_nothing() {
        let empty: Vec<_> = SETTINGS.iter().flat_map(|setting| setting.variables).map(|name| (*name, "")).collect();
        assert_eq!(empty.len(), 17, "sixteen variables, and RUST_LOG");
        for variables in [&[][..], &empty] {
            assert_eq!(read(variables), (Config::default(), Vec::new()));
        }
    }

    #[test]
    fn every_variable_is_read() {
        let (config, problems) = read(&[
            ("LOGFUSION_LOG", "warn,net=debug"),
            ("RUST_LOG", "trace"),
            ("LOGFUSION_FILTER_FILE", "/etc/game.filter"),
            ("LOGFUSION_CLOCK", "Coarse"),
            ("LOGFUSION_FORMAT", "JSON"),
            ("LOGFUSION_OUTPUT", "/var/log/game.log"),
            ("LOGFUSION_COLOR", "always"),
            ("LOGFUSION_SPAN_CLOSE", "yes"),
            ("LOGFUSION_ROTATE_BYTES", "10M"),
            ("LOGFUSION_ROTATE", "daily"),
            ("LOGFUSION_KEEP_FILES", "9"),
            ("LOGFUSION_RING_BYTES", "64k"),
            ("LOGFUSION_RINGS_MAX_BYTES", "2G"),
            ("LOGFUSION_OVERFLOW", "block:250"),
            ("LOGFUSION_IDLE_US", "50"),
            ("LOGFUSION_DRAIN", "manual"),
            ("LOGFUSION_DRAIN_CPU", " 1 "),
        ]);
        assert_eq!(problems, []);
        let expected = Config {
            filter: "warn,net=debug".into(),
            filter_file: Some("/etc/game.filter".into()),
            clock: Clock::Coarse,
            output: OutputConfig {
                destination: Destination::File("/var/log/game.log".into()),
                format: Format::Json,
                color: Color::Always,
                rotate_bytes: 10 << 20,
                rotate_daily: true,
                keep_files: 9,
                span_close: true,
            },
            ring_bytes: 64 << 10,
            rings_max_bytes: 2 << 30,
            overflow: Overflow::Block(Duration::from_millis(250)),
            idle: Duration::from_micros(50),
            drain: DrainMode::Manual,
            drain_cpu: Some(1),
            ..Config::default()
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn environment_wins_over_the_program() {
        let program = Config { filter: "error".into(), ring_bytes: 1 << 16, drain_cpu: Some(3), ..Config::default() };
        let (config, problems) = read_into(program.clone(), &[("LOGFUSION_LOG", "debug")]);
        assert_eq!(problems, []);
        assert_eq!(config, Config { filter: "debug".into(), ..program });
    }

    #[test]
    fn rust_log_counts_if_ours_is_unset_or_empty() {
        for variables in [&[("RUST_LOG", "debug")][..], &[("LOGFUSION_LOG", ""), ("RUST_LOG", "debug")]] {
            let (config, _) = read(variables);
            assert_eq!(config.filter, "debug");
        }
    }

    #[test]
    fn unreadable_values_are_reported_and_what_was_there_stays() {
        let bad = [
            ("LOGFUSION_LOG", "net=loud"),
            ("LOGFUSION_FORMAT", "xml"),
            ("LOGFUSION_COLOR", "maybe"),
            ("LOGFUSION_ROTATE_BYTES", "M"),
            ("LOGFUSION_ROTATE", "hourly"),
            ("LOGFUSION_KEEP_FILES", "-1"),
            ("LOGFUSION_RING_BYTES", "5000"),
            ("LOGFUSION_RINGS_MAX_BYTES", "1K"),
            ("LOGFUSION_OVERFLOW", "block:soon"),
            ("LOGFUSION_IDLE_US", "49"),
            ("LOGFUSION_DRAIN", "never"),
            ("LOGFUSION_DRAIN_CPU", "first"),
        ];
        let (config, problems) = read(&bad);
        assert_eq!(config, Config::default());
        assert_eq!(problems.iter().map(|p| (p.setting, p.value.as_str())).collect::<Vec<_>>(), bad);
        let program = Config { idle: Duration::from_millis(1), ..Config::default() };
        let (config, problems) = read_into(program, &[("LOGFUSION_IDLE_US", "1000001")]);
        assert_eq!((config.idle, problems[0].used.as_str()), (Duration::from_millis(1), "1000"));
    }

    #[test]
    fn problem_says_what_where_and_what_to_use() {
        let (_, problems) = read(&[("LOGFUSION_FORMAT", "xml\n"), ("RUST_LOG", "[span]=debug,net=loud")]);
        let texts: Vec<_> = problems.iter().map(Problem::to_string).collect();
        assert!(
            texts[0].starts_with(r#"RUST_LOG: "[span]=debug,net=loud" is not a filter; using "info" (allowed: dir"#)
        );
        assert_eq!(
            texts[1],
            r#"LOGFUSION_FORMAT: "xml\n" is not a format; using "text" (allowed: text, logfmt, json)"#
        );
    }

    #[test]
    fn numbers_of_bytes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("4k", Some(4096)),
            ("1M", Some(1 << 20)),
            ("3G", Some(3 << 30)),
            (" 1M ", Some(1 << 20)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("17179869184G", None),
            ("K", None),
            ("1KB", None),
            ("1.5M", None),
            ("-1", None),
            ("µ", None),
            (" ", None),
        ] {
            assert_eq!(bytes(OsStr::new(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn overflow_policies() {
        let block = |ms| Some(Overflow::Block(Duration::from_millis(ms)));
        for (text, expected) in [
            ("drop", Some(Overflow::Drop)),
            ("Block", block(1000)),
            ("block:0", block(0)),
            ("block:4294967295", block(4_294_967_295)),
            ("block:4294967296", None),
            ("block:", None),
            ("drop:5", None),
            ("", None),
        ] {
            assert_eq!(overflow(OsStr::new(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn output_is_a_word_or_a_path() {
        for (text, expected) in [
            ("stderr", Destination::Stderr),
            ("Stdout", Destination::Stdout),
            ("none", Destination::None),
            ("./none", Destination::File("./none".into())),
            ("logs/a b.log", Destination::File("logs/a b.log".into())),
        ] {
            assert_eq!(destination(OsStr::new(text)), expected);
        }
    }

    #[test]
    fn values_that_are_not_utf8_are_paths_or_problems() {
        let raw = OsString::from_vec(b"/tmp/\xFF.log".to_vec());
        let mut problems = Vec::new();
        let config = Config::default().with_variables(|_| Some(raw.clone()), &mut problems);
        assert_eq!(config.output.destination, Destination::File(raw.clone().into()));
        assert_eq!(problems.len(), 14, "all variables but the two paths");
        assert_eq!(problems[0].value, "/tmp/\u{FFFD}.log");
    }

    #[test]
    fn values_of_a_program_are_validated() {
        let mut config = Config {
            filter: "net=loud".into(),
            output: OutputConfig { destination: Destination::File("".into()), ..OutputConfig::default() },
            ring_bytes: 3 << 20,
            rings_max_bytes: 0,
            overflow: Overflow::Block(BLOCK_MAX + Duration::from_millis(1)),
            idle: Duration::ZERO,
            drain_nice: 20,
            drain_name: "sixteen bytes ok".into(),
            ..Config::default()
        };
        let mut problems = Vec::new();
        config.validate(&mut problems);
        assert_eq!(config, Config::default());
        let settings: Vec<_> = problems.iter().map(|problem| problem.setting).collect();
        let expected =
            ["filter", "output", "ring_bytes", "rings_max_bytes", "overflow", "idle_us", "drain_nice", "drain_name"];
        assert_eq!(settings, expected);
        config.validate(&mut problems);
        assert_eq!(problems.len(), expected.len(), "nothing is left to report");

        let valid = Config {
            ring_bytes: 1 << 30,
            idle: Duration::from_secs(1),
            drain_nice: -20,
            drain_name: "fifteen bytes ok".replace("ok", "k"),
            overflow: Overflow::Block(BLOCK_MAX),
            ..Config::default()
        };
        let mut validated = valid.clone();
        validated.validate(&mut problems);
        assert_eq!((validated, problems.len()), (valid, expected.len()));
    }

    #[test]
    fn values_that_do_not_go_together_are_reported() {
        let program = Config { ring_bytes: 1 << 16, rings_max_bytes: 1 << 18, ..Config::default() };
        let (config, problems) = read_into(program, &[("LOGFUSION_RING_BYTES", "1M")]);
        assert_eq!((config.ring_bytes, config.rings_max_bytes), (1 << 20, 1 << 30));
        assert_eq!(problems[0].setting, "rings_max_bytes");
    }
}
