//! The simple registry for [Gargoyle](gargoyle)'s durable actors: one map behind one lock.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use gargoyle::sync::RwLock;
use gargoyle::sync::hash::BuildHasher;
use gargoyle::{ActorId, Registry, SlotRef};

/// One locked map. Lookups share the lock, so that threads wait for each other only while an actor comes to life or
/// turns to stone.
#[derive(Debug, Default)]
pub struct StdRegistry {
    slots: RwLock<HashMap<ActorId, SlotRef, BuildHasher>>,
}

impl StdRegistry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Registry for StdRegistry {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        self.slots.read().get(id).cloned()
    }

    fn get_or_insert(&self, slot: SlotRef) -> Option<SlotRef> {
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
        let is_there = slots.get(slot.id()).is_some_and(|there| there.is_same(slot));
        if is_there {
            slots.remove(slot.id());
        }
        is_there
    }

    fn for_each(&self, visit: &mut dyn FnMut(&SlotRef)) {
        let slots: Vec<SlotRef> = self.slots.read().values().cloned().collect();
        slots.iter().for_each(visit);
    }

    fn len(&self) -> usize {
        self.slots.read().len()
    }
}
