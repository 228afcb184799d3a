//! Kills a process in the middle of its saves, again and again, and looks for everything that it acknowledged.
//!
//! The child saves and wipes with several threads, each its own actors, and says after each what was done. The parent
//! reads so many lines, kills it, reads what was said until then, and opens the store. `GARGOYLE_TEST_KILLS` says how
//! often; 100 times unless set. What a kill cannot show is a missing sync: the system's memory survives it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use gargoyle::{ActorId, Storage};
use gargoyle_storage_lmdb::LmdbStorage;

use crate::{alone, child, id, store_of_child};

const KILLS: &str = "GARGOYLE_TEST_KILLS";
const SEED: &str = "GARGOYLE_TEST_SEED";

const THREADS: usize = 6;
const ACTORS_PER_THREAD: usize = 5;

fn actor(thread: usize, number: usize) -> ActorId {
    // One of them has a name longer than LMDB's keys.
    let key = format!("{thread}-{number}");
    if number == 4 { id(&("long".repeat(200) + &key)) } else { id(&key) }
}

/// What is saved as the so-many-th change of an actor: told by the number alone, and of many sizes.
fn body(change: u64) -> Vec<u8> {
    let bytes = [0, 10, 100, 1_000, 3_000, 9_000, 40_000][change as usize % 7];
    let mut body = change.to_le_bytes().to_vec();
    body.resize(8 + bytes, change as u8);
    body
}

/// Every eleventh change is a wipe.
fn is_wipe(change: u64) -> bool {
    change % 11 == 10
}

/// Changes its actors one after the other and says so, for ever.
fn change_for_ever(store: &LmdbStorage, thread: usize, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed ^ thread as u64);
    let mut changes: Vec<(u64, Option<gargoyle::Revision>)> = (0..ACTORS_PER_THREAD)
        .map(|number| {
            let stored = store.load(&actor(thread, number)).unwrap();
            let change = stored.as_ref().map_or(0, |stored| u64::from_le_bytes(stored.bytes[..8].try_into().unwrap()));
            (change, stored.map(|stored| stored.revision))
        })
        .collect();
    loop {
        let number = random.usize(..ACTORS_PER_THREAD);
        let (change, revision) = &mut changes[number];
        *change += 1;
        let me = actor(thread, number);
        if is_wipe(*change) {
            store.wipe(&me, *revision).unwrap();
            // The next one begins from 0 again: only the revision goes on.
            (*change, *revision) = (0, None);
            println!("ack {thread} {number} 0 0");
        } else {
            let saved = store.save(&me, *revision, &body(*change), None).unwrap();
            *revision = Some(saved);
            println!("ack {thread} {number} {change} {saved}");
        }
    }
}

#[test]
fn work_of_a_process_to_be_killed() {
    let Some(path) = store_of_child() else { return };
    let seed = std::env::var(SEED).unwrap().parse().unwrap();
    let store = LmdbStorage::open(path).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || change_for_ever(store, thread, seed));
        }
    });
}

/// Change and revision of the last one that was acknowledged; both 0 after a wipe.
type Acknowledged = HashMap<(usize, usize), (u64, u64)>;

/// Lets a child work, kills it after so many acknowledgements, and returns how many there were.
fn work_and_kill(path: &std::path::Path, seed: u64, after: usize, acknowledged: &mut Acknowledged) -> usize {
    let mut child = child("crashes::work_of_a_process_to_be_killed", path)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut count = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(fields) = line.strip_prefix("ack ") else { continue };
        let numbers: Vec<u64> = fields.split(' ').map(|field| field.parse().unwrap()).collect();
        // The last line may have been cut, if the pipe was full.
        let [thread, number, change, revision] = numbers[..] else { break };
        acknowledged.insert((thread as usize, number as usize), (change, revision));
        count += 1;
        if count == after {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(count >= after, "it ended by itself after {count}");
    count
}

/// Each actor is as it was acknowledged, or as the change after that left it. Returns the highest revision.
fn check(store: &LmdbStorage, acknowledged: &mut Acknowledged) -> u64 {
    let mut highest = 0;
    let mut there = 0;
    for thread in 0..THREADS {
        for number in 0..ACTORS_PER_THREAD {
            let stored = store.load(&actor(thread, number)).unwrap();
            let (change, revision) = acknowledged.get(&(thread, number)).copied().unwrap_or_default();
            let found = stored.as_ref().map_or(0, |stored| u64::from_le_bytes(stored.bytes[..8].try_into().unwrap()));
            let next = if is_wipe(change + 1) { 0 } else { change + 1 };
            assert!(found == change || found == next, "{thread}-{number}: {found} after {change} was acknowledged");
            if let Some(stored) = &stored {
                assert_eq!(stored.bytes, body(found));
                let found_revision = stored.revision.get();
                assert_eq!(found_revision == revision, found == change, "{thread}-{number}");
                assert!(found_revision >= revision);
                highest = highest.max(found_revision);
                there += 1;
            }
            acknowledged.insert((thread, number), (found, stored.map_or(0, |stored| stored.revision.get())));
        }
    }
    let mut shown = 0;
    store
        .scan(None, None, &mut |_| {
            shown += 1;
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(shown, there);
    highest
}

/// What a killed process left is shown as it is, and stays as it is.
fn assert_a_look_changes_nothing(path: &std::path::Path) {
    let snapshot = || {
        let bytes = |name| std::fs::read(path.join(name)).unwrap();
        let changed = |name| std::fs::metadata(path.join(name)).unwrap().modified().unwrap();
        ["LOCK", "FORMAT", "data.mdb", "lock.mdb"].map(|name| (changed(name), bytes(name)))
    };
    let before = snapshot();
    let looked = LmdbStorage::open_read_only(path).unwrap();
    looked
        .scan(None, None, &mut |id| {
            assert!(looked.load(&id).unwrap().is_some(), "{id}");
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    looked.check().unwrap();
    drop(looked);
    assert!(snapshot() == before, "a look changed something");
}

#[test]
fn all_that_was_acknowledged_survives_a_kill_at_any_time() {
    let _alone = alone();
    let kills: u64 = std::env::var(KILLS).map_or(100, |kills| kills.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let (mut acknowledged, mut total, mut highest) = (Acknowledged::new(), 0, 0);
    for kill in 0..kills {
        total += work_and_kill(folder.path(), random.u64(..), random.usize(1..200), &mut acknowledged);
        assert_a_look_changes_nothing(folder.path());
        // Now and then every page is looked at.
        let store = LmdbStorage::options().check_pages(kill % 5 == 0).open(folder.path()).unwrap();
        let found = check(&store, &mut acknowledged);
        let next = store.save(&id("last"), store.load(&id("last")).unwrap().map(|s| s.revision), b"1", None).unwrap();
        assert!(next.get() > found && next.get() > highest, "no revision comes back");
        highest = next.get();
        // `last` is none of those that are counted.
        store.wipe(&id("last"), Some(next)).unwrap();
    }
    println!("{kills} kills, {total} acknowledged changes, none lost");
}
