//! Backtraces: the last records that nobody wanted, kept until something goes wrong.
//!
//! A request names a target and a number. While there is one, sites of that target log whatever the filter says, and the
//! drain keeps of each thread the last so many records that the output did not want. An ERROR of the target brings those
//! of its thread, in front of it; [`Requests::flush`] those of all threads. They come with their own times and the
//! field `backtrace`.

use crate::sync::{AtomicU64, Ordering};
use arc_swap::ArcSwap;
use crossbeam_queue::SegQueue;
use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};

/// Most bytes that a thread's records of one request take: with more, the oldest go.
const MOST_BYTES: usize = 1 << 20;

/// Most records that a request may ask for.
pub const MOST_RECORDS: usize = 65_536;

/// A wish for backtraces.
#[derive(Debug)]
pub struct Request {
    target: Box<str>,
    records: usize,
}

impl Request {
    fn covers(&self, target: &str) -> bool {
        let rest = target.strip_prefix(&*self.target);
        self.target.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }
}

/// All requests.
#[derive(Debug)]
pub struct Requests {
    /// The longest targets first: the most specific request counts.
    list: ArcSwap<Vec<Arc<Request>>>,
    generation: AtomicU64,
    /// Targets whose kept records are to be delivered.
    flushes: SegQueue<Box<str>>,
}

/// The process's requests. They stay over shutdown, restart and fork.
pub static REQUESTS: LazyLock<Requests> =
    LazyLock::new(|| Requests { list: ArcSwap::default(), generation: AtomicU64::new(1), flushes: SegQueue::new() });

impl Requests {
    /// Keeps the last `records` of each thread for `target`; 0: no more.
    pub fn set(&self, target: &str, records: usize) {
        let records = records.min(MOST_RECORDS);
        self.list.rcu(|list| {
            let mut list = Vec::clone(list);
            list.retain(|request| *request.target != *target);
            if records > 0 {
                list.push(Arc::new(Request { target: target.into(), records }));
                list.sort_by_key(|request| std::cmp::Reverse(request.target.len()));
            }
            list
        });
        // Release: who sees the new generation finds the new list.
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Asks the drain for what is kept for `target`.
    pub fn flush(&self, target: &str) {
        self.flushes.push(target.into());
    }

    /// A target that is asked for.
    pub fn next_flush(&self) -> Option<Box<str>> {
        self.flushes.pop()
    }

    /// The request that counts for a target.
    pub fn of(&self, target: &str) -> Option<Arc<Request>> {
        self.list.load().iter().find(|request| request.covers(target)).cloned()
    }

    /// The least severe level that is wanted of a target: all or none.
    pub fn level_of(&self, target: &str) -> u32 {
        if self.of(target).is_some() { 5 } else { 0 }
    }

    /// The least severe level that is wanted of any target.
    pub fn max_level(&self) -> u32 {
        if self.list.load().is_empty() { 0 } else { 5 }
    }

    /// Changes whenever the list does.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

/// A record that is kept.
#[derive(Debug)]
pub struct Kept {
    /// When it was logged.
    pub time_ns: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What is kept of one thread, by request.
#[derive(Debug, Default)]
pub struct Backtrace(Vec<(Arc<Request>, Records)>);

#[derive(Debug, Default)]
struct Records {
    records: VecDeque<Kept>,
    bytes: usize,
}

impl Backtrace {
    /// Keeps a record.
    pub fn keep(&mut self, request: &Arc<Request>, time_ns: u64, bytes: &[u8]) {
        let known = self.0.iter().position(|(known, _)| Arc::ptr_eq(known, request));
        let index = known.unwrap_or_else(|| {
            // What an earlier request for the target kept goes with it.
            self.0.retain(|(known, _)| known.target != request.target);
            self.0.push((request.clone(), Records::default()));
            self.0.len() - 1
        });
        let kept = &mut self.0[index].1;
        let mut memory = Vec::new();
        while kept.records.len() >= request.records || kept.bytes + bytes.len() > MOST_BYTES {
            let Some(oldest) = kept.records.pop_front() else { break };
            kept.bytes -= oldest.bytes.len();
            memory = oldest.bytes;
        }
        memory.clear();
        memory.extend_from_slice(bytes);
        kept.bytes += memory.len();
        kept.records.push_back(Kept { time_ns, bytes: memory });
    }

    /// Takes what is kept for a request, the oldest first.
    pub fn take(&mut self, request: &Arc<Request>) -> VecDeque<Kept> {
        let found = self.0.iter_mut().find(|(known, _)| Arc::ptr_eq(known, request));
        found.map(|(_, kept)| std::mem::take(kept).records).unwrap_or_default()
    }

    /// Takes what is kept for the request with this very target.
    pub fn take_target(&mut self, target: &str) -> VecDeque<Kept> {
        let found = self.0.iter_mut().find(|(known, _)| *known.target == *target);
        found.map(|(_, kept)| std::mem::take(kept).records).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, records: usize) -> Arc<Request> {
        Arc::new(Request { target: target.into(), records })
    }

    fn firsts(records: VecDeque<Kept>) -> Vec<u8> {
        records.iter().map(|kept| kept.bytes[0]).collect()
    }

    #[test]
    fn the_last_records_are_kept_within_their_bounds() {
        let (small, large) = (request("a", 3), request("b", 100));
        let mut backtrace = Backtrace::default();
        for number in 0..10 {
            backtrace.keep(&small, u64::from(number), &[number; 16]);
            backtrace.keep(&large, u64::from(number), &vec![number; MOST_BYTES / 4]);
        }
        assert_eq!(firsts(backtrace.take(&small)), [7, 8, 9]);
        assert_eq!(firsts(backtrace.take(&small)), [0; 0], "they come once");
        assert_eq!(firsts(backtrace.take_target("b")), [6, 7, 8, 9], "as many as the bytes allow");
    }

    #[test]
    fn another_request_for_the_target_begins_anew() {
        let (old, new) = (request("a", 3), request("a", 2));
        let mut backtrace = Backtrace::default();
        backtrace.keep(&old, 0, &[1]);
        backtrace.keep(&new, 0, &[2]);
        assert_eq!(firsts(backtrace.take_target("a")), [2]);
    }

    #[test]
    fn the_most_specific_request_counts() {
        let requests = Requests { list: ArcSwap::default(), generation: AtomicU64::new(1), flushes: SegQueue::new() };
        requests.set("", 1);
        requests.set("net", 2);
        requests.set("net::tcp", 3);
        let records = |target: &str| requests.of(target).map(|request| request.records);
        assert_eq!(["x", "network", "net", "net::udp", "net::tcp::x"].map(records), [1, 1, 2, 2, 3].map(Some));
        requests.set("", 0);
        assert_eq!((records("x"), requests.level_of("x"), requests.level_of("net")), (None, 0, 5));
    }
}
