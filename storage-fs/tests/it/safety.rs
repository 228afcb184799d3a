//! Whatever a key or a kind is called, and whatever lies in the folder: nothing outside of it is read or changed, and
//! nobody but the owner can read what is inside.

use std::fs;
use std::path::{Component, Path};

use gargoyle::{ActorId, KEY_BYTES_MAX, KIND_BYTES_MAX, Storage};
use gargoyle_storage_fs::FsStorage;
use proptest::prelude::*;

use crate::{Scene, alice, scene};

/// Any text that is short enough, with those among them that mean something to a file system.
fn name(bytes_max: usize) -> impl Strategy<Value = String> {
    let awkward = prop_oneof![
        Just("..".to_owned()),
        Just("../".repeat(40)),
        Just("/etc/passwd".to_owned()),
        Just("..\\..\\x".to_owned()),
        Just("\0".to_owned()),
        Just("C:\\x".to_owned()),
        Just("WAKE".to_owned()),
        Just("%2e%2e".to_owned()),
        Just("é".repeat(60)),
    ];
    prop_oneof![1 => awkward, 3 => any::<String>(), 1 => "(?s-u:[./\\\\%~\0-\x1f])".prop_map(|text| text.repeat(50))]
        .prop_map(move |text| {
            text.chars()
                .scan(0, |bytes, c| {
                    *bytes += c.len_utf8();
                    (*bytes <= bytes_max).then_some(c)
                })
                .collect()
        })
}

proptest! {
    #[test]
    fn the_file_of_any_id_is_three_plain_names_below_the_store(kind in name(KIND_BYTES_MAX), key in name(KEY_BYTES_MAX)) {
        thread_local! {
            static SCENE: Scene = scene();
        }
        let Ok(id) = ActorId::new(kind, key) else { return Ok(()) };
        SCENE.with(|scene| {
            let root = fs::canonicalize(&scene.root).unwrap();
            let path = scene.store.path_of(&id);
            let below = path.strip_prefix(&root).unwrap();
            let names: Vec<_> = below.components().map(|part| match part {
                Component::Normal(name) => name.to_str().unwrap(),
                other => panic!("{id:?} leads to {other:?}"),
            }).collect();
            assert_eq!(names.len(), 3, "{id:?}: {names:?}");
            assert_eq!(names.join("/"), below.to_str().unwrap(), "no dot, no empty part");
            assert!(names[1].len() == 2 && names[1].bytes().all(|byte| byte.is_ascii_hexdigit()), "{names:?}");
            let of_store = |name: &&str| matches!(*name, "FORMAT" | "LOCK" | "REVISIONS" | "WAKE");
            assert!(!of_store(&names[0]), "{names:?}");

            scene.save(&id, b"here");
            assert_eq!(fs::canonicalize(&path).unwrap(), path);
            scene.store.wipe(&id, None).unwrap();
        });
    }
}

/// The folder stays as its owner made it. What is in it is nobody else's to read all the same.
#[cfg(unix)]
#[test]
fn in_a_folder_that_was_there_all_is_for_the_owner_alone_too() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let store = FsStorage::open(folder.path()).unwrap();
    store.save(&alice(), None, b"1", Some(std::time::SystemTime::now())).unwrap();

    fn check(folder: &Path) -> usize {
        let entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries
            .iter()
            .map(|path| {
                let metadata = fs::metadata(path).unwrap();
                let wanted = if metadata.is_dir() { 0o700 } else { 0o600 };
                assert_eq!(metadata.permissions().mode() & 0o777, wanted, "{}", path.display());
                1 + if metadata.is_dir() { check(path) } else { 0 }
            })
            .sum()
    }
    assert_eq!(check(folder.path()), 8, "FORMAT, LOCK, REVISIONS, WAKE with a note, and three for Alice");
    assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o755);
}

/// Bug: with a link in place of `WAKE`, notes were made, swept and removed in the folder that it led to. Cause: only
/// the folders of kinds and shards were looked at before they were used. Fix: so is this one.
#[cfg(unix)]
#[test]
fn a_link_in_place_of_the_notes_leads_nobody_out_of_the_store() {
    use gargoyle::StorageErrorKind::{Damaged, Refused};

    use crate::assert_fails;

    let scene = scene();
    let soon = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(5);
    let first = scene.store.save(&alice(), None, b"1", Some(soon)).unwrap();
    let elsewhere = scene.folder.path().join("elsewhere");
    fs::rename(scene.root.join("WAKE"), &elsewhere).unwrap();
    fs::write(elsewhere.join("mine.1-1%tmp"), "mine").unwrap();
    let names = || {
        let mut names: Vec<_> = fs::read_dir(&elsewhere).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    assert_eq!(before.len(), 2);
    std::os::unix::fs::symlink(&elsewhere, scene.root.join("WAKE")).unwrap();

    let scene = scene.reopen();
    let later = soon + std::time::Duration::from_secs(3600);
    assert_fails(scene.store.save(&alice(), Some(first), b"2", Some(later)), Refused, "no symbolic links");
    let long = crate::id("account", &"x".repeat(1000));
    assert_fails(scene.store.save(&long, None, b"2", Some(later)), Refused, "WAKE");
    assert_fails(scene.store.due(later, &mut |_| panic!("nobody is known to be due")), Damaged, "no symbolic links");
    // What needs no note goes on.
    let second = scene.store.save(&alice(), Some(first), b"2", None).unwrap();
    scene.store.wipe(&alice(), Some(second)).unwrap();
    assert_eq!(names(), before);
}
