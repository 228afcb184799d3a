//! Many threads: of one id its saves and wipes take effect one after the other, and different ids do not meet.

use super::bench::{Bench, Store, id, unexpected};
use super::records::pattern;
use super::revisions::risen;
use super::{Entry, entry};
use crate::conformance::threads::{CROWD, crowd, together};
use crate::conformance::{Verdict, ensure, failed, same};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::{ActorId, Revision, StorageErrorKind};

pub(super) static CASES: &[Entry] = &[
    entry("one_winner_per_revision", "of many saves that expect the same revision one succeeds", one_winner),
    entry("a_save_or_a_wipe", "of a save and a wipe of the same revision one has an effect", save_or_wipe),
    entry("loads_see_whole_saves", "a load beside saves gives the bytes of one save, and never an older one", whole),
    entry("ids_at_the_same_time", "threads that save, load and wipe each its own ids see no other's", own_ids),
];

/// What a save or a wipe came to, if it was either done or too late.
fn won<T>(verb: &str, id: &ActorId, result: Result<T, crate::StorageError>) -> Verdict<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == StorageErrorKind::Stale => Ok(None),
        Err(error) => Err(unexpected(verb, id, error)),
    }
}

fn one_winner(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let id = id("k", "wanted");
    let mut newest = None;
    for round in 0..30 {
        let (store, wanted) = (lab.store().clone(), id.clone());
        let claims =
            crowd(move |thread| won("save", &wanted, store.0.save(&wanted, newest, &[round, thread as u8], None)))?;
        let winners: Vec<_> = (0..CROWD).filter_map(|thread| Some((thread, claims[thread]?))).collect();
        same("winners of a revision", winners.len(), 1)?;
        let (winner, revision) = winners[0];
        risen(&id, newest, revision)?;
        lab.store().has(&id, revision, &[round, winner as u8])?;
        newest = Some(revision);
        if round % 7 == 6 {
            lab.store().wipe(&id, newest.take())?;
        }
    }
    Ok(())
}

fn save_or_wipe(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let id = id("k", "contested");
    let mut last = None;
    for round in 0..40u8 {
        let before = lab.store().create(&id, &[round])?;
        risen(&id, last, before)?;
        let (saver, wiper) = (lab.store().clone(), lab.store().clone());
        let (saved, wiped) = (id.clone(), id.clone());
        let both = together::<Option<Revision>>(vec![
            Box::new(move || won("save", &saved, saver.0.save(&saved, Some(before), &[round, 1], None))),
            Box::new(move || Ok(won("wipe", &wiped, wiper.0.wipe(&wiped, Some(before)))?.map(|()| before))),
        ])?;
        match both[..] {
            [Some(after), None] => {
                lab.store().has(&id, after, &[round, 1])?;
                lab.store().wipe(&id, Some(after))?;
                last = Some(after);
            }
            [None, Some(_)] => last = Some(before),
            [Some(_), Some(_)] => return failed("a save and a wipe of one revision: both were done"),
            _ => return failed("a save and a wipe of one revision: both were refused as stale"),
        }
        lab.store().has_nothing(&id)?;
    }
    Ok(())
}

/// A record whose bytes say to which save they belong, and whose length changes with it.
fn numbered(n: u64) -> Vec<u8> {
    let mut bytes = n.to_le_bytes().to_vec();
    bytes.extend(pattern(3000 + (n as usize * 997) % 9000, n));
    bytes
}

fn number_of(id: &ActorId, bytes: &[u8]) -> Verdict<u64> {
    let number = bytes.first_chunk().map(|first| u64::from_le_bytes(*first));
    match number {
        Some(n) if n < 1000 && bytes == numbered(n) => Ok(n),
        _ => failed(format!("load of {id}: expected the bytes of one save, saw {} bytes of none", bytes.len())),
    }
}

fn whole(bench: &Bench<'_>) -> Verdict {
    const SAVES: u64 = 60;
    let lab = bench.lab()?;
    let id = id("k", "read");
    let first = lab.store().create(&id, &numbered(0))?;
    let finished = Arc::new(AtomicBool::new(false));
    let store = lab.store().clone();
    crowd(move |thread| {
        if thread == 0 {
            let saved = save_many(&store, &id, first, SAVES);
            finished.store(true, Ordering::Release);
            saved
        } else {
            read_while(&store, &id, &finished)
        }
    })
    .map(drop)
}

fn save_many(store: &Store, id: &ActorId, first: Revision, saves: u64) -> Verdict {
    let mut newest = first;
    for n in 1..saves {
        newest = store.save(id, Some(newest), &numbered(n), None)?;
    }
    Ok(())
}

fn read_while(store: &Store, id: &ActorId, finished: &AtomicBool) -> Verdict {
    let mut last = (Revision::new(0), 0);
    loop {
        // Looked at first, so that there is a load after the last save too.
        let is_last = finished.load(Ordering::Acquire);
        let stored = store.load_there(id)?;
        let seen = (stored.revision, number_of(id, &stored.bytes)?);
        ensure(seen.0 >= last.0 && seen.1 >= last.1, || format!("load of {id}: saw {last:?}, and later {seen:?}"))?;
        last = seen;
        if is_last {
            return Ok(());
        }
    }
}

fn own_ids(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let store = lab.store().clone();
    crowd(move |thread| own_life(&store, thread))?;
    let mut expected: Vec<_> = (0..CROWD).map(|thread| id("k", format!("{thread}-stays"))).collect();
    expected.sort();
    same("a scan after all threads", lab.store().scan(None, None)?, expected)?;
    (0..CROWD).try_for_each(|thread| {
        let stored = lab.store().load_there(&id("k", format!("{thread}-stays")))?;
        same("the record of a thread", stored.bytes, format!("{thread} 19").into_bytes())
    })
}

fn own_life(store: &Store, thread: usize) -> Verdict {
    let (stays, goes) = (id("k", format!("{thread}-stays")), id("k", format!("{thread}-goes")));
    let mut newest = None;
    for n in 0..20 {
        let bytes = format!("{thread} {n}").into_bytes();
        let revision = store.save(&stays, newest, &bytes, None)?;
        risen(&stays, newest, revision)?;
        store.has(&stays, revision, &bytes)?;
        newest = Some(revision);
        let short_lived = store.create(&goes, &bytes)?;
        store.has(&goes, short_lived, &bytes)?;
        store.wipe(&goes, Some(short_lived))?;
        store.has_nothing(&goes)?;
    }
    Ok(())
}
