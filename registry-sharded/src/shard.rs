//! One shard: a table of slots behind a lock. Its caller has hashed the id already.

use gargoyle::sync::RwLock;
use gargoyle::{ActorId, SlotRef};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// A table that is not larger than this is not worth giving back.
pub(crate) const KEPT_SLOTS: usize = 64;

/// The id of an entry is its slot's: nothing else is kept of it.
#[derive(Default)]
pub(crate) struct Shard(RwLock<HashTable<SlotRef>>);

impl Shard {
    pub(crate) fn get(&self, hash: u64, id: &ActorId) -> Option<SlotRef> {
        self.0.read().find(hash, |slot| slot.id() == id).cloned()
    }

    pub(crate) fn get_or_insert(&self, hash: u64, slot: SlotRef, rehash: impl Fn(&ActorId) -> u64) -> Option<SlotRef> {
        let mut table = self.0.write();
        match table.entry(hash, |there| there.id() == slot.id(), |there| rehash(there.id())) {
            Entry::Occupied(there) => Some(there.get().clone()),
            Entry::Vacant(place) => {
                place.insert(slot);
                None
            }
        }
    }

    pub(crate) fn remove_if_same(&self, hash: u64, slot: &SlotRef, rehash: impl Fn(&ActorId) -> u64) -> bool {
        let mut table = self.0.write();
        let Ok(there) = table.find_entry(hash, |there| there.is_same(slot)) else { return false };
        // The caller has a reference too, so that no slot ends under the lock.
        there.remove();
        // A table that a crowd made large is given back in halves, each paid for by the removals before it.
        if table.capacity() > KEPT_SLOTS && table.len() < table.capacity() / 8 {
            let half = table.capacity() / 2;
            table.shrink_to(half, |there| rehash(there.id()));
        }
        true
    }

    /// The slots that are there at this moment.
    pub(crate) fn copy(&self) -> Vec<SlotRef> {
        self.0.read().iter().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.read().len()
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.0.read().capacity()
    }
}
