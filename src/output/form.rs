//! Forms: what the lines of a callsite have in common, as a text with blanks, which are filled in with each record's values.
//!
//! A form is made from the callsite's parts for one thread, whose name and id are part of its text, so that a line is a few copies out
//! of one place in memory with values in between. Forms are kept for a few threads, since one statement is often logged
//! by several in turn.

use super::format::Encode;
use crate::delivery::ThreadInfo;
use crate::os::prefetch;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the forms of a callsite are made from.
#[derive(Debug)]
pub(super) struct Parts {
    /// Between the time and the thread, or the message where the thread comes last.
    pub(super) before: Box<[u8]>,
    /// From there to the message.
    pub(super) between: Box<[u8]>,
    /// The parts of the message.
    pub(super) message: Box<[MessagePart]>,
    /// Before the value of each field; `None` for one that is not shown, since the message has it.
    pub(super) keys: Box<[Option<Box<[u8]>>]>,
    /// After the fields.
    pub(super) after: Box<[u8]>,
}

/// A part of a line's message.
#[derive(Debug)]
pub(super) enum MessagePart {
    /// The same in each line, as it is shown.
    Literal(Box<[u8]>),
    /// The value of this field.
    Field(u8),
    /// All of it: it is the record's own, or can be shown only when it is whole.
    Whole,
}

/// What is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// The whole message.
    Message,
    /// The value of this field, within the message.
    InMessage(u8),
    /// The value of this field, behind its key.
    Field(u8),
    /// The same, where the message has it as well.
    Again(u8),
}

/// A blank of a form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blank {
    /// Bytes of the form's text between the blank before, or the beginning, and this one.
    pub(super) len_before: u32,
    pub(super) fill: Fill,
}

/// The form of the lines of one callsite and one thread.
#[derive(Debug, Default)]
pub(super) struct Form {
    thread: Option<Arc<ThreadInfo>>,
    /// All that follows the time, without what is filled in.
    pub(super) text: SmallVec<[u8; 96]>,
    /// In order.
    pub(super) blanks: SmallVec<[Blank; 6]>,
}

/// The forms of a callsite, as far as they are kept.
#[derive(Debug, Default)]
pub(super) struct Forms {
    one: Form,
    /// Of more than one thread, where there may be so many.
    more: Option<More>,
}

impl Forms {
    /// Asks for the text for the thread that logged last, where it is too long to be here.
    #[inline]
    pub(super) fn prefetch(&self) {
        if self.one.text.spilled() {
            prefetch(&*self.one.text);
        }
    }

    /// The form for a thread. Its text is put together in `draft`, if it must be.
    #[inline]
    pub(super) fn of<E: Encode>(&mut self, parts: &Parts, thread: &Arc<ThreadInfo>, draft: &mut Vec<u8>) -> &Form {
        if self.one.is_of(thread) { &self.one } else { self.of_another::<E>(parts, thread, draft) }
    }

    #[inline(never)]
    fn of_another<E: Encode>(&mut self, parts: &Parts, thread: &Arc<ThreadInfo>, draft: &mut Vec<u8>) -> &Form {
        let Self { one, more } = self;
        if more.is_none() && one.thread.is_some() && one.text.len() <= More::LONGEST {
            *more = More::new();
        }
        let place = more.as_mut().map_or(one, |more| more.place(thread));
        if !place.is_of(thread) {
            place.turn_to::<E>(parts, thread, draft);
        }
        place
    }
}

impl Form {
    #[inline]
    fn is_of(&self, thread: &Arc<ThreadInfo>) -> bool {
        self.thread.as_ref().is_some_and(|last| Arc::ptr_eq(last, thread))
    }

    /// Makes it the form for this thread. Keeps its memory, and that of `text`, where its text is put together.
    #[cold]
    fn turn_to<E: Encode>(&mut self, parts: &Parts, thread: &Arc<ThreadInfo>, text: &mut Vec<u8>) {
        let Self { thread: last, blanks, .. } = self;
        let show_thread = |text: &mut Vec<u8>| E::thread(text, &thread.name, Some(thread.id));
        blanks.clear();
        let mut last_blank = 0;
        let mut blank = |text: &[u8], fill| {
            blanks.push(Blank { len_before: (text.len() - last_blank) as u32, fill });
            last_blank = text.len();
        };
        text.clear();
        text.extend_from_slice(&parts.before);
        if !E::THREAD_LAST {
            show_thread(text);
        }
        text.extend_from_slice(&parts.between);
        text.extend_from_slice(E::MESSAGE_QUOTE);
        for part in &parts.message {
            match part {
                MessagePart::Literal(shown) => text.extend_from_slice(shown),
                MessagePart::Field(field) => blank(text, Fill::InMessage(*field)),
                MessagePart::Whole => blank(text, Fill::Message),
            }
        }
        text.extend_from_slice(E::MESSAGE_QUOTE);
        for (field, key) in (0..).zip(&parts.keys) {
            if let Some(key) = key {
                text.extend_from_slice(key);
                let is_again = parts.message.iter().any(|part| matches!(part, MessagePart::Field(of) if *of == field));
                blank(text, if is_again { Fill::Again(field) } else { Fill::Field(field) });
            }
        }
        text.extend_from_slice(&parts.after);
        if E::THREAD_LAST {
            show_thread(text);
        }
        text.extend_from_slice(E::LINE_END);
        *last = Some(thread.clone());
        self.text.clear();
        self.text.extend_from_slice(text);
    }
}

