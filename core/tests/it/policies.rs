//! What becomes of an actor that ends: a test for each cell of the table at `RestartPolicy`.

use std::ops::ControlFlow;
use std::time::SystemTime;

use gargoyle::RestartPolicy::{self, Permanent, Temporary, Transient};
use gargoyle::{
    Actor, BoxError, BuildError, Context, Exit, Failure, Handle, MemoryStorage, Settings, Storage, StorageErrorKind,
    System,
};
use gargoyle_registry_std::StdRegistry;

use crate::support::*;

/// A lab whose actors live by this policy, and an actor of it that has 1 in its list and is live.
fn live(policy: RestartPolicy, key: &str) -> (Lab, Handle<Notes>) {
    let lab = Lab::with(|builder| builder.restart(policy).actor::<Notes>());
    let actor = lab.started(key);
    assert_eq!(actor.call(Add(1)).unwrap(), 1);
    (lab, actor)
}

/// As `live`, and stone.
fn stone(policy: RestartPolicy, key: &str) -> (Lab, Handle<Notes>) {
    let (lab, actor) = live(policy, key);
    actor.petrify().unwrap();
    (lab, actor)
}

/// The record is there, and what comes next is the same actor.
fn assert_kept(lab: &Lab, actor: &Handle<Notes>) {
    assert_eq!(lab.stored(actor), Some(vec![1]));
    assert_eq!(actor.call(Add(2)).unwrap(), 2);
}

/// The record is gone, and what comes next is another actor.
fn assert_gone(lab: &Lab, actor: &Handle<Notes>) {
    await_that(|| lab.stored(actor).is_none());
    assert_eq!(actor.call(Add(2)).unwrap(), 1);
}

#[test]
fn a_temporary_actor_that_is_stopped_is_gone() {
    let (lab, actor) = live(Temporary, "temporary-stop");
    actor.stop().unwrap();
    assert_gone(&lab, &actor);
    let (lab, actor) = stone(Temporary, "temporary-stop-stone");
    actor.stop().unwrap();
    assert_gone(&lab, &actor);
}

#[test]
fn a_transient_actor_that_is_stopped_is_gone() {
    let (lab, actor) = live(Transient, "transient-stop");
    actor.stop().unwrap();
    assert_gone(&lab, &actor);
    let (lab, actor) = stone(Transient, "transient-stop-stone");
    actor.stop().unwrap();
    assert_gone(&lab, &actor);
}

#[test]
fn a_permanent_actor_that_is_stopped_keeps_its_record_and_is_revived_by_the_next_message() {
    let (lab, actor) = live(Permanent, "permanent-stop");
    actor.stop().unwrap();
    assert!(!actor.is_live(), "it comes back by a message alone");
    assert_kept(&lab, &actor);
    actor.call(run(|_, cx| cx.stop())).unwrap();
    await_that(|| !actor.is_live());
    assert_eq!(lab.stored(&actor), Some(vec![1, 2]));
    let (lab, actor) = stone(Permanent, "permanent-stop-stone");
    actor.stop().unwrap();
    assert!(!actor.is_live());
    assert_kept(&lab, &actor);
}

#[test]
fn a_temporary_actor_that_panics_is_gone() {
    let (lab, actor) = live(Temporary, "temporary-panic");
    actor.call(AddAndPanic(9)).unwrap_err();
    assert_gone(&lab, &actor);
}

#[test]
fn a_transient_actor_that_panics_is_revived_by_the_next_message() {
    let (lab, actor) = live(Transient, "transient-panic");
    actor.call(AddAndPanic(9)).unwrap_err();
    await_that(|| !actor.is_live());
    assert_kept(&lab, &actor);
}

#[test]
fn a_permanent_actor_that_panics_is_revived_at_once() {
    let (lab, actor) = live(Permanent, "permanent-panic");
    let events = lab.system.events();
    actor.call(AddAndPanic(9)).unwrap_err();
    await_event(&events, actor.id(), |kind| matches!(kind, gargoyle::EventKind::Revived));
    assert!(actor.is_live());
    assert_kept(&lab, &actor);
}

#[test]
fn a_temporary_actor_whose_save_fails_is_gone() {
    for fault in [Fault::Fail(StorageErrorKind::Full), Fault::DoAndFail] {
        let (lab, actor) = live(Temporary, &format!("temporary-save-{}", matches!(fault, Fault::DoAndFail)));
        lab.next_save(fault);
        assert!(matches!(actor.call(Add(9)).unwrap_err().failure(), Failure::NotSaved(_)));
        assert_gone(&lab, &actor);
    }
}

