//! `for_each`: every slot that stays, once, whatever others do meanwhile, and no lock held.

use std::collections::HashMap;

use super::{Bench, Entry, PATIENCE, entry, has_length, id, insert, is_absent, is_there, remove, slot, slots};
use crate::conformance::threads::{Crew, ends_within};
use crate::conformance::{Verdict, ensure, failed};
use crate::sync::Arc;
use crate::{Registry, SlotRef};

pub(super) static CASES: &[Entry] = &[
    entry("each_is_shown_once", "for_each shows every slot that is there once, and none that was removed", once),
    entry("shown_while_visited", "what visit inserts and removes hides and doubles no other slot", while_visited),
    entry("shown_while_changed", "what other threads insert and remove hides and doubles no slot that stays", changed),
    entry("for_each_holds_no_lock", "visit may get, insert, remove, count and show, also on another thread", no_lock),
];

/// Shows all, calls `visit` for each, and checks that those that stay were shown once and nobody twice.
fn show_checked(registry: &dyn Registry, stay: &[SlotRef], mut visit: impl FnMut(&SlotRef) -> Verdict) -> Verdict {
    let mut shown: Vec<SlotRef> = Vec::new();
    let mut verdict = Ok(());
    registry.for_each(&mut |slot| {
        shown.push(slot.clone());
        if verdict.is_ok() {
            verdict = visit(slot);
        }
    });
    verdict?;
    // Slots of one id may follow each other; the same slot may not.
    let mut of_id: HashMap<_, Vec<&SlotRef>> = HashMap::new();
    for slot in &shown {
        let before = of_id.entry(slot.id()).or_default();
        if before.iter().any(|before| before.is_same(slot)) {
            return failed(format!("for_each: {} was shown twice", slot.id()));
        }
        before.push(slot);
    }
    let was_shown = |slot: &SlotRef| of_id.get(slot.id()).is_some_and(|all| all.iter().any(|one| one.is_same(slot)));
    stay.iter()
        .find(|slot| !was_shown(slot))
        .map_or(Ok(()), |slot| failed(format!("for_each: {} was there all the time and not shown", slot.id())))
}

fn once(bench: &Bench<'_>) -> Verdict {
    let registry = &*bench.registry();
    let all = slots(500);
    registry.for_each(&mut |_| panic!("an empty registry showed a slot"));
    all.iter().try_for_each(|slot| insert(registry, slot))?;
    show_checked(registry, &all, |_| Ok(()))?;
    all[..250].iter().try_for_each(|slot| remove(registry, slot))?;
    show_checked(registry, &all[250..], |slot| {
        let removed = all[..250].iter().any(|removed| removed.is_same(slot));
        ensure(!removed, || format!("for_each: {} was shown after it was removed", slot.id()))
    })
}

fn while_visited(bench: &Bench<'_>) -> Verdict {
    let registry = &*bench.registry();
    let all = slots(400);
    all.iter().try_for_each(|slot| insert(registry, slot))?;
    // Each removes itself once it is shown: who is next must not move up.
    show_checked(registry, &all, |slot| remove(registry, slot))?;
    has_length(registry, 0)?;
    // Each brings others, until there are so many that a map has to grow.
    all.iter().try_for_each(|slot| insert(registry, slot))?;
    let mut new = 0;
    show_checked(registry, &all, |_| {
        for _ in 0..if new < 4000 { 10 } else { 0 } {
            new += 1;
            insert(registry, &slot(&id("new", new.to_string())))?;
        }
        Ok(())
    })?;
    all.iter().try_for_each(|slot| is_there(registry, slot))
}

fn changed(bench: &Bench<'_>) -> Verdict {
    let registry = bench.registry();
    let stay = slots(300);
    stay.iter().try_for_each(|slot| insert(&*registry, slot))?;
    let crew = Crew::new();
    for thread in 0..3 {
        let registry = registry.clone();
        crew.add(move |go_on| come_and_go(&*registry, thread, go_on))?;
    }
    let shown = crew.watch(200, || show_checked(&*registry, &stay, |_| Ok(())));
    crew.end()?;
    shown?;
    has_length(&*registry, stay.len())
}

/// Inserts so many that a map grows, removes them, and begins again.
fn come_and_go(registry: &dyn Registry, thread: usize, go_on: &dyn Fn() -> bool) -> Verdict {
    while go_on() {
        let passing: Vec<_> = (0..500).map(|n| slot(&id("passing", format!("{thread}-{n}")))).collect();
        passing.iter().try_for_each(|slot| insert(registry, slot))?;
        passing.iter().try_for_each(|slot| remove(registry, slot))?;
    }
    Ok(())
}

fn no_lock(bench: &Bench<'_>) -> Verdict {
    let registry = bench.registry();
    let shown = slot(&id("k", "shown"));
    insert(&*registry, &shown)?;
    let mut called = None;
    // Not from the thread that shows, which would hang with whoever holds a lock.
    registry.for_each(&mut |_| called = called.take().or_else(|| Some(call_everything(&registry, &shown))));
    called.unwrap_or_else(|| failed("for_each: expected a slot, saw none"))
}

fn call_everything(registry: &Arc<dyn Registry>, shown: &SlotRef) -> Verdict {
    let (registry, shown) = (registry.clone(), shown.clone());
    let ended = ends_within(PATIENCE, move || {
        let new = slot(&id("k", "new"));
        is_there(&*registry, &shown)?;
        insert(&*registry, &new)?;
        registry.for_each(&mut |_| {});
        has_length(&*registry, 2)?;
        remove(&*registry, &new)?;
        remove(&*registry, &shown)?;
        is_absent(&*registry, shown.id())?;
        insert(&*registry, &shown)
    })?;
    ensure(ended, || format!("a call of the registry from within visit did not end in {PATIENCE:?}"))
}
