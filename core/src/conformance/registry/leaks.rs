//! What was removed is forgotten: the slot is dropped, and of the id nothing is kept.

use super::{Bench, Entry, entry, has_length, id, insert, remove, skipped, slot, slots};
use crate::SlotRef;
use crate::conformance::{Verdict, ensure, same};

pub(super) static CASES: &[Entry] = &[
    entry(
        "removed_slots_are_dropped",
        "a registry keeps one reference to a slot that is there, and else none",
        dropped,
    ),
    entry("a_million_ids_leave_nothing", "a million ids that come and go leave no length", million),
    entry("a_million_ids_leave_no_memory", "a million ids that come and go leave no memory behind", no_memory),
];

/// How many references the registry has, of a slot to which the case has one.
fn kept(slot: &SlotRef) -> usize {
    slot.references() - 1
}

fn dropped(bench: &Bench<'_>) -> Verdict {
    let registry = bench.registry();
    let all = slots(100);
    let losers: Vec<_> = all.iter().map(|winner| slot(winner.id())).collect();
    for (slot, loser) in all.iter().zip(&losers) {
        insert(&*registry, slot)?;
        registry.get_or_insert(loser.clone());
        registry.get(slot.id());
        registry.remove_if_same(loser);
    }
    registry.for_each(&mut |_| {});
    let most = |slots: &[SlotRef]| slots.iter().map(kept).max();
    same("references to slots that are there", most(&all), Some(1))?;
    same("references to slots that were offered in vain", most(&losers), Some(0))?;
    all[..50].iter().try_for_each(|slot| remove(&*registry, slot))?;
    same("references to slots that were removed", most(&all[..50]), Some(0))?;
    drop(registry);
    same("references after the registry was dropped", most(&all), Some(0))
}

const WAVES: usize = 1000;
const WAVE: usize = 1000;

/// A million ids, a thousand at a time. Their keys are long enough for a memory of them to show.
fn come_and_go(registry: &dyn crate::Registry) -> Verdict {
    let padding = "x".repeat(100);
    for wave in 0..WAVES {
        let passing: Vec<_> = (0..WAVE).map(|n| slot(&id("k", format!("{padding}{wave}-{n}")))).collect();
        passing.iter().try_for_each(|slot| insert(registry, slot))?;
        passing.iter().try_for_each(|slot| remove(registry, slot))?;
    }
    Ok(())
}

fn million(bench: &Bench<'_>) -> Verdict {
    let registry = bench.registry();
    come_and_go(&*registry)?;
    has_length(&*registry, 0)?;
    let mut shown = 0;
    registry.for_each(&mut |_| shown += 1);
    same("slots shown after all were removed", shown, 0)
}

/// A million ids take 150 MiB and more if they are kept; whatever else the process does should take less than this.
const GROWTH_MAX: usize = 64 << 20;

fn no_memory(bench: &Bench<'_>) -> Verdict {
    let registry = bench.registry();
    let Some(before) = resident_bytes() else { return skipped("this system does not tell how much memory is used") };
    come_and_go(&*registry)?;
    let growth = resident_bytes().unwrap_or(before).saturating_sub(before);
    ensure(growth < GROWTH_MAX, || {
        format!("memory after a million ids came and went: expected no growth, saw {} MiB", growth >> 20)
    })
}

/// How much memory the process has, as Linux tells.
fn resident_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
