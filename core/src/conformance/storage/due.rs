//! Who is due: complete, by time, and as the newest save says.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use super::bench::{Bench, Store, at, chain, id};
use super::scan::call_everything;
use super::{Entry, entry};
use crate::ActorId;
use crate::conformance::threads::Crew;
use crate::conformance::{Miss, Verdict, ensure, failed, same};

pub(super) static CASES: &[Entry] = &[
    entry("due_by_time", "due shows the ids whose time has come, that moment included, and no others", by_time),
    entry("due_follows_the_newest_save", "a save replaces the time of the one before; a stale one does not", newest),
    entry("loads_tell_the_time", "a load tells the time of the newest save, to the millisecond", loads_tell),
    entry("due_forgets_the_wiped", "a wiped id is not due, and not when it is born anew without a time", wiped),
    entry("due_at_the_edges_of_time", "times before 1970, far in the future and between milliseconds work", edges),
    entry("due_is_complete_while_written", "whoever is due all the time is shown, whatever others write", complete),
    entry("due_ends_at_a_break", "due shows nothing more after its visit breaks, and is Ok", breaks),
    entry("due_holds_no_lock", "visit of due may load, save, wipe, scan and ask who is due", no_lock),
];

fn set<'a>(ids: impl IntoIterator<Item = &'a ActorId>) -> BTreeSet<ActorId> {
    ids.into_iter().cloned().collect()
}

fn due(store: &Store, until: SystemTime, expected: &[&ActorId]) -> Verdict {
    same("who is due", store.due(until)?, set(expected.iter().copied()))
}

fn by_time(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let store = lab.store();
    due(store, at(1_000_000), &[])?;
    // Times that do not rise with the ids, some of them equal, and every fourth never.
    let time = |n: u64| (n % 4 != 3).then(|| (n * 7 % 10) * 100);
    let ids: Vec<_> = (0..40).map(|n| id(["k", "other"][n % 2], n.to_string())).collect();
    for (id, n) in ids.iter().zip(0..) {
        store.save(id, None, b"1", time(n).map(at))?;
    }
    for until in [0, 99, 100, 101, 450, 899, 900, 5_000_000] {
        let is_due = |n| time(n).is_some_and(|time| time <= until);
        let expected: Vec<_> = ids.iter().zip(0..).filter(|(_, n)| is_due(*n)).map(|(id, _)| id).collect();
        same(&format!("who is due at {until} ms"), store.due(at(until))?, set(expected))?;
    }
    same("who is due before all", store.due(at(0) - Duration::from_millis(1))?, set([]))
}

fn newest(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let (store, a, b) = (lab.store(), id("k", "a"), id("k", "b"));
    let mut revision = store.save(&a, None, b"1", Some(at(10)))?;
    store.save(&b, None, b"1", Some(at(50)))?;
    due(store, at(20), &[&a])?;
    // Later, earlier, never, again, and the same once more.
    for (time, at_20, at_40) in [
        (Some(30), false, true),
        (Some(5), true, true),
        (None, false, false),
        (Some(20), true, true),
        (Some(20), true, true),
    ] {
        revision = store.save(&a, Some(revision), b"2", time.map(at))?;
        due(store, at(20), &[&a][..usize::from(at_20)])?;
        due(store, at(40), &[&a][..usize::from(at_40)])?;
    }
    let stale = store.0.save(&a, None, b"3", None);
    ensure(stale.is_err(), || format!("a stale save: expected an error, saw {stale:?}"))?;
    due(store, at(40), &[&a])?;
    due(store, at(60), &[&a, &b])
}

fn loads_tell(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let (store, a) = (lab.store(), id("k", "a"));
    let mut last = None;
    for wake_at in [None, Some(at(1)), Some(at(1)), Some(SystemTime::UNIX_EPOCH), None, Some(at(1_000_000))] {
        last = Some(store.save(&a, last, b"1", wake_at)?);
        let seen = store.load(&a)?.and_then(|stored| stored.wake_at);
        same("the time of the newest save", seen, wake_at)?;
    }
    Ok(())
}