#[test]
fn a_transient_actor_whose_save_fails_is_revived_by_the_next_message() {
    let (lab, actor) = live(Transient, "transient-save");
    lab.next_save(Fault::Fail(StorageErrorKind::Full));
    assert!(matches!(actor.call(Add(9)).unwrap_err().failure(), Failure::NotSaved(_)));
    await_that(|| !actor.is_live());
    assert_kept(&lab, &actor);
}

#[test]
fn a_permanent_actor_whose_save_fails_is_revived_at_once() {
    let (lab, actor) = live(Permanent, "permanent-save");
    let events = lab.system.events();
    lab.next_save(Fault::Fail(StorageErrorKind::Full));
    assert!(matches!(actor.call(Add(9)).unwrap_err().failure(), Failure::NotSaved(_)));
    await_event(&events, actor.id(), |kind| matches!(kind, gargoyle::EventKind::Revived));
    assert_kept(&lab, &actor);
}

/// The process dies while the actor is alive; the next one finds the store, and has the kind registered.
fn after_death(policy: RestartPolicy, key: &str) -> (Lab, Handle<Notes>) {
    let (lab, _) = live(policy, key);
    let found = lab.store_after_death();
    lab.system.shutdown(LONG).unwrap();
    let lab = Lab::on(found, |builder| builder.restart(policy).actor::<Notes>());
    let actor = lab.notes(key);
    (lab, actor)
}

#[test]
fn a_temporary_actor_whose_process_died_is_born_anew() {
    let (lab, actor) = after_death(Temporary, "temporary-death");
    assert!(!actor.is_live());
    assert_eq!(actor.peek(List).unwrap(), None, "nor is it there for those who look");
    assert_eq!(actor.call(Add(2)).unwrap(), 1);
    assert_eq!((lab.system.stats().born, lab.system.stats().revived), (1, 0));
}

#[test]
fn a_transient_actor_whose_process_died_is_revived_by_the_next_message() {
    let (lab, actor) = after_death(Transient, "transient-death");
    assert!(!actor.is_live());
    assert_kept(&lab, &actor);
}

#[test]
fn a_permanent_actor_whose_process_died_is_revived_when_the_next_one_begins() {
    let (lab, actor) = after_death(Permanent, "permanent-death");
    await_that(|| lab.system.stats().revived == 1);
    assert!(actor.is_live());
    assert_kept(&lab, &actor);
}

#[test]
fn petrifying_and_a_shutdown_are_no_end_whatever_the_policy() {
    for policy in [Temporary, Transient, Permanent] {
        let (lab, actor) = stone(policy, &format!("{policy:?}-petrify"));
        assert!(!actor.is_live(), "{policy:?} comes back by a message alone");
        assert_eq!(lab.stored(&actor), Some(vec![1]));
        assert_eq!(actor.call(Add(2)).unwrap(), 2);
        lab.system.shutdown(LONG).unwrap();

        let again = Lab::on(lab.store.clone(), |builder| builder.restart(policy).actor::<Notes>());
        assert_eq!(again.system.stats().live, 0, "{policy:?} was not alive when the process ended");
        assert_eq!(again.notes(actor.key()).query(List).unwrap(), [1, 2]);
        assert_eq!(again.system.stats().crashed, 0);
    }
}

#[test]
fn a_wipe_deletes_the_record_whatever_the_policy() {
    for policy in [Temporary, Transient, Permanent] {
        let (lab, actor) = live(policy, &format!("{policy:?}-wipe"));
        actor.wipe().unwrap();
        assert!(!actor.is_live());
        assert_gone(&lab, &actor);
        actor.petrify().unwrap();
        actor.wipe().unwrap();
        assert_gone(&lab, &actor);
    }
}

#[test]
fn a_stopped_permanent_actor_does_not_come_back_when_the_next_process_begins() {
    let (lab, actor) = live(Permanent, "permanent-stopped");
    actor.stop().unwrap();
    let found = lab.store_after_death();
    lab.system.shutdown(LONG).unwrap();
    let again = Lab::on(found, |builder| builder.restart(Permanent).actor::<Notes>());
    assert_eq!(again.system.resume().unwrap().revived, []);
    assert_eq!((again.system.stats().live, again.system.stats().revived), (0, 0));
    assert_eq!(again.notes(actor.key()).query(List).unwrap(), [1]);
}

