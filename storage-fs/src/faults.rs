//! The store on a machine that fails, dies and loses its power: whatever happens, what it said stays true.
//!
//! A [`Run`] works through a history of saves and wipes and keeps a record of what may be found afterwards. For each id
//! that is what was acknowledged last, or something that was submitted later: never anything older, and never a mix.

mod failing_calls;
mod looks;
mod power_cuts;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gargoyle::sync::Arc;
use gargoyle::{ActorId, Storage, StorageErrorKind};

use crate::FsStorage;
use crate::disk::model::Model;

/// Neither it nor the folder above it is there in the beginning.
const ROOT: &str = "/data/store";

/// Fewer than there are ids: a file that is one too many is closed.
const KEPT_MAX: usize = 2;

const SMALL: usize = 100;

/// Two slots of two pages.
const LARGE: usize = 5000;

/// What a record is to its actor.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Body {
    bytes: Vec<u8>,
    wake_s: Option<u64>,
}

/// What may be found of an id.
#[derive(Clone, Debug, Default)]
struct Expected {
    /// Acknowledged.
    sure: Option<Body>,
    /// Submitted later, and not acknowledged.
    maybe: Vec<Option<Body>>,
    /// The highest revision that was seen.
    revision: u64,
    /// A wipe failed at its sync: that of the next one may say yes to what the first one lost.
    is_wiped_on_faith: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Save(Id, usize, Option<u64>),
    /// Without a look before, as an actor does that knows what it saved last.
    Again(Id),
    Wipe(Id),
    Load,
    Due,
    Rest(Id),
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum Id {
    Alice,
    /// In Alice's folder.
    Bob,
    /// With a name that is too long for a file.
    Long,
}

impl Id {
    const ALL: [Id; 3] = [Id::Alice, Id::Bob, Id::Long];

    fn id(self) -> ActorId {
        let key = match self {
            Id::Alice => "alice".to_owned(),
            Id::Bob => "bob-325".to_owned(),
            Id::Long => "x".repeat(300),
        };
        ActorId::new("account", key).unwrap()
    }
}

/// Seconds since 1970 in two spans, with room to ask before, between and after.
const EARLY: u64 = 1_000_000;
const SOON_AFTER: u64 = EARLY + 1;
const LATE: u64 = 2_000_000;

/// Everything that a file and a note go through.
const HISTORY: &[Step] = {
    use Id::{Alice, Bob, Long};
    use Step::{Due, Reopen, Rest, Save, Wipe};
    &[
        Save(Alice, SMALL, None),
        Save(Alice, SMALL, Some(LATE)),
        Save(Alice, SMALL, Some(LATE)),
        Save(Bob, SMALL, Some(EARLY)),
        Save(Alice, SMALL, Some(EARLY)),
        Save(Alice, SMALL, Some(SOON_AFTER)),
        // Into a file that stayed open, from one slot to the other and back.
        Save(Alice, SMALL, Some(EARLY)),
        Save(Alice, SMALL, Some(SOON_AFTER)),
        Save(Long, SMALL, Some(EARLY)),
        Save(Long, SMALL, Some(EARLY)),
        Save(Long, SMALL, Some(EARLY)),
        Rest(Long),
        Save(Alice, SMALL, Some(SOON_AFTER)),
        Save(Alice, SMALL, Some(EARLY)),
        Save(Alice, SMALL, Some(SOON_AFTER)),
        // Out of it again.
        Save(Alice, LARGE, Some(LATE)),
        Save(Alice, LARGE, Some(LATE)),
        Save(Alice, LARGE, Some(LATE)),
        Due,
        Save(Bob, SMALL, Some(EARLY)),
        Save(Bob, SMALL, Some(EARLY)),
        Wipe(Bob),
        Save(Alice, LARGE, None),
        Reopen,
        Save(Bob, SMALL, Some(EARLY)),
        Save(Long, SMALL, Some(LATE)),
        Wipe(Long),
        Save(Alice, SMALL, Some(EARLY)),
        Wipe(Alice),
        Save(Alice, SMALL, Some(EARLY)),
    ]
};

/// An actor that goes on after a seal was not written.
const GOING_ON: &[Step] = {
    use Id::Alice;
    use Step::{Again, Save};
    &[Save(Alice, SMALL, None), Again(Alice), Again(Alice), Again(Alice), Again(Alice), Again(Alice)]
};

/// Something for each id, to see that the store still works.
const AFTERWARDS: &[Step] = {
    use Id::{Alice, Bob, Long};
    use Step::{Due, Save, Wipe};
    &[
        Save(Alice, SMALL, Some(EARLY)),
        Save(Bob, SMALL, None),
        Due,
        Save(Bob, SMALL, Some(EARLY)),
        Wipe(Long),
        Wipe(Long),
        Save(Alice, LARGE, Some(LATE)),
    ]
};

/// A process that uses the store on a machine, and what may be found there.
struct Run {
    machine: Model,
    store: Option<FsStorage>,
    /// Whether it was open before anything failed.
    was_made: bool,
    expected: BTreeMap<ActorId, Expected>,
    /// Makes every body another one.
    saves: usize,
    /// How many saves opened nothing: their file had stayed open.
    kept: usize,
}

impl Run {
    fn new() -> Self {
        let expected = Id::ALL.map(|id| (id.id(), Expected::default())).into();
        Run { machine: Model::new(), store: None, was_made: false, expected, saves: 0, kept: 0 }
    }

