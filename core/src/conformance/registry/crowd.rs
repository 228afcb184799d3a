//! Many threads: of one id the methods take effect one after the other, and different ids do not meet.

use super::{Bench, Entry, entry, has_length, id, insert, is_absent, is_there, remove, slot};
use crate::SlotRef;
use crate::conformance::threads::{CROWD, crowd};
use crate::conformance::{Verdict, ensure, failed, same};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, thread};

pub(super) static CASES: &[Entry] = &[
    entry(
        "one_claim_wins",
        "of many that insert an id at once one does, and all others get what it inserted",
        one_wins,
    ),
    entry("one_remove_wins", "of many that remove the same slot at once one is told that it did", one_removes),
    entry("one_owner_at_a_time", "between a claim that won and its release no other claim of the id wins", one_owner),
    entry("ids_at_the_same_time", "threads that claim and release each its own ids see no other's", own_ids),
];

fn one_wins(bench: &Bench<'_>) -> Verdict {
    for round in 0..100 {
        let registry = bench.registry();
        let id = id("k", round.to_string());
        let (shared, wanted) = (registry.clone(), id.clone());
        let claims = crowd(move |_| {
            let mine = slot(&wanted);
            let there = shared.get_or_insert(mine.clone());
            Ok((mine, there))
        })?;
        let winners: Vec<&SlotRef> = claims.iter().filter(|claim| claim.1.is_none()).map(|claim| &claim.0).collect();
        same("winners of an id", winners.len(), 1)?;
        is_there(&*registry, winners[0])?;
        let told = claims.iter().filter_map(|claim| claim.1.as_ref());
        ensure(told.clone().all(|slot| slot.is_same(winners[0])), || {
            "a claim that lost: expected the slot of the winner, saw another one".to_owned()
        })?;
        has_length(&*registry, 1)?;
    }
    Ok(())
}

fn one_removes(bench: &Bench<'_>) -> Verdict {
    let registry = bench.registry();
    for round in 0..100 {
        let there = slot(&id("k", "a"));
        insert(&*registry, &there)?;
        let shared = registry.clone();
        let removed = crowd(move |_| Ok(shared.remove_if_same(&there)))?;
        let removed = removed.into_iter().filter(|removed| *removed).count();
        same(&format!("removals of one slot, round {round}"), removed, 1)?;
        is_absent(&*registry, &id("k", "a"))?;
    }
    Ok(())
}

fn one_owner(bench: &Bench<'_>) -> Verdict {
    let registry = bench.registry();
    let owners = Arc::new(AtomicUsize::new(0));
    let shared = registry.clone();
    let won = crowd(move |_| {
        let mut won = 0;
        for _ in 0..2000 {
            let mine = slot(&id("k", "a"));
            if shared.get_or_insert(mine.clone()).is_some() {
                continue;
            }
            won += 1;
            // The registry is what keeps the others out; the count only tells whether it does.
            let others = owners.fetch_add(1, Ordering::SeqCst);
            // On a machine with one processor nobody else would come between otherwise.
            thread::yield_now();
            is_there(&*shared, &mine)?;
            owners.fetch_sub(1, Ordering::SeqCst);
            if others != 0 {
                return failed("a claim won while another one had not been released");
            }
            remove(&*shared, &mine)?;
        }
        Ok(won)
    })?;
    ensure(won.iter().sum::<usize>() > 0, || "nobody won a single claim".to_owned())?;
    has_length(&*registry, 0)
}

fn own_ids(bench: &Bench<'_>) -> Verdict {
    let registry = bench.registry();
    let shared = registry.clone();
    let stay = crowd(move |thread| {
        let stays = slot(&id("k", format!("{thread}-stays")));
        insert(&*shared, &stays)?;
        for n in 0..500 {
            let goes = slot(&id("k", format!("{thread}-{n}")));
            insert(&*shared, &goes)?;
            is_there(&*shared, &goes)?;
            is_there(&*shared, &stays)?;
            remove(&*shared, &goes)?;
            is_absent(&*shared, goes.id())?;
        }
        Ok(stays)
    })?;
    has_length(&*registry, CROWD)?;
    stay.iter().try_for_each(|slot| is_there(&*registry, slot))
}
