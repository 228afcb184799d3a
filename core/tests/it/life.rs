//! What an actor is told of its own life, and what it can do with a message: callbacks, versions, rollback, timers.

use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, Sender, unbounded};
use gargoyle::{
    Actor, ActorId, BoxError, Context, EventKind, Exit, Failure, Handle, Handled, Handler, Query, Record, Storage,
    StorageErrorKind, TestClock, Timer, Value,
};
use serde::{Deserialize, Serialize};

use crate::support::*;

/// What happened to a `Witness`, in the order in which it did.
type Seen = (Sender<String>, Receiver<String>);

/// An actor that says what happens to it, through a channel that is found by its key.
#[derive(Serialize, Deserialize)]
struct Witness {
    key: String,
    count: u64,
    #[serde(skip)]
    made_by: Option<&'static str>,
}

fn seen(key: &str) -> Seen {
    use std::collections::HashMap;
    use std::sync::{LazyLock, Mutex};
    static SEEN: LazyLock<Mutex<HashMap<String, Seen>>> = LazyLock::new(Mutex::default);
    SEEN.lock().unwrap().entry(key.to_owned()).or_insert_with(unbounded).clone()
}

fn heard(key: &str) -> Vec<String> {
    seen(key).1.try_iter().collect()
}

impl Witness {
    fn say(&self, what: impl Into<String>) {
        seen(&self.key).0.send(what.into()).unwrap();
    }
}

impl Actor for Witness {
    const KIND: &'static str = "witness";
    type Args = ();

    fn init(_: &(), cx: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Witness { key: cx.id().key().to_owned(), count: 0, made_by: Some("init") })
    }

    fn revived(&mut self, _: &mut Context<Self>) -> Result<(), BoxError> {
        assert_eq!(self.made_by, None, "ephemeral");
        self.made_by = Some("revived");
        self.say(format!("revived with {}", self.count));
        match self.count {
            66 => Err("66 is not to be revived".into()),
            67 => panic!("67 is not to be revived"),
            _ => Ok(()),
        }
    }

    fn petrifying(&mut self, cx: &mut Context<Self>) {
        self.say("petrifying");
        match self.count {
            55 => panic!("55 is not to be petrified"),
            44 => cx.continue_with(Set(45)),
            _ => self.count += 1000,
        }
    }

    fn terminate(&mut self, exit: &Exit, _: &mut Context<Self>) {
        self.say(format!("terminate: {exit:?}"));
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = seen(&self.key).0.send("dropped".to_owned());
    }
}

struct Set(u64);
impl Handler<Set> for Witness {
    type Reply = u64;
    fn handle(&mut self, Set(count): Set, _: &mut Context<Self>) -> u64 {
        std::mem::replace(&mut self.count, count)
    }
}

struct Do<F>(F);
impl<F, R> Handler<Do<F>> for Witness
where
    F: FnOnce(&mut Witness, &mut Context<Witness>) -> R + Send + 'static,
    R: Send + 'static,
{
    type Reply = R;
    fn handle(&mut self, Do(f): Do<F>, cx: &mut Context<Self>) -> R {
        f(self, cx)
    }
}

fn act<R, F: FnOnce(&mut Witness, &mut Context<Witness>) -> R>(f: F) -> Do<F> {
    Do(f)
}

