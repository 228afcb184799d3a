//! What was acknowledged is there when the store is opened again.

use super::bench::{Bench, at, id};
use super::records::pattern;
use super::revisions::risen;
use super::{Capability, Entry, entry};
use crate::conformance::{Verdict, same};

pub(super) static CASES: &[Entry] = &[
    entry("reopened_records_are_the_same", "records, revisions, scans and times are there after a reopening", records),
    entry("reopened_absence_is_the_same", "what was wiped is absent after a reopening", absence),
    entry(
        "reopened_revisions_go_on",
        "after a reopening, revisions are above all before it, wiped ones too",
        revisions,
    ),
];

fn records(bench: &Bench<'_>) -> Verdict {
    bench.needs(Capability::Reopen)?;
    let mut lab = bench.lab()?;
    let mut saved = Vec::new();
    for n in 0..30usize {
        let id = id(["k", "a/b"][n % 2], format!("{n}/é\0"));
        let mut revision = lab.store().create(&id, b"the first")?;
        let bytes = pattern(n * n * 40, n as u64);
        for _ in 0..n % 3 + 1 {
            revision = lab.store().save(&id, Some(revision), &bytes, (n % 5 != 0).then(|| at(n as u64)))?;
        }
        saved.push((id, revision, bytes));
    }
    for _ in 0..3 {
        let before = (lab.store().scan(None, None)?, lab.store().due(at(15))?);
        lab.reopen()?;
        saved.iter().try_for_each(|(id, revision, bytes)| lab.store().has(id, *revision, bytes))?;
        same("a scan after a reopening", lab.store().scan(None, None)?, before.0)?;
        same("who is due after a reopening", lab.store().due(at(15))?, before.1)?;
        // A few that are new at the next time.
        for (id, revision, bytes) in saved.iter_mut().step_by(7) {
            bytes.push(1);
            *revision = lab.store().save(id, Some(*revision), bytes, None)?;
        }
    }
    Ok(())
}

fn absence(bench: &Bench<'_>) -> Verdict {
    bench.needs(Capability::Reopen)?;
    let mut lab = bench.lab()?;
    let ids: Vec<_> = (0..6).map(|n| id("k", n.to_string())).collect();
    for id in &ids {
        let first = lab.store().save(id, None, b"1", Some(at(1)))?;
        lab.store().save(id, Some(first), b"2", Some(at(1)))?;
    }
    ids[..4].iter().try_for_each(|id| lab.store().wipe(id, None))?;
    for _ in 0..2 {
        lab.reopen()?;
        ids[..4].iter().try_for_each(|id| lab.store().has_nothing(id))?;
        same("a scan after a reopening", lab.store().scan(None, None)?, ids[4..].to_vec())?;
        same("who is due after a reopening", lab.store().due(at(1))?, ids[4..].iter().cloned().collect())?;
    }
    Ok(())
}

fn revisions(bench: &Bench<'_>) -> Verdict {
    bench.needs(Capability::Reopen)?;
    let mut lab = bench.lab()?;
    let (stays, goes) = (id("k", "stays"), id("k", "goes"));
    let mut there = None;
    let mut last = None;
    for _ in 0..5 {
        let new = lab.store().save(&stays, there, b"1", None)?;
        risen(&stays, there, new)?;
        let passing = lab.store().create(&goes, b"1")?;
        risen(&goes, last, passing)?;
        lab.store().wipe(&goes, Some(passing))?;
        if let Some(old) = last {
            lab.store().refuses_save(&goes, Some(old))?;
        }
        (there, last) = (Some(new), Some(passing));
        lab.reopen()?;
        lab.store().refuses_save(&goes, last)?;
        lab.store().refuses_save(&stays, None)?;
    }
    Ok(())
}
