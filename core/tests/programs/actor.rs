//! The actor that the programs are about: a list of numbers, none of which is ever given twice.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

use gargoyle::{
    Actor, ActorId, BoxError, CallError, Context, Failure, Handle, Handler, Persist, Query, Settings, testing,
};
use serde::Serialize;

use crate::program::Birth;

/// The kinds of the programs' actors, which differ in name and settings alone.
pub(crate) const KINDS: [&str; 3] = ["ledger-0", "ledger-1", "ledger-2"];

pub(crate) struct Ledger<const K: usize> {
    entries: Vec<u32>,
    alone: Option<Alone>,
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
    type Stored = Vec<u32>;

    fn dump(&self) -> impl Serialize + '_ {
        &self.entries
    }

    fn load(entries: Vec<u32>) -> Result<Self, BoxError> {
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
        Ok(Ledger { entries: Vec::new(), alone: Some(Alone::new(cx.id())) })
    }

    fn revived(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        self.alone = Some(Alone::new(cx.id()));
        Ok(())
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
}

/// The list as the handler left it, and what it heard of whom it asked.
pub(crate) struct Reply {
    pub(crate) entries: Vec<u32>,
    pub(crate) asked: Option<Result<Vec<u32>, CallError>>,
}

impl<const K: usize> Handler<Do> for Ledger<K> {
    type Reply = Reply;

    fn handle(&mut self, message: Do, cx: &mut Context<Self>) -> Reply {
        let mut asked = None;
        match message {
            Do::Add(n) => self.entries.push(n),
            Do::AddAndPanic(n) => {
                self.entries.push(n);
                panic!("a handler that panics");
            }
            Do::AddAndRollBack(n) => {
                self.entries.push(n);
                cx.rollback();
            }
            Do::AddSaveAndPanic(n) => {
                self.entries.push(n);
                let saved = cx.save(self);
                panic!("a handler that panics after a save: {saved:?}");
            }
            Do::AddAndStop(n) => {
                self.entries.push(n);
                cx.stop();
            }
            Do::AddAndPetrify(n) => {
                self.entries.push(n);
                cx.petrify();
            }
            Do::AddAndContinue(n, next) => {
                self.entries.push(n);
                cx.continue_with(Do::Add(next));
            }
            Do::AddAndTell(n, somebody, told) => {
                self.entries.push(n);
                somebody.cast(Do::Add(told)).expect("a cast out of a handler is held");
            }
            Do::AddAndAsk(n, somebody, told) => {
                self.entries.push(n);
                asked = Some(somebody.call(Do::Add(told)).map(|reply| reply.entries));
            }
        }
        Reply { entries: self.entries.clone(), asked }
    }
}

pub(crate) struct Look;

impl<const K: usize> Query<Look> for Ledger<K> {
    type Reply = Vec<u32>;

    fn query(&self, _: Look) -> Vec<u32> {
        self.entries.clone()
    }
}

/// A handle of whatever kind.
pub(crate) trait Somebody: Send {
    fn id(&self) -> &ActorId;
    fn is_live(&self) -> bool;
    fn call(&self, message: Do) -> Result<Reply, CallError>;
    fn cast(&self, message: Do) -> Result<(), Failure>;
    fn query(&self) -> Result<Vec<u32>, CallError>;
    fn peek(&self) -> Result<Option<Vec<u32>>, CallError>;
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

    fn query(&self) -> Result<Vec<u32>, CallError> {
        self.query(Look)
    }

    fn peek(&self) -> Result<Option<Vec<u32>>, CallError> {
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
