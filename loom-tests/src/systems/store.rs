//! A store in memory that can be asked what it has, and fails as often as the schedule likes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use gargoyle::sync::model;
use gargoyle::{ActorId, MemoryStorage, Record, Revision, Storage, StorageError, StorageErrorKind, Stored, Visit};

use super::mason;

/// The lock inside is one that shuttle knows: a thread may be stopped in the middle of a save.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    records: MemoryStorage,
    /// How many of eight saves fail.
    failing: AtomicU64,
    failed: AtomicU64,
}

impl Ledger {
    /// So many of eight saves fail from now on, and change nothing.
    pub(crate) fn fail(&self, odds: u64) {
        self.failing.store(odds, Ordering::Relaxed);
    }

    /// How many saves have failed.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    fn fails(&self) -> bool {
        let odds = self.failing.load(Ordering::Relaxed);
        odds > 0 && model::random() % 8 < odds
    }
}

/// The state in a record.
fn state(bytes: &[u8]) -> Vec<u16> {
    let record = Record::from_bytes(bytes).expect("what is saved is a record");
    ciborium::from_reader(&*record.state).expect("what is saved is a state")
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
        if self.fails() {
            self.failed.fetch_add(1, Ordering::Relaxed);
            mason::not_saved(id.key());
            return Err(StorageError::new(StorageErrorKind::Full, "the scenario's store is full"));
        }
        let revision = self.records.save(id, expected, bytes, wake_at)?;
        mason::saved(id.key(), state(bytes));
        Ok(revision)
    }

    fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        self.records.wipe(id, expected)?;
        mason::wiped(id.key());
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
