//! The actor of the models, and the story of each: what every model asserts of it in every execution.
//!
//! The stories are kept where all threads of an execution see them and loom sees nothing: loom's threads are one real
//! thread. To look at them is no operation of the model, and costs no executions. But loom also takes orders for equal
//! that differ in them alone: where they are to tell orders apart, there has to be an operation of the model too.

use std::cell::RefCell;
use std::collections::BTreeMap;

use gargoyle::sync::atomic::{AtomicBool, Ordering};
use gargoyle::sync::{Arc, Condvar, Mutex, model};
use gargoyle::{Actor, BoxError, CallError, Context, Handle, Handler, Handles, Persist, Query, ReplyTo};

std::thread_local! {
    static STORIES: RefCell<BTreeMap<String, Story>> = const { RefCell::new(BTreeMap::new()) };
}

/// What is known of one actor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    /// Whether there is a value of it now.
    alive: bool,
    /// Its state as its last life left it.
    value: u64,
    /// What the store has.
    pub(crate) saved: Option<u64>,
    /// All that the store ever had.
    saves: Vec<u64>,
    /// The messages that it handled, in their order.
    pub(crate) handled: Vec<u8>,
    /// How often it came to life.
    pub(crate) lives: usize,
    /// Touched at the beginning and at the end of each life, so that loom tries both orders of two of them.
    touched: Option<Arc<AtomicBool>>,
}

/// A new execution begins.
pub(crate) fn forget_all() {
    STORIES.with_borrow_mut(BTreeMap::clear);
}

pub(crate) fn story(key: &str) -> Story {
    STORIES.with_borrow(|stories| stories.get(key).cloned().unwrap_or_default())
}

pub(crate) fn is_anybody_alive() -> bool {
    STORIES.with_borrow(|stories| stories.values().any(|story| story.alive))
}

pub(crate) fn saved(key: &str, value: u64) {
    change(key, |story| {
        story.saved = Some(value);
        story.saves.push(value);
    });
}

/// The life whose save failed did not happen.
pub(crate) fn not_saved(key: &str) {
    change(key, |story| story.value = story.saved.unwrap_or(0));
}

pub(crate) fn wiped(key: &str) {
    change(key, |story| {
        assert!(!story.alive, "the record of {key} was deleted while it was alive");
        story.saved = None;
        story.value = 0;
    });
}

fn change<T>(key: &str, change: impl FnOnce(&mut Story) -> T) -> T {
    STORIES.with_borrow_mut(|stories| change(stories.entry(key.to_owned()).or_default()))
}

/// Counts what it is told to count. Its stored form is one byte.
#[derive(Debug)]
pub(crate) struct Counter {
    value: u64,
    life: Option<Life>,
}

/// From `init` or `revived` to the drop of the value.
#[derive(Debug)]
struct Life(String);

/// What is done here may come before or after what another thread does to the same one.
fn touch(key: &str) {
    change(key, |story| story.touched.get_or_insert_default().clone()).store(true, Ordering::Relaxed);
}

impl Life {
    fn begin(key: &str, value: u64) -> Self {
        touch(key);
        change(key, |story| {
            assert!(!story.alive, "there are two of {key} at once");
            assert_eq!(story.value, value, "{key} did not begin with what it was left with");
            story.alive = true;
            story.lives += 1;
        });
        Life(key.to_owned())
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        touch(&self.0);
        change(&self.0, |story| story.alive = false);
    }
}

impl Persist for Counter {
    type Stored = u64;

    fn dump(&self) -> impl serde::Serialize + '_ {
        self.value
    }

    fn load(value: u64) -> Result<Self, BoxError> {
        Ok(Counter { value, life: None })
    }
}

impl Actor for Counter {
    const KIND: &'static str = "counter";
    type Args = ();

    fn init(_: &(), cx: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Counter { value: 0, life: Some(Life::begin(cx.id().key(), 0)) })
    }

    fn revived(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        self.life = Some(Life::begin(cx.id().key(), self.value));
        Ok(())
    }
}

impl Counter {
    fn count(&mut self, message: u8, cx: &Context<Self>) -> u64 {
        self.value += 1;
        change(cx.id().key(), |story| {
            assert!(!story.handled.contains(&message), "message {message} was handled twice");
            story.handled.push(message);
            story.value = self.value;
        });
        self.value
    }
}

/// Counts. Each message of a model has another number.
pub(crate) struct Add(pub(crate) u8);

impl Handler<Add> for Counter {
    type Reply = u64;

    fn handle(&mut self, Add(message): Add, cx: &mut Context<Self>) -> u64 {
        self.count(message, cx)
    }
}

/// Panics. To be cast.
pub(crate) struct Boom;

impl Handler<Boom> for Counter {
    type Reply = ();

