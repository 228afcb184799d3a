//! Who may open what, and what is said to those who may not.

use std::fs;
use std::process::{Command, Output};

use gargoyle::Storage;
use gargoyle_storage_fs::{FsStorage, OpenError, OpenErrorKind};

use crate::{alice, assert_fails, id, scene};

#[track_caller]
fn assert_refused(result: Result<FsStorage, OpenError>, kind: OpenErrorKind, named: &[&str]) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    for part in named {
        assert!(error.to_string().contains(part), "{error} does not say {part}");
    }
}

/// The store that a child process works on, see `child`.
const CHILD_STORE: &str = "GARGOYLE_TEST_CHILD_STORE";

/// Runs `work_of_a_child` in a process of its own.
fn child(store: &std::path::Path) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "opening::work_of_a_child", "--nocapture"])
        .env(CHILD_STORE, store)
        .output()
        .unwrap()
}

/// Does nothing when it runs as a test. As a child it opens the store, saves, and dies without a farewell.
#[test]
fn work_of_a_child() {
    let Some(path) = std::env::var_os(CHILD_STORE) else { return };
    match FsStorage::open(path) {
        Ok(store) => {
            store.save(&alice(), None, b"saved by a child", None).unwrap();
            std::process::abort();
        }
        Err(error) => println!("{:?}: {error}", error.kind()),
    }
}

#[test]
fn a_second_opener_is_told_which_store_it_is_and_who_has_it() {
    let scene = scene();
    let pid = format!("process {}", std::process::id());
    let root = fs::canonicalize(&scene.root).unwrap().display().to_string();
    assert_refused(FsStorage::open(&scene.root), OpenErrorKind::InUse, &[&root, &pid]);
    let output = child(&scene.root);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("InUse") && said.contains(&root) && said.contains(&pid), "{said}");
    scene.save(&alice(), b"still ours");
}

/// Bug: a store that was dropped could not be opened: "open already", in this very process. Cause: the lock belongs to
/// all copies of its descriptor, and a child that another thread was starting had some until it ran its own program. Fix:
/// the lock is given back before its descriptor is closed.
#[cfg(unix)]
#[test]
fn a_store_that_was_closed_can_be_opened_while_children_are_started() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let folder = tempfile::tempdir().unwrap();
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(Ordering::Relaxed) {
                Command::new("true").status().unwrap();
            }
        });
        let opened = (0..200).try_for_each(|_| FsStorage::open(folder.path()).map(drop));
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
    assert_refused(FsStorage::open(&scene.root), OpenErrorKind::InUse, &[&root]);
    scene.reopen().save(&alice(), b"1");
}

/// Bug: a store on a full medium did not open. Cause: opening it reserved revisions. Fix: the first save does.
#[test]
fn opening_loading_and_wiping_write_no_new_file() {
    let scene = scene();
    let first = scene.save(&alice(), b"1");
    let revisions = |scene: &crate::Scene| fs::read(scene.root.join("REVISIONS")).unwrap();
    let before = revisions(&scene);
    let scene = scene.reopen();
    assert_eq!(scene.bytes(&alice()), Some(b"1".to_vec()));
    scene.store.wipe(&alice(), Some(first)).unwrap();
    let scene = scene.reopen();
    assert_eq!(scene.bytes(&alice()), None);
    assert_eq!(revisions(&scene), before);
    assert!(scene.save(&alice(), b"2") > first);
    assert_ne!(revisions(&scene), before);
}

#[test]
fn a_store_whose_owner_was_killed_opens_with_all_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    assert!(!child(folder.path()).status.success());
    let store = FsStorage::open(folder.path()).unwrap();
    assert_eq!(store.load(&alice()).unwrap().unwrap().bytes, b"saved by a child");
}

#[test]
fn an_unknown_format_is_refused_and_both_versions_are_named() {
    let scene = scene();
    drop(scene.store);
    fs::write(scene.root.join("FORMAT"), "gargoyle-storage-fs 12\n").unwrap();
    assert_refused(FsStorage::open(&scene.root), OpenErrorKind::UnknownFormat, &["\"12\"", "format 1 only"]);
    for strange in ["", "hello", "gargoyle-storage-fs", "gargoyle-storage-lmdb 1"] {
        fs::write(scene.root.join("FORMAT"), strange).unwrap();
        assert_refused(FsStorage::open(&scene.root), OpenErrorKind::NotAStore, &["FORMAT"]);
    }
}

