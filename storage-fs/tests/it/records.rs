//! Save, load and wipe as long as nothing goes wrong.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::sync::Barrier;

use gargoyle::{Storage, StorageErrorKind, Stored};

use crate::{alice, assert_fails, id, scene};

#[test]
fn a_record_of_any_size_is_loaded_as_it_was_saved_also_after_reopening() {
    for bytes in [0, 1, 3_987, 3_988, 3_989, 4_096, 10_000, 1 << 20] {
        let scene = scene();
        let body: Vec<u8> = (0..bytes).map(|at| at as u8).collect();
        let revision = scene.store.save(&alice(), None, &body, None).unwrap();
        let stored = Some(Stored { revision, bytes: body, wake_at: None });
        assert_eq!(scene.store.load(&alice()).unwrap(), stored);
        assert_eq!(scene.reopen().store.load(&alice()).unwrap(), stored);
    }
}

#[test]
fn a_record_may_grow_and_shrink_with_every_save() {
    let mut scene = scene();
    let mut last = None;
    for (turn, bytes) in [0, 10, 5_000, 4_000, 100_000, 0, 1 << 20, 1, 1 << 20, 700].into_iter().enumerate() {
        let body = vec![turn as u8; bytes];
        let revision = scene.store.save(&alice(), last, &body, None).unwrap();
        assert!(Some(revision) > last);
        last = Some(revision);
        assert_eq!(scene.bytes(&alice()), Some(body.clone()));
        scene = scene.reopen();
        assert_eq!(scene.bytes(&alice()), Some(body));
    }
}

#[test]
fn small_records_take_two_pages_and_are_overwritten_in_place() {
    let scene = scene();
    scene.save(&alice(), b"1");
    assert_eq!(scene.file(&alice()).len(), 8192);
    let mut opened = fs::File::open(scene.store.path_of(&alice())).unwrap();
    scene.save(&alice(), b"2");
    scene.save(&alice(), b"3");
    let mut same = Vec::new();
    opened.read_to_end(&mut same).unwrap();
    assert_eq!(same, scene.file(&alice()));
}

#[test]
fn a_record_over_the_limit_is_refused_and_the_old_one_stands() {
    let scene = scene();
    let first = scene.save(&alice(), b"1");
    let body = vec![0; 256 << 20];
    assert_fails(scene.store.save(&alice(), Some(first), &body, None), StorageErrorKind::Refused, "limit");
    assert_eq!(scene.bytes(&alice()), Some(b"1".to_vec()));
}

#[test]
fn every_awkward_id_has_a_file_of_its_own_inside_the_folder() {
    let scene = scene();
    let long = ["x".repeat(1024), "x".repeat(1023), "é".repeat(512), "😀".repeat(256)];
    let keys = [
        "",
        ".",
        "..",
        "../..",
        "/",
        "/etc",
        "\\",
        "\0",
        "a",
        "A",
        "é",
        "e\u{301}",
        "con",
        "nul.txt",
        "a.",
        "a ",
        "%41",
        "%~x",
        "😀",
        "a.1-1%tmp",
        "FORMAT",
        "\n",
        "-rf",
    ];
    let kinds = ["account", "FORMAT", "format", "LOCK", "lock", "REVISIONS", "..", ".", "/", "%~x", "00", "\0"];
    let ids: Vec<_> = keys
        .into_iter()
        .chain(long.iter().map(String::as_str))
        .map(|key| id("account", key))
        .chain(kinds.into_iter().flat_map(|kind| [id(kind, "a key"), id(kind, "")]))
        .collect();
    for id in &ids {
        scene
            .store
            .save(id, None, id.to_string().as_bytes(), None)
            .or_else(|error| match error.kind() {
                // The one id that is in both lists.
                StorageErrorKind::Stale if (id.kind(), id.key()) == ("account", "") => {
                    scene.store.load(id).map(|s| s.unwrap().revision)
                }
                _ => Err(error),
            })
            .unwrap();
    }

    let scene = scene.reopen();
    let mut files = HashSet::new();
    for id in &ids {
        assert_eq!(scene.bytes(id).unwrap(), id.to_string().into_bytes(), "{id}");
        let file = fs::canonicalize(scene.store.path_of(id)).unwrap();
        let inside = file.strip_prefix(fs::canonicalize(&scene.root).unwrap()).unwrap();
        assert_eq!(inside.components().count(), 3, "{inside:?}");
        files.insert(file);
    }
    assert_eq!(files.len(), ids.iter().collect::<HashSet<_>>().len());
}

