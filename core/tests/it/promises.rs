//! The promises P1 to P10, each under the conditions that could break it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use gargoyle::testing::TestClock;
use gargoyle::{
    Actor, BoxError, Builder, Context, EventKind, Failure, Handle, Handled, Handler, Persist, Phase, Registry, Storage,
    StorageErrorKind,
};
use serde::Serialize;

use crate::support::*;

/// Casts from many threads to one id, while it turns to stone over and over. `petrify` returns when it has seen that: it is
/// called all the time beside the senders, and by one of them before each of its casts, so that as many revivals as it has
/// casts do not depend on the scheduler. `before_cast` is called by each sender before each cast.
fn storm(
    settings: impl FnOnce(Builder) -> Builder,
    key: &str,
    petrify: impl Fn(&Handle<Notes>) + Sync,
    before_cast: impl Fn(&Handle<Notes>) + Sync,
) {
    const THREADS: u64 = 50;
    const CASTS: u64 = 40;
    let lab = Lab::with(|builder| settings(builder.mailbox_capacity(8)));
    let actor = lab.notes(key);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let petrifier = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                petrify(&actor);
                thread::yield_now();
            }
        });
        let send = |thread: u64| {
            for n in 0..CASTS {
                if thread == 0 {
                    petrify(&actor);
                }
                before_cast(&actor);
                actor.cast(Add(thread * 1000 + n)).unwrap();
            }
        };
        let senders: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || send(thread))).collect();
        let sent: Vec<_> = senders.into_iter().map(|sender| sender.join()).collect();
        done.store(true, Ordering::Release);
        petrifier.join().unwrap();
        sent.into_iter().for_each(Result::unwrap);
    });
    let list = actor.query(List).unwrap();
    let stats = lab.system.stats();
    // The first cast of that sender may be the actor's birth.
    assert!(stats.revived >= CASTS - 1, "the storm hit a sleeping actor: {stats:?}");
    assert_eq!((stats.undeliverable, stats.crashed), (0, 0));
    // In the order of each sender, each once: so the numbers of a thread are all there, rising.
    assert_eq!(list.len() as u64, THREADS * CASTS);
    for thread in 0..THREADS {
        let of_thread: Vec<u64> = list.iter().filter(|n| *n / 1000 == thread).map(|n| n % 1000).collect();
        assert_eq!(of_thread, (0..CASTS).collect::<Vec<_>>());
    }
}

/// `Notes` itself ends the test's process if two of them exist at once.
#[test]
fn p1_p2_no_message_is_lost_or_doubled_and_no_two_incarnations_meet_while_it_is_petrified_over_and_over() {
    storm(|builder| builder, "storm-by-order", |actor| actor.petrify().unwrap(), |_| {});
}

#[test]
fn p1_p2_no_message_is_lost_or_doubled_and_no_two_incarnations_meet_while_it_idles_over_and_over() {
    const IDLE: Duration = Duration::from_secs(60);
    let clock = TestClock::new();
    let advance = clock.clone();
    // Senders give it a chance to be idle; whether it takes it is the scheduler's affair.
    let linger = |actor: &Handle<Notes>| {
        (0..200).take_while(|_| actor.is_live()).for_each(|_| thread::yield_now());
    };
    storm(
        |builder| builder.idle(IDLE).call_timeout(Duration::MAX).clock(clock),
        "storm-by-idling",
        |actor| {
            while actor.is_live() {
                advance.advance(IDLE);
                thread::yield_now();
            }
        },
        linger,
    );
}

#[test]
fn p2_a_message_during_the_final_save_goes_to_the_next_incarnation() {
    let lab = Lab::new();
    let actor = lab.started("p2-final-save");
    let busy = occupy(&actor);
    let saving = Barrier::new();
    lab.next_save(Fault::Hang(saving.clone()));
    let events = lab.system.events();
    actor.cast(Add(1)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| actor.petrify().unwrap());
        lab.await_queued(&actor, 2);
        busy.let_go();
        saving.wait();
        let late = scope.spawn(|| actor.call(Add(2)).unwrap());
        lab.await_queued(&actor, 1);
        saving.let_go();
        assert_eq!(late.join().unwrap(), 2);
    });
    assert_eq!(kinds_so_far(&events, actor.id()), ["saved", "petrified", "revived", "saved"]);
    assert_eq!(lab.stored(&actor).unwrap(), [1, 2]);
}