    /// The next process, on this machine or on what became of it.
    fn go_on(&self, machine: &Model) -> Run {
        machine.kill();
        let Run { was_made, saves, .. } = *self;
        let (machine, expected) = (machine.clone(), self.expected.clone());
        Run { machine, store: None, was_made, expected, saves: saves + 100, kept: 0 }
    }

    /// Works through the steps, or as far as it comes.
    fn work(&mut self, steps: &[Step]) {
        for step in steps {
            if self.store.is_none() {
                self.open();
            }
            match step {
                Step::Save(id, bytes, wake_s) => self.save(&id.id(), *bytes, *wake_s),
                Step::Again(id) => self.save_again(&id.id()),
                Step::Wipe(id) => self.wipe(&id.id()),
                Step::Load => {
                    for id in Id::ALL {
                        self.load(&id.id());
                    }
                }
                Step::Due => drop(self.due(LATE)),
                Step::Rest(id) => self.store.iter().for_each(|store| store.rest(&id.id())),
                Step::Reopen => self.store = None,
            }
        }
    }

    fn open(&mut self) {
        self.store = FsStorage::open_on(Arc::new(self.machine.clone()), Path::new(ROOT), KEPT_MAX).ok();
        // Nobody reads it but people: what may become of it after the opening would be many states for nothing.
        self.machine.write_back(&Path::new(ROOT).join("LOCK"));
        self.was_made |= self.store.is_some() && !self.machine.has_failed();
    }

    fn save(&mut self, id: &ActorId, bytes: usize, wake_s: Option<u64>) {
        if let Some(Ok(found)) = self.load(id) {
            self.save_over(id, found, bytes, wake_s);
        }
    }

    fn save_again(&mut self, id: &ActorId) {
        let Expected { sure, maybe, revision, .. } = &self.expected[id];
        if let (Some(body), []) = (sure, &maybe[..]) {
            let (bytes, wake_s) = (body.bytes.len(), body.wake_s);
            self.save_over(id, Some(gargoyle::Revision::new(*revision)), bytes, wake_s);
        }
    }

    fn save_over(&mut self, id: &ActorId, found: Option<gargoyle::Revision>, bytes: usize, wake_s: Option<u64>) {
        let Some(store) = &self.store else { return };
        self.saves += 1;
        let body = Body { bytes: vec![self.saves as u8; bytes], wake_s };
        let opened = self.machine.opened();
        let saved = store.save(id, found, &body.bytes, wake_s.map(at));
        self.kept += usize::from(saved.is_ok() && self.machine.opened() == opened);
        assert!(store.locks.kept() <= KEPT_MAX);
        let expected = self.expected.get_mut(id).unwrap();
        match saved {
            Ok(revision) => {
                assert!(revision.get() > expected.revision, "{id}: {revision} comes back");
                let revision = revision.get();
                *expected = Expected { sure: Some(body), revision, ..Expected::default() };
            }
            Err(error) => match error.kind() {
                StorageErrorKind::Unreachable => expected.maybe.push(Some(body)),
                StorageErrorKind::Full | StorageErrorKind::Refused => {}
                kind => panic!("{kind:?}: {error}"),
            },
        }
    }

    fn wipe(&mut self, id: &ActorId) {
        let Some(store) = &self.store else { return };
        let wiped = store.wipe(id, None);
        let expected = self.expected.get_mut(id).unwrap();
        match wiped {
            Ok(()) if expected.is_wiped_on_faith => expected.maybe.push(None),
            Ok(()) => *expected = Expected { revision: expected.revision, ..Expected::default() },
            Err(error) => match error.kind() {
                StorageErrorKind::Unreachable => {
                    expected.maybe.push(None);
                    expected.is_wiped_on_faith = !self.machine.is_dead();
                }
                StorageErrorKind::Full | StorageErrorKind::Refused => {}
                kind => panic!("{kind:?}: {error}"),
            },
        }
    }

