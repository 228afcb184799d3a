//! Users' values that do something when they are dropped: they call, cast, ask the system and panic. Nobody waits for ever,
//! and nothing beside them is lost.

use std::thread;

use crossbeam_channel::bounded;
use gargoyle::testing::TestClock;
use gargoyle::{Context, Failure, Handle, Handler, MemoryStorage, System};
use gargoyle_registry_std::StdRegistry;

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
