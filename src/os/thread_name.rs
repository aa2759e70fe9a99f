//! The name of a thread, without an allocation.

/// The name of a thread: of up to [`ThreadName::MOST`] bytes, all of the system's 15 even where each is shown as U+FFFD.
#[derive(Debug, Clone, Copy)]
pub struct ThreadName {
    bytes: [u8; Self::MOST],
    len: usize,
}

impl ThreadName {
    /// Longest name; what is longer is cut.
    pub const MOST: usize = 48;

    /// The beginning of a text.
    pub fn new(text: &str) -> Self {
        let mut name = Self { bytes: [0; Self::MOST], len: 0 };
        name.push(text);
        name
    }

    /// A text in which bytes that are not UTF-8 become U+FFFD.
    pub fn lossy(bytes: &[u8]) -> Self {
        let mut name = Self::new("");
        for chunk in bytes.utf8_chunks() {
            name.push(chunk.valid());
            if !chunk.invalid().is_empty() {
                name.push("\u{fffd}");
            }
        }
        name
    }

    fn push(&mut self, text: &str) {
        for character in text.chars() {
            if self.len + character.len_utf8() > Self::MOST {
                break;
            }
            self.len += character.encode_utf8(&mut self.bytes[self.len..]).len();
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_mended_as_text() {
        assert_eq!(ThreadName::new("render").as_str(), "render");
        assert_eq!(ThreadName::new(&"ü".repeat(30)).as_str(), "ü".repeat(24));
        assert_eq!(ThreadName::new(&format!("a{}", "ü".repeat(30))).as_str(), format!("a{}", "ü".repeat(23)));
        assert_eq!(ThreadName::lossy(b"a\xffb\xc3").as_str(), "a\u{fffd}b\u{fffd}");
        assert_eq!(ThreadName::lossy(&[0xff; 15]).as_str(), "\u{fffd}".repeat(15));
        assert_eq!(ThreadName::lossy(&[0xff; 99]).as_str(), "\u{fffd}".repeat(16));
    }
}
