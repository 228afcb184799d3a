//! Our side: the actors of the rows, and their systems.

use gargoyle::{Actor, BoxError, Context, Handle, Handler, MemoryStorage, Query, Storage, System};
use gargoyle_registry_sharded::ShardedRegistry;
use serde::{Deserialize, Serialize};

/// Counts, and saves nothing of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Tally {
    #[serde(skip)]
    count: u64,
}

impl Actor for Tally {
    const KIND: &'static str = "tally";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Tally { count: 0 })
    }
}

/// A state of five fields, all of them saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) count: u64,
    owner: String,
    balance: i64,
    frozen: bool,
    limits: [u32; 4],
}

impl Account {
    pub(crate) fn new() -> Self {
        let owner = "Nobody Knows Her Whole Name".to_owned();
        Account { count: 0, owner, balance: -1_000, frozen: false, limits: [1, 500, 70_000, 4_000_000_000] }
    }
}

impl Actor for Account {
    const KIND: &'static str = "account";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Account::new())
    }
}

/// Two numbers to be added: sixteen bytes.
pub(crate) struct Add(pub(crate) u64, pub(crate) u64);

/// What was added.
pub(crate) struct Total;

/// Comes back so many times.
pub(crate) struct Again(pub(crate) u64);

impl Handler<Add> for Tally {
    type Reply = u64;

    fn handle(&mut self, Add(n, more): Add, _: &mut Context<Self>) -> u64 {
        self.count += n + more;
        self.count
    }
}

impl Handler<Add> for Account {
    type Reply = u64;

    fn handle(&mut self, Add(n, more): Add, _: &mut Context<Self>) -> u64 {
        self.count += n + more;
        self.count
    }
}

impl Handler<Again> for Account {
    type Reply = ();

    fn handle(&mut self, Again(left): Again, cx: &mut Context<Self>) {
        self.count += 1;
        if left > 1 {
            cx.continue_with(Again(left - 1));
        }
    }
}

impl Query<Total> for Tally {
    type Reply = u64;

    fn query(&self, _: Total) -> u64 {
        self.count
    }
}

impl Query<Total> for Account {
    type Reply = u64;

    fn query(&self, _: Total) -> u64 {
        self.count
    }
}

/// A system in memory.
pub(crate) fn system() -> System {
    system_on(MemoryStorage::new())
}

pub(crate) fn system_on(storage: impl Storage) -> System {
    System::builder(ShardedRegistry::new(), storage).build().expect("the settings are the usual ones")
}

pub(crate) fn tally(system: &System) -> Handle<Tally> {
    system.handle("one", ())
}

pub(crate) fn add<A: Handler<Add, Reply = u64>>(handle: &Handle<A>) -> u64 {
    handle.call(Add(1, 0)).expect("it counts")
}

pub(crate) fn total<A: Query<Total, Reply = u64>>(handle: &Handle<A>) -> u64 {
    handle.query(Total).expect("it tells")
}
