//! What a leader does with the requests of a batch: all of them in one transaction, on its own thread.

use gargoyle::{ActorId, StorageError, StorageErrorKind};
use heed::{MdbError, RoTxn, RwTxn};

use crate::record::{self, Head};
use crate::store::Store;
use crate::{disk, failure, key};

/// A save or a wipe, ready to be put into the database.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: ActorId,
    /// Where its record is.
    pub(crate) key: Vec<u8>,
    pub(crate) change: Change,
}

#[derive(Debug)]
pub(crate) enum Change {
    Save {
        expected: Option<u64>,
        wake_at: Option<u64>,
        /// The record's bytes, but for the revision.
        record: Vec<u8>,
    },
    Wipe {
        expected: Option<u64>,
    },
}

/// The revision of a save. A wipe has none, and answers with 0.
pub(crate) type Answer = Result<u64, StorageError>;

/// What a batch has changed so far in its transaction.
struct Progress {
    last_revision: u64,
    used_bytes: u64,
    has_changes: bool,
}

/// Below so much free space, a write that came to nothing came to nothing for want of room.
const ROOM_MIN: u64 = 1 << 20;

impl Store {
    /// Does what is requested, in this order, and returns when it is durable. An answer for each.
    ///
    /// A batch for which there is no room is tried again in halves, down to single requests: so a record that is too
    /// large fails alone, and those before and after it are saved.
    pub(crate) fn commit(&self, batch: &mut [Request]) -> Vec<Answer> {
        match self.attempt(batch) {
            Ok(answers) => answers,
            // Dead readers keep free pages from being used. They are cleared once, so this ends.
            Err(error) if error.kind() == StorageErrorKind::Full && self.clear_stale_readers() => self.commit(batch),
            Err(error) if error.kind() == StorageErrorKind::Full && batch.len() > 1 => {
                let (first, second) = batch.split_at_mut(batch.len() / 2);
                let mut answers = self.commit(first);
                answers.extend(self.commit(second));
                answers
            }
            Err(error) => vec![Err(error); batch.len()],
        }
    }

    /// One transaction from its beginning to its end, here and on this thread: LMDB's lock belongs to the thread.
    ///
    /// What one request alone is to blame for is its answer. An error means that the whole batch failed.
    fn attempt(&self, batch: &mut [Request]) -> Result<Vec<Answer>, StorageError> {
        self.check_in_place()?;
        let mut txn = self.begin_write().map_err(|error| self.cannot_save(error))?;
        let mut progress = Progress {
            last_revision: self.last_revision(&txn)?,
            used_bytes: self.used_bytes(&txn).map_err(|error| self.cannot_save(error))?,
            has_changes: false,
        };
        let mut answers = Vec::with_capacity(batch.len());
        for request in batch {
            answers.push(self.apply(&mut txn, request, &mut progress)?);
        }
        if !progress.has_changes {
            // All that was looked at is durable: LMDB shows nothing before.
            txn.abort();
            return Ok(answers);
        }
        self.set_last_revision(&mut txn, progress.last_revision).map_err(|error| self.cannot_save(error))?;
        txn.commit().map_err(|error| self.failed_commit(error))?;
        Ok(answers)
    }

    fn apply(
        &self,
        txn: &mut RwTxn<'_>,
        request: &mut Request,
        progress: &mut Progress,
    ) -> Result<Answer, StorageError> {
        let Request { id, key, change } = request;
        match change {
            Change::Save { expected, wake_at, record } => {
                let found = match self.expect(txn, id, key, *expected) {
                    Ok(found) => found,
                    Err(error) => return Ok(Err(error)),
                };
                let Some(revision) = progress.last_revision.checked_add(1) else {
                    return Ok(Err(self.out_of_revisions()));
                };
                if let Some(found) = &found
                    && found.revision >= revision
                {
                    return Ok(Err(self.of_another_time(id, found.revision)));
                }
                record::set_revision(record, revision);
                let was_due = found.and_then(|found| found.wake_at);
                self.put(txn, key, record, was_due, *wake_at).map_err(|error| self.cannot_save(error))?;
                self.stay_within_limit(txn, progress)?;
                progress.last_revision = revision;
                progress.has_changes = true;
                Ok(Ok(revision))
            }
            Change::Wipe { expected } => match self.wipe(txn, id, key, *expected)? {
                Ok(is_gone) => {
                    progress.has_changes |= is_gone;
                    progress.used_bytes = self.used_bytes(txn).map_err(|error| self.cannot_save(error))?;
                    Ok(Ok(0))
                }
                Err(error) => Ok(Err(error)),
            },
        }
    }

    /// The head of the record that is to be replaced, if it is the expected one.
    fn expect(
        &self,
        txn: &RoTxn,
        id: &ActorId,
        key: &[u8],
        expected: Option<u64>,
    ) -> Result<Option<Head>, StorageError> {
        let found = self.look_up(txn, id, key)?.map(|(head, _)| head);
        let revision = found.as_ref().map(|found| found.revision);
        if revision == expected { Ok(found) } else { Err(self.stale(id, expected, revision)) }
    }

