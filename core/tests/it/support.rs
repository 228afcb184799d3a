//! The actor that the tests talk to, a store that fails on demand, and waits for events.

#[path = "../common/event_names.rs"]
mod event_names;

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};
use gargoyle::{
    Actor, ActorId, BoxError, Builder, Context, Event, EventKind, Exit, Handle, Handler, MemoryStorage, Persist, Query,
    Record, Registry, Revision, SlotRef, Storage, StorageError, StorageErrorKind, Stored, System, Visit,
};
use gargoyle_registry_std::StdRegistry;
use serde::{Deserialize, Serialize};

/// No test waits this long unless it fails.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A system with its registry and its store in the test's hand. Its actors never petrify by themselves unless told to.
pub(crate) struct Lab {
    pub(crate) registry: Arc<Doorman>,
    pub(crate) store: Arc<Faulty>,
    pub(crate) system: System,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(settings: impl FnOnce(Builder) -> Builder) -> Self {
        Self::on(Arc::default(), settings)
    }

    pub(crate) fn on(store: Arc<Faulty>, settings: impl FnOnce(Builder) -> Builder) -> Self {
        let registry = Arc::<Doorman>::default();
        let builder = System::builder(registry.clone(), store.clone());
        // Whatever depends on time takes a clock.
        let builder = builder.idle_never().call_timeout(LONG).turn_time(LONG);
        Lab { system: settings(builder).build().unwrap(), registry, store }
    }

    pub(crate) fn notes(&self, key: &str) -> Handle<Notes> {
        self.system.handle(key, Birth::Fine)
    }

    /// Notes that are alive and saved.
    pub(crate) fn started(&self, key: &str) -> Handle<Notes> {
        self.system.start(key, Birth::Fine).unwrap()
    }

    /// Waits until so many messages are in the mailbox.
    pub(crate) fn await_queued(&self, actor: &Handle<Notes>, messages: usize) {
        await_that(|| self.queued(actor.id()) >= messages);
    }

    /// How many messages are in its mailbox.
    pub(crate) fn queued(&self, id: &ActorId) -> usize {
        self.registry.inner.get(id).map_or(0, |slot| slot.queued())
    }

    /// The numbers that the store has for an actor.
    pub(crate) fn stored(&self, actor: &Handle<Notes>) -> Option<Vec<u64>> {
        let record = Record::from_bytes(&self.stored_bytes(actor.id())?).unwrap();
        let notes: StoredNotes = ciborium::from_reader(&record.state[..]).unwrap();
        Some(notes.list)
    }

    pub(crate) fn stored_bytes(&self, id: &ActorId) -> Option<Vec<u8>> {
        self.store.inner.load(id).unwrap().map(|stored| stored.bytes)
    }

    /// The store as it would be found if the process died now. Shut this system down before another one uses it: actors of
    /// one key must not meet.
    pub(crate) fn store_after_death(&self) -> Arc<Faulty> {
        let found = Arc::new(Faulty::default());
        let mut due = Vec::new();
        let far = SystemTime::now() + LONG;
        let mut note = |id: ActorId| {
            due.push(id);
            ControlFlow::Continue(())
        };
        self.store.inner.due(far, &mut note).unwrap();
        let mut copy = |id: ActorId| {
            let wake_at = due.contains(&id).then_some(SystemTime::UNIX_EPOCH);
            found.inner.save(&id, None, &self.stored_bytes(&id).unwrap(), wake_at).unwrap();
            ControlFlow::Continue(())
        };
        self.store.inner.scan(None, None, &mut copy).unwrap();
        found
    }

    /// The record of an actor, if the store has one.
    pub(crate) fn record(&self, id: &ActorId) -> Option<Record> {
        Some(Record::from_bytes(&self.stored_bytes(id)?).unwrap())
    }

    pub(crate) fn saves_of(&self, actor: &Handle<Notes>) -> usize {
        self.store.saves.lock().unwrap().iter().filter(|id| *id == actor.id()).count()
    }

    /// What the next save does.
    pub(crate) fn next_save(&self, fault: Fault) {
        self.store.on_save.lock().unwrap().push(fault);
    }
}

