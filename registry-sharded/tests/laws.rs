//! The laws of a registry, as `gargoyle::Registry` states them.

use gargoyle::conformance::registry;
use gargoyle_registry_sharded::ShardedRegistry;

#[test]
fn it_keeps_the_laws_of_a_registry() {
    println!("{}", registry::run_all(ShardedRegistry::new));
}

#[test]
fn with_one_shard_it_keeps_them_too() {
    for case in registry::cases().filter(|case| !case.name.starts_with("a_million")) {
        let outcome = registry::run_one(case.name, || ShardedRegistry::with_shards(1));
        assert_eq!(outcome, gargoyle::conformance::Outcome::Passed, "{}", case.name);
    }
}
