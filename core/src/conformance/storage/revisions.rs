//! Revisions rise and never come back, and what expects an old one changes nothing.

use super::bench::{Bench, Store, id};
use super::{Entry, entry};
use crate::conformance::{Verdict, ensure, same};
use crate::{ActorId, Revision};

pub(super) static CASES: &[Entry] = &[
    entry("stale_saves_change_nothing", "a save that expects another revision than is there is Stale", stale_saves),
    entry("stale_wipes_change_nothing", "a wipe of another revision than is there is Stale", stale_wipes),
    entry("wipe_is_idempotent", "a wipe of what is wiped already is Ok, whatever revision it expects", idempotent),
    entry("revisions_rise", "each save has a larger revision than all before it of its id, wipes or not", rise),
    entry("no_revision_comes_back", "after a wipe nothing that expects an old revision has an effect", no_aba),
];

fn stale_saves(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let (store, id) = (lab.store(), id("k", "a"));
    let first = store.create(&id, b"1")?;
    store.refuses_save(&id, None)?;
    store.has(&id, first, b"1")?;
    let second = store.save(&id, Some(first), b"2", None)?;
    for wrong in [None, Some(first), Some(Revision::new(second.get() + 1)), Some(Revision::new(u64::MAX))] {
        store.refuses_save(&id, wrong)?;
        store.has(&id, second, b"2")?;
    }
    store.save(&id, Some(second), b"3", None).map(drop)
}

fn stale_wipes(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let (store, id) = (lab.store(), id("k", "a"));
    let first = store.create(&id, b"1")?;
    let second = store.save(&id, Some(first), b"2", None)?;
    for wrong in [first, Revision::new(second.get() + 1), Revision::new(u64::MAX)] {
        store.refuses_wipe(&id, wrong)?;
        store.has(&id, second, b"2")?;
    }
    store.wipe(&id, Some(second))?;
    store.has_nothing(&id)
}

fn idempotent(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let (store, id) = (lab.store(), id("k", "a"));
    let first = store.create(&id, b"1")?;
    store.wipe(&id, Some(first))?;
    for again in [Some(first), None, Some(Revision::new(u64::MAX)), None] {
        store.wipe(&id, again)?;
        store.has_nothing(&id)?;
    }
    same("a scan after the wipes", store.scan(None, None)?, vec![])
}

fn rise(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let store = lab.store();
    let ids = [id("k", "a"), id("k", "b"), id("other", "a")];
    let mut last: [Option<Revision>; 3] = [None; 3];
    let mut there: [Option<Revision>; 3] = [None; 3];
    for round in 0..60 {
        // Of one id many in a row, and of all in turn; with wipes at other intervals for each.
        let n = if round % 20 < 10 { round % 3 } else { 0 };
        let new = store.save(&ids[n], there[n], round.to_string().as_bytes(), None)?;
        risen(&ids[n], last[n], new)?;
        (last[n], there[n]) = (Some(new), Some(new));
        if round % (n + 3) == 0 {
            store.wipe(&ids[n], there[n].take())?;
        }
    }
    Ok(())
}

/// Fails unless the new revision is larger than the last.
pub(super) fn risen(id: &ActorId, last: Option<Revision>, new: Revision) -> Verdict {
    ensure(last.is_none_or(|last| new > last), || {
        format!("save of {id}: expected a revision above {}, saw {new}", last.expect("compared with one"))
    })
}

fn no_aba(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let (store, id) = (lab.store(), id("k", "a"));
    let mut old = Vec::new();
    let mut last = None;
    for life in 0..5 {
        let mut newest = None;
        for save in 0..=life {
            let new = store.save(&id, newest, format!("{life}.{save}").as_bytes(), None)?;
            risen(&id, last, new)?;
            old.extend(newest);
            (newest, last) = (Some(new), Some(new));
            late_comers(store, &id, &old)?;
            store.has(&id, new, format!("{life}.{save}").as_bytes())?;
        }
        store.wipe(&id, newest)?;
        old.extend(newest);
        old.iter().try_for_each(|old| store.refuses_save(&id, Some(*old)))?;
        store.has_nothing(&id)?;
    }
    Ok(())
}

fn late_comers(store: &Store, id: &ActorId, old: &[Revision]) -> Verdict {
    old.iter().try_for_each(|old| {
        store.refuses_save(id, Some(*old))?;
        store.refuses_wipe(id, *old)
    })
}
