//! The actor that the programs are about: a list of numbers, none of which is ever given twice, and of the ends that it was
//! told of.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use gargoyle::{
    Actor, ActorId, BoxError, CallError, Context, Exit, Failure, Handle, Handler, Persist, Query, Settings, Timer,
    testing,
};
use serde::{Deserialize, Serialize};

use crate::program::Birth;

/// The kinds of the programs' actors, which differ in name and settings alone.
pub(crate) const KINDS: [&str; 3] = ["ledger-0", "ledger-1", "ledger-2"];

pub(crate) struct Ledger<const K: usize> {
    entries: Entries,
    alone: Option<Alone>,
}

/// All that an actor has written down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entries {
    pub(crate) numbers: Vec<u32>,
    /// The ends that it was told of. Apart from the numbers, as nothing is promised of which comes first.
    pub(crate) told: Vec<Told>,
}

/// That another actor, which has this number, has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told(pub(crate) usize, pub(crate) End);

/// What there is of an [`Exit`] to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    Stopped,
    Wiped,
    Crashed,
    Absent,
}

impl End {
    fn of(exit: &Exit) -> Self {
        match exit {
            Exit::Stopped => End::Stopped,
            Exit::Wiped => End::Wiped,
            Exit::Crashed(_) => End::Crashed,
            Exit::Absent => End::Absent,
            other => panic!("an end that the programs do not know: {other:?}"),
        }
    }
}

/// The key of an actor in a run.
pub(crate) fn key(run: usize, who: usize) -> String {
    format!("{run}-{who}")
}

/// Whose key it is.
fn number_of(id: &ActorId) -> usize {
    let (_, who) = id.key().rsplit_once('-').expect("the key of a run");
    who.parse().expect("the number of an actor")
}

/// P1: counts those that were not alone under their id. Ids are never used by two programs.
struct Alone(ActorId);

static ALIVE: LazyLock<Mutex<HashSet<ActorId>>> = LazyLock::new(Mutex::default);
static NOT_ALONE: AtomicUsize = AtomicUsize::new(0);

/// How often two incarnations of an id were alive at once.
pub(crate) fn not_alone() -> usize {
    NOT_ALONE.load(Ordering::SeqCst)
}

impl Alone {
    fn new(id: &ActorId) -> Self {
        if !ALIVE.lock().unwrap().insert(id.clone()) {
            NOT_ALONE.fetch_add(1, Ordering::SeqCst);
        }
        Alone(id.clone())
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        ALIVE.lock().unwrap().remove(&self.0);
    }
}

impl<const K: usize> Persist for Ledger<K> {
    type Stored = Entries;

    fn dump(&self) -> impl Serialize + '_ {
        &self.entries
    }

    fn load(entries: Entries) -> Result<Self, BoxError> {
        Ok(Ledger { entries, alone: None })
    }
}

/// Whose births fail. Not an argument: all who have handles of an id have to agree on those.
static UNBORN: LazyLock<Mutex<HashSet<ActorId>>> = LazyLock::new(Mutex::default);

/// From now on there is no birth of this one, or there may be.
pub(crate) fn allow_birth(id: &ActorId, birth: Birth) {
    let mut unborn = UNBORN.lock().unwrap();
    _ = match birth {
        Birth::Fine => unborn.remove(id),
        Birth::Fails => unborn.insert(id.clone()),
    };
}

impl<const K: usize> Actor for Ledger<K> {
    const KIND: &'static str = KINDS[K];
    type Args = ();

    fn init(_: &(), cx: &mut Context<Self>) -> Result<Self, BoxError> {
        if UNBORN.lock().unwrap().contains(cx.id()) {
            return Err("a birth that fails".into());
        }
        Ok(Ledger { entries: Entries::default(), alone: Some(Alone::new(cx.id())) })
    }

    fn revived(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        self.alone = Some(Alone::new(cx.id()));
        Ok(())
    }

    fn ended(&mut self, id: &ActorId, exit: &Exit, _: &mut Context<Self>) {
        self.entries.told.push(Told(number_of(id), End::of(exit)));
    }
}

/// A message.
pub(crate) enum Do {
    Add(u32),
    AddAndPanic(u32),
    AddAndRollBack(u32),
    AddSaveAndPanic(u32),
    AddAndStop(u32),
    AddAndPetrify(u32),
    /// Adds one number, and another in a message that continues this one.
    AddAndContinue(u32, u32),
    /// Adds one number, and casts another to somebody.
    AddAndTell(u32, Box<dyn Somebody>, u32),
    /// Adds one number, and has somebody else add another meanwhile.
    AddAndAsk(u32, Box<dyn Somebody>, u32),
    /// Adds a number, and does this, which counts or not.
    AddAnd(u32, Act, Manner),
}

/// What a message does beside, as a part of it.
pub(crate) enum Act {
    /// Has a number added after this time.
    Later(Duration, u32, Timers),
    /// The number is not to be added.
    Cancel(u32, Timers),
    Watch(Watched),
    Unwatch(Watched),
}

/// How such a message ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    Counts,
    RollsBack,
    Panics,
}

/// The timers of a run, by the numbers that they add: here for the incarnations after those that set them too.
pub(crate) type Timers = Arc<Mutex<HashMap<u32, Timer>>>;

/// What an actor sends to itself for later.
struct Ring(u32);

/// Whether this is the name of a timer's message.
pub(crate) fn is_ring(message: &str) -> bool {
    message == std::any::type_name::<Ring>()
}

/// Whether this is the name of a message that comes from outside, or from another actor.
pub(crate) fn is_do(message: &str) -> bool {
    message == std::any::type_name::<Do>()
}

impl<const K: usize> Handler<Ring> for Ledger<K> {
    type Reply = ();

