//! Scans: all ids, in their order, once, whatever others do meanwhile.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::bench::{Bench, Lab, Store, chain, id};
use super::{Entry, entry};
use crate::conformance::threads::{Crew, ends_within};
use crate::conformance::{Miss, Verdict, ensure, failed, same};
use crate::{ActorId, Storage, StorageError};

pub(super) static CASES: &[Entry] = &[
    entry("scans_are_in_order", "a scan shows every id that has a record, in the order of ids", in_order),
    entry("scans_by_kind", "a scan of a kind shows this kind and no other", by_kind),
    entry("scans_after_an_id", "a scan goes on after an id, whether that has a record or not", after),
    entry("scans_end_at_a_break", "a scan shows nothing more after its visit breaks, and is Ok", breaks),
    entry("scans_load_nothing_stale", "a scan shows what was saved before it began, and nothing that was wiped", fresh),
    entry("scans_are_stable_while_visited", "what visit saves and wipes hides and doubles no other id", while_visited),
    entry(
        "scans_are_stable_while_written",
        "what other threads write hides and doubles no id that stays",
        while_written,
    ),
    entry("scan_holds_no_lock", "visit of a scan may load, save, wipe, scan and ask who is due", no_lock),
];

/// Ids whose order tells apart orders that look alike: by kind first, then by the bytes of the key.
fn mixed() -> Vec<ActorId> {
    let kinds = ["a", "a!", "a/b", "b", "ab", "A", "é", "\u{FFFF}", "\u{10000}"];
    let keys = ["", "0", "10", "9", "B", "a", "a!", "aa", "b", "z", "é", "\u{FFFF}", "\u{10000}"];
    let mut ids: Vec<_> = kinds.iter().flat_map(|kind| keys.map(|key| id(*kind, key))).collect();
    ids.sort();
    ids
}

/// A store with these, saved in another order than theirs.
fn filled(bench: &Bench<'_>, ids: &[ActorId]) -> Verdict<Lab> {
    let lab = bench.lab()?;
    let mut order: Vec<_> = (0..ids.len()).collect();
    order.sort_by_key(|n| (n * 7919) % 1009);
    for n in order {
        lab.store().create(&ids[n], b"record")?;
    }
    Ok(lab)
}

fn in_order(bench: &Bench<'_>) -> Verdict {
    let ids = mixed();
    let lab = filled(bench, &ids)?;
    same("a scan of all", lab.store().scan(None, None)?, ids)
}

fn by_kind(bench: &Bench<'_>) -> Verdict {
    let ids = mixed();
    let lab = filled(bench, &ids)?;
    for kind in ["a", "a!", "a/b", "ab", "A", "é", "b", "\u{FFFF}", "\u{10000}", "absent", "a/", "!"] {
        let expected: Vec<_> = ids.iter().filter(|id| id.kind() == kind).cloned().collect();
        same(&format!("a scan of kind {kind:?}"), lab.store().scan(Some(kind), None)?, expected)?;
    }
    Ok(())
}

fn after(bench: &Bench<'_>) -> Verdict {
    let ids = mixed();
    let lab = filled(bench, &ids)?;
    let absent =
        [("", "0"), ("a", "00"), ("a", "zz"), ("b", "\0"), ("zzz", ""), ("\u{10000}", "\u{10FFFF}"), ("!", "")];
    let absent = absent.map(|(kind, key)| id(if kind.is_empty() { "0" } else { kind }, key));
    // Every fifth of those that are there, the first and the last.
    let there = ids.iter().step_by(5).chain(ids.last());
    for after in there.chain(&absent) {
        for kind in [None, Some("a"), Some("b"), Some("é"), Some("absent")] {
            let wanted = |id: &&ActorId| *id > after && kind.is_none_or(|kind| id.kind() == kind);
            let expected: Vec<_> = ids.iter().filter(wanted).cloned().collect();
            let what = format!("a scan of {kind:?} after {after:?}");
            same(&what, lab.store().scan(kind, Some(after))?, expected)?;
        }
    }
    Ok(())
}

