//! Random sequences of operations, compared with a model; one that fails is made as short as possible.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use super::bench::{Bench, Lab, at, id};
use super::model::Model;
use super::records::pattern;
use super::revisions::risen;
use super::{Capability, Entry, entry};
use crate::conformance::{Miss, Verdict, failed, same};
use crate::{ActorId, Revision};

pub(super) static CASES: &[Entry] =
    &[entry("random_sequences", "any sequence of operations does what a small model of the contract does", sequences)];

/// One operation. Ids are numbers, so that a sequence that failed is short to read.
#[derive(Clone, Copy, Debug)]
enum Step {
    Load(usize),
    Save { id: usize, expects: Expects, bytes: usize, wake_at: Option<u64> },
    Wipe { id: usize, expects: Option<Expects> },
    Scan { kind: Option<&'static str>, after: Option<usize> },
    Due(u64),
    Rest(usize),
    Reopen,
}

/// Which revision a save or a wipe expects.
#[derive(Clone, Copy, Debug)]
enum Expects {
    /// What is there, be it no record.
    Right,
    /// No record, or for a wipe none in particular.
    Nothing,
    /// The n-th last that this id ever had: the newest for 0, if it was not wiped.
    Earlier(usize),
    /// One that nobody has had.
    Unheard,
}

const IDS: [(&str, &str); 5] = [("k", "a"), ("k", "b"), ("k", "b/c"), ("k/b", "c"), ("z", "")];

fn sequences(bench: &Bench<'_>) -> Verdict {
    let config = Config {
        cases: bench.capabilities.sequences,
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    let steps = prop::collection::vec(step(bench.can(Capability::Reopen)), 1..60);
    let tried = TestRunner::new(config).run(&steps, |steps| match play(bench, &steps) {
        Ok(()) => Ok(()),
        Err(Miss::Failed(what) | Miss::Skipped(what)) => Err(TestCaseError::fail(what)),
    });
    match tried {
        Ok(()) => Ok(()),
        Err(TestError::Fail(what, steps)) => {
            let steps: Vec<_> = steps.iter().map(|step| format!("\n             {step:?}")).collect();
            failed(format!("{what}; after these operations on an empty store:{}", steps.concat()))
        }
        Err(TestError::Abort(why)) => failed(format!("no sequence was tried: {why}")),
    }
}

fn step(reopens: bool) -> impl Strategy<Value = Step> {
    let an_id = || 0..IDS.len();
    let expects = || {
        prop_oneof![
            6 => Just(Expects::Right),
            1 => Just(Expects::Nothing),
            2 => (0..4usize).prop_map(Expects::Earlier),
            1 => Just(Expects::Unheard),
        ]
    };
    let bytes = prop_oneof![4 => 0..100usize, 2 => 3900..4300usize, 1 => 8000..70_000usize];
    let wake_at = proptest::option::of(0..20u64);
    let save = (an_id(), expects(), bytes, wake_at);
    let kind = prop_oneof![Just(None), Just(Some("k")), Just(Some("k/b")), Just(Some("absent"))];
    prop_oneof![
        3 => an_id().prop_map(Step::Load),
        8 => save.prop_map(|(id, expects, bytes, wake_at)| Step::Save { id, expects, bytes, wake_at }),
        3 => (an_id(), proptest::option::of(expects())).prop_map(|(id, expects)| Step::Wipe { id, expects }),
        1 => (kind, proptest::option::of(an_id())).prop_map(|(kind, after)| Step::Scan { kind, after }),
        1 => (0..21u64).prop_map(Step::Due),
        1 => an_id().prop_map(Step::Rest),
        // A weight of zero is not allowed; without reopening there is a load more.
        1 => an_id().prop_map(move |id| if reopens { Step::Reopen } else { Step::Load(id) }),
    ]
}

/// Plays a sequence on a fresh store, and looks at everything at its end.
fn play(bench: &Bench<'_>, steps: &[Step]) -> Verdict {
    let mut lab = bench.lab()?;
    let mut model = Model::default();
    let ids = IDS.map(|(kind, key)| id(kind, key));
    let limit = bench.capabilities.record_bytes_max.unwrap_or(usize::MAX);
    for (n, step) in steps.iter().enumerate() {
        take(&mut lab, &mut model, &ids, *step, n, limit)?;
    }
    ids.iter().try_for_each(|id| loads(&lab, &model, id))?;
    same("a scan at the end", lab.store().scan(None, None)?, model.scan(None, None))?;
    same("who is due at the end", lab.store().due(at(30))?, model.due(at(30)))
}

fn take(lab: &mut Lab, model: &mut Model, ids: &[ActorId], step: Step, n: usize, limit: usize) -> Verdict {
    let store = lab.store();
    match step {
        Step::Load(id) => loads(lab, model, &ids[id]),
        Step::Save { id, expects, bytes, wake_at } => {
            let (id, bytes) = (&ids[id], pattern(bytes.min(limit), n as u64));
            let expected = expects.of(model, id);
            if expected != model.newest(id) {
                return store.refuses_save(id, expected);
            }
            let new = store.save(id, expected, &bytes, wake_at.map(at))?;
            risen(id, model.earlier(id, 0), new)?;
            model.save(id, new, bytes, wake_at.map(at));
            Ok(())
        }
        Step::Wipe { id, expects } => {
            let id = &ids[id];
            match expects.and_then(|expects| expects.of(model, id)) {
                Some(wrong) if model.newest(id).is_some_and(|newest| newest != wrong) => store.refuses_wipe(id, wrong),
                expected => {
                    store.wipe(id, expected)?;
                    model.wipe(id);
                    Ok(())
                }
            }
        }
        Step::Scan { kind, after } => {
            let after = after.map(|after| &ids[after]);
            same(&format!("scan({kind:?}, {after:?})"), store.scan(kind, after)?, model.scan(kind, after))
        }
        Step::Due(until) => same(&format!("due({until} ms)"), store.due(at(until))?, model.due(at(until))),
        Step::Rest(id) => {
            store.0.rest(&ids[id]);
            Ok(())
        }
        Step::Reopen => lab.reopen(),
    }
}

impl Expects {
    fn of(self, model: &Model, id: &ActorId) -> Option<Revision> {
        match self {
            Expects::Right => model.newest(id),
            Expects::Nothing => None,
            Expects::Earlier(n) => model.earlier(id, n),
            Expects::Unheard => Some(Revision::new(u64::MAX - 1)),
        }
    }
}

fn loads(lab: &Lab, model: &Model, id: &ActorId) -> Verdict {
    match model.get(id) {
        None => lab.store().has_nothing(id),
        Some(kept) => lab.store().has(id, kept.revision, &kept.bytes),
    }
}