#[test]
fn messages_behind_a_crash_or_a_stop_go_to_what_comes_next() {
    for (policy, after_crash, after_stop) in
        [(Temporary, vec![2], vec![3]), (Transient, vec![1, 2], vec![3]), (Permanent, vec![1, 2], vec![1, 2, 3])]
    {
        let (_lab, actor) = live(policy, &format!("{policy:?}-behind"));
        let busy = occupy(&actor);
        actor.cast(AddAndPanic(9)).unwrap();
        actor.cast(Add(2)).unwrap();
        busy.let_go();
        assert_eq!(actor.query(List).unwrap(), after_crash, "{policy:?}");
        let busy = occupy(&actor);
        actor.cast(run(|_, cx| cx.stop())).unwrap();
        actor.cast(Add(3)).unwrap();
        busy.let_go();
        assert_eq!(actor.query(List).unwrap(), after_stop, "{policy:?}");
    }
}

#[test]
fn a_transient_actor_costs_no_save_more_and_the_others_one_when_they_come_and_one_when_they_go() {
    for (policy, saves) in [(Temporary, 4), (Transient, 1), (Permanent, 4)] {
        let (lab, actor) = (Lab::with(|builder| builder.restart(policy)), format!("{policy:?}-cost"));
        let actor = lab.notes(&actor);
        assert_eq!(actor.call(Add(1)).unwrap(), 1);
        actor.petrify().unwrap();
        assert_eq!(actor.query(List).unwrap(), [1]);
        actor.petrify().unwrap();
        assert_eq!(lab.saves_of(&actor), saves, "{policy:?}");
    }
}

#[test]
fn the_record_says_that_an_actor_is_alive_before_anybody_has_a_reply_of_it() {
    let (lab, actor) = stone(Permanent, "mark");
    assert!(!lab.record(actor.id()).unwrap().live);
    assert_eq!(actor.query(List).unwrap(), [1]);
    assert!(lab.record(actor.id()).unwrap().live, "a query is enough");
    actor.petrify().unwrap();
    assert!(!lab.record(actor.id()).unwrap().live);
}

#[test]
fn what_a_temporary_actor_left_because_it_could_not_be_deleted_is_deleted_by_the_next_message() {
    let (lab, actor) = live(Temporary, "temporary-stuck");
    lab.store.on_wipe.lock().unwrap().push(Fault::Fail(StorageErrorKind::Unreachable));
    let events = lab.system.events();
    actor.call(AddAndPanic(9)).unwrap_err();
    await_event(&events, actor.id(), |kind| matches!(kind, gargoyle::EventKind::NotWiped(_)));
    await_that(|| !actor.is_live());
    assert_eq!(lab.stored(&actor), Some(vec![1]));
    lab.store.on_wipe.lock().unwrap().push(Fault::Fail(StorageErrorKind::Unreachable));
    assert!(matches!(actor.call(Add(2)).unwrap_err().failure(), Failure::NotWiped(_)), "it is not revived from it");
    assert_eq!(actor.call(Add(2)).unwrap(), 1);
}

#[test]
fn a_temporary_actor_deletes_nothing_that_somebody_else_wrote() {
    let (lab, actor) = live(Temporary, "temporary-conflict");
    let stored = gargoyle::Storage::load(&lab.store.inner, actor.id()).unwrap().unwrap();
    gargoyle::Storage::save(&lab.store.inner, actor.id(), Some(stored.revision), &stored.bytes, None).unwrap();
    assert!(matches!(actor.call(Add(2)).unwrap_err().failure(), Failure::Conflict(_)));
    await_that(|| !actor.is_live());
    assert_eq!(lab.stored(&actor), Some(vec![1]));
}

#[test]
fn who_cannot_be_resumed_is_named_and_keeps_nobody_else_from_it() {
    let lab = Lab::with(|builder| builder.restart(Permanent).actor::<Notes>());
    (0..3).for_each(|n| drop(lab.started(&format!("resume-{n}"))));
    let found = lab.store_after_death();
    lab.system.shutdown(LONG).unwrap();

    // Nothing is registered: nothing is looked for, and whoever asks hears why nobody comes.
    let without = Lab::on(found.clone(), |builder| builder.restart(Permanent));
    let resumed = without.system.resume().unwrap();
    assert_eq!((resumed.revived.len(), resumed.failed.len()), (0, 3));
    assert!(resumed.failed.iter().all(|error| matches!(error.failure(), Failure::UnknownKind)), "{resumed:?}");
    without.system.shutdown(LONG).unwrap();

    found.on_load.lock().unwrap().push(Fault::Fail(StorageErrorKind::Damaged));
    let with = Lab::on(found, |builder| builder.restart(Permanent).actor::<Notes>());
    await_that(|| with.system.stats().revived == 2);
    assert_eq!(with.system.stats().not_revived, 1);
    assert_eq!(with.system.resume().unwrap().revived.len(), 1, "and may try again");
    await_that(|| with.system.stats().revived == 3);
}

