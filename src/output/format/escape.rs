//! Escaping: a record is one line, and nothing in it commands a terminal.
//!
//! Text from a caller is untrusted. These characters never reach an output as they are:
//!
//! | characters | why |
//! |---|---|
//! | C0, DEL, C1 | end a line, or start a terminal's escape sequence |
//! | U+2028, U+2029 | end a line for many readers |
//! | U+061C, U+200E, U+200F, U+202A–202E, U+2066–2069 | reorder what a person sees ("Trojan source") |
//!
//! JSON writes them as `\uXXXX`, the others as `\n`, `\r`, `\t`, `\x1b` or `\u{202e}`. Almost all text has none of them,
//! so each function first asks, sixteen bytes at a time, whether every byte is harmless ASCII, and copies it whole.

/// Classes of bytes at which a scan stops, combined in a const parameter. Control characters always stop it.
type Stop = u8;
const CONTROL: Stop = 0;
/// `"` and `\`.
const QUOTE: Stop = 1;
/// Space and `=`, which end a bare value.
const BREAK: Stop = 2;

/// Appends a message, target or name: no quotes around it, and a backslash stays as it is.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    push::<CONTROL>(out, text, escape_text);
}

/// Appends a value, bare where it can be told from its surroundings, else in double quotes.
pub(crate) fn push_value(out: &mut Vec<u8>, value: &str) {
    if is_bare(value) {
        out.extend_from_slice(value.as_bytes());
    } else {
        out.push(b'"');
        push::<QUOTE>(out, value, escape_text);
        out.push(b'"');
    }
}

/// Appends a logfmt key. Its grammar has no quotes for keys, so what can't stand in one becomes `_`.
pub(crate) fn push_key(out: &mut Vec<u8>, key: &str) {
    if key.is_empty() {
        out.push(b'_');
    }
    push::<{ QUOTE | BREAK }>(out, key, |out, _| out.push(b'_'));
}

/// Appends bytes that [`push_text`] would append as they are, if they are ASCII; else nothing, and returns `false`.
#[inline]
pub(crate) fn push_text_if_harmless(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    push_if_harmless::<CONTROL>(out, bytes)
}

/// The same for [`push_value`], where it needs no quotes.
#[inline]
pub(crate) fn push_value_if_harmless(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    !bytes.is_empty() && push_if_harmless::<{ QUOTE | BREAK }>(out, bytes)
}

/// The same for [`push_json_inner`].
#[inline]
pub(crate) fn push_json_inner_if_harmless(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    push_if_harmless::<QUOTE>(out, bytes)
}

#[inline]
fn push_if_harmless<const STOP: Stop>(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let is_harmless = is_harmless_ascii::<STOP>(bytes);
    if is_harmless {
        out.extend_from_slice(bytes);
    }
    is_harmless
}

/// Appends a JSON string with its quotes.
pub(crate) fn push_json(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_json_inner(out, text);
    out.push(b'"');
}

/// Appends what stands between the quotes of a JSON string.
pub(crate) fn push_json_inner(out: &mut Vec<u8>, text: &str) {
    push::<QUOTE>(out, text, escape_json);
}

fn push<const STOP: Stop>(out: &mut Vec<u8>, text: &str, escape: impl Fn(&mut Vec<u8>, char)) {
    if is_harmless_ascii::<STOP>(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        push_slow::<STOP>(out, text, escape);
    }
}

#[cold]
fn push_slow<const STOP: Stop>(out: &mut Vec<u8>, text: &str, escape: impl Fn(&mut Vec<u8>, char)) {
    let mut copied = 0;
    while let Some((at, character)) = find::<STOP>(text, copied) {
        out.extend_from_slice(&text.as_bytes()[copied..at]);
        escape(out, character);
        copied = at + character.len_utf8();
    }
    out.extend_from_slice(&text.as_bytes()[copied..]);
}

fn is_bare(value: &str) -> bool {
    !value.is_empty()
        && (is_harmless_ascii::<{ QUOTE | BREAK }>(value.as_bytes()) || find::<{ QUOTE | BREAK }>(value, 0).is_none())
}

/// The first character at or after `from` that must be escaped.
fn find<const STOP: Stop>(text: &str, from: usize) -> Option<(usize, char)> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        // Any hit is ASCII or the first byte of a longer character, so it is a character boundary.
        at += bytes[at..].iter().position(|&byte| stops::<STOP>(byte) || starts_forbidden(byte))?;
        let character = text[at..].chars().next()?;
        if !character.is_ascii() && !is_forbidden(character) {
            at += character.len_utf8();
        } else {
            return Some((at, character));
        }
    }
}

/// Whether `byte` is ASCII and must be escaped.
#[inline(always)]
fn stops<const STOP: Stop>(byte: u8) -> bool {
    (byte < 0x20)
        | (byte == 0x7f)
        | (STOP & QUOTE != 0 && (byte == b'"') | (byte == b'\\'))
        | (STOP & BREAK != 0 && (byte == b' ') | (byte == b'='))
}

/// Whether a forbidden character beyond ASCII can start with `byte`.
#[inline(always)]
fn starts_forbidden(byte: u8) -> bool {
    (byte == 0xc2) | (byte == 0xd8) | (byte == 0xe2)
}

fn is_forbidden(character: char) -> bool {
    matches!(character,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}')
}

