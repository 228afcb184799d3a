//! Registries that the models must refuse: with locks that loom cannot see, and with laws broken.
//!
//! Each test runs itself again as another process, as a model that fails may take its process with it.

#![cfg(loom)]

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;

use gargoyle::sync::RwLock;
use gargoyle::{ActorId, Registry, SlotRef};
use gargoyle_loom_tests::check_all;

/// What tells the second process that it is one.
const INSIDE: &str = "GARGOYLE_LOOM_INSIDE";

/// Checks a registry in another process, and returns what that one said of it.
fn verdict<R: Registry>(test: &str, make: fn() -> R) -> String {
    if std::env::var_os(INSIDE).is_some() {
        check_all(make);
        std::process::exit(0);
    }
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "yes")
        .env("GARGOYLE_LOOM_STALL", "2")
        .output()
        .unwrap();
    assert!(!output.status.success(), "the models passed a registry that they cannot check, or that is broken");
    String::from_utf8(output.stderr).unwrap()
}

/// A map that can be kept under any lock.
type Slots = BTreeMap<ActorId, SlotRef>;

fn insert(slots: &mut Slots, slot: SlotRef) -> Option<SlotRef> {
    if let Some(there) = slots.get(slot.id()) {
        return Some(there.clone());
    }
    slots.insert(slot.id().clone(), slot);
    None
}

fn remove(slots: &mut Slots, slot: &SlotRef) -> bool {
    let is_there = slots.get(slot.id()).is_some_and(|there| there.is_same(slot));
    if is_there {
        slots.remove(slot.id());
    }
    is_there
}

/// Sound, and made of a lock that loom knows nothing of.
#[derive(Default)]
struct Unseen(Mutex<Slots>);

impl Registry for Unseen {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        self.0.lock().unwrap().get(id).cloned()
    }

    fn get_or_insert(&self, slot: SlotRef) -> Option<SlotRef> {
        insert(&mut self.0.lock().unwrap(), slot)
    }

    fn remove_if_same(&self, slot: &SlotRef) -> bool {
        remove(&mut self.0.lock().unwrap(), slot)
    }

    fn for_each(&self, visit: &mut dyn FnMut(&SlotRef)) {
        let slots: Vec<SlotRef> = self.0.lock().unwrap().values().cloned().collect();
        slots.iter().for_each(visit);
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Half of it is seen by loom; the other half is a lock that it holds while it calls out.
#[derive(Default)]
struct Stuck(RwLock<Slots>, Mutex<()>);

impl Registry for Stuck {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        self.0.read().get(id).cloned()
    }

    fn get_or_insert(&self, slot: SlotRef) -> Option<SlotRef> {
        let _busy = self.1.lock().unwrap();
        insert(&mut self.0.write(), slot)
    }

    fn remove_if_same(&self, slot: &SlotRef) -> bool {
        let _busy = self.1.lock().unwrap();
        remove(&mut self.0.write(), slot)
    }

    fn for_each(&self, visit: &mut dyn FnMut(&SlotRef)) {
        let _busy = self.1.lock().unwrap();
        self.0.read().values().for_each(visit);
    }

    fn len(&self) -> usize {
        self.0.read().len()
    }
}

/// Seen by loom, and torn: it looks under one lock and inserts under another.
#[derive(Default)]
struct Torn(RwLock<Slots>);

impl Registry for Torn {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        self.0.read().get(id).cloned()
    }

    fn get_or_insert(&self, slot: SlotRef) -> Option<SlotRef> {
        let there = self.get(slot.id());
        if there.is_none() {
            self.0.write().insert(slot.id().clone(), slot);
        }
        there
    }

    fn remove_if_same(&self, slot: &SlotRef) -> bool {
        remove(&mut self.0.write(), slot)
    }

    fn for_each(&self, visit: &mut dyn FnMut(&SlotRef)) {
        let slots: Vec<SlotRef> = self.0.read().values().cloned().collect();
        slots.iter().for_each(visit);
    }

    fn len(&self) -> usize {
        self.0.read().len()
    }
}

/// Sound, and another one than ours.
#[derive(Default)]
struct Tree(RwLock<Slots>);

impl Registry for Tree {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        self.0.read().get(id).cloned()
    }

    fn get_or_insert(&self, slot: SlotRef) -> Option<SlotRef> {
        insert(&mut self.0.write(), slot)
    }

    fn remove_if_same(&self, slot: &SlotRef) -> bool {
        remove(&mut self.0.write(), slot)
    }

    fn for_each(&self, visit: &mut dyn FnMut(&SlotRef)) {
        let slots: Vec<SlotRef> = self.0.read().values().cloned().collect();
        slots.iter().for_each(visit);
    }

    fn len(&self) -> usize {
        self.0.read().len()
    }
}

#[test]
fn a_registry_whose_locks_loom_does_not_see_is_told_so() {
    let verdict = verdict("a_registry_whose_locks_loom_does_not_see_is_told_so", Unseen::default);
    assert!(verdict.contains("are not from `gargoyle::sync`"), "{verdict}");
}

#[test]
fn a_registry_that_makes_loom_stand_still_is_told_why() {
    let verdict = verdict("a_registry_that_makes_loom_stand_still_is_told_why", Stuck::default);
    assert!(verdict.contains("stands still in execution"), "{verdict}");
}

#[test]
fn a_registry_that_is_torn_is_caught() {
    let verdict = verdict("a_registry_that_is_torn_is_caught", Torn::default);
    assert!(verdict.contains("panicked"), "{verdict}");
}

#[test]
fn a_registry_of_somebody_else_passes_the_laws() {
    for model in gargoyle_loom_tests::models(Tree::default).into_iter().take(3) {
        model.check();
    }
}
