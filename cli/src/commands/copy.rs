//! `copy`: all records into another store.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{fs, io, thread};

use gargoyle::{ActorId, BoxError, Storage};

use crate::Copy;
use crate::problems::{Problems, complain};
use crate::put::{Entry, Put, THREADS};
use crate::store::{list, look_into, open_or_make, read};

/// More than this is a large record. They are copied one by one: they may have 256 MiB, and there are many threads.
const LARGE_BYTES: usize = if cfg!(test) { 1 << 10 } else { 8 << 20 };

pub(crate) fn run(copy: &Copy) -> Result<(), BoxError> {
    check_apart(&copy.from, &copy.to)?;
    let from = look_into(&copy.from)?;
    let to = open_or_make(&copy.to, copy.new)?;
    let listed = list(&*from, None);
    let problems = listed.begin();
    let put = Put::new(&*to, copy.how);
    let copied = copy_all(&*from, &put, &listed.ids, &problems);
    problems.finish();
    copied?;
    put.report("copied", &problems)?;
    tell_of_others(copy, &*to, &listed.ids);
    Ok(())
}

/// A store in the folder of another one would change what only is to be read, and be damage in the eyes of it.
fn check_apart(from: &Path, to: &Path) -> Result<(), BoxError> {
    let (from, to) = (real(from)?, real(to)?);
    if from == to {
        Err(format!("{} cannot be copied onto itself", from.display()).into())
    } else if to.starts_with(&from) || from.starts_with(&to) {
        let (from, to) = (from.display(), to.display());
        Err(format!("{from} cannot be copied to {to}: one is inside the other; choose a folder beside it").into())
    } else {
        Ok(())
    }
}

/// The path without links that a folder has, or will have when it is made.
fn real(folder: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(folder)?;
    for there in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (fs::canonicalize(there), path.strip_prefix(there)) {
            // Where that leads is known when it is made, and not before.
            if rest.components().any(|part| part == Component::ParentDir) {
                let what = format!("{} has .. behind a folder that does not exist; leave both out", folder.display());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
            }
            return Ok(real.components().chain(rest.components()).collect());
        }
    }
    Ok(path)
}

/// By many threads, each of which takes the next one. What cannot be read is named and not copied; the first record that
/// cannot be written is the end.
fn copy_all(from: &dyn Storage, put: &Put<'_>, ids: &[ActorId], problems: &Problems) -> Result<(), BoxError> {
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let reading = Mutex::new(());
    let work = || {
        while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
            let alone = reading.lock().unwrap_or_else(PoisonError::into_inner);
            let found = read(from, id);
            // Nobody reads on while a large one is in hand, or each thread might hold one.
            let _alone = found.as_ref().is_ok_and(|(_, stored)| stored.bytes.len() > LARGE_BYTES).then_some(alone);
            let done = match found {
                Ok((_, stored)) => {
                    put.put(&Entry { id: id.clone(), bytes: stored.bytes, wake_at: stored.wake_at }, problems)
                }
                Err(error) => {
                    problems.say(&error.to_string());
                    Ok(())
                }
            };
            problems.step();
            if let Err(error) = done {
                // The others find nothing more to do.
                next.store(ids.len(), Ordering::Relaxed);
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// A copy deletes nothing: what was wiped in the one store since an earlier copy is still in the other.
fn tell_of_others(copy: &Copy, to: &dyn Storage, copied: &[ActorId]) {
    let copied: HashSet<_> = copied.iter().collect();
    let others = list(to, None).ids.iter().filter(|id| !copied.contains(id)).count();
    if others > 0 {
        let (from, to) = (copy.from.display(), copy.to.display());
        complain(&format!("{others} records of {to} are not in {from}, and were left there"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use gargoyle::{MemoryStorage, Record, Revision, StorageError, Stored, Visit};

    use super::*;
    use crate::How;

    /// How many records were loaded from the one store and not yet saved in the other.
    #[derive(Default)]
    struct InHand {
        now: AtomicUsize,
        most: AtomicUsize,
    }

    struct Counted {
        store: MemoryStorage,
        in_hand: Arc<InHand>,
        is_source: bool,
    }

    impl Storage for Counted {
        fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError> {
            if self.is_source {
                let now = self.in_hand.now.fetch_add(1, Ordering::Relaxed) + 1;
                self.in_hand.most.fetch_max(now, Ordering::Relaxed);
                thread::yield_now();
            }
            self.store.load(id)
        }

        fn save(
            &self,
            id: &ActorId,
            expected: Option<Revision>,
            record: &[u8],
            wake_at: Option<SystemTime>,
        ) -> Result<Revision, StorageError> {
            if !self.is_source {
                self.in_hand.now.fetch_sub(1, Ordering::Relaxed);
            }
            self.store.save(id, expected, record, wake_at)
        }

        fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
            self.store.wipe(id, expected)
        }

        fn scan(&self, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Result<(), StorageError> {
            self.store.scan(kind, after, visit)
        }

        fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError> {
            self.store.due(until, visit)
        }
    }

    /// Each of the threads could hold a record of 256 MiB. Of large ones there is one in hand now.
    #[test]
    fn large_records_are_copied_one_by_one() {
        let in_hand = Arc::<InHand>::default();
        let counted = |is_source| Counted { store: MemoryStorage::new(), in_hand: in_hand.clone(), is_source };
        let (from, to) = (counted(true), counted(false));
        for number in 0..200 {
            let id = ActorId::new("k", format!("{number:03}")).unwrap();
            from.save(&id, None, &Record::new(id.clone(), vec![0xf6], vec![0; 2 * LARGE_BYTES]).to_bytes(), None)
                .unwrap();
        }
        let ids = list(&from, None).ids;
        let put = Put::new(&to, How { overwrite: false, verbose: false });
        copy_all(&from, &put, &ids, &Problems::new(ids.len())).unwrap();
        assert_eq!(list(&to, None).ids, ids);
        assert_eq!(in_hand.most.load(Ordering::Relaxed), 1);
    }
}
