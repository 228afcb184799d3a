//! The actor of the histories, what can be done with it, and what it does if it does one thing at a time.

use gargoyle::{Actor, BoxError, CallError, Context, Failure, Handle, Handled, Handler, Query, RestartPolicy, testing};
use serde::{Deserialize, Serialize};

use crate::checker::Specification;

pub(crate) type Entries = Vec<u32>;

/// A list of numbers, none of which is ever given twice.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Ledger(Entries);

impl Actor for Ledger {
    const KIND: &'static str = "ledger";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Ledger::default())
    }
}

struct Add(u32);

impl Handler<Add> for Ledger {
    type Reply = Entries;

    fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> Entries {
        self.0.push(n);
        self.0.clone()
    }
}

struct AddAndPanic(u32);

/// What the panics of this actor say.
pub(crate) const PANIC: &str = "a handler that panics";

impl Handler<AddAndPanic> for Ledger {
    type Reply = ();

    fn handle(&mut self, AddAndPanic(n): AddAndPanic, _: &mut Context<Self>) {
        self.0.push(n);
        panic!("{PANIC}");
    }
}

struct Look;

impl Query<Look> for Ledger {
    type Reply = Entries;

    fn query(&self, _: Look) -> Entries {
        self.0.clone()
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Operation {
    Add(u32),
    AddAndPanic(u32),
    Query,
    Peek,
    Petrify,
    Stop,
    Wipe,
    /// An order to crash.
    Crash,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    Entries(Entries),
    Saw(Option<Entries>),
    Done,
    /// The handler panicked, and what it did is undone.
    Crashed,
    /// Nothing of it was done.
    NotDone,
}

impl Operation {
    /// Does it. `Err`: nobody knows whether it was done.
    pub(crate) fn run(self, actor: &Handle<Ledger>) -> Result<Answer, CallError> {
        let done = match self {
            Operation::Add(n) => actor.call(Add(n)).map(Answer::Entries),
            Operation::AddAndPanic(n) => actor.call(AddAndPanic(n)).map(|()| Answer::Done),
            Operation::Query => actor.query(Look).map(Answer::Entries),
            Operation::Peek => actor.peek(Look).map(Answer::Saw),
            Operation::Petrify => actor.petrify().map(|()| Answer::Done),
            Operation::Stop => actor.stop().map(|()| Answer::Done),
            Operation::Wipe => actor.wipe().map(|()| Answer::Done),
            Operation::Crash => testing::crash(actor).map(|()| Answer::Done),
        };
        done.or_else(|error| match (error.failure(), error.handled()) {
            (Failure::Crashed(why), Handled::RolledBack) if why == PANIC => Ok(Answer::Crashed),
            (_, Handled::No | Handled::RolledBack) => Ok(Answer::NotDone),
            _ => Err(error),
        })
    }
}

/// A ledger, by its restart policy and by whether its store fails now and then.
///
/// A peek is answered like a query: one that is alive is asked, and the record of one that is not was saved last when it
/// became stone.
pub(crate) struct OneAtATime {
    pub(crate) policy: RestartPolicy,
    pub(crate) store_fails: bool,
}

impl Specification for OneAtATime {
    type Operation = Operation;
    type Answer = Answer;
    /// `None`: there is no such actor.
    type State = Option<Entries>;

    fn start(&self) -> Self::State {
        None
    }

    fn after(&self, state: &Self::State, operation: &Operation, answer: Option<&Answer>) -> Vec<Self::State> {
        let woken = || state.clone().unwrap_or_default();
        let added = |n: u32| woken().into_iter().chain([n]).collect::<Entries>();
        // Born or not. It is saved as it was born before anybody hears of it; if that fails nobody has, and there is none.
        let perhaps_born = || vec![Some(woken()), state.clone()];
        let after_a_crash = || if self.store_fails { perhaps_born() } else { vec![Some(woken())] };
        let gone = || match self.policy {
            RestartPolicy::Permanent => state.clone(),
            _ => None,
        };
        match (*operation, answer) {
            // It may have been brought to life for that, if something went wrong after.
            (_, Some(Answer::NotDone)) if self.store_fails => perhaps_born(),
            (_, Some(Answer::NotDone)) => vec![state.clone()],
            (Operation::AddAndPanic(_), Some(Answer::Crashed)) => after_a_crash(),
            (Operation::AddAndPanic(_), None) => after_a_crash(),
            (Operation::Add(n), Some(Answer::Entries(seen))) if *seen == added(n) => vec![Some(seen.clone())],
            (Operation::Add(n), None) => vec![Some(added(n)), Some(woken())],
            (Operation::Query, Some(Answer::Entries(seen))) if *seen == woken() => vec![Some(seen.clone())],
            (Operation::Query, None) => vec![Some(woken())],
            (Operation::Peek, Some(Answer::Saw(seen))) if seen == state => vec![state.clone()],
            (Operation::Peek, None) => vec![state.clone()],
            (Operation::Petrify | Operation::Crash, None | Some(Answer::Done)) => vec![state.clone()],
            (Operation::Stop, None | Some(Answer::Done)) => vec![gone()],
            (Operation::Wipe, None | Some(Answer::Done)) => vec![None],
            _ => Vec::new(),
        }
    }
}
