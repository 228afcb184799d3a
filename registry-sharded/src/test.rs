//! What the kit cannot see from outside: how ids spread, and that memory is given back.

use gargoyle::conformance::registry::slot;
use gargoyle::{ActorId, Registry, SlotRef};

use super::ShardedRegistry;

fn filled(registry: &ShardedRegistry, number: usize) -> Vec<SlotRef> {
    let all: Vec<_> = (0..number).map(|n| slot(&ActorId::new("k", n.to_string()).unwrap())).collect();
    assert!(all.iter().all(|slot| registry.get_or_insert(slot.clone()).is_none()));
    all
}

fn capacity(registry: &ShardedRegistry) -> usize {
    registry.shards.iter().map(|shard| shard.capacity()).sum()
}

#[test]
fn ids_spread_over_all_shards() {
    let registry = ShardedRegistry::with_shards(64);
    let _all = filled(&registry, 64 * 200);
    for shard in &registry.shards {
        // 200 are expected, with a deviation of 14: ten of them are never seen.
        assert!((60..340).contains(&shard.len()), "{} of 200", shard.len());
    }
}

#[test]
fn the_largest_number_of_shards_is_used_whole() {
    let registry = ShardedRegistry::with_shards(usize::MAX);
    assert_eq!(registry.shards(), super::SHARDS_MAX);
    let _all = filled(&registry, 20 * super::SHARDS_MAX);
    assert!(registry.shards.iter().filter(|shard| shard.len() > 0).count() > super::SHARDS_MAX - 10);
}

#[test]
fn what_a_crowd_took_is_given_back_and_those_who_stay_are_found() {
    let registry = ShardedRegistry::with_shards(4);
    let all = filled(&registry, 100_000);
    assert!(capacity(&registry) >= 100_000);
    let (stay, go) = all.split_at(10);
    assert!(go.iter().all(|slot| registry.remove_if_same(slot)));
    assert!(capacity(&registry) <= 4 * 2 * super::shard::KEPT_SLOTS, "{}", capacity(&registry));
    assert!(stay.iter().all(|slot| registry.get(slot.id()).unwrap().is_same(slot)));
    assert!(go.iter().all(|slot| registry.get(slot.id()).is_none()));
}

#[test]
fn two_registries_hash_in_different_ways() {
    let id = ActorId::new("k", "a").unwrap();
    assert_ne!(ShardedRegistry::new().hash(&id), ShardedRegistry::new().hash(&id));
}