    fn handle(&mut self, Ring(n): Ring, _: &mut Context<Self>) {
        self.entries.numbers.push(n);
    }
}

/// Somebody to watch, of whatever kind.
pub(crate) enum Watched {
    First(Handle<Ledger<0>>),
    Second(Handle<Ledger<1>>),
    Third(Handle<Ledger<2>>),
}

impl Watched {
    fn watch<A: Actor>(&self, cx: &mut Context<A>) {
        let watched = match self {
            Watched::First(other) => cx.watch(other),
            Watched::Second(other) => cx.watch(other),
            Watched::Third(other) => cx.watch(other),
        };
        watched.expect("those of one system can watch each other");
    }

    fn unwatch<A: Actor>(&self, cx: &mut Context<A>) {
        match self {
            Watched::First(other) => cx.unwatch(other),
            Watched::Second(other) => cx.unwatch(other),
            Watched::Third(other) => cx.unwatch(other),
        }
    }
}

impl Act {
    fn run<const K: usize>(self, cx: &mut Context<Ledger<K>>) {
        match self {
            Act::Later(delay, n, timers) => {
                let timer = cx.send_after(delay, Ring(n));
                timers.lock().unwrap().insert(n, timer);
            }
            Act::Cancel(n, timers) => {
                if let Some(timer) = timers.lock().unwrap().get(&n) {
                    cx.cancel(*timer);
                }
            }
            Act::Watch(other) => other.watch(cx),
            Act::Unwatch(other) => other.unwatch(cx),
        }
    }
}

/// The list as the handler left it, and what it heard of whom it asked.
pub(crate) struct Reply {
    pub(crate) entries: Entries,
    pub(crate) asked: Option<Result<Entries, CallError>>,
}

impl<const K: usize> Handler<Do> for Ledger<K> {
    type Reply = Reply;

    fn handle(&mut self, message: Do, cx: &mut Context<Self>) -> Reply {
        let mut asked = None;
        match message {
            Do::Add(n) => self.entries.numbers.push(n),
            Do::AddAndPanic(n) => {
                self.entries.numbers.push(n);
                panic!("a handler that panics");
            }
            Do::AddAndRollBack(n) => {
                self.entries.numbers.push(n);
                cx.rollback();
            }
            Do::AddSaveAndPanic(n) => {
                self.entries.numbers.push(n);
                let saved = cx.save(self);
                panic!("a handler that panics after a save: {saved:?}");
            }
            Do::AddAndStop(n) => {
                self.entries.numbers.push(n);
                cx.stop();
            }
            Do::AddAndPetrify(n) => {
                self.entries.numbers.push(n);
                cx.petrify();
            }
            Do::AddAndContinue(n, next) => {
                self.entries.numbers.push(n);
                cx.continue_with(Do::Add(next));
            }
            Do::AddAndTell(n, somebody, told) => {
                self.entries.numbers.push(n);
                somebody.cast(Do::Add(told)).expect("a cast out of a handler is held");
            }
            Do::AddAndAsk(n, somebody, told) => {
                self.entries.numbers.push(n);
                asked = Some(somebody.call(Do::Add(told)).map(|reply| reply.entries));
            }
            Do::AddAnd(n, act, manner) => {
                self.entries.numbers.push(n);
                act.run(cx);
                match manner {
                    Manner::Counts => {}
                    Manner::RollsBack => cx.rollback(),
                    Manner::Panics => panic!("a handler that panics after an act"),
                }
            }
        }
        Reply { entries: self.entries.clone(), asked }
    }
}

pub(crate) struct Look;

impl<const K: usize> Query<Look> for Ledger<K> {
    type Reply = Entries;

    fn query(&self, _: Look) -> Entries {
        self.entries.clone()
    }
}

/// A handle of whatever kind.
pub(crate) trait Somebody: Send {
    fn id(&self) -> &ActorId;
    fn is_live(&self) -> bool;
    fn call(&self, message: Do) -> Result<Reply, CallError>;
    fn cast(&self, message: Do) -> Result<(), Failure>;
    fn query(&self) -> Result<Entries, CallError>;
    fn peek(&self) -> Result<Option<Entries>, CallError>;
    fn start(&self) -> Result<(), CallError>;
    fn start_with(&self, settings: Settings) -> Result<(), CallError>;
    fn stop(&self) -> Result<(), CallError>;
    fn petrify(&self) -> Result<(), CallError>;
    fn wipe(&self) -> Result<(), CallError>;
    fn crash(&self) -> Result<(), CallError>;
}

impl<const K: usize> Somebody for Handle<Ledger<K>> {
    fn id(&self) -> &ActorId {
        self.id()
    }

    fn is_live(&self) -> bool {
        self.is_live()
    }

    fn call(&self, message: Do) -> Result<Reply, CallError> {
        self.call(message)
    }

    fn cast(&self, message: Do) -> Result<(), Failure> {
        self.cast(message).map_err(|error| error.failure().clone())
    }

    fn query(&self) -> Result<Entries, CallError> {
        self.query(Look)
    }

    fn peek(&self) -> Result<Option<Entries>, CallError> {
        self.peek(Look)
    }

    fn start(&self) -> Result<(), CallError> {
        self.start()
    }

    fn start_with(&self, settings: Settings) -> Result<(), CallError> {
        self.start_with(settings)
    }

    fn stop(&self) -> Result<(), CallError> {
        self.stop()
    }

    fn petrify(&self) -> Result<(), CallError> {
        self.petrify()
    }

    fn wipe(&self) -> Result<(), CallError> {
        self.wipe()
    }

    fn crash(&self) -> Result<(), CallError> {
        testing::crash(self)
    }
}