#[test]
fn p3_a_reply_is_given_only_after_its_state_is_durable() {
    let lab = Lab::new();
    let actor = lab.started("p3");
    let busy = occupy(&actor);
    let saving = Barrier::new();
    lab.next_save(Fault::Hang(saving.clone()));
    let (answered, answers) = crossbeam_channel::unbounded();
    thread::scope(|scope| {
        let (actor, also_answered) = (&actor, answered.clone());
        scope.spawn(move || answered.send(vec![actor.call(Add(7)).unwrap() as u64]).unwrap());
        lab.await_queued(actor, 1);
        // One that only looks at the unsaved state waits for the same save.
        scope.spawn(move || also_answered.send(actor.query(List).unwrap()).unwrap());
        lab.await_queued(actor, 2);
        busy.let_go();
        saving.wait();
        assert!(answers.is_empty(), "both are handled, and nothing is saved");
        saving.let_go();
        let mut both: Vec<_> = (0..2).map(|_| answers.recv_timeout(LONG).unwrap()).collect();
        both.sort();
        assert_eq!(both, [vec![1], vec![7]]);
    });
    assert_eq!(lab.saves_of(&actor), 2, "one for the birth, one for both messages");
}

#[test]
fn p3_whenever_a_reply_is_there_the_store_has_the_state() {
    let lab = Lab::new();
    let actor = lab.notes("p3-always");
    thread::scope(|scope| {
        for thread in 0..8u64 {
            let (lab, actor) = (&lab, &actor);
            scope.spawn(move || {
                for n in 0..100 {
                    let length = actor.call(Add(thread * 1000 + n)).unwrap();
                    let stored = lab.stored(actor).unwrap();
                    assert_eq!(stored[length - 1], thread * 1000 + n);
                }
            });
        }
    });
}

#[test]
fn p4_after_a_crash_in_the_middle_of_a_turn_the_actor_goes_on_from_the_last_message_that_did_not_crash() {
    let lab = Lab::new();
    let actor = lab.started("p4");
    let events = lab.system.events();
    let busy = occupy(&actor);
    actor.cast(Add(1)).unwrap();
    actor.cast(Add(2)).unwrap();
    thread::scope(|scope| {
        let crash = scope.spawn(|| actor.call(AddAndPanic(3)).unwrap_err());
        lab.await_queued(&actor, 3);
        actor.cast(Add(4)).unwrap();
        busy.let_go();
        let error = crash.join().unwrap();
        assert!(matches!(error.failure(), Failure::Crashed(text) if text == "a handler that panics"), "{error}");
        assert_eq!(error.handled(), Handled::RolledBack);
    });
    assert_eq!(actor.query(List).unwrap(), [1, 2, 4]);
    assert_eq!(kinds_so_far(&events, actor.id()), ["saved", "crashed", "revived", "saved"]);
}

#[test]
fn p5_a_stone_actor_has_no_thread_no_slot_and_no_open_file() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Arc::new(gargoyle_registry_std::StdRegistry::new());
    let store = gargoyle_storage_fs::FsStorage::open(folder.path().join("store")).unwrap();
    let system = gargoyle::System::builder(registry.clone(), store).build().unwrap();
    let open_without_actors = open_files_in(folder.path());
    let actors: Vec<_> = (0..20).map(|n| system.start::<Notes>(format!("p5-{n}"), Birth::Fine).unwrap()).collect();
    assert_eq!((registry.len(), system.stats().live), (20, 20));
    assert_eq!(threads_named("notes/p5").len(), 20);
    // One that is busy holds something, which it has to give back.
    for n in 1..4 {
        actors.iter().for_each(|actor| assert_eq!(actor.call(Add(n)).unwrap(), n as usize));
    }
    assert_eq!(open_files_in(folder.path()).len(), open_without_actors.len() + 20);
    actors.iter().for_each(|actor| actor.petrify().unwrap());
    assert_eq!((registry.len(), system.stats().live), (0, 0));
    assert!(actors.iter().all(|actor| !actor.is_live()));
    // A thread says that it has left before the machine has taken it back.
    await_that(|| threads_named("notes/p5").is_empty());
    assert_eq!(open_files_in(folder.path()), open_without_actors);
}

