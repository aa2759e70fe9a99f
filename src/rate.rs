//! How often a statement may log: so many times in each second, counted from the first record of that second.

use crate::sync::{AtomicU64, Ordering};

/// What one statement has logged; all zero at first. Shared by all threads.
///
/// The first word holds the second's beginning in ms (the upper 40 bits) and the records since; so one exchange moves
/// both, and of threads that race none logs more than is left.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Rate {
    window: AtomicU64,
    suppressed: AtomicU64,
}

/// Bits of the records since.
const COUNT_BITS: u32 = 24;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

impl Rate {
    /// Whether to log at `now_ns` of the monotonic clock; then how many were left out since the last record.
    pub fn pass(&self, now_ns: u64, per_second: u32) -> Option<u64> {
        // Never 0, which is the state of a new statement.
        let now = now_ns / 1_000_000 + 1000;
        let allowed = u64::from(per_second).min(COUNT);
        let next = |window: u64| match (window >> COUNT_BITS, window & COUNT) {
            (begin, _) if now >= begin + 1000 => (allowed > 0).then_some(now << COUNT_BITS | 1),
            (_, count) => (count < allowed).then_some(window + 1),
        };
        if self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok() {
            return Some(self.suppressed.swap(0, Ordering::Relaxed));
        }
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_second_pass_and_the_rest_is_counted() {
        const MS: u64 = 1_000_000;
        let rate = Rate::default();
        let passed: Vec<_> = (0..3000).filter_map(|ms| Some((ms, rate.pass(ms * MS, 3)?))).collect();
        let expected = [(0, 0), (1, 0), (2, 0), (1000, 997), (1001, 0), (1002, 0), (2000, 997), (2001, 0), (2002, 0)];
        assert_eq!(passed, expected);
    }

    #[test]
    fn a_pause_counts_from_the_next_record() {
        let rate = Rate::default();
        assert_eq!(rate.pass(0, 1), Some(0));
        assert_eq!(rate.pass(1, 1), None);
        assert_eq!(rate.pass(9_500_000_000, 1), Some(1));
        assert_eq!(rate.pass(10_400_000_000, 1), None);
        assert_eq!(rate.pass(10_500_000_000, 1), Some(1));
        assert_eq!(Rate::default().pass(5, 0), None, "nothing may pass");
    }

    #[test]
    fn threads_that_race_pass_no_more() {
        let rate = Rate::default();
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..10_000).filter(|_| rate.pass(7, 100).is_some()).count())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((passed, rate.suppressed.load(Ordering::Relaxed)), (100, 39_900));
    }
}