struct Get;
impl Query<Get> for Witness {
    type Reply = (u64, Option<&'static str>);
    fn query(&self, _: Get) -> Self::Reply {
        (self.count, self.made_by)
    }
}

#[test]
fn petrifying_is_called_before_stone_and_its_change_is_saved_and_it_is_no_end() {
    let lab = Lab::new();
    let actor = lab.system.start::<Witness>("stone", ()).unwrap();
    actor.call(Set(1)).unwrap();
    actor.petrify().unwrap();
    assert_eq!(heard("stone"), ["petrifying", "dropped"]);
    assert_eq!(actor.query(Get).unwrap(), (1001, Some("revived")));
    actor.call(act(|_, cx| cx.petrify())).unwrap();
    await_that(|| !actor.is_live());
    lab.system.shutdown(LONG).unwrap();
    assert_eq!(heard("stone"), ["revived with 1001", "petrifying", "dropped"]);
}

#[test]
fn petrifying_is_called_at_the_idle_time_and_at_a_shutdown_too() {
    let clock = TestClock::new();
    let lab = Lab::with(|builder| builder.clock(clock.clone()).idle(Duration::from_secs(60)));
    let actor = lab.system.start::<Witness>("idle", ()).unwrap();
    clock.advance(Duration::from_secs(60));
    await_that(|| !actor.is_live());
    assert_eq!(heard("idle"), ["petrifying", "dropped"]);
    actor.start().unwrap();
    lab.system.shutdown(LONG).unwrap();
    assert_eq!(heard("idle"), ["revived with 1000", "petrifying", "dropped"]);
}

#[test]
fn a_panic_in_petrifying_is_a_crash_after_the_last_message() {
    let lab = Lab::new();
    let actor = lab.system.start::<Witness>("panicking", ()).unwrap();
    actor.call(Set(55)).unwrap();
    let error = actor.petrify().unwrap_err();
    assert!(matches!(error.failure(), Failure::Crashed(text) if text.contains("not to be petrified")), "{error}");
    await_that(|| lab.system.stats().crashed == 1);
    assert_eq!(actor.peek(Get).unwrap(), Some((55, None)));
}

#[test]
fn what_petrifying_continues_with_wakes_the_actor_again() {
    let lab = Lab::new();
    let actor = lab.system.start::<Witness>("continuing", ()).unwrap();
    actor.call(Set(44)).unwrap();
    actor.petrify().unwrap();
    assert_eq!(actor.query(Get).unwrap(), (45, Some("revived")));
}

#[test]
fn a_petrifying_whose_save_fails_is_reported_and_the_record_stays() {
    let lab = Lab::new();
    let actor = lab.system.start::<Witness>("unsaved", ()).unwrap();
    actor.call(Set(1)).unwrap();
    lab.next_save(Fault::Fail(StorageErrorKind::Full));
    assert!(matches!(actor.petrify().unwrap_err().failure(), Failure::NotSaved(_)));
    assert_eq!(actor.query(Get).unwrap(), (1, Some("revived")));
}

#[test]
fn terminate_is_called_before_each_end_and_says_which() {
    let lab = Lab::new();
    let actor = lab.system.start::<Witness>("ends", ()).unwrap();
    let last = || heard("ends").into_iter().rev().take(2).collect::<Vec<_>>();
    actor.stop().unwrap();
    assert_eq!(last(), ["dropped", "terminate: Stopped"]);
    actor.call(act(|_, cx| cx.stop())).unwrap();
    await_that(|| !actor.is_live());
    assert_eq!(last(), ["dropped", "terminate: Stopped"]);
    actor.start().unwrap();
    actor.wipe().unwrap();
    assert_eq!(last(), ["dropped", "terminate: Wiped"]);

    assert!(actor.call(act(|_, _| panic!("oops"))).is_err());
    await_that(|| lab.system.stats().crashed == 1);
    assert_eq!(last(), ["dropped", "terminate: Crashed(Crashed(\"oops\"))"]);
    lab.next_save(Fault::Fail(StorageErrorKind::Full));
    assert!(actor.call(Set(2)).is_err());
    await_that(|| lab.system.stats().crashed == 2);
    assert!(last()[1].starts_with("terminate: Crashed(NotSaved("));
}

#[test]
fn a_revival_that_its_type_refuses_is_an_error_and_nothing_is_changed() {
    let lab = Lab::new();
    for (count, text) in [(66, "66 is not to be revived"), (67, "revived panicked: 67 is not to be revived")] {
        let actor = lab.system.start::<Witness>(format!("refusing-{count}"), ()).unwrap();
        actor.call(Set(count)).unwrap();
        let before = lab.stored_bytes(actor.id());
        assert!(actor.call(act(|_, _| panic!("to be revived"))).is_err());
        let error = actor.call(Set(0)).unwrap_err();
        assert!(matches!(error.failure(), Failure::Refused(why) if why.to_string() == text), "{error}");
        assert_eq!((error.handled(), lab.stored_bytes(actor.id())), (Handled::No, before));
    }
}

#[test]
fn a_rollback_undoes_the_state_and_what_was_to_be_sent_and_gives_the_reply() {
    let lab = Lab::new();
    let (actor, other) = (lab.system.start::<Witness>("rollback", ()).unwrap(), lab.started("rollback-other"));
    actor.call(Set(1)).unwrap();
    let saves = lab.system.stats().saved;
    let to = other.clone();
    let reply = actor.call(act(move |witness, cx| {
        witness.count = 2;
        to.cast(Add(1)).unwrap();
        cx.continue_with(Set(3));
        cx.send_after(Duration::ZERO, Set(4));
        cx.rollback();
        "refused"
    }));
    assert_eq!(reply.unwrap(), "refused");
    assert_eq!(actor.query(Get).unwrap(), (1, Some("revived")));
    assert_eq!(other.query(List).unwrap(), [] as [u64; 0]);
    let stats = lab.system.stats();
    assert_eq!((stats.undeliverable, stats.saved, stats.crashed, stats.revived), (3, saves, 0, 0));
}

#[test]
fn a_rollback_after_a_save_goes_back_to_what_was_saved_and_keeps_an_end_that_is_wished() {
    let lab = Lab::new();
    let actor = lab.system.start::<Witness>("rollback-saved", ()).unwrap();
    let done = actor.call(act(|witness, cx| {
        witness.count = 2;
        cx.save(witness).unwrap();
        witness.count = 3;
        cx.petrify();
        cx.rollback();
    }));
    done.unwrap();
    await_that(|| !actor.is_live());
    assert_eq!(actor.query(Get).unwrap().0, 1002);
}

#[test]
fn a_timer_sends_when_its_time_has_come_in_order_and_keeps_the_actor_alive() {
    let clock = TestClock::new();
    let lab =
        Lab::with(|builder| builder.clock(clock.clone()).idle(Duration::from_secs(10)).call_timeout(Duration::MAX));
    let actor = lab.started("timer");
    let after =
        |secs, n| run(move |_: &mut Notes, cx: &mut Context<Notes>| cx.send_after(Duration::from_secs(secs), Add(n)));
    for (secs, n) in [(200, 3), (100, 1), (100, 2)] {
        actor.call(after(secs, n)).unwrap();
    }
    clock.advance(Duration::from_secs(99));
    assert_eq!(actor.query(List).unwrap(), [] as [u64; 0]);
    clock.advance(Duration::from_secs(1));
    await_that(|| actor.query(List).unwrap() == [1, 2]);
    assert_eq!(lab.system.stats().petrified, 0, "not idle while there is something to come");
    clock.advance(Duration::from_secs(100));
    await_that(|| actor.query(List).unwrap() == [1, 2, 3]);
    clock.advance(Duration::from_secs(10));
    await_that(|| !actor.is_live());
}

#[test]
fn timers_that_set_each_other_starve_nobody() {
    struct Again;
    impl Handler<Again> for Notes {
        type Reply = ();
        fn handle(&mut self, _: Again, cx: &mut Context<Self>) {
            if self.list().is_empty() {
                cx.send_after(Duration::ZERO, Again);
            }
        }
    }
    let lab = Lab::new();
    let actor = lab.started("again");
    actor.cast(Again).unwrap();
    assert_eq!(actor.call(Add(1)).unwrap(), 1, "it ends the ticking");
}

#[test]
fn a_timer_is_cancelled_and_the_cancelling_of_a_message_that_does_not_count_is_not() {
    let clock = TestClock::new();
    let lab = Lab::with(|builder| builder.clock(clock.clone()).call_timeout(Duration::MAX));
    let actor = lab.started("cancel");
    let set = |n| run(move |_: &mut Notes, cx: &mut Context<Notes>| cx.send_after(Duration::from_secs(1), Add(n)));
    let cancel = |timer: Timer| run(move |_: &mut Notes, cx: &mut Context<Notes>| cx.cancel(timer));
    let [first, second, third] = [1, 2, 3].map(|n| actor.call(set(n)).unwrap());
    actor.call(cancel(first)).unwrap();
    actor
        .call(run(move |_, cx| {
            cx.cancel(second);
            cx.rollback();
        }))
        .unwrap();
    clock.advance(Duration::from_secs(1));
    await_that(|| actor.query(List).unwrap() == [2, 3]);
    actor.call(cancel(third)).unwrap();
    assert_eq!((actor.query(List).unwrap(), lab.system.stats().undeliverable), (vec![2, 3], 0));
}

#[test]
fn timers_end_with_their_incarnation_and_are_told_of() {
    for end in ["petrify", "stop", "crash", "shutdown"] {
        let lab = Lab::new();
        let actor = lab.started(&format!("timers-{end}"));
        let events = lab.system.events();
        actor.call(run(|_, cx| cx.send_after(Duration::from_secs(1000), Add(1)))).unwrap();
        match end {
            "petrify" => actor.petrify().unwrap(),
            "stop" => actor.stop().unwrap(),
            "crash" => assert!(actor.call(AddAndPanic(0)).is_err()),
            _ => lab.system.shutdown(LONG).unwrap(),
        }
        let told = await_event(&events, actor.id(), |kind| matches!(kind, EventKind::Undeliverable { .. }));
        assert!(matches!(told, EventKind::Undeliverable { failure: Failure::Ended, .. }), "{end}: {told:?}");
    }
}

/// An account in its third version. Version 1 was a number of euros, version 2 `{ euros }`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Account {
    cents: u64,
}

