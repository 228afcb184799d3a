//! Bugs that were found and must not come back. Each says what it was, what caused it and what the fix is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use gargoyle::testing::TestClock;
use gargoyle::{
    Actor, ActorId, BoxError, Context, EventKind, Failure, Handle, Handled, Handler, Persist, Query, Registry,
    RestartPolicy, Settings, SlotRef, StorageErrorKind, System,
};
use gargoyle_registry_std::StdRegistry;
use serde::{Deserialize, Serialize};

use crate::support::*;

/// Queues two messages and `third` behind a busy actor, so that they are one turn, and gives what becomes of `third`.
fn third_in_its_turn<R: Send + 'static>(
    lab: &Lab,
    actor: &Handle<Notes>,
    third: impl FnOnce(&mut Notes, &mut Context<Notes>) -> R + Send + 'static,
) -> Result<R, gargoyle::CallError> {
    let busy = occupy(actor);
    (1..=2).for_each(|n| actor.cast(Add(n)).unwrap());
    thread::scope(|scope| {
        let call = scope.spawn(|| actor.call(run(third)));
        lab.await_queued(actor, 3);
        busy.let_go();
        call.join().unwrap()
    })
}

/// Bug: with unsaved messages before it in its turn, a handler that saved panicked at its next call, and casts of a
/// handler that panicked after a save were sent. Cause: the outbox was one list, with the index at which the present
/// message began; a save emptied the list and left the index. Fix: two lists.
#[test]
fn a_save_in_the_middle_of_a_turn_leaves_no_stale_border_between_messages() {
    let lab = Lab::with(|builder| builder.turn_time(LONG));
    let (actor, other) = (lab.started("border"), lab.started("border-other"));
    let to = other.clone();
    let saved_then_called = third_in_its_turn(&lab, &actor, move |notes, cx| {
        cx.save(notes).unwrap();
        to.call(Add(1)).unwrap()
    });
    assert_eq!(saved_then_called.unwrap(), 1);

    let to = other.clone();
    let error = third_in_its_turn(&lab, &actor, move |notes, cx| {
        cx.save(notes).unwrap();
        (10..15).for_each(|n| to.cast(Add(n)).unwrap());
        panic!("after casts");
    })
    .unwrap_err();
    assert!(matches!(error.failure(), Failure::Crashed(text) if text == "after casts"), "{error}");
    assert_eq!(other.query(List).unwrap(), [1]);

    let to = other.clone();
    lab.next_save(Fault::Fail(StorageErrorKind::Full));
    let error = third_in_its_turn(&lab, &actor, move |notes, cx| {
        assert!(cx.save(notes).is_err());
        let not_sent = to.call(Add(2)).unwrap_err();
        assert!(matches!(not_sent.failure(), Failure::NotSaved(_)) && not_sent.handled() == Handled::No);
    })
    .unwrap_err();
    assert!(matches!(error.failure(), Failure::NotSaved(_)), "{error}");
    assert_eq!(other.query(List).unwrap(), [1]);
}

/// Bug: a message that saved in its middle, and then was lost by a failing save, was reported as rolled back. Cause: only
/// a panic looked at whether it had saved. Fix: the held reply knows.
#[test]
fn a_message_whose_first_half_is_saved_is_never_rolled_back() {
    let lab = Lab::new();
    let actor = lab.started("half");
    let store = lab.store.clone();
    let error = actor
        .call(run(move |notes, cx| {
            notes.add(1);
            cx.save(notes).unwrap();
            notes.add(2);
            store.on_save.lock().unwrap().push(Fault::Fail(StorageErrorKind::Full));
        }))
        .unwrap_err();
    assert_eq!(error.handled(), Handled::Unknown);
    assert_eq!(actor.query(List).unwrap(), [1]);
}