#[cfg(target_os = "linux")]
fn threads_named(prefix: &str) -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with(prefix)).collect()
}

#[cfg(target_os = "linux")]
fn open_files_in(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let folder = folder.canonicalize().unwrap();
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let paths = open.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
    let mut paths: Vec<_> = paths.filter(|path| path.starts_with(&folder)).collect();
    paths.sort();
    paths
}

#[test]
fn p6_one_actors_crashes_slow_birth_and_full_mailbox_touch_no_other_actor() {
    let lab = Lab::with(|builder| builder.mailbox_capacity(1));
    let neighbour = lab.started("p6-neighbour");

    let crashing = lab.notes("p6-crashing");
    (0..100).for_each(|n| assert!(crashing.call(AddAndPanic(n)).is_err()));

    let loading = Barrier::new();
    lab.store.on_load.lock().unwrap().push(Fault::Hang(loading.clone()));
    let slow = lab.notes("p6-slow");
    slow.cast(Add(1)).unwrap();
    loading.wait();

    let full = lab.started("p6-full");
    let busy = occupy(&full);
    full.cast(Add(1)).unwrap();
    assert!(matches!(full.try_cast(Add(2)).unwrap_err().failure(), Failure::Full));

    (0..100).for_each(|n| assert_eq!(neighbour.call(Add(n)).unwrap(), n as usize + 1));
    lab.started("p6-newborn").call(Add(1)).unwrap();
    busy.let_go();
    loading.let_go();
}

#[test]
fn p7_every_wait_ends_at_its_deadline_and_says_how_far_the_message_came() {
    const LIMIT: Duration = Duration::from_secs(5);
    let clock = TestClock::new();
    let lab = Lab::with(|builder| builder.mailbox_capacity(1).clock(clock.clone()));
    // Sends, waits until the message has come to a certain point, and lets the time pass.
    let phase_at = |actor: &Handle<Notes>, arrived: &dyn Fn()| {
        let error = thread::scope(|scope| {
            let call = scope.spawn(|| actor.call_timeout(Add(9), LIMIT).unwrap_err());
            arrived();
            clock.advance(LIMIT);
            call.join().unwrap()
        });
        match error.failure() {
            Failure::Timeout(phase) => (*phase, error.handled()),
            other => panic!("not a timeout: {other}"),
        }
    };

    let loading = Barrier::new();
    lab.store.on_load.lock().unwrap().push(Fault::Hang(loading.clone()));
    let reviving = lab.notes("p7-reviving");
    assert_eq!(phase_at(&reviving, &|| loading.wait()), (Phase::Queued, Handled::No));
    loading.let_go();
    assert_eq!(reviving.query(List).unwrap(), [] as [u64; 0], "what was taken back is not handled");

    let saving = Barrier::new();
    let saved = lab.started("p7-saving");
    lab.next_save(Fault::Hang(saving.clone()));
    assert_eq!(phase_at(&saved, &|| saving.wait()), (Phase::Saving, Handled::Unknown));
    saving.let_go();
    assert_eq!(saved.query(List).unwrap(), [9], "what was handled stays handled");

    let full = lab.started("p7-full");
    let busy = occupy(&full);
    full.cast(Add(1)).unwrap();
    let waits_for_space = || await_that(|| format!("{:?}", lab.registry.get(full.id())).contains("awaited: true"));
    assert_eq!(phase_at(&full, &waits_for_space), (Phase::Space, Handled::No));
    let unsent = full.cast_timeout(Add(2), Duration::ZERO).unwrap_err();
    assert!(matches!(unsent.failure(), Failure::Timeout(Phase::Space)));
    assert_eq!(unsent.into_message(), Add(2));
    busy.let_go();

    let handling = lab.started("p7-handling");
    let inside = Barrier::new();
    let stop = inside.clone();
    let error = thread::scope(|scope| {
        let call = scope.spawn(|| handling.call_timeout(run(move |_, _| stop.stop_here()), LIMIT).unwrap_err());
        inside.wait();
        clock.advance(LIMIT);
        call.join().unwrap()
    });
    assert!(matches!(error.failure(), Failure::Timeout(Phase::Handling)), "{error}");
    assert_eq!(error.handled(), Handled::Unknown);
    inside.let_go();
}

