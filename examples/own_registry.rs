//! A registry of one's own, in one file: an ordered map behind a lock. It passes the kit for registries.
//!
//! Run it: `cargo run --example own_registry`. The test at the end is all that it takes to check a registry.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use gargoyle::sync::RwLock;
use gargoyle::{Actor, ActorId, BoxError, Context, Handler, MemoryStorage, Registry, SlotRef, System};
use serde::{Deserialize, Serialize};

/// Who is alive, in the order of their ids.
#[derive(Default)]
struct OrderedRegistry {
    // A lock of `gargoyle::sync`: a model checker that takes the place of that module sees it.
    slots: RwLock<BTreeMap<ActorId, SlotRef>>,
}

impl Registry for OrderedRegistry {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        self.slots.read().get(id).cloned()
    }

    fn get_or_insert(&self, slot: SlotRef) -> Option<SlotRef> {
        // One lock around the look and the insertion: of many senders that want to wake an actor, one does.
        match self.slots.write().entry(slot.id().clone()) {
            Entry::Occupied(there) => Some(there.get().clone()),
            Entry::Vacant(place) => {
                place.insert(slot);
                None
            }
        }
    }

    fn remove_if_same(&self, slot: &SlotRef) -> bool {
        let mut slots = self.slots.write();
        // Not whoever has the id now: the next incarnation may be there already.
        let is_there = slots.get(slot.id()).is_some_and(|there| there.is_same(slot));
        if is_there {
            slots.remove(slot.id());
        }
        is_there
    }

    fn for_each(&self, visit: &mut dyn FnMut(&SlotRef)) {
        // A copy, so that the lock is free while `visit` runs.
        let slots: Vec<SlotRef> = self.slots.read().values().cloned().collect();
        slots.iter().for_each(visit);
    }

    fn len(&self) -> usize {
        self.slots.read().len()
    }
}

#[derive(Serialize, Deserialize)]
struct Lamp {
    is_on: bool,
}

impl Actor for Lamp {
    const KIND: &'static str = "lamp";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Lamp { is_on: false })
    }
}

struct Toggle;

impl Handler<Toggle> for Lamp {
    type Reply = bool;

    fn handle(&mut self, _: Toggle, _: &mut Context<Self>) -> bool {
        self.is_on = !self.is_on;
        self.is_on
    }
}

fn main() -> Result<(), BoxError> {
    let system = System::builder(OrderedRegistry::default(), MemoryStorage::new()).build()?;
    for place in ["porch", "cellar", "attic"] {
        let is_on = system.handle::<Lamp>(place, ()).call(Toggle)?;
        println!("the lamp in the {place} is {}", if is_on { "on" } else { "off" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_laws_of_a_registry() {
        println!("{}", gargoyle::conformance::registry::run_all(OrderedRegistry::default));
    }
}