#[test]
fn more_permanent_actors_than_may_be_alive_come_back_one_after_the_other() {
    let lab = Lab::with(|builder| builder.restart(Permanent).actor::<Notes>());
    (0..12).for_each(|n| drop(lab.started(&format!("resume-many-{n}"))));
    let found = lab.store_after_death();
    lab.system.shutdown(LONG).unwrap();
    let again = Lab::on(found, |builder| builder.restart(Permanent).actor::<Notes>().max_live(4));
    await_that(|| again.system.stats().revived == 12);
    assert!(again.system.stats().live_peak <= 4);
}

#[test]
fn a_store_that_cannot_say_who_is_due_keeps_a_system_from_being_built() {
    let store = std::sync::Arc::new(Faulty::default());
    let build = || System::builder(StdRegistry::new(), store.clone()).actor::<Notes>().build();
    for (fault, said) in [
        (Fault::Fail(StorageErrorKind::Unreachable), "a fault on demand"),
        (Fault::Panic, "the store panicked over who has to be revived: a store that panics"),
    ] {
        store.on_due.lock().unwrap().push(fault);
        let error = build().unwrap_err();
        assert!(matches!(error, BuildError::NotResumed(_)));
        assert_eq!(format!("{error:#}"), format!("{error}: {said}"));
    }
    build().unwrap();
}

#[test]
fn two_registered_types_of_one_kind_are_refused_with_both_names() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Impostor;
    impl Actor for Impostor {
        const KIND: &'static str = "notes";
        type Args = ();
        fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
            Ok(Impostor)
        }
    }
    let builder = System::builder(StdRegistry::new(), MemoryStorage::new());
    let refused = builder.actor::<Notes>().actor::<Notes>().actor::<Impostor>().build().unwrap_err().to_string();
    assert!(refused.contains("support::Notes") && refused.contains("Impostor"), "{refused}");
}

#[test]
fn a_permanent_actor_whose_birth_fails_is_none_that_comes_back() {
    let lab = Lab::with(|builder| builder.restart(Permanent));
    let actor = lab.system.handle::<Notes>("permanent-unborn", Birth::Fails);
    assert!(matches!(actor.call(Add(1)).unwrap_err().failure(), Failure::NotBorn(_)));
    await_that(|| !actor.is_live());
    assert_eq!(lab.system.stats().not_revived, 1);
}

#[test]
fn a_permanent_actor_that_is_to_come_back_and_cannot_be_loaded_is_tried_again_until_it_lives() {
    let (lab, actor) = live(Permanent, "permanent-unloaded");
    let events = lab.system.events();
    let unreachable = || Fault::Fail(StorageErrorKind::Unreachable);
    lab.store.on_load.lock().unwrap().extend([unreachable(), unreachable()]);
    actor.call(AddAndPanic(9)).unwrap_err();
    await_event(&events, actor.id(), |kind| matches!(kind, gargoyle::EventKind::Revived));
    assert_eq!(lab.system.stats().not_revived, 2);
    assert_kept(&lab, &actor);
}

#[test]
fn a_shutdown_does_not_wait_for_an_actor_to_come_back() {
    let (lab, actor) = live(Permanent, "permanent-shutdown");
    let clock = gargoyle::testing::TestClock::new();
    let frozen = Lab::with(|builder| builder.restart(Permanent).max_live(3).clock(clock));
    let stuck = frozen.started("permanent-shutdown-quarantined");
    (0..4).for_each(|_| drop(stuck.call(AddAndPanic(1))));
    await_that(|| frozen.system.quarantined() == [stuck.id().clone()]);
    frozen.system.shutdown(LONG).unwrap();

    let busy = occupy(&actor);
    actor.cast(AddAndPanic(9)).unwrap();
    std::thread::scope(|scope| {
        let shutdown = scope.spawn(|| lab.system.shutdown(LONG));
        busy.let_go();
        shutdown.join().unwrap().unwrap();
    });
    assert_eq!(lab.stored(&actor), Some(vec![1]));
}

