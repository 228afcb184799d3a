//! Users' values that do something when they are dropped: they call, cast, ask the system and panic. Nobody waits for ever,
//! and nothing beside them is lost.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use gargoyle::testing::TestClock;
use gargoyle::{
    Actor, BoxError, Context, EventKind, Failure, Handle, Handler, MemoryStorage, Query, Settings, StorageErrorKind,
    System,
};
use gargoyle_registry_std::StdRegistry;
use serde::{Deserialize, Serialize};

use crate::support::*;

/// Runs a test's own code when it is dropped.
struct AtDrop(Option<Box<dyn FnOnce() + Send>>);

impl Drop for AtDrop {
    fn drop(&mut self) {
        self.0.take().expect("a drop comes once")();
    }
}

fn at_drop(code: impl FnOnce() + Send + 'static) -> AtDrop {
    AtDrop(Some(Box::new(code)))
}

impl Handler<AtDrop> for Notes {
    type Reply = ();
    fn handle(&mut self, _: AtDrop, _: &mut Context<Self>) {}
}

/// One that is never born: what is sent to it is refused, and dropped, between turns.
fn unborn(lab: &Lab, key: &str) -> Handle<Notes> {
    lab.system.handle(key, Birth::Fails)
}

/// Bug: a message that was refused between two turns, and called its actor when it was dropped, waited for the thread that it
/// was dropped on. Cause: only at a turn was an actor's thread known as one. Fix: it is from its beginning to its end.
#[test]
fn a_refused_message_that_calls_its_own_actor_is_told_of_the_cycle() {
    let lab = Lab::new();
    let actor = unborn(&lab, "drop-calls");
    let (sender, outcome) = bounded(1);
    let me = actor.clone();
    actor.cast(at_drop(move || sender.send(me.call(Add(1))).unwrap())).unwrap();
    let error = outcome.recv().unwrap().unwrap_err();
    assert!(matches!(error.failure(), Failure::Deadlock(_)), "{error}");
}

/// Bug, cause and fix: the same, of a cast that waits for space.
#[test]
fn a_refused_message_that_casts_to_its_own_full_actor_is_told_of_the_cycle() {
    let lab = Lab::with(|builder| builder.mailbox_capacity(1));
    let actor = unborn(&lab, "drop-casts");
    let loading = Barrier::new();
    lab.store.on_load.lock().unwrap().push(Fault::Hang(loading.clone()));
    let (sender, outcome) = bounded(1);
    let me = actor.clone();
    actor.cast(at_drop(move || sender.send(me.cast(Add(1)).map_err(|error| error.to_string())).unwrap())).unwrap();
    loading.wait();
    actor.cast(Add(2)).unwrap();
    loading.let_go();
    let error = outcome.recv().unwrap().unwrap_err();
    assert!(error.contains("wait"), "{error}");
}

/// Bug, cause and fix: the same, of one that had the last of its system, whose drop waits until all actors are stone.
#[test]
fn a_refused_message_that_has_the_last_of_its_system_waits_for_nobody() {
    let (store, clock) = (MemoryStorage::new(), TestClock::new());
    let system = System::builder(StdRegistry::new(), store).clock(clock).build().unwrap();
    let actor = system.handle::<Notes>("drop-of-system", Birth::Fails);
    let (sender, over) = bounded(1);
    let message = at_drop(move || {
        drop(system);
        sender.send(()).unwrap();
    });
    actor.cast(message).unwrap();
    over.recv_timeout(LONG).expect("by this clock it would wait for ever");
}

/// Bug: where no thread could be started, a message that sent to its actor when it was dropped waited for the slot that was
/// to go after that. Cause: what was in the slot was refused while it was closing. Fix: when it has gone.
#[test]
fn a_slot_without_a_thread_has_gone_when_what_was_in_it_is_dropped() {
    let clock = TestClock::new();
    let lab = Lab::with(|builder| builder.stack_bytes(1 << 50).clock(clock));
    let actor = lab.notes("drop-without-thread");
    let inserted = Barrier::new();
    *lab.registry.stop_inserted.lock().unwrap() = Some(inserted.clone());
    let (sender, outcome) = bounded(1);
    let first = actor.clone();
    let caller = thread::spawn(move || first.call(Add(1)).unwrap_err().to_string());
    inserted.wait();
    let me = actor.clone();
    actor.cast(at_drop(move || sender.send(me.try_cast(Add(2)).map_err(|error| error.to_string())).unwrap())).unwrap();
    inserted.let_go();
    let refused = outcome.recv_timeout(LONG).expect("by this clock it would wait for ever").unwrap_err();
    assert_eq!(refused, caller.join().unwrap(), "both found no thread");
}

