//! Bytes that rotted, a file that was cut: they are reported, and never taken for an absence or another record.

use std::fs;

use gargoyle::{ActorId, Storage, StorageErrorKind};
use gargoyle_storage_lmdb::{LmdbStorage, OpenErrorKind};

use crate::{Scene, alice, assert_fails, at, id, scene};

/// A store with so many actors, some of them large, all of them due, and some pages free.
fn crowd(count: usize) -> (Scene, Vec<(ActorId, Vec<u8>)>) {
    let scene = scene();
    let records: Vec<_> = (0..count)
        .map(|n| {
            let key = if n % 50 == 7 { "long".repeat(200) + &n.to_string() } else { format!("{n:04}") };
            (id("account", &key), vec![n as u8; if n % 40 == 5 { 9_000 } else { 60 + n % 7 }])
        })
        .collect();
    for turn in 0..2 {
        std::thread::scope(|scope| {
            for part in records.chunks(count.div_ceil(16)) {
                let scene = &scene;
                scope.spawn(move || {
                    for (id, body) in part {
                        scene.save_with(id, body, Some(at(5 + turn)));
                    }
                });
            }
        });
    }
    (scene, records)
}

/// Flips a bit at every place where `bytes` are, `offset` further: LMDB leaves old copies of pages behind.
fn flip(file: &mut [u8], bytes: &[u8], offset: isize, bit: u8) {
    let places: Vec<_> = file.windows(bytes.len()).enumerate().filter(|(_, found)| *found == bytes).collect();
    let places: Vec<_> = places.into_iter().map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| file[at.checked_add_signed(offset).unwrap()] ^= 1 << bit);
}

#[test]
fn a_body_that_rotted_is_damaged_and_can_be_wiped() {
    for large in [20, 20_000] {
        let scene = scene();
        let mut body = b"a body that is nowhere else".to_vec();
        body.resize(large + body.len(), b'.');
        let revision = scene.save_with(&alice(), &body, Some(at(5)));
        scene.save(&id("account", "bob"), b"sound");
        let scene = scene.with_file(|file| flip(file, b"a body that is nowhere else", 3, 2));
        for _ in 0..2 {
            assert_fails(scene.store.load(&alice()), StorageErrorKind::Damaged, "account/alice");
        }
        assert_eq!(scene.bytes(&id("account", "bob")), Some(b"sound".to_vec()));
        assert_eq!(scene.bytes(&id("account", "alicf")), None, "its neighbours are born");
        assert_eq!(scene.scan(None, None).len(), 2);
        assert_eq!(scene.due(at(9)), [alice()]);
        assert_fails(scene.store.save(&alice(), None, b"2", None), StorageErrorKind::Stale, "alice");
        scene.store.wipe(&alice(), Some(revision)).unwrap();
        assert_eq!(scene.bytes(&alice()), None);
        assert!(scene.due(at(9)).is_empty());
        assert!(scene.save(&alice(), b"2") > revision);
    }
}

#[test]
fn a_head_that_rotted_is_damaged_for_all_but_a_wipe_without_conditions() {
    // Parts of the head in front of the id, and the id.
    let offsets = (-32..-4).chain(0..12);
    for (offset, bit) in offsets.flat_map(|offset| [(offset, 0), (offset, 5)]) {
        let scene = scene();
        let revision = scene.save_with(&alice(), b" the body", Some(at(5)));
        scene.save_with(&id("account", "bob"), b"sound", Some(at(5)));
        let scene = scene.with_file(|file| flip(file, b"accountalice the body", offset, bit));
        assert_fails(scene.store.load(&alice()), StorageErrorKind::Damaged, "account/alice");
        assert_fails(scene.store.save(&alice(), None, b"2", None), StorageErrorKind::Damaged, "alice");
        assert_fails(scene.store.save(&alice(), Some(revision), b"2", None), StorageErrorKind::Damaged, "alice");
        assert_fails(scene.store.wipe(&alice(), Some(revision)), StorageErrorKind::Damaged, "alice");
        assert_eq!(scene.due(at(9)).len(), 2);
        assert_eq!(scene.bytes(&id("account", "bob")), Some(b"sound".to_vec()));
        let (shown, result) = scene.scan_damaged();
        assert_eq!(shown, [alice(), id("account", "bob")], "its place says whose it is");
        if offset < 0 {
            assert_eq!(scene.bytes(&id("account", "alicf")), None, "its neighbours are born");
            result.unwrap();
        } else {
            // Whose it is has rotted, or its place has: nobody can tell.
            assert_fails(scene.store.load(&id("account", "alicf")), StorageErrorKind::Damaged, "beside its place");
            assert_fails(result, StorageErrorKind::Damaged, "may be missing");
        }
        scene.store.wipe(&alice(), None).unwrap();
        assert_eq!(scene.bytes(&alice()), None);
        assert_eq!(scene.bytes(&id("account", "alicf")), None);
        assert_eq!(scene.due(at(9)), [id("account", "bob")], "the index forgets it too");
        scene.save(&alice(), b"2");
    }
}