#[test]
fn one_actor_can_have_a_policy_of_its_own_and_keeps_it() {
    let (lab, actor) = live(Transient, "own-policy");
    actor.start_with(Settings::new().restart(Permanent)).unwrap();
    assert!(lab.record(actor.id()).unwrap().live, "from now on its record says so");
    actor.stop().unwrap();
    assert_kept(&lab, &actor);
    let found = lab.store_after_death();
    lab.system.shutdown(LONG).unwrap();
    let again = Lab::on(found, |builder| builder.actor::<Notes>());
    await_that(|| again.system.stats().revived == 1);
    let actor = again.notes("own-policy");
    actor.start_with(Settings::new()).unwrap();
    assert!(!again.record(actor.id()).unwrap().live, "its own settings can be taken back");
    actor.stop().unwrap();
    assert_gone(&again, &actor);
}

#[test]
fn an_actor_that_ends_is_told_why_and_one_that_petrifies_is_not() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Told;
    static TOLD: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
    impl Actor for Told {
        const KIND: &'static str = "told";
        type Args = ();
        fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
            Ok(Told)
        }
        fn terminate(&mut self, exit: &Exit, _: &mut Context<Self>) {
            TOLD.lock().unwrap().push(format!("{exit:?}"));
        }
    }
    let lab = Lab::with(|builder| builder.restart(Permanent));
    let told = lab.system.start::<Told>("a", ()).unwrap();
    let last = || TOLD.lock().unwrap().pop();
    told.petrify().unwrap();
    assert_eq!(last(), None);
    told.start().unwrap();
    told.stop().unwrap();
    assert_eq!(last().unwrap(), "Stopped");
    told.start().unwrap();
    gargoyle::testing::crash(&told).unwrap();
    await_that(|| lab.system.stats().crashed == 1);
    assert!(last().unwrap().starts_with("Crashed"));
    told.wipe().unwrap();
    assert_eq!(last().unwrap(), "Wiped");
}

/// A store shows whom a restart has to look at. It would be right to show all, and a restart would read every record.
#[test]
fn the_store_is_told_to_wake_a_permanent_actor_that_is_alive_and_nobody_else() {
    for policy in [Temporary, Transient, Permanent] {
        let lab = Lab::with(|builder| builder.restart(policy).actor::<Notes>());
        let [lives, sleeps] = ["due-lives", "due-sleeps"].map(|key| lab.started(key));
        sleeps.petrify().unwrap();
        let mut due = Vec::new();
        let mut visit = |id| {
            due.push(id);
            ControlFlow::Continue(())
        };
        lab.store.inner.due(SystemTime::now(), &mut visit).unwrap();
        let expected = if policy == Permanent { vec![lives.id().clone()] } else { Vec::new() };
        assert_eq!(due, expected, "{policy:?}");
    }
}

/// Whoever wrote it: another process, on a store without a lock, or a person.
#[test]
fn an_actor_that_stops_does_not_delete_what_somebody_else_has_written_meanwhile() {
    let (lab, actor) = live(Temporary, "stop-conflict");
    let stored = lab.store.inner.load(actor.id()).unwrap().unwrap();
    lab.store.inner.save(actor.id(), Some(stored.revision), &stored.bytes, None).unwrap();
    let error = actor.stop().unwrap_err();
    let Failure::NotWiped(error) = error.failure() else { panic!("{error:?}") };
    assert_eq!(error.kind(), StorageErrorKind::Stale);
    assert_eq!(lab.stored(&actor), Some(vec![1]));
}

#[test]
fn who_is_told_of_its_end_watches_nobody_any_more() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Late;
    static SAID: std::sync::Mutex<Option<Failure>> = std::sync::Mutex::new(None);
    impl Actor for Late {
        const KIND: &'static str = "late";
        type Args = ();
        fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
            Ok(Late)
        }
        fn terminate(&mut self, _: &Exit, cx: &mut Context<Self>) {
            let other = cx.system().handle::<Late>("other", ());
            *SAID.lock().unwrap() = cx.watch(&other).err().map(|error| error.failure().clone());
        }
    }
    let lab = Lab::new();
    lab.system.start::<Late>("one", ()).unwrap().stop().unwrap();
    let said = SAID.lock().unwrap().take();
    assert!(matches!(said, Some(Failure::Ended)), "{said:?}");
}
