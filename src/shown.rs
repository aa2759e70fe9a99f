//! How `define_errors!` shows a field: as what it is where tracing takes its type, else by its `Debug`.
//!
//! The macro knows no types, so method lookup decides: `(&Shown(field)).shown()` finds [`AsItIs`] first, for which the receiver
//! fits as it is, and [`ByDebug`] only one reference further.

use std::fmt::Debug;
use tracing_core::field::{DebugValue, Value, debug};

/// A field of an error.
#[derive(Debug)]
pub struct Shown<'a, T>(pub &'a T);

/// tracing takes the type.
pub trait AsItIs<'a, T> {
    /// The field.
    fn shown(&self) -> &'a T;
}

/// It does not.
pub trait ByDebug<'a, T: Debug> {
    /// The field's `Debug`.
    fn shown(&self) -> DebugValue<&'a T>;
}

impl<'a, T: Value> AsItIs<'a, T> for Shown<'a, T> {
    fn shown(&self) -> &'a T {
        self.0
    }
}

impl<'a, T: Debug> ByDebug<'a, T> for &Shown<'a, T> {
    fn shown(&self) -> DebugValue<&'a T> {
        debug(self.0)
    }
}
