//! A store hears of every end of an incarnation, when nothing is saved or wiped for it any more and before anybody is told
//! that it is over.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use gargoyle::testing::{self, TestClock};
use gargoyle::{
    ActorId, Builder, Handle, MemoryStorage, RestartPolicy, Revision, SaveMode, Storage, StorageError,
    StorageErrorKind, Stored, System, Visit,
};
use gargoyle_registry_std::StdRegistry;

use crate::support::{Add, AddAndPanic, Birth, LONG, List, Notes, await_that, run};

/// What a store was asked to do for an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Load,
    Save,
    Wipe,
    Rest,
}

/// A store that keeps a diary.
#[derive(Default)]
struct Diary {
    inner: MemoryStorage,
    done: Mutex<Vec<(ActorId, Done)>>,
    /// What the next save, or the next load, fails with.
    next_save: Mutex<Option<StorageErrorKind>>,
    next_load: Mutex<Option<StorageErrorKind>>,
    panics_at_rest: bool,
}

impl Diary {
    fn note(&self, id: &ActorId, done: Done) {
        self.done.lock().unwrap().push((id.clone(), done));
    }

    fn of(&self, id: &ActorId) -> Vec<Done> {
        self.done.lock().unwrap().iter().filter(|(of, _)| of == id).map(|(_, done)| *done).collect()
    }

    fn fail(next: &Mutex<Option<StorageErrorKind>>) -> Result<(), StorageError> {
        next.lock().unwrap().take().map_or(Ok(()), |kind| Err(StorageError::new(kind, "a fault on demand")))
    }
}

impl Storage for Diary {
    fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError> {
        self.note(id, Done::Load);
        Self::fail(&self.next_load)?;
        self.inner.load(id)
    }

    fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Result<Revision, StorageError> {
        self.note(id, Done::Save);
        Self::fail(&self.next_save)?;
        self.inner.save(id, expected, bytes, wake_at)
    }

    fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        self.note(id, Done::Wipe);
        self.inner.wipe(id, expected)
    }

    fn scan(&self, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Result<(), StorageError> {
        self.inner.scan(kind, after, visit)
    }

    fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError> {
        self.inner.due(until, visit)
    }

    fn rest(&self, id: &ActorId) {
        self.note(id, Done::Rest);
        assert!(!self.panics_at_rest, "a store that panics at rest");
    }
}

/// A system on a diary. Its actors never petrify by themselves.
struct Scene {
    store: Arc<Diary>,
    system: System,
}

fn scene(settings: impl FnOnce(Builder) -> Builder) -> Scene {
    scene_on(Diary::default(), settings)
}

fn scene_on(store: Diary, settings: impl FnOnce(Builder) -> Builder) -> Scene {
    let store = Arc::new(store);
    let builder = System::builder(StdRegistry::new(), store.clone()).idle_never().call_timeout(LONG);
    Scene { system: settings(builder).build().unwrap(), store }
}

impl Scene {
    /// One that is alive and has saved more than its birth.
    fn busy(&self, key: &str) -> Handle<Notes> {
        let actor = self.system.start(key, Birth::Fine).unwrap();
        actor.call(Add(1)).unwrap();
        assert!(!self.store.of(actor.id()).contains(&Done::Rest), "it is alive");
        actor
    }

    /// The store was told once since the last of these times, and nothing was done after it. By then its end was told.
    #[track_caller]
    fn assert_rests(&self, actor: &Handle<Notes>, times: usize) {
        let done = self.store.of(actor.id());
        assert_eq!(done.last(), Some(&Done::Rest), "{done:?}");
        assert_eq!(done.iter().filter(|done| **done == Done::Rest).count(), times, "{done:?}");
    }

    /// Waits until nobody is alive: of those ends of which nobody is told.
    fn await_stone(&self, actor: &Handle<Notes>) {
        await_that(|| !actor.is_live());
    }
}

#[test]
fn stone_by_a_call_by_itself_by_its_idle_time_and_to_make_room() {
    let clock = TestClock::new();
    let scene = scene(|builder| builder.clock(clock.clone()).idle(Duration::from_secs(60)).max_live(2));
    let told = scene.busy("rest-told");
    told.petrify().unwrap();
    scene.assert_rests(&told, 1);

    let itself = scene.busy("rest-itself");
    itself.call(run(|_, cx| cx.petrify())).unwrap();
    scene.await_stone(&itself);
    scene.assert_rests(&itself, 1);

    let idle = scene.busy("rest-idle");
    clock.advance(Duration::from_secs(61));
    scene.await_stone(&idle);
    scene.assert_rests(&idle, 1);

    let evicted = ["rest-evicted-0", "rest-evicted-1"].map(|key| scene.busy(key));
    scene.busy("rest-newcomer");
    await_that(|| evicted.iter().any(|actor| !actor.is_live()));
    let stone = evicted.iter().find(|actor| !actor.is_live()).unwrap();
    scene.assert_rests(stone, 1);
}

#[test]
fn each_of_several_lives() {
    let scene = scene(|builder| builder);
    let actor = scene.busy("rest-lives");
    for life in 1..5 {
        actor.petrify().unwrap();
        scene.assert_rests(&actor, life);
        actor.call(Add(2)).unwrap();
    }
    assert_eq!(actor.query(List).unwrap().len(), 5);
}

