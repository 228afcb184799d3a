//! What the store promises, seen from outside.

mod crashes;
mod damage;
mod format;
#[cfg(unix)]
mod limits;
mod opening;
mod records;

use std::fs;
use std::path::PathBuf;

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
