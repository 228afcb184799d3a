//! The laws of a registry, as `gargoyle::Registry` states them, and systems that live by this one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use gargoyle::conformance::registry;
use gargoyle::{Actor, BoxError, Context, Handle, Handler, MemoryStorage, Registry, System};
use gargoyle_registry_std::StdRegistry;
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

impl Handler<u64> for Counter {
    type Reply = u64;

    fn handle(&mut self, n: u64, _: &mut Context<Self>) -> u64 {
        self.0 += n;
        self.0
    }
}

fn lab() -> (Arc<StdRegistry>, System) {
    let registry = Arc::new(StdRegistry::new());
    let system = System::builder(registry.clone(), MemoryStorage::new()).idle_never().build().unwrap();
    (registry, system)
}

#[test]
fn it_keeps_the_laws_of_a_registry() {
    println!("{}", registry::run_all(StdRegistry::new));
}

#[test]
fn what_is_shown_may_change_the_registry_and_all_that_stays_is_shown_once() {
    let (registry, system) = lab();
    let actors: Vec<Handle<Counter>> = (0..100).map(|n| system.start(format!("{n}"), ()).unwrap()).collect();
    let (mut seen, odd) = (Vec::new(), |key: &str| key.parse::<u32>().unwrap() % 2 == 1);
    registry.for_each(&mut |slot| {
        seen.push(slot.id().key().to_owned());
        if odd(slot.id().key()) {
            // Petrifying removes it from the registry that is being shown.
            system.handle::<Counter>(slot.id().key(), ()).petrify().unwrap();
        }
    });
    seen.sort();
    let mut all: Vec<_> = actors.iter().map(|actor| actor.key().to_owned()).collect();
    all.sort();
    assert_eq!((seen, registry.len()), (all, 50));
}

#[test]
fn an_id_is_forgotten_completely_however_many_come_and_go() {
    let (registry, system) = lab();
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..4 {
            let (system, done) = (&system, &done);
            scope.spawn(move || {
                for n in 0..250u64 {
                    let actor = system.handle::<Counter>(format!("{thread}-{n}"), ());
                    assert_eq!(actor.call(n).unwrap(), n);
                    actor.petrify().unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!((registry.len(), done.into_inner()), (0, 1000));
}
