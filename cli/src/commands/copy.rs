//! `copy`: all records into another store.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, io, thread};

use gargoyle::{ActorId, BoxError, Storage};

use crate::Copy;
use crate::problems::{Problems, complain};
use crate::put::{Entry, Put, THREADS};
use crate::store::{list, look_into, open_or_make, read};

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
    let work = || {
        while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
            let done = match read(from, id) {
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
                failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(error);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).map_or(Ok(()), Err)
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
