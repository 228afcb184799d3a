//! Birth, idleness, stop, petrify, wipe: on live actors, on stone, and from inside.

use std::time::Duration;

use gargoyle::testing::TestClock;
use gargoyle::{Failure, Registry, StorageErrorKind, System};

use crate::support::*;

#[test]
fn making_a_handle_starts_nothing() {
    let lab = Lab::new();
    let actor = lab.notes("handle");
    assert!(!actor.is_live() && lab.registry.is_empty());
    assert_eq!(lab.stored(&actor), None);
}

#[test]
fn start_makes_it_alive_and_durable_and_shows_why_it_cannot_be_born() {
    let lab = Lab::new();
    let actor = lab.started("start");
    assert!(actor.is_live());
    assert_eq!(lab.stored(&actor), Some(vec![]));
    actor.start().unwrap();

    let fails = lab.system.start::<Notes>("start-fails", Birth::Fails).unwrap_err();
    assert!(matches!(fails.failure(), Failure::NotBorn(why) if why.to_string() == "a birth that fails"), "{fails}");
    let panics = lab.system.start::<Notes>("start-panics", Birth::Panics).unwrap_err();
    assert!(matches!(panics.failure(), Failure::NotBorn(why) if why.to_string().contains("a birth that panics")));
    // No record is made, and the next one tries again, with the arguments of who makes the slot.
    await_that(|| !lab.notes("start-fails").is_live());
    assert_eq!(lab.notes("start-fails").call(Add(1)).unwrap(), 1);
}

#[test]
fn arguments_count_once_at_birth_and_the_records_win() {
    let lab = Lab::new();
    lab.started("args").petrify().unwrap();
    let other = lab.system.handle::<Notes>("args", Birth::Fails);
    assert!(other.call(run(|_, cx| matches!(cx.args(), Birth::Fine))).unwrap());
}

#[test]
fn an_idle_actor_petrifies_after_its_idle_time_counted_from_its_last_message() {
    const IDLE: Duration = Duration::from_secs(60);
    let clock = TestClock::new();
    let lab = Lab::with(|builder| builder.clock(clock.clone()).idle(IDLE));
    let actor = lab.notes("idle");
    for n in 0..3 {
        clock.advance(IDLE * 9 / 10);
        assert_eq!(actor.call(Add(n)).unwrap(), n as usize + 1);
    }
    assert_eq!(lab.system.stats().petrified, 0, "each message begins the idle time anew");
    clock.advance(IDLE);
    await_that(|| !actor.is_live());
    assert_eq!(actor.query(List).unwrap(), [0, 1, 2]);
}

#[test]
fn an_idle_time_of_zero_is_refused_by_name_and_never_is_possible() {
    let refused = System::builder(gargoyle_registry_std::StdRegistry::new(), gargoyle::MemoryStorage::new())
        .idle(Duration::ZERO)
        .build()
        .unwrap_err();
    assert_eq!(refused.to_string(), "the setting actors.idle must not be 0: give a time, or never");

    let clock = TestClock::new();
    let lab = Lab::with(|builder| builder.idle_never().clock(clock.clone()));
    let actor = lab.started("never");
    clock.advance(Duration::from_secs(1_000_000_000));
    actor.query(List).unwrap();
    assert!(actor.is_live() && lab.system.stats().petrified == 0);
}

#[test]
fn petrify_keeps_the_record_gives_the_thread_back_and_is_idempotent() {
    let lab = Lab::new();
    let actor = lab.notes("petrify");
    actor.petrify().unwrap();
    assert_eq!(lab.system.stats().born, 0, "stone that nobody woke");
    actor.call(Add(1)).unwrap();
    (0..2).for_each(|_| actor.petrify().unwrap());
    assert!(!actor.is_live());
    assert_eq!(lab.system.stats().petrified, 1);
    assert_eq!(actor.call(Add(2)).unwrap(), 2);
}

#[test]
fn stop_ends_it_after_what_was_sent_before_deletes_the_record_and_is_idempotent() {
    let lab = Lab::new();
    let events = lab.system.events();
    let actor = lab.notes("stop");
    actor.stop().unwrap();
    assert_eq!(kinds_so_far(&events, actor.id()), [] as [&str; 0], "nobody there, nobody woken");
    actor.cast(Add(1)).unwrap();
    (0..2).for_each(|_| actor.stop().unwrap());
    assert_eq!(kinds_so_far(&events, actor.id()), ["born", "saved", "stopped", "wiped"]);
    assert_eq!((lab.stored(&actor), actor.is_live()), (None, false));
    assert_eq!(actor.call(Add(2)).unwrap(), 1, "a new one");

    actor.petrify().unwrap();
    kinds_so_far(&events, actor.id());
    actor.stop().unwrap();
    assert_eq!(kinds_so_far(&events, actor.id()), ["wiped"], "of stone: not woken to be stopped");
    assert_eq!(lab.stored(&actor), None);
}

