//! The end of a system: everything turns to stone, and nothing that was accepted is lost.

use std::thread;
use std::time::Duration;

use gargoyle::{Failure, Registry};

use crate::support::*;

/// Waits until a shutdown has begun: from then on nobody from outside gets an answer.
fn await_closing(lab: &Lab) {
    await_that(|| lab.notes("nobody").peek(List).is_err());
}

#[test]
fn a_shutdown_with_full_mailboxes_handles_what_was_accepted_and_refuses_what_comes_later() {
    let lab = Lab::with(|builder| builder.mailbox_capacity(64));
    let actors: Vec<_> = (0..4).map(|n| lab.started(&format!("shutdown-{n}"))).collect();
    let busy: Vec<_> = actors.iter().map(occupy).collect();
    actors.iter().for_each(|actor| (0..64).for_each(|n| actor.try_cast(Add(n)).unwrap()));
    thread::scope(|scope| {
        let shutdown = scope.spawn(|| lab.system.shutdown(LONG));
        await_closing(&lab);
        busy.iter().for_each(Barrier::let_go);
        shutdown.join().unwrap().unwrap();
    });
    assert!(lab.registry.is_empty());
    for actor in &actors {
        assert_eq!(lab.stored(actor).unwrap(), (0..64).collect::<Vec<_>>());
        assert!(matches!(actor.call(Add(1)).unwrap_err().failure(), Failure::Shutdown));
        assert!(matches!(actor.peek(List).unwrap_err().failure(), Failure::Shutdown));
    }
    lab.system.shutdown(Duration::ZERO).unwrap();
}

#[test]
fn during_a_shutdown_actors_still_reach_each_other_to_finish_what_was_accepted() {
    let lab = Lab::new();
    let (from, to) = (lab.started("finish-from"), lab.notes("finish-to"));
    let busy = occupy(&from);
    let target = to.clone();
    from.cast(run(move |notes, _| {
        notes.add(1);
        target.cast(Add(2)).unwrap();
        target.call(Add(3)).unwrap();
    }))
    .unwrap();
    thread::scope(|scope| {
        let shutdown = scope.spawn(|| lab.system.shutdown(LONG));
        await_closing(&lab);
        busy.let_go();
        shutdown.join().unwrap().unwrap();
    });
    assert_eq!((lab.stored(&from).unwrap(), lab.stored(&to).unwrap()), (vec![1], vec![2, 3]));
}

#[test]
fn a_shutdown_reports_what_it_could_not_turn_to_stone_and_that_still_saves_what_it_does() {
    let lab = Lab::new();
    let (stuck, fine) = (lab.started("stuck"), lab.started("fine"));
    let busy = occupy(&stuck);
    stuck.cast(Add(1)).unwrap();
    let error = lab.system.shutdown(Duration::ZERO).unwrap_err();
    assert!(error.still_live().contains(stuck.id()));
    assert!(error.to_string().contains("notes/stuck"), "{error}");
    await_that(|| !fine.is_live());
    busy.let_go();
    await_that(|| !stuck.is_live());
    assert_eq!(lab.stored(&stuck).unwrap(), [1]);
    lab.system.shutdown(LONG).unwrap();
}

#[test]
fn dropping_the_last_clone_shuts_down_and_handles_do_not_keep_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let open = || gargoyle_storage_fs::FsStorage::open(folder.path().join("store"));
    let system = gargoyle::System::builder(gargoyle_registry_std::StdRegistry::new(), open().unwrap()).build().unwrap();
    let clone = system.clone();
    let actor = system.start::<Notes>("drop", Birth::Fine).unwrap();
    // An actor that keeps a clone of its system as it sees it does not keep it open either.
    actor.call(run(|_, cx| std::mem::forget(cx.system().clone()))).unwrap();
    drop(system);
    actor.call(Add(1)).unwrap();
    let events = clone.events();
    drop(clone);
    assert!(matches!(actor.call(Add(2)).unwrap_err().failure(), Failure::Shutdown));
    assert!(events.iter().count() > 0, "the stream of events comes to its end");
    let again = gargoyle::System::builder(gargoyle_registry_std::StdRegistry::new(), open().unwrap()).build().unwrap();
    assert_eq!(again.handle::<Notes>("drop", Birth::Fine).query(List).unwrap(), [1]);
}

#[test]
fn dropping_a_system_with_a_stuck_actor_does_not_panic_nor_wait_for_ever() {
    let lab = Lab::with(|builder| builder.drop_timeout(Duration::ZERO));
    let actor = lab.started("drop-stuck");
    let busy = occupy(&actor);
    let Lab { system, .. } = lab;
    drop(system);
    assert!(actor.is_live());
    busy.let_go();
    await_that(|| !actor.is_live());
}

#[test]
fn a_shutdown_from_inside_an_actor_does_not_wait_for_itself() {
    let lab = Lab::new();
    let actor = lab.started("inside");
    let error = actor.call(run(|_, cx| cx.system().shutdown(LONG).unwrap_err())).unwrap();
    assert_eq!(error.still_live(), [actor.id().clone()]);
    await_that(|| !actor.is_live());
    lab.system.shutdown(LONG).unwrap();
}

#[test]
fn a_system_on_the_same_store_finds_everything_after_a_shutdown() {
    let lab = Lab::new();
    (0..10).for_each(|n| assert_eq!(lab.notes(&format!("again-{n}")).call(Add(n)).unwrap(), 1));
    lab.system.shutdown(LONG).unwrap();
    let again = Lab::on(lab.store.clone(), |builder| builder);
    (0..10).for_each(|n| assert_eq!(again.notes(&format!("again-{n}")).query(List).unwrap(), [n]));
    assert_eq!(again.system.stats().revived, 10);
}

#[test]
fn an_actor_that_keeps_itself_busy_is_reported_and_ends_after_the_deadline() {
    struct Tick;
    impl gargoyle::Handler<Tick> for Notes {
        type Reply = ();
        fn handle(&mut self, _: Tick, cx: &mut gargoyle::Context<Self>) {
            let _ = cx.handle().cast(Tick);
        }
    }
    let lab = Lab::new();
    let actor = lab.started("ticking");
    actor.cast(Tick).unwrap();
    assert_eq!(lab.system.shutdown(Duration::ZERO).unwrap_err().still_live(), [actor.id().clone()]);
    await_that(|| !actor.is_live());
    lab.system.shutdown(LONG).unwrap();
}
