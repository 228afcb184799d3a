//! Errors as a person reads them: each names the actor, what happened, and keeps its cause.

use std::error::Error;

use gargoyle::{Failure, Storage, StorageErrorKind};

use crate::support::*;

#[test]
fn an_error_names_the_actor_and_what_happened_and_keeps_its_cause() {
    let lab = Lab::new();
    let actor = lab.started("alice");
    lab.next_save(Fault::Fail(StorageErrorKind::Full));
    let error = actor.call(Add(1)).unwrap_err();
    assert_eq!(error.to_string(), "notes/alice: the state could not be saved");
    assert_eq!(error.source().unwrap().to_string(), "a fault on demand");
    assert_eq!(error.id(), actor.id());
}

/// A machine without a thread to give: the stack is larger than any address space.
#[test]
fn a_thread_that_cannot_be_started_is_an_error_and_nothing_is_left_of_the_try() {
    let lab = Lab::with(|builder| builder.stack_bytes(1 << 50));
    let actor = lab.notes("no-thread");
    let error = actor.call(Add(1)).unwrap_err();
    assert!(matches!(error.failure(), Failure::NoThread(_)), "{error}");
    let cast = actor.cast(Add(2)).unwrap_err();
    assert!(matches!(cast.failure(), Failure::NoThread(_)));
    assert_eq!(cast.into_message(), Add(2));
    assert_eq!((actor.is_live(), lab.system.stats().live), (false, 0));
    lab.system.shutdown(LONG).unwrap();
}

#[test]
fn many_senders_that_cannot_get_a_thread_all_hear_of_it() {
    let lab = Lab::with(|builder| builder.stack_bytes(1 << 50));
    let actor = lab.notes("no-threads");
    std::thread::scope(|scope| {
        for n in 0..16 {
            let actor = &actor;
            scope.spawn(move || {
                (0..50).for_each(|_| {
                    let error = actor.call(Add(n)).unwrap_err();
                    assert!(matches!(error.failure(), Failure::NoThread(_)), "{error}");
                });
            });
        }
    });
    assert_eq!(lab.system.stats().live, 0);
}

#[test]
fn an_error_shows_its_whole_story_when_asked_and_an_event_always() {
    let lab = Lab::new();
    let events = lab.system.events();
    let actor = lab.system.handle::<Notes>("story", Birth::Fails);
    let error = actor.call(Add(1)).unwrap_err();
    assert_eq!(format!("{error:#}"), "notes/story: the actor could not be born: a birth that fails");
    let event = events.recv_timeout(LONG).unwrap();
    assert_eq!(event.to_string(), "notes/story was not revived: the actor could not be born: a birth that fails");
}

/// Bug: a wrong type that asked once for a record of another kind of state owned the kind from then on. Cause: the kind was
/// claimed by the try. Fix: by the first success.
#[test]
fn a_record_of_another_shape_is_explained_and_claims_nothing() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Impostor {
        balance: u64,
    }
    impl gargoyle::Actor for Impostor {
        const KIND: &'static str = "notes";
        type Args = Birth;
        fn init(_: &Birth, _: &mut gargoyle::Context<Self>) -> Result<Self, gargoyle::BoxError> {
            Ok(Impostor { balance: 0 })
        }
    }
    let lab = Lab::new();
    lab.started("shape").call(Add(1)).unwrap();
    lab.system.shutdown(LONG).unwrap();

    let again = Lab::on(lab.store.clone(), |builder| builder);
    let error = again.system.start::<Impostor>("shape", Birth::Fine).unwrap_err();
    let text = format!("{error:#}");
    for part in ["Impostor", "missing field `balance`", "VERSION", "migrate", "KIND"] {
        assert!(text.contains(part), "{text}");
    }
    await_that(|| !again.notes("shape").is_live());
    assert_eq!(again.notes("shape").query(List).unwrap(), [1]);
}

/// Whoever puts a copy of a record into another one's place does not make two of one actor.
#[test]
fn a_record_of_another_actor_is_not_taken_for_its_own_and_stays() {
    let lab = Lab::new();
    let (alice, bob) = (lab.started("record-alice"), lab.notes("record-bob"));
    let copied = lab.stored_bytes(alice.id()).unwrap();
    lab.store.inner.save(bob.id(), None, &copied, None).unwrap();
    for error in [bob.call(Add(1)).unwrap_err(), bob.peek(List).unwrap_err(), bob.stop().unwrap_err()] {
        assert!(matches!(error.failure(), Failure::Unreadable(_)), "{error}");
        assert!(format!("{error:#}").contains("record-alice"), "{error:#}");
    }
    assert_eq!(lab.stored_bytes(bob.id()), Some(copied));
    bob.wipe().unwrap();
    assert_eq!(bob.call(Add(1)).unwrap(), 1);
}

/// The next save would not know what it replaces.
#[test]
fn a_store_whose_revisions_do_not_rise_is_not_believed() {
    let lab = Lab::new();
    let actor = lab.started("revisions");
    actor.call(Add(1)).unwrap();
    lab.next_save(Fault::Repeat);
    let error = actor.call(Add(2)).unwrap_err();
    assert!(matches!(error.failure(), Failure::NotSaved(_)), "{error}");
    assert!(format!("{error:#}").contains("gave notes/revisions revision"), "{error:#}");
    // It is loaded anew, with what the store has.
    assert_eq!(actor.query(List).unwrap(), [1, 2]);
    assert_eq!(actor.call(Add(3)).unwrap(), 3);
}
