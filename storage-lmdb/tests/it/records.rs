//! Save, load and wipe as long as nothing goes wrong.

use std::collections::HashSet;
use std::sync::Barrier;

use gargoyle::{Storage, StorageErrorKind, Stored};

use crate::{alice, assert_fails, id, scene};

#[test]
fn what_was_never_saved_is_absent() {
    let scene = scene();
    assert_eq!(scene.bytes(&alice()), None);
    scene.save(&id("account", "alic"), b"1");
    scene.save(&id("account", "alicf"), b"1");
    assert_eq!(scene.bytes(&alice()), None);
    assert_eq!(scene.reopen().bytes(&alice()), None);
}

#[test]
fn a_record_of_any_size_is_loaded_as_it_was_saved_also_after_reopening() {
    let mut scene = scene();
    for bytes in [0, 1, 1_900, 1_999, 2_000, 2_100, 3_987, 4_096, 10_000, 1 << 20, 16 << 20] {
        let body: Vec<u8> = (0..bytes).map(|at| at as u8).collect();
        let revision = scene.save(&alice(), &body);
        let stored = Some(Stored { revision, bytes: body, wake_at: None });
        assert_eq!(scene.store.load(&alice()).unwrap(), stored);
        scene = scene.reopen();
        assert_eq!(scene.store.load(&alice()).unwrap(), stored);
    }
}

#[test]
fn a_record_may_grow_and_shrink_with_every_save() {
    let scene = scene();
    for (turn, bytes) in [0, 10, 5_000, 4_000, 100_000, 0, 1 << 20, 1, 1 << 20, 700].into_iter().enumerate() {
        let body = vec![turn as u8; bytes];
        scene.save(&alice(), &body);
        assert_eq!(scene.bytes(&alice()), Some(body));
    }
}

#[test]
fn a_record_over_the_limit_is_refused_and_the_old_one_stands() {
    let scene = scene();
    let first = scene.save(&alice(), b"1");
    let body = vec![0; (256 << 20) + 1];
    assert_fails(scene.store.save(&alice(), Some(first), &body, None), StorageErrorKind::Refused, "limit");
    assert_eq!(scene.bytes(&alice()), Some(b"1".to_vec()));
}

#[test]
fn every_awkward_id_has_a_record_of_its_own() {
    let scene = scene();
    let shared = "x".repeat(600);
    let keys = [
        "",
        ".",
        "..",
        "/",
        "\\",
        "\0",
        "\0\0",
        "\u{1}",
        "a",
        "A",
        "a\0",
        "a\0b",
        "é",
        "e\u{301}",
        "😀",
        "\n",
        "format",
        "revision",
        "records",
        "due",
        &shared,
        &shared[1..],
        &"é".repeat(512),
        &"😀".repeat(256),
        &"\0".repeat(1024),
    ];
    let keys = keys.map(str::to_owned).into_iter().chain(["a", "b", "\0"].map(|end| shared.clone() + end));
    let kinds = ["account", "a", "a\0", "\0", "\u{1}", "\u{1}\u{1}", "\0a", &"\0".repeat(128), &"é".repeat(64)];
    let keys: Vec<String> = keys.collect();
    let ids: Vec<_> = kinds.iter().flat_map(|kind| keys.iter().map(|key| id(kind, key))).collect();
    for (n, id) in ids.iter().enumerate() {
        scene.store.save(id, None, &n.to_le_bytes(), None).unwrap();
    }
    let scene = scene.reopen();
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(scene.bytes(id), Some(n.to_le_bytes().to_vec()), "{id}");
    }
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!(scene.scan(None, None), sorted);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    for id in &ids {
        scene.store.wipe(id, None).unwrap();
        assert_eq!(scene.bytes(id), None, "{id}");
    }
    assert!(scene.scan(None, None).is_empty());
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

/// The saves of a batch are judged one after the other: what one of them does, the next one sees.
#[test]
fn a_stale_save_fails_alone_among_others_at_the_same_time() {
    let scene = scene();
    let first = scene.save(&alice(), b"1");
    scene.save(&alice(), b"2");
    let start = Barrier::new(32);
    std::thread::scope(|scope| {
        for n in 0..32 {
            let (scene, start) = (&scene, &start);
            scope.spawn(move || {
                start.wait();
                for turn in 0..20 {
                    if n % 2 == 0 {
                        let stale = scene.store.save(&alice(), Some(first), b"3", None);
                        assert_fails(stale, StorageErrorKind::Stale, "expected revision");
                    } else {
                        scene.store.save(&id("other", &format!("{n}-{turn}")), None, b"1", None).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(scene.bytes(&alice()), Some(b"2".to_vec()));
    assert_eq!(scene.scan(Some("other"), None).len(), 16 * 20);
}

#[test]
fn a_load_after_a_save_sees_it_also_in_another_thread() {
    let scene = scene();
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::sync_channel(0);
        let scene = &scene;
        scope.spawn(move || {
            for n in 0..200_u32 {
                scene.save(&alice(), &n.to_le_bytes());
                sender.send(n).unwrap();
            }
        });
        for n in receiver {
            let found = scene.bytes(&alice()).unwrap();
            assert!(u32::from_le_bytes(found.try_into().unwrap()) >= n);
        }
    });
}

#[test]
fn more_threads_than_places_for_readers_load_without_an_error() {
    let scene = scene();
    scene.save(&alice(), &[7; 100_000]);
    let start = Barrier::new(1_100);
    let scene = &scene;
    std::thread::scope(|scope| {
        for _ in 0..1_100 {
            std::thread::Builder::new()
                .stack_size(64 << 10)
                .spawn_scoped(scope, || {
                    start.wait();
                    assert_eq!(scene.bytes(&alice()).unwrap().len(), 100_000);
                })
                .unwrap();
        }
    });
}
