//! Where everything lies in a record.
//!
//! All numbers are little-endian, all positions multiples of 8.
//!
//! | word | content |
//! |---|---|
//! | 0 | `u32` length of the record in bytes, header included, a multiple of 8 · `u32` kind |
//! | 1 | `u64` clock ticks (`clock::ticks`) |
//! | 2… | the body, by kind |
//!
//! The kinds 1 to 5 are **dynamic** records; the kind is the level (1 error … 5 trace). Their body:
//!
//! | part | content |
//! |---|---|
//! | counts | `u32` length of the target · `u32` number of fields, at most [`MAX_FIELDS`], and the flags [`CALLED`] and [`TEMPLATE`] |
//! | target | bytes, NUL, zeros to a multiple of 8 |
//! | message | a text |
//! | field | `u8` type · `u24` length of the name · name bytes, NUL, zeros to a multiple of 8 · the value |
//!
//! The kinds [`ENTER`] to [`CLEAR`] are **envelopes**: they change what is around the records of their thread that follow.
//! Their body is a place, `u32` depth · `u32` id, and what the kind says:
//!
//! | kind | place | then |
//! |---|---|---|
//! | [`ENTER`] | of the span | a record whose level, target and fields are the span's and whose message is its name |
//! | [`ATTACH`] | of the span | `u64` number of the Rust span that is handed over beside the ring |
//! | [`EXIT`] | of the span | – |
//! | [`SET`] | 0 | a dynamic record whose fields are set in the thread's context |
//! | [`CLEAR`] | 0 | a dynamic record whose message is the key to remove; where it is empty, all are |
//!
//! The kind [`BATCH`] holds messages that share their time and target. Its body: `u32` length of the target · 0; the
//! target as above; and each message, to the end of the record: `u24` length · `u8` level · bytes, NUL, zeros to a multiple
//! of 8.
//!
//! A value is 8 bytes, or a text. A **text** is `u32` length · bytes, NUL, zeros to a multiple of 8. (A statement that measures a
//! text as it copies it leaves there whatever followed the NUL: nobody may look.) Its length's top bit ([`CUT`]) says that
//! bytes were left out: 8 more bytes then hold the full length. Every string is followed by a NUL (which its length does not
//! count), so that a callback can be given a C string without a copy.

/// Length and kind, then the time.
pub const HEADER: usize = 16;

/// The kind of what fills the end of the ring's buffer, so that no record wraps.
pub const PADDING: u32 = 0;

/// The kind of an envelope: the thread enters a span.
pub const ENTER: u32 = 8;
/// The thread enters a span that Rust has opened.
pub const ATTACH: u32 = 9;
/// The thread leaves a span, and all that it entered inside of it.
pub const EXIT: u32 = 10;
/// A value of the thread's context.
pub const SET: u32 = 11;
/// A value less in the thread's context, or none left.
pub const CLEAR: u32 = 12;

/// Messages to one target.
pub const BATCH: u32 = 16;

/// Most fields that a record carries.
pub const MAX_FIELDS: usize = 32;

/// Records of this kind and above are those of static sites: the kind is the site's number, and the body the values of its
/// fields, in their order.
pub const FIRST_SITE: u32 = 64;

/// Longest target and longest field name, in bytes; what is longer is cut.
pub const MAX_NAME: usize = 1024;

/// Set in a text's length: bytes were left out, and the full length follows the text.
pub const CUT: u32 = 1 << 31;

/// Set in the number of fields: the text callbacks were called for this record by the thread that logged it.
pub const CALLED: u32 = 1 << 31;

/// Set in the number of fields: the message is a template for the fields.
pub const TEMPLATE: u32 = 1 << 30;

/// Types of field values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Type {
    /// `i64`.
    I64 = 1,
    /// `u64`.
    U64 = 2,
    /// `f64`.
    F64 = 3,
    /// 0 or 1.
    Bool = 4,
    /// An address, shown and never followed.
    Pointer = 5,
    /// Bytes, UTF-8 by promise.
    Text = 6,
}

impl Type {
    /// The type of this number.
    pub const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::I64,
            2 => Self::U64,
            3 => Self::F64,
            4 => Self::Bool,
            5 => Self::Pointer,
            6 => Self::Text,
            _ => return None,
        })
    }
}

/// Rounds up to a multiple of 8.
#[inline(always)]
pub const fn align8(len: usize) -> usize {
    (len + 7) & !7
}
