//! Memory that may be missing: of what a log call may allocate, stable Rust can ask for a vector's alone.

/// A box, as an array of one; `None`: there is no memory for it.
pub fn try_box<T>(value: T) -> Option<Box<[T; 1]>> {
    let mut one = Vec::new();
    one.try_reserve_exact(1).ok()?;
    one.push(value);
    one.try_into().ok()
}
