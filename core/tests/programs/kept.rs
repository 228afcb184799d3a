//! Programs that failed once. They are written out, as the seed of one means another when the way to make them up changes.

use gargoyle::{RestartPolicy, SaveMode};

use crate::actor::Manner;
use crate::program::{Birth, Deed, Fault, INTERVAL, Life, Operation, Program, Registry, Step, Store, What};

const PLAIN: Life = (RestartPolicy::Transient, SaveMode::EveryTurn);
const SELDOM_SAVED: Life = (RestartPolicy::Transient, SaveMode::Every(INTERVAL));

fn program(kinds: [Life; 3], steps: Vec<Step>) -> Program {
    Program { registry: Registry::Std, store: Store::Memory, kinds, steps }
}

fn watch(who: usize, other: usize) -> Step {
    Step::Call(who, What::Also(Deed::Watch(other), Manner::Counts))
}

/// To be started with the settings that one has already saves nothing.
fn the_same_settings_again() -> Program {
    let start = Step::StartWith(1, SELDOM_SAVED);
    program([PLAIN; 3], vec![start.clone(), Step::Call(1, What::Add), start, Step::Die(None)])
}

/// That one has gone is told of an earlier watch too, and does not end a new one.
fn watched_again() -> Program {
    program([PLAIN; 3], vec![Step::Call(0, What::Add), watch(2, 0), Step::Die(Some(0)), watch(2, 0)])
}

/// Who is revived finds that one has gone, though the same casts have that one born after it.
fn gone_and_born_by_the_same_casts() -> Program {
    let casts = Step::Casts(1, vec![What::Ask(3), What::Tell(0)]);
    let steps = vec![Step::Call(0, What::Add), watch(3, 0), Step::Die(None), casts];
    program([SELDOM_SAVED, PLAIN, PLAIN], steps)
}

/// The store fails for one that is to be asked, and is not, as who should ask is quarantined.
fn a_fault_of_one_that_is_not_asked() -> Program {
    let steps = vec![
        Step::Casts(2, vec![What::Panic; 3]),
        watch(1, 2),
        Step::Fault(1, Operation::Save, Fault::Full),
        Step::Casts(2, vec![What::Panic, What::Ask(1)]),
    ];
    program([(RestartPolicy::Temporary, SaveMode::EveryTurn), PLAIN, PLAIN], steps)
}

/// One that has fallen is found by what it may be told of another, for which the store fails, and others hear of that.
fn found_by_what_may_be_told() -> Program {
    let steps = vec![
        Step::Call(2, What::Add),
        watch(1, 2),
        watch(3, 1),
        Step::Die(None),
        Step::Fault(2, Operation::Save, Fault::Full),
        Step::Casts(2, vec![What::Add]),
    ];
    program([(RestartPolicy::Temporary, SaveMode::EveryTurn), PLAIN, PLAIN], steps)
}

/// One that has fallen may not have known who watches it, and tells that it is absent while nobody waits for that.
fn fallen_without_its_watcher() -> Program {
    let start = Step::StartWith(1, (RestartPolicy::Temporary, SaveMode::Every(INTERVAL)));
    let call = Step::Call(0, What::Add);
    program([PLAIN; 3], vec![start, watch(0, 1), Step::Die(None), call.clone(), call])
}

/// Who is to be born, and is not, finds the one before it to have fallen.
fn fallen_before_a_birth_that_fails() -> Program {
    let steps = vec![Step::Call(0, What::Add), watch(3, 0), Step::Die(None), Step::Start(0, Birth::Fails)];
    program([(RestartPolicy::Temporary, SaveMode::EveryTurn), PLAIN, PLAIN], steps)
}

pub(crate) fn programs() -> [Program; 7] {
    [
        the_same_settings_again(),
        watched_again(),
        gone_and_born_by_the_same_casts(),
        a_fault_of_one_that_is_not_asked(),
        found_by_what_may_be_told(),
        fallen_without_its_watcher(),
        fallen_before_a_birth_that_fails(),
    ]
}