/// Panics when it is dropped, if it is told to.
#[derive(Serialize, Deserialize)]
struct Bomb(bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.0, "a value that panics when it is dropped");
    }
}

/// Its arguments may panic.
#[derive(Serialize, Deserialize)]
struct Armed {
    refuses_to_revive: bool,
}

impl Actor for Armed {
    const KIND: &'static str = "armed";
    type Args = Bomb;

    fn init(_: &Bomb, _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Armed { refuses_to_revive: true })
    }

    fn revived(&mut self, _: &mut Context<Self>) -> Result<(), BoxError> {
        if self.refuses_to_revive { Err("a revival that fails".into()) } else { Ok(()) }
    }
}

struct Hello;

impl Handler<Hello> for Armed {
    type Reply = ();
    fn handle(&mut self, _: Hello, _: &mut Context<Self>) {}
}

/// Bug: after a cast by a handle whose arguments panicked when they were dropped, the other casts of the turn were not sent,
/// its replies not given, and nobody heard of it. Cause: the handle was dropped outside the guard. Fix: it is discarded.
#[test]
fn arguments_that_panic_take_no_other_cast_along_and_no_reply() {
    let lab = Lab::new();
    let (actor, other) = (lab.started("armed-sender"), lab.started("armed-other"));
    lab.system.start::<Armed>("target", Bomb(false)).unwrap();
    let to = other.clone();
    let reply = actor.call(run(move |_, cx| {
        cx.system().handle::<Armed>("target", Bomb(true)).cast(Hello).unwrap();
        to.cast(Add(1)).unwrap();
        7
    }));
    assert_eq!((reply.unwrap(), other.query(List).unwrap()), (7, vec![1]));
}

/// Bug, cause and fix: the same, of a registry that panics. The cast that it panics at is told of.
#[test]
fn a_registry_that_panics_takes_no_other_cast_along_and_no_reply() {
    let lab = Lab::new();
    let events = lab.system.events();
    let [actor, lost, other] = ["panics-sender", "panics-lost", "panics-other"].map(|key| lab.started(key));
    let (registry, to) = (lab.registry.clone(), [lost.clone(), other.clone()]);
    let reply = actor.call(run(move |_, _| {
        to.iter().for_each(|to| to.cast(Add(1)).unwrap());
        *registry.panic_at.lock().unwrap() = Some(to[0].id().clone());
        7
    }));
    assert_eq!((reply.unwrap(), other.query(List).unwrap()), (7, vec![1]));
    await_event(&events, lost.id(), |kind| {
        matches!(kind, EventKind::Undeliverable { failure: Failure::Crashed(_), .. })
    });
}

/// Bug: a cast that woke an actor whose revival failed was lost without an event if the arguments panicked when they were
/// dropped. Cause: the context, which had the last of them, was dropped outside the guard. Fix: it is discarded.
#[test]
fn arguments_that_panic_after_a_revival_that_fails_take_no_message_along() {
    let lab = Lab::new();
    let events = lab.system.events();
    // It is never dropped itself.
    let actor = ManuallyDrop::new(lab.system.handle::<Armed>("revival", Bomb(true)));
    actor.start().unwrap();
    actor.petrify().unwrap();
    actor.cast(Hello).unwrap();
    await_event(&events, actor.id(), |kind| matches!(kind, EventKind::Undeliverable { .. }));
    assert_eq!(lab.system.stats().crashed, 0, "and nothing broke off");
}

