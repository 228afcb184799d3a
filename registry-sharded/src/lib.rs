//! A registry for [Gargoyle](gargoyle)'s durable actors on many cores: locked shards by hash.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod shard;

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use ahash::RandomState;
use crossbeam_utils::CachePadded;
use gargoyle::{ActorId, Registry, SlotRef};

use crate::shard::Shard;

/// Randomly seeded, so that nobody can craft ids that collide.
#[cfg(not(any(loom, shuttle)))]
fn hasher() -> RandomState {
    RandomState::new()
}

/// A model checker wants each run to do the same.
#[cfg(any(loom, shuttle))]
fn hasher() -> RandomState {
    RandomState::with_seeds(1, 2, 3, 4)
}

/// Shards for each core, so that two threads seldom meet in one.
const SHARDS_PER_CORE: usize = 4;

/// More would only make [`Registry::len`] and [`Registry::for_each`] slow.
const SHARDS_MAX: usize = 1 << 12;

/// The map inside a shard takes the top 7 bits of a hash and its lowest ones; a shard is chosen by those below the top,
/// so that the ids of one shard differ in both.
const MAP_BITS: u32 = 7;

/// Locked shards by hash. Threads wait for each other only while an actor of the same shard comes to life or turns to
/// stone.
pub struct ShardedRegistry {
    /// A power of two of them, each on cache lines of its own: their locks are written by every look-up.
    shards: Box<[CachePadded<Shard>]>,
    /// Seeded anew for each registry.
    hasher: RandomState,
}

impl ShardedRegistry {
    /// An empty registry with four shards for each core that the process may use.
    pub fn new() -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self::with_shards(cores * SHARDS_PER_CORE)
    }

    /// An empty registry with so many shards, up to the next power of two and 4096 at most.
    ///
    /// # Examples
    ///
    /// ```
    /// use gargoyle_registry_sharded::ShardedRegistry;
    ///
    /// assert_eq!(ShardedRegistry::with_shards(20).shards(), 32);
    /// assert_eq!(ShardedRegistry::with_shards(0).shards(), 1);
    /// ```
    pub fn with_shards(shards: usize) -> Self {
        let shards = shards.clamp(1, SHARDS_MAX).next_power_of_two();
        ShardedRegistry { shards: (0..shards).map(|_| CachePadded::default()).collect(), hasher: hasher() }
    }

    /// How many shards it has.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    fn hash(&self, id: &ActorId) -> u64 {
        self.hasher.hash_one(id)
    }

    fn shard(&self, hash: u64) -> &Shard {
        // The bits below those of the map, of which the mask leaves as many as there are shards.
        let number = (hash >> (u64::BITS - MAP_BITS - SHARDS_MAX.ilog2())) as usize;
        &self.shards[number & (self.shards.len() - 1)]
    }
}

impl Default for ShardedRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry for ShardedRegistry {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        let hash = self.hash(id);
        self.shard(hash).get(hash, id)
    }

    fn get_or_insert(&self, slot: SlotRef) -> Option<SlotRef> {
        let hash = self.hash(slot.id());
        self.shard(hash).get_or_insert(hash, slot, |id| self.hash(id))
    }

    fn remove_if_same(&self, slot: &SlotRef) -> bool {
        let hash = self.hash(slot.id());
        self.shard(hash).remove_if_same(hash, slot, |id| self.hash(id))
    }

    fn for_each(&self, visit: &mut dyn FnMut(&SlotRef)) {
        // A slot has one shard for life: what stays is in the copy of that one, and nothing is in two.
        for shard in &self.shards {
            shard.copy().iter().for_each(&mut *visit);
        }
    }

    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len()).sum()
    }
}

impl std::fmt::Debug for ShardedRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardedRegistry").field("shards", &self.shards()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod test;
