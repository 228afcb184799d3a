//! One at a time for each id, and all ids at the same time; and between two saves of an id, the file that stays open.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::error::Error;
use std::hash::BuildHasher;

use gargoyle::ActorId;
use gargoyle::sync::atomic::{AtomicUsize, Ordering};
use gargoyle::sync::{Arc, Mutex, MutexGuard};

use crate::disk;
use crate::kept::KeptFile;

/// Over so many maps the ids are spread. With one for all, 64 threads on two cores waited for each other so often that
/// they did a third less (November 2026): whoever is interrupted with the lock in its hand holds up everybody.
const PARTS: usize = 64;

/// The locks of the ids that somebody uses at this moment or whose file is kept open. Any other id takes no memory.
#[derive(Debug)]
pub(crate) struct IdLocks {
    parts: Box<[Part]>,
    hasher: RandomState,
    /// How many files are kept open.
    kept: AtomicUsize,
    /// How many may be.
    kept_max: AtomicUsize,
    /// In which part the next file is closed that is too many.
    hand: AtomicUsize,
    /// How often all files were closed for others to be opened, and the lock of who does that.
    cleared: AtomicUsize,
    clearing: Mutex<()>,
}

type Part = Mutex<HashMap<ActorId, Arc<Entry>>>;

/// The lock of an id, around what is kept for its next save.
type Entry = Mutex<Option<KeptFile>>;

impl IdLocks {
    /// Locks that keep so many files open at most, beside those that are in use.
    pub(crate) fn new(kept_max: usize) -> Self {
        IdLocks {
            parts: (0..PARTS).map(|_| Part::default()).collect(),
            hasher: RandomState::new(),
            kept: AtomicUsize::new(0),
            kept_max: AtomicUsize::new(kept_max),
            hand: AtomicUsize::new(0),
            cleared: AtomicUsize::new(0),
            clearing: Mutex::new(()),
        }
    }

    /// Does `work` while nobody else works on `id`, with the file that is kept open for it, if there is one. What `work`
    /// leaves there is kept.
    pub(crate) fn hold<T>(&self, id: &ActorId, work: impl FnOnce(&mut Option<KeptFile>) -> T) -> T {
        let part = self.part_of(id);
        let entry = {
            let mut part = part.lock();
            // To clone the id and to make an entry is for the first one only.
            part.get(id).cloned().unwrap_or_else(|| part.entry(id.clone()).or_default().clone())
        };
        // Declared before the lock is taken, hence dropped after it is given back.
        let user = User { part, id, entry: Some(entry) };
        let mut kept = Counted::new(self, user.entry().lock());
        work(&mut kept.file)
    }

    /// Closes the file that is kept open for `id`, if there is one.
    pub(crate) fn forget(&self, id: &ActorId) {
        let is_known = self.part_of(id).lock().contains_key(id);
        if is_known {
            self.hold(id, |kept| drop(kept.take()));
        }
    }

    fn part_of(&self, id: &ActorId) -> &Part {
        &self.parts[self.hasher.hash_one(id) as usize % PARTS]
    }

    /// Does `work`, and once more if it failed for want of descriptors and some can be had by closing what is kept. From
    /// then on half as many are kept, so that this ends, and others have some too.
    pub(crate) fn make_room_for<T, E: Error + 'static>(&self, work: impl Fn() -> Result<T, E>) -> Result<T, E> {
        loop {
            let cleared = self.cleared.load(Ordering::Acquire);
            match work() {
                Err(error) if is_for_want_of_descriptors(&error) && self.clear(cleared) => {}
                done => return done,
            }
        }
    }

    /// Closes all files, unless somebody else has since they had been cleared so often: of many who fail at the same time,
    /// one makes room for all. Returns whether there were any.
    fn clear(&self, cleared: usize) -> bool {
        let _alone = self.clearing.lock();
        if self.cleared.load(Ordering::Relaxed) != cleared {
            return true;
        }
        let kept = self.kept.load(Ordering::Relaxed);
        let closed = self.parts.iter().map(|part| self.close(part, usize::MAX)).sum::<usize>();
        if closed > 0 {
            self.kept_max.fetch_min(kept / 2, Ordering::Relaxed);
            self.cleared.fetch_add(1, Ordering::Release);
        }
        closed > 0
    }

    /// Closes files until there are no more than may be: of each part in its turn the one that was saved into longest ago.
    /// Returns whether there are no more: files that are in use count, and are not closed.
    fn close_too_many(&self) -> bool {
        let max = self.kept_max.load(Ordering::Relaxed);
        let are_too_many = || self.kept.load(Ordering::Relaxed) > max;
        // A part may have none.
        for _ in 0..if max == 0 { 0 } else { PARTS } {
            if !are_too_many() {
                break;
            }
            self.close(&self.parts[self.hand.fetch_add(1, Ordering::Relaxed) % PARTS], 1);
        }
        !are_too_many()
    }

    /// Closes up to so many files of ids that nobody uses, those first that were saved into longest ago. Returns how many.
    fn close(&self, part: &Part, most: usize) -> usize {
        let mut part = part.lock();
        // Nobody else has the entry, nobody gets it without the lock of the part, and who gave it back did so under that: so
        // its own is free.
        let in_use = |entry: &Arc<Entry>| Arc::strong_count(entry) > 1;
        let kept = part.iter().filter(|(_, entry)| !in_use(entry));
        let mut kept: Vec<(u64, ActorId)> =
            kept.filter_map(|(id, entry)| Some((entry.lock().as_ref()?.revision(), id.clone()))).collect();
        kept.sort_unstable();
        kept.truncate(most);
        let files: Vec<_> = kept.iter().filter_map(|(_, id)| part.remove(id)).collect();
        // To close a file is a system call, and none for others to wait for.
        drop(part);
        self.kept.fetch_sub(files.len(), Ordering::Relaxed);
        files.len()
    }

    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }
}

