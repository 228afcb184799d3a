//! The kit for registries: for each case a registry with one fault that the case finds.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;

use gargoyle::conformance::Outcome;
use gargoyle::conformance::registry::{self, slot};
use gargoyle::{ActorId, Registry, SlotRef};
use gargoyle_registry_std::StdRegistry;

/// What a registry does wrong. Each method is right unless a fault has another one.
trait Fault: Default + Send + Sync + 'static {
    fn get(&self, good: &StdRegistry, id: &ActorId) -> Option<SlotRef> {
        good.get(id)
    }
    fn get_or_insert(&self, good: &StdRegistry, slot: SlotRef) -> Option<SlotRef> {
        good.get_or_insert(slot)
    }
    fn remove_if_same(&self, good: &StdRegistry, slot: &SlotRef) -> bool {
        good.remove_if_same(slot)
    }
    fn for_each(&self, good: &StdRegistry, visit: &mut dyn FnMut(&SlotRef)) {
        good.for_each(visit);
    }
    fn len(&self, good: &StdRegistry) -> usize {
        good.len()
    }
}

#[derive(Default)]
struct Faulty<F> {
    good: StdRegistry,
    fault: F,
}

impl<F: Fault> Registry for Faulty<F> {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        self.fault.get(&self.good, id)
    }
    fn get_or_insert(&self, slot: SlotRef) -> Option<SlotRef> {
        self.fault.get_or_insert(&self.good, slot)
    }
    fn remove_if_same(&self, slot: &SlotRef) -> bool {
        self.fault.remove_if_same(&self.good, slot)
    }
    fn for_each(&self, visit: &mut dyn FnMut(&SlotRef)) {
        self.fault.for_each(&self.good, visit);
    }
    fn len(&self) -> usize {
        self.fault.len(&self.good)
    }
}

/// Looks at the key, and not at the kind.
#[derive(Default)]
struct KeysOnly(Mutex<BTreeMap<String, SlotRef>>);

impl Fault for KeysOnly {
    fn get(&self, _: &StdRegistry, id: &ActorId) -> Option<SlotRef> {
        self.0.lock().unwrap().get(id.key()).cloned()
    }
    fn get_or_insert(&self, _: &StdRegistry, slot: SlotRef) -> Option<SlotRef> {
        let mut slots = self.0.lock().unwrap();
        let there = slots.get(slot.id().key()).cloned();
        if there.is_none() {
            slots.insert(slot.id().key().to_owned(), slot);
        }
        there
    }
    fn remove_if_same(&self, _: &StdRegistry, slot: &SlotRef) -> bool {
        self.0.lock().unwrap().remove(slot.id().key()).is_some()
    }
}

#[derive(Default)]
struct LastClaimWins;

impl Fault for LastClaimWins {
    fn get_or_insert(&self, good: &StdRegistry, slot: SlotRef) -> Option<SlotRef> {
        while let Some(there) = good.get_or_insert(slot.clone()) {
            good.remove_if_same(&there);
        }
        None
    }
}

/// Looks first and inserts then, with time for others in between.
#[derive(Default)]
struct LooksThenInserts;

impl Fault for LooksThenInserts {
    fn get_or_insert(&self, good: &StdRegistry, slot: SlotRef) -> Option<SlotRef> {
        let there = good.get(slot.id());
        if there.is_none() {
            (0..20).for_each(|_| thread::yield_now());
            LastClaimWins.get_or_insert(good, slot);
        }
        there
    }
}

/// An id that was removed is not let in again.
#[derive(Default)]
struct Tombstones(Mutex<HashSet<ActorId>>);

impl Fault for Tombstones {
    fn get_or_insert(&self, good: &StdRegistry, slot: SlotRef) -> Option<SlotRef> {
        if self.0.lock().unwrap().contains(slot.id()) { Some(slot) } else { good.get_or_insert(slot) }
    }
    fn remove_if_same(&self, good: &StdRegistry, slot: &SlotRef) -> bool {
        let removed = good.remove_if_same(slot);
        if removed {
            self.0.lock().unwrap().insert(slot.id().clone());
        }
        removed
    }
}

