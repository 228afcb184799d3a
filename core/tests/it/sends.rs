//! The verbs: order, space, messages that come back, casts to oneself, what continues a message.

use std::time::Duration;

use gargoyle::testing::TestClock;
use gargoyle::{Actor, BoxError, Context, Failure, Handle, Handled, Handler, MemoryStorage, System};
use gargoyle_registry_std::StdRegistry;
use serde::{Deserialize, Serialize};

use crate::support::*;

#[test]
fn a_full_mailbox_gives_the_message_back_to_those_who_do_not_wait() {
    let lab = Lab::with(|builder| builder.mailbox_capacity(2));
    let actor = lab.started("full");
    let busy = occupy(&actor);
    (0..2).for_each(|n| actor.try_cast(Add(n)).unwrap());
    let cast = actor.try_cast(Add(2)).unwrap_err();
    assert!(matches!(cast.failure(), Failure::Full));
    assert_eq!(cast.into_message(), Add(2));
    let call = actor.try_call(Add(3)).unwrap_err();
    assert_eq!(call.error().handled(), Handled::No);
    assert_eq!(call.into_message(), Some(Add(3)));
    assert!(actor.try_query(List).unwrap_err().into_message().is_some());
    busy.let_go();
    assert_eq!(actor.query(List).unwrap(), [0, 1]);
    assert_eq!(actor.try_call(Add(4)).unwrap(), 3);
    assert_eq!(actor.try_query(List).unwrap(), [0, 1, 4]);
}

#[test]
fn a_handler_that_does_not_wait_is_told_of_a_full_mailbox_and_of_no_other() {
    let lab = Lab::with(|builder| builder.mailbox_capacity(2));
    let [sender, receiver] = ["full-sender", "full-receiver"].map(|key| lab.started(key));
    let busy = occupy(&receiver);
    let tries = |n: u64| {
        let to = receiver.clone();
        sender.call(run(move |_, _| to.try_cast(Add(n)).map_err(|refused| refused.failure().to_string()))).unwrap()
    };
    assert_eq!(tries(1), Ok(()), "there is space");
    assert_eq!(tries(2), Ok(()), "for two");
    assert_eq!(tries(3), Err(Failure::Full.to_string()));
    busy.let_go();
    assert_eq!(receiver.query(List).unwrap(), [1, 2]);
}

/// Also of a message that changed nothing, whose reply waits for no save.
#[test]
fn who_has_a_reply_finds_delivered_what_its_message_cast() {
    let lab = Lab::new();
    let [sender, receiver] = ["first-sender", "first-receiver"].map(|key| lab.started(key));
    let busy = occupy(&receiver);
    for n in 1..=500 {
        let to = receiver.clone();
        sender.call(run(move |_, _| to.cast(Add(n as u64)).unwrap())).unwrap();
        assert_eq!(lab.queued(receiver.id()), n);
    }
    busy.let_go();
    assert_eq!(receiver.query(List).unwrap().len(), 500);
}

/// The sender is stopped where it delivers the cast. Its caller waits by a clock, and gives up: the reply is not there yet.
#[test]
fn no_reply_goes_out_before_the_casts_of_its_message() {
    let clock = TestClock::new();
    let lab = Lab::with(|builder| builder.clock(clock.clone()));
    let [sender, receiver] = ["before-sender", "before-receiver"].map(|key| lab.started(key));
    let delivers = Barrier::new();
    let (to, registry, stop) = (receiver.clone(), lab.registry.clone(), delivers.clone());
    let casts = run(move |_, _| {
        to.cast(Add(1)).unwrap();
        registry.expect(to.id(), Some(&stop));
    });
    let reply = std::thread::scope(|scope| {
        let caller = scope.spawn(|| sender.call(casts));
        delivers.wait();
        clock.advance(2 * LONG);
        let reply = caller.join().unwrap();
        delivers.let_go();
        reply
    });
    assert!(matches!(reply.unwrap_err().failure(), Failure::Timeout(_)));
    sender.query(List).unwrap();
    assert_eq!(receiver.query(List).unwrap(), [1]);
}