#[test]
fn wipe_deletes_whatever_is_there_live_or_stone() {
    let lab = Lab::new();
    let actor = lab.notes("wipe");
    actor.wipe().unwrap();
    actor.call(Add(1)).unwrap();
    (0..2).for_each(|_| actor.wipe().unwrap());
    assert_eq!((lab.stored(&actor), actor.is_live()), (None, false));
    actor.call(Add(2)).unwrap();
    actor.petrify().unwrap();
    actor.wipe().unwrap();
    assert_eq!(lab.stored(&actor), None);
    assert_eq!(actor.call(Add(3)).unwrap(), 1);
}

#[test]
fn a_wipe_that_fails_says_so_and_keeps_the_record() {
    let lab = Lab::new();
    let actor = lab.started("wipe-fails");
    for verb in [gargoyle::Handle::<Notes>::wipe, gargoyle::Handle::<Notes>::stop] {
        let events = lab.system.events();
        lab.store.on_wipe.lock().unwrap().push(Fault::Fail(StorageErrorKind::Unreachable));
        let error = verb(&actor).unwrap_err();
        assert!(matches!(error.failure(), Failure::NotWiped(_)), "{error}");
        assert!(kinds_so_far(&events, actor.id()).contains(&"not wiped"));
        assert!(lab.stored(&actor).is_some());
    }
}

#[test]
fn an_actor_can_stop_and_petrify_itself_after_its_reply() {
    let lab = Lab::new();
    let actor = lab.notes("itself");
    let petrified = actor.call(run(|notes, cx| {
        notes.add(1);
        cx.petrify();
        notes.list().len()
    }));
    assert_eq!(petrified.unwrap(), 1);
    await_that(|| !actor.is_live());
    assert_eq!(lab.stored(&actor), Some(vec![1]));

    assert_eq!(actor.call(run(|_, cx| cx.stop())).map_err(|error| error.to_string()), Ok(()));
    await_that(|| !actor.is_live());
    assert_eq!(lab.stored(&actor), None);
}

#[test]
fn messages_behind_a_stop_a_petrify_or_a_crash_go_to_the_next_incarnation() {
    let lab = Lab::new();
    let actor = lab.started("behind");
    for (end, expected) in [("petrify", vec![1, 2]), ("crash", vec![1, 2, 1, 2]), ("stop", vec![2])] {
        let busy = occupy(&actor);
        actor.cast(Add(1)).unwrap();
        match end {
            "petrify" => actor.cast(run(|_, cx| cx.petrify())).unwrap(),
            "stop" => actor.cast(run(|_, cx| cx.stop())).unwrap(),
            _ => actor.cast(AddAndPanic(0)).unwrap(),
        }
        actor.cast(Add(2)).unwrap();
        busy.let_go();
        assert_eq!(actor.query(List).unwrap(), expected, "{end}");
    }
}

#[test]
fn a_call_that_is_taken_back_wakes_nobody() {
    let lab = Lab::new();
    let actor = lab.started("taken-back");
    let busy = occupy(&actor);
    actor.cast(run(|_, cx| cx.petrify())).unwrap();
    assert!(actor.call_timeout(Add(1), Duration::ZERO).is_err());
    busy.let_go();
    await_that(|| !actor.is_live());
    assert_eq!(lab.system.stats().revived, 0);
}

#[test]
fn two_types_of_one_kind_are_refused_with_both_names() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Impostor;
    impl gargoyle::Actor for Impostor {
        const KIND: &'static str = "notes";
        type Args = ();
        fn init(_: &(), _: &mut gargoyle::Context<Self>) -> Result<Self, gargoyle::BoxError> {
            Ok(Impostor)
        }
    }
    impl gargoyle::Query<()> for Impostor {
        type Reply = ();
        fn query(&self, _: ()) {}
    }
    let lab = Lab::new();
    let actor = lab.started("kind");
    let check = |failure: &Failure| {
        let text = failure.to_string();
        assert!(matches!(failure, Failure::KindConflict { .. }), "{text}");
        assert!(text.contains("Notes") && text.contains("Impostor"), "{text}");
    };
    check(lab.system.start::<Impostor>("kind", ()).unwrap_err().failure());
    check(lab.system.handle::<Impostor>("kind", ()).peek(()).unwrap_err().failure());
    actor.petrify().unwrap();
    check(lab.system.start::<Impostor>("kind", ()).unwrap_err().failure());
    check(lab.system.handle::<Impostor>("kind", ()).peek(()).unwrap_err().failure());
    assert_eq!(actor.call(Add(1)).unwrap(), 1);
}
