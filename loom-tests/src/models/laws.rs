//! The laws of a registry, without a system.

use gargoyle::sync::{Arc, model, thread};
use gargoyle::{ActorId, Registry, SlotRef};

use crate::lab::spawn;
use crate::seen::Seen;
use crate::{Body, Plan};

pub(super) fn all<R: Registry>() -> Vec<Plan<R>> {
    vec![
        Plan {
            name: "seen_by_loom",
            promise: "loom sees the registry's locks; without that the other models show nothing",
            threads: 2,
            preemptions: None,
            sometimes: &[],
            body: Body::Registry(seen_by_loom),
        },
        Plan {
            name: "claims_and_releases",
            promise: "of several claims for an id one wins, all others get its slot, and only that very slot is released",
            threads: 3,
            preemptions: Some(3),
            sometimes: &["a claim that came too late", "a claim after a release"],
            body: Body::Registry(claims_and_releases),
        },
        Plan {
            name: "looks_during_changes",
            promise: "who is there all the time is found, and shown exactly once",
            threads: 2,
            preemptions: None,
            sometimes: &["another one was shown", "another one was not shown"],
            body: Body::Registry(looks_during_changes),
        },
    ]
}

fn slot(key: &str) -> SlotRef {
    model::slot(&ActorId::new("k", key).expect("the key is one"))
}

/// Claims the id of `mine` and releases it. `false`: somebody else had it.
fn claim_and_release<R: Registry>(registry: &R, mine: &SlotRef, others: &[SlotRef]) -> bool {
    match registry.get_or_insert(mine.clone()) {
        Some(there) => {
            assert!(others.iter().any(|other| other.is_same(&there)), "the slot that is there is nobody's");
            assert!(!registry.remove_if_same(mine), "a slot was released that was never there");
            false
        }
        None => {
            let there = registry.get(mine.id()).expect("a slot is there until it is released");
            assert!(there.is_same(mine), "another slot took the place");
            assert!(registry.remove_if_same(mine), "a slot was gone before it was released");
            assert!(!registry.remove_if_same(mine), "a slot was released twice");
            true
        }
    }
}

/// Two threads that meet in the registry and nowhere else: if loom has no choice here, it sees nothing of it.
fn seen_by_loom<R: Registry>(registry: R, _: &Seen) {
    let registry = Arc::new(registry);
    let (one, two, other) = (slot("a"), slot("a"), registry.clone());
    let claim = move || drop(other.get_or_insert(two));
    thread::spawn("other".to_owned(), None, claim).expect("the model has threads");
    registry.get_or_insert(one);
}

fn claims_and_releases<R: Registry>(registry: R, seen: &Seen) {
    let registry = Arc::new(registry);
    let (one, two, three) = (slot("a"), slot("a"), slot("a"));
    let claim = |mine: &SlotRef, others: [&SlotRef; 2]| {
        let (registry, mine, others) = (registry.clone(), mine.clone(), others.map(SlotRef::clone));
        spawn(move || claim_and_release(&*registry, &mine, &others))
    };
    let (second, third) = (claim(&two, [&one, &three]), claim(&three, [&one, &two]));
    let first = claim_and_release(&*registry, &one, &[two, three]);
    let won = [first, second.join(), third.join()].into_iter().filter(|won| *won).count();
    assert!(won > 0, "nobody won");
    assert!(registry.is_empty() && registry.get(one.id()).is_none(), "a slot was left behind");
    seen.saw(if won == 3 { "a claim after a release" } else { "a claim that came too late" });
}

fn looks_during_changes<R: Registry>(registry: R, seen: &Seen) {
    let registry = Arc::new(registry);
    let (stays, comes, goes) = (slot("stays"), slot("comes"), slot("goes"));
    assert!(registry.get_or_insert(stays.clone()).is_none() && registry.get_or_insert(goes.clone()).is_none());
    let changes = {
        let (registry, comes) = (registry.clone(), comes.clone());
        spawn(move || {
            assert!(registry.get_or_insert(comes).is_none());
            assert!(registry.remove_if_same(&goes));
        })
    };
    let mut shown = Vec::new();
    registry.for_each(&mut |slot| shown.push(slot.clone()));
    assert!(registry.get(stays.id()).is_some_and(|there| there.is_same(&stays)));
    assert!((2..=3).contains(&registry.len()));
    changes.join();
    let times = |slot: &SlotRef| shown.iter().filter(|other| other.is_same(slot)).count();
    assert_eq!(times(&stays), 1, "who is there is shown once");
    assert!(shown.iter().all(|slot| times(slot) == 1), "nobody is shown twice");
    seen.saw(if times(&comes) == 1 { "another one was shown" } else { "another one was not shown" });
    assert_eq!(registry.len(), 2);
}