/// Bug: the same, of one that was rolled back after it had saved, when the rollback's own save failed. Cause: the value is made
/// anew as if for a message, which forgot that the present one had saved. Fix: the held reply is told before.
#[test]
fn a_message_whose_first_half_is_saved_is_not_rolled_back_by_a_rollback_that_fails() {
    #[derive(Serialize, Deserialize)]
    struct Reviver(u32);

    impl Actor for Reviver {
        const KIND: &'static str = "reviver";
        type Args = ();

        fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
            Ok(Reviver(0))
        }

        // A change, which has to be saved.
        fn revived(&mut self, _: &mut Context<Self>) -> Result<(), BoxError> {
            self.0 += 1;
            Ok(())
        }
    }

    struct SaveAndRollBack(Arc<Faulty>);

    impl Handler<SaveAndRollBack> for Reviver {
        type Reply = ();

        fn handle(&mut self, SaveAndRollBack(store): SaveAndRollBack, cx: &mut Context<Self>) {
            self.0 = 10;
            cx.save(self).unwrap();
            store.on_save.lock().unwrap().push(Fault::Fail(StorageErrorKind::Full));
            cx.rollback();
        }
    }

    let lab = Lab::new();
    let actor = lab.system.start::<Reviver>("half-rolled-back", ()).unwrap();
    let error = actor.call(SaveAndRollBack(lab.store.clone())).unwrap_err();
    assert!(matches!(error.failure(), Failure::NotSaved(_)), "{error}");
    assert_eq!(error.handled(), Handled::Unknown);
}

/// Bug: a shutdown that an actor began, or the drop of the last system in a handler, never gave the store back and never
/// ended the streams of events. Cause: only one who waited for the end declared it. Fix: the last one out does.
#[test]
fn a_shutdown_that_an_actor_began_comes_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let open = || gargoyle_storage_fs::FsStorage::open(folder.path().join("store"));
    let system = System::builder(StdRegistry::new(), open().unwrap()).build().unwrap();
    let (events, actor) = (system.events(), system.start::<Notes>("last", Birth::Fine).unwrap());
    actor.cast(run(move |_, _| drop(system))).unwrap();
    while events.recv_timeout(LONG).is_ok() {}
    open().unwrap();
}

/// Bug: a reply or a message that panicked when it was dropped took the rest of its turn along, or the whole process.
/// Cause: user values were dropped outside the guard. Fix: all of them are discarded behind it.
#[test]
fn replies_that_panic_when_dropped_take_nothing_along() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a reply that panics when dropped");
        }
    }
    let lab = Lab::with(|builder| builder.turn_time(LONG));
    let (actor, other) = (lab.started("replies"), lab.started("replies-other"));
    let busy = occupy(&actor);
    thread::scope(|scope| {
        let calls: Vec<_> = (1..=2)
            .map(|queued| {
                let call = scope.spawn(|| actor.call(run(|notes, _| (notes.add(1), Bomb).1)).map(std::mem::forget));
                lab.await_queued(&actor, queued);
                call
            })
            .collect();
        let to = other.clone();
        actor.cast(run(move |_, _| to.cast(Add(1)).unwrap())).unwrap();
        lab.next_save(Fault::Fail(StorageErrorKind::Full));
        busy.let_go();
        for call in calls {
            assert!(matches!(call.join().unwrap().unwrap_err().failure(), Failure::NotSaved(_)));
        }
    });
    await_that(|| lab.system.stats().undeliverable == 2);
    assert_eq!(other.query(List).unwrap(), [] as [u64; 0]);
}

/// An actor with a field that does something at awkward moments.
struct Awkward {
    n: u64,
    last_words: Option<Handle<Notes>>,
    /// Nobody else may have one: a port, a lock, a connection.
    _exclusive: Exclusive,
}

struct Exclusive;
static TAKEN: AtomicBool = AtomicBool::new(false);

impl Exclusive {
    fn take() -> Result<Self, BoxError> {
        if TAKEN.swap(true, Ordering::SeqCst) { Err("the one thing is taken".into()) } else { Ok(Exclusive) }
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        TAKEN.store(false, Ordering::SeqCst);
    }
}

