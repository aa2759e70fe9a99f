//! The filter's file: directives that an operator changes while the program runs.
//!
//! Directives as in `logfusion_set_filter`, on one line or several; what follows a `#` is a comment. The drain looks at the
//! file once a second and takes a content that it has not seen.

use super::filter::Directives;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// More than this is not read.
const MOST_BYTES: u64 = 64 << 10;

/// The file, and what it said last.
#[derive(Debug)]
pub(crate) struct FilterFile {
    path: PathBuf,
    seen: Option<String>,
}

/// A content that is new.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Directives to use from now on.
    Directives(Directives),
    /// Why it can't be used; the filter stays.
    Fault(String),
}

impl FilterFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
    }

    /// Reads the file. A file that is not there, or not yet, is no news.
    pub(crate) fn look(&mut self) -> Option<News> {
        let content = read(&self.path)?;
        if self.seen.as_ref() == Some(&content) {
            return None;
        }
        let directives: Vec<&str> = content.lines().map(|line| line.split('#').next().unwrap_or_default()).collect();
        let news = match Directives::parse(&directives.join(",")) {
            Ok(directives) => News::Directives(directives),
            Err(error) => News::Fault(format!("the filter file {} can't be used: {error}", self.path.display())),
        };
        self.seen = Some(content);
        Some(news)
    }
}

fn read(path: &Path) -> Option<String> {
    // A pipe would keep the drain waiting.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut content = Vec::new();
    File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut content).ok()?;
    Some(String::from_utf8_lossy(&content).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::Directory;

    #[test]
    fn what_is_new_is_taken_once() {
        let directory = Directory::new();
        let path = directory.path("filter");
        let mut file = FilterFile::new(path.clone());
        assert_eq!(file.look(), None, "it is not there yet");
        for (content, expected) in [
            ("warn,net=trace", "warn,net=trace"),
            ("# the net\nnet=debug # loud\n\ninfo\n", "net=debug,info"),
            ("", ""),
        ] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(file.look(), Some(News::Directives(Directives::parse(expected).unwrap())), "{content:?}");
            assert_eq!(file.look(), None);
        }
        std::fs::write(&path, "net=loud").unwrap();
        let Some(News::Fault(text)) = file.look() else { panic!("`loud` is no level") };
        assert!(text.contains("net=loud") && text.contains("/filter "), "{text}");
        assert_eq!(file.look(), None, "said once");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.look(), None, "the filter stays");
        std::fs::write(&path, "net=loud").unwrap();
        assert_eq!(file.look(), None);
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        assert_eq!(FilterFile::new("/dev/stdin".into()).look(), None);
        assert_eq!(FilterFile::new("/dev/zero".into()).look(), None);
    }
}
