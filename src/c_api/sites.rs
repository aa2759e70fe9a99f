//! Static call sites: what the macros of `include/logfusion_statements.h` call.

use super::errors::fail;
use super::log::Fields;
use super::status::Status;
use super::{boundary, text};
use crate::engine;
use crate::memory;
use crate::os;
use crate::producers;
use crate::rate::Rate;
use crate::record::encode::{Dynamic, Field, OfSite, Text, Value, size_of_words, write_words};
use crate::record::layout::{FIRST_SITE, MAX_FIELDS, Type};
use crate::ring::{Mark, Producer, Words};
use crate::static_sites::{self, CALL, Description, OFF};
use crate::sync::AtomicU32;
use smallvec::SmallVec;
use std::ffi::{c_char, c_int, c_void};

/// The version of the structs below that this library knows.
const ABI: u32 = 1;

/// Set in the level of a site that is a span's.
const SPAN: c_int = 16;

/// `logfusion_site`.
#[repr(C)]
#[derive(Debug)]
pub struct CSite {
    word: AtomicU32,
    abi: u32,
    level: c_int,
    line: c_int,
    target: *const c_char,
    message: *const c_char,
    file: *const c_char,
    function: *const c_char,
    fields: *const CSiteField,
    field_count: usize,
    module: *const c_void,
}

/// `logfusion_site_field`.
#[repr(C)]
#[derive(Debug)]
pub struct CSiteField {
    name: *const c_char,
    type_: c_int,
}

/// The values of a site.
pub type Values<'a> = SmallVec<[Value<'a>; MAX_FIELDS]>;

/// `logfusion_value`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct CSiteValue {
    word: u64,
    length: usize,
}

const _: () = {
    use std::mem::offset_of;
    if size_of::<usize>() == 8 {
        assert!(size_of::<CSite>() == 72 && offset_of!(CSite, word) == 0 && offset_of!(CSite, abi) == 4);
        assert!(offset_of!(CSite, target) == 16 && offset_of!(CSite, fields) == 48 && offset_of!(CSite, module) == 64);
        assert!(size_of::<CSiteField>() == 16 && offset_of!(CSiteField, type_) == 8);
        assert!(size_of::<CSiteValue>() == 16 && offset_of!(CSiteValue, length) == 8);
    }
};

impl CSite {
    /// 1 to 5.
    pub fn level(&self) -> u32 {
        ((self.level & !SPAN).clamp(1, 5)) as u32
    }

    /// # Safety
    ///
    /// The site is one of the header's macros.
    unsafe fn fields(&self) -> &[CSiteField] {
        if self.fields.is_null() {
            return &[];
        }
        // SAFETY: the macros point to an array of so many fields.
        unsafe { std::slice::from_raw_parts(self.fields, self.field_count.min(MAX_FIELDS)) }
    }

    /// Its message; of a span, its name.
    ///
    /// # Safety
    ///
    /// As [`fields`](Self::fields).
    pub unsafe fn message<'a>(&self) -> &'a [u8] {
        // SAFETY: the macros' texts are literals.
        unsafe { name(self.message) }
    }