impl Actor for Account {
    const KIND: &'static str = "account";
    const VERSION: u32 = 3;
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Account { cents: 0 })
    }

    fn migrate(from: u32, state: Value) -> Result<Value, BoxError> {
        #[derive(Serialize, Deserialize)]
        struct Version2 {
            euros: u64,
        }
        match from {
            1 => Ok(Value::serialized(&Version2 { euros: state.deserialized()? })?),
            2 => {
                let Version2 { euros } = state.deserialized()?;
                let cents = euros.checked_mul(100).ok_or("too much money")?;
                Ok(Value::serialized(&Account { cents })?)
            }
            _ => Err(format!("there was no version {from}").into()),
        }
    }
}

struct Deposit(u64);
impl Handler<Deposit> for Account {
    type Reply = u64;
    fn handle(&mut self, Deposit(cents): Deposit, _: &mut Context<Self>) -> u64 {
        self.cents += cents;
        self.cents
    }
}

impl Query<()> for Account {
    type Reply = u64;
    fn query(&self, (): ()) -> u64 {
        self.cents
    }
}

/// Puts a record of another version into the store.
fn put(lab: &Lab, key: &str, version: u32, state: &impl Serialize) -> (Handle<Account>, Vec<u8>) {
    let mut bytes = Vec::new();
    ciborium::into_writer(state, &mut bytes).unwrap();
    let id = ActorId::new("account", key).unwrap();
    let record = Record { id: id.clone(), args: vec![0xf6], state: bytes, version, saved_at: SystemTime::UNIX_EPOCH };
    lab.store.inner.save(&id, None, &record.to_bytes()).unwrap();
    (lab.system.handle(key, ()), record.to_bytes())
}

