//! What is called once, when everything that was accepted before has been delivered.

use std::ffi::{CString, c_char, c_int};

/// `logfusion_operation_callback`: the operation's number, a status, a text.
pub type OperationCallback = unsafe extern "C-unwind" fn(operation_id: c_int, status: c_int, result: *const c_char);

/// An asynchronous flush under way.
#[derive(Debug)]
pub struct Operation {
    id: c_int,
    callback: OperationCallback,
}

impl Operation {
    /// An operation with the caller's number.
    ///
    /// # Safety
    ///
    /// `callback` may be called once, on any thread.
    pub unsafe fn new(id: c_int, callback: OperationCallback) -> Self {
        Self { id, callback }
    }

    /// Calls back: it is done.
    pub fn end(self) {
        let text = format!("operation {}: all records before it are delivered", self.id);
        let text = CString::new(text).unwrap_or_default();
        // SAFETY: `new` was promised that it may be called once, and `self` is used up. The text outlives the call.
        super::inside(|| unsafe { (self.callback)(self.id, 0, text.as_ptr()) });
    }
}
