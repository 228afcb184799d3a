//! Who may open what, and what is said to those who may not.

use std::fs;

use gargoyle::{Storage, StorageErrorKind};
use gargoyle_storage_lmdb::{LmdbStorage, OpenError, OpenErrorKind};

use crate::{Scene, alice, assert_fails, id, scene};

#[track_caller]
fn assert_refused(result: Result<LmdbStorage, OpenError>, kind: OpenErrorKind, named: &[&str]) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    for part in named {
        assert!(error.to_string().contains(part), "{error} does not say {part}");
    }
}

#[test]
fn a_second_opener_in_this_process_is_told_which_store_it_is_and_who_has_it() {
    let scene = scene();
    let pid = format!("process {}", std::process::id());
    let root = fs::canonicalize(&scene.root).unwrap().display().to_string();
    assert_refused(LmdbStorage::open(&scene.root), OpenErrorKind::InUse, &[&root, &pid]);
    // By other names of the folder, too.
    assert_refused(LmdbStorage::open(scene.root.join("../store")), OpenErrorKind::InUse, &[&root, &pid]);
    scene.save(&alice(), b"still ours");
}

/// Bug: a store that was dropped could not be opened: "open already", in this very process. Cause: the lock belongs to
/// all copies of its descriptor, and a child that another thread was starting had some until it ran its own program. Fix:
/// the lock is given back before its descriptor is closed.
#[cfg(unix)]
#[test]
fn a_store_that_was_closed_can_be_opened_while_children_are_started() {
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, Ordering};

    let folder = tempfile::tempdir().unwrap();
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(Ordering::Relaxed) {
                Command::new("true").status().unwrap();
            }
        });
        let opened = (0..200).try_for_each(|_| LmdbStorage::open(folder.path()).map(drop));
        ends.store(true, Ordering::Relaxed);
        opened.unwrap();
    });
}

/// Bug: two owners. Cause: the next opener made a new `LOCK` and locked that. Fix: the folder is locked too.
#[cfg(target_os = "linux")]
#[test]
fn a_deleted_lock_file_makes_no_second_owner() {
    let scene = scene();
    fs::remove_file(scene.root.join("LOCK")).unwrap();
    let root = fs::canonicalize(&scene.root).unwrap().display().to_string();
    assert_refused(LmdbStorage::open(&scene.root), OpenErrorKind::InUse, &[&root]);
    scene.reopen().save(&alice(), b"1");
}

#[test]
fn an_unknown_format_is_refused_and_both_versions_are_named() {
    let scene = scene();
    drop(scene.store);
    fs::write(scene.root.join("FORMAT"), "gargoyle-storage-lmdb 12\n").unwrap();
    assert_refused(LmdbStorage::open(&scene.root), OpenErrorKind::UnknownFormat, &["\"12\"", "format 1 only"]);
    for strange in ["", "hello", "gargoyle-storage-lmdb", "gargoyle-storage-fs 1"] {
        fs::write(scene.root.join("FORMAT"), strange).unwrap();
        assert_refused(LmdbStorage::open(&scene.root), OpenErrorKind::NotAStore, &["FORMAT"]);
    }
}

#[test]
fn a_database_of_a_later_format_is_refused_too() {
    let Scene { store, root, folder: _folder } = scene();
    drop(store);
    let path = root.join("data.mdb");
    let mut file = fs::read(&path).unwrap();
    let line = b"gargoyle-storage-lmdb 1";
    let at: Vec<_> = (0..file.len() - line.len()).filter(|&at| file[at..].starts_with(line)).collect();
    at.iter().for_each(|at| file[at + line.len() - 1] = b'2');
    fs::write(&path, file).unwrap();
    assert_refused(LmdbStorage::open(&root), OpenErrorKind::UnknownFormat, &["\"2\""]);
}

