//! Turns: what shares a save, what is saved at all, and what is held back until it is.

use std::thread;
use std::time::Duration;

use gargoyle::{Failure, Handled, StorageErrorKind};

use crate::support::*;

#[test]
fn messages_that_wait_together_share_one_save() {
    let lab = Lab::new();
    let actor = lab.started("share");
    let busy = occupy(&actor);
    (0..100).for_each(|n| actor.cast(Add(n)).unwrap());
    busy.let_go();
    assert_eq!(actor.query(List).unwrap().len(), 100);
    // The turn has a time limit: on a slow machine it may have taken a few turns.
    assert!(lab.saves_of(&actor) < 10, "{} saves", lab.saves_of(&actor));
}

#[test]
fn a_turn_ends_at_its_limits_and_saves() {
    for limited in [Lab::with(|b| b.turn_messages(1)), Lab::with(|b| b.turn_time(Duration::ZERO))] {
        let actor = limited.started("limit");
        let busy = occupy(&actor);
        (0..10).for_each(|n| actor.cast(Add(n)).unwrap());
        busy.let_go();
        actor.query(List).unwrap();
        assert_eq!(limited.saves_of(&actor), 11, "the birth, and one for each");
        actor.wipe().unwrap();
    }
}

#[test]
fn what_is_unchanged_is_not_saved() {
    let lab = Lab::new();
    let actor = lab.started("unchanged");
    assert_eq!(lab.saves_of(&actor), 1, "a birth is saved");
    actor.query(List).unwrap();
    actor.call(run(|_, _| ())).unwrap();
    actor.petrify().unwrap();
    actor.query(List).unwrap();
    assert_eq!(lab.saves_of(&actor), 1);
    actor.call(Add(1)).unwrap();
    assert_eq!(lab.saves_of(&actor), 2);
}

#[test]
fn a_birth_is_durable_before_its_first_reply_even_to_a_query() {
    let lab = Lab::new();
    let actor = lab.notes("birth");
    assert_eq!(actor.query(List).unwrap(), [] as [u64; 0]);
    assert_eq!(lab.stored(&actor), Some(vec![]));
}

#[test]
fn a_failed_save_refuses_the_whole_turn_and_the_next_incarnation_has_what_the_store_has() {
    for (kind, handled) in [
        (StorageErrorKind::Full, Handled::RolledBack),
        (StorageErrorKind::Refused, Handled::RolledBack),
        (StorageErrorKind::Unreachable, Handled::Unknown),
    ] {
        let lab = Lab::new();
        let actor = lab.started("failed-save");
        let busy = occupy(&actor);
        lab.next_save(Fault::Fail(kind));
        thread::scope(|scope| {
            let first = scope.spawn(|| actor.call(Add(1)).unwrap_err());
            lab.await_queued(&actor, 1);
            let second = scope.spawn(|| actor.query(List).unwrap_err());
            lab.await_queued(&actor, 2);
            busy.let_go();
            for error in [first.join().unwrap(), second.join().unwrap()] {
                assert!(matches!(error.failure(), Failure::NotSaved(cause) if cause.kind() == kind), "{error}");
                assert_eq!(error.handled(), handled);
            }
        });
        assert_eq!(actor.call(Add(2)).unwrap(), 1, "the first is rolled back");
        actor.wipe().unwrap();
    }
}

#[test]
fn a_save_that_fails_after_the_deed_is_unknown_and_the_next_incarnation_has_it() {
    let lab = Lab::new();
    let actor = lab.started("after-deed");
    lab.next_save(Fault::DoAndFail);
    let error = actor.call(Add(1)).unwrap_err();
    assert_eq!(error.handled(), Handled::Unknown);
    assert_eq!(actor.query(List).unwrap(), [1]);
}

