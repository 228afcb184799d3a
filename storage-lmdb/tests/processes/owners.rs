//! Who has the store, and what is left of those who had it.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use gargoyle::{Storage, StorageErrorKind};
use gargoyle_storage_lmdb::LmdbStorage;

use crate::{alone, child, id, store_of_child};

#[test]
fn work_of_an_opener() {
    let Some(path) = store_of_child() else { return };
    match LmdbStorage::open(path) {
        Ok(store) => {
            store.save(&id("alice"), None, b"saved by a child", None).unwrap();
            std::process::abort();
        }
        Err(error) => println!("{:?}: {error}", error.kind()),
    }
}

#[test]
fn a_second_process_is_told_which_store_it_is_and_who_has_it() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let store = LmdbStorage::open(folder.path()).unwrap();
    let output = child("owners::work_of_an_opener", folder.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let root = folder.path().canonicalize().unwrap().display().to_string();
    let pid = format!("process {}", std::process::id());
    assert!(said.contains("InUse") && said.contains(&root) && said.contains(&pid), "{said}");
    store.save(&id("alice"), None, b"still ours", None).unwrap();
}

#[test]
fn a_store_whose_owner_died_opens_with_all_that_was_acknowledged() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    assert!(!child("owners::work_of_an_opener", folder.path()).output().unwrap().status.success());
    let store = LmdbStorage::open(folder.path()).unwrap();
    assert_eq!(store.load(&id("alice")).unwrap().unwrap().bytes, b"saved by a child");
}

/// The work of a process of its own: the tests' one has other threads, whose locks a forked one would inherit.
#[cfg(unix)]
#[test]
fn work_of_a_forking_process() {
    let Some(path) = store_of_child() else { return };
    let store = LmdbStorage::open(&path).unwrap();
    let first = store.save(&id("alice"), None, b"1", None).unwrap();
    let was_refused = crate::env::in_forked_process(|| {
        let is_refused = |error: gargoyle::StorageError| {
            error.kind() == StorageErrorKind::Refused && error.to_string().contains("forked")
        };
        let mut see = |_| std::ops::ControlFlow::Continue(());
        let refused = [
            store.load(&id("alice")).map(drop),
            store.save(&id("alice"), Some(first), b"2", None).map(drop),
            store.wipe(&id("alice"), None),
            store.scan(None, None, &mut see),
            store.due(std::time::SystemTime::now(), &mut see),
        ]
        .map(|result| result.is_err_and(is_refused));
        let is_in_use = LmdbStorage::open(&path).is_err();
        refused == [true; 5] && is_in_use
    });
    assert!(was_refused);
    // Whatever the other process did or dropped, this one goes on.
    let second = store.save(&id("alice"), Some(first), b"3", None).unwrap();
    assert!(crate::env::in_forked_process(move || {
        drop(store);
        true
    }));
    // The other process dropped its copy. Ours was moved into the closure too, and was closed with it.
    let store = LmdbStorage::open(&path).unwrap();
    let stored = store.load(&id("alice")).unwrap().unwrap();
    assert_eq!((stored.revision, stored.bytes), (second, b"3".to_vec()));
}

#[cfg(unix)]
#[test]
fn a_forked_process_is_refused_and_does_no_harm() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let output = child("owners::work_of_a_forking_process", folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Takes all places in the table of readers that are free, without asking for the owner's lock, and waits for its end.
#[cfg(unix)]
#[test]
fn work_of_a_greedy_reader() {
    let Some(path) = store_of_child() else { return };
    let env = crate::env::open(&path, 1 << 30, 10_000).unwrap();
    let taken: Vec<_> = std::iter::from_fn(|| env.read_txn().ok()).collect();
    println!("taken: {}", taken.len());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[cfg(unix)]
#[test]
fn places_of_dead_readers_are_cleared_when_they_are_needed() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let store = LmdbStorage::options().map_bytes(4 << 20).open(folder.path()).unwrap();
    let mut last = store.save(&id("alice"), None, &[0; 500_000], None).unwrap();
    let mut reader = child("owners::work_of_a_greedy_reader", folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(reader.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("taken: ")));

    let error = store.load(&id("alice")).unwrap_err();
    assert!(error.to_string().contains("cannot read"), "{error}");
    // They keep old pages too, so that rewriting one record fills the store.
    let full = loop {
        match store.save(&id("alice"), Some(last), &[1; 500_000], None) {
            Ok(revision) => last = revision,
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), StorageErrorKind::Full, "{full}");

    reader.kill().unwrap();
    reader.wait().unwrap();
    for n in 0..20 {
        last = store.save(&id("alice"), Some(last), &[n; 500_000], None).unwrap();
    }
    assert_eq!(store.load(&id("alice")).unwrap().unwrap().bytes, [19; 500_000]);
}