/// The sender is stopped between the two, until there is space for the second one.
#[test]
fn a_cast_does_not_overtake_one_to_the_same_actor_that_waits_for_space() {
    let lab = Lab::with(|builder| builder.mailbox_capacity(1));
    let [sender, receiver] = ["overtaking-sender", "overtaking-receiver"].map(|key| lab.started(key));
    let busy = occupy(&receiver);
    receiver.cast(Add(0)).unwrap();
    let between = Barrier::new();
    let (to, registry, stop) = (receiver.clone(), lab.registry.clone(), between.clone());
    sender
        .cast(run(move |_, _| {
            (1..=2).for_each(|n| to.cast(Add(n)).unwrap());
            // Who finds no space at once looks once more.
            [None, None, Some(&stop)].into_iter().for_each(|stop| registry.expect(to.id(), stop));
        }))
        .unwrap();
    between.wait();
    busy.let_go();
    await_that(|| lab.queued(receiver.id()) == 0);
    between.let_go();
    sender.query(List).unwrap();
    assert_eq!(receiver.query(List).unwrap(), [0, 1, 2]);
}

/// Who waits is woken when half of the space is free. Here that is not before the actor is done with its message.
#[test]
fn who_waits_for_space_gets_it_while_its_actor_is_at_a_long_message() {
    let lab = Lab::with(|builder| builder.mailbox_capacity(4));
    let actor = lab.started("long-messages");
    let busy = occupy(&actor);
    let long = Barrier::new();
    let stop = long.clone();
    actor.cast(run(move |_, _| stop.stop_here())).unwrap();
    (0..3).for_each(|n| actor.cast(Add(n)).unwrap());
    assert!(matches!(actor.try_cast(Add(3)).unwrap_err().failure(), Failure::Full));
    std::thread::scope(|scope| {
        // Without an end, so that only space ends it.
        let sender = scope.spawn(|| actor.cast_timeout(Add(3), Duration::MAX));
        busy.let_go();
        long.wait();
        sender.join().unwrap().unwrap();
    });
    long.let_go();
    assert_eq!(actor.query(List).unwrap(), [0, 1, 2, 3]);
}

#[test]
fn a_cast_that_waits_for_space_holds_up_neither_the_reply_nor_casts_to_others() {
    let lab = Lab::with(|builder| builder.mailbox_capacity(1));
    let [sender, full, free] = ["held-sender", "held-full", "held-free"].map(|key| lab.started(key));
    let (full_one, free_one) = (occupy(&full), occupy(&free));
    full.cast(Add(0)).unwrap();
    let (to_full, to_free) = (full.clone(), free.clone());
    let casts = run(move |_, _| {
        to_full.cast(Add(1)).unwrap();
        to_free.cast(Add(2)).unwrap();
    });
    sender.call(casts).unwrap();
    assert_eq!(lab.queued(free.id()), 1, "there was space");
    full_one.let_go();
    free_one.let_go();
    sender.query(List).unwrap();
    assert_eq!((full.query(List).unwrap(), free.query(List).unwrap()), (vec![0, 1], vec![2]));
}

#[test]
fn a_sender_that_waits_gets_in_when_there_is_space() {
    let lab = Lab::with(|builder| builder.mailbox_capacity(1));
    let actor = lab.started("space");
    let busy = occupy(&actor);
    actor.cast(Add(0)).unwrap();
    std::thread::scope(|scope| {
        (1..20).for_each(|n| {
            drop(scope.spawn({
                let actor = &actor;
                move || actor.cast(Add(n)).unwrap()
            }))
        });
        busy.let_go();
    });
    assert_eq!(actor.query(List).unwrap().len(), 20);
}

