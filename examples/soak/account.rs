//! The actor that is soaked: an account that knows which transfers it had a part in.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

use gargoyle::{Actor, ActorId, BoxError, Context, Handler, Persist, Query};
use serde::{Deserialize, Serialize};

pub(crate) struct Account {
    book: Book,
    alone: Option<Alone>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Book {
    pub(crate) balance: i64,
    /// How many transfers it had a part in.
    pub(crate) moves: u64,
    /// The last one of each lane. A lane makes one after the other.
    pub(crate) last: BTreeMap<u32, u64>,
}

/// Counts those that were not alone under their id.
struct Alone(ActorId);

static ALIVE: LazyLock<Mutex<HashSet<ActorId>>> = LazyLock::new(Mutex::default);
static NOT_ALONE: AtomicU64 = AtomicU64::new(0);

/// How often two incarnations of an account were alive at once in this process.
pub(crate) fn not_alone() -> u64 {
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

impl Persist for Account {
    type Stored = Book;

    fn dump(&self) -> impl Serialize + '_ {
        &self.book
    }

    fn load(book: Book) -> Result<Self, BoxError> {
        Ok(Account { book, alone: None })
    }
}

impl Actor for Account {
    const KIND: &'static str = "account";
    type Args = ();

    fn init(_: &(), cx: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Account { book: Book::default(), alone: Some(Alone::new(cx.id())) })
    }

    fn revived(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        self.alone = Some(Alone::new(cx.id()));
        Ok(())
    }
}

/// One side of a transfer. To do it again does nothing.
pub(crate) struct Move {
    pub(crate) lane: u32,
    pub(crate) number: u64,
    pub(crate) amount: i64,
    /// Panics when all is done: nothing of it may stay.
    pub(crate) panics: bool,
}

/// What a `Move` panics with.
pub(crate) const PANIC: &str = "a handler that panics";

impl Handler<Move> for Account {
    type Reply = ();

    fn handle(&mut self, Move { lane, number, amount, panics }: Move, _: &mut Context<Self>) {
        let last = self.book.last.entry(lane).or_default();
        if number > *last {
            *last = number;
            self.book.balance += amount;
            self.book.moves += 1;
        }
        if panics {
            panic!("{PANIC}");
        }
    }
}

pub(crate) struct Look;

impl Query<Look> for Account {
    type Reply = Book;

    fn query(&self, _: Look) -> Book {
        self.book.clone()
    }
}
