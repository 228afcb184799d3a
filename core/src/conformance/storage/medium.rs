//! A medium that rots or fails: nobody is taken for absent, and nothing that was acknowledged is lost.

use std::ops::ControlFlow;

use super::bench::{Bench, Lab, Store, at, chain, done, id, revision, unexpected};
use super::revisions::risen;
use super::{Capability, Entry, entry};
use crate::conformance::{Verdict, ensure, failed, same};
use crate::{ActorId, Revision, StorageErrorKind};

pub(super) static CASES: &[Entry] = &[
    entry("damage_is_never_absence", "a record that cannot be read loads as Damaged", damage_is_reported),
    entry(
        "damage_is_left_as_it_is",
        "no birth takes the place of a damaged record, nor a save or a wipe of another revision",
        left,
    ),
    entry("damage_is_wiped_on_demand", "a wipe of whatever is there removes a damaged record for good", wiped),
    entry("damage_stays_where_it_is", "beside a damaged record all others are shown, loaded and saved", neighbours),
    entry(
        "failures_surface",
        "while the medium fails every save is an error, and no load shows another state",
        surface,
    ),
    entry("failures_lose_nothing", "when the medium works again, everything acknowledged is there", lose_nothing),
];

/// A store with three records, of which that of the second is damaged.
fn damaged(bench: &Bench<'_>) -> Verdict<(Lab, [ActorId; 3], Revision)> {
    bench.needs(Capability::Damage)?;
    let mut lab = bench.lab()?;
    let ids = ["a", "b", "c"].map(|key| id("k", key));
    for id in &ids {
        // Two saves, so that there is an older state that a store could fall back to.
        let first = lab.store().create(id, b"the older state")?;
        lab.store().save(id, Some(first), b"the newest state", Some(at(1)))?;
    }
    let newest = lab.store().load_there(&ids[1])?.revision;
    lab.close();
    done("to damage a record", lab.medium.damage(&ids[1]))?;
    lab.reopen()?;
    Ok((lab, ids, newest))
}

fn is_damaged(store: &Store, id: &ActorId) -> Verdict {
    match store.0.load(id) {
        Err(error) if error.kind() == StorageErrorKind::Damaged => Ok(()),
        Err(error) => {
            failed(format!("load of a damaged record: expected Damaged, saw {:?}: {}", error.kind(), chain(&error)))
        }
        Ok(None) => failed("load of a damaged record: expected Damaged, saw that it is absent"),
        Ok(Some(stored)) => {
            failed(format!("load of a damaged record: expected Damaged, saw revision {}", stored.revision))
        }
    }
}

fn damage_is_reported(bench: &Bench<'_>) -> Verdict {
    let (mut lab, ids, _) = damaged(bench)?;
    is_damaged(lab.store(), &ids[1])?;
    is_damaged(lab.store(), &ids[1])?;
    lab.reopen()?;
    is_damaged(lab.store(), &ids[1])
}

fn left(bench: &Bench<'_>) -> Verdict {
    let (mut lab, ids, newest) = damaged(bench)?;
    let other = Revision::new(newest.get() + 1);
    for expected in [None, Some(other)] {
        let seen = lab.store().0.save(&ids[1], expected, b"in its place", None);
        ensure(seen.is_err(), || {
            format!("save that expects {} over a damaged record: expected an error, saw {seen:?}", revision(expected))
        })?;
        is_damaged(lab.store(), &ids[1])?;
    }
    let seen = lab.store().0.wipe(&ids[1], Some(other));
    ensure(seen.is_err(), || {
        format!("wipe of another revision than the damaged one: expected an error, saw {seen:?}")
    })?;
    lab.reopen()?;
    is_damaged(lab.store(), &ids[1])
}

fn wiped(bench: &Bench<'_>) -> Verdict {
    let (mut lab, ids, newest) = damaged(bench)?;
    lab.store().wipe(&ids[1], None)?;
    lab.store().has_nothing(&ids[1])?;
    lab.reopen()?;
    lab.store().has_nothing(&ids[1])?;
    let new = lab.store().create(&ids[1], b"born anew")?;
    risen(&ids[1], Some(newest), new)?;
    lab.store().has(&ids[1], new, b"born anew")
}

fn neighbours(bench: &Bench<'_>) -> Verdict {
    let (lab, ids, _) = damaged(bench)?;
    let store = lab.store();
    for id in [&ids[0], &ids[2]] {
        let stored = store.load_there(id)?;
        same("a record beside a damaged one", stored.bytes.as_slice(), b"the newest state".as_slice())?;
        store.save(id, Some(stored.revision), b"goes on", None)?;
    }
    let mut shown = Vec::new();
    let scanned = store.0.scan(None, None, &mut |id| {
        shown.push(id);
        ControlFlow::Continue(())
    });
    match scanned {
        // Whose the damaged record is may be unknown; then it is not shown.
        Ok(()) => {
            shown.retain(|id| id != &ids[1]);
            same("a scan beside a damaged record", shown, vec![ids[0].clone(), ids[2].clone()])
        }
        Err(error) if error.kind() == StorageErrorKind::Damaged => Ok(()),
        Err(error) => failed(format!("a scan beside a damaged record: saw {:?}: {}", error.kind(), chain(&error))),
    }
}

/// An id, and all that may be there after what was tried.
struct Fate {
    id: ActorId,
    /// Revision and bytes of the last save that was acknowledged.
    acknowledged: Option<(Revision, Vec<u8>)>,
    /// The bytes of saves that may have taken effect, and whether a wipe may have.
    perhaps: Vec<Vec<u8>>,
    perhaps_wiped: bool,
}