/// Whether no byte stops the scan and none is beyond ASCII: 16 bytes at a time, the last overlapping those before. Fewer are put
/// together to as many.
///
/// Not inlined: within the text of a message it took 11 ns longer for the same instructions.
#[inline(never)]
fn is_harmless_ascii<const STOP: Stop>(bytes: &[u8]) -> bool {
    let half = |at: usize| bytes[at..].first_chunk::<4>().map_or(0, |chunk| u64::from(u32::from_ne_bytes(*chunk)));
    let word = |at: usize| bytes[at..].first_chunk::<8>().map_or(0, |chunk| u64::from_ne_bytes(*chunk));
    let put_together;
    let last = match (bytes.last_chunk::<16>(), bytes.len()) {
        (Some(last), _) => last,
        (None, ..4) => return bytes.iter().all(|&byte| !stops::<STOP>(byte) && byte < 0x80),
        (None, len) => {
            let [first, last] = if len < 8 { [half(0) | half(len - 4) << 32; 2] } else { [word(0), word(len - 8)] };
            put_together = (u128::from(first) | u128::from(last) << 64).to_ne_bytes();
            &put_together
        }
    };
    let (chunks, _) = bytes.as_chunks::<16>();
    !chunks.iter().any(any_stops::<STOP>) && !any_stops::<STOP>(last)
}

/// Whether one of the bytes stops the scan or is beyond ASCII. The compiler makes a few vector instructions of each look, but not of
/// all that is asked at once.
#[inline(always)]
fn any_stops<const STOP: Stop>(bytes: &[u8; 16]) -> bool {
    let any = |is: fn(u8) -> bool| bytes.iter().fold(false, |any, &byte| any | is(byte));
    // Beyond ASCII they are below 0.
    any(|byte| ((byte as i8) < 0x20) | (byte == 0x7f))
        | (STOP & QUOTE != 0 && any(|byte| byte == b'"') | any(|byte| byte == b'\\'))
        | (STOP & BREAK != 0 && any(|byte| byte == b' ') | any(|byte| byte == b'='))
}

fn escape_text(out: &mut Vec<u8>, character: char) {
    match character {
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
        ascii if ascii.is_ascii() => {
            out.extend_from_slice(b"\\x");
            push_hex(out, ascii as u32, 2);
        }
        other => {
            out.extend_from_slice(b"\\u{");
            push_hex(out, other as u32, if other as u32 > 0xfff { 4 } else { 3 - usize::from((other as u32) < 0x100) });
            out.push(b'}');
        }
    }
}

fn escape_json(out: &mut Vec<u8>, character: char) {
    match character {
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
        // All of them are below U+10000: no surrogate pair is needed.
        other => {
            out.extend_from_slice(b"\\u");
            push_hex(out, other as u32, 4);
        }
    }
}

fn push_hex(out: &mut Vec<u8>, value: u32, digits: usize) {
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(value >> (4 * digit)) as usize & 0xf]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(push: impl Fn(&mut Vec<u8>, &str), text: &str) -> String {
        let mut out = Vec::new();
        push(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_forbidden_character_is_escaped_and_no_other() {
        for character in '\0'..=char::MAX {
            let text = character.to_string();
            let escaped = with(push_text, &text);
            let forbidden = matches!(character as u32,
                0..=0x1f | 0x7f..=0x9f | 0x61c | 0x200e | 0x200f | 0x2028..=0x202e | 0x2066..=0x2069);
            assert_eq!(escaped != text, forbidden, "{:04x}", character as u32);
            assert!(!forbidden || escaped.is_ascii(), "{escaped}");
            let json = with(push_json, &text);
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            assert_eq!(json.len() > text.len() + 2, forbidden || matches!(character, '"' | '\\'), "{json}");
        }
    }

    #[test]
    fn table() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("a\nb\r\n\tc", r"a\nb\r\n\tc"),
            ("\x1b[31mred\x1b[0m and some more text", r"\x1b[31mred\x1b[0m and some more text"),
            ("\u{85}|\u{61c}|\u{202e}", r"\u{85}|\u{61c}|\u{202e}"),
            ("C:\\games \"x\" – ünï €", "C:\\games \"x\" – ünï €"),
        ] {
            assert_eq!(with(push_text, text), expected);
        }
        for (value, expected) in [
            ("", r#""""#),
            ("bare", "bare"),
            ("größe", "größe"),
            ("–", "–"),
            ("two words", r#""two words""#),
            ("a=b", r#""a=b""#),
            ("say \"hi\"", r#""say \"hi\"""#),
            ("C:\\x", r#""C:\\x""#),
            ("x\u{2066}", r#""x\u{2066}""#),
        ] {
            assert_eq!(with(push_value, value), expected);
        }
        for (key, expected) in [("", "_"), ("key", "key"), ("a b=c\"d\n", "a_b_c_d_")] {
            assert_eq!(with(push_key, key), expected);
        }
    }

    /// The scan against the obvious one: each byte at each place of texts of each length up to a few blocks.
    #[test]
    fn the_scan_stops_at_every_byte_that_it_must() {
        fn check<const STOP: Stop>(others: &[u8]) {
            for length in 1..=40 {
                for at in 0..length {
                    let mut bytes = vec![b'a'; length];
                    for byte in 0..=u8::MAX {
                        bytes[at] = byte;
                        let is_harmless = matches!(byte, 0x20..=0x7e) && !others.contains(&byte);
                        assert_eq!(is_harmless_ascii::<STOP>(&bytes), is_harmless, "{byte:#x} at {at} of {length}");
                    }
                }
            }
            assert!(is_harmless_ascii::<STOP>(b""));
        }
        check::<CONTROL>(b"");
        check::<QUOTE>(b"\"\\");
        check::<{ QUOTE | BREAK }>(b"\"\\ =");
    }
}
