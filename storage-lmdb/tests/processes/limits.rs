//! What the store does when the system gives it no more room. In child processes, which have their own limits.

use std::path::Path;

use gargoyle::{Storage, StorageErrorKind};
use gargoyle_storage_lmdb::LmdbStorage;

use crate::{alone, child, id, store_of_child};

const FILE_BYTES_MAX: u64 = 2 << 20;

/// Runs a test of this binary under these limits.
fn run_limited(limits: &str, test: &str) {
    let folder = tempfile::tempdir().unwrap();
    run_limited_in(folder.path(), limits, test);
}

pub(crate) fn run_limited_in(folder: &Path, limits: &str, test: &str) {
    let command = child(test, folder);
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("{limits} && exec \"$0\" \"$@\"")])
        .arg(command.get_program())
        .args(command.get_args())
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// A file that may not grow is to the one who writes it what a full disk is, and takes no disk to fill.
#[test]
fn a_file_that_cannot_grow_loses_nothing_and_the_store_goes_on() {
    let _alone = alone();
    // In blocks of 512 bytes. Ignored, the signal becomes an error of the write.
    run_limited(
        &format!("trap '' XFSZ && ulimit -f {}", FILE_BYTES_MAX / 512),
        "limits::work_with_a_file_that_cannot_grow",
    );
}

#[test]
fn work_with_a_file_that_cannot_grow() {
    let Some(path) = store_of_child() else { return };
    let store = LmdbStorage::open(&path).unwrap();
    let mut saved = 0;
    // The write that meets the limit in its middle is an input/output error to LMDB, whoever knows why.
    let is_room = |kind| matches!(kind, StorageErrorKind::Full | StorageErrorKind::Unreachable);
    let error = loop {
        match store.save(&id(&saved.to_string()), None, &[saved as u8; 10_000], None) {
            Ok(_) => saved += 1,
            Err(error) => break error,
        }
    };
    assert!(is_room(error.kind()), "{error}");
    assert!(saved > 50, "{saved}");
    let large = store.save(&id("large"), None, &[0; 3 << 20], None).unwrap_err();
    assert!(is_room(large.kind()), "{large}");
    let mut kinds = Vec::new();
    for n in 0..100 {
        kinds.extend(store.save(&id(&format!("more {n}")), None, &[0; 3000], None).err().map(|error| error.kind()));
    }
    assert!(kinds.contains(&StorageErrorKind::Full), "{kinds:?}");
    for n in 0..saved {
        assert_eq!(store.load(&id(&n.to_string())).unwrap().unwrap().bytes, [n as u8; 10_000]);
    }
    assert_eq!(store.load(&id("large")).unwrap(), None);
    // What a wipe gives back is there to be written.
    store.wipe(&id("0"), None).unwrap();
    store.wipe(&id("1"), None).unwrap();
    store.save(&id("new"), None, b"small", None).unwrap();
    drop(store);
    let store = LmdbStorage::options().check_pages(true).open(&path).unwrap();
    assert_eq!(store.load(&id("new")).unwrap().unwrap().bytes, b"small");
    assert_eq!(store.load(&id("2")).unwrap().unwrap().bytes, [2; 10_000]);
}

#[test]
fn with_few_addresses_a_store_makes_do_with_fewer_or_says_what_to_set() {
    let _alone = alone();
    run_limited("ulimit -v 6000000", "limits::work_with_few_addresses");
}

#[test]
fn work_with_few_addresses() {
    let Some(path) = store_of_child() else { return };
    let error = LmdbStorage::options().map_bytes(1 << 40).open(&path).unwrap_err();
    assert!(error.to_string().contains("map_bytes") && error.to_string().contains("ulimit -v"), "{error}");
    let store = LmdbStorage::open(&path).unwrap();
    store.save(&id("alice"), None, b"1", None).unwrap();
}