#[test]
fn a_folder_of_something_else_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
    assert_refused(FsStorage::open(folder.path()), OpenErrorKind::NotAStore, &["thesis.txt", "folder of its own"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let file = folder.path().join("thesis.txt");
    assert_refused(FsStorage::open(&file), OpenErrorKind::Io, &["thesis.txt"]);
    let error = FsStorage::open(&file).unwrap_err();
    let cause = std::error::Error::source(&error).expect("what the file system says");
    assert_eq!(format!("{error:#}"), format!("{error}: {cause}"));
    assert_eq!(fs::read(&file).unwrap(), b"years of work");
}

#[test]
fn a_store_that_lost_its_format_is_not_begun_anew() {
    let scene = scene();
    scene.save(&alice(), b"1");
    drop(scene.store);
    fs::remove_file(scene.root.join("FORMAT")).unwrap();
    assert_refused(FsStorage::open(&scene.root), OpenErrorKind::NotAStore, &["account"]);
}

#[test]
fn a_store_whose_maker_died_before_the_end_is_made_anew() {
    for left in [&["LOCK"][..], &["LOCK", "REVISIONS.1-0%tmp"], &["LOCK", "FORMAT.1-0%tmp"]] {
        let folder = tempfile::tempdir().unwrap();
        left.iter().for_each(|name| fs::write(folder.path().join(name), "half").unwrap());
        FsStorage::open(folder.path()).unwrap().save(&alice(), None, b"1", None).unwrap();
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["FORMAT", "LOCK", "REVISIONS", "WAKE", "account"]);
    }
}

/// Bug: an actor that was wiped, and saved again after `FORMAT` and the empty folders were removed, had its first revision once
/// more. Cause: whoever made the store anew began the count anew. Fix: a count that is there goes on, and one that cannot be
/// read is refused.
#[test]
fn a_store_that_is_made_anew_goes_on_with_the_count_that_it_finds() {
    let scene = scene();
    let first = scene.save(&alice(), b"1");
    scene.store.wipe(&alice(), None).unwrap();
    drop(scene.store);
    let unmake = || {
        fs::remove_file(scene.root.join("FORMAT")).unwrap();
        fs::remove_dir_all(scene.root.join("account")).unwrap();
    };
    unmake();
    let store = FsStorage::open(&scene.root).unwrap();
    assert!(store.save(&alice(), None, b"2", None).unwrap() > first);
    drop(store);
    unmake();
    let revisions = scene.root.join("REVISIONS");
    for broken in ["", "half"] {
        fs::write(&revisions, broken).unwrap();
        assert_refused(FsStorage::open(&scene.root), OpenErrorKind::Damaged, &["REVISIONS", "restore it"]);
        assert_eq!(fs::read(&revisions).unwrap(), broken.as_bytes());
    }
}

#[test]
fn without_sound_revisions_a_store_does_not_open() {
    let scene = scene();
    scene.save(&alice(), b"1");
    drop(scene.store);
    let path = scene.root.join("REVISIONS");
    let sound = fs::read(&path).unwrap();
    for at in 0..sound.len() {
        let mut broken = sound.clone();
        broken[at] ^= 4;
        fs::write(&path, broken).unwrap();
        assert_refused(FsStorage::open(&scene.root), OpenErrorKind::Damaged, &["REVISIONS", "restore"]);
    }
    fs::write(&path, vec![b' '; 100_000]).unwrap();
    assert_refused(FsStorage::open(&scene.root), OpenErrorKind::Damaged, &["REVISIONS"]);
    fs::remove_file(&path).unwrap();
    assert_refused(FsStorage::open(&scene.root), OpenErrorKind::Damaged, &["REVISIONS", "missing"]);
    fs::write(&path, sound).unwrap();
    FsStorage::open(&scene.root).unwrap();
}