/// Calls another actor when it is dropped.
#[derive(Serialize, Deserialize)]
struct Caller {
    #[serde(skip)]
    calls: Option<(Handle<Notes>, Sender<bool>)>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some((actor, told)) = self.calls.take() {
            told.send(actor.call(Add(1)).is_ok()).unwrap();
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Called;

impl Actor for Called {
    const KIND: &'static str = "called";
    type Args = Caller;
    fn init(_: &Caller, _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Called)
    }
}

/// Bug: at the cap, arguments that woke another actor when they were dropped waited for the place of their own, which was given
/// back after that. Cause: their thread was taken for one from outside. Fix: it is an actor's, which may exceed the cap.
#[test]
fn arguments_that_wake_another_at_the_cap_do_not_wait_for_their_own_place() {
    let clock = TestClock::new();
    let lab = Lab::with(|builder| builder.max_live(1).clock(clock));
    let (sender, outcome) = bounded(1);
    let caller = Caller { calls: Some((lab.notes("drop-at-cap"), sender)) };
    drop(lab.system.start::<Called>("called", caller).unwrap());
    let again = lab.system.handle::<Called>("called", Caller { calls: None });
    thread::spawn(move || again.petrify());
    assert!(outcome.recv_timeout(LONG).expect("by this clock it would wait for ever"));
}

impl Query<Bomb> for Notes {
    type Reply = ();
    fn query(&self, bomb: Bomb) {
        std::mem::forget(bomb);
    }
}

impl Handler<Bomb> for Notes {
    type Reply = ();
    fn handle(&mut self, bomb: Bomb, _: &mut Context<Self>) {
        std::mem::forget(bomb);
    }
}

/// Bug: a question that panicked when it was dropped panicked in whoever asked it, if it got nowhere. Cause: it was dropped
/// outside the guard. Fix: it is discarded.
#[test]
fn a_question_that_gets_nowhere_and_panics_leaves_an_error() {
    let lab = Lab::new();
    let actor = lab.started("bomb");
    let me = actor.clone();
    let refused = actor.call(run(move |_, _| {
        let refused = [me.call(Bomb(true)).err(), me.query(Bomb(true)).err(), me.peek(Bomb(true)).err()];
        refused.map(|error| matches!(error.unwrap().failure(), Failure::Deadlock(_)))
    }));
    assert_eq!(refused.unwrap(), [true; 3]);
    assert!(lab.notes("bomb-for-nobody").peek(Bomb(true)).unwrap().is_none());
    lab.system.shutdown(LONG).unwrap();
    let late = [actor.call(Bomb(true)), actor.query(Bomb(true)), actor.peek(Bomb(true)).map(drop)];
    assert!(late.into_iter().all(|late| matches!(late.unwrap_err().failure(), Failure::Shutdown)));
}

/// Casts what it has when it is dropped.
#[derive(Default, Serialize, Deserialize)]
struct Keeper {
    kept: u32,
    #[serde(skip)]
    last: Option<AtDrop>,
}

impl Actor for Keeper {
    const KIND: &'static str = "keeper";
    type Args = ();
    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Keeper::default())
    }
}

impl Handler<AtDrop> for Keeper {
    type Reply = ();
    fn handle(&mut self, value: AtDrop, _: &mut Context<Self>) {
        self.kept += 1;
        self.last = Some(value);
    }
}

/// Bug: what was cast by the drop of a cast of an incarnation that was lost was lost too, without an event. Cause: what is held
/// was refused once. Fix: until nothing is held any more.
#[test]
fn a_cast_of_a_cast_of_a_lost_incarnation_is_told_of() {
    let lab = Lab::new();
    let (keeper, to) = (lab.system.start::<Keeper>("lost", ()).unwrap(), lab.started("lost-to"));
    let events = lab.system.events();
    let (last, first) = (to.clone(), to.clone());
    let message = at_drop(move || last.cast(Add(1)).unwrap());
    let value = at_drop(move || first.cast(message).unwrap());
    lab.next_save(Fault::Fail(StorageErrorKind::Full));
    keeper.call(value).unwrap_err();
    let undeliverable = |kind: &EventKind| matches!(kind, EventKind::Undeliverable { .. });
    (0..2).for_each(|_| _ = await_event(&events, to.id(), undeliverable));
}

