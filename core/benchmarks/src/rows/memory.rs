//! Memory: of an actor that is alive, the kernel's included, and of a million that are not.

use gargoyle::{ActorId, Revision, Storage, StorageError, Stored, Visit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::OURS;
use crate::harness::Bound::AtMost;
use crate::harness::{Effort, Row, Unit, kernel_says};
use crate::ours::{self, Tally};
use crate::raw::{Add, PARKS, RawActor, ReplySlot};

const THREAD: &str = "raw: thread at a crossbeam receiver";
const NONE: &str = "a system with one actor and none of stone";
const MILLION: &str = "gargoyle, 1,000,000 of stone, one alive";

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("memory", "a live actor that has answered once, of 10,000", Unit::Memory)
            .rounds_max(3)
            .ours(OURS, live)
            .floor(THREAD, threads)
            .goal(OURS, AtMost(1.15), THREAD),
        Row::new("million", "memory of the whole process", Unit::Memory)
            .rounds_max(1)
            .ours(MILLION, |effort| stone(effort.of(1_000_000)))
            .floor(NONE, |_| stone(0))
            .goal(MILLION, AtMost(1.1), NONE),
    ]
}

/// The bytes that each of so many takes, the kernel's included.
fn each_takes<T>(effort: Effort, make: impl Fn(usize) -> T) -> f64 {
    let number = effort.of(10_000) as usize;
    // The first one takes along what all share.
    let first = make(number);
    let before = in_use();
    let all: Vec<T> = (0..number).map(make).collect();
    let took = (in_use() - before) / number as f64;
    drop((first, all));
    took
}

/// Of this process, and of the kernel for all: nothing else should run meanwhile.
fn in_use() -> f64 {
    let kernel = ["KernelStack", "PageTables", "Slab"].map(|name| kernel_says("/proc/meminfo", name));
    kernel_says("/proc/self/status", "VmRSS") + kernel.iter().sum::<f64>()
}

fn live(effort: Effort) -> f64 {
    let system =
        gargoyle::System::builder(gargoyle_registry_sharded::ShardedRegistry::new(), gargoyle::MemoryStorage::new())
            .max_live(20_000)
            .build()
            .unwrap();
    let took = each_takes(effort, |n| {
        let handle = system.handle::<Tally>(n.to_string(), ());
        assert_eq!(ours::add(&handle), 1);
        handle
    });
    assert_eq!(system.stats().live as u64, effort.of(10_000) + 1);
    took
}

fn threads(effort: Effort) -> f64 {
    let slot = ReplySlot::new();
    each_takes(effort, |_| {
        let actor = RawActor::start(PARKS, crossbeam_channel::unbounded());
        assert_eq!(actor.call(&slot, Add(1, 0)), 1);
        actor
    })
}

/// Has so many actors live one after the other, and one go on.
fn stone(actors: u64) -> f64 {
    let system = ours::system_on(Forgetful::default());
    let one = ours::tally(&system);
    assert_eq!(ours::add(&one), 1);
    for n in 0..actors {
        let handle = system.handle::<Tally>(n.to_string(), ());
        assert_eq!(ours::add(&handle), 1);
        handle.petrify().unwrap();
    }
    assert_eq!((system.stats().petrified, system.stats().live), (actors, 1));
    kernel_says("/proc/self/status", "VmRSS")
}

/// Keeps nothing: what a real store has on disk is none of a system's memory.
#[derive(Default)]
struct Forgetful(AtomicU64);

impl Storage for Forgetful {
    fn load(&self, _: &ActorId) -> Result<Option<Stored>, StorageError> {
        Ok(None)
    }

    fn save(
        &self,
        _: &ActorId,
        _: Option<Revision>,
        _: &[u8],
        _: Option<SystemTime>,
    ) -> Result<Revision, StorageError> {
        Ok(Revision::new(1 + self.0.fetch_add(1, Ordering::Relaxed)))
    }

    fn wipe(&self, _: &ActorId, _: Option<Revision>) -> Result<(), StorageError> {
        Ok(())
    }

    fn scan(&self, _: Option<&str>, _: Option<&ActorId>, _: Visit<'_>) -> Result<(), StorageError> {
        Ok(())
    }

    fn due(&self, _: SystemTime, _: Visit<'_>) -> Result<(), StorageError> {
        Ok(())
    }
}
