//! What each method does when nobody else is about.

use super::{Bench, Entry, entry, has_length, id, insert, is_absent, is_there, remove, slot, slots};
use crate::conformance::{Verdict, ensure, failed, same};

pub(super) static CASES: &[Entry] = &[
    entry("inserted_is_found", "a slot that was inserted is found under its id and no other", found),
    entry("the_first_stays", "get_or_insert of an id that is there gives what is there, and leaves it", first_stays),
    entry("claim_release_claim", "an id whose slot was removed can be claimed anew, any number of times", claims),
    entry("a_stale_remove_is_a_no_op", "remove_if_same removes this very slot and no other of its id", stale),
    entry("looking_changes_nothing", "looking an id up inserts nothing and activates nobody", looking),
    entry("len_counts", "len is the number of slots that are there, and is_empty says whether it is 0", counts),
];

fn found(bench: &Bench<'_>) -> Verdict {
    let registry = &*bench.registry();
    // Ids that are one to whoever joins, cuts, folds or normalises them, or looks at the key alone.
    let pairs = [
        ("k", "a"),
        ("k", "A"),
        ("k", ""),
        ("k", "a\0"),
        ("k", "a/b"),
        ("k/a", "b"),
        ("other", "a"),
        ("ka", ""),
        ("k", "é"),
        ("k", "e\u{301}"),
        ("K", "a"),
        ("a", "k"),
    ];
    let mut all: Vec<_> = pairs.iter().map(|(kind, key)| slot(&id(*kind, *key))).collect();
    all.extend(["x", "y"].map(|last| slot(&id("k", "x".repeat(1000) + last))));
    for slot in &all {
        is_absent(registry, slot.id())?;
        insert(registry, slot)?;
    }
    all.iter().try_for_each(|slot| is_there(registry, slot))?;
    for (n, slot) in all.iter().enumerate() {
        remove(registry, slot)?;
        is_absent(registry, slot.id())?;
        all[n + 1..].iter().try_for_each(|slot| is_there(registry, slot))?;
    }
    Ok(())
}

fn first_stays(bench: &Bench<'_>) -> Verdict {
    let registry = &*bench.registry();
    let id = id("k", "a");
    let first = slot(&id);
    insert(registry, &first)?;
    // The very same slot once more, and others of its id.
    for offered in [first.clone(), slot(&id), slot(&id)] {
        match registry.get_or_insert(offered) {
            Some(there) if there.is_same(&first) => {}
            Some(_) => return failed("get_or_insert: expected the slot that is there, saw another one"),
            None => return failed("get_or_insert: expected the slot that is there, saw none"),
        }
        is_there(registry, &first)?;
        has_length(registry, 1)?;
    }
    Ok(())
}

fn claims(bench: &Bench<'_>) -> Verdict {
    let registry = &*bench.registry();
    let id = id("k", "a");
    let mut before = None;
    for _ in 0..20 {
        let next = slot(&id);
        insert(registry, &next)?;
        is_there(registry, &next)?;
        if let Some(before) = before.replace(next.clone()) {
            ensure(!registry.remove_if_same(&before), || "a slot was removed twice".to_owned())?;
        }
        is_there(registry, &next)?;
        remove(registry, &next)?;
        is_absent(registry, &id)?;
        has_length(registry, 0)?;
    }
    // And one that was there before may come back.
    let last = before.expect("there were some");
    insert(registry, &last)?;
    is_there(registry, &last)
}

fn stale(bench: &Bench<'_>) -> Verdict {
    let registry = &*bench.registry();
    let id = id("k", "a");
    let (mine, other) = (slot(&id), slot(&id));
    let is_stale = |slot| {
        ensure(!registry.remove_if_same(slot), || {
            "remove_if_same of a slot that is not there: expected false, saw true".to_owned()
        })
    };
    is_stale(&mine)?;
    insert(registry, &mine)?;
    is_stale(&other)?;
    is_there(registry, &mine)?;
    remove(registry, &mine)?;
    is_stale(&mine)?;
    insert(registry, &other)?;
    is_stale(&mine)?;
    is_there(registry, &other)
}

fn looking(bench: &Bench<'_>) -> Verdict {
    let registry = &*bench.registry();
    let there = slot(&id("k", "there"));
    let queued = there.queued();
    insert(registry, &there)?;
    for n in 0..100 {
        is_absent(registry, &id("k", n.to_string()))?;
        is_there(registry, &there)?;
        has_length(registry, 1)?;
    }
    same("messages in a mailbox after look-ups", there.queued(), queued)?;
    let mut shown = 0;
    registry.for_each(&mut |_| shown += 1);
    same("slots shown after look-ups", shown, 1)?;
    insert(registry, &slot(&id("k", "0")))
}

fn counts(bench: &Bench<'_>) -> Verdict {
    let registry = &*bench.registry();
    has_length(registry, 0)?;
    let all = slots(300);
    for (n, slot) in all.iter().enumerate() {
        insert(registry, slot)?;
        has_length(registry, n + 1)?;
        registry.get_or_insert(super::slot(slot.id()));
        has_length(registry, n + 1)?;
    }
    for (n, slot) in all.iter().enumerate() {
        registry.remove_if_same(&super::slot(slot.id()));
        has_length(registry, 300 - n)?;
        remove(registry, slot)?;
        registry.remove_if_same(slot);
        has_length(registry, 299 - n)?;
    }
    Ok(())
}
