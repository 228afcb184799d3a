//! What single operations of the registries take, by how many actors are alive and by threads at once.
//!
//! ```text
//! cargo bench -p gargoyle --bench registries
//! cargo bench -p gargoyle --bench registries -- hit::Sharded  # some, by name
//! cargo bench -p gargoyle --bench registries -- --test        # each once: do they work?
//! ```
//!
//! Here and not with each of them, as all of it is said in terms of `Registry`, and they stand side by side. Beside bare maps,
//! `dashmap` and `papaya`, in turns: `cargo bench -p gargoyle-registry-sharded`.

use std::sync::atomic::{AtomicUsize, Ordering};

use divan::{Bencher, black_box};
use gargoyle::conformance::registry::slot;
use gargoyle::{ActorId, Registry, SlotRef};
use gargoyle_registry_sharded::ShardedRegistry;
use gargoyle_registry_std::StdRegistry;

const RESIDENTS: [usize; 2] = [1_000, 100_000];
const THREADS: [usize; 2] = [1, 2];
/// Operations in a sample: so many that threads are in each other's way for most of it, and not only when they begin.
const SAMPLE: u32 = 10_000;

fn main() {
    divan::main();
}

fn ids(what: &str, count: usize) -> Vec<ActorId> {
    (0..count).map(|n| ActorId::new("account", format!("{what}-{n:06}")).expect("it is short")).collect()
}

fn registry_with<R: Registry + Default>(ids: &[ActorId]) -> R {
    let registry = R::default();
    ids.iter().for_each(|id| assert!(registry.get_or_insert(slot(id)).is_none()));
    assert_eq!(registry.len(), ids.len());
    registry
}

/// All of them, again and again, in an order that no cache foresees, for any number of threads.
fn scattered<'a>(ids: &'a [ActorId]) -> impl Fn() -> &'a ActorId + Sync {
    let place = AtomicUsize::new(0);
    move || &ids[place.fetch_add(7919, Ordering::Relaxed) % ids.len()]
}

/// An actor that is alive.
#[divan::bench(types = [StdRegistry, ShardedRegistry], args = RESIDENTS, threads = THREADS, sample_size = SAMPLE)]
fn hit<R: Registry + Default>(bencher: Bencher, residents: usize) {
    let ids = ids("customer", residents);
    let registry: R = registry_with(&ids);
    bencher.with_inputs(scattered(&ids)).bench_values(|id| assert!(black_box(registry.get(id)).is_some()));
}

/// One that is not.
#[divan::bench(types = [StdRegistry, ShardedRegistry], args = RESIDENTS, threads = THREADS, sample_size = SAMPLE)]
fn miss<R: Registry + Default>(bencher: Bencher, residents: usize) {
    let registry: R = registry_with(&ids("customer", residents));
    let strangers = ids("stranger", residents);
    bencher.with_inputs(scattered(&strangers)).bench_values(|id| assert!(black_box(registry.get(id)).is_none()));
}

/// One that comes to life and turns to stone, among those that stay.
#[divan::bench(types = [StdRegistry, ShardedRegistry], args = RESIDENTS, threads = THREADS, sample_size = SAMPLE)]
fn insert_and_remove<R: Registry + Default>(bencher: Bencher, residents: usize) {
    let registry: R = registry_with(&ids("customer", residents));
    let strangers = AtomicUsize::new(0);
    let stranger = || {
        let n = strangers.fetch_add(1, Ordering::Relaxed);
        slot(&ActorId::new("account", format!("stranger-{n}")).expect("it is short"))
    };
    bencher.with_inputs(stranger).bench_refs(|slot: &mut SlotRef| {
        assert!(black_box(registry.get_or_insert(slot.clone())).is_none());
        assert!(registry.remove_if_same(slot));
    });
    assert_eq!(registry.len(), residents);
}