#[test]
fn a_folder_of_something_else_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
    assert_refused(LmdbStorage::open(folder.path()), OpenErrorKind::NotAStore, &["thesis.txt", "folder of its own"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let file = folder.path().join("thesis.txt");
    assert_refused(LmdbStorage::open(&file), OpenErrorKind::Io, &["thesis.txt"]);
    let error = LmdbStorage::open(&file).unwrap_err();
    let cause = std::error::Error::source(&error).expect("what the file system says");
    assert_eq!(format!("{error:#}"), format!("{error}: {cause}"));
    assert_eq!(fs::read(&file).unwrap(), b"years of work");
}

#[test]
fn a_store_that_lost_its_format_file_says_by_its_database_what_it_is() {
    let scene = scene();
    scene.save(&alice(), b"1");
    let format = fs::read(scene.root.join("FORMAT")).unwrap();
    fs::remove_file(scene.root.join("FORMAT")).unwrap();
    let scene = scene.reopen();
    assert_eq!(scene.bytes(&alice()), Some(b"1".to_vec()));
    assert_eq!(fs::read(scene.root.join("FORMAT")).unwrap(), format);
}

#[test]
fn a_store_that_lost_its_database_is_not_begun_anew() {
    let scene = scene();
    scene.save(&alice(), b"1");
    drop(scene.store);
    fs::remove_file(scene.root.join("data.mdb")).unwrap();
    assert_refused(LmdbStorage::open(&scene.root), OpenErrorKind::Damaged, &["data.mdb", "missing"]);
}

/// What LMDB writes of a new store, before and while its first commit is written.
fn new_database() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    drop(LmdbStorage::open(folder.path()).unwrap());
    let mut file = fs::read(folder.path().join("data.mdb")).unwrap();
    // The first commit is in the second meta page.
    let page = file.len() / 3;
    file.copy_within(..page, page);
    file
}

#[test]
fn a_store_whose_maker_died_before_the_end_is_made_anew() {
    let whole = new_database();
    let page = whole.len() / 3;
    let zeros = vec![0; whole.len()];
    let half = [&zeros[..page], &whole[page..]].concat();
    let pages = [&zeros[..2 * page], &whole[2 * page..]].concat();
    let databases =
        [&b""[..], &zeros[..page], &zeros[..2 * page], &zeros, &whole[..page], &whole[..2 * page], &half, &pages];
    let all = databases.map(|database| (&["LOCK", "lock.mdb", "FORMAT%tmp"][..], Some(database)));
    for (left, database) in [(&["LOCK"][..], None), (&["LOCK", "lock.mdb"], None)].into_iter().chain(all) {
        let folder = tempfile::tempdir().unwrap();
        left.iter().for_each(|name| fs::write(folder.path().join(name), "half").unwrap());
        if let Some(database) = database {
            fs::write(folder.path().join("data.mdb"), database).unwrap();
        }
        LmdbStorage::open(folder.path()).unwrap().save(&alice(), None, b"1", None).unwrap();
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["FORMAT", "LOCK", "data.mdb", "lock.mdb"]);
    }
}

/// Bug: a store without its `FORMAT`, or a file of somebody else, was deleted and begun anew if its database was short or
/// began with zeros. Cause: both was taken for what a maker that died leaves. Fix: that is looked at to the last byte.
#[test]
fn a_database_that_was_not_begun_by_us_or_has_records_is_never_deleted() {
    let scene = scene();
    scene.save(&alice(), b"1");
    scene.save(&alice(), b"2");
    drop(scene.store);
    fs::remove_file(scene.root.join("FORMAT")).unwrap();
    let path = scene.root.join("data.mdb");
    let sound = fs::read(&path).unwrap();
    let mut zeroed = sound.clone();
    zeroed[..8192].fill(0);
    let mut second_zeroed = sound.clone();
    second_zeroed[4096..8192].fill(0);
    let zeros_and_more = [&[0; 5000][..], b"of another program"].concat();
    let files =
        [&sound[..8192], &sound[..6000], &sound[..4096], &zeroed, &second_zeroed, &zeros_and_more, b"not a database"];
    for file in files {
        fs::write(&path, file).unwrap();
        assert_refused(
            LmdbStorage::open(&scene.root),
            OpenErrorKind::Damaged,
            &["data.mdb", "backup", "folder of its own"],
        );
        assert!(fs::read(&path).unwrap() == file, "it is as it was");
    }
    fs::write(&path, &sound).unwrap();
    assert_eq!(LmdbStorage::open(&scene.root).unwrap().load(&alice()).unwrap().unwrap().bytes, b"2");
}

#[test]
fn missing_parents_are_made_and_relative_paths_mean_the_same_later() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    let store = LmdbStorage::open(folder.path().join("a/b/../c/d")).unwrap();
    store.save(&alice(), None, b"1", None).unwrap();
    assert!(folder.path().join("a/c/d/data.mdb").is_file());
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_look_into_a_store() {
    use std::os::unix::fs::PermissionsExt;
    let scene = scene();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&scene.root), 0o700);
    for name in ["FORMAT", "LOCK", "data.mdb", "lock.mdb"] {
        assert_eq!(mode(&scene.root.join(name)), 0o600, "{name}");
    }
}

