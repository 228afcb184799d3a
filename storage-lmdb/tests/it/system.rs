//! Actors on this store: they petrify into it and come back from it.

use std::time::Duration;

use gargoyle::{Actor, BoxError, Context, Handler, System};
use gargoyle_registry_std::StdRegistry;
use gargoyle_storage_lmdb::LmdbStorage;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Counter(u64);

impl Actor for Counter {
    const KIND: &'static str = "counter";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Counter(0))
    }
}

struct Add(u64);

impl Handler<Add> for Counter {
    type Reply = u64;

    fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> u64 {
        self.0 += n;
        self.0
    }
}

#[test]
fn actors_count_on_after_their_system_ended() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3_u64 {
        let store = LmdbStorage::open(folder.path()).unwrap();
        let system = System::builder(StdRegistry::new(), store).build().unwrap();
        std::thread::scope(|scope| {
            for n in 0..40 {
                let counter = system.handle::<Counter>(format!("{n}"), ());
                scope.spawn(move || {
                    for turn in 1..=5 {
                        assert_eq!(counter.call(Add(1)).unwrap(), round * 5 + turn);
                    }
                });
            }
        });
        system.shutdown(Duration::from_secs(30)).unwrap();
    }
}