fn wiped(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let (store, a, b) = (lab.store(), id("k", "a"), id("k", "b"));
    let first = store.save(&a, None, b"1", Some(at(10)))?;
    store.save(&b, None, b"1", Some(at(10)))?;
    let stale = store.0.wipe(&a, Some(crate::Revision::new(first.get() + 1)));
    ensure(stale.is_err(), || "a stale wipe: expected an error, saw Ok".to_owned())?;
    due(store, at(10), &[&a, &b])?;
    store.wipe(&a, Some(first))?;
    due(store, at(10), &[&b])?;
    let again = store.save(&a, None, b"2", None)?;
    due(store, at(10), &[&b])?;
    store.save(&a, Some(again), b"3", Some(at(9)))?;
    due(store, at(10), &[&a, &b])
}

fn edges(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let store = lab.store();
    let (old, far, fine) = (id("k", "old"), id("k", "far"), id("k", "fine"));
    store.save(&old, None, b"1", Some(SystemTime::UNIX_EPOCH - Duration::from_secs(1000)))?;
    store.save(&far, None, b"1", Some(at(1000 * 365 * 24 * 3600 * 1000)))?;
    let finer = at(10) + Duration::from_micros(900);
    store.save(&fine, None, b"1", Some(finer))?;
    // A store may count in whole milliseconds, rounded down, from 1970 on: at 10.0 ms the last may be due or not.
    due(store, SystemTime::UNIX_EPOCH, &[&old])?;
    due(store, at(9), &[&old])?;
    due(store, finer, &[&old, &fine])?;
    due(store, at(11), &[&old, &fine])?;
    due(store, at(1001 * 365 * 24 * 3600 * 1000), &[&old, &far, &fine])
}

fn complete(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let due_all_the_time: Vec<_> = (0..40).map(|n| id("k", format!("{:03}", n * 10))).collect();
    for (id, n) in due_all_the_time.iter().zip(0..) {
        lab.store().save(id, None, b"1", Some(at(n)))?;
    }
    let crew = Crew::new();
    for thread in 0..3 {
        let (store, stay) = (lab.store().clone(), due_all_the_time.clone());
        crew.add(move |go_on| writer(&store, &stay, thread, go_on))?;
    }
    let shown = crew.watch(30, || {
        let shown = lab.store().due(at(1000))?;
        let missing = due_all_the_time.iter().find(|id| !shown.contains(id));
        missing.map_or(Ok(()), |id| failed(format!("{id} was due all the time and not shown")))
    });
    crew.end()?;
    shown
}

/// Moves the times of those that stay due, and lets others come and go around them.
fn writer(store: &Store, stay: &[ActorId], thread: usize, go_on: &dyn Fn() -> bool) -> Verdict {
    let mut n = thread;
    while go_on() {
        n = (n + 7) % 400;
        let passing = id("k", format!("{n:03}-{thread}"));
        let revision = store.save(&passing, None, b"1", Some(at(n as u64)))?;
        if let Some(own) = stay.iter().skip(thread).step_by(3).nth(n % 14) {
            let newest = store.load_there(own)?.revision;
            store.save(own, Some(newest), b"2", Some(at((n * 31 % 900) as u64)))?;
        }
        store.wipe(&passing, Some(revision))?;
    }
    Ok(())
}

fn breaks(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    for n in 0..20 {
        lab.store().save(&id("k", n.to_string()), None, b"1", Some(at(n)))?;
    }
    for limit in [1, 2, 15] {
        let mut shown = 0;
        let ended = lab.store().0.due(at(1000), &mut |_| {
            shown += 1;
            if shown >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        ended.map_err(|error| Miss::Failed(format!("due that was ended: {}", chain(&error))))?;
        same("how many were shown before the end", shown, limit)?;
    }
    Ok(())
}

fn no_lock(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    lab.store().save(&id("k", "shown"), None, b"1", Some(at(0)))?;
    let mut called = None;
    let ended = lab.store().0.due(at(1), &mut |_| {
        called = Some(call_everything(bench, lab.store()));
        ControlFlow::Break(())
    });
    ended.map_err(|error| Miss::Failed(format!("due whose visit calls the store: {}", chain(&error))))?;
    called.unwrap_or_else(|| failed("due: expected an id, saw none"))
}