#[test]
fn a_store_that_lies_is_found_at_the_next_save_and_nothing_is_mixed() {
    let lab = Lab::new();
    let actor = lab.started("lie");
    lab.next_save(Fault::Lie);
    actor.call(Add(1)).unwrap();
    let error = actor.call(Add(2)).unwrap_err();
    assert!(matches!(error.failure(), Failure::Conflict(_)), "{error}");
    assert_eq!(error.handled(), Handled::RolledBack);
    assert_eq!(actor.query(List).unwrap(), [] as [u64; 0], "as the store has it");
}

#[test]
fn a_record_that_somebody_else_wrote_is_a_conflict_and_is_loaded_then() {
    let lab = Lab::new();
    let actor = lab.started("somebody-else");
    actor.call(Add(1)).unwrap();
    let theirs = gargoyle::Storage::load(&lab.store.inner, actor.id()).unwrap().unwrap();
    actor.call(Add(2)).unwrap();
    let now = gargoyle::Storage::load(&lab.store.inner, actor.id()).unwrap().unwrap().revision;
    gargoyle::Storage::save(&lab.store.inner, actor.id(), Some(now), &theirs.bytes, None).unwrap();
    let error = actor.call(Add(3)).unwrap_err();
    assert!(matches!(error.failure(), Failure::Conflict(_)), "{error}");
    assert_eq!(actor.query(List).unwrap(), [1]);
}

#[test]
fn a_store_that_panics_costs_the_incarnation_and_not_the_process() {
    let lab = Lab::new();
    let actor = lab.started("panic");
    lab.next_save(Fault::Panic);
    let error = actor.call(Add(1)).unwrap_err();
    assert!(matches!(error.failure(), Failure::NotSaved(why) if why.to_string().ends_with("a store that panics")));
    assert_eq!(error.handled(), Handled::Unknown, "it may have saved before");
    lab.store.on_load.lock().unwrap().push(Fault::Panic);
    let error = actor.call(Add(1)).unwrap_err();
    assert!(matches!(error.failure(), Failure::NotLoaded(_)), "{error}");
    assert_eq!(actor.call(Add(1)).unwrap(), 1);
}

#[test]
fn a_hanging_store_holds_up_its_actor_alone_and_what_it_held_up_goes_on() {
    let lab = Lab::new();
    let (actor, neighbour) = (lab.started("hang"), lab.started("hang-neighbour"));
    let saving = Barrier::new();
    lab.next_save(Fault::Hang(saving.clone()));
    actor.cast(Add(1)).unwrap();
    saving.wait();
    assert_eq!(neighbour.call(Add(1)).unwrap(), 1);
    assert!(actor.call_timeout(Add(2), Duration::ZERO).is_err());
    assert!(actor.is_live());
    saving.let_go();
    assert_eq!(actor.query(List).unwrap(), [1]);
}

#[test]
fn a_cast_out_of_a_handler_waits_for_the_save_and_is_given_up_with_it() {
    let lab = Lab::new();
    let (sender, receiver) = (lab.started("cast-out"), lab.started("cast-in"));
    let forward = |n: u64| {
        let to = receiver.clone();
        run(move |notes: &mut Notes, _: &mut gargoyle::Context<Notes>| {
            to.cast(Add(n)).unwrap();
            notes.add(n);
        })
    };
    let saving = Barrier::new();
    lab.next_save(Fault::Hang(saving.clone()));
    sender.cast(forward(1)).unwrap();
    saving.wait();
    assert_eq!(receiver.query(List).unwrap(), [] as [u64; 0], "the sender's state is not safe yet");
    saving.let_go();
    sender.call(run(|_, _| ())).unwrap();
    assert_eq!(receiver.query(List).unwrap(), [1]);

    lab.next_save(Fault::Fail(StorageErrorKind::Full));
    assert!(sender.call(forward(2)).is_err());
    assert_eq!(receiver.query(List).unwrap(), [1], "nobody hears of what was undone");
}

