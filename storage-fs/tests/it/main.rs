//! What the store promises, seen from outside.

mod crashes;
mod damage;
mod format;
mod kept;
#[cfg(unix)]
mod limits;
mod listing;
mod looking;
mod opening;
mod records;
mod safety;
mod torture;

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use gargoyle::{ActorId, Revision, Storage, StorageError, StorageErrorKind};
use gargoyle_storage_fs::FsStorage;
use tempfile::TempDir;

/// A store in a folder that goes with it.
struct Scene {
    store: FsStorage,
    root: PathBuf,
    folder: TempDir,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    Scene { store: FsStorage::open(&root).unwrap(), root, folder }
}

impl Scene {
    fn reopen(self) -> Self {
        drop(self.store);
        Scene { store: FsStorage::open(&self.root).unwrap(), ..self }
    }

    /// Saves over whatever is there.
    fn save(&self, id: &ActorId, bytes: &[u8]) -> Revision {
        let found = self.store.load(id).unwrap().map(|stored| stored.revision);
        self.store.save(id, found, bytes, None).unwrap()
    }

    /// Saves over whatever is there, to be woken then.
    fn save_to_wake(&self, id: &ActorId, wake_at: Option<SystemTime>) -> Revision {
        let found = self.store.load(id).unwrap().map(|stored| stored.revision);
        self.store.save(id, found, b"a state", wake_at).unwrap()
    }

    fn due(&self, until: SystemTime) -> Vec<ActorId> {
        let mut seen = Vec::new();
        self.store.due(until, &mut |id| see(&mut seen, id)).unwrap();
        seen.sort();
        seen
    }

    fn scan(&self, kind: Option<&str>, after: Option<&ActorId>) -> Vec<ActorId> {
        let mut seen = Vec::new();
        self.store.scan(kind, after, &mut |id| see(&mut seen, id)).unwrap();
        seen
    }

    fn bytes(&self, id: &ActorId) -> Option<Vec<u8>> {
        self.store.load(id).unwrap().map(|stored| stored.bytes)
    }

    /// The raw file of `id`.
    fn file(&self, id: &ActorId) -> Vec<u8> {
        fs::read(self.store.path_of(id)).unwrap()
    }

    fn put_file(&self, id: &ActorId, bytes: &[u8]) {
        fs::write(self.store.path_of(id), bytes).unwrap();
    }
}

fn see(seen: &mut Vec<ActorId>, id: ActorId) -> ControlFlow<()> {
    seen.push(id);
    ControlFlow::Continue(())
}

/// So many minutes after the beginning of 2026.
fn minute(minutes: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600 + 60 * minutes)
}

fn alice() -> ActorId {
    id("account", "alice")
}

fn id(kind: &str, key: &str) -> ActorId {
    ActorId::new(kind.to_owned(), key).unwrap()
}

#[track_caller]
fn assert_fails<T: std::fmt::Debug>(result: Result<T, StorageError>, kind: StorageErrorKind, named: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(named), "{error}");
}