#[test]
fn p7_a_call_that_would_close_a_cycle_is_refused_at_once_with_its_path() {
    let lab = Lab::new();
    let [a, b, c] = ["p7-a", "p7-b", "p7-c"].map(|key| lab.started(key));
    let (to_b, to_c, to_a) = (b.clone(), c.clone(), a.clone());
    let error = a
        .call(run(move |_, _| {
            to_b.call(run(move |_, _| to_c.call(run(move |_, _| to_a.call(Add(1)).unwrap_err())).unwrap())).unwrap()
        }))
        .unwrap();
    let Failure::Deadlock(path) = error.failure() else { panic!("not a deadlock: {error}") };
    assert_eq!(path, &[c.id(), a.id(), b.id(), c.id()].map(Clone::clone));
    assert_eq!(error.handled(), Handled::No);

    let itself = a.clone();
    let error = a.call(run(move |_, _| itself.call(Add(1)).unwrap_err())).unwrap();
    assert!(matches!(error.failure(), Failure::Deadlock(path) if path.len() == 2), "{error}");
    // And nothing of it stays: the same calls the other way round are fine.
    let (to_b, to_a) = (b.clone(), a.clone());
    assert_eq!(c.call(run(move |_, _| to_b.call(run(move |_, _| to_a.call(Add(1)).unwrap())).unwrap())).unwrap(), 1);
}

#[test]
fn p8_looking_wakes_nobody() {
    let lab = Lab::new();
    let actor = lab.started("p8");
    actor.call(Add(7)).unwrap();
    actor.petrify().unwrap();
    let before = (lab.system.stats(), lab.saves_of(&actor));
    let events = lab.system.events();
    assert!(!actor.is_live());
    assert_eq!(actor.peek(List).unwrap(), Some(vec![7]));
    assert_eq!(lab.notes("p8-nobody").peek(List).unwrap(), None);
    assert!(!actor.is_live());
    assert_eq!((lab.system.stats(), lab.saves_of(&actor)), before);
    assert!(events.is_empty());
    assert_eq!(lab.stored(&lab.notes("p8-nobody")), None, "nobody is born by a peek");
}

#[test]
fn p9_whatever_comes_to_nothing_is_an_error_or_an_event_and_a_counter() {
    let lab = Lab::new();
    let events = lab.system.events();
    let failure_of = |kind| match kind {
        EventKind::Undeliverable { failure, message } => (failure, message),
        other => panic!("{other:?}"),
    };
    let undeliverable = |actor: &Handle<Notes>| {
        failure_of(await_event(&events, actor.id(), |kind| matches!(kind, EventKind::Undeliverable { .. })))
    };

    let unborn = lab.system.handle::<Notes>("p9-unborn", Birth::Fails);
    unborn.cast(Add(1)).unwrap();
    let (failure, message) = undeliverable(&unborn);
    assert!(matches!(failure, Failure::NotBorn(_)) && message.ends_with("Add"), "{failure} {message}");

    let crashing = lab.started("p9-crashing");
    crashing.cast(AddAndPanic(1)).unwrap();
    assert!(matches!(undeliverable(&crashing).0, Failure::Crashed(_)));

    let unsaved = lab.started("p9-unsaved");
    lab.next_save(Fault::Fail(StorageErrorKind::Full));
    unsaved.cast(Add(1)).unwrap();
    assert!(matches!(undeliverable(&unsaved).0, Failure::NotSaved(_)));

    // What a handler casts and then takes back by its panic.
    let target = lab.started("p9-target");
    let to = target.clone();
    let sent_then_panicked = unsaved.call(run(move |_, _| {
        to.cast(Add(1)).unwrap();
        panic!("after a cast");
    }));
    assert!(sent_then_panicked.is_err());
    assert!(matches!(undeliverable(&target).0, Failure::Crashed(_)));
    assert_eq!(target.query(List).unwrap(), [] as [u64; 0]);
    assert_eq!(lab.system.stats().undeliverable, 4);
}