#[test]
fn a_state_of_an_older_version_is_migrated_step_by_step_and_saved_with_its_next_change() {
    let lab = Lab::new();
    let (actor, before) = put(&lab, "old", 1, &5u64);
    assert_eq!(actor.peek(()).unwrap(), Some(500));
    assert_eq!(actor.query(()).unwrap(), 500);
    assert_eq!(lab.stored_bytes(actor.id()), Some(before), "a question writes nothing");
    assert!(actor.call(Deposit(u64::MAX)).is_err(), "a panic goes back to the migrated state");
    assert_eq!(actor.call(Deposit(0)).unwrap(), 500);
    let record = Record::from_bytes(&lab.stored_bytes(actor.id()).unwrap()).unwrap();
    assert_eq!(record.version, 3);
    assert_eq!(ciborium::from_reader::<Account, _>(&record.state[..]).unwrap(), Account { cents: 500 });
}

#[test]
fn a_migration_that_fails_is_an_error_and_nothing_is_changed() {
    let lab = Lab::new();
    for (key, version, text) in [("too-much", 2, "too much money"), ("no-version", 0, "there was no version 0")] {
        let state = std::collections::BTreeMap::from([("euros", u64::MAX)]);
        let (actor, before) = put(&lab, key, version, &state);
        let error = actor.call(Deposit(1)).unwrap_err();
        assert!(matches!(error.failure(), Failure::Refused(why) if why.to_string() == text), "{error}");
        assert_eq!(lab.stored_bytes(actor.id()), Some(before));
    }
}

#[test]
fn a_state_of_a_newer_version_is_refused_with_both_versions_and_not_touched() {
    let lab = Lab::new();
    let (actor, before) = put(&lab, "new", 4, &5u64);
    for error in [actor.call(Deposit(1)).unwrap_err(), actor.peek(()).unwrap_err()] {
        assert!(matches!(error.failure(), Failure::NewerVersion { found: 4, known: 3 }), "{error}");
    }
    assert_eq!(lab.stored_bytes(actor.id()), Some(before));
}
