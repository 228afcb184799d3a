//! A store that is only looked into: nothing of it is changed, and nobody changes it meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use gargoyle::{Storage, StorageErrorKind};
use gargoyle_storage_lmdb::{LmdbStorage, OpenError, OpenErrorKind};

use crate::{Scene, alice, assert_fails, at, id, into, scene};

/// Every file: when it was changed, and what is in it.
fn snapshot(root: &Path) -> BTreeMap<String, (SystemTime, Vec<u8>)> {
    let files = fs::read_dir(root).unwrap().map(|entry| entry.unwrap());
    let mut found: BTreeMap<_, _> = files
        .map(|file| {
            let changed = file.metadata().unwrap().modified().unwrap();
            (file.file_name().into_string().unwrap(), (changed, fs::read(file.path()).unwrap()))
        })
        .collect();
    found.insert(".".to_owned(), (fs::metadata(root).unwrap().modified().unwrap(), Vec::new()));
    found
}

/// A store with some records that nobody has open.
fn closed() -> (std::path::PathBuf, tempfile::TempDir) {
    let scene = scene();
    scene.save_with(&id("account", "bob"), b"50 coins", Some(at(5)));
    scene.save(&alice(), b"100 coins");
    scene.save(&alice(), b"70 coins");
    scene.save(&id("account", &"long".repeat(200)), &[7; 10_000]);
    let Scene { store, root, folder } = scene;
    drop(store);
    (root, folder)
}

#[track_caller]
fn assert_refused(result: Result<LmdbStorage, OpenError>, kind: OpenErrorKind, named: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(named), "{error} does not say {named}");
}

#[test]
fn a_look_changes_nothing_and_saves_and_wipes_are_refused() {
    let (root, _folder) = closed();
    let before = snapshot(&root);
    let looked = LmdbStorage::options().check_pages(true).open_read_only(&root).unwrap();
    let found = looked.load(&alice()).unwrap().unwrap();
    assert_eq!(found.bytes, b"70 coins");
    assert_fails(looked.save(&alice(), Some(found.revision), b"", None), StorageErrorKind::Refused, "to be read only");
    assert_fails(looked.wipe(&alice(), None), StorageErrorKind::Refused, "to be read only");
    let (mut listed, mut due) = (Vec::new(), Vec::new());
    looked.scan(None, None, &mut into(&mut listed)).unwrap();
    looked.due(at(60), &mut into(&mut due)).unwrap();
    assert_eq!((listed.len(), due), (3, vec![id("account", "bob")]));
    looked.check().unwrap();
    drop(looked);
    assert!(LmdbStorage::is_store(&root).unwrap());
    assert_eq!(snapshot(&root), before);
}

#[test]
fn an_owner_has_the_store_alone_and_so_has_who_looks() {
    let (root, _folder) = closed();
    let owner = LmdbStorage::open(&root).unwrap();
    assert_refused(
        LmdbStorage::open_read_only(&root),
        OpenErrorKind::InUse,
        &format!("process {}", std::process::id()),
    );
    drop(owner);
    let looked = LmdbStorage::open_read_only(&root).unwrap();
    assert_refused(LmdbStorage::open_read_only(&root), OpenErrorKind::InUse, "in this process");
    let named = if cfg!(unix) { "only looks" } else { "open already" };
    assert_refused(LmdbStorage::open(&root), OpenErrorKind::InUse, named);
    drop(looked);
    LmdbStorage::open(&root).unwrap();
}

#[test]
fn what_is_no_store_is_not_made_one() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert_refused(LmdbStorage::open_read_only(&missing), OpenErrorKind::Io, "missing");
    assert_refused(LmdbStorage::open_read_only(folder.path()), OpenErrorKind::NotAStore, "FORMAT");
    let file = folder.path().join("file");
    fs::write(&file, "a file").unwrap();
    assert!(LmdbStorage::open_read_only(&file).is_err());
    for path in [&missing, &file, folder.path()] {
        assert!(!LmdbStorage::is_store(path).unwrap(), "{path:?}");
    }
    fs::write(folder.path().join("FORMAT"), "gargoyle-storage-lmdb 9\n").unwrap();
    fs::write(folder.path().join("data.mdb"), "").unwrap();
    assert!(LmdbStorage::is_store(folder.path()).unwrap());
    assert_refused(LmdbStorage::open_read_only(folder.path()), OpenErrorKind::UnknownFormat, "\"9\"");
    // Half a store, whose maker died.
    fs::write(folder.path().join("FORMAT"), "gargoyle-storage-lmdb 1\n").unwrap();
    assert_refused(LmdbStorage::open_read_only(folder.path()), OpenErrorKind::Damaged, "too short");
    assert_eq!(snapshot(folder.path()).len(), 4);
}

#[test]
fn the_database_is_all_that_is_needed_for_a_look() {
    let (root, _folder) = closed();
    for name in ["LOCK", "lock.mdb", "FORMAT"] {
        fs::remove_file(root.join(name)).unwrap();
    }
    let before = snapshot(&root);
    let looked = LmdbStorage::open_read_only(&root).unwrap();
    assert_eq!(looked.load(&alice()).unwrap().unwrap().bytes, b"70 coins");
    assert_eq!(looked.load(&id("account", "nobody")).unwrap(), None);
    drop(looked);
    assert_eq!(snapshot(&root), before);
}

/// Sound stores have such files: LMDB does not write the pages at the end that it gives up in the same commit.
#[test]
fn a_file_whose_free_pages_at_the_end_are_missing_is_read_and_not_lengthened() {
    let scene = scene();
    scene.save(&alice(), b"70 coins");
    scene.save(&id("account", "large"), &vec![7; 1 << 20]);
    scene.store.wipe(&id("account", "large"), None).unwrap();
    // What is in use moves into the pages that are free now, away from the end.
    for _ in 0..8 {
        scene.save(&alice(), b"70 coins");
    }
    let Scene { store, root, folder: _folder } = scene;
    drop(store);
    let path = root.join("data.mdb");
    let bytes = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(bytes - 65_536).unwrap();
    let before = snapshot(&root);
    let looked = LmdbStorage::open_read_only(&root).unwrap();
    assert_eq!(looked.load(&alice()).unwrap().unwrap().bytes, b"70 coins");
    drop(looked);
    assert_eq!(snapshot(&root), before);
    assert_eq!(LmdbStorage::open(&root).unwrap().load(&alice()).unwrap().unwrap().bytes, b"70 coins");
}

/// As an unprivileged user, that is. The superuser may write all the same, and does not.
#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_can_be_looked_into() {
    use std::os::unix::fs::PermissionsExt;
    let (root, _folder) = closed();
    let set = |file: u32, folder: u32| {
        for name in ["LOCK", "FORMAT", "data.mdb", "lock.mdb"] {
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(file)).unwrap();
        }
        fs::set_permissions(&root, fs::Permissions::from_mode(folder)).unwrap();
    };
    set(0o400, 0o500);
    let looked = LmdbStorage::open_read_only(&root).unwrap();
    assert_eq!(looked.load(&alice()).unwrap().unwrap().bytes, b"70 coins");
    set(0o600, 0o700);
}