/// The key of a record is in LMDB's page. With it rotten a search goes astray, but ends beside it.
#[test]
fn a_key_that_rotted_makes_no_record_absent_that_is_there() {
    let (mut scene, records) = crowd(120);
    let sound = |scene: &Scene| records.iter().filter(|(id, body)| scene.bytes(id).as_ref() == Some(body)).count();
    assert_eq!(sound(&scene), records.len());
    for (offset, bit) in [(11, 0), (11, 6), (10, 3), (8, 6), (7, 0), (0, 1), (3, 7)] {
        let mut sound_file = Vec::new();
        scene = scene.with_file(|file| {
            sound_file.clone_from(file);
            flip(file, b"account\x000060", offset, bit);
        });
        let mut lost = 0;
        for (id, body) in &records {
            match scene.store.load(id) {
                Ok(found) => assert_eq!(found.map(|found| found.bytes).as_ref(), Some(body), "{id}"),
                Err(error) => {
                    assert_eq!(error.kind(), StorageErrorKind::Damaged, "{error}");
                    lost += 1;
                }
            }
        }
        assert!((1..60).contains(&lost), "{lost} with {offset} {bit}");
        scene = scene.with_file(|file| *file = sound_file);
    }
    assert_eq!(sound(&scene), records.len());
}

#[test]
fn a_long_name_that_rotted_fails_a_scan_after_all_others_were_shown() {
    let scene = scene();
    let long = id("k", &"x".repeat(900));
    for id in [&alice(), &long, &id("z", "z")] {
        scene.save(id, b" the body");
    }
    let scene = scene.with_file(|file| flip(file, b"xxx the body", 0, 0));
    let (seen, result) = scene.scan_damaged();
    assert_fails(result, StorageErrorKind::Damaged, "may be missing");
    assert_eq!(seen, [alice(), id("z", "z")]);
    assert_fails(scene.store.load(&long), StorageErrorKind::Damaged, "xxx");
    scene.store.wipe(&long, None).unwrap();
    assert_eq!(scene.scan(None, None).len(), 2);
}

#[test]
fn a_count_of_revisions_that_rotted_opens_no_store() {
    let Scene { store, root, folder: _folder } = scene();
    store.save(&alice(), None, b"1", None).unwrap();
    drop(store);
    let path = root.join("data.mdb");
    let mut file = fs::read(&path).unwrap();
    flip(&mut file, b"revision\x01\0\0\0\0\0\0\0", 8, 1);
    fs::write(&path, file).unwrap();
    let error = LmdbStorage::open(&root).unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::Damaged);
    assert!(error.to_string().contains("revisions"), "{error}");
}

#[test]
fn meta_pages_that_rotted_open_no_store_and_no_older_state() {
    let (Scene { store, root, folder: _folder }, _) = crowd(100);
    drop(store);
    let path = root.join("data.mdb");
    let sound = fs::read(&path).unwrap();
    let refused = |file: &[u8]| {
        fs::write(&path, file).unwrap();
        let error = LmdbStorage::open(&root).unwrap_err();
        assert_eq!(error.kind(), OpenErrorKind::Damaged, "{error}");
        assert!(error.to_string().contains("data.mdb"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), file, "left as it was");
    };
    for page in 0..2 {
        let mut zeroed = sound.clone();
        zeroed[page * 4096..(page + 1) * 4096].fill(0);
        refused(&zeroed);
        // Magic, version, page size, both roots, the number of the transaction.
        let fields = if page == 0 { vec![16, 20, 40] } else { vec![16, 20] };
        for at in fields.into_iter().chain([144, 145, 150]).map(|at| at + page * 4096) {
            let mut broken = sound.clone();
            broken[at] ^= 0x10;
            refused(&broken);
        }
    }
    for bytes in [0, 1, 100, 4096, 8191, 8192, 12_288] {
        refused(&sound[..bytes]);
    }
    fs::write(&path, &sound).unwrap();
    LmdbStorage::open(&root).unwrap();
}

/// A file that was cut must not be mapped: a page behind its end kills the process when it is touched.
#[test]
fn a_file_that_was_cut_anywhere_opens_no_store() {
    let (Scene { store, root, folder: _folder }, _) = crowd(300);
    drop(store);
    let path = root.join("data.mdb");
    let sound = fs::read(&path).unwrap();
    let mut refused = 0;
    for pages in (2..sound.len() / 4096).step_by(3) {
        let cut = &sound[..pages * 4096 + 100 * (pages % 2)];
        fs::write(&path, cut).unwrap();
        match LmdbStorage::open(&root) {
            Ok(store) => {
                // Only free pages were at the end.
                drop(store);
                LmdbStorage::options().check_pages(true).open(&root).unwrap();
            }
            Err(error) => {
                assert_eq!(error.kind(), OpenErrorKind::Damaged, "{error}");
                assert_eq!(fs::read(&path).unwrap(), cut);
                refused += 1;
            }
        }
    }
    assert!(refused > 20, "{refused}");
}