    /// Reads its values, into place.
    ///
    /// # Safety
    ///
    /// As [`fields`](Self::fields), and `values` has a value of its type for each of them.
    pub unsafe fn read<'a>(&self, values: *const CSiteValue, all: &mut Values<'a>) {
        // SAFETY: the caller's promise.
        for (index, field) in unsafe { self.fields() }.iter().enumerate() {
            // SAFETY: the caller's promise.
            all.push(unsafe { value(field.type_(), &*values.add(index)) });
        }
    }

    /// How many values it has, if none is a text.
    ///
    /// # Safety
    ///
    /// As [`fields`](Self::fields).
    unsafe fn words(&self) -> Option<usize> {
        // SAFETY: the caller's promise.
        let fields = unsafe { self.fields() };
        fields.iter().all(|field| field.type_ != Type::Text as c_int).then_some(fields.len())
    }

    /// Its target, its message and its fields, for a record that carries everything itself.
    ///
    /// # Safety
    ///
    /// As [`fields`](Self::fields).
    pub unsafe fn pairs<'a>(&self, values: &[Value<'a>]) -> (&'a [u8], &'a [u8], Fields<'a>) {
        // SAFETY: the macros' texts are literals.
        let name = |text: *const c_char| unsafe { name(text) };
        // SAFETY: the caller's promise.
        let fields = unsafe { self.fields() }.iter().zip(values);
        let pairs = fields.map(|(field, value)| Field { name: name(field.name), value: *value }).collect();
        // SAFETY: the caller's promise.
        (name(self.target), unsafe { self.message() }, pairs)
    }

    /// # Safety
    ///
    /// As [`fields`](Self::fields).
    unsafe fn describe(&self) -> Description {
        // SAFETY: the macros' texts are literals.
        let copy = |text: *const c_char| unsafe { terminated(text) };
        // SAFETY: the caller's promise.
        let fields = unsafe { self.fields() };
        Description {
            is_span: self.level & SPAN != 0,
            level: self.level(),
            line: u32::try_from(self.line).unwrap_or(0),
            target: copy(self.target),
            message: copy(self.message),
            file: copy(self.file),
            function: copy(self.function),
            fields: fields.iter().map(|field| (field.type_(), copy(field.name))).collect(),
        }
    }
}

impl CSiteField {
    fn type_(&self) -> Type {
        u8::try_from(self.type_).ok().and_then(Type::from_u8).unwrap_or(Type::Pointer)
    }
}

/// A text of a site; NULL is empty.
///
/// # Safety
///
/// `text` is NULL or NUL-terminated.
unsafe fn name<'a>(text: *const c_char) -> &'a [u8] {
    if text.is_null() {
        return b"";
    }
    // SAFETY: the caller's promise.
    unsafe { text::name(text) }
}

/// A copy of a text with its NUL; NULL is empty.
///
/// # Safety
///
/// `text` is NULL or NUL-terminated.
unsafe fn terminated(text: *const c_char) -> Box<[u8]> {
    // SAFETY: the caller's promise.
    unsafe { name(text) }.iter().copied().chain([0]).collect()
}

/// See `logfusion_site_ask` in the header.
///
/// # Safety
///
/// `site` is NULL, or a site of the header's macros, which stays there until `logfusion_sites_withdraw` is called for its
/// module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_site_ask(site: *const CSite) -> u32 {
    const NAME: &str = "logfusion_site_ask";
    boundary(OFF, || {
        let _host = os::HostGuard::new();
        // SAFETY: NULL, or the caller promises a site.
        let Some(site) = (unsafe { site.as_ref() }) else {
            fail(Status::Null, format_args!("{NAME}: site is NULL"));
            return OFF;
        };
        if site.abi != ABI {
            let abi = site.abi;
            fail(
                Status::Invalid,
                format_args!("{NAME}: the header has ABI {abi}, the library {ABI}; nothing is logged"),
            );
            return OFF;
        }
        let Some(engine) = engine::running().filter(|_| memory::is_there(memory::OF_A_CALL)) else {
            // The library's push needs no memory, and the next statement asks again.
            return if engine::wants(site.level()) { CALL } else { OFF };
        };
        // SAFETY: the caller's promise.
        unsafe { static_sites::ask(engine, site.describe(), &site.word, site.module.addr()) }
    })
}