impl Drop for Awkward {
    fn drop(&mut self) {
        if let Some(other) = &self.last_words {
            other.cast(Add(self.n)).unwrap();
        }
    }
}

impl Persist for Awkward {
    type Stored = u64;
    fn dump(&self) -> impl Serialize + '_ {
        Number(self.n)
    }
    fn load(n: u64) -> Result<Self, BoxError> {
        Ok(Awkward { n, last_words: None, _exclusive: Exclusive::take()? })
    }
}

struct Number(u64);
impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 13 { Err(serde::ser::Error::custom("13 cannot be written")) } else { self.0.serialize(serializer) }
    }
}

impl Actor for Awkward {
    const KIND: &'static str = "awkward";
    type Args = ();
    fn init(_: &(), cx: &mut Context<Self>) -> Result<Self, BoxError> {
        let actor = Awkward { n: 0, last_words: None, _exclusive: Exclusive::take()? };
        let early = cx.save(&actor).unwrap_err();
        assert!(matches!(early.failure(), Failure::Rejected(_)));
        Ok(actor)
    }
}

impl Handler<(u64, Option<Handle<Notes>>)> for Awkward {
    type Reply = ();
    fn handle(&mut self, (n, last_words): (u64, Option<Handle<Notes>>), _: &mut Context<Self>) {
        (self.n, self.last_words) = (n, last_words);
    }
}

impl Query<()> for Awkward {
    type Reply = u64;
    fn query(&self, (): ()) -> u64 {
        self.n
    }
}

/// Three bugs in one life, as there is one `Exclusive`:
///
/// Bug: a rollback made a second value of the actor while there was the first. Cause: the good value was loaded before the
/// rejected one was dropped. Fix: the other way round.
///
/// Bug: a cast out of an actor's `drop` after a failed save was accepted and vanished. Cause: a lost turn refused what it
/// held once, and held more after that. Fix: it refuses whenever it is asked to save.
///
/// Bug: `save` in an `init` that failed then left the record of an actor that was reported as not born. Fix: it is refused.
#[test]
fn one_value_at_a_time_on_rollback_last_words_are_accounted_for_and_nothing_is_saved_before_birth() {
    let lab = Lab::new();
    let (actor, other) = (lab.system.handle::<Awkward>("a", ()), lab.started("last-words"));
    actor.call((1, None)).unwrap();
    let error = actor.call((13, None)).unwrap_err();
    assert!(matches!(error.failure(), Failure::Rejected(_)), "{error}");
    assert_eq!(actor.query(()).unwrap(), 1);

    let events = lab.system.events();
    lab.next_save(Fault::Fail(StorageErrorKind::Full));
    assert!(actor.call((2, Some(other.clone()))).is_err());
    await_event(&events, other.id(), |kind| matches!(kind, EventKind::Undeliverable { .. }));
    assert_eq!(other.query(List).unwrap(), [] as [u64; 0]);
    actor.call((3, Some(other.clone()))).unwrap();
    actor.petrify().unwrap();
    assert_eq!(other.query(List).unwrap(), [3], "what is said at the end of a good life is delivered");
}

/// Bug: callers of an actor that casts to one with a full mailbox timed out, though they were handled and saved. Cause:
/// the outbox was released in order, and a cast that waits for space held up the replies behind it. Fix: casts that find
/// space go first, then replies, then casts that wait.
#[test]
fn a_reply_does_not_wait_for_space_in_the_mailbox_of_somebody_else() {
    let lab = Lab::with(|builder| builder.mailbox_capacity(1));
    let (actor, stuck) = (lab.started("space"), lab.started("space-stuck"));
    let busy = occupy(&stuck);
    stuck.cast(Add(0)).unwrap();
    let to = stuck.clone();
    actor
        .call(run(move |notes, _| {
            notes.add(1);
            (1..=3).for_each(|n| to.cast(Add(n)).unwrap());
        }))
        .unwrap();
    busy.let_go();
    await_that(|| stuck.query(List).unwrap() == [0, 1, 2, 3]);
}

