//! What a program is, and how one is made up.

use std::time::Duration;

use gargoyle::{RestartPolicy, SaveMode};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::actor::Manner;

/// How many actors there are. The first two are of one kind.
pub(crate) const ACTORS: usize = 4;

/// The kind of an actor, by its number.
pub(crate) fn kind_of(who: usize) -> usize {
    who.saturating_sub(1)
}

/// What becomes of an actor, and when it is saved.
pub(crate) type Life = (RestartPolicy, SaveMode);

/// The interval of those that are saved now and then.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);

/// The time after which who is idle turns to stone.
pub(crate) const IDLE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) registry: Registry,
    pub(crate) store: Store,
    pub(crate) kinds: [Life; 3],
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Registry {
    Std,
    Sharded,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Store {
    Memory,
    Fs,
    Lmdb,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Birth {
    Fine,
    Fails,
}

/// What a message has its actor do; the number of the other actor is that of who is told or asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    Add,
    Panic,
    RollBack,
    SaveAndPanic,
    Stop,
    Petrify,
    Continue,
    Tell(usize),
    Ask(usize),
    /// Does this beside, so that it counts or not.
    Also(Deed, Manner),
}

/// What is a part of the message that does it; the number is that of another actor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    /// Adds a number after so many seconds.
    Later(u64),
    /// Cancels the last timer that the actor was to set.
    Cancel,
    Watch(usize),
    Unwatch(usize),
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Call(usize, What),
    /// Casts, one after the other.
    Casts(usize, Vec<What>),
    Query(usize),
    Peek(usize),
    Start(usize, Birth),
    StartWith(usize, Life),
    Stop(usize),
    Petrify(usize),
    Wipe(usize),
    Crash(usize),
    Pardon(usize),
    Advance(u64),
    /// The next operation of the store of this sort for this actor fails.
    Fault(usize, Operation, Fault),
    /// A shutdown, and a new system on the store, which was opened anew.
    Restart,
    /// As if the process were killed, and the same; with an actor: just when its record had been deleted, and nobody told.
    Die(Option<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Load,
    Save,
    Wipe,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It is not done, and the store knows.
    Full,
    /// It is not done, and the store does not know.
    Unreachable,
    /// It is done, and the store does not know.
    DoneAndUnreachable,
    /// The store panics before it does anything.
    Panic,
}

/// Programs of up to so many steps.
pub(crate) fn programs(steps: usize) -> impl Strategy<Value = Program> {
    let registry = prop_oneof![Just(Registry::Std), Just(Registry::Sharded)];
    let store = prop_oneof![2 => Just(Store::Memory), 1 => Just(Store::Fs), 1 => Just(Store::Lmdb)];
    (registry, store, [life(), life(), life()], vec(step(), 1..=steps))
        .prop_map(|(registry, store, kinds, steps)| Program { registry, store, kinds, steps })
}

fn who() -> impl Strategy<Value = usize> {
    0..ACTORS
}

fn life() -> impl Strategy<Value = Life> {
    use RestartPolicy::{Permanent, Temporary, Transient};
    let policy = prop_oneof![Just(Transient), Just(Temporary), Just(Permanent)];
    let save = prop_oneof![
        3 => Just(SaveMode::EveryTurn),
        1 => Just(SaveMode::Every(INTERVAL)),
        1 => Just(SaveMode::OnPetrify)
    ];
    (policy, save)
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        6 => Just(What::Add),
        3 => Just(What::Panic),
        1 => Just(What::RollBack),
        1 => Just(What::SaveAndPanic),
        1 => Just(What::Stop),
        1 => Just(What::Petrify),
        1 => Just(What::Continue),
        2 => who().prop_map(What::Tell),
        2 => who().prop_map(What::Ask),
        5 => (timer(), manner()).prop_map(|(deed, manner)| What::Also(deed, manner)),
    ]
}

/// Delays of which some are longer than the idle time, and none is zero: nobody could say what such a timer comes before.
fn timer() -> impl Strategy<Value = Deed> {
    let delay = prop_oneof![Just(1), Just(2), Just(5), Just(20), Just(90), Just(150)];
    prop_oneof![2 => delay.prop_map(Deed::Later), 1 => Just(Deed::Cancel)]
}

/// By calls alone: what the other one answers to a watch would race with the casts behind it.
fn watch() -> impl Strategy<Value = What> {
    let watch = prop_oneof![4 => who().prop_map(Deed::Watch), 1 => who().prop_map(Deed::Unwatch)];
    (watch, manner()).prop_map(|(deed, manner)| What::Also(deed, manner))
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![5 => Just(Manner::Counts), 1 => Just(Manner::RollsBack), 1 => Just(Manner::Panics)]
}

fn step() -> impl Strategy<Value = Step> {
    let operation = prop_oneof![1 => Just(Operation::Load), 3 => Just(Operation::Save), 1 => Just(Operation::Wipe)];
    let fault =
        prop_oneof![Just(Fault::Full), Just(Fault::Unreachable), Just(Fault::DoneAndUnreachable), Just(Fault::Panic)];
    let birth = prop_oneof![3 => Just(Birth::Fine), 1 => Just(Birth::Fails)];
    prop_oneof![
        10 => (who(), what()).prop_map(|(who, what)| Step::Call(who, what)),
        4 => (who(), watch()).prop_map(|(who, what)| Step::Call(who, what)),
        5 => (who(), vec(what(), 1..=5)).prop_map(|(who, casts)| Step::Casts(who, casts)),
        // Chance alone seldom has one crash too often.
        1 => (who(), 3..=5_usize).prop_map(|(who, times)| Step::Casts(who, vec![What::Panic; times])),
        3 => who().prop_map(Step::Query),
        3 => who().prop_map(Step::Peek),
        2 => (who(), birth).prop_map(|(who, birth)| Step::Start(who, birth)),
        1 => (who(), life()).prop_map(|(who, life)| Step::StartWith(who, life)),
        2 => who().prop_map(Step::Stop),
        2 => who().prop_map(Step::Petrify),
        1 => who().prop_map(Step::Wipe),
        1 => who().prop_map(Step::Crash),
        1 => who().prop_map(Step::Pardon),
        4 => prop_oneof![Just(1), Just(3), Just(10), Just(100)].prop_map(Step::Advance),
        3 => (who(), operation, fault).prop_map(|(who, operation, fault)| Step::Fault(who, operation, fault)),
        1 => Just(Step::Restart),
        2 => option::of(who()).prop_map(Step::Die),
    ]
}