/// Waits for something that has no event to wait for.
pub(crate) fn await_that(mut is: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(started.elapsed() < LONG, "it never came true");
        std::thread::yield_now();
    }
}

/// An actor that keeps a list, and makes sure that it is the only one of its key in the process.
pub(crate) struct Notes {
    key: String,
    list: Vec<u64>,
    _alive: Alive,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredNotes {
    key: String,
    list: Vec<u64>,
}

#[derive(Serialize)]
struct DumpedNotes<'a> {
    key: &'a str,
    list: &'a [u64],
}

/// Fails the test if two of a key exist at once. Keys of tests are unique.
struct Alive(Arc<AtomicBool>);

impl Alive {
    fn new(key: &str) -> Self {
        static ALIVE: LazyLock<Mutex<HashMap<String, Arc<AtomicBool>>>> = LazyLock::new(Mutex::default);
        let flag = ALIVE.lock().unwrap().entry(key.to_owned()).or_default().clone();
        // Not an assertion: a panic in `load` would be an error of a call, and might go unseen.
        if flag.swap(true, Ordering::SeqCst) {
            // Past the test's capture of its output, which an abort would take along.
            let _ = writeln!(std::io::stderr(), "two incarnations of {key:?} at once");
            std::process::abort();
        }
        Alive(flag)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Persist for Notes {
    type Stored = StoredNotes;

    fn dump(&self) -> impl Serialize + '_ {
        DumpedNotes { key: &self.key, list: &self.list }
    }

    fn load(stored: StoredNotes) -> Result<Self, BoxError> {
        Ok(Notes { _alive: Alive::new(&stored.key), key: stored.key, list: stored.list })
    }
}

/// What `Notes` is born with.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) enum Birth {
    #[default]
    Fine,
    Fails,
    Panics,
    /// With two messages that continue `init`.
    Continues,
    /// With a message that continues `init`, which fails then.
    ContinuesAndFails,
}

impl Actor for Notes {
    const KIND: &'static str = "notes";
    type Args = Birth;

    fn init(birth: &Birth, cx: &mut Context<Self>) -> Result<Self, BoxError> {
        if let Birth::Continues | Birth::ContinuesAndFails = birth {
            cx.continue_with(Add(100));
            cx.continue_with(Add(101));
        }
        match birth {
            Birth::Fine | Birth::Continues => {
                let key = cx.id().key().to_owned();
                Ok(Notes { _alive: Alive::new(&key), key, list: Vec::new() })
            }
            Birth::Fails | Birth::ContinuesAndFails => Err("a birth that fails".into()),
            Birth::Panics => panic!("a birth that panics"),
        }
    }
}

/// Adds a number to the list. Replies with the list's length.
#[derive(Debug, PartialEq)]
pub(crate) struct Add(pub(crate) u64);

impl Handler<Add> for Notes {
    type Reply = usize;

    fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> usize {
        self.list.push(n);
        self.list.len()
    }
}

pub(crate) struct List;

impl Query<List> for Notes {
    type Reply = Vec<u64>;

    fn query(&self, _: List) -> Vec<u64> {
        self.list.clone()
    }
}

/// Adds a number, then panics.
pub(crate) struct AddAndPanic(pub(crate) u64);

impl Handler<AddAndPanic> for Notes {
    type Reply = ();

    fn handle(&mut self, AddAndPanic(n): AddAndPanic, _: &mut Context<Self>) {
        self.list.push(n);
        panic!("a handler that panics");
    }
}

pub(crate) struct PanicInQuery;

impl Query<PanicInQuery> for Notes {
    type Reply = ();

    fn query(&self, _: PanicInQuery) {
        panic!("a query that panics");
    }
}

/// Runs a test's own code in a handler.
pub(crate) struct Run<F>(pub(crate) F);

impl<F, R> Handler<Run<F>> for Notes
where
    F: FnOnce(&mut Notes, &mut Context<Notes>) -> R + Send + 'static,
    R: Send + 'static,
{
    type Reply = R;

    fn handle(&mut self, Run(f): Run<F>, cx: &mut Context<Self>) -> R {
        f(self, cx)
    }
}