#[test]
fn an_error_does_not_show_the_message() {
    let lab = Lab::new();
    let actor = lab.system.handle::<Notes>("x".repeat(2000), Birth::Fine);
    let error = actor.cast(Add(42)).unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(matches!(error.failure(), Failure::InvalidId(_)) && !shown.contains("42"), "{shown}");
}

#[test]
fn casts_to_oneself_never_wait_and_keep_their_order() {
    let lab = Lab::with(|builder| builder.mailbox_capacity(1));
    let actor = lab.started("to-itself");
    actor.call(run(|_, cx| (0..100).for_each(|n| cx.handle().cast(Add(n)).unwrap()))).unwrap();
    await_that(|| actor.query(List).unwrap().len() == 100);
    assert_eq!(actor.query(List).unwrap(), (0..100).collect::<Vec<_>>());
}

#[test]
fn casts_to_oneself_outlive_petrifying_and_are_given_up_with_their_message() {
    let lab = Lab::new();
    let actor = lab.started("to-itself-later");
    actor
        .call(run(|_, cx| {
            cx.handle().cast(Add(1)).unwrap();
            cx.petrify();
        }))
        .unwrap();
    await_that(|| actor.query(List).unwrap() == [1]);
    let crashed = actor.call(run(|_, cx| {
        cx.handle().cast(Add(2)).unwrap();
        panic!("after a cast to itself");
    }));
    assert!(crashed.is_err());
    assert_eq!(actor.query(List).unwrap(), [1]);
    assert_eq!(lab.system.stats().undeliverable, 1);
}

#[test]
fn an_actor_that_keeps_itself_busy_starves_nobody() {
    struct Tick;
    impl gargoyle::Handler<Tick> for Notes {
        type Reply = ();
        fn handle(&mut self, _: Tick, cx: &mut gargoyle::Context<Self>) {
            if self.list().is_empty() {
                cx.handle().cast(Tick).unwrap();
            }
        }
    }
    let lab = Lab::new();
    let actor = lab.started("busy");
    actor.cast(Tick).unwrap();
    assert_eq!(actor.call(Add(1)).unwrap(), 1, "it ends the ticking");
}

#[test]
fn what_continues_a_message_comes_before_the_mailbox_in_its_order() {
    let lab = Lab::new();
    let actor = lab.started("continue");
    let busy = occupy(&actor);
    actor
        .cast(run(|notes, cx| {
            notes.add(1);
            cx.continue_with(run(|notes: &mut Notes, cx: &mut gargoyle::Context<Notes>| {
                notes.add(2);
                cx.continue_with(Add(3));
            }));
            cx.continue_with(Add(4));
        }))
        .unwrap();
    actor.cast(Add(5)).unwrap();
    busy.let_go();
    assert_eq!(actor.query(List).unwrap(), [1, 2, 3, 4, 5]);
}

#[test]
fn what_continues_a_message_outlives_a_petrify_and_not_a_failed_save() {
    let lab = Lab::new();
    let actor = lab.started("continue-later");
    actor
        .call(run(|_, cx| {
            cx.continue_with(Add(1));
            cx.petrify();
        }))
        .unwrap();
    await_that(|| actor.query(List).unwrap() == [1]);

    let events = lab.system.events();
    lab.next_save(Fault::Fail(gargoyle::StorageErrorKind::Full));
    assert!(
        actor
            .call(run(|notes, cx| {
                notes.add(2);
                cx.continue_with(Add(3));
                cx.petrify();
            }))
            .is_err()
    );
    await_event(&events, actor.id(), |kind| matches!(kind, gargoyle::EventKind::Undeliverable { .. }));
    assert_eq!(actor.query(List).unwrap(), [1]);
}

#[test]
fn a_query_that_panics_is_an_error_of_its_caller_and_a_crash() {
    let lab = Lab::new();
    let actor = lab.started("query");
    actor.call(Add(1)).unwrap();
    let error = actor.query(PanicInQuery).unwrap_err();
    assert!(matches!(error.failure(), Failure::Crashed(text) if text == "a query that panics"), "{error}");
    await_that(|| lab.system.stats().crashed == 1);
    actor.petrify().unwrap();
    let error = actor.peek(PanicInQuery).unwrap_err();
    assert!(matches!(error.failure(), Failure::Crashed(_)), "{error}");
    assert_eq!(actor.query(List).unwrap(), [1]);
}