    /// Loads, and checks that it is something that may be found. From then on nothing else may.
    fn load(&mut self, id: &ActorId) -> Option<Result<Option<gargoyle::Revision>, ()>> {
        let store = self.store.as_ref()?;
        let found = match store.load(id) {
            Ok(found) => found,
            Err(error) => {
                assert!(error.kind() != StorageErrorKind::Damaged, "{error}");
                return Some(Err(()));
            }
        };
        let expected = self.expected.get_mut(id).unwrap();
        let bytes = found.as_ref().map(|stored| &stored.bytes);
        let is_it = |body: &&Option<Body>| body.as_ref().map(|body| &body.bytes) == bytes;
        let Some(body) = expected.maybe.iter().chain([&expected.sure]).find(is_it).cloned() else {
            let shown = |body: &Option<Body>| body.as_ref().map(|body| (body.bytes[0], body.bytes.len(), body.wake_s));
            let maybe: Vec<_> = expected.maybe.iter().map(shown).collect();
            let found = bytes.map(|bytes| (bytes[0], bytes.len()));
            panic!("{id}: found {found:?}, expected {:?} or one of {maybe:?}", shown(&expected.sure));
        };
        let revision = found.map(|stored| stored.revision);
        // A failed wipe may yet be undone.
        if body.is_some() || !expected.is_wiped_on_faith {
            let highest = expected.revision.max(revision.map_or(0, gargoyle::Revision::get));
            *expected = Expected { sure: body, revision: highest, ..Expected::default() };
        }
        Some(Ok(revision))
    }

    /// Who is due, or `None` if that could not be found out.
    fn due(&self, until_s: u64) -> Option<Vec<ActorId>> {
        let mut seen = Vec::new();
        let mut see = |id| {
            seen.push(id);
            ControlFlow::Continue(())
        };
        match self.store.as_ref()?.due(at(until_s), &mut see) {
            Ok(()) => Some(seen),
            Err(error) => {
                assert!(error.kind() != StorageErrorKind::Damaged, "{error}");
                None
            }
        }
    }

    fn scan(&self) -> Vec<ActorId> {
        let mut seen = Vec::new();
        let mut see = |id| {
            seen.push(id);
            ControlFlow::Continue(())
        };
        self.store.as_ref().unwrap().scan(None, None, &mut see).unwrap();
        seen
    }

    /// Checks, with nothing in the way, that the store opens and that everything is as it may be.
    fn check(&mut self) {
        if self.store.is_none() {
            let opened = FsStorage::open_on(Arc::new(self.machine.clone()), Path::new(ROOT), KEPT_MAX);
            self.store = Some(opened.expect("nothing is in the way"));
        }
        // Before the loads, which settle what may be unclear.
        let due = [EARLY, LATE].map(|until| self.due(until).expect("nothing is in the way"));
        for id in Id::ALL {
            self.load(&id.id()).unwrap().expect("nothing is in the way");
        }
        for (due, until) in due.iter().zip([EARLY, LATE]) {
            assert_eq!(*due, self.ids(|body| body.wake_s.is_some_and(|at| at <= until)), "due until {until}");
        }
        assert_eq!(self.scan(), self.ids(|_| true));
    }

    /// The ids whose record is known to be such a one.
    fn ids(&self, is: impl Fn(&Body) -> bool) -> Vec<ActorId> {
        // After a wipe on faith, the record is not there for now.
        let there = self.expected.iter().filter(|(_, expected)| !expected.is_wiped_on_faith);
        there.filter(|(_, expected)| expected.sure.as_ref().is_some_and(&is)).map(|(id, _)| id.clone()).collect()
    }

    /// Checks what a power cut left, that it stays so, and that the store works.
    fn check_after_power_cut(&self, machine: &Model) {
        let mut run = self.go_on(machine);
        // What is there now is durable, whoever was believed before.
        run.expected.values_mut().for_each(|expected| expected.is_wiped_on_faith = false);
        run.check();
        let mut again = run.go_on(machine);
        again.check();
        again.work(AFTERWARDS);
        again.check();
    }
}

/// Says what was going on if a check fails.
struct Context(String);

impl Drop for Context {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("with {}", self.0);
        }
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn the_history_comes_to_its_end_when_nothing_goes_wrong() {
    let mut run = Run::new();
    run.work(HISTORY);
    run.check();
    let shard = |id: Id| crate::names::Place::of(&id.id()).shard;
    assert_eq!(shard(Id::Alice), shard(Id::Bob), "the two are in one folder");
    assert!(run.kept >= 6, "{} saves into files that had stayed open", run.kept);
    let sure = |id: Id| run.expected[&id.id()].sure.as_ref().map(|body| (body.bytes.len(), body.wake_s));
    assert_eq!(Id::ALL.map(sure), [Some((SMALL, Some(EARLY))), Some((SMALL, Some(EARLY))), None]);
    assert!(run.expected.values().all(|expected| expected.maybe.is_empty() && expected.revision > 0));
}

#[test]
fn whoever_goes_on_saving_opens_its_file_once() {
    let mut run = Run::new();
    run.work(GOING_ON);
    run.check();
    assert_eq!(
        (run.saves, run.kept),
        (GOING_ON.len(), GOING_ON.len() - 2),
        "the first one makes it, the second one opens it"
    );
}