#[derive(Default)]
struct RemovesById;

impl Fault for RemovesById {
    fn remove_if_same(&self, good: &StdRegistry, slot: &SlotRef) -> bool {
        good.get(slot.id()).is_some_and(|there| good.remove_if_same(&there))
    }
}

/// Tells everybody who asked in time that it removed the slot.
#[derive(Default)]
struct ThanksEverybody;

impl Fault for ThanksEverybody {
    fn remove_if_same(&self, good: &StdRegistry, slot: &SlotRef) -> bool {
        let is_there = good.get(slot.id()).is_some_and(|there| there.is_same(slot));
        (0..20).for_each(|_| thread::yield_now());
        good.remove_if_same(slot);
        is_there
    }
}

#[derive(Default)]
struct LooksUpAndInserts;

impl Fault for LooksUpAndInserts {
    fn get(&self, good: &StdRegistry, id: &ActorId) -> Option<SlotRef> {
        let there = good.get(id);
        if there.is_none() {
            good.get_or_insert(slot(id));
        }
        there
    }
}

/// Counts calls, and not slots.
#[derive(Default)]
struct CountsCalls(AtomicUsize);

impl Fault for CountsCalls {
    fn get_or_insert(&self, good: &StdRegistry, slot: SlotRef) -> Option<SlotRef> {
        self.0.fetch_add(1, Ordering::SeqCst);
        good.get_or_insert(slot)
    }
    fn remove_if_same(&self, good: &StdRegistry, slot: &SlotRef) -> bool {
        let removed = good.remove_if_same(slot);
        self.0.fetch_sub(usize::from(removed), Ordering::SeqCst);
        removed
    }
    fn len(&self, _: &StdRegistry) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Of two claims at the same time, of whatever ids, one is forgotten.
#[derive(Default)]
struct OneAtATime(AtomicBool);

impl Fault for OneAtATime {
    fn get_or_insert(&self, good: &StdRegistry, slot: SlotRef) -> Option<SlotRef> {
        if self.0.swap(true, Ordering::SeqCst) {
            return None;
        }
        (0..20).for_each(|_| thread::yield_now());
        let there = good.get_or_insert(slot);
        self.0.store(false, Ordering::SeqCst);
        there
    }
}

fn all(good: &StdRegistry) -> Vec<SlotRef> {
    let mut slots = Vec::new();
    good.for_each(&mut |slot| slots.push(slot.clone()));
    slots
}

#[derive(Default)]
struct ShowsTheFirstTwice;

impl Fault for ShowsTheFirstTwice {
    fn for_each(&self, good: &StdRegistry, visit: &mut dyn FnMut(&SlotRef)) {
        let slots = all(good);
        slots.iter().take(1).chain(&slots).for_each(visit);
    }
}

/// Goes from place to place, and what is removed before the place moves all others.
#[derive(Default)]
struct PagesByPlace;

impl Fault for PagesByPlace {
    fn for_each(&self, good: &StdRegistry, visit: &mut dyn FnMut(&SlotRef)) {
        let sorted = |place| {
            let mut slots = all(good);
            slots.sort_by(|a, b| a.id().cmp(b.id()));
            slots.into_iter().nth(place)
        };
        for place in 0.. {
            let Some(slot) = sorted(place) else { return };
            visit(&slot);
        }
    }
}

/// Shows as many as there were at first, from those that are there then.
#[derive(Default)]
struct ShowsSoMany;

impl Fault for ShowsSoMany {
    fn for_each(&self, good: &StdRegistry, visit: &mut dyn FnMut(&SlotRef)) {
        let before = good.len();
        (0..20).for_each(|_| thread::yield_now());
        let mut slots = all(good);
        slots.sort_by(|a, b| b.id().cmp(a.id()));
        slots.iter().take(before).for_each(visit);
    }
}

/// Holds the lock that claims need while it shows.
#[derive(Default)]
struct HoldsALock(RwLock<()>);

impl Fault for HoldsALock {
    fn get_or_insert(&self, good: &StdRegistry, slot: SlotRef) -> Option<SlotRef> {
        let _lock = self.0.write().unwrap();
        good.get_or_insert(slot)
    }
    fn for_each(&self, good: &StdRegistry, visit: &mut dyn FnMut(&SlotRef)) {
        let _lock = self.0.read().unwrap();
        good.for_each(visit);
    }
}

/// Keeps what it was offered.
#[derive(Default)]
struct KeepsOffers(Mutex<Vec<SlotRef>>);

impl Fault for KeepsOffers {
    fn get_or_insert(&self, good: &StdRegistry, slot: SlotRef) -> Option<SlotRef> {
        self.0.lock().unwrap().push(slot.clone());
        good.get_or_insert(slot)
    }
}

/// A slot in a thousand is told to be removed, and is not.
#[derive(Default)]
struct ForgetsToForget(AtomicUsize);

impl Fault for ForgetsToForget {
    fn remove_if_same(&self, good: &StdRegistry, slot: &SlotRef) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) % 1000 == 999 || good.remove_if_same(slot)
    }
}