#[test]
fn a_call_out_of_a_handler_goes_at_once_and_gives_the_replies_before_it() {
    let lab = Lab::new();
    let (actor, other) = (lab.started("call-out"), lab.started("call-out-other"));
    let busy = occupy(&actor);
    let other_busy = occupy(&other);
    thread::scope(|scope| {
        let earlier = scope.spawn(|| actor.call(Add(1)).unwrap());
        lab.await_queued(&actor, 1);
        let callee = other.clone();
        let calling = scope.spawn(|| actor.call(run(move |_, _| callee.call(Add(9)).unwrap())).unwrap());
        lab.await_queued(&actor, 2);
        busy.let_go();
        // The other one is still busy, so the call has not returned; the reply before it is there all the same.
        assert_eq!(earlier.join().unwrap(), 1);
        assert_eq!(lab.stored(&actor).unwrap(), [1]);
        lab.await_queued(&other, 1);
        other_busy.let_go();
        assert_eq!(calling.join().unwrap(), 1);
    });
}

/// Two actors in one turn each: one waits for a reply that the other one holds back, while that one calls the first.
/// Holding it back during the call would be a deadlock of our own making.
#[test]
fn a_held_reply_never_makes_a_deadlock() {
    let lab = Lab::new();
    let (a, b) = (lab.started("held-a"), lab.started("held-b"));
    let b_busy = occupy(&b);
    thread::scope(|scope| {
        let to_b = b.clone();
        let first = scope.spawn(|| a.call(run(move |_, _| to_b.call(Add(1)).unwrap())).unwrap());
        lab.await_queued(&b, 1);
        let to_a = a.clone();
        let second = scope.spawn(|| b.call(run(move |_, _| to_a.call(Add(2)).unwrap())).unwrap());
        lab.await_queued(&b, 2);
        b_busy.let_go();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (1, 1));
    });
}

#[test]
fn a_call_does_not_overtake_the_casts_of_the_same_handler_to_the_same_actor() {
    let lab = Lab::new();
    let (actor, other) = (lab.started("overtake"), lab.started("overtake-other"));
    let to = other.clone();
    let seen = actor.call(run(move |notes, _| {
        notes.add(1);
        (0..5).for_each(|n| to.cast(Add(n)).unwrap());
        to.query(List).unwrap()
    }));
    assert_eq!(seen.unwrap(), [0, 1, 2, 3, 4]);
}

#[test]
fn save_in_the_middle_of_a_message_is_durable_and_outlives_a_panic_after_it() {
    let lab = Lab::new();
    let actor = lab.started("save");
    let error = actor
        .call(run(|notes, cx| {
            notes.add(1);
            cx.save(notes).unwrap();
            notes.add(2);
            panic!("after the save");
        }))
        .unwrap_err();
    assert_eq!(error.handled(), Handled::Unknown, "half of it is saved");
    assert_eq!(actor.query(List).unwrap(), [1]);
}

#[test]
fn a_save_in_the_middle_that_had_nothing_to_save_keeps_nothing_of_a_panic_after_it() {
    let lab = Lab::new();
    let actor = lab.started("save-nothing");
    let error = actor
        .call(run(|notes, cx| {
            cx.save(notes).unwrap();
            notes.add(1);
            panic!("after a save of nothing");
        }))
        .unwrap_err();
    assert_eq!(error.handled(), Handled::RolledBack);
    assert_eq!(actor.query(List).unwrap(), [0; 0]);
}

#[test]
fn a_save_in_the_middle_that_fails_loses_the_message_whatever_its_handler_does() {
    let lab = Lab::new();
    let actor = lab.started("save-fails");
    lab.next_save(Fault::Fail(StorageErrorKind::Full));
    let error = actor
        .call(run(|notes, cx| {
            notes.add(1);
            assert!(matches!(cx.save(notes).unwrap_err().failure(), Failure::NotSaved(_)));
        }))
        .unwrap_err();
    assert!(matches!(error.failure(), Failure::NotSaved(_)), "{error}");
    assert_eq!(actor.query(List).unwrap(), [] as [u64; 0]);
}