    fn put(
        &self,
        txn: &mut RwTxn<'_>,
        key: &[u8],
        record: &[u8],
        was_due: Option<u64>,
        wake_at: Option<u64>,
    ) -> heed::Result<()> {
        self.records.put(txn, key, record)?;
        if was_due != wake_at {
            if let Some(millis) = was_due {
                self.due.delete(txn, &key::due(millis, key))?;
            }
            if let Some(millis) = wake_at {
                self.due.put(txn, &key::due(millis, key), &[])?;
            }
        }
        Ok(())
    }

    /// Fails a batch that makes the store grow beyond its limit. One that was above it before may shrink it.
    fn stay_within_limit(&self, txn: &RoTxn, progress: &mut Progress) -> Result<(), StorageError> {
        let before = progress.used_bytes;
        progress.used_bytes = self.used_bytes(txn).map_err(|error| self.cannot_save(error))?;
        let fits = progress.used_bytes <= self.limit_bytes.max(before);
        if fits { Ok(()) } else { Err(failure::full(&self.root)) }
    }

    /// Whether there was a record, which is gone now; within, why this wipe alone fails.
    fn wipe(
        &self,
        txn: &mut RwTxn<'_>,
        id: &ActorId,
        key: &[u8],
        expected: Option<u64>,
    ) -> Result<Result<bool, StorageError>, StorageError> {
        let found = self.records.get(txn, key).map_err(|error| self.cannot_save(error))?;
        let Some(found) = found else { return Ok(Ok(false)) };
        let head = Head::read(found).map_err(|unreadable| self.unreadable(id, &unreadable));
        match (&head, expected) {
            // Its key rotted into this one. It is not this actor's to be deleted.
            (Ok(head), _) if head.id != *id => return Ok(Err(self.taken(id, &head.id))),
            (Ok(head), Some(expected)) if head.revision != expected => {
                return Ok(Err(self.stale(id, Some(expected), Some(head.revision))));
            }
            (Err(error), Some(_)) => return Ok(Err(error.clone())),
            _ => {}
        }
        let mut delete = || {
            self.records.delete(txn, key)?;
            match head {
                Ok(Head { wake_at: Some(millis), .. }) => self.due.delete(txn, &key::due(millis, key)).map(drop),
                Ok(Head { wake_at: None, .. }) => Ok(()),
                Err(_) => self.forget_when_due(txn, key),
            }
        };
        delete().map_err(|error| self.cannot_save(error))?;
        Ok(Ok(true))
    }

    /// Takes a record out of the index that cannot say any more under what time it is there.
    fn forget_when_due(&self, txn: &mut RwTxn<'_>, key: &[u8]) -> heed::Result<()> {
        let mut stale = Vec::new();
        for entry in self.due.iter(txn)? {
            let (due, _) = entry?;
            if key::of_due(due) == Some(key) {
                stale.push(due.to_vec());
            }
        }
        for due in stale {
            self.due.delete(txn, &due)?;
        }
        Ok(())
    }

    fn stale(&self, id: &ActorId, expected: Option<u64>, found: Option<u64>) -> StorageError {
        let show = |revision: Option<u64>| revision.map_or("no record".to_owned(), |n| format!("revision {n}"));
        let message = format!("{}: {id}: expected {}, found {}", self.root.display(), show(expected), show(found));
        StorageError::new(StorageErrorKind::Stale, message)
    }

    fn of_another_time(&self, id: &ActorId, revision: u64) -> StorageError {
        let message = format!(
            "{}: the record of {id} is sound, but its revision {revision} was never given out by this store; restore \
             the store from a backup",
            self.root.display()
        );
        StorageError::new(StorageErrorKind::Refused, message)
    }

    /// Nobody saves so often: the count was forged.
    fn out_of_revisions(&self) -> StorageError {
        let message = format!("the store {} has no revisions left", self.root.display());
        StorageError::new(StorageErrorKind::Refused, message)
    }

    fn cannot_save(&self, error: heed::Error) -> StorageError {
        failure::of_lmdb("cannot save into", &self.root, error)
    }

    /// What it means that a commit failed.
    ///
    /// LMDB writes pages that nobody refers to, syncs them, and then writes the meta page that refers to them. A failure
    /// before that is as if nothing had been. One at the meta page makes LMDB refuse everything from then on: so if
    /// it does not, the commit did not take effect, and what is left to say is why.
    fn failed_commit(&self, error: heed::Error) -> StorageError {
        if matches!(self.begin_write(), Err(heed::Error::Mdb(MdbError::Panic))) {
            return failure::unknown(&self.root, error);
        }
        match error {
            error @ heed::Error::Mdb(_) => self.cannot_save(error),
            error if failure::is_for_want_of_room(&error) => self.cannot_save(error),
            // LMDB calls a write of a part an input/output error.
            error if disk::free_bytes(&self.root).is_some_and(|bytes| bytes < ROOM_MIN) => {
                let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
                let full = failure::of_file("cannot save into", &self.root, full);
                StorageError::new(full.kind(), full.to_string()).with_source(error)
            }
            error => failure::unknown(&self.root, error),
        }
    }
}
