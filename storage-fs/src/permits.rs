//! How many file operations run at the same time: not more than the process has file descriptors for.

use gargoyle::sync::{Condvar, Mutex};

/// How many loads, saves and wipes of one store run at once; further ones wait.
///
/// Each has at most two files open. A process may have 1024 by default on Linux and 256 on macOS, and an operation that
/// gets none fails its actor. This takes a quarter of the first, and far more than what makes a medium busy.
pub(crate) const OPERATIONS_MAX: usize = 128;

/// The right to open files, given to so many at a time.
#[derive(Debug)]
pub(crate) struct Permits {
    state: Mutex<State>,
    given_back: Condvar,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// A notification is a system call, also when nobody waits for it.
    waiting: usize,
}

impl Permits {
    pub(crate) fn new(count: usize) -> Self {
        Permits { state: Mutex::new(State { free: count, waiting: 0 }), given_back: Condvar::new() }
    }

    /// Does `work` when there is a permit for it. Whoever works must not wait for others who want one.
    pub(crate) fn hold<T>(&self, work: impl FnOnce() -> T) -> T {
        let _permit = self.take();
        work()
    }

    fn take(&self) -> Permit<'_> {
        let mut state = self.state.lock();
        while state.free == 0 {
            state.waiting += 1;
            state = self.given_back.wait(state);
            state.waiting -= 1;
        }
        state.free -= 1;
        Permit(self)
    }
}

/// Goes back when it is dropped, also when the work panics.
struct Permit<'a>(&'a Permits);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.free += 1;
        if state.waiting > 0 {
            self.0.given_back.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_work_at_once_than_there_are_permits_and_everybody_has_a_turn() {
        let permits = Permits::new(3);
        let (inside, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        permits.hold(|| {
                            assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                            std::thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                        });
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(done.into_inner(), 16 * 200);
        let state = permits.state.lock();
        assert_eq!((state.free, state.waiting), (3, 0));
    }

    #[test]
    fn as_much_work_at_once_as_there_are_permits() {
        let permits = Permits::new(2);
        // Passed only if both threads are inside at once.
        let both = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| permits.hold(|| both.wait()));
            scope.spawn(|| permits.hold(|| both.wait()));
        });
    }

    #[test]
    fn a_permit_comes_back_after_a_panic() {
        let permits = Permits::new(1);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| permits.hold(|| panic!())));
        assert!(panicked.is_err());
        permits.hold(|| {});
    }
}
