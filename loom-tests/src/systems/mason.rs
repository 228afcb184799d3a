//! The actor of the scenarios, and the story of each: what is asserted of it in every run.
//!
//! A mason lays stones: messages, each with a number that no other message of the run has, and his state is the stones in
//! the order in which he laid them. So a message that is lost, doubled or out of order shows in it.
//!
//! The stories are kept where all threads of a run see them and shuttle sees nothing: its threads are one real thread. To
//! look at them is no operation that a thread could be stopped at.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use gargoyle::sync::model;
use gargoyle::{Actor, BoxError, CallError, Context, Failure, Handle, Handler, Handles, Persist, ReplyTo};

std::thread_local! {
    static STORIES: RefCell<BTreeMap<String, Story>> = const { RefCell::new(BTreeMap::new()) };
}

/// The number of a message: its sender's, and which of its messages it is.
pub(crate) type Stone = u16;

/// So many messages has a sender at most.
const OF_A_SENDER: Stone = 256;

/// Which of the messages of `sender` this is.
pub(crate) fn stone(sender: usize, number: usize) -> Stone {
    let (sender, number) = (Stone::try_from(sender), Stone::try_from(number));
    let number = number.ok().filter(|number| *number < OF_A_SENDER).expect("a sender has fewer messages");
    sender.expect("there are few senders") * OF_A_SENDER + number
}

/// What is known of one actor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    /// Whether there is a value of it now.
    alive: bool,
    /// Its state as its last life left it.
    pub(crate) laid: Vec<Stone>,
    /// What the store has.
    pub(crate) saved: Option<Vec<Stone>>,
    /// All stones that the store ever had.
    pub(crate) safe: BTreeSet<Stone>,
    /// All stones that it ever began to lay, also in lives that did not count in the end.
    pub(crate) begun: BTreeSet<Stone>,
    /// The last one of each sender.
    last: BTreeMap<Stone, Stone>,
    /// How often it came to life.
    pub(crate) lives: usize,
    /// How often its record was deleted.
    pub(crate) wiped: usize,
}

/// A new run begins.
pub(crate) fn forget_all() {
    STORIES.with_borrow_mut(BTreeMap::clear);
}

pub(crate) fn story(key: &str) -> Story {
    STORIES.with_borrow(|stories| stories.get(key).cloned().unwrap_or_default())
}

/// All stories, by key.
pub(crate) fn stories() -> BTreeMap<String, Story> {
    STORIES.with_borrow(Clone::clone)
}

impl Story {
    pub(crate) fn is_alive(&self) -> bool {
        self.alive
    }
}

pub(crate) fn saved(key: &str, state: Vec<Stone>) {
    change(key, |story| {
        story.safe.extend(&state);
        story.saved = Some(state);
    });
}

/// The turn whose save failed did not happen.
pub(crate) fn not_saved(key: &str) {
    change(key, |story| story.laid = story.saved.clone().unwrap_or_default());
}

pub(crate) fn wiped(key: &str) {
    change(key, |story| {
        assert!(!story.alive, "the record of {key} was deleted while it was alive");
        story.saved = None;
        story.laid = Vec::new();
        story.wiped += 1;
    });
}

fn change<T>(key: &str, change: impl FnOnce(&mut Story) -> T) -> T {
    STORIES.with_borrow_mut(|stories| change(stories.entry(key.to_owned()).or_default()))
}

/// That the store has had this stone.
pub(crate) fn assert_safe(key: &str, stone: Stone) {
    assert!(story(key).safe.contains(&stone), "stone {stone} of {key} was heard of before it was saved");
}

/// Lays stones.
#[derive(Debug)]
pub(crate) struct Mason {
    laid: Vec<Stone>,
    life: Option<Life>,
}

/// From `init` or `revived` to the drop of the value.
#[derive(Debug)]
struct Life(String);

impl Life {
    fn begin(key: &str, laid: &[Stone]) -> Self {
        change(key, |story| {
            assert!(!story.alive, "there are two of {key} at once");
            assert_eq!(story.laid, laid, "{key} did not begin with what it was left with");
            story.alive = true;
            story.lives += 1;
        });
        Life(key.to_owned())
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        change(&self.0, |story| story.alive = false);
    }
}

impl Persist for Mason {
    type Stored = Vec<Stone>;

    fn dump(&self) -> impl serde::Serialize + '_ {
        &self.laid
    }

    fn load(laid: Vec<Stone>) -> Result<Self, BoxError> {
        Ok(Mason { laid, life: None })
    }
}

