//! Calls whose reply is given when the state is on disk: callers for a second, of files and of LMDB.

use gargoyle::{Storage, System};
use gargoyle_storage_fs::FsStorage;
use gargoyle_storage_lmdb::LmdbStorage;

use super::cycle::{record_of, with_folder};
use crate::harness::Bound::AtLeast;
use crate::harness::{Effort, Row, Unit, crowd};
use crate::ours::{self, Account};

const MANY: usize = 64;
const ONE: &str = "gargoyle, 1 caller";
const MANY_ON_ONE: &str = "gargoyle, 64 callers of 1 actor";
const MANY_ON_MANY: &str = "gargoyle, 64 callers of 64 actors";
const BARE: &str = "bare saves, 1 thread";
const BARE_MANY: &str = "bare saves, 64 threads";

pub(super) fn rows() -> Vec<Row> {
    let with_goals = |row: Row| {
        row.goal(ONE, AtLeast(1.0 / 1.15), BARE).goal(MANY_ON_ONE, AtLeast(20.0), ONE).goal(
            MANY_ON_MANY,
            AtLeast(0.8),
            BARE_MANY,
        )
    };
    let files = Row::new("durable-fs", "durable calls in a second, files", Unit::Rate)
        .ours(ONE, |effort| in_files(effort, 1, 1))
        .floor(BARE, |effort| with_folder(|folder| bare(effort, &FsStorage::open(folder).unwrap(), 1)))
        .ours(MANY_ON_ONE, |effort| in_files(effort, MANY, 1))
        .ours(MANY_ON_MANY, |effort| in_files(effort, MANY, MANY))
        .floor(BARE_MANY, |effort| with_folder(|folder| bare(effort, &FsStorage::open(folder).unwrap(), MANY)));
    let lmdb = Row::new("durable-lmdb", "durable calls in a second, LMDB", Unit::Rate)
        .ours(ONE, |effort| in_lmdb(effort, 1, 1))
        .floor(BARE, |effort| with_folder(|folder| bare(effort, &LmdbStorage::open(folder).unwrap(), 1)))
        .ours(MANY_ON_ONE, |effort| in_lmdb(effort, MANY, 1))
        .ours(MANY_ON_MANY, |effort| in_lmdb(effort, MANY, MANY))
        .floor(BARE_MANY, |effort| with_folder(|folder| bare(effort, &LmdbStorage::open(folder).unwrap(), MANY)));
    vec![with_goals(files), with_goals(lmdb)]
}

fn in_files(effort: Effort, callers: usize, actors: usize) -> f64 {
    with_folder(|folder| calls(effort, ours::system_on(FsStorage::open(folder).unwrap()), callers, actors))
}

fn in_lmdb(effort: Effort, callers: usize, actors: usize) -> f64 {
    with_folder(|folder| calls(effort, ours::system_on(LmdbStorage::open(folder).unwrap()), callers, actors))
}

fn calls(effort: Effort, system: System, callers: usize, actors: usize) -> f64 {
    let handles: Vec<_> = (0..actors).map(|n| system.handle::<Account>(n.to_string(), ())).collect();
    // Born and saved.
    handles.iter().for_each(|handle| assert_eq!(ours::total(handle), 0));
    let (rate, done) = crowd(effort, callers, |caller| {
        let handle = handles[caller % actors].clone();
        move || {
            ours::add(&handle);
        }
    });
    assert_eq!(handles.iter().map(ours::total).sum::<u64>(), done);
    rate
}

fn bare(effort: Effort, storage: &dyn Storage, threads: usize) -> f64 {
    let ids: Vec<_> = (0..threads).map(|n| record_of(&n.to_string())).collect();
    let first = |(id, bytes): &(_, Vec<u8>)| storage.save(id, None, bytes, None).unwrap();
    let revisions: Vec<_> = ids.iter().map(first).collect();
    let (rate, done) = crowd(effort, threads, |caller| {
        let (id, bytes) = &ids[caller];
        let mut last = revisions[caller];
        move || last = storage.save(id, Some(last), bytes, None).unwrap()
    });
    assert!(done > 0);
    rate
}