#[test]
fn a_peek_at_a_live_actor_is_a_query() {
    let lab = Lab::new();
    let actor = lab.started("peek");
    actor.call(Add(1)).unwrap();
    assert_eq!(actor.peek(List).unwrap(), Some(vec![1]));
    assert!(actor.is_live());
}

#[test]
fn messages_of_a_handler_to_one_actor_keep_their_order_over_turns() {
    let lab = Lab::new();
    let (from, to) = (lab.started("order-from"), lab.started("order-to"));
    for n in 0..200 {
        let to = to.clone();
        from.cast(run(move |notes, _| {
            notes.add(n);
            to.cast(Add(n)).unwrap();
        }))
        .unwrap();
    }
    from.petrify().unwrap();
    assert_eq!(to.query(List).unwrap(), (0..200).collect::<Vec<_>>());
}

#[test]
fn what_continues_init_comes_before_the_first_message_and_is_lost_with_the_birth() {
    let lab = Lab::new();
    let actor = lab.system.handle::<Notes>("continue-init", Birth::Continues);
    // The birth and what continues it are lost together, and happen again together.
    lab.next_save(Fault::Fail(gargoyle::StorageErrorKind::Full));
    assert!(actor.start().is_err() || actor.call(Add(1)).is_err());
    actor.cast(Add(2)).unwrap();
    let list = actor.query(List).unwrap();
    assert!(list.starts_with(&[100, 101]), "{list:?}");
    assert_eq!(list.iter().filter(|n| **n >= 100).count(), 2, "{list:?}");

    let unborn = lab.system.handle::<Notes>("continue-no-init", Birth::ContinuesAndFails);
    let before = lab.system.stats().undeliverable;
    assert!(unborn.call(Add(1)).is_err());
    assert_eq!(lab.system.stats().undeliverable, before + 2);
}

/// Bug: a caller that gave up left its edge in the graph of waits until the actor dropped the message. Cause: the edge
/// was the port's, and ended by an answer or the port's end. Fix: it ends with the wait.
#[test]
fn a_wait_that_timed_out_leaves_no_edge_for_false_alarms() {
    let lab = Lab::new();
    let (a, b) = (lab.started("edge-a"), lab.started("edge-b"));
    let b_busy = occupy(&b);
    let to_b = b.clone();
    let given_up = a.call(run(move |_, _| to_b.call_timeout(Add(1), Duration::ZERO).unwrap_err()));
    assert!(matches!(given_up.unwrap().failure(), Failure::Timeout(_)));
    // The message that a gave up is still in b's mailbox when b, behind it, calls a.
    let to_a = a.clone();
    std::thread::scope(|scope| {
        let calling = scope.spawn(|| b.call(run(move |_, _| to_a.call(Add(2)).unwrap())).unwrap());
        lab.await_queued(&b, 2);
        b_busy.let_go();
        assert_eq!(calling.join().unwrap(), 1);
    });
    let (to_a, to_b) = (a.clone(), b.clone());
    b.call(run(move |_, _| to_a.call_timeout(run(move |_, _| to_b.call(Add(1)).is_err()), LONG).unwrap())).unwrap();
}

