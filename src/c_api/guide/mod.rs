//! The functions of the guide (`include/logfusion_guide.h`), one file a chapter.
//!
//! Most of them are a record each: a level, a target, a message and fields with fixed names. They are rows of the table
//! that [`records!`](table) makes functions of. The others are written out, and exported under their plain name by
//! [`plain_names!`](table).
//!
//! None of these functions formats or allocates on the calling thread but those that say so in the header.

#[macro_use]
mod table;

mod advanced;
mod basics;
mod callbacks;
#[cfg(feature = "sqlite")]
mod connections;
mod errors;
mod nodejs;
mod performance;
mod python;
mod safety;
mod structured;

pub use advanced::*;
pub use basics::*;
pub use callbacks::*;
#[cfg(feature = "sqlite")]
pub use connections::*;
pub use errors::*;
pub use nodejs::*;
pub use performance::*;
pub use python::*;
pub use safety::*;
pub use structured::*;

use std::ffi::c_int;

/// The level of these functions: 1 error, 2 warn, all else info.
fn level(level: c_int) -> u32 {
    match level {
        1 => 1,
        2 => 2,
        _ => 3,
    }
}
