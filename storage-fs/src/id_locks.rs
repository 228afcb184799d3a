//! One at a time for each id, and all ids at the same time.

use std::collections::HashMap;

use gargoyle::ActorId;
use gargoyle::sync::{Arc, Mutex};

/// The locks of the ids that somebody uses at this moment. Any other id takes no memory.
#[derive(Debug, Default)]
pub(crate) struct IdLocks {
    in_use: Mutex<HashMap<ActorId, Arc<Mutex<()>>>>,
}

impl IdLocks {
    /// Does `work` while nobody else works on `id`.
    pub(crate) fn hold<T>(&self, id: &ActorId, work: impl FnOnce() -> T) -> T {
        // Declared before the lock is taken, hence dropped after it is given back.
        let user = User { locks: self, id, lock: self.lock_of(id) };
        let _held = user.lock.lock();
        work()
    }

    fn lock_of(&self, id: &ActorId) -> Arc<Mutex<()>> {
        self.in_use.lock().entry(id.clone()).or_default().clone()
    }
}

/// Forgets the lock of an id with its last user, also when the work panics.
struct User<'a> {
    locks: &'a IdLocks,
    id: &'a ActorId,
    lock: Arc<Mutex<()>>,
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        let mut in_use = self.locks.in_use.lock();
        // The map's and ours: others take theirs only under the lock of the map, so nobody comes between.
        if Arc::strong_count(&self.lock) == 2 {
            in_use.remove(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn id(key: &str) -> ActorId {
        ActorId::new("k", key).unwrap()
    }

    #[test]
    fn one_id_is_worked_on_by_one_thread_at_a_time() {
        let locks = IdLocks::default();
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        locks.hold(&id("a"), || {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            inside.fetch_sub(1, Ordering::SeqCst);
                        });
                    }
                });
            }
        });
    }

    #[test]
    fn different_ids_are_worked_on_together() {
        let locks = IdLocks::default();
        // Passed only if both threads are inside at once.
        let both = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| locks.hold(&id("a"), || both.wait()));
            scope.spawn(|| locks.hold(&id("b"), || both.wait()));
        });
    }

    #[test]
    fn an_id_that_nobody_uses_is_forgotten_even_after_a_panic() {
        let locks = IdLocks::default();
        locks.hold(&id("a"), || assert_eq!(locks.in_use.lock().len(), 1));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| locks.hold(&id("b"), || panic!())));
        assert!(panicked.is_err());
        assert!(locks.in_use.lock().is_empty());
    }
}