/// A `Run` with its closure's type inferred.
pub(crate) fn run<R, F>(f: F) -> Run<F>
where
    F: FnOnce(&mut Notes, &mut Context<Notes>) -> R + Send + 'static,
{
    Run(f)
}

impl Notes {
    pub(crate) fn add(&mut self, n: u64) {
        self.list.push(n);
    }

    pub(crate) fn list(&self) -> &[u64] {
        &self.list
    }
}

/// A place where a thread stops until the test lets it on.
#[derive(Clone, Debug)]
pub(crate) struct Barrier {
    arrived: (Sender<()>, Receiver<()>),
    go: (Sender<()>, Receiver<()>),
}

impl Barrier {
    pub(crate) fn new() -> Self {
        Barrier { arrived: bounded(1), go: bounded(1) }
    }

    /// For the thread that stops.
    pub(crate) fn stop_here(&self) {
        self.arrived.0.send(()).unwrap();
        self.go.1.recv_timeout(LONG).unwrap();
    }

    /// For the test: waits until the thread has stopped.
    pub(crate) fn wait(&self) {
        self.arrived.1.recv_timeout(LONG).unwrap();
    }

    pub(crate) fn let_go(&self) {
        self.go.0.send(()).unwrap();
    }
}

/// A registry that the tests know more of: who is looked up when, and what happens meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Doorman {
    pub(crate) inner: StdRegistry,
    /// Who is looked up next, and where whoever does it has to stop.
    expected: Mutex<VecDeque<(ActorId, Option<Barrier>)>>,
    /// Where whoever inserts the next slot has to stop, when it is in.
    pub(crate) stop_inserted: Mutex<Option<Barrier>>,
    /// Whose look-up panics, once.
    pub(crate) panic_at: Mutex<Option<ActorId>>,
}

impl Doorman {
    /// Expects that `id` is looked up after those that are expected already, and has whoever does it stop there.
    pub(crate) fn expect(&self, id: &ActorId, stop: Option<&Barrier>) {
        self.expected.lock().unwrap().push_back((id.clone(), stop.cloned()));
    }

    /// How many of those that were expected have not been looked up.
    pub(crate) fn still_expected(&self) -> usize {
        self.expected.lock().unwrap().len()
    }
}

impl Registry for Doorman {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        let stop = self.expected.lock().unwrap().pop_front_if(|(expected, _)| expected == id);
        if let Some((_, Some(barrier))) = stop {
            barrier.stop_here();
        }
        let panics = self.panic_at.lock().unwrap().take_if(|other| other == id).is_some();
        assert!(!panics, "a registry that panics");
        self.inner.get(id)
    }

    fn get_or_insert(&self, slot: SlotRef) -> Option<SlotRef> {
        let there = self.inner.get_or_insert(slot);
        let stop = self.stop_inserted.lock().unwrap().take();
        if let Some(barrier) = stop {
            barrier.stop_here();
        }
        there
    }

    fn remove_if_same(&self, slot: &SlotRef) -> bool {
        self.inner.remove_if_same(slot)
    }

    fn for_each(&self, visit: &mut dyn FnMut(&SlotRef)) {
        self.inner.for_each(visit);
    }

    fn len(&self) -> usize {
        self.inner.len()
    }
}

/// How an actor ended, in a word.
pub(crate) fn exit_name(exit: &Exit) -> &'static str {
    match exit {
        Exit::Stopped => "stopped",
        Exit::Wiped => "wiped",
        Exit::Crashed(_) => "crashed",
        Exit::Absent => "absent",
        _ => "unknown",
    }
}

/// Keeps an actor busy, so that what is sent in the meantime is one turn. Let it go by the barrier.
pub(crate) fn occupy(actor: &Handle<Notes>) -> Barrier {
    let barrier = Barrier::new();
    let inside = barrier.clone();
    actor.cast(run(move |_, _| inside.stop_here())).unwrap();
    barrier.wait();
    barrier
}

/// What a store does with its next operations.
#[derive(Clone)]
pub(crate) enum Fault {
    /// Fails, and does nothing.
    Fail(StorageErrorKind),
    /// Does it, and fails all the same.
    DoAndFail,
    /// Says that it did it, and did nothing.
    Lie,
    /// Does it, and says that the revision is the one that there was.
    Repeat,
    /// Waits at the barrier, then does it.
    Hang(Barrier),
    Panic,
}

