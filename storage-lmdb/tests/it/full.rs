//! A store that is full loses nothing and can be used.

use std::sync::Barrier;

use gargoyle::{Storage, StorageErrorKind};
use gargoyle_storage_lmdb::LmdbStorage;

use crate::{Scene, alice, assert_fails, id};

const MAP_BYTES: u64 = 4 << 20;

fn small_scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    Scene { store: LmdbStorage::options().map_bytes(MAP_BYTES).open(&root).unwrap(), root, folder }
}

/// Saves until nothing more of this size fits. Returns how many did.
fn fill(scene: &Scene, kind: &str, bytes: usize) -> usize {
    for n in 0.. {
        match scene.store.save(&id(kind, &n.to_string()), None, &vec![n as u8; bytes], None) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), StorageErrorKind::Full, "{error}");
                assert!(error.to_string().contains("map_bytes"), "{error}");
                assert!(error.to_string().contains(&scene.root.canonicalize().unwrap().display().to_string()));
                return n;
            }
        }
    }
    unreachable!()
}

#[track_caller]
fn assert_has(scene: &Scene, kind: &str, count: usize, bytes: usize) {
    for n in 0..count {
        assert_eq!(scene.bytes(&id(kind, &n.to_string())), Some(vec![n as u8; bytes]), "{kind} {n}");
    }
    assert_eq!(scene.bytes(&id(kind, &count.to_string())), None);
    assert_eq!(scene.scan(Some(kind), None).len(), count);
}

#[test]
fn a_full_store_keeps_all_it_has_and_takes_what_does_not_let_it_grow() {
    let scene = small_scene();
    let large = fill(&scene, "large", 100_000);
    let small = fill(&scene, "small", 200);
    assert!(large > 30 && small > 50, "{large} {small}");
    for _ in 0..3 {
        assert_fails(scene.store.save(&alice(), None, &[0; 100_000], None), StorageErrorKind::Full, "map_bytes");
        // Saves in place, over and over: pages of old records become free and are used again.
        for n in 0..small {
            scene.save(&id("small", &n.to_string()), &[n as u8; 200]);
        }
    }
    assert_has(&scene, "large", large, 100_000);
    assert_has(&scene, "small", small, 200);
    let scene = scene.reopen();
    assert_has(&scene, "large", large, 100_000);
    assert_has(&scene, "small", small, 200);
}

#[test]
fn a_full_store_can_be_emptied_and_filled_again() {
    let scene = small_scene();
    let first = fill(&scene, "first", 3_000);
    for round in 0..3 {
        for n in 0..first {
            scene.store.wipe(&id("first", &n.to_string()), None).unwrap();
        }
        assert!(scene.scan(None, None).is_empty());
        let again = fill(&scene, "first", 3_000);
        assert!(again >= first * 9 / 10, "round {round}: {again} of {first}");
        let bytes = std::fs::metadata(scene.root.join("data.mdb")).unwrap().len();
        assert!(bytes <= MAP_BYTES + (2 << 20), "{bytes}");
        for n in again..first {
            assert_eq!(scene.bytes(&id("first", &n.to_string())), None);
        }
    }
}

#[test]
fn a_record_that_is_too_large_does_not_fail_its_neighbours() {
    let scene = small_scene();
    for round in 0..5 {
        let start = Barrier::new(24);
        std::thread::scope(|scope| {
            for n in 0..24 {
                let (scene, start) = (&scene, &start);
                scope.spawn(move || {
                    let me = id(&format!("round {round}"), &n.to_string());
                    start.wait();
                    if n % 8 == 3 {
                        let large = scene.store.save(&me, None, &vec![0; 5 << 20], None);
                        assert_fails(large, StorageErrorKind::Full, "map_bytes");
                    } else {
                        scene.store.save(&me, None, b"small", None).unwrap();
                    }
                });
            }
        });
        assert_eq!(scene.scan(Some(&format!("round {round}")), None).len(), 21);
    }
}

#[test]
fn a_larger_limit_makes_room_and_a_smaller_one_loses_nothing() {
    let scene = small_scene();
    let count = fill(&scene, "k", 1_000);
    let Scene { store, root, folder } = scene;
    drop(store);
    let store = LmdbStorage::options().map_bytes(4 * MAP_BYTES).open(&root).unwrap();
    let scene = Scene { store, root, folder };
    scene.save(&alice(), &[1; 1 << 20]);
    let Scene { store, root, folder } = scene;
    drop(store);
    // Below what it has already.
    let store = LmdbStorage::options().map_bytes(1 << 20).open(&root).unwrap();
    let scene = Scene { store, root, folder };
    assert_has(&scene, "k", count, 1_000);
    assert_fails(scene.store.save(&id("k", "new"), None, &[0; 5_000], None), StorageErrorKind::Full, "map_bytes");
    scene.save(&alice(), b"it may shrink");
    scene.save(&id("k", "0"), b"too");
}
