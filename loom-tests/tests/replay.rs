//! What shuttle finds can be run again: a registry that is broken on purpose fails twice in the same way.
//!
//! The test runs itself again as another process, as what is printed on a failure goes past the test's grip on its output.

#![cfg(shuttle)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use gargoyle::sync::RwLock;
use gargoyle::{ActorId, Registry, SlotRef};
use gargoyle_loom_tests::{Effort, scenarios};

/// What tells the second process that it is one.
const INSIDE: &str = "GARGOYLE_SHUTTLE_INSIDE";

/// Looks whether somebody is there in one lock, and inserts in another: two may win.
#[derive(Default)]
struct Torn(RwLock<BTreeMap<ActorId, SlotRef>>);

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
        let mut slots = self.0.write();
        let is_same = slots.get(slot.id()).is_some_and(|there| there.is_same(slot));
        is_same && slots.remove(slot.id()).is_some()
    }

    fn for_each(&self, visit: &mut dyn FnMut(&SlotRef)) {
        let slots: Vec<SlotRef> = self.0.read().values().cloned().collect();
        slots.iter().for_each(visit);
    }

    fn len(&self) -> usize {
        self.0.read().len()
    }
}

/// Runs the test in another process, and returns what that one printed.
fn printed(test: &str, replay: Option<&Path>) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(INSIDE, "yes").env("RUST_BACKTRACE", "0");
    command.env_remove("GARGOYLE_SHUTTLE_REPLAY");
    if let Some(log) = replay {
        command.env("GARGOYLE_SHUTTLE_REPLAY", log);
    }
    let output = command.output().unwrap();
    assert!(!output.status.success(), "the broken registry was not found");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What the first panic said, and where.
fn panic_in(printed: &str) -> &str {
    let said = printed.split_once("panicked at ").expect("there was a panic").1;
    // Behind it come hints, which are not said twice.
    said.split("\nnote:").next().unwrap_or(said).split("\ntest panicked").next().unwrap_or(said)
}

#[test]
fn a_failure_is_run_again_by_what_it_printed() {
    if std::env::var_os(INSIDE).is_some() {
        let crowd = scenarios(Torn::default).into_iter().find(|scenario| scenario.name == "crowd").unwrap();
        crowd.check(&Effort::from_env());
        return;
    }
    let test = "a_failure_is_run_again_by_what_it_printed";
    let first = printed(test, None);
    assert!(first.contains("Random") && first.contains("failing schedule"), "{first}");
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("replay.log");
    std::fs::write(&log, &first).unwrap();
    let again = printed(test, Some(&log));
    assert!(again.contains("crowd failed under Replay"), "{again}");
    assert_eq!(panic_in(&again), panic_in(&first));
}
