//! A statement of C, as the header's macros write it.

use super::INFO;
use logfusion::c_api::{self, CSite};
use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicU32, Ordering};

/// `logfusion_site`.
#[repr(C)]
#[derive(Debug)]
pub struct Site {
    word: AtomicU32,
    abi: u32,
    level: i32,
    line: i32,
    target: *const c_char,
    message: *const c_char,
    file: *const c_char,
    function: *const c_char,
    fields: *const c_void,
    field_count: usize,
    module: *const c_void,
}

// SAFETY: only the word changes, and it is atomic; the texts live as long as the test.
unsafe impl Sync for Site {}

const ASK: u32 = 0;
const OFF: u32 = 1;

impl Site {
    /// A site of INFO in this line of a file.
    pub fn new(target: &'static CStr, file: &'static CStr, line: i32) -> Self {
        let text = c"text".as_ptr();
        let (fields, module) = (std::ptr::null(), std::ptr::from_ref(&MODULE).cast());
        let word = AtomicU32::new(ASK);
        let (target, file, function) = (target.as_ptr(), file.as_ptr(), c"f".as_ptr());
        Self { word, abi: 1, level: INFO, line, target, message: text, file, function, fields, field_count: 0, module }
    }

    /// What a statement does. Returns whether the site was on.
    pub fn log(&'static self) -> bool {
        let site = std::ptr::from_ref(self).cast::<CSite>();
        let mut word = self.word.load(Ordering::Acquire);
        let mark = 0_u8;
        // SAFETY: the site lives as long as the process.
        unsafe {
            if word == ASK {
                word = c_api::logfusion_site_ask(site);
            }
            if word != OFF {
                let mark = std::ptr::from_ref(&mark).cast();
                c_api::logfusion_site_push(site, word, std::ptr::null(), mark, std::ptr::null_mut());
            }
        }
        word != OFF
    }

    /// Whether the engine knows it, and it is on.
    pub fn has_number(&self) -> bool {
        self.word.load(Ordering::Acquire) > OFF
    }

    /// Whether the next statement does what the filter says. A site that asks does: the table was held when it asked before.
    pub fn follows(&self, on: bool) -> bool {
        let word = self.word.load(Ordering::Acquire);
        word == ASK || on == (word != OFF)
    }
}

static MODULE: u8 = 0;
