//! A store that fails on demand, and that a process which dies cannot reach any more.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use gargoyle::{ActorId, MemoryStorage, Revision, Storage, StorageError, StorageErrorKind, Stored, Visit};
use gargoyle_storage_fs::FsStorage;
use gargoyle_storage_lmdb::LmdbStorage;
use tempfile::TempDir;

use crate::program::{self, Fault, Operation};

/// What outlives a process.
pub(crate) enum Disk {
    Memory(Arc<MemoryStorage>),
    Fs(TempDir),
    Lmdb(TempDir),
}

impl Disk {
    pub(crate) fn new(store: program::Store) -> Self {
        let folder = || tempfile::tempdir().unwrap();
        match store {
            program::Store::Memory => Disk::Memory(Arc::default()),
            program::Store::Fs => Disk::Fs(folder()),
            program::Store::Lmdb => Disk::Lmdb(folder()),
        }
    }

    /// Opens the store. Fails if somebody still has it.
    pub(crate) fn open(&self) -> Arc<Mortal> {
        let inner: Box<dyn Storage> = match self {
            Disk::Memory(store) => Box::new(store.clone()),
            Disk::Fs(folder) => Box::new(FsStorage::open(folder.path()).unwrap()),
            Disk::Lmdb(folder) => Box::new(LmdbStorage::options().map_bytes(16 << 20).open(folder.path()).unwrap()),
        };
        Arc::new(Mortal { inner, dead: AtomicBool::new(false), faults: Mutex::default(), fired: Mutex::default() })
    }
}

/// The store of one process.
pub(crate) struct Mortal {
    inner: Box<dyn Storage>,
    dead: AtomicBool,
    faults: Mutex<HashMap<(ActorId, Operation), Fault>>,
    fired: Mutex<Vec<(ActorId, Operation)>>,
}

impl Mortal {
    /// The process dies: whatever it does from now on comes to nothing.
    pub(crate) fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    /// Deletes a record, though the process is dead.
    pub(crate) fn delete(&self, id: &ActorId) {
        self.inner.wipe(id, None).expect("a record can be deleted");
    }

    pub(crate) fn arm(&self, id: &ActorId, operation: Operation, fault: Fault) {
        self.faults.lock().unwrap().insert((id.clone(), operation), fault);
    }

    pub(crate) fn disarm(&self) {
        self.faults.lock().unwrap().clear();
    }

    /// The faults that happened since the last time.
    pub(crate) fn take_fired(&self) -> Vec<(ActorId, Operation)> {
        std::mem::take(&mut *self.fired.lock().unwrap())
    }

    fn run<T>(
        &self,
        id: &ActorId,
        operation: Operation,
        run: impl FnOnce() -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let unreachable = |why| Err(StorageError::new(StorageErrorKind::Unreachable, why));
        if self.dead.load(Ordering::SeqCst) {
            return unreachable("the process is dead");
        }
        let fault = self.faults.lock().unwrap().remove(&(id.clone(), operation));
        let Some(fault) = fault else { return run() };
        self.fired.lock().unwrap().push((id.clone(), operation));
        match fault {
            Fault::Full => Err(StorageError::new(StorageErrorKind::Full, "a store that is full")),
            Fault::Unreachable => unreachable("a fault before the deed"),
            Fault::DoneAndUnreachable => {
                run()?;
                unreachable("a fault after the deed")
            }
            Fault::Panic => panic!("a store that panics"),
        }
    }
}

impl Storage for Mortal {
    fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError> {
        self.run(id, Operation::Load, || self.inner.load(id))
    }

    fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Result<Revision, StorageError> {
        self.run(id, Operation::Save, || self.inner.save(id, expected, bytes, wake_at))
    }

    fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        self.run(id, Operation::Wipe, || self.inner.wipe(id, expected))
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