/// Casts itself again when it is dropped, until it is delivered.
struct Again(Handle<Notes>, Arc<AtomicBool>);

impl Drop for Again {
    fn drop(&mut self) {
        if !self.1.load(Ordering::SeqCst) {
            let _ = self.0.cast(Again(self.0.clone(), self.1.clone()));
        }
    }
}

impl Handler<Again> for Notes {
    type Reply = ();
    fn handle(&mut self, again: Again, _: &mut Context<Self>) {
        again.1.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_cast_that_casts_again_when_dropped_does_not_keep_a_lost_incarnation_from_its_end() {
    let lab = Lab::new();
    let (keeper, to) = (lab.system.start::<Keeper>("again", ()).unwrap(), lab.started("again-to"));
    let again = Again(to, Arc::default());
    lab.next_save(Fault::Fail(StorageErrorKind::Full));
    keeper.call(at_drop(move || drop(again))).unwrap_err();
    keeper.call(at_drop(|| {})).unwrap();
}

/// An error that asks its system something when it is dropped.
#[derive(Debug)]
struct Asks(System, Question);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Question {
    Quarantined,
    Events,
}

impl std::fmt::Display for Asks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an error that asks")
    }
}

impl std::error::Error for Asks {}

impl Drop for Asks {
    fn drop(&mut self) {
        match self.1 {
            Question::Quarantined => drop(self.0.quarantined()),
            Question::Events => drop(self.0.events()),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Failing;

impl Actor for Failing {
    const KIND: &'static str = "failing";
    type Args = Question;
    fn init(question: &Question, cx: &mut Context<Self>) -> Result<Self, BoxError> {
        Err(Asks(cx.system().clone(), *question).into())
    }
}

/// Fails to be born, and waits until nobody but the system knows of its error.
fn fail(lab: &Lab, key: &str, question: Question) -> Handle<Failing> {
    let actor = lab.system.handle::<Failing>(key, question);
    drop(actor.start().unwrap_err());
    await_that(|| !actor.is_live());
    actor
}

/// Runs what may never end. The lab is not dropped if it does not, as that would wait for the same lock.
fn assert_ends(lab: Lab, code: impl FnOnce(&Lab) + Send + 'static) {
    let (sender, over) = bounded(1);
    let running = thread::spawn(move || {
        code(&lab);
        sender.send(()).unwrap();
    });
    over.recv_timeout(LONG).expect("it never ended");
    running.join().unwrap();
}

/// Bug: a pardon, or a crash of who had been well for long, waited for its own lock if the error that it forgot asked who is
/// quarantined when it was dropped. Cause: it was dropped under the lock. Fix: after it.
#[test]
fn an_error_that_is_forgotten_may_ask_who_is_quarantined() {
    let clock = TestClock::new();
    let at_once = Settings::new().max_restarts(0).backoff(Duration::from_secs(1), Duration::from_secs(1));
    let lab = Lab::with(|builder| builder.settings(at_once).clock(clock.clone()));
    assert_ends(lab, move |lab| {
        let pardoned = fail(lab, "pardoned", Question::Quarantined);
        assert!(lab.system.pardon(pardoned.id()));
        let well = fail(lab, "well", Question::Quarantined);
        clock.advance(Duration::from_secs(1000));
        fail(lab, "well", Question::Quarantined);
        assert_eq!(lab.system.quarantined(), [well.id().clone()]);
        clock.advance(Duration::from_secs(1));
        fail(lab, "well", Question::Quarantined);
    });
}

/// Bug: whoever told of an event waited for its own lock if the last of an error was in a stream of events that nobody received
/// any more, and asked for events when it was dropped. Cause and fix: the same.
#[test]
fn an_error_in_a_stream_that_was_dropped_may_ask_for_events() {
    for ends in [false, true] {
        assert_ends(Lab::new(), move |lab| {
            let events = lab.system.events();
            let failing = fail(lab, "told", Question::Events);
            lab.system.pardon(failing.id());
            drop(events);
            if ends { lab.system.shutdown(LONG).unwrap() } else { _ = lab.started("tells") }
        });
    }
}
