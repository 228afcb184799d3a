//! How many files are open at the same time: not more than the process has file descriptors for.

use gargoyle::sync::{Condvar, Mutex};

/// How many files the loads, saves and wipes of one store have open at once; who wants more waits.
///
/// A process may have 1024 by default on Linux and 256 on macOS, and an operation that gets none fails its actor. This
/// takes a quarter of the first. Counted are files and not operations, as at 128 operations 256 threads that saved waited
/// for each other: they did 0.44 of what they could without a store, and do 0.5 to 0.55 with this (November 2026, Linux
/// 6.18, two cores).
pub(crate) const FILES_MAX: usize = 256;

/// How many files a save in place has open.
pub(crate) const IN_PLACE: usize = 1;

/// How many files any other operation has open at most.
pub(crate) const ANY: usize = 2;

/// The right to open files, given for so many at a time.
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

    /// Does `work` when it may open so many files. Whoever works must not wait for others who want to.
    pub(crate) fn hold<T>(&self, files: usize, work: impl FnOnce() -> T) -> T {
        let _permit = self.take(files);
        work()
    }

    fn take(&self, files: usize) -> Permit<'_> {
        let mut state = self.state.lock();
        while state.free < files {
            state.waiting += 1;
            state = self.given_back.wait(state);
            state.waiting -= 1;
        }
        state.free -= files;
        // Whoever was woken for what is left may want more than that, and this one less than there was.
        if state.free > 0 && state.waiting > 0 {
            self.given_back.notify_one();
        }
        Permit { permits: self, files }
    }
}

/// Goes back when it is dropped, also when the work panics.
struct Permit<'a> {
    permits: &'a Permits,
    files: usize,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.permits.state.lock();
        state.free += self.files;
        // One who wants more than there is waits on, and the next to give back wakes another. When nobody works, all is
        // free, enough for whoever the last one woke, and that one wakes the next.
        if state.waiting > 0 {
            self.permits.given_back.notify_one();
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
            for number in 0..16 {
                let (permits, inside, done) = (&permits, &inside, &done);
                scope.spawn(move || {
                    let files = 1 + number % 2;
                    for _ in 0..200 {
                        permits.hold(files, || {
                            assert!(inside.fetch_add(files, Ordering::SeqCst) + files <= 3);
                            std::thread::yield_now();
                            inside.fetch_sub(files, Ordering::SeqCst);
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
            scope.spawn(|| permits.hold(1, || both.wait()));
            scope.spawn(|| permits.hold(1, || both.wait()));
        });
    }

    #[test]
    fn a_permit_comes_back_after_a_panic() {
        let permits = Permits::new(1);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| permits.hold(1, || panic!())));
        assert!(panicked.is_err());
        permits.hold(1, || {});
    }
}
