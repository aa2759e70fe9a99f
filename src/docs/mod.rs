//! How it works, what it costs, and where it ends.
//!
//! - [`internals`]: the protocols and where each of them is proved.
//! - [`performance`]: figures, and the command that repeats each.
//! - [`limits`]: what is not promised, and what happens instead.
//! - [`reliability`]: what is promised where something fails, and the test of each.

#[doc = include_str!("internals.md")]
pub mod internals {}

#[doc = include_str!("performance.md")]
pub mod performance {}

#[doc = include_str!("limits.md")]
pub mod limits {}

#[doc = include_str!("reliability.md")]
pub mod reliability {}