/// Bug: a shutdown returned while a peek still used the store, which could not be opened again then. Cause: peeks did not
/// go through the gate. Fix: they do.
#[test]
fn a_shutdown_waits_for_a_peek() {
    let lab = Lab::new();
    let actor = lab.started("peeked");
    actor.petrify().unwrap();
    let loading = Barrier::new();
    lab.store.on_load.lock().unwrap().push(Fault::Hang(loading.clone()));
    thread::scope(|scope| {
        let peek = scope.spawn(|| actor.peek(List).unwrap());
        loading.wait();
        assert!(lab.system.shutdown(Duration::ZERO).is_err());
        loading.let_go();
        assert_eq!(peek.join().unwrap(), Some(vec![]));
        lab.system.shutdown(LONG).unwrap();
    });
    let Lab { store, system, .. } = lab;
    assert_eq!((Arc::strong_count(&store), system.stats().live), (1, 0), "the system has given the store back");
}

/// Bug: a `Deserialize` that casts was refused, or took the process down. Cause: the turn was borrowed while the record was
/// decoded. Fix: it is not.
#[test]
fn what_is_decoded_may_use_handles() {
    #[derive(Serialize)]
    struct Talkative(u64);
    impl<'de> Deserialize<'de> for Talkative {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let (n, other) = <(u64, Handle<Notes>)>::deserialize(deserializer)?;
            other.cast(Add(n)).unwrap();
            Ok(Talkative(n))
        }
    }
    struct Keeper(Handle<Notes>);
    impl Persist for Keeper {
        type Stored = Talkative;
        fn dump(&self) -> impl Serialize + '_ {
            (7u64, &self.0)
        }
        fn load(_: Talkative) -> Result<Self, BoxError> {
            Err("only decoding matters here".into())
        }
    }
    impl Actor for Keeper {
        const KIND: &'static str = "keeper";
        type Args = Handle<Notes>;
        fn init(other: &Handle<Notes>, _: &mut Context<Self>) -> Result<Self, BoxError> {
            Ok(Keeper(other.clone()))
        }
    }
    let lab = Lab::new();
    let other = lab.started("talked-to");
    let keeper = lab.system.start::<Keeper>("k", other.clone()).unwrap();
    keeper.petrify().unwrap();
    let error = keeper.start().unwrap_err();
    assert!(
        matches!(error.failure(), Failure::Refused(why) if why.to_string() == "only decoding matters here"),
        "{error}"
    );
    assert_eq!(lab.system.stats().undeliverable, 1, "what it cast is given up with the revival");
}

/// Bug: a query that called the actor which peeked ran into its deadline. Cause: a peek hid whose turn the thread was at.
/// Fix: it does not.
#[test]
fn a_peek_hides_no_deadlock() {
    struct Ask<F>(F);
    impl<F: FnOnce() -> R + Send + 'static, R: Send + 'static> Query<Ask<F>> for Notes {
        type Reply = R;
        fn query(&self, Ask(f): Ask<F>) -> R {
            f()
        }
    }
    let lab = Lab::new();
    let (peeking, stone) = (lab.started("peeking"), lab.started("stone"));
    stone.petrify().unwrap();
    let back = peeking.clone();
    let error =
        peeking.call(run(move |_, _| stone.peek(Ask(move || back.call(Add(1)).unwrap_err())).unwrap().unwrap()));
    assert!(matches!(error.unwrap().failure(), Failure::Deadlock(_)));
}

/// Bug: `events()` after a shutdown gave a stream without an end.
#[test]
fn events_of_a_system_that_has_ended_are_none() {
    let lab = Lab::new();
    lab.system.shutdown(LONG).unwrap();
    assert_eq!(lab.system.events().iter().count(), 0);
}

