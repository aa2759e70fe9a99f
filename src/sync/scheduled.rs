//! The primitives of `std` for a build whose threads are [shuttle](https://docs.rs/shuttle)'s: before each step it may turn
//! to another thread.
//!
//! Shuttle's own atomics and locks remember which thread of an execution did what, and the engine's live on in statics from one
//! execution to the next. As shuttle runs one thread at a time, those of `std` do; they look the same in memory, too.
//! Whoever waits for a lock or a condition looks again and again: a wake-up that is lost shows as an execution without end.

use shuttle::thread::LocalKey;
use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};
use std::time::{Duration, Instant};

pub use std::sync::atomic::{Ordering, compiler_fence};

/// As `std`'s.
pub mod thread {
    pub use shuttle::thread::{Builder, JoinHandle, Thread, current, park_timeout, yield_now};

    /// Shuttle knows no time: others go first.
    pub fn sleep(_: std::time::Duration) {
        yield_now();
    }
}

/// Says so always: shuttle's threads cannot be asked, and a join waits.
pub fn is_finished<T>(_: &thread::JoinHandle<T>) -> bool {
    true
}

/// Calls `f` when the calling thread ends.
pub fn at_thread_end(f: impl FnOnce() + 'static) {
    struct Ends(Vec<Box<dyn FnOnce()>>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.drain(..).for_each(|f| f());
        }
    }
    shuttle::thread_local! {
        static ENDS: RefCell<Ends> = const { RefCell::new(Ends(Vec::new())) };
    }
    ENDS.with(|ends| ends.borrow_mut().0.push(Box::new(f)));
}

/// Shuttle may turn to another thread here.
pub fn step() {
    shuttle::thread::sleep(Duration::ZERO);
}

macro_rules! atomics {
    ($($name:ident $(<$parameter:ident>)?: $value:ty;)*) => {$(
        /// As `std`'s, whose methods are reached through a step.
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub struct $name $(<$parameter>)?(std::sync::atomic::$name $(<$parameter>)?);

        impl $(<$parameter>)? $name $(<$parameter>)? {
            pub const fn new(value: $value) -> Self {
                Self(std::sync::atomic::$name::new(value))
            }
        }

        impl $(<$parameter>)? Deref for $name $(<$parameter>)? {
            type Target = std::sync::atomic::$name $(<$parameter>)?;

            fn deref(&self) -> &Self::Target {
                step();
                &self.0
            }
        }
    )*};
}

atomics! {
    AtomicBool: bool;
    AtomicU32: u32;
    AtomicU64: u64;
    AtomicUsize: usize;
    AtomicPtr<T>: *mut T;
}

pub fn fence(_: Ordering) {
    step();
}

/// As `std`'s.
#[derive(Debug, Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

/// As `std`'s.
#[derive(Debug)]
pub struct MutexGuard<'m, T> {
    guard: std::sync::MutexGuard<'m, T>,
    mutex: &'m Mutex<T>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T> Mutex<T> {
    pub const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        step();
        match self.0.try_lock() {
            Ok(guard) => Ok(MutexGuard { guard, mutex: self }),
            Err(TryLockError::WouldBlock) => Err(TryLockError::WouldBlock),
            Err(TryLockError::Poisoned(poison)) => {
                Err(TryLockError::Poisoned(PoisonError::new(MutexGuard { guard: poison.into_inner(), mutex: self })))
            }
        }
    }

    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        loop {
            match self.try_lock() {
                Ok(guard) => return Ok(guard),
                Err(TryLockError::Poisoned(poison)) => return Err(poison),
                Err(TryLockError::WouldBlock) => thread::yield_now(),
            }
        }
    }
}

/// As `std`'s: who waits looks by itself.
#[derive(Debug, Default)]
pub struct Condvar(());

/// How a wait with a limit ended.
#[derive(Debug)]
pub struct Waited {
    timed_out: bool,
}

impl Waited {
    pub fn timed_out(&self) -> bool {
        self.timed_out
    }
}

impl Condvar {
    pub fn notify_all(&self) {}

    pub fn wait_while<'m, T>(
        &self,
        guard: MutexGuard<'m, T>,
        waiting: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'m, T>> {
        self.wait_timeout_while(guard, Duration::MAX, waiting).map(|(guard, _)| guard).map_err(|poison| {
            let (guard, _) = poison.into_inner();
            PoisonError::new(guard)
        })
    }

    pub fn wait_timeout_while<'m, T>(
        &self,
        mut guard: MutexGuard<'m, T>,
        limit: Duration,
        mut waiting: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'m, T>, Waited)> {
        let began = Instant::now();
        while waiting(&mut guard) {
            if began.elapsed() >= limit {
                return Ok((guard, Waited { timed_out: true }));
            }
            let mutex = guard.mutex;
            drop(guard);
            thread::yield_now();
            match mutex.lock() {
                Ok(locked) => guard = locked,
                Err(poison) => return Err(PoisonError::new((poison.into_inner(), Waited { timed_out: false }))),
            }
        }
        Ok((guard, Waited { timed_out: false }))
    }
}

/// A thread's own cell, with what `std` offers for one and shuttle does not.
#[derive(Debug)]
pub struct Local<T: 'static>(pub &'static LocalKey<T>);

impl<T> Local<T> {
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.0.with(f)
    }
}

impl<T> Local<Cell<T>> {
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.0.with(Cell::get)
    }

    pub fn set(&'static self, value: T) {
        self.0.with(|cell| cell.set(value));
    }

    pub fn replace(&'static self, value: T) -> T {
        self.0.with(|cell| cell.replace(value))
    }
}

macro_rules! local {
    ($($(#[$meta:meta])* static $name:ident: $type:ty = $value:expr;)*) => {$(
        $(#[$meta])*
        static $name: $crate::sync::Local<$type> = {
            shuttle::thread_local! { static KEY: $type = $value; }
            $crate::sync::Local(&KEY)
        };
    )*};
}
pub(crate) use local as thread_local;