/// A registry with a fault, and the case that has to find it.
struct Fake {
    name: &'static str,
    case: &'static str,
    run: fn(&str) -> Outcome,
}

fn fake<F: Fault>(case: &'static str) -> Fake {
    let name = std::any::type_name::<F>();
    Fake { name, case, run: |case| registry::run_one(case, Faulty::<F>::default) }
}

fn fakes() -> Vec<Fake> {
    vec![
        fake::<KeysOnly>("inserted_is_found"),
        fake::<LastClaimWins>("the_first_stays"),
        fake::<Tombstones>("claim_release_claim"),
        fake::<RemovesById>("a_stale_remove_is_a_no_op"),
        fake::<LooksUpAndInserts>("looking_changes_nothing"),
        fake::<CountsCalls>("len_counts"),
        fake::<LooksThenInserts>("one_claim_wins"),
        fake::<ThanksEverybody>("one_remove_wins"),
        fake::<LooksThenInserts>("one_owner_at_a_time"),
        fake::<OneAtATime>("ids_at_the_same_time"),
        fake::<ShowsTheFirstTwice>("each_is_shown_once"),
        fake::<PagesByPlace>("shown_while_visited"),
        fake::<ShowsSoMany>("shown_while_changed"),
        fake::<HoldsALock>("for_each_holds_no_lock"),
        fake::<KeepsOffers>("removed_slots_are_dropped"),
        fake::<ForgetsToForget>("a_million_ids_leave_nothing"),
        #[cfg(target_os = "linux")]
        fake::<RemembersIds>("a_million_ids_leave_no_memory"),
    ]
}

/// Remembers every id that was removed, and has no other fault.
#[cfg(target_os = "linux")]
#[derive(Default)]
struct RemembersIds(Mutex<Vec<ActorId>>);

#[cfg(target_os = "linux")]
impl Fault for RemembersIds {
    fn remove_if_same(&self, good: &StdRegistry, slot: &SlotRef) -> bool {
        self.0.lock().unwrap().push(slot.id().clone());
        good.remove_if_same(slot)
    }
}

#[test]
fn every_fault_is_found_by_its_case() {
    let missed: Vec<_> = fakes()
        .iter()
        .filter_map(|fake| match (fake.run)(fake.case) {
            Outcome::Failed(what) => {
                println!("{} fails {}: {what}", fake.name, fake.case);
                None
            }
            other => Some(format!("{} ended {other:?} in {}", fake.name, fake.case)),
        })
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
#[cfg(target_os = "linux")]
fn every_case_has_a_fault_that_it_finds() {
    let found: HashSet<_> = fakes().iter().map(|fake| fake.case).collect();
    let missing: Vec<_> = registry::cases().map(|case| case.name).filter(|name| !found.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