/// Bug: `wipe` of a live actor failed on a full store, the one order that would make room. Cause: it saved before. Fix: it
/// tries to, for the sake of those who wait for that save, and wipes all the same.
#[test]
fn a_wipe_needs_no_room() {
    let lab = Lab::with(|builder| builder.turn_time(LONG));
    let actor = lab.started("no-room");
    let busy = occupy(&actor);
    actor.cast(Add(1)).unwrap();
    lab.next_save(Fault::Fail(StorageErrorKind::Full));
    thread::scope(|scope| {
        let wipe = scope.spawn(|| actor.wipe());
        lab.await_queued(&actor, 2);
        busy.let_go();
        wipe.join().unwrap().unwrap();
    });
    assert_eq!(lab.stored(&actor), None);
}

/// Bug: a clock moved too far panicked in everybody who looked at it.
#[test]
fn a_test_clock_can_be_moved_to_the_end_of_time() {
    let clock = TestClock::new();
    let lab = Lab::with(|builder| builder.clock(clock.clone()).idle(Duration::from_secs(60)));
    (0..3).for_each(|_| clock.advance(Duration::MAX));
    assert_eq!(lab.notes("end-of-time").call(Add(1)).unwrap(), 1);
}

/// A registry that panics once, as none should.
#[derive(Default)]
struct Panicking {
    inner: StdRegistry,
    removals: AtomicUsize,
}

impl Registry for Panicking {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        self.inner.get(id)
    }
    fn get_or_insert(&self, slot: SlotRef) -> Option<SlotRef> {
        self.inner.get_or_insert(slot)
    }
    fn remove_if_same(&self, slot: &SlotRef) -> bool {
        assert!(self.removals.fetch_add(1, Ordering::SeqCst) > 0, "a registry that panics");
        self.inner.remove_if_same(slot)
    }
    fn for_each(&self, visit: &mut dyn FnMut(&SlotRef)) {
        self.inner.for_each(visit);
    }
    fn len(&self) -> usize {
        self.inner.len()
    }
}

/// Bug: a thread that ended by a panic left its slot behind, and senders to it went round in circles past their deadline.
/// Cause: nothing stood between such a panic and the end of the thread. Fix: a last resort that refuses what is inside and
/// takes the slot out of the world.
#[test]
fn a_thread_that_breaks_off_leaves_no_slot_behind() {
    let lab = System::builder(Panicking::default(), gargoyle::MemoryStorage::new()).call_timeout(LONG).build().unwrap();
    let actor = lab.start::<Notes>("breaks-off", Birth::Fine).unwrap();
    let _ = actor.petrify();
    assert_eq!(actor.call(Add(1)).unwrap(), 1);
    lab.shutdown(LONG).unwrap();
    assert_eq!(lab.stats().live, 0);
}

/// Bug: a peek that waited in the mailbox behind a stop or a crash brought the actor back, and behind a stop that deleted
/// the record a new one was born and saved. Cause: in the mailbox it was a query, and whoever is at rest is woken for
/// those. Fix: a peek that finds nobody alive is given back, and looks at the record.
#[test]
fn a_peek_behind_an_end_wakes_nobody() {
    let lab = Lab::new();
    let stopped = lab.started("peek-behind-stop");
    let busy = occupy(&stopped);
    thread::scope(|scope| {
        let stop = scope.spawn(|| stopped.stop().unwrap());
        lab.await_queued(&stopped, 1);
        let peek = scope.spawn(|| stopped.peek(List).unwrap());
        lab.await_queued(&stopped, 2);
        busy.let_go();
        stop.join().unwrap();
        assert_eq!(peek.join().unwrap(), None);
    });
    assert_eq!(lab.stored(&stopped), None, "nobody was born");

    let crashed = lab.started("peek-behind-crash");
    crashed.call(Add(1)).unwrap();
    let busy = occupy(&crashed);
    crashed.cast(AddAndPanic(2)).unwrap();
    thread::scope(|scope| {
        let peek = scope.spawn(|| crashed.peek(List).unwrap());
        lab.await_queued(&crashed, 2);
        busy.let_go();
        assert_eq!(peek.join().unwrap(), Some(vec![1]));
    });
    assert!(!stopped.is_live() && !crashed.is_live());
    assert_eq!((lab.system.stats().born, lab.system.stats().revived), (2, 0));
}

