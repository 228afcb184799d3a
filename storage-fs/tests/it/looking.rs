//! A store that is only looked into: nothing of it is changed, and nobody changes it meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use gargoyle::{Storage, StorageErrorKind};
use gargoyle_storage_fs::{FsStorage, OpenErrorKind};

use crate::{Scene, alice, assert_fails, id, minute, scene};

/// Every file and folder below: when it was changed, and what is in it.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        found.insert(folder.clone(), (fs::metadata(&folder).unwrap().modified().unwrap(), Vec::new()));
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found
                    .insert(path.clone(), (fs::metadata(&path).unwrap().modified().unwrap(), fs::read(&path).unwrap()));
            }
        }
    }
    found
}

/// A closed store with records of all sorts, and the litter of crashes. The second of Alice's saves was cut short
/// before it was known to be durable.
fn littered() -> Scene {
    let scene = scene();
    scene.save_to_wake(&id("account", "bob"), Some(minute(5)));
    scene.save(&alice(), b"100 coins");
    scene.save(&alice(), b"70 coins");
    scene.save(&id("account", &"long".repeat(200)), &[7; 10_000]);
    let mut file = scene.file(&alice());
    let seal = 64..96;
    file[seal.clone()].fill(0);
    file[4096 + seal.start..4096 + seal.end].fill(0);
    scene.put_file(&alice(), &file);
    let shard = scene.store.path_of(&alice()).parent().unwrap().to_owned();
    fs::write(shard.join("alice.1-1%tmp"), b"half a record").unwrap();
    // A note that nobody needs.
    fs::write(scene.root.join("WAKE/000000000001+account+alice"), b"").unwrap();
    scene
}

#[test]
fn a_look_changes_nothing_not_even_what_a_crash_left() {
    let Scene { store, root, folder: _folder } = littered();
    drop(store);
    let before = snapshot(&root);
    let looked = FsStorage::open_read_only(&root).unwrap();
    assert_eq!(looked.load(&alice()).unwrap().unwrap().bytes, b"70 coins");
    let (mut listed, mut due) = (0, Vec::new());
    looked
        .scan(None, None, &mut |_| {
            listed += 1;
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    looked.due(minute(60), &mut |id| crate::see(&mut due, id)).unwrap();
    assert_eq!((listed, due), (3, vec![id("account", "bob")]));
    looked.check().unwrap();
    drop(looked);
    assert!(FsStorage::is_store(&root).unwrap());
    assert_eq!(snapshot(&root), before);
}

#[test]
fn saves_and_wipes_are_refused() {
    let Scene { store, root, folder: _folder } = littered();
    drop(store);
    let looked = FsStorage::open_read_only(&root).unwrap();
    let revision = looked.load(&alice()).unwrap().map(|stored| stored.revision);
    assert_fails(looked.save(&alice(), revision, b"", None), StorageErrorKind::Refused, "to be read only");
    assert_fails(looked.wipe(&alice(), None), StorageErrorKind::Refused, "to be read only");
    assert_fails(looked.wipe(&id("account", "nobody"), None), StorageErrorKind::Refused, "to be read only");
}

#[test]
fn those_who_look_share_the_store_and_an_owner_has_it_alone() {
    let scene = scene();
    let in_use = |opened: Result<FsStorage, gargoyle_storage_fs::OpenError>, named: &str| {
        let error = opened.unwrap_err();
        assert_eq!(error.kind(), OpenErrorKind::InUse, "{error}");
        assert!(error.to_string().contains(named), "{error}");
    };
    in_use(FsStorage::open_read_only(&scene.root), &format!("process {}", std::process::id()));
    let Scene { store, root, folder: _folder } = scene;
    drop(store);
    let first = FsStorage::open_read_only(&root).unwrap();
    let second = FsStorage::open_read_only(&root).unwrap();
    in_use(FsStorage::open(&root), if cfg!(unix) { "only looks" } else { "open already" });
    drop((first, second));
    FsStorage::open(&root).unwrap();
}

#[test]
fn what_is_no_store_is_not_made_one() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert_eq!(FsStorage::open_read_only(&missing).unwrap_err().kind(), OpenErrorKind::Io);
    assert_eq!(FsStorage::open_read_only(folder.path()).unwrap_err().kind(), OpenErrorKind::NotAStore);
    let file = folder.path().join("file");
    fs::write(&file, "a file").unwrap();
    assert!(FsStorage::open_read_only(&file).is_err());
    for path in [&missing, &file, folder.path()] {
        assert!(!FsStorage::is_store(path).unwrap(), "{path:?}");
    }
    fs::write(folder.path().join("FORMAT"), "gargoyle-storage-fs 9\n").unwrap();
    assert!(FsStorage::is_store(folder.path()).unwrap());
    assert_eq!(FsStorage::open_read_only(folder.path()).unwrap_err().kind(), OpenErrorKind::UnknownFormat);
    assert_eq!(snapshot(folder.path()).len(), 3);
}

#[test]
fn a_store_without_revisions_or_lock_can_be_looked_into() {
    let Scene { store, root, folder: _folder } = littered();
    drop(store);
    fs::remove_file(root.join("REVISIONS")).unwrap();
    fs::remove_file(root.join("LOCK")).unwrap();
    let before = snapshot(&root);
    let looked = FsStorage::open_read_only(&root).unwrap();
    assert_eq!(looked.load(&alice()).unwrap().unwrap().bytes, b"70 coins");
    assert_eq!(looked.load(&id("account", "nobody")).unwrap(), None);
    assert_fails(looked.check(), StorageErrorKind::Damaged, "REVISIONS");
    drop(looked);
    assert_eq!(snapshot(&root), before);
    assert_eq!(FsStorage::open(&root).unwrap_err().kind(), OpenErrorKind::Damaged);
}

/// As an unprivileged user, that is. The superuser may write all the same, and does not.
#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_can_be_looked_into() {
    use std::os::unix::fs::PermissionsExt;
    let Scene { store, root, folder: _folder } = littered();
    drop(store);
    let paths: Vec<_> = snapshot(&root).into_keys().collect();
    let set = |file: u32, folder: u32| {
        for path in &paths {
            let mode = if path.is_dir() { folder } else { file };
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set(0o400, 0o500);
    let looked = FsStorage::open_read_only(&root).unwrap();
    assert_eq!(looked.load(&alice()).unwrap().unwrap().bytes, b"70 coins");
    set(0o600, 0o700);
}
