//! The cap on live actors: who makes room, who waits, and that the cap itself is never a deadlock.

use std::thread;
use std::time::Duration;

use gargoyle::testing::TestClock;
use gargoyle::{Failure, Handle, Handled, Phase};

use crate::support::*;

#[test]
fn many_more_actors_than_the_cap_are_used_in_turn_and_none_notices() {
    const CAP: usize = 8;
    const ACTORS: u64 = 500;
    let lab = Lab::with(|builder| builder.max_live(CAP));
    for round in 1..=2 {
        thread::scope(|scope| {
            for part in 0..4u64 {
                let lab = &lab;
                scope.spawn(move || {
                    for n in (part..ACTORS).step_by(4) {
                        assert_eq!(lab.notes(&format!("crowd-{n}")).call(Add(n)).unwrap(), round);
                    }
                });
            }
        });
    }
    let stats = lab.system.stats();
    assert!(stats.live_peak <= CAP, "{stats:?}");
    assert_eq!((stats.born, stats.revived + 8 >= ACTORS), (ACTORS, true));
}

#[test]
fn who_was_not_used_for_long_makes_room() {
    let lab = Lab::with(|builder| builder.max_live(3));
    let [a, b, c] = ["lru-a", "lru-b", "lru-c"].map(|key| lab.started(key));
    await_idle(&lab, &[&a, &b, &c]);
    // All three were used since anybody looked: the first is as good as any.
    let d = lab.started("lru-d");
    await_that(|| !a.is_live());
    assert!(b.is_live() && c.is_live());
    b.query(List).unwrap();
    // One that becomes idle when room is needed goes at once, whenever it was used.
    await_idle(&lab, &[&b, &c, &d]);
    lab.started("lru-e").query(List).unwrap();
    await_that(|| !c.is_live());
    assert!(b.is_live(), "it was used since");
}

/// Waits until the actors wait for messages: a reply is there before its actor has gone back to wait.
fn await_idle(lab: &Lab, actors: &[&Handle<Notes>]) {
    use gargoyle::Registry;
    let idle = |actor: &&Handle<Notes>| {
        lab.registry.get(actor.id()).is_some_and(|slot| format!("{slot:?}").contains("idle: true"))
    };
    await_that(|| actors.iter().all(idle));
}

#[test]
fn who_is_busy_is_not_asked_to_make_room_while_somebody_else_is_idle() {
    let lab = Lab::with(|builder| builder.max_live(2));
    // The first one that a look comes by, and it does not become idle before the end.
    let [busy_one, idle_one] = ["asked-busy", "asked-idle"].map(|key| lab.started(key));
    let busy = occupy(&busy_one);
    await_idle(&lab, &[&idle_one]);
    assert_eq!(lab.notes("asked-new").call(Add(1)).unwrap(), 1);
    assert!(busy_one.is_live() && !idle_one.is_live());
    busy.let_go();
}

#[test]
fn if_nobody_is_idle_a_send_that_does_not_wait_is_refused_and_others_wait_until_somebody_is() {
    let lab = Lab::with(|builder| builder.max_live(1));
    let (busy_one, other) = (lab.started("crowd-busy"), lab.notes("crowd-other"));
    let busy = occupy(&busy_one);
    let refused = other.try_cast(Add(1)).unwrap_err();
    assert!(matches!(refused.failure(), Failure::Saturated { live: 1 }), "{refused}");
    assert_eq!((refused.error().handled(), refused.into_message()), (Handled::No, Add(1)));
    assert!(matches!(other.call_timeout(Add(1), Duration::ZERO).unwrap_err().failure(), Failure::Saturated { .. }));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| other.call(Add(2)).unwrap());
        busy.let_go();
        assert_eq!(waiting.join().unwrap(), 1);
    });
    assert_eq!(lab.system.stats().live_peak, 1);
}

#[test]
fn the_cap_is_no_deadlock_for_those_who_call_each_other() {
    /// Calls the next of `depth` actors, and that one the next.
    fn chain(actors: Vec<Handle<Notes>>) -> usize {
        let Some((first, rest)) = actors.split_first() else { return 0 };
        let rest = rest.to_vec();
        first.call(run(move |_, _| 1 + chain(rest))).unwrap()
    }
    let lab = Lab::with(|builder| builder.max_live(1));
    let actors: Vec<_> = (0..10).map(|n| lab.notes(&format!("chain-{n}"))).collect();
    assert_eq!(chain(actors), 10);
    let peak = lab.system.stats().live_peak;
    assert!(peak <= 1 + 16, "the cap and its margin, a quarter and 16: {peak}");
    await_that(|| lab.system.stats().live <= 1);
}

#[test]
fn an_actor_that_has_something_to_come_does_not_make_room() {
    let lab = Lab::with(|builder| builder.max_live(1));
    let actor = lab.started("crowd-timer");
    actor.call(run(|_, cx| cx.send_after(Duration::from_secs(1000), Add(1)))).unwrap();
    let other = lab.notes("no-room");
    let error = other.call_timeout(Add(1), Duration::ZERO).unwrap_err();
    assert!(matches!(error.failure(), Failure::Saturated { .. }), "{error}");
    actor.petrify().unwrap();
    assert_eq!(other.call(Add(1)).unwrap(), 1);
}

#[test]
fn who_waits_for_room_is_sent_away_by_a_shutdown_and_by_the_deadline() {
    let clock = TestClock::new();
    let lab = Lab::with(|builder| builder.max_live(1).clock(clock.clone()));
    let (busy_one, other) = (lab.started("crowd-stuck"), lab.notes("sent-away"));
    let busy = occupy(&busy_one);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| other.call_timeout(Add(1), Duration::from_secs(5)).unwrap_err());
        while !waiting.is_finished() {
            clock.advance(Duration::from_secs(5));
            thread::yield_now();
        }
        let error = waiting.join().unwrap();
        assert!(matches!(error.failure(), Failure::Saturated { .. } | Failure::Timeout(Phase::Space)), "{error}");

        let waiting = scope.spawn(|| other.call_timeout(Add(1), Duration::MAX).unwrap_err());
        let shutdown = scope.spawn(|| lab.system.shutdown(LONG));
        assert!(matches!(waiting.join().unwrap().failure(), Failure::Shutdown));
        busy.let_go();
        shutdown.join().unwrap().unwrap();
    });
}

/// The storm of P1 once more, with somebody else who makes the actor petrify: its rivals for one place.
#[test]
fn p1_p2_no_message_is_lost_or_doubled_while_actors_make_room_for_each_other() {
    let lab = Lab::with(|builder| builder.max_live(2).mailbox_capacity(4));
    let actors: Vec<_> = (0..6).map(|n| lab.notes(&format!("rivals-{n}"))).collect();
    thread::scope(|scope| {
        for thread in 0..8u64 {
            let actors = &actors;
            scope.spawn(move || {
                for n in 0..60 {
                    actors[((n + thread) % 6) as usize].cast(Add(thread * 1000 + n)).unwrap();
                }
            });
        }
    });
    for (index, actor) in actors.iter().enumerate() {
        let list = actor.query(List).unwrap();
        for thread in 0..8u64 {
            let of_thread: Vec<u64> = list.iter().filter(|n| *n / 1000 == thread).map(|n| n % 1000).collect();
            let expected: Vec<u64> = (0..60).filter(|n| (n + thread) % 6 == index as u64).collect();
            assert_eq!(of_thread, expected, "of thread {thread} at {actor:?}");
        }
    }
    assert!(lab.system.stats().live_peak <= 2 && lab.system.stats().undeliverable == 0);
}
