//! What is saved is loaded, byte for byte, and what is not there is absent.

use super::bench::{Bench, Store, at, chain, id};
use super::{Entry, entry};
use crate::conformance::{Miss, Verdict, failed, same};
use crate::{ActorId, StorageErrorKind};

pub(super) static CASES: &[Entry] = &[
    entry("absent_is_not_an_error", "an id without a record loads as None and wipes as Ok", absent),
    entry("records_of_all_sizes", "what is saved is loaded: from 0 bytes to 1 MiB, growing and shrinking", sizes),
    entry("records_of_16_mib", "a record of 16 MiB is loaded as it was saved", large),
    entry("records_over_the_limit", "a record over the declared limit is refused, and nothing changes", over_limit),
    entry("a_save_touches_no_other_id", "saves and wipes of one id leave the records of all others", neighbours),
    entry("rest_changes_nothing", "after an actor came to rest, everything is answered as before", rest),
];

const MIB: usize = 1 << 20;

/// Bytes that no shift or cut gives again.
pub(super) fn pattern(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn absent(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let store = lab.store();
    let nobody = id("k", "nobody");
    store.has_nothing(&nobody)?;
    store.wipe(&nobody, None)?;
    same("a scan of an empty store", store.scan(None, None)?, vec![])?;
    let other = store.create(&id("k", "somebody"), b"1")?;
    store.has_nothing(&nobody)?;
    store.wipe(&nobody, Some(other))?;
    store.refuses_save(&nobody, Some(other))?;
    store.has_nothing(&nobody)
}

fn sizes(bench: &Bench<'_>) -> Verdict {
    const SIZES: [usize; 13] = [0, 1, 0, 100, 4095, 4096, 4097, 65_535, 65_537, MIB, 3, 0, 8192];
    let lab = bench.lab()?;
    let limit = bench.capabilities.record_bytes_max.unwrap_or(MIB);
    let id = id("k", "changing");
    let mut newest = None;
    for (n, size) in SIZES.into_iter().filter(|size| *size <= limit).enumerate() {
        newest = Some(round_trip(lab.store(), &id, newest, &pattern(size, n as u64))?);
    }
    // Bytes that a store could take for its own marks.
    for byte in [0x00, 0xFF, b'\n'] {
        newest = Some(round_trip(lab.store(), &id, newest, &vec![byte; limit.min(5000)])?);
    }
    Ok(())
}

fn round_trip(store: &Store, id: &ActorId, newest: Option<crate::Revision>, bytes: &[u8]) -> Verdict<crate::Revision> {
    let revision = store.save(id, newest, bytes, None)?;
    store.has(id, revision, bytes)?;
    Ok(revision)
}

fn large(bench: &Bench<'_>) -> Verdict {
    if let Some(limit) = bench.capabilities.record_bytes_max.filter(|limit| *limit < 16 * MIB) {
        return Err(Miss::Skipped(format!("records have up to {limit} bytes, as declared")));
    }
    let lab = bench.lab()?;
    let id = id("k", "large");
    let first = round_trip(lab.store(), &id, None, &pattern(16 * MIB, 1))?;
    let second = round_trip(lab.store(), &id, Some(first), &pattern(16 * MIB, 2))?;
    round_trip(lab.store(), &id, Some(second), b"small again").map(drop)
}

fn over_limit(bench: &Bench<'_>) -> Verdict {
    let Some(limit) = bench.capabilities.record_bytes_max else {
        return Err(Miss::Skipped("no limit is declared".to_owned()));
    };
    let lab = bench.lab()?;
    let (old, new) = (id("k", "old"), id("k", "new"));
    let revision = lab.store().create(&old, b"as it was")?;
    let too_large = vec![7; limit + 1];
    for (id, expected) in [(&old, Some(revision)), (&new, None)] {
        match lab.store().0.save(id, expected, &too_large, None) {
            Err(error) if error.kind() == StorageErrorKind::Refused => {}
            Err(error) => {
                return failed(format!("expected Refused, saw {:?}: {}", error.kind(), chain(&error)));
            }
            Ok(_) => return failed(format!("a record of {} bytes: expected Refused, saw Ok", limit + 1)),
        }
    }
    lab.store().has(&old, revision, b"as it was")?;
    lab.store().has_nothing(&new)
}

fn neighbours(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let store = lab.store();
    let ids: Vec<_> = (0..40).map(|n| id("k", n.to_string())).collect();
    let mut revisions = Vec::new();
    for id in &ids {
        revisions.push(store.create(id, id.key().as_bytes())?);
    }
    // Every third is wiped and every third saved again.
    for (n, id) in ids.iter().enumerate() {
        match n % 3 {
            0 => store.wipe(id, None)?,
            1 => revisions[n] = store.save(id, Some(revisions[n]), b"new", None)?,
            _ => {}
        }
    }
    for (n, id) in ids.iter().enumerate() {
        match n % 3 {
            0 => store.has_nothing(id)?,
            1 => store.has(id, revisions[n], b"new")?,
            _ => store.has(id, revisions[n], id.key().as_bytes())?,
        }
    }
    Ok(())
}

/// Some lives of an actor, of some saves each, beside one that is never at rest.
fn rest(bench: &Bench<'_>) -> Verdict {
    let lab = bench.lab()?;
    let store = lab.store();
    let (me, busy, nobody) = (id("k", "me"), id("k", "busy"), id("k", "nobody"));
    let mut newest = None;
    let mut of_busy = store.create(&busy, b"0")?;
    for life in 0..4u8 {
        for save in 0..4u8 {
            let before = newest;
            newest = Some(store.save(&me, before, &[life, save], Some(at(life.into())))?);
            of_busy = store.save(&busy, Some(of_busy), &[save], None)?;
            if let Some(before) = before {
                store.refuses_save(&me, Some(before))?;
            }
        }
        for id in [&me, &me, &nobody] {
            store.0.rest(id);
        }
        let revision = newest.expect("saved above");
        store.has(&me, revision, &[life, 3])?;
        store.has(&busy, of_busy, &[3])?;
        store.has_nothing(&nobody)?;
        same("a scan", store.scan(None, None)?, vec![busy.clone(), me.clone()])?;
        same("who is due", store.due(at(10))?, [me.clone()].into())?;
        store.refuses_save(&me, None)?;
        store.refuses_wipe(&me, of_busy)?;
    }
    store.wipe(&me, newest)?;
    store.0.rest(&me);
    store.has_nothing(&me)
}