#[test]
fn two_systems_with_the_same_ids_call_cast_and_decode_across_each_other() {
    let (here, there) = (Lab::new(), Lab::new());
    let actor = here.started("same");
    let namesake: gargoyle::Handle<Twin> = there.system.handle("same", ());
    let other = there.system.clone();
    actor
        .call(run(move |_, cx| {
            other.enter(|| namesake.cast(7).unwrap());
            assert_eq!(namesake.call(1).unwrap(), 8);
            assert_eq!(cx.handle().key(), "same");
        }))
        .unwrap();
    // The same id, the same name of the kind, another type, another system.
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Twin(u64);
    impl gargoyle::Actor for Twin {
        const KIND: &'static str = "notes";
        type Args = ();
        fn init(_: &(), _: &mut gargoyle::Context<Self>) -> Result<Self, gargoyle::BoxError> {
            Ok(Twin(0))
        }
    }
    impl gargoyle::Handler<u64> for Twin {
        type Reply = u64;
        fn handle(&mut self, n: u64, _: &mut gargoyle::Context<Self>) -> u64 {
            self.0 += n;
            self.0
        }
    }
}

/// A value that casts when it is dropped, and then panics.
struct Bomb(gargoyle::Handle<Notes>);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = self.0.cast(Add(77));
            panic!("a drop that panics");
        }
    }
}

#[test]
fn messages_and_replies_that_panic_when_dropped_harm_nobody_and_what_they_send_arrives() {
    let clock = gargoyle::testing::TestClock::new();
    let lab = Lab::with(|builder| builder.clock(clock.clone()));
    let (actor, witness) = (lab.started("bomb"), lab.started("bomb-witness"));
    let heard = |times| await_that(|| witness.query(List).unwrap().len() == times);

    // A reply that nobody waits for any more.
    let busy = Barrier::new();
    let (inside, bomb) = (busy.clone(), witness.clone());
    std::thread::scope(|scope| {
        let late = scope.spawn(|| {
            let handler = run(move |_: &mut Notes, _: &mut gargoyle::Context<Notes>| {
                inside.stop_here();
                Bomb(bomb)
            });
            actor.call_timeout(handler, Duration::from_secs(1)).is_err()
        });
        busy.wait();
        clock.advance(Duration::from_secs(1));
        assert!(late.join().unwrap());
        busy.let_go();
    });
    heard(1);

    // A message that its caller took back.
    let busy = occupy(&actor);
    let bomb = Bomb(witness.clone());
    assert!(actor.call_timeout(run(move |_, _| drop(bomb)), Duration::ZERO).is_err());
    busy.let_go();
    heard(2);

    // A message whose actor cannot be born.
    let unborn = lab.system.handle::<Notes>("bomb-unborn", Birth::Fails);
    let bomb = Bomb(witness.clone());
    unborn.cast(run(move |_, _| drop(bomb))).unwrap();
    heard(3);
    assert_eq!(actor.call(Add(1)).unwrap(), 1);
    assert_eq!(lab.system.stats().crashed, 0);
    await_that(|| lab.system.stats().live == 2);
}

/// Of which there may be one of a key in each system: the others' incarnations are counted by key.
#[derive(Serialize, Deserialize)]
struct Heard(Vec<u64>);

impl Actor for Heard {
    const KIND: &'static str = "heard";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Heard(Vec::new()))
    }
}

impl Handler<Add> for Heard {
    type Reply = Vec<u64>;

    fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> Vec<u64> {
        self.0.push(n);
        self.0.clone()
    }
}

/// A thread remembers the slot that it sent to last. One of the same id is in each of two systems.
#[test]
fn a_thread_that_sends_by_turns_reaches_whom_it_means_in_whatever_system() {
    let system = || System::builder(StdRegistry::new(), MemoryStorage::new()).build().unwrap();
    let (here, there) = (system(), system());
    let actors: [Handle<Heard>; 3] = [here.handle("a", ()), here.handle("b", ()), there.handle("a", ())];
    for turn_to_stone in [false, true, false] {
        for (n, actor) in (0..).zip(&actors) {
            actor.call(Add(n)).unwrap();
            actor.cast(Add(n + 10)).unwrap();
            if turn_to_stone {
                actor.petrify().unwrap();
            }
        }
    }
    for (n, actor) in (0..).zip(&actors) {
        assert_eq!(actor.call(Add(n)).unwrap(), [n, n + 10, n, n + 10, n, n + 10, n]);
    }
}
