//! What the store promises, seen from outside. What takes other processes is in `tests/processes`.

mod damage;
mod format;
mod full;
mod listing;
mod looking;
mod opening;
mod records;
mod system;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use gargoyle::{ActorId, Revision, Storage, StorageError, StorageErrorKind};
use gargoyle_storage_lmdb::LmdbStorage;
use tempfile::TempDir;

/// A store in a folder that goes with it.
struct Scene {
    store: LmdbStorage,
    root: PathBuf,
    folder: TempDir,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    Scene { store: LmdbStorage::open(&root).unwrap(), root, folder }
}

impl Scene {
    fn reopen(self) -> Self {
        drop(self.store);
        Scene { store: LmdbStorage::open(&self.root).unwrap(), ..self }
    }

    /// Changes the file with the database while nobody has it open.
    fn with_file(self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        drop(self.store);
        let path = self.root.join("data.mdb");
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        Scene { store: LmdbStorage::open(&self.root).unwrap(), ..self }
    }

    /// Saves over whatever is there.
    fn save(&self, id: &ActorId, bytes: &[u8]) -> Revision {
        self.save_with(id, bytes, None)
    }

    fn save_with(&self, id: &ActorId, bytes: &[u8], wake_at: Option<SystemTime>) -> Revision {
        let found = self.store.load(id).unwrap().map(|stored| stored.revision);
        self.store.save(id, found, bytes, wake_at).unwrap()
    }

    fn bytes(&self, id: &ActorId) -> Option<Vec<u8>> {
        self.store.load(id).unwrap().map(|stored| stored.bytes)
    }

    fn scan(&self, kind: Option<&str>, after: Option<&ActorId>) -> Vec<ActorId> {
        let mut seen = Vec::new();
        self.store.scan(kind, after, &mut into(&mut seen)).unwrap();
        seen
    }

    /// What a scan shows, and how it ends.
    fn scan_damaged(&self) -> (Vec<ActorId>, Result<(), StorageError>) {
        let mut seen = Vec::new();
        let result = self.store.scan(None, None, &mut into(&mut seen));
        (seen, result)
    }

    fn due(&self, until: SystemTime) -> Vec<ActorId> {
        let mut seen = Vec::new();
        self.store.due(until, &mut into(&mut seen)).unwrap();
        seen
    }
}

/// A visit that keeps what it sees.
fn into(seen: &mut Vec<ActorId>) -> impl FnMut(ActorId) -> ControlFlow<()> {
    |id| {
        seen.push(id);
        ControlFlow::Continue(())
    }
}

fn alice() -> ActorId {
    id("account", "alice")
}

fn id(kind: &str, key: &str) -> ActorId {
    ActorId::new(kind.to_owned(), key).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[track_caller]
fn assert_fails<T: std::fmt::Debug>(result: Result<T, StorageError>, kind: StorageErrorKind, named: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(named), "{error}");
}