/// How often `any_byte_of_the_file_may_rot` breaks a file.
const FLIPS: &str = "GARGOYLE_TEST_FLIPS";

/// With all pages looked at, whatever byte rots: the store does not open, or each actor is right or reported.
#[test]
fn any_byte_of_the_file_may_rot() {
    let (Scene { store, root, folder: _folder }, records) = crowd(150);
    let free = id("account", "nobody");
    drop(store);
    let path = root.join("data.mdb");
    let sound = fs::read(&path).unwrap();
    LmdbStorage::options().check_pages(true).open(&root).unwrap();
    let flips: usize = std::env::var(FLIPS).map_or(1_500, |flips| flips.parse().expect("a number"));
    let mut random = fastrand::Rng::with_seed(flips as u64);
    let (mut refused, mut reported, mut harmless) = (0, 0, 0);
    for _ in 0..flips {
        let mut broken = sound.clone();
        // Every other time where pages say how they are laid out, which most bytes do not.
        let anywhere = random.usize(..broken.len());
        let at = if random.bool() { anywhere } else { anywhere / 4096 * 4096 + random.usize(..200) };
        broken[at] ^= 1 << random.u8(..8);
        fs::write(&path, &broken).unwrap();
        let store = match LmdbStorage::options().check_pages(true).open(&root) {
            Ok(store) => store,
            Err(error) => {
                let is_right = matches!(error.kind(), OpenErrorKind::Damaged | OpenErrorKind::UnknownFormat);
                assert!(is_right, "{error}, byte {at}");
                refused += 1;
                continue;
            }
        };
        let mut found_it = false;
        for (id, body) in &records {
            match store.load(id) {
                Ok(found) => assert_eq!(found.map(|found| found.bytes).as_ref(), Some(body), "{id}, byte {at}"),
                Err(error) => {
                    assert_eq!(error.kind(), StorageErrorKind::Damaged, "{error}, byte {at}");
                    found_it = true;
                }
            }
        }
        let _ = store.load(&free);
        if found_it { reported += 1 } else { harmless += 1 }
    }
    assert!(refused.min(reported).min(harmless) > flips / 500, "{refused} {reported} {harmless}");
}

/// What a forged file says, where LMDB keeps it: offsets in a page of 4096 bytes on a machine with 64 bits.
mod forge {
    pub(super) const PAGE: usize = 4096;
    /// In both meta pages: the roots of the tree of free pages and, after it, of the main one; the counts of that.
    pub(super) const FREE_ROOT_AT: usize = 16 + 24 + 40;
    pub(super) const MAIN_COUNTS_AT: std::ops::Range<usize> = 16 + 72 + 8..16 + 72 + 32;
    const LEAF: u16 = 0x02;

    pub(super) fn u16_at(file: &[u8], at: usize) -> usize {
        u16::from_ne_bytes([file[at], file[at + 1]]).into()
    }

    pub(super) fn word_at(file: &[u8], at: usize) -> usize {
        usize::from_ne_bytes(file[at..at + 8].try_into().unwrap())
    }

    /// The pages that are leaves, in use or not, with the places of their entries.
    pub(super) fn leaves(file: &[u8]) -> Vec<Vec<usize>> {
        let pages = (2..file.len() / PAGE).map(|page| page * PAGE);
        let is_leaf =
            |page: &usize| u16_at(file, page + 10) == usize::from(LEAF) && word_at(file, *page) == page / PAGE;
        let entries = |page: usize| {
            let offsets = (page + 16..page + u16_at(file, page + 12)).step_by(2);
            offsets.map(|at| page + u16_at(file, at)).collect()
        };
        pages.filter(is_leaf).map(entries).collect()
    }
}

#[track_caller]
fn assert_forgery_is_found(root: &std::path::Path, file: &[u8], named: &str) {
    fs::write(root.join("data.mdb"), file).unwrap();
    let error = LmdbStorage::options().check_pages(true).open(root).unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::Damaged, "{error}");
    assert!(error.to_string().contains(named), "{error}");
}

