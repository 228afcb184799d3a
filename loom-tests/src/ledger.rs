//! A store in memory that can be asked what it has, and told to fail.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use gargoyle::{ActorId, MemoryStorage, Record, Revision, Storage, StorageError, StorageErrorKind, Stored, Visit};

use crate::actor;

/// The lock inside is one of the model: without it, loom could not let anything happen during a save.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    records: MemoryStorage,
    /// How many saves fail before there are good ones again.
    failures: AtomicUsize,
}

impl Ledger {
    /// Uses the store, and does nothing with it.
    pub(crate) fn touch(&self) {
        let nobody = ActorId::new("nobody", "nobody").expect("the key is one");
        assert_eq!(self.records.load(&nobody).expect("it is in memory"), None);
    }

    /// The next saves fail, and change nothing.
    pub(crate) fn fail(&self, saves: usize) {
        self.failures.store(saves, Ordering::Relaxed);
    }
}

impl Storage for Ledger {
    fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError> {
        self.records.load(id)
    }

    fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Result<Revision, StorageError> {
        let fails = self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saves| saves.checked_sub(1));
        if fails.is_ok() {
            actor::not_saved(id.key());
            return Err(StorageError::new(StorageErrorKind::Full, "the model's store is full"));
        }
        let revision = self.records.save(id, expected, bytes, wake_at)?;
        let record = Record::from_bytes(bytes).expect("what is saved is a record");
        actor::saved(id.key(), record.state[0].into());
        Ok(revision)
    }

    fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        self.records.wipe(id, expected)?;
        actor::wiped(id.key());
        Ok(())
    }

    fn scan(&self, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Result<(), StorageError> {
        self.records.scan(kind, after, visit)
    }

    fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError> {
        self.records.due(until, visit)
    }

    fn rest(&self, id: &ActorId) {
        self.records.rest(id);
    }
}
