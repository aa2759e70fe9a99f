//! The two ends of a callsite's lines, which depend on the thread: kept for a few threads, since one statement is often logged
//! by several in turn.

use super::format::Encode;
use crate::delivery::ThreadInfo;
use crate::os::prefetch;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The ends of a callsite's lines of each thread, as far as they are kept.
#[derive(Debug, Default)]
pub(super) struct EndsOfThreads {
    one: Ends,
    /// Of more than one thread, where there may be so many.
    more: Option<More>,
}

/// The ends of a callsite's lines of one thread.
#[derive(Debug, Default)]
pub(super) struct Ends {
    thread: Option<Arc<ThreadInfo>>,
    /// All from the time to the message.
    pub(super) head: Vec<u8>,
    /// All after the fields.
    pub(super) tail: Vec<u8>,
}

impl EndsOfThreads {
    /// Asks for those of the thread that logged last.
    #[inline]
    pub(super) fn prefetch(&self) {
        prefetch(&*self.one.head);
        prefetch(&*self.one.tail);
    }

    /// The ends of a thread's lines, put together from what all lines have before the thread, behind it and at the end.
    #[inline]
    pub(super) fn of<'c, E: Encode>(
        &mut self,
        common: impl FnOnce() -> [&'c [u8]; 3],
        thread: &Arc<ThreadInfo>,
    ) -> &Ends {
        if self.one.are_of(thread) { &self.one } else { self.of_another::<E>(common(), thread) }
    }

    #[inline(never)]
    fn of_another<E: Encode>(&mut self, common: [&[u8]; 3], thread: &Arc<ThreadInfo>) -> &Ends {
        let Self { one, more } = self;
        if more.is_none() && one.thread.is_some() && common.map(<[u8]>::len).iter().sum::<usize>() <= More::LONGEST {
            *more = More::new();
        }
        let place = more.as_mut().map_or(one, |more| more.place(thread));
        if !place.are_of(thread) {
            place.turn_to::<E>(common, thread);
        }
        place
    }
}

impl Ends {
    #[inline]
    fn are_of(&self, thread: &Arc<ThreadInfo>) -> bool {
        self.thread.as_ref().is_some_and(|last| Arc::ptr_eq(last, thread))
    }

    #[cold]
    fn turn_to<E: Encode>(&mut self, [before, between, after]: [&[u8]; 3], thread: &Arc<ThreadInfo>) {
        let Self { thread: last, head, tail } = self;
        let show = |out: &mut Vec<u8>| E::thread(out, &thread.name, Some(thread.id));
        head.clear();
        head.extend_from_slice(before);
        if !E::THREAD_LAST {
            show(head);
        }
        head.extend_from_slice(between);
        head.extend_from_slice(E::MESSAGE_QUOTE);
        tail.clear();
        tail.extend_from_slice(after);
        if E::THREAD_LAST {
            show(tail);
        }
        tail.extend_from_slice(E::LINE_END);
        *last = Some(thread.clone());
    }
}

/// The ends of a callsite that several threads log in turn, each at the place of its id: those of a pool's threads follow one
/// another. Of two at the same place there are the last's.
#[derive(Debug)]
struct More(Box<[Ends; 8]>);

/// Callsites that have such places: with short lines all take 2 MiB.
static WITH_MORE: AtomicUsize = AtomicUsize::new(0);

impl More {
    const MOST: usize = 1024;
    /// Of longer lines they are not kept.
    const LONGEST: usize = 512;

    /// `None`: too many have them already.
    fn new() -> Option<Self> {
        let one_more = |count: usize| (count < Self::MOST).then_some(count + 1);
        WITH_MORE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self(Box::default()))
    }

    fn place(&mut self, thread: &ThreadInfo) -> &mut Ends {
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

    const COMMON: [&[u8]; 3] = [b"before ", b" between ", b" after"];

    fn thread(id: u64) -> Arc<ThreadInfo> {
        Arc::new(ThreadInfo { id, name: format!("thread {id}").into() })
    }

    /// The head that a line of this thread has, made anew.
    fn head(common: [&[u8]; 3], thread: &Arc<ThreadInfo>) -> Vec<u8> {
        let mut ends = Ends::default();
        ends.turn_to::<Text>(common, thread);
        assert!(ends.head.windows(thread.name.len()).any(|part| part == thread.name.as_bytes()), "{ends:?}");
        ends.head
    }

    #[test]
    fn each_thread_has_its_own_ends() {
        let mut ends = EndsOfThreads::default();
        // Two of them have the same place, and one id is used again by a thread of another name.
        let threads = [1, 2, 9, 3].map(thread).into_iter().chain([Arc::new(ThreadInfo { id: 2, name: "new".into() })]);
        let threads: Vec<_> = threads.collect();
        for thread in threads.iter().chain(threads.iter().rev()).chain(&threads) {
            assert_eq!(ends.of::<Text>(|| COMMON, thread).head, head(COMMON, thread));
        }
    }

    #[test]
    fn they_are_kept_for_so_many_short_lines() {
        let threads = [1, 2].map(thread);
        let long = [b'x'; More::LONGEST];
        let in_turn = |common: [&[u8]; 3]| {
            let mut ends = EndsOfThreads::default();
            for thread in threads.iter().cycle().take(4) {
                assert_eq!(ends.of::<Text>(|| common, thread).head, head(common, thread));
            }
            ends
        };
        assert!(in_turn([&long, b"", b"x"]).more.is_none());
        let many: Vec<_> = (0..More::MOST + 100).map(|_| in_turn(COMMON)).collect();
        let with_more = many.iter().filter(|ends| ends.more.is_some()).count();
        // Tests beside this one have some of them.
        assert!((More::MOST / 2..=More::MOST).contains(&with_more), "{with_more}");
        drop(many);
        assert!(in_turn(COMMON).more.is_some());
    }
}