fn breaks(bench: &Bench<'_>) -> Verdict {
    let ids = mixed();
    let lab = filled(bench, &ids)?;
    for limit in [1, 2, 50, ids.len()] {
        let mut seen = Vec::new();
        let ended = lab.store().0.scan(None, None, &mut |id| {
            seen.push(id);
            if seen.len() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        ended.map_err(|error| Miss::Failed(format!("a scan that was ended: {}", chain(&error))))?;
        same(&format!("a scan ended at number {limit}"), seen, ids[..limit].to_vec())?;
    }
    Ok(())
}

fn fresh(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let (store, a, b) = (lab.store(), id("k", "a"), id("k", "b"));
    let scan = |expected: &[&ActorId]| {
        let expected: Vec<_> = expected.iter().map(|id| (*id).clone()).collect();
        same("a scan of all", store.scan(None, None)?, expected.clone())?;
        same("a scan of the kind", store.scan(Some("k"), None)?, expected)
    };
    scan(&[])?;
    let first = store.create(&b, b"1")?;
    scan(&[&b])?;
    store.create(&a, b"")?;
    scan(&[&a, &b])?;
    store.save(&b, Some(first), b"2", None)?;
    scan(&[&a, &b])?;
    store.wipe(&b, None)?;
    scan(&[&a])?;
    store.create(&b, b"3")?;
    scan(&[&a, &b])?;
    store.wipe(&a, None)?;
    store.wipe(&b, None)?;
    scan(&[])
}

/// Keys of ids that stay, with room between them.
fn staying() -> Vec<ActorId> {
    (0..60).map(|n| id("k", format!("{:03}", n * 10 + 5))).collect()
}

/// Scans, calls `visit` for each, and checks that those that stay were shown once, and nobody twice or out of order.
fn scan_checked(
    store: &dyn Storage,
    stay: &[ActorId],
    mut visit: impl FnMut(&ActorId) -> Result<(), StorageError>,
) -> Verdict {
    let mut seen: Vec<ActorId> = Vec::new();
    let mut failure = None;
    let ended = store.scan(Some("k"), None, &mut |id| {
        failure = visit(&id).err();
        seen.push(id);
        if failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Some(error) = failure.or(ended.err()) {
        return failed(format!("a scan while others write: {}", chain(&error)));
    }
    let mut times: HashMap<&ActorId, usize> = HashMap::new();
    seen.iter().for_each(|id| *times.entry(id).or_default() += 1);
    if let Some((id, times)) = times.iter().find(|(_, times)| **times > 1) {
        return failed(format!("a scan while others write: {id} was shown {times} times"));
    }
    if let Some(id) = stay.iter().find(|id| !times.contains_key(id)) {
        return failed(format!("a scan while others write: {id} was there all the time and not shown"));
    }
    ensure(seen.is_sorted(), || "a scan while others write: not in order".to_owned())
}

fn while_visited(bench: &Bench<'_>) -> Verdict {
    let stay = staying();
    let lab = filled(bench, &stay)?;
    let store = &*lab.store().0;
    // Makes an id that the scan has passed and one that comes next, and wipes the latter when it is shown.
    scan_checked(store, &stay, |shown| {
        if stay.contains(shown) {
            store.save(&id("k", format!("!{}", shown.key())), None, b"passed", None)?;
            store.save(&id("k", format!("{}~", shown.key())), None, b"next", None).map(drop)
        } else {
            store.wipe(shown, None)
        }
    })?;
    // One that wipes what it is shown: all others are shown all the same.
    let lab = filled(bench, &stay)?;
    let store = &*lab.store().0;
    scan_checked(store, &stay, |shown| store.wipe(shown, None))?;
    same("a scan after all were wiped", lab.store().scan(None, None)?, vec![])?;
    // And one that saves it anew, which may move it to another place of the medium.
    let lab = filled(bench, &stay)?;
    let store = &*lab.store().0;
    scan_checked(store, &stay, |shown| {
        let newest = store.load(shown)?.map(|stored| stored.revision);
        store.save(shown, newest, &[7; 9000], None).map(drop)
    })
}

fn while_written(bench: &Bench<'_>) -> Verdict {
    let stay = staying();
    let lab = filled(bench, &stay)?;
    let crew = Crew::new();
    for thread in 0..3 {
        let (store, stay) = (lab.store().clone(), stay.clone());
        crew.add(move |go_on| writer(&store, &stay, thread, go_on))?;
    }
    let scanned = crew.watch(30, || scan_checked(&*lab.store().0, &stay, |_| Ok(())));
    crew.end()?;
    scanned
}

/// Makes and wipes ids between those that stay, and saves those that stay anew.
fn writer(store: &Store, stay: &[ActorId], thread: usize, go_on: &dyn Fn() -> bool) -> Verdict {
    let mut n = thread;
    while go_on() {
        n = (n + 17) % 600;
        let passing = id("k", format!("{n:03}-{thread}"));
        let revision = store.create(&passing, &[1; 700])?;
        // Each thread saves those that stay of its own.
        if let Some(own) = stay.iter().skip(thread).step_by(3).nth(n % 20) {
            let newest = store.load_there(own)?.revision;
            store.save(own, Some(newest), &vec![2; n * 20], None)?;
        }
        store.wipe(&passing, Some(revision))?;
    }
    Ok(())
}

fn no_lock(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let shown = id("k", "shown");
    lab.store().create(&shown, b"1")?;
    let mut called = None;
    let ended = lab.store().0.scan(None, None, &mut |_| {
        called = Some(call_everything(bench, lab.store()));
        ControlFlow::Break(())
    });
    ended.map_err(|error| Miss::Failed(format!("a scan whose visit calls the store: {}", chain(&error))))?;
    called.unwrap_or_else(|| failed("a scan: expected an id, saw none"))
}

/// Calls each method of the store, on another thread so that a lock that this one holds ends in a failure.
pub(super) fn call_everything(bench: &Bench<'_>, store: &Store) -> Verdict {
    let store = store.clone();
    let ended = ends_within(bench.patience(), move || {
        // The id that is shown, and another one.
        for id in [id("k", "shown"), id("k", "new")] {
            let newest = store.load(&id)?.map(|stored| stored.revision);
            store.save(&id, newest, b"2", None)?;
            store.scan(None, None)?;
            store.due(std::time::SystemTime::UNIX_EPOCH)?;
            store.wipe(&id, None)?;
        }
        Ok(())
    })?;
    ensure(ended, || format!("a call of the store from within visit did not end in {:?}", bench.patience()))
}