/// See `logfusion_site_push` in the header.
///
/// # Safety
///
/// `site` is one that was asked for and `word` its answer; `values` has a value of its type for each of its fields; `here`
/// is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_site_push(
    site: *const CSite,
    word: u32,
    values: *const CSiteValue,
    mark: *const c_void,
    here: *mut *const Words,
) {
    const NAME: &str = "logfusion_site_push";
    boundary((), || {
        // SAFETY: NULL, or the caller promises a site.
        let Some(site) = (unsafe { site.as_ref() }) else {
            fail(Status::Null, format_args!("{NAME}: site is NULL"));
            return;
        };
        let producer = producers::current(Mark::of_statement(mark.addr()));
        let number = word & !CALL;
        // SAFETY: the caller's promises.
        match unsafe { site.words() } {
            Some(count) if number >= FIRST_SITE => {
                // SAFETY: the caller's promise: so many values.
                let words = (0..count).map(|index| unsafe { (*values.add(index)).word });
                let write = |out: &mut [u8], ticks| write_words(out, number, ticks, words);
                _ = producers::push(producer, site.level(), size_of_words(count), write);
            }
            // SAFETY: the caller's promises.
            _ => unsafe { push_any(producer, site, number, values) },
        }
        if let Some(words) = producers::quick_words().filter(|_| !here.is_null()) {
            // SAFETY: not NULL, and the caller promises that it is writable.
            unsafe { here.write(words) };
        }
    })
}

/// Pushes a record whose values may be texts, or that carries everything itself. Apart: a statement comes here twice a lap of its
/// ring, and most of what that costs is fetching instructions that were not needed since.
///
/// # Safety
///
/// As [`logfusion_site_push`].
#[inline(never)]
unsafe fn push_any(producer: Producer<'static>, site: &CSite, number: u32, values: *const CSiteValue) {
    let (level, limit) = (site.level(), producer.max_record());
    let mut all = Values::new();
    // SAFETY: the caller's promises.
    unsafe { site.read(values, &mut all) };
    if number >= FIRST_SITE {
        let record = OfSite::measure(number, &mut all, limit);
        _ = producers::push(producer, level, record.size(), |out, ticks| record.write(out, ticks));
    } else {
        // SAFETY: the site is one of the macros.
        let (target, message, mut pairs) = unsafe { site.pairs(&all) };
        let record = Dynamic::measure(level, target, Text::new(message), &mut pairs, limit).templated();
        _ = producers::push(producer, level, record.size(), |out, ticks| record.write(out, ticks));
    }
}

/// # Safety
///
/// `given` is a value of this type.
unsafe fn value<'a>(type_: Type, given: &CSiteValue) -> Value<'a> {
    match type_ {
        Type::I64 => Value::I64(given.word as i64),
        Type::U64 => Value::U64(given.word),
        Type::F64 => Value::F64(f64::from_bits(given.word)),
        Type::Bool => Value::Bool(given.word != 0),
        Type::Pointer => Value::Pointer(given.word),
        Type::Text => {
            let data: *const c_char = std::ptr::with_exposed_provenance(given.word as usize);
            // SAFETY: the caller's promise: so many bytes, or a NUL.
            let text = unsafe { text::sized(data, given.length, text::LONGEST) };
            // No text is longer than PTRDIFF_MAX, and the macros replace NULL.
            Value::Text(text.unwrap_or(Text::new(b"(a length above PTRDIFF_MAX)")))
        }
    }
}

/// See `logfusion_site_pushed` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_site_pushed(level: c_int) {
    boundary((), || producers::after_quick(level as u32))
}

/// See `logfusion_site_rate` in the header.
///
/// # Safety
///
/// `state` is NULL or points to two words, aligned and zero before the first call; `suppressed` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_site_rate(state: *const Rate, per_second: u32, suppressed: *mut u64) -> c_int {
    boundary(1, || {
        // SAFETY: the caller's promise.
        let Some(rate) = (unsafe { state.as_ref() }) else { return 1 };
        let Some(left_out) = rate.pass(os::monotonic_ns(), per_second) else { return 0 };
        if !suppressed.is_null() {
            // SAFETY: the caller's promise.
            unsafe { suppressed.write(left_out) };
        }
        1
    })
}

/// See `logfusion_sites_withdraw` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_sites_withdraw(module: *const c_void) {
    boundary((), || {
        let _host = os::HostGuard::new();
        static_sites::withdraw(module.addr());
    })
}