#[test]
fn p10_what_a_store_cannot_read_is_that_very_error_and_nothing_is_born_in_its_place() {
    let lab = Lab::new();
    let actor = lab.started("p10");
    actor.call(Add(1)).unwrap();
    actor.petrify().unwrap();
    let stored = lab.store.inner.load(actor.id()).unwrap().unwrap();
    for at in 0..stored.bytes.len() {
        let mut damaged = stored.bytes.clone();
        damaged[at] ^= 0x40;
        let now = lab.store.inner.load(actor.id()).unwrap().unwrap().revision;
        let put = lab.store.inner.save(actor.id(), Some(now), &damaged, None).unwrap();
        lab.system.pardon(actor.id());
        let error = actor.call(Add(2)).unwrap_err();
        assert!(matches!(error.failure(), Failure::Unreadable(_)), "byte {at}: {error}");
        assert_eq!(error.handled(), Handled::No);
        assert!(matches!(actor.peek(List).unwrap_err().failure(), Failure::Unreadable(_)));
        assert!(
            matches!(actor.stop().unwrap_err().failure(), Failure::Unreadable(_)),
            "stop keeps what it cannot read"
        );
        let after = lab.store.inner.load(actor.id()).unwrap().unwrap();
        assert_eq!((after.revision, after.bytes), (put, damaged), "nothing was changed");
    }
    actor.wipe().unwrap();
    assert_eq!(actor.call(Add(3)).unwrap(), 1, "after a wipe it is born anew");
}

#[test]
fn p10_damage_that_the_store_reports_is_an_error_and_never_absence() {
    let lab = Lab::new();
    let actor = lab.started("p10-store");
    actor.petrify().unwrap();
    for kind in [StorageErrorKind::Damaged, StorageErrorKind::Unreachable, StorageErrorKind::Refused] {
        lab.store.on_load.lock().unwrap().push(Fault::Fail(kind));
        let error = actor.call(Add(1)).unwrap_err();
        assert!(matches!(error.failure(), Failure::NotLoaded(error) if error.kind() == kind), "{error}");
    }
    assert_eq!(actor.call(Add(1)).unwrap(), 1);
}

/// An actor may hold what cannot leave its thread.
struct NotSend(Rc<Cell<u64>>);

impl Persist for NotSend {
    type Stored = u64;

    fn dump(&self) -> impl Serialize + '_ {
        self.0.get()
    }

    fn load(n: u64) -> Result<Self, BoxError> {
        Ok(NotSend(Rc::new(Cell::new(n))))
    }
}

impl Actor for NotSend {
    const KIND: &'static str = "not-send";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(NotSend(Rc::default()))
    }
}

impl Handler<u64> for NotSend {
    type Reply = u64;

    fn handle(&mut self, n: u64, _: &mut Context<Self>) -> u64 {
        self.0.set(self.0.get() + n);
        self.0.get()
    }
}

#[test]
fn an_actor_need_not_be_send() {
    let lab = Lab::new();
    let actor = lab.system.handle::<NotSend>("not-send", ());
    assert_eq!(actor.call(2).unwrap(), 2);
    actor.petrify().unwrap();
    assert_eq!(actor.call(3).unwrap(), 5);
}