impl Fate {
    fn saved(store: &Store, id: ActorId) -> Verdict<Fate> {
        let revision = store.create(&id, b"acknowledged")?;
        Ok(Fate { id, acknowledged: Some((revision, b"acknowledged".to_vec())), perhaps: vec![], perhaps_wiped: false })
    }

    fn absent(id: ActorId) -> Fate {
        Fate { id, acknowledged: None, perhaps: vec![], perhaps_wiped: false }
    }

    /// A save on a failing medium.
    fn save(&mut self, store: &Store, bytes: &[u8]) -> Verdict {
        let expected = self.acknowledged.as_ref().map(|(revision, _)| *revision);
        match store.0.save(&self.id, expected, bytes, Some(at(1))) {
            Ok(revision) => failed(format!("save of {} while the medium fails: saw Ok({revision})", self.id)),
            Err(error) if error.kind().may_have_taken_effect() => {
                self.perhaps.push(bytes.to_vec());
                Ok(())
            }
            // A save before may have taken effect; then this one is too late.
            Err(error) if error.kind() == StorageErrorKind::Stale && self.perhaps.is_empty() => {
                Err(unexpected("save on a failing medium", &self.id, error))
            }
            Err(_) => Ok(()),
        }
    }

    /// A wipe on a failing medium. One that needs no room, say, may succeed.
    fn wipe(&mut self, store: &Store) -> Verdict {
        match store.0.wipe(&self.id, None) {
            Ok(()) => *self = Fate::absent(self.id.clone()),
            Err(error) if error.kind().may_have_taken_effect() => self.perhaps_wiped = true,
            Err(_) => {}
        }
        Ok(())
    }

    /// Fails unless the store shows one of the states that may be. Errors are no state.
    fn check(&self, store: &Store, when: &str) -> Verdict {
        let seen = match store.0.load(&self.id) {
            Ok(seen) => seen,
            Err(error) if error.kind() == StorageErrorKind::Damaged => {
                return failed(format!("load of {} {when}: saw Damaged: {}", self.id, chain(&error)));
            }
            Err(error) if when == WHILE && error.kind() != StorageErrorKind::Stale => return Ok(()),
            Err(error) => return Err(unexpected("load after the medium failed", &self.id, error)),
        };
        let fits = match (&seen, &self.acknowledged) {
            (None, None) => true,
            (None, Some(_)) => self.perhaps_wiped,
            (Some(seen), acknowledged) => {
                acknowledged
                    .as_ref()
                    .is_some_and(|(revision, bytes)| (*revision, bytes) == (seen.revision, &seen.bytes))
                    || self.perhaps.contains(&seen.bytes)
            }
        };
        ensure(fits, || format!("load of {} {when}: saw {seen:?}, which nobody saved or which was replaced", self.id))
    }
}

const WHILE: &str = "while the medium fails";
const AFTER: &str = "after the medium failed";

/// A store whose medium fails, and what may be on it after a save of each kind and a wipe.
fn failing(bench: &Bench<'_>) -> Verdict<(Lab, Vec<Fate>)> {
    bench.needs(Capability::Faults)?;
    let lab = bench.lab()?;
    let keys = ["saved", "wiped", "untouched"].into_iter();
    let mut fates = keys.map(|key| Fate::saved(lab.store(), id("k", key))).collect::<Verdict<Vec<_>>>()?;
    fates.push(Fate::absent(id("k", "born")));
    done("to let the medium fail", lab.medium.set_failing(true))?;
    fates[0].save(lab.store(), b"perhaps")?;
    fates[0].save(lab.store(), &[7; 10_000])?;
    fates[1].wipe(lab.store())?;
    fates[3].save(lab.store(), b"perhaps born")?;
    Ok((lab, fates))
}

fn surface(bench: &Bench<'_>) -> Verdict {
    let (lab, fates) = failing(bench)?;
    fates.iter().try_for_each(|fate| fate.check(lab.store(), WHILE))?;
    // A scan that ends with Ok says that it has shown all.
    let mut shown = Vec::new();
    let scanned = lab.store().0.scan(None, None, &mut |id| {
        shown.push(id);
        ControlFlow::Continue(())
    });
    let complete = shown.contains(&fates[2].id);
    ensure(scanned.is_err() || complete, || format!("a scan {WHILE}: saw Ok, and not {}", fates[2].id))?;
    done("to let the medium work again", lab.medium.set_failing(false))
}

fn lose_nothing(bench: &Bench<'_>) -> Verdict {
    let (mut lab, fates) = failing(bench)?;
    done("to let the medium work again", lab.medium.set_failing(false))?;
    // A store may want to be opened anew after its medium failed.
    if bench.can(Capability::Reopen) {
        lab.reopen()?;
    }
    for fate in &fates {
        fate.check(lab.store(), AFTER)?;
        // And life goes on from there.
        let newest = lab.store().load(&fate.id)?.map(|stored| stored.revision);
        let new = lab.store().save(&fate.id, newest, b"goes on", None)?;
        risen(&fate.id, fate.acknowledged.as_ref().map(|(revision, _)| *revision), new)?;
        lab.store().has(&fate.id, new, b"goes on")?;
    }
    let mut expected: Vec<_> = fates.iter().map(|fate| fate.id.clone()).collect();
    expected.sort();
    same("a scan after the medium failed", lab.store().scan(None, None)?, expected)
}
