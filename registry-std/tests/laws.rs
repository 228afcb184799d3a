//! The laws of a registry, as `gargoyle::Registry` states them, through systems that live by this one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use gargoyle::{Actor, ActorId, BoxError, Context, Handle, Handler, MemoryStorage, Registry, SlotRef, System};
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

fn slot_of(registry: &StdRegistry, actor: &Handle<Counter>) -> SlotRef {
    registry.get(actor.id()).unwrap()
}

#[test]
fn one_of_many_claims_wins_and_all_others_get_what_it_inserted() {
    // Slots of the same id, from systems of their own, to claim one place with.
    let labs: Vec<_> = (0..8).map(|_| lab()).collect();
    let slots: Vec<_> =
        labs.iter().map(|(registry, system)| slot_of(registry, &system.start::<Counter>("a", ()).unwrap())).collect();
    for _ in 0..200 {
        let registry = StdRegistry::new();
        let claims: Vec<Option<SlotRef>> = thread::scope(|scope| {
            let claim = |slot: &SlotRef| registry.get_or_insert(slot.clone());
            let threads: Vec<_> = slots.iter().map(|slot| scope.spawn(move || claim(slot))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let there = registry.get(slots[0].id()).unwrap();
        let winners: Vec<_> = (0..slots.len()).filter(|n| claims[*n].is_none()).collect();
        assert_eq!(winners.len(), 1);
        assert!(there.is_same(&slots[winners[0]]));
        assert!(claims.iter().flatten().all(|slot| slot.is_same(&there)));
    }
}

#[test]
fn a_slot_is_removed_by_itself_and_by_no_other_of_its_id() {
    let [(one, first), (other, second)] = [lab(), lab()];
    let mine = slot_of(&one, &first.start::<Counter>("a", ()).unwrap());
    let theirs = slot_of(&other, &second.start::<Counter>("a", ()).unwrap());
    let registry = StdRegistry::new();
    assert!(!registry.remove_if_same(&mine), "it is not there");
    assert!(registry.get_or_insert(mine.clone()).is_none());
    assert!(!registry.remove_if_same(&theirs));
    assert!(registry.get(mine.id()).unwrap().is_same(&mine));
    assert!(registry.remove_if_same(&mine));
    assert!(registry.get(mine.id()).is_none() && registry.is_empty());
}

#[test]
fn looking_changes_nothing() {
    let (registry, _system) = lab();
    assert!(registry.get(&ActorId::new("counter", "nobody").unwrap()).is_none());
    assert_eq!(registry.len(), 0);
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