#[test]
fn missing_parents_are_made_and_relative_paths_hold_after_a_change_of_folder() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b/../c");
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    let store = FsStorage::open(&deep).unwrap();
    assert!(store.path_of(&alice()).is_absolute());
    assert!(!store.path_of(&alice()).components().any(|part| part.as_os_str() == ".."));
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_look_into_a_store() {
    use std::os::unix::fs::PermissionsExt;
    let scene = scene();
    scene.save(&alice(), b"1");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let file = scene.store.path_of(&alice());
    for name in ["FORMAT", "LOCK", "REVISIONS"] {
        assert_eq!(mode(&scene.root.join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&file), 0o600);
    assert!(file.ancestors().skip(1).take(3).all(|folder| mode(folder) == 0o700));
}

#[cfg(unix)]
#[test]
fn links_in_place_of_the_stores_own_files_are_refused() {
    for name in ["LOCK", "FORMAT", "REVISIONS"] {
        let scene = scene();
        drop(scene.store);
        let elsewhere = scene.folder.path().join("elsewhere");
        fs::rename(scene.root.join(name), &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, scene.root.join(name)).unwrap();
        FsStorage::open(&scene.root).unwrap_err();
    }
}

/// Bug: a `LOCK` that somebody had written into told the terminal what to do. Cause: its first line was shown as it was. Fix:
/// only a number is.
#[cfg(unix)]
#[test]
fn of_a_lock_file_nothing_but_a_process_id_is_shown() {
    let scene = scene();
    for strange in ["\u{1b}[2J\u{1b}]0;title\u{7}\n", "4711 \u{1b}[2J\n", "-1\n", "99999999999\n", "\n", ""] {
        fs::write(scene.root.join("LOCK"), strange).unwrap();
        assert_refused(FsStorage::open(&scene.root), OpenErrorKind::InUse, &["open already, in another process;"]);
    }
    fs::write(scene.root.join("LOCK"), "4711\nand so on").unwrap();
    assert_refused(FsStorage::open(&scene.root), OpenErrorKind::InUse, &["in process 4711;"]);
}

/// Bug: a file that had the name `LOCK` too was emptied, and the id of the process written into it. Cause: a hard link is a
/// file. Fix: one with other names is locked as ever, and nothing is written into it.
#[cfg(unix)]
#[test]
fn a_lock_file_with_another_name_is_locked_and_left_as_it_is() {
    let scene = scene();
    drop(scene.store);
    let (lock, thesis) = (scene.root.join("LOCK"), scene.folder.path().join("thesis.txt"));
    fs::write(&thesis, "4711\nyears of work").unwrap();
    fs::remove_file(&lock).unwrap();
    fs::hard_link(&thesis, &lock).unwrap();
    let store = FsStorage::open(&scene.root).unwrap();
    store.save(&alice(), None, b"1", None).unwrap();
    assert_refused(FsStorage::open(&scene.root), OpenErrorKind::InUse, &["another process"]);
    drop(store);
    assert_eq!(fs::read(&thesis).unwrap(), b"4711\nyears of work");
}

/// Root may write everywhere, so this says nothing where the tests run as root.
#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_written_refuses_saves_and_keeps_what_it_has() {
    use std::os::unix::fs::PermissionsExt;
    let scene = scene();
    scene.save(&alice(), b"1");
    let shard = scene.store.path_of(&alice()).parent().unwrap().to_owned();
    let allow = |mode| fs::set_permissions(&shard, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o500);
    let is_root = fs::write(shard.join("probe"), "").is_ok();
    if !is_root {
        let found = scene.store.load(&alice()).unwrap().map(|stored| stored.revision);
        let large = vec![0; 5000];
        assert_fails(
            scene.store.save(&alice(), found, &large, None),
            gargoyle::StorageErrorKind::Refused,
            "this user's to write",
        );
        assert_fails(scene.store.wipe(&alice(), found), gargoyle::StorageErrorKind::Refused, "this user's to write");
        let mut unsettled = scene.file(&alice());
        unsettled[4096 + 64..4096 + 96].fill(0);
        scene.put_file(&alice(), &unsettled);
        assert_fails(scene.store.load(&alice()), gargoyle::StorageErrorKind::Refused, "needs a new file");
        assert_eq!(scene.file(&alice()), unsettled);
        allow(0o700);
        assert_eq!(scene.bytes(&alice()), Some(b"1".to_vec()));
    }
    allow(0o700);
    assert_eq!(scene.bytes(&id("account", "nobody")), None);
}