impl Actor for Mason {
    const KIND: &'static str = "mason";
    type Args = ();

    fn init(_: &(), cx: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Mason { laid: Vec::new(), life: Some(Life::begin(cx.id().key(), &[])) })
    }

    fn revived(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        self.life = Some(Life::begin(cx.id().key(), &self.laid));
        Ok(())
    }
}

impl Mason {
    /// Returns how many there are now.
    fn lay(&mut self, stone: Stone, cx: &Context<Self>) -> usize {
        self.laid.push(stone);
        change(cx.id().key(), |story| {
            assert!(story.begun.insert(stone), "stone {stone} was laid twice");
            let before = story.last.insert(stone / OF_A_SENDER, stone);
            assert!(before.is_none_or(|before| before < stone), "stone {stone} was laid after {before:?}");
            story.laid.clone_from(&self.laid);
        });
        self.laid.len()
    }
}

/// Lays a stone.
pub(crate) struct Lay(pub(crate) Stone);

impl Handler<Lay> for Mason {
    type Reply = usize;

    fn handle(&mut self, Lay(stone): Lay, cx: &mut Context<Self>) -> usize {
        self.lay(stone, cx)
    }
}

/// Panics. To be cast.
pub(crate) struct Boom;

impl Handler<Boom> for Mason {
    type Reply = ();

    fn handle(&mut self, _: Boom, _: &mut Context<Self>) {
        model::crash()
    }
}

/// Lays a stone, and has the others lay the next ones, each by the one before it.
pub(crate) struct PassOn(pub(crate) Stone, pub(crate) Vec<Handle<Mason>>);

impl Handler<PassOn> for Mason {
    /// How many stones were laid.
    type Reply = Result<usize, CallError>;

    fn handle(&mut self, PassOn(stone, mut others): PassOn, cx: &mut Context<Self>) -> Self::Reply {
        self.lay(stone, cx);
        if others.is_empty() {
            return Ok(1);
        }
        let next = others.remove(0);
        let laid = next.call(PassOn(stone + 1, others))??;
        assert_safe(next.key(), stone + 1);
        Ok(laid + 1)
    }
}

/// Lays a stone, and tells others which to lay.
pub(crate) struct Tell(pub(crate) Stone, pub(crate) Vec<(Stone, Handle<Mason>)>);

impl Handler<Tell> for Mason {
    type Reply = usize;

    fn handle(&mut self, Tell(stone, others): Tell, cx: &mut Context<Self>) -> usize {
        for (theirs, other) in others {
            let told = Told { stone: theirs, by: cx.id().key().to_owned(), because_of: stone };
            other.cast(told).expect("a cast out of a handler is held back");
        }
        self.lay(stone, cx)
    }
}

/// Lays a stone. Whoever told it had laid one before, which has to be safe by now.
pub(crate) struct Told {
    stone: Stone,
    by: String,
    because_of: Stone,
}

impl Handler<Told> for Mason {
    type Reply = ();

    fn handle(&mut self, told: Told, cx: &mut Context<Self>) {
        assert_safe(&told.by, told.because_of);
        self.lay(told.stone, cx);
    }
}

/// Lays a stone, and leaves the answer to another one, which lays one too.
pub(crate) struct Delegate(pub(crate) Stone, pub(crate) Stone, pub(crate) Handle<Mason>);

impl Handles<Delegate> for Mason {
    type Reply = usize;

    fn receive(&mut self, Delegate(stone, theirs, other): Delegate, reply: ReplyTo<usize>, cx: &mut Context<Self>) {
        self.lay(stone, cx);
        other.cast(Answer(theirs, reply)).unwrap_or_else(|_| panic!("a cast out of a handler is held back"));
    }
}

/// Lays a stone, and answers for another one.
struct Answer(Stone, ReplyTo<usize>);

impl Handler<Answer> for Mason {
    type Reply = ();

    fn handle(&mut self, Answer(stone, reply): Answer, cx: &mut Context<Self>) {
        reply.send(self.lay(stone, cx));
    }
}

/// Calls it. What it answers has to be safe by then.
pub(crate) fn lay(mason: &Handle<Mason>, stone: Stone) -> Result<usize, CallError> {
    let laid = mason.call(Lay(stone))?;
    assert_safe(mason.key(), stone);
    Ok(laid)
}

/// Whether it is the path of a cycle.
pub(crate) fn is_cycle(failure: &Failure) -> bool {
    matches!(failure, Failure::Deadlock(path) if path.len() > 2 && path.first() == path.last())
}