/// The forms of a callsite that several threads log in turn, each at the place of its id: those of a pool's threads follow one
/// another. Of two at the same place there is the last's.
#[derive(Debug)]
struct More(Box<[Form; 8]>);

/// Callsites that have such places: all take 1.3 MiB, and up to 4 MiB more for texts that are not short.
static WITH_MORE: AtomicUsize = AtomicUsize::new(0);

impl More {
    const MOST: usize = 1024;
    /// Of longer ones they are not kept.
    const LONGEST: usize = 512;

    /// `None`: too many have them already.
    fn new() -> Option<Self> {
        let one_more = |count: usize| (count < Self::MOST).then_some(count + 1);
        WITH_MORE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self(Box::default()))
    }

    fn place(&mut self, thread: &ThreadInfo) -> &mut Form {
        &mut self.0[thread.id as usize % 8]
    }
}

impl Drop for More {
    fn drop(&mut self) {
        WITH_MORE.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::text::Text;
    use super::*;

    fn parts(before: &[u8]) -> Parts {
        let message = Box::new([MessagePart::Literal(b"object ".as_slice().into()), MessagePart::Field(0)]);
        let keys = Box::new([None, Some(b" key=".as_slice().into())]);
        Parts {
            before: before.into(),
            between: b" between ".as_slice().into(),
            message,
            keys,
            after: b" after".as_slice().into(),
        }
    }

    fn thread(id: u64) -> Arc<ThreadInfo> {
        Arc::new(ThreadInfo { id, name: format!("thread {id}").into() })
    }

    /// The text of the form for this thread, made anew.
    fn text(parts: &Parts, thread: &Arc<ThreadInfo>) -> Vec<u8> {
        let mut form = Form::default();
        form.turn_to::<Text>(parts, thread, &mut Vec::new());
        assert!(form.text.windows(thread.name.len()).any(|part| part == thread.name.as_bytes()), "{form:?}");
        form.text.to_vec()
    }

    #[test]
    fn a_form_is_its_text_with_blanks_between() {
        let mut form = Form::default();
        // Nothing of what it was before is left.
        form.turn_to::<Text>(&parts(b"another "), &thread(2), &mut Vec::new());
        form.turn_to::<Text>(&parts(b"before "), &thread(1), &mut Vec::new());
        let mut rest = std::str::from_utf8(&form.text).unwrap();
        let mut pieces = Vec::new();
        for Blank { len_before, fill } in &form.blanks {
            let before;
            (before, rest) = rest.split_at(*len_before as usize);
            pieces.push((before, Some(*fill)));
        }
        pieces.push((rest, None));
        let expected = [
            ("before thread 1[1]  between object ", Some(Fill::InMessage(0))),
            (" key=", Some(Fill::Field(1))),
            (" after\n", None),
        ];
        assert_eq!(pieces, expected);
    }

    #[test]
    fn each_thread_has_its_own_form() {
        let (mut forms, parts) = (Forms::default(), parts(b"before "));
        // Two of them have the same place, and one id is used again by a thread of another name.
        let threads = [1, 2, 9, 3].map(thread).into_iter().chain([Arc::new(ThreadInfo { id: 2, name: "new".into() })]);
        let threads: Vec<_> = threads.collect();
        for thread in threads.iter().chain(threads.iter().rev()).chain(&threads) {
            assert_eq!(forms.of::<Text>(&parts, thread, &mut Vec::new()).text.to_vec(), text(&parts, thread));
        }
    }

    #[test]
    fn they_are_kept_for_so_many_short_lines() {
        let threads = [1, 2].map(thread);
        let in_turn = |parts: &Parts| {
            let mut forms = Forms::default();
            for thread in threads.iter().cycle().take(4) {
                assert_eq!(forms.of::<Text>(parts, thread, &mut Vec::new()).text.to_vec(), text(parts, thread));
            }
            forms
        };
        let short = parts(b"before ");
        let room = More::LONGEST - text(&parts(b""), &threads[0]).len();
        assert!(in_turn(&parts(&vec![b'x'; room + 1])).more.is_none());
        assert!(in_turn(&parts(&vec![b'x'; room])).more.is_some());
        let many: Vec<_> = (0..More::MOST + 100).map(|_| in_turn(&short)).collect();
        let with_more = many.iter().filter(|forms| forms.more.is_some()).count();
        // Tests beside this one have some of them.
        assert!((More::MOST / 2..=More::MOST).contains(&with_more), "{with_more}");
        drop(many);
        assert!(in_turn(&short).more.is_some());
    }
}
