//! The kit for registries: the laws of [`Registry`], with slots that nobody owns.
//!
//! # Examples
//!
//! ```
//! use gargoyle::conformance::registry;
//! use gargoyle_registry_std::StdRegistry;
//!
//! println!("{}", registry::run_all(StdRegistry::new));
//! ```

mod crowd;
mod laws;
mod leaks;
mod showing;

use std::time::Duration;

use super::{Case, Miss, Outcome, Report, Verdict, ensure, failed, run};
use crate::message::Order;
use crate::reply::ReplyPort;
use crate::slot::Envelope;
use crate::sync::Arc;
use crate::{ActorId, Registry, SlotRef};

/// How long a call may take before a lock is suspected. What holds none takes microseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs all cases, each on a registry of its own, and reports which passed; one that measures memory is skipped where
/// the system does not tell. Takes some seconds: ten in a debug build.
///
/// # Panics
///
/// If a case fails, after all have run: the message names each case that failed, what it expected and what it saw.
#[track_caller]
pub fn run_all<R: Registry>(make: impl Fn() -> R) -> Report {
    let make = || -> Arc<dyn Registry> { Arc::new(make()) };
    let bench = Bench { make: &make };
    let ends = entries().map(|entry| (entry.case, run(|| (entry.run)(&bench)))).collect();
    Report { kit: "registry", ends }.or_panic()
}

/// Runs one case by its name: to look at a failure alone.
///
/// # Panics
///
/// If there is no such case.
pub fn run_one<R: Registry>(name: &str, make: impl Fn() -> R) -> Outcome {
    let make = || -> Arc<dyn Registry> { Arc::new(make()) };
    let entry = entries().find(|entry| entry.case.name == name);
    let entry = entry.unwrap_or_else(|| panic!("there is no case {name:?}"));
    run(|| (entry.run)(&Bench { make: &make }))
}

/// All cases, in the order in which they are run.
pub fn cases() -> impl Iterator<Item = Case> {
    entries().map(|entry| entry.case)
}

/// A slot that nobody owns, for tests and benchmarks of a registry. Each call makes another one.
pub fn slot(id: &ActorId) -> SlotRef {
    SlotRef::new(id, "conformance", 1, Nothing).0
}

/// What such a slot carries.
struct Nothing;

impl Envelope for Nothing {
    fn nudge() -> Self {
        Nothing
    }

    fn order(_: Order, _: ReplyPort<()>) -> Self {
        Nothing
    }
}

/// What every case is given.
struct Bench<'a> {
    make: &'a dyn Fn() -> Arc<dyn Registry>,
}

impl Bench<'_> {
    fn registry(&self) -> Arc<dyn Registry> {
        (self.make)()
    }
}

/// A case and how it is run.
struct Entry {
    case: Case,
    run: fn(&Bench<'_>) -> Verdict,
}

const fn entry(name: &'static str, checks: &'static str, run: fn(&Bench<'_>) -> Verdict) -> Entry {
    Entry { case: Case { name, checks }, run }
}

/// The table of all cases, by topic. Each topic lists its own beside the code.
static TABLE: &[&[Entry]] = &[laws::CASES, crowd::CASES, showing::CASES, leaks::CASES];

fn entries() -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().copied().flatten()
}

fn id(kind: impl Into<String>, key: impl Into<String>) -> ActorId {
    ActorId::new(kind.into(), key).expect("the kit's ids are valid")
}

/// Slots with the keys `0..number`.
fn slots(number: usize) -> Vec<SlotRef> {
    (0..number).map(|n| slot(&id("k", n.to_string()))).collect()
}

/// Fails unless this very slot is there.
fn is_there(registry: &dyn Registry, slot: &SlotRef) -> Verdict {
    match registry.get(slot.id()) {
        Some(there) if there.is_same(slot) => Ok(()),
        Some(_) => failed(format!("get of {}: expected the slot that was inserted, saw another one", slot.id())),
        None => failed(format!("get of {}: expected the slot that was inserted, saw none", slot.id())),
    }
}

fn is_absent(registry: &dyn Registry, id: &ActorId) -> Verdict {
    ensure(registry.get(id).is_none(), || format!("get of {id}: expected none, saw a slot"))
}

/// Inserts where there is nothing.
fn insert(registry: &dyn Registry, slot: &SlotRef) -> Verdict {
    let there = registry.get_or_insert(slot.clone());
    ensure(there.is_none(), || format!("get_or_insert of {}: expected to insert, saw a slot there", slot.id()))
}

/// Removes what is there.
fn remove(registry: &dyn Registry, slot: &SlotRef) -> Verdict {
    ensure(registry.remove_if_same(slot), || format!("remove_if_same of {}: expected true, saw false", slot.id()))
}

fn has_length(registry: &dyn Registry, expected: usize) -> Verdict {
    super::same("len", registry.len(), expected)?;
    super::same("is_empty", registry.is_empty(), expected == 0)
}

fn skipped(why: &str) -> Verdict {
    Err(Miss::Skipped(why.to_owned()))
}
