//! Names of files in the file store: of any id, and of files that somebody put there.

use std::ffi::OsStr;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::time::{Duration, SystemTime};

use gargoyle::{ActorId, Storage, StorageErrorKind};
use gargoyle_storage_fs::FsStorage;

use crate::input::Input;
use crate::scratch::Scratch;

struct Scene {
    store: FsStorage,
    scratch: Scratch,
}

thread_local! {
    static SCENE: Scene = {
        let scratch = Scratch::new();
        let store = FsStorage::open(scratch.root()).expect("a new store");
        Scene { store, scratch }
    };
}

/// The first byte decides what the rest is: a kind and a key, or the name of a file and where it is put.
pub fn check(input: &[u8]) {
    let mut input = Input::new(input);
    SCENE.with(|scene| {
        match input.byte() % 4 {
            0 => scene.check_foreign(&scene.scratch.root().join("k/00"), input.rest()),
            1 => scene.check_foreign(&scene.scratch.root().join("WAKE"), input.rest()),
            _ => {
                let kind = input.byte();
                let kind = input.bytes(kind.into());
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                if let Ok(id) = ActorId::new(text(kind), text(input.rest())) {
                    scene.check_id(&id);
                }
            }
        }
        scene.scratch.check_nothing_else_changed();
    });
}

impl Scene {
    fn check_id(&self, id: &ActorId) {
        let root = fs::canonicalize(self.scratch.root()).expect("the store is there");
        let path = self.store.path_of(id);
        let below = path.strip_prefix(&root).expect("in the store");
        assert_eq!(below.components().filter(|part| matches!(part, Component::Normal(_))).count(), 3, "{path:?}");
        assert_eq!(below.components().count(), 3, "{path:?}");

        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
        self.store.save(id, None, b"here", Some(until)).expect("any id has room");
        assert_eq!(fs::canonicalize(&path).expect("there now"), path, "no link, no dot");
        assert_eq!(self.scan(), std::slice::from_ref(id));
        assert_eq!(self.due(until), [id.clone()]);
        assert_eq!(self.store.load(id).expect("sound").expect("saved").bytes, b"here");
        self.store.wipe(id, None).expect("it was there");
        assert_eq!(self.scan(), []);
        // One kind less to list the next time.
        let kind = path.ancestors().nth(2).expect("three names");
        fs::remove_dir_all(kind).expect("empty but for the shard");
    }

    /// A file of any name, with nothing in it: it is nobody's, or that of the one id that it would be written for.
    fn check_foreign(&self, folder: &Path, name: &[u8]) {
        let is_name = !name.is_empty() && name.len() <= 255 && !name.contains(&0) && !name.contains(&b'/');
        if !is_name || name == b"." || name == b".." {
            return;
        }
        fs::create_dir_all(folder).expect("room for a folder");
        let path = folder.join(OsStr::from_bytes(name));
        fs::write(&path, "").expect("room for a file");
        for id in self.scan() {
            assert_eq!(fs::canonicalize(self.store.path_of(&id)).ok(), fs::canonicalize(&path).ok(), "{id:?}");
            let error = self.store.load(&id).expect_err("there is nothing in it");
            assert_eq!(error.kind(), StorageErrorKind::Damaged, "{error}");
        }
        assert_eq!(self.due(SystemTime::now()), [], "there is no record of anybody");
        fs::remove_file(&path).expect("nobody else has removed it");
    }

    fn scan(&self) -> Vec<ActorId> {
        let mut seen = Vec::new();
        let scanned = self.store.scan(None, None, &mut |id| {
            seen.push(id);
            ControlFlow::Continue(())
        });
        if let Err(error) = scanned {
            assert_eq!(error.kind(), StorageErrorKind::Damaged, "{error}");
        }
        seen
    }

    fn due(&self, until: SystemTime) -> Vec<ActorId> {
        let mut seen = Vec::new();
        let shown = self.store.due(until, &mut |id| {
            seen.push(id);
            ControlFlow::Continue(())
        });
        if let Err(error) = shown {
            assert_eq!(error.kind(), StorageErrorKind::Damaged, "{error}");
        }
        seen
    }
}
