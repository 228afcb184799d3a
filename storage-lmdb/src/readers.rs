//! How many read transactions are open at once: not more than LMDB's table has places for.

use gargoyle::sync::{Condvar, Mutex};

/// How many places the table of readers has. 64 bytes each.
pub(crate) const PLACES: u32 = 1024;

/// Places that are not given to threads: processes that die while they read, tools above all, leave theirs taken for a
/// while.
pub(crate) const PLACES_SPARE: usize = 24;

/// The right to open a read transaction, given to so many threads at a time; the others wait.
///
/// A transaction lasts for as long as it takes to copy a record or a page of ids, so the wait is short. Without it, a
/// thread more than there are places would get an error.
#[derive(Debug)]
pub(crate) struct Readers {
    state: Mutex<State>,
    given_back: Condvar,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// A notification is a system call, also when nobody waits for it.
    waiting: usize,
}

impl Readers {
    pub(crate) fn new(count: usize) -> Self {
        Readers { state: Mutex::new(State { free: count, waiting: 0 }), given_back: Condvar::new() }
    }

    /// Waits until there is a place. Whoever has one must not wait for others who want one.
    pub(crate) fn enter(&self) -> Place<'_> {
        let mut state = self.state.lock();
        while state.free == 0 {
            state.waiting += 1;
            state = self.given_back.wait(state);
            state.waiting -= 1;
        }
        state.free -= 1;
        Place(self)
    }
}

/// Goes back when it is dropped, also when its holder panics.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Readers);

impl Drop for Place<'_> {
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_readers_at_once_than_there_are_places_and_everybody_has_a_turn() {
        let readers = Readers::new(3);
        let (inside, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _place = readers.enter();
                        assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(done.into_inner(), 16 * 200);
        let state = readers.state.lock();
        assert_eq!((state.free, state.waiting), (3, 0));
    }
}