/// Bug: a shutdown said that it had given the store back while a permanent actor's return still read it; a store that is
/// opened once only could not be opened again then. Cause: what looks for the record of one that is to come back did not
/// go through the gate, nor did what asks who has to. Fix: both do.
#[test]
fn a_shutdown_waits_for_who_looks_whether_an_actor_comes_back() {
    let clock = TestClock::new();
    let lab = Lab::with(|builder| builder.clock(clock.clone()).restart(RestartPolicy::Permanent));
    let actor = lab.started("comes-back-into-shutdown");
    let events = lab.system.events();
    (0..4).for_each(|n| _ = actor.call(AddAndPanic(n)).unwrap_err());
    await_event(&events, actor.id(), |kind| matches!(kind, EventKind::Quarantined(_)));
    await_that(|| !actor.is_live());
    let loading = Barrier::new();
    lab.store.on_load.lock().unwrap().push(Fault::Hang(loading.clone()));
    clock.advance(Duration::from_secs(2));
    loading.wait();
    assert!(lab.system.shutdown(Duration::ZERO).is_err(), "the store is in use");
    loading.let_go();
    lab.system.shutdown(LONG).unwrap();
    let Lab { store, .. } = lab;
    assert_eq!(Arc::strong_count(&store), 1, "the system has given the store back");
}

/// Bug: a permanent actor with a handle among its arguments never came back by itself after the death of its process, nor
/// was such a watcher of stone told of an end. Cause: where only an id is known, the arguments were decoded on a thread that
/// is in no system. Fix: it enters the actor's.
#[test]
fn an_actor_whose_arguments_hold_a_handle_comes_back_without_a_message() {
    #[derive(Serialize, Deserialize)]
    struct Guest;

    impl Actor for Guest {
        const KIND: &'static str = "guest-of-notes";
        type Args = Handle<Notes>;

        fn init(_: &Handle<Notes>, _: &mut Context<Self>) -> Result<Self, BoxError> {
            Ok(Guest)
        }
    }

    let permanent = |builder: gargoyle::Builder| builder.restart(RestartPolicy::Permanent).actor::<Guest>();
    let lab = Lab::with(permanent);
    let host = lab.notes("host");
    lab.system.start::<Guest>("ann", host.clone()).unwrap();
    let found = lab.store_after_death();
    lab.system.shutdown(LONG).unwrap();

    let again = Lab::on(found, permanent);
    await_that(|| again.system.stats().revived + again.system.stats().not_revived == 1);
    assert_eq!(again.system.stats().not_revived, 0);
    assert!(again.system.handle::<Guest>("ann", again.notes("host")).is_live());
}

/// Bug: after one panic of a registry no errand was tried again, and who was quarantined did not come back. Cause: it ended the
/// thread that tries them, which counted as there. Fix: it ends the errand alone, and is told of.
#[test]
fn an_errand_that_panics_keeps_no_other_from_being_tried() {
    let clock = TestClock::new();
    let second = Duration::from_secs(1);
    let at_once = Settings::new().restart(RestartPolicy::Permanent).max_restarts(0).backoff(second, second);
    let lab = Lab::with(|builder| builder.settings(at_once).clock(clock.clone()).actor::<Notes>());
    let events = lab.system.events();
    let quarantined = |key| {
        let actor = lab.started(key);
        actor.call(AddAndPanic(1)).unwrap_err();
        await_that(|| !actor.is_live());
        actor
    };
    let lost = quarantined("errand-lost");
    *lab.registry.panic_at.lock().unwrap() = Some(lost.id().clone());
    clock.advance(second);
    await_event(&events, lost.id(), |kind| matches!(kind, EventKind::NotRevived(Failure::Crashed(_))));
    let waits = quarantined("errand-waits");
    clock.advance(second);
    await_event(&events, waits.id(), |kind| matches!(kind, EventKind::Revived));
}