/// The folder stays as its owner made it. What is in it is nobody else's to read all the same.
#[cfg(unix)]
#[test]
fn in_a_folder_that_was_there_the_files_are_for_the_owner_alone_too() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let store = LmdbStorage::open(folder.path()).unwrap();
    store.save(&alice(), None, b"1", None).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path()), 0o755);
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

/// A link that somebody put where the store writes its `FORMAT` before that takes its name.
#[cfg(unix)]
#[test]
fn a_link_in_place_of_a_file_on_its_way_is_not_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let (root, elsewhere) = (folder.path().join("store"), folder.path().join("elsewhere"));
    fs::create_dir(&root).unwrap();
    fs::write(&elsewhere, "mine").unwrap();
    std::os::unix::fs::symlink(&elsewhere, root.join("FORMAT%tmp")).unwrap();
    assert_refused(LmdbStorage::open(&root), OpenErrorKind::Io, &["FORMAT"]);
    assert_eq!(fs::read(&elsewhere).unwrap(), b"mine");
}

#[cfg(unix)]
#[test]
fn links_in_place_of_the_stores_own_files_are_refused() {
    for name in ["LOCK", "FORMAT", "data.mdb", "lock.mdb"] {
        let scene = scene();
        drop(scene.store);
        let elsewhere = scene.folder.path().join("elsewhere");
        fs::rename(scene.root.join(name), &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, scene.root.join(name)).unwrap();
        assert_refused(LmdbStorage::open(&scene.root), OpenErrorKind::NotAStore, &[name, "no symbolic links"]);
    }
}

/// Bug: what `LOCK`, `lock.mdb` or `FORMAT%tmp` was a hard link to was written over. Cause: only symbolic links were
/// refused. Fix: nothing is written into a file that has another name, which a snapshot by hard links gives it too.
#[cfg(unix)]
#[test]
fn hard_links_in_place_of_files_of_the_moment_are_not_written_through() {
    for name in ["LOCK", "lock.mdb", "FORMAT%tmp"] {
        let scene = scene();
        scene.save(&alice(), b"1");
        drop(scene.store);
        let outside = scene.folder.path().join("outside");
        fs::write(&outside, "precious").unwrap();
        let _ = fs::remove_file(scene.root.join(name));
        fs::hard_link(&outside, scene.root.join(name)).unwrap();
        // It is written anew.
        fs::remove_file(scene.root.join("FORMAT")).unwrap();
        let store = LmdbStorage::open(&scene.root).unwrap();
        store.save(&id("account", "bob"), None, b"2", None).unwrap();
        assert_eq!(fs::read(&outside).unwrap(), b"precious", "{name}");
        assert!(LmdbStorage::open(&scene.root).is_err(), "{name}: the lock still locks");
    }
}

#[test]
fn a_store_that_vanished_or_was_replaced_takes_no_saves_and_knows_of_no_absence() {
    let scene = scene();
    let first = scene.save(&alice(), b"1");
    let away = scene.folder.path().join("away");
    fs::rename(&scene.root, &away).unwrap();
    for _ in ["no folder", "an empty folder"] {
        let saved = scene.store.save(&alice(), Some(first), b"2", None);
        assert_fails(saved, StorageErrorKind::Unreachable, "not the store that was opened");
        assert_fails(scene.store.wipe(&alice(), None), StorageErrorKind::Unreachable, "not the store");
        assert_fails(scene.store.load(&id("account", "bob")), StorageErrorKind::Unreachable, "not the store");
        fs::create_dir_all(&scene.root).unwrap();
    }
    fs::remove_dir_all(&scene.root).unwrap();
    fs::rename(&away, &scene.root).unwrap();
    assert_eq!(scene.bytes(&alice()), Some(b"1".to_vec()));
    scene.save(&alice(), b"2");
}

#[test]
fn the_smallest_limit_is_enough_for_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = LmdbStorage::options().map_bytes(0).open(folder.path()).unwrap();
    store.save(&alice(), None, b"1", None).unwrap();
}

#[test]
fn addresses_that_are_not_to_be_had_are_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let result = LmdbStorage::options().map_bytes(1 << 62).open(folder.path());
    assert_refused(result, OpenErrorKind::Io, &["map_bytes"]);
    LmdbStorage::open(folder.path()).unwrap().save(&alice(), None, b"1", None).unwrap();
}
