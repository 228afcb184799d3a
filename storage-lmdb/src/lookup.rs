//! What is known of an id: its record, surely none, or why nobody can tell.

use std::collections::TryReserveError;

use gargoyle::{ActorId, StorageError, StorageErrorKind};
use heed::RoTxn;

use crate::record::{self, Head, Unreadable};
use crate::store::Store;
use crate::{failure, key};

impl Store {
    /// The record of an id. Whatever makes it doubtful that there is none is an error.
    pub(crate) fn look_up<'t>(
        &self,
        txn: &'t RoTxn,
        id: &ActorId,
        key: &[u8],
    ) -> Result<Option<(Head, &'t [u8])>, StorageError> {
        let found = self.records.get(txn, key).map_err(|error| failure::of_lmdb("cannot read", &self.root, error))?;
        let Some(record) = found else { return self.check_absence(txn, id, key).map(|()| None) };
        let head = Head::read(record).map_err(|unreadable| self.unreadable(id, &unreadable))?;
        if head.id == *id { Ok(Some((head, record))) } else { Err(self.taken(id, &head.id)) }
    }

    /// Looks whether the records to both sides of where an id would be are where they belong.
    ///
    /// A record whose LMDB key rotted, or the key's length, cannot be found any more. But a search for it ends beside
    /// it, and one that was led astray by another's rotten key ends beside that: so the neighbours tell. A record says
    /// whose it is, and if that rotted instead, nobody can say which of the two is right.
    fn check_absence(&self, txn: &RoTxn, id: &ActorId, key: &[u8]) -> Result<(), StorageError> {
        let neighbours = || Ok([self.records.get_lower_than(txn, key)?, self.records.get_greater_than(txn, key)?]);
        let [before, after] = neighbours().map_err(|error| failure::of_lmdb("cannot read", &self.root, error))?;
        let is_ordered = before.is_none_or(|(before, _)| before < key) && after.is_none_or(|(after, _)| key < after);
        let astray = [before, after].into_iter().flatten().find(|(key, record)| !is_in_place(key, record));
        let what = match astray {
            None if is_ordered => return Ok(()),
            None => "records beside its place are in disorder, so that it may be there and not be found".to_owned(),
            Some((astray, _)) => {
                let name = key::id_of_short(astray).map_or("one with a long name".to_owned(), |id| id.to_string());
                format!("beside its place is {name}, which is not whose it says, and may be this one")
            }
        };
        Err(self.damaged(id, &what))
    }

    pub(crate) fn unreadable(&self, id: &ActorId, unreadable: &Unreadable) -> StorageError {
        match unreadable {
            Unreadable::Damaged(what) => self.damaged(id, what),
            Unreadable::TooNew { version, flags } => {
                let message = format!(
                    "{}: the record of {id} has format {version} with flags {flags:#x}, which this version of the \
                     crate does not know; use the version that wrote it, or a later one",
                    self.root.display()
                );
                StorageError::new(StorageErrorKind::Refused, message)
            }
        }
    }

    pub(crate) fn no_memory(&self, id: &ActorId, error: TryReserveError) -> StorageError {
        let message = format!("{}: there is no memory for the record of {id}; it stays as it is", self.root.display());
        StorageError::new(StorageErrorKind::Unreachable, message).with_source(error)
    }

    /// The record of another id is where that of this one has to be.
    pub(crate) fn taken(&self, id: &ActorId, by: &ActorId) -> StorageError {
        self.damaged(id, &format!("its place is taken by the one of {by}"))
    }

    fn damaged(&self, id: &ActorId, what: &str) -> StorageError {
        let root = self.root.display();
        let message =
            format!("{root}: the record of {id} is damaged: {what}; restore the store from a backup, or wipe it");
        StorageError::new(StorageErrorKind::Damaged, message)
    }
}

/// Whether a record says that it belongs where it was found.
pub(crate) fn is_in_place(found_at: &[u8], record: &[u8]) -> bool {
    record::claimed_id(record).is_some_and(|id| key::of(&id) == found_at)
}
