//! An actor comes to life for one message and turns to stone again.

use gargoyle::{ActorId, Handle, Record, Revision, Storage};
use gargoyle_storage_fs::FsStorage;
use gargoyle_storage_lmdb::LmdbStorage;

use super::{OURS, beside_peers};
use crate::harness::Bound::AtMost;
use crate::harness::{Effort, Row, Unit, each};
use crate::ours::{self, Account};
use crate::raw::{Add, CachedThreads, LOOKS, Looks, PARKS, ReplySlot};

const PARKING: &str = "raw: cached thread, parks at once";
const LOOKING: &str = "raw: cached thread, looks, then parks";
const STORED: &str = "raw: bare load, cached thread, bare save";

pub(super) fn rows() -> Vec<Row> {
    let in_memory = |row: Row| {
        let row = row
            .ours(OURS, in_memory)
            .floor(PARKING, |effort| raw(effort, PARKS))
            .floor(LOOKING, |effort| raw(effort, LOOKS))
            .goal(OURS, AtMost(2.0), PARKING);
        beside_peers(row, |peer| peer.cycle)
    };
    let stored = |row: Row| row.goal(OURS, AtMost(1.3), STORED);
    vec![
        in_memory(Row::new("cycle", "revive, call, petrify", Unit::Time)),
        in_memory(Row::new("cycle-pinned", "revive, call, petrify, all on one processor", Unit::Time).pinned()),
        stored(Row::new("cycle-fs", "revive, call that saves, petrify, files", Unit::Time))
            .ours(OURS, |effort| with_folder(|folder| gargoyle(effort, FsStorage::open(folder).unwrap())))
            .floor(STORED, |effort| with_folder(|folder| raw_stored(effort, &FsStorage::open(folder).unwrap()))),
        stored(Row::new("cycle-lmdb", "revive, call that saves, petrify, LMDB", Unit::Time))
            .ours(OURS, |effort| with_folder(|folder| gargoyle(effort, LmdbStorage::open(folder).unwrap())))
            .floor(STORED, |effort| with_folder(|folder| raw_stored(effort, &LmdbStorage::open(folder).unwrap()))),
    ]
}

/// Gives a folder that goes with what was done in it.
pub(super) fn with_folder<R>(work: impl FnOnce(&std::path::Path) -> R) -> R {
    let folder = tempfile::tempdir().expect("there is space for a folder");
    work(&folder.path().join("store"))
}

fn cycle<A: gargoyle::Handler<ours::Add, Reply = u64>>(handle: &Handle<A>) -> u64 {
    let reply = ours::add(handle);
    handle.petrify().expect("it has nothing else to do");
    reply
}

fn in_memory(effort: Effort) -> f64 {
    let system = ours::system();
    let handle = ours::tally(&system);
    let (took, done) = each(effort, || assert_eq!(cycle(&handle), 1));
    assert_eq!(system.stats().petrified, done);
    took
}

fn gargoyle(effort: Effort, storage: impl Storage) -> f64 {
    let system = ours::system_on(storage);
    let handle = system.handle::<Account>("one", ());
    let mut last = 0;
    let (took, done) = each(effort, || last = cycle(&handle));
    assert_eq!((last, system.stats().petrified), (done, done));
    took
}

fn raw(effort: Effort, looks: Looks) -> f64 {
    let threads = CachedThreads::new(looks);
    let slot = ReplySlot::new();
    each(effort, || assert_eq!(threads.cycle(&slot, Add(1, 0)), 1)).0
}

fn raw_stored(effort: Effort, storage: &dyn Storage) -> f64 {
    let threads = CachedThreads::new(PARKS);
    let slot = ReplySlot::new();
    let (id, bytes) = record();
    let mut last: Option<Revision> = None;
    each(effort, || {
        let stored = storage.load(&id).unwrap();
        assert_eq!(stored.map(|stored| stored.revision), last);
        assert_eq!(threads.cycle(&slot, Add(1, 0)), 1);
        last = Some(storage.save(&id, last, &bytes, None).unwrap());
    })
    .0
}

/// A record as the actor of five fields has it.
pub(super) fn record() -> (ActorId, Vec<u8>) {
    record_of("one")
}

pub(super) fn record_of(key: &str) -> (ActorId, Vec<u8>) {
    let id = ActorId::new("account", key).expect("an id like any other");
    let (mut args, mut state) = (Vec::new(), Vec::new());
    ciborium::into_writer(&(), &mut args).expect("a vector takes all");
    ciborium::into_writer(&Account::new(), &mut state).expect("a vector takes all");
    let bytes = Record::new(id.clone(), args, state).to_bytes();
    (id, bytes)
}