/// A store in memory with faults on demand, that counts its saves.
#[derive(Default)]
pub(crate) struct Faulty {
    pub(crate) inner: MemoryStorage,
    pub(crate) on_save: Mutex<Vec<Fault>>,
    pub(crate) on_load: Mutex<Vec<Fault>>,
    pub(crate) on_wipe: Mutex<Vec<Fault>>,
    pub(crate) on_due: Mutex<Vec<Fault>>,
    pub(crate) saves: Mutex<Vec<ActorId>>,
    never_loads: Mutex<Option<ActorId>>,
}

impl Faulty {
    /// From now on this actor cannot be loaded.
    pub(crate) fn crash_loop(&self, id: &ActorId) {
        *self.never_loads.lock().unwrap() = Some(id.clone());
    }

    pub(crate) fn end_crash_loop(&self) {
        *self.never_loads.lock().unwrap() = None;
    }

    /// `Ok(true)`: go on as ever. `Ok(false)`: pretend.
    fn fault(faults: &Mutex<Vec<Fault>>) -> Result<bool, StorageError> {
        let fault = faults.lock().unwrap().pop();
        match fault {
            None => Ok(true),
            Some(Fault::Fail(kind)) => Err(StorageError::new(kind, "a fault on demand")),
            Some(Fault::DoAndFail | Fault::Repeat) => unreachable!("for saves only"),
            Some(Fault::Lie) => Ok(false),
            Some(Fault::Hang(barrier)) => {
                barrier.stop_here();
                Ok(true)
            }
            Some(Fault::Panic) => panic!("a store that panics"),
        }
    }
}

impl Storage for Faulty {
    fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError> {
        Self::fault(&self.on_load)?;
        if self.never_loads.lock().unwrap().as_ref() == Some(id) {
            return Err(StorageError::new(StorageErrorKind::Unreachable, "an actor that is never loaded"));
        }
        self.inner.load(id)
    }

    fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Result<Revision, StorageError> {
        self.saves.lock().unwrap().push(id.clone());
        let repeat = self.on_save.lock().unwrap().pop_if(|fault| matches!(fault, Fault::Repeat)).is_some();
        if repeat {
            self.inner.save(id, expected, bytes, wake_at)?;
            return Ok(expected.unwrap_or(Revision::new(0)));
        }
        let do_and_fail = self.on_save.lock().unwrap().pop_if(|fault| matches!(fault, Fault::DoAndFail)).is_some();
        if do_and_fail {
            self.inner.save(id, expected, bytes, wake_at)?;
            return Err(StorageError::new(StorageErrorKind::Unreachable, "a fault after the deed"));
        }
        if Self::fault(&self.on_save)? {
            self.inner.save(id, expected, bytes, wake_at)
        } else {
            Ok(Revision::new(expected.map_or(1, |revision| revision.get() + 1)))
        }
    }

    fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        if Self::fault(&self.on_wipe)? { self.inner.wipe(id, expected) } else { Ok(()) }
    }

    fn scan(&self, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Result<(), StorageError> {
        self.inner.scan(kind, after, visit)
    }

    fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError> {
        Self::fault(&self.on_due)?;
        self.inner.due(until, visit)
    }

    fn rest(&self, id: &ActorId) {
        self.inner.rest(id);
    }
}

/// Waits for an event of an actor that `is` accepts.
pub(crate) fn await_event(events: &Receiver<Event>, actor: &ActorId, is: impl Fn(&EventKind) -> bool) -> EventKind {
    loop {
        let event = events.recv_timeout(LONG).expect("the event happens");
        if event.id == *actor && is(&event.kind) {
            return event.kind;
        }
    }
}

/// The kinds of all events that are there, without their contents.
pub(crate) fn kinds_so_far(events: &Receiver<Event>, actor: &ActorId) -> Vec<&'static str> {
    events.try_iter().filter(|event| event.id == *actor).map(|event| event_names::name_of(&event.kind)).collect()
}
