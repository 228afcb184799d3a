//! What every message goes through, so many times: the script `count` has callgrind count the instructions.

use std::hint::black_box;

use gargoyle::{Actor, ActorId, BoxError, Context, Handler, MemoryStorage, Record, Registry, System};
use gargoyle_registry_sharded::ShardedRegistry;
use gargoyle_registry_std::StdRegistry;
use serde::{Deserialize, Serialize};

/// A state of five fields.
#[derive(Serialize, Deserialize)]
struct Account {
    count: u64,
    owner: String,
    balance: i64,
    frozen: bool,
    limits: [u32; 4],
}

impl Actor for Account {
    const KIND: &'static str = "account";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        let owner = "Nobody Knows Her Whole Name".to_owned();
        Ok(Account { count: 0, owner, balance: -1_000, frozen: false, limits: [1, 500, 70_000, 4_000_000_000] })
    }
}

/// Comes back so many times.
struct Again(u64);

impl Handler<Again> for Account {
    type Reply = ();

    fn handle(&mut self, Again(left): Again, cx: &mut Context<Self>) {
        self.count += 1;
        if left > 1 {
            cx.continue_with(Again(left - 1));
        }
    }
}

/// Casts to itself, so that no other thread is in it.
struct Casts(u64);

impl Handler<Casts> for Account {
    type Reply = ();

    fn handle(&mut self, Casts(number): Casts, cx: &mut Context<Self>) {
        (0..number).for_each(|_| cx.handle().cast(Again(1)).expect("a cast to oneself waits for nothing"));
    }
}

fn system(registry: impl Registry) -> System {
    System::builder(registry, MemoryStorage::new()).build().expect("the settings are the usual ones")
}

fn record() -> Record {
    let id = ActorId::new("account", "somebody").expect("it is short");
    Record::new(id, vec![0xf6], vec![0x40; 60])
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(what) = arguments.next() else { return println!("run core/benches/instructions/count") };
    let times: u64 = arguments.next().and_then(|times| times.parse().ok()).expect("how many times");
    match what.as_str() {
        "message" => {
            let system = system(StdRegistry::new());
            system.handle::<Account>("one", ()).call(Again(times)).expect("it counts");
        }
        "cast-to-itself" => {
            let system = system(StdRegistry::new());
            system.handle::<Account>("one", ()).call(Casts(times)).expect("it counts");
        }
        "record-written" => (0..times).for_each(|_| drop(black_box(black_box(&record()).to_bytes()))),
        "record-read" => {
            let bytes = record().to_bytes();
            (0..times).for_each(|_| drop(black_box(Record::from_bytes(black_box(&bytes)))));
        }
        "looked-up-std" => look_up(StdRegistry::new(), times),
        "looked-up-sharded" => look_up(ShardedRegistry::with_shards(8), times),
        _ => panic!("there is no {what}"),
    }
}

/// By handles, as programs do.
fn look_up(registry: impl Registry, times: u64) {
    let system = system(registry);
    let handle = system.handle::<Account>("one", ());
    handle.start().expect("it is born");
    (0..times).for_each(|_| assert!(black_box(handle.is_live())));
}
