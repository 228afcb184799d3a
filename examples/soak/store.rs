//! Which store, and one that fails now and then.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use clap::ValueEnum;
use gargoyle::{ActorId, BoxError, Revision, Storage, StorageError, StorageErrorKind, Stored, Visit};
use gargoyle_storage_fs::FsStorage;
use gargoyle_storage_lmdb::LmdbStorage;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    Fs,
    Lmdb,
}

impl Store {
    pub(crate) const ALL: [Store; 2] = [Store::Fs, Store::Lmdb];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Store::Fs => "fs",
            Store::Lmdb => "lmdb",
        }
    }

    /// Opens the store and has it look over what is in it.
    pub(crate) fn open(self, folder: &Path) -> Result<Arc<dyn Storage>, BoxError> {
        match self {
            Store::Fs => {
                let store = FsStorage::open(folder)?;
                store.check()?;
                Ok(Arc::new(store))
            }
            Store::Lmdb => {
                let store = LmdbStorage::open(folder)?;
                store.check()?;
                Ok(Arc::new(store))
            }
        }
    }
}

/// One in a hundred operations fails, half of them after they were done.
pub(crate) struct Moody {
    inner: Arc<dyn Storage>,
}

const CALM: u64 = 100;

static FAULTS: AtomicU64 = AtomicU64::new(0);

/// How many operations failed in this process.
pub(crate) fn faults() -> u64 {
    FAULTS.load(Ordering::Relaxed)
}

impl Moody {
    pub(crate) fn new(inner: Arc<dyn Storage>) -> Self {
        Moody { inner }
    }

    fn run<T>(&self, run: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
        let why = match fastrand::u64(..2 * CALM) {
            0 => "a fault before the deed",
            1 => {
                run()?;
                "a fault after the deed"
            }
            _ => return run(),
        };
        FAULTS.fetch_add(1, Ordering::Relaxed);
        Err(StorageError::new(StorageErrorKind::Unreachable, why))
    }
}

impl Storage for Moody {
    fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError> {
        self.run(|| self.inner.load(id))
    }

    fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Result<Revision, StorageError> {
        self.run(|| self.inner.save(id, expected, bytes, wake_at))
    }

    fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        self.run(|| self.inner.wipe(id, expected))
    }

    fn scan(&self, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Result<(), StorageError> {
        self.inner.scan(kind, after, visit)
    }

    fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError> {
        self.inner.due(until, visit)
    }

    fn rest(&self, id: &ActorId) {
        self.inner.rest(id);
    }
}
