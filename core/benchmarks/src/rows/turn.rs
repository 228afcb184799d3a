//! What a message costs beside its handler, and what a look at an actor of stone costs beside the store's.

use std::cell::Cell;
use std::time::Duration;

use gargoyle::{MemoryStorage, Record, SaveMode, Storage, System};
use gargoyle_registry_sharded::ShardedRegistry;

use super::cycle::record;
use crate::harness::Bound::AtMost;
use crate::harness::{Effort, Row, Unit, all, each, used};
use crate::ours::{self, Account};

const MESSAGE: &str = "gargoyle, a message";
const ENCODE: &str = "bare encode";
const PEEK: &str = "gargoyle, peek";
const LOAD: &str = "bare load and decode";

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("turn", "a message that changes five fields and saves nothing", Unit::Time)
            .ours(MESSAGE, message)
            .floor(ENCODE, encode)
            .goal(MESSAGE, AtMost(3.0), ENCODE),
        Row::new("peek", "a question to an actor of stone, in memory", Unit::Time)
            .ours(PEEK, peek)
            .floor(LOAD, load)
            .goal(PEEK, AtMost(1.5), LOAD),
    ]
}

/// Each message has itself sent once more.
fn message(effort: Effort) -> f64 {
    let messages = effort.of(200_000);
    let builder = System::builder(ShardedRegistry::new(), MemoryStorage::new()).save(SaveMode::OnPetrify);
    let system = builder.build().unwrap();
    let handle = system.handle::<Account>("one", ());
    assert_eq!(ours::total(&handle), 0);
    all(messages, || {
        handle.call(ours::Again(messages)).unwrap();
        // Behind all of them.
        assert_eq!(handle.query_timeout(ours::Total, Duration::from_secs(60)).unwrap(), messages);
    })
}

fn encode(effort: Effort) -> f64 {
    let mut account = Account::new();
    let mut bytes = Vec::new();
    let (took, done) = each(effort, || {
        account.count += 1;
        bytes.clear();
        ciborium::into_writer(&account, &mut bytes).unwrap();
    });
    assert_eq!(ciborium::from_reader::<Account, _>(&bytes[..]).unwrap().count, done);
    took
}

fn peek(effort: Effort) -> f64 {
    let system = ours::system();
    let handle = system.handle::<Account>("one", ());
    assert_eq!(ours::add(&handle), 1);
    handle.petrify().unwrap();
    each(effort, || assert_eq!(handle.peek(ours::Total).unwrap(), Some(1))).0
}

fn load(effort: Effort) -> f64 {
    let storage = MemoryStorage::new();
    let (id, bytes) = record();
    storage.save(&id, None, &bytes, None).unwrap();
    let seen = Cell::new(0);
    let (took, done) = each(effort, || {
        let stored = storage.load(&id).unwrap().unwrap();
        let record = Record::from_bytes(&stored.bytes).unwrap();
        let account: Account = ciborium::from_reader(&record.state[..]).unwrap();
        used(account);
        seen.set(seen.get() + 1);
    });
    assert_eq!(seen.get(), done);
    took
}
