//! Records: position-independent bytes.
//!
//! A record holds no pointer and no reference, only lengths, so that a ring may lie anywhere, the program text that
//! logged it may be unmapped while it waits, and [`decode`] is safe code over bytes that nobody has to trust.
//!
//! [`layout`] says where everything lies, [`encode`] writes it on the calling thread, [`decode`] reads it on the drain.
//! [`batch`] puts several into one.

pub mod batch;
pub mod decode;
pub mod encode;
pub mod layout;
#[cfg(all(test, not(logfusion_loom)))]
mod tests;