#[test]
fn of_many_that_expect_one_revision_one_saves_and_the_others_are_told() {
    let scene = scene();
    let mut last = None;
    for _ in 0..20 {
        let start = Barrier::new(8);
        let results: Vec<_> = std::thread::scope(|scope| {
            let save = |n: u8| {
                start.wait();
                (n, scene.store.save(&alice(), last, &[n], None))
            };
            let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || save(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(|(_, result)| result.is_ok());
        let [(n, Ok(revision))] = won.as_slice() else { panic!("{won:?}") };
        lost.into_iter().for_each(|(_, result)| assert_fails(result, StorageErrorKind::Stale, "expected"));
        assert_eq!(
            scene.store.load(&alice()).unwrap(),
            Some(Stored { revision: *revision, bytes: vec![*n], wake_at: None })
        );
        last = Some(*revision);
    }
}

#[test]
fn actors_in_many_threads_do_not_disturb_each_other() {
    let scene = scene();
    std::thread::scope(|scope| {
        for n in 0..16_u32 {
            let store = &scene.store;
            scope.spawn(move || {
                let me = id("counter", &n.to_string());
                let mut last = None;
                for turn in 0..50_u32 {
                    last = Some(store.save(&me, last, &[n, turn].map(u32::to_le_bytes).concat(), None).unwrap());
                }
                store.wipe(&id("counter", "nobody"), None).unwrap();
            });
        }
    });
    for n in 0..16_u32 {
        assert_eq!(scene.bytes(&id("counter", &n.to_string())), Some([n, 49].map(u32::to_le_bytes).concat()));
    }
}

#[test]
fn a_save_or_wipe_that_expects_something_else_changes_nothing_and_names_both() {
    let scene = scene();
    let first = scene.save(&alice(), b"1");
    let second = scene.save(&alice(), b"2");
    let names_both = format!("expected revision {first}, found revision {second}");
    assert_fails(scene.store.save(&alice(), Some(first), b"3", None), StorageErrorKind::Stale, &names_both);
    assert_fails(scene.store.wipe(&alice(), Some(first)), StorageErrorKind::Stale, &names_both);
    assert_fails(scene.store.save(&alice(), None, b"3", None), StorageErrorKind::Stale, "expected no record");
    let bob = id("account", "bob");
    assert_fails(scene.store.save(&bob, Some(first), b"3", None), StorageErrorKind::Stale, "found no record");
    assert_eq!(scene.bytes(&alice()), Some(b"2".to_vec()));
    assert_eq!(scene.bytes(&bob), None);
}

#[test]
fn a_wiped_record_is_absent_also_after_reopening_and_wiping_again_is_fine() {
    let scene = scene();
    let first = scene.save(&alice(), b"1");
    scene.store.wipe(&alice(), Some(first)).unwrap();
    scene.store.wipe(&alice(), Some(first)).unwrap();
    scene.store.wipe(&alice(), None).unwrap();
    scene.store.wipe(&id("unheard of", "x"), None).unwrap();
    assert_eq!(scene.bytes(&alice()), None);
    assert_eq!(scene.reopen().bytes(&alice()), None);
}

#[test]
fn revisions_grow_over_saves_wipes_and_reopenings() {
    let mut scene = scene();
    let mut last = None;
    for turn in 0..12 {
        let revision = scene.save(&alice(), &vec![0; turn * 1000]);
        assert!(Some(revision) > last);
        last = Some(revision);
        if turn % 3 == 1 {
            scene.store.wipe(&alice(), last).unwrap();
        }
        if turn % 4 == 2 {
            scene = scene.reopen();
        }
    }
}