fn is_for_want_of_descriptors(error: &(dyn Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.any(|cause| cause.downcast_ref().is_some_and(disk::is_out_of_descriptors))
}

/// What is kept for an id, counted before and after the work on it, also when that panics.
struct Counted<'a> {
    locks: &'a IdLocks,
    file: MutexGuard<'a, Option<KeptFile>>,
    was_kept: bool,
}

impl<'a> Counted<'a> {
    fn new(locks: &'a IdLocks, file: MutexGuard<'a, Option<KeptFile>>) -> Self {
        let was_kept = file.is_some();
        Counted { locks, file, was_kept }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        match (self.was_kept, self.file.is_some()) {
            (true, false) => drop(self.locks.kept.fetch_sub(1, Ordering::Relaxed)),
            (false, true) => {
                self.locks.kept.fetch_add(1, Ordering::Relaxed);
                if !self.locks.close_too_many() {
                    *self.file = None;
                    self.locks.kept.fetch_sub(1, Ordering::Relaxed);
                }
            }
            (true, true) | (false, false) => {}
        }
    }
}

/// Forgets the lock of an id with its last user if nothing is kept for it, also when the work panics.
struct User<'a> {
    part: &'a Part,
    id: &'a ActorId,
    /// Always there, but at the end.
    entry: Option<Arc<Entry>>,
}

impl User<'_> {
    fn entry(&self) -> &Entry {
        self.entry.as_ref().expect("it is given back at the end")
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        let mut part = self.part.lock();
        // Others take theirs, and give them back, only under the lock of the map. So whoever finds the map's alone is the
        // last one, and nobody comes between; and of two who leave together one finds it.
        drop(self.entry.take());
        let is_last = |entry: &Arc<Entry>| Arc::strong_count(entry) == 1 && entry.lock().is_none();
        if part.get(self.id).is_some_and(is_last) {
            part.remove(self.id);
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

    fn known(locks: &IdLocks) -> usize {
        locks.parts.iter().map(|part| part.lock().len()).sum()
    }

    #[test]
    fn one_id_is_worked_on_by_one_thread_at_a_time() {
        let locks = IdLocks::new(0);
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        locks.hold(&id("a"), |_| {
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
        let locks = IdLocks::new(0);
        // Passed only if both threads are inside at once.
        let both = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| locks.hold(&id("a"), |_| both.wait()));
            scope.spawn(|| locks.hold(&id("b"), |_| both.wait()));
        });
    }

    /// Bug: of two threads that found no descriptor left at the same time one failed, and hardly any files were kept from
    /// then on. Cause: the second one found nothing to close, as the first had just done that, and took it for the end of
    /// all means. Fix: whoever fails while somebody closes the files tries again.
    #[cfg(target_os = "linux")]
    #[test]
    fn of_two_who_find_no_descriptor_one_makes_room_for_both() {
        let folder = tempfile::tempdir().unwrap();
        let store = crate::FsStorage::options().keep_open(64).open(folder.path()).unwrap();
        for n in 0..40 {
            let id = id(&n.to_string());
            let first = gargoyle::Storage::save(&store, &id, None, b"1", None).unwrap();
            gargoyle::Storage::save(&store, &id, Some(first), b"2", None).unwrap();
        }
        assert_eq!(store.locks.kept(), 40);
        let both = Barrier::new(2);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let attempts = AtomicUsize::new(0);
                    let work = || match attempts.fetch_add(1, Ordering::SeqCst) {
                        0 => {
                            both.wait();
                            Err(std::io::Error::from_raw_os_error(libc::EMFILE))
                        }
                        _ => Ok(()),
                    };
                    store.locks.make_room_for(work).unwrap();
                });
            }
        });
        assert_eq!((store.locks.kept(), store.locks.kept_max.load(Ordering::SeqCst)), (0, 20));
    }

    #[test]
    fn of_a_part_the_file_that_was_saved_into_longest_ago_is_closed_first() {
        use gargoyle::Storage;

        let folder = tempfile::tempdir().unwrap();
        let store = crate::FsStorage::options().keep_open(8).open(folder.path()).unwrap();
        let part = store.locks.part_of(&id("0"));
        let ids = (0..).map(|n| id(&n.to_string())).filter(|id| std::ptr::eq(store.locks.part_of(id), part));
        let mut ids: Vec<_> = ids.take(3).collect();
        // Saved in the other order than that of their names.
        ids.sort();
        ids.reverse();
        for id in &ids {
            let first = store.save(id, None, b"1", None).unwrap();
            store.save(id, Some(first), b"2", None).unwrap();
        }
        let kept = || ids.iter().map(|id| part.lock().contains_key(id)).collect::<Vec<_>>();
        assert_eq!(kept(), [true; 3]);
        assert_eq!(store.locks.close(part, 1), 1);
        assert_eq!(kept(), [false, true, true]);
        store.save(&ids[1], store.load(&ids[1]).unwrap().map(|stored| stored.revision), b"3", None).unwrap();
        store.locks.close(part, 1);
        assert_eq!(kept(), [false, true, false]);
    }

    #[test]
    fn an_id_that_nobody_uses_is_forgotten_even_after_a_panic() {
        let locks = IdLocks::new(0);
        locks.hold(&id("a"), |_| assert_eq!(known(&locks), 1));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| locks.hold(&id("b"), |_| panic!())));
        assert!(panicked.is_err());
        assert_eq!(known(&locks), 0);
    }
}