#[test]
fn a_stop_and_a_wipe_after_the_record_is_deleted() {
    let scene = scene(|builder| builder);
    let stopped = scene.busy("rest-stopped");
    stopped.stop().unwrap();
    let done = scene.store.of(stopped.id());
    assert_eq!(done[done.len() - 2..], [Done::Wipe, Done::Rest]);

    let wiped = scene.busy("rest-wiped");
    wiped.wipe().unwrap();
    let done = scene.store.of(wiped.id());
    assert_eq!(done[done.len() - 2..], [Done::Wipe, Done::Rest]);

    let itself = scene.busy("rest-stops-itself");
    itself.call(run(|_, cx| cx.stop())).unwrap();
    scene.await_stone(&itself);
    scene.assert_rests(&itself, 1);
}

#[test]
fn a_crash_by_a_panic_on_demand_and_by_a_save_that_failed_whatever_the_policy() {
    for policy in [RestartPolicy::Temporary, RestartPolicy::Transient] {
        let scene = scene(|builder| builder.restart(policy));
        let key = |what: &str| format!("rest-{what}-{policy:?}");
        let panicked = scene.busy(&key("panicked"));
        panicked.call(AddAndPanic(2)).unwrap_err();
        scene.await_stone(&panicked);
        scene.assert_rests(&panicked, 1);

        let crashed = scene.busy(&key("crashed"));
        testing::crash(&crashed).unwrap();
        scene.await_stone(&crashed);
        scene.assert_rests(&crashed, 1);

        for kind in [StorageErrorKind::Unreachable, StorageErrorKind::Stale] {
            let not_saved = scene.busy(&key(&format!("{kind:?}")));
            *scene.store.next_save.lock().unwrap() = Some(kind);
            not_saved.call(Add(2)).unwrap_err();
            scene.await_stone(&not_saved);
            scene.assert_rests(&not_saved, 1);
        }
    }
}

/// Its slot never goes: the thread that told of the end runs the next incarnation.
#[test]
fn a_crash_of_a_permanent_actor_before_it_comes_back() {
    let scene = scene(|builder| builder.restart(RestartPolicy::Permanent).actor::<Notes>());
    let actor = scene.busy("rest-permanent");
    actor.call(AddAndPanic(2)).unwrap_err();
    assert_eq!(actor.call(Add(3)).unwrap(), 2);
    let done = scene.store.of(actor.id());
    let rest = done.iter().position(|done| *done == Done::Rest).expect("it came to rest in between");
    assert!(done[rest..].starts_with(&[Done::Rest, Done::Load]), "{done:?}");
}

#[test]
fn a_birth_that_failed_and_a_revival_that_did() {
    let scene = scene(|builder| builder);
    for (key, birth) in [("rest-unborn", Birth::Fails), ("rest-miscarried", Birth::Panics)] {
        let unborn = scene.system.handle::<Notes>(key, birth);
        unborn.call(Add(1)).unwrap_err();
        scene.await_stone(&unborn);
        scene.assert_rests(&unborn, 1);
    }
    let unread = scene.busy("rest-unread");
    unread.petrify().unwrap();
    *scene.store.next_load.lock().unwrap() = Some(StorageErrorKind::Damaged);
    unread.call(Add(2)).unwrap_err();
    scene.await_stone(&unread);
    scene.assert_rests(&unread, 2);
}

#[test]
fn an_order_that_is_carried_out_on_a_record_alone() {
    let scene = scene(|builder| builder);
    for (key, order) in [("rest-stone-stop", Handle::stop as fn(&_) -> _), ("rest-stone-wipe", Handle::wipe)] {
        let actor = scene.busy(key);
        actor.petrify().unwrap();
        order(&actor).unwrap();
        scene.assert_rests(&actor, 2);
    }
    let (watcher, watched) = (scene.busy("rest-watcher"), scene.busy("rest-watched"));
    watched.petrify().unwrap();
    let other = watched.clone();
    watcher.call(run(move |_, cx| cx.watch(&other).unwrap())).unwrap();
    await_that(|| scene.store.of(watched.id()).iter().filter(|done| **done == Done::Rest).count() == 2);
    let done = scene.store.of(watched.id());
    assert_eq!(done[done.len() - 2..], [Done::Save, Done::Rest], "the watch is in the record, and nobody is alive");
}

#[test]
fn a_shutdown_and_the_drop_of_a_system_after_the_last_save() {
    let by_shutdown = scene(|builder| builder.save(SaveMode::OnPetrify));
    let actors = ["rest-shutdown-0", "rest-shutdown-1"].map(|key| by_shutdown.busy(key));
    by_shutdown.system.shutdown(LONG).unwrap();
    for actor in &actors {
        by_shutdown.assert_rests(actor, 1);
        let done = by_shutdown.store.of(actor.id());
        assert_eq!(done[done.len() - 2..], [Done::Save, Done::Rest]);
    }
    let by_drop = scene(|builder| builder);
    let actor = by_drop.busy("rest-drop");
    let Scene { store, system } = by_drop;
    drop(system);
    assert_eq!(store.of(actor.id()).last(), Some(&Done::Rest));
}

#[test]
fn those_who_only_look_bring_nobody_to_rest() {
    let scene = scene(|builder| builder);
    let actor = scene.busy("rest-looked-at");
    actor.petrify().unwrap();
    assert_eq!(actor.peek(List).unwrap(), Some(vec![1]));
    assert_eq!(scene.store.of(actor.id()).last(), Some(&Done::Load));
}

#[test]
fn a_store_that_panics_at_rest_harms_nobody() {
    let scene = scene_on(Diary { panics_at_rest: true, ..Diary::default() }, |builder| builder);
    let actor = scene.busy("rest-panic");
    actor.petrify().unwrap();
    assert_eq!(actor.call(Add(2)).unwrap(), 2);
    actor.stop().unwrap();
    assert_eq!(scene.system.stats().crashed, 0);
}
