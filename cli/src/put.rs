//! Putting records into a store, by many threads: so that the flushes of the disk are shared or go on side by side.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use gargoyle::{ActorId, BoxError, Storage};

use crate::How;
use crate::problems::Problems;
use crate::text::{chain, shown};

/// How many threads put records into a store.
pub(crate) const THREADS: usize = 32;

/// A record as stores take it.
pub(crate) struct Entry {
    pub(crate) id: ActorId,
    pub(crate) bytes: Vec<u8>,
    pub(crate) wake_at: Option<SystemTime>,
}

/// A store that is being filled, and what became of the records so far. Shared by threads.
pub(crate) struct Put<'a> {
    store: &'a dyn Storage,
    how: How,
    written: AtomicUsize,
    /// The same was there.
    found: AtomicUsize,
    /// Another one was there, and was left alone.
    differing: AtomicUsize,
}

impl<'a> Put<'a> {
    pub(crate) fn new(store: &'a dyn Storage, how: How) -> Self {
        Put { store, how, written: AtomicUsize::new(0), found: AtomicUsize::new(0), differing: AtomicUsize::new(0) }
    }

    /// Puts one record into the store, unless another one is there, and looks whether it is there as it was written.
    ///
    /// An error is one of the store that is being filled, and best the end of it.
    pub(crate) fn put(&self, entry: &Entry, problems: &Problems) -> Result<(), BoxError> {
        let id = &entry.id;
        let failed = |error| BoxError::from(format!("cannot write {}: {}", shown(id), chain(&error)));
        let there = self.store.load(id).map_err(failed)?;
        if there.as_ref().is_some_and(|there| is_same(there, entry)) {
            self.found.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        if there.is_some() && !self.how.overwrite {
            self.differing.fetch_add(1, Ordering::Relaxed);
            problems.say(&format!("{} is there and differs", shown(id)));
            return Ok(());
        }
        let expected = there.map(|there| there.revision);
        self.store.save(id, expected, &entry.bytes, entry.wake_at).map_err(failed)?;
        if !self.store.load(id).map_err(failed)?.is_some_and(|there| is_same(&there, entry)) {
            return Err(format!("{} was written, and is not there as it was written", shown(id)).into());
        }
        self.written.fetch_add(1, Ordering::Relaxed);
        if self.how.verbose {
            problems.aside(|| writeln!(io::stdout(), "{}", shown(id)))?;
        }
        Ok(())
    }

    /// Says what was done, and fails if there were problems.
    pub(crate) fn report(&self, done: &str, problems: &Problems) -> Result<(), BoxError> {
        problems.finish();
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        writeln!(io::stdout(), "{} records {done}, {} were there already", count(&self.written), count(&self.found))?;
        match count(&self.differing) {
            0 => problems.end(),
            differing => Err(format!(
                "there were {} problems, named above; {differing} of them are records that differ and were left as they \
                 are, which --overwrite replaces",
                problems.count()
            )
            .into()),
        }
    }
}

fn is_same(there: &gargoyle::Stored, entry: &Entry) -> bool {
    there.bytes == entry.bytes && there.wake_at == entry.wake_at
}