/// Bug: a save panicked with an overflow, in a debug build. Cause: nobody had looked at the counts of pages, which are
/// added up to know how full the store is. Fix: they are added so that nothing can overflow, and `check_pages` compares
/// them with what is there.
#[test]
fn counts_of_pages_that_rotted_make_no_save_panic() {
    let scene = scene();
    let first = scene.save(&alice(), b"1");
    let scene = scene.with_file(|file| {
        (0..2).for_each(|meta| file[meta * forge::PAGE..][forge::MAIN_COUNTS_AT].fill(0xff));
    });
    assert_eq!(scene.bytes(&alice()), Some(b"1".to_vec()));
    scene.store.save(&alice(), Some(first), b"2", None).unwrap();
    let Scene { store, root, folder: _folder } = scene;
    drop(store);
    assert_forgery_is_found(&root, &fs::read(root.join("data.mdb")).unwrap(), "as many pages");
}

/// Bug: `check_pages` let a page through that was free twice. LMDB gives it out twice then, and the second one writes over
/// the first. Cause: free pages were compared with those in use only. Fix: each is taken once, and lists are in order.
#[test]
fn a_page_that_is_free_twice_is_found() {
    let (Scene { store, root, folder: _folder }, _) = crowd(100);
    drop(store);
    let mut file = fs::read(root.join("data.mdb")).unwrap();
    let roots = [0, forge::PAGE].map(|meta| forge::word_at(&file, meta + forge::FREE_ROOT_AT));
    let lists = forge::leaves(&file).into_iter().flatten().filter(|at| roots.contains(&(at / forge::PAGE)));
    let mut forged = 0;
    for list in lists.collect::<Vec<_>>() {
        // The key is a word, then the number of pages, then the pages.
        let pages_at = list + 8 + 8 + 8;
        if forge::word_at(&file, pages_at - 8) >= 2 {
            file.copy_within(pages_at..pages_at + 8, pages_at + 8);
            forged += 1;
        }
    }
    assert!(forged > 0);
    assert_forgery_is_found(&root, &file, "free pages");
}

/// Bug: `check_pages` let a page through in which one entry reached into another. LMDB moves the bytes of the others when
/// one goes, and reads sizes then where there are none. Cause: entries were looked at one by one. Fix: together.
#[test]
fn entries_that_overlap_are_found() {
    let (Scene { store, root, folder: _folder }, _) = crowd(100);
    drop(store);
    let sound = fs::read(root.join("data.mdb")).unwrap();
    let mut found = 0;
    for entries in forge::leaves(&sound) {
        let Some(&first) = entries.iter().min().filter(|_| entries.len() > 1) else { continue };
        let mut file = sound.clone();
        let size = u16::try_from(forge::u16_at(&file, first)).unwrap() + 2;
        file[first..first + 2].copy_from_slice(&size.to_ne_bytes());
        fs::write(root.join("data.mdb"), &file).unwrap();
        // Most of these pages are no longer in use.
        if let Err(error) = LmdbStorage::options().check_pages(true).open(&root) {
            assert_eq!(error.kind(), OpenErrorKind::Damaged, "{error}");
            found += usize::from(error.to_string().contains("overlap"));
        }
    }
    assert!(found > 0);
}

/// A count of revisions with another number in it, and a checksum that fits.
fn forge_revisions(file: &mut [u8], revision: u64) {
    let mut forged = b"revision".to_vec();
    forged.extend(revision.to_le_bytes());
    forged.extend(crc32fast::hash(&revision.to_le_bytes()).to_le_bytes());
    let places: Vec<_> = file.windows(8).enumerate().filter(|(_, found)| *found == b"revision").collect();
    let places: Vec<_> = places.into_iter().map(|(at, _)| at).collect();
    places.into_iter().for_each(|at| file[at..at + forged.len()].copy_from_slice(&forged));
}

/// Its revision would be given out once more, and a save over another state than is expected would pass.
#[test]
fn a_record_that_is_newer_than_the_count_of_revisions_is_not_replaced() {
    let scene = scene();
    let first = scene.save(&alice(), b"1");
    let newest = scene.store.save(&alice(), Some(first), b"2", None).unwrap();
    let scene = scene.with_file(|file| forge_revisions(file, 0));
    assert_fails(scene.store.save(&alice(), Some(newest), b"3", None), StorageErrorKind::Refused, "never given out");
    assert_eq!(scene.bytes(&alice()), Some(b"2".to_vec()));
    scene.store.wipe(&alice(), Some(newest)).unwrap();
}

/// Bug: an overflow again. Cause: the next revision was the last one and one more. Fix: a store that has none left says so.
#[test]
fn a_count_of_revisions_that_was_forged_to_the_end_refuses_saves() {
    let scene = scene();
    let first = scene.save(&alice(), b"1");
    let scene = scene.with_file(|file| forge_revisions(file, u64::MAX));
    let saved = scene.store.save(&alice(), Some(first), b"2", None);
    assert_fails(saved, StorageErrorKind::Refused, "no revisions left");
    scene.store.wipe(&alice(), Some(first)).unwrap();
}
