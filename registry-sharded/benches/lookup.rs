//! What a look-up costs: both registries beside a bare locked map, `dashmap` and `papaya`.
//!
//! `cargo bench -p gargoyle-registry-sharded`. All of them take turns in each round, so that whatever else the machine
//! does falls on all alike; the table has the medians of the rounds.
//!
//! The operations of both registries one by one, among few and many actors: `core/benches/registries.rs`.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::sync::{Barrier, RwLock};
use std::time::Instant;

use gargoyle::conformance::registry::slot;
use gargoyle::{ActorId, Registry, SlotRef};
use gargoyle_registry_sharded::ShardedRegistry;
use gargoyle_registry_std::StdRegistry;

const RESIDENT: usize = 10_000;
const ROUNDS: usize = 21;
const LOOKUPS: usize = 200_000;
const CHURNS: usize = 50_000;

/// What all of them can do.
trait Table: Sync {
    fn get(&self, id: &ActorId) -> Option<SlotRef>;
    fn insert(&self, slot: SlotRef);
    fn remove(&self, slot: &SlotRef);
}

impl<R: Registry> Table for R {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        Registry::get(self, id)
    }
    fn insert(&self, slot: SlotRef) {
        self.get_or_insert(slot);
    }
    fn remove(&self, slot: &SlotRef) {
        self.remove_if_same(slot);
    }
}

struct Bare(RwLock<HashMap<ActorId, SlotRef>>);

impl Table for Bare {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        self.0.read().unwrap().get(id).cloned()
    }
    fn insert(&self, slot: SlotRef) {
        self.0.write().unwrap().entry(slot.id().clone()).or_insert(slot);
    }
    fn remove(&self, slot: &SlotRef) {
        self.0.write().unwrap().remove(slot.id());
    }
}

struct Dash<H>(dashmap::DashMap<ActorId, SlotRef, H>);

impl<H: BuildHasher + Clone + Send + Sync> Table for Dash<H> {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        self.0.get(id).map(|slot| slot.clone())
    }
    fn insert(&self, slot: SlotRef) {
        self.0.entry(slot.id().clone()).or_insert(slot);
    }
    fn remove(&self, slot: &SlotRef) {
        self.0.remove_if(slot.id(), |_, there| there.is_same(slot));
    }
}

struct Papaya(papaya::HashMap<ActorId, SlotRef>);

impl Table for Papaya {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        self.0.pin().get(id).cloned()
    }
    fn insert(&self, slot: SlotRef) {
        let _ = self.0.pin().try_insert(slot.id().clone(), slot);
    }
    fn remove(&self, slot: &SlotRef) {
        let _ = self.0.pin().remove_if(slot.id(), |_, there| there.is_same(slot));
    }
}

/// Looks up those that are there, in an order that no cache foresees.
fn hit(table: &dyn Table, ids: &[ActorId], thread: usize) -> usize {
    let mut place = thread * 4999;
    for _ in 0..LOOKUPS {
        place = (place + 7919) % ids.len();
        black_box(table.get(&ids[place]));
    }
    LOOKUPS
}

/// Each comes to life, is looked up as often as a short conversation does, and turns to stone.
fn churn(table: &dyn Table, slots: &[SlotRef]) -> usize {
    for n in 0..CHURNS {
        let slot = &slots[n % slots.len()];
        table.insert(slot.clone());
        for _ in 0..3 {
            black_box(table.get(slot.id()));
        }
        table.remove(slot);
    }
    CHURNS * 5
}

/// Runs `work` on so many threads at once; nanoseconds of an operation on one of them.
fn timed(threads: usize, work: &(dyn Fn(usize) -> usize + Sync)) -> f64 {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let run = |thread| {
            barrier.wait();
            let start = Instant::now();
            let operations = work(thread);
            start.elapsed().as_nanos() as f64 / operations as f64
        };
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum::<f64>() / threads as f64
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let tables: [(&str, Box<dyn Table>); 6] = [
        ("RwLock<HashMap>", Box::new(Bare(RwLock::default()))),
        ("registry-std", Box::new(StdRegistry::new())),
        ("registry-sharded", Box::new(ShardedRegistry::new())),
        ("dashmap", Box::new(Dash(dashmap::DashMap::new()))),
        // What is left of the difference when the hash is the same.
        ("dashmap with ahash", Box::new(Dash(dashmap::DashMap::with_hasher(ahash::RandomState::new())))),
        ("papaya", Box::new(Papaya(papaya::HashMap::new()))),
    ];
    let name = |n: usize| ActorId::new("account", format!("customer-{n:06}")).unwrap();
    let ids: Vec<_> = (0..RESIDENT).map(name).collect();
    let passing: Vec<Vec<_>> =
        (0..2).map(|thread| (0..1000).map(|n| slot(&name(RESIDENT * (thread + 1) + n))).collect()).collect();
    let slots: Vec<_> = ids.iter().map(slot).collect();
    for (_, table) in &tables {
        slots.iter().for_each(|slot| table.insert(slot.clone()));
    }
    println!("ns an operation, median of {ROUNDS} interleaved rounds (in brackets: to RwLock<HashMap>, to dashmap)\n");
    println!("| | hit, 1 thread | hit, 2 threads | churn, 1 thread | churn, 2 threads |\n|---|---|---|---|---|");
    let mut medians = vec![Vec::new(); tables.len()];
    for (churns, threads) in [(false, 1), (false, 2), (true, 1), (true, 2)] {
        let mut times = vec![Vec::new(); tables.len()];
        for round in 0..=ROUNDS {
            for (number, (_, table)) in tables.iter().enumerate() {
                let work = |thread: usize| {
                    if churns { churn(&**table, &passing[thread]) } else { hit(&**table, &ids, thread) }
                };
                let time = timed(threads, &work);
                // The first round warms up.
                if round > 0 {
                    times[number].push(time);
                }
            }
        }
        times.into_iter().zip(&mut medians).for_each(|(times, medians)| medians.push(median(times)));
    }
    for (number, (name, _)) in tables.iter().enumerate() {
        let cell = |column: usize| {
            let time = medians[number][column];
            format!("{time:.0} ({:.2}, {:.2})", time / medians[0][column], time / medians[3][column])
        };
        println!("| {name} | {} | {} | {} | {} |", cell(0), cell(1), cell(2), cell(3));
    }
}