    fn handle(&mut self, _: Boom, _: &mut Context<Self>) {
        model::crash()
    }
}

/// How far it has counted.
pub(crate) struct Look;

impl Query<Look> for Counter {
    type Reply = u64;

    fn query(&self, _: Look) -> u64 {
        self.value
    }
}

/// Counts, and calls another one.
pub(crate) struct Relay(pub(crate) u8, pub(crate) Handle<Counter>, pub(crate) u8);

impl Handler<Relay> for Counter {
    type Reply = Result<u64, CallError>;

    fn handle(&mut self, Relay(message, to, then): Relay, cx: &mut Context<Self>) -> Self::Reply {
        self.count(message, cx);
        to.call(Add(then))
    }
}

/// Counts, answers, and calls another one as soon as the answer is given.
pub(crate) struct AddAndThen(pub(crate) u8, pub(crate) Handle<Counter>, pub(crate) u8, pub(crate) u8);

impl Handler<AddAndThen> for Counter {
    type Reply = u64;

    fn handle(&mut self, AddAndThen(message, to, next, then): AddAndThen, cx: &mut Context<Self>) -> u64 {
        cx.continue_with(Relay(next, to, then));
        self.count(message, cx)
    }
}

/// Counts, and calls one that calls back as soon as it has answered.
pub(crate) struct CallAndBeCalled {
    pub(crate) message: u8,
    pub(crate) to: Handle<Counter>,
    /// What the other one is called with.
    pub(crate) theirs: u8,
    /// What it does after that.
    pub(crate) next: u8,
    /// And with what it calls back.
    pub(crate) back: u8,
}

impl Handler<CallAndBeCalled> for Counter {
    type Reply = Result<u64, CallError>;

    fn handle(&mut self, message: CallAndBeCalled, cx: &mut Context<Self>) -> Self::Reply {
        self.count(message.message, cx);
        message.to.call(AddAndThen(message.theirs, cx.handle().clone(), message.next, message.back))
    }
}

/// Counts, and casts to another one.
pub(crate) struct Forward(pub(crate) u8, pub(crate) Handle<Counter>, pub(crate) u8);

impl Handler<Forward> for Counter {
    type Reply = u64;

    fn handle(&mut self, Forward(message, to, then): Forward, cx: &mut Context<Self>) -> u64 {
        let value = self.count(message, cx);
        let heard = Heard { message: then, of: cx.id().key().to_owned(), value };
        to.cast(heard).expect("a cast out of a handler is held back");
        value
    }
}

/// Counts. Whoever sent it had counted so far, which has to be safe by now.
pub(crate) struct Heard {
    message: u8,
    of: String,
    value: u64,
}

impl Handler<Heard> for Counter {
    type Reply = ();

    fn handle(&mut self, heard: Heard, cx: &mut Context<Self>) {
        assert_saved(&heard.of, heard.value);
        self.count(heard.message, cx);
    }
}

/// Counts, and hands the duty to answer to whoever waits for it.
pub(crate) struct Defer(pub(crate) u8, pub(crate) Arc<Owed>);

impl Handles<Defer> for Counter {
    type Reply = u64;

    fn receive(&mut self, Defer(message, owed): Defer, reply: ReplyTo<u64>, cx: &mut Context<Self>) {
        self.count(message, cx);
        owed.put(Some(reply));
    }
}

/// Where a duty to answer is handed over. This is an operation of the model.
#[derive(Default)]
pub(crate) struct Owed(Mutex<Option<Option<ReplyTo<u64>>>>, Condvar);

impl Owed {
    /// `None`: there will be none.
    pub(crate) fn put(&self, reply: Option<ReplyTo<u64>>) {
        self.0.lock().get_or_insert(reply);
        self.1.notify_all();
    }

    /// Waits for it.
    pub(crate) fn take(&self) -> Option<ReplyTo<u64>> {
        let mut reply = self.0.lock();
        loop {
            match reply.take() {
                Some(reply) => return reply,
                None => reply = self.1.wait(reply),
            }
        }
    }
}

/// Calls it. What it answers has to be safe by then.
pub(crate) fn add(counter: &Handle<Counter>, message: u8) -> Result<u64, CallError> {
    let value = counter.call(Add(message))?;
    assert_saved(counter.key(), value);
    Ok(value)
}

/// That the store has had this value, or a later one: messages of one turn share a save.
pub(crate) fn assert_saved(key: &str, value: u64) {
    let story = story(key);
    assert!(story.saves.iter().any(|saved| *saved >= value), "{value} of {key} was heard of before it was saved");
}

/// A counter of stone that a model begins with.
pub(crate) fn put(key: &str, value: u64) {
    change(key, |story| story.value = value);
}
