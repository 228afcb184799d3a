//! Calls, queries and peeks of several threads at once, of actors that petrify, crash and end meanwhile, in a store that
//! fails and a system that is restarted: is every history linearizable?

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, RwLock};
use std::time::{Duration, SystemTime};

use gargoyle::{
    ActorId, CallError, Failure, MemoryStorage, RestartPolicy, Revision, SaveMode, Settings, Storage, StorageError,
    StorageErrorKind, Stored, System, Visit,
};
use gargoyle_registry_sharded::ShardedRegistry;
use gargoyle_registry_std::StdRegistry;
use gargoyle_storage_fs::FsStorage;
use gargoyle_storage_lmdb::LmdbStorage;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestError, TestRunner};
use tempfile::TempDir;

use crate::checker::{Event, is_linearizable};
use crate::ledger::{Answer, Ledger, OneAtATime, Operation};
use crate::{number, silence_panics_of_actors};

const SCRIPTS: u32 = 250;

/// How often each script is run: threads never meet in the same way.
const RUNS: usize = 3;

const ACTORS: usize = 2;
const LONG: Duration = Duration::from_secs(20);

/// What the threads of a history do.
#[derive(Clone, Debug)]
struct Script {
    setup: Setup,
    threads: Vec<Vec<Step>>,
}

#[derive(Clone, Copy, Debug)]
struct Setup {
    sharded: bool,
    store: Store,
    policy: RestartPolicy,
    save: SaveMode,
    turn_messages: usize,
    max_live: usize,
    /// Each so-many-th operation of the store fails, by turns before and after it is done.
    fails: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Store {
    Memory,
    Fs,
    Lmdb,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The number that it adds is made later.
    Do(usize, Operation),
    /// A shutdown, and another system on the same store.
    Restart,
}

fn scripts() -> impl Strategy<Value = Script> {
    (setup(), vec(vec(step(), 1..=8), 2..=6)).prop_map(|(setup, threads)| Script { setup, threads })
}

fn setup() -> impl Strategy<Value = Setup> {
    let store = prop_oneof![4 => Just(Store::Memory), 1 => Just(Store::Fs), 1 => Just(Store::Lmdb)];
    let policy = prop_oneof![2 => Just(RestartPolicy::Transient), 1 => Just(RestartPolicy::Permanent)];
    let save = prop_oneof![3 => Just(SaveMode::EveryTurn), 1 => Just(SaveMode::OnPetrify)];
    let turn_messages = prop_oneof![Just(1), Just(2), Just(256)];
    let max_live = prop_oneof![1 => Just(1), 3 => Just(64)];
    let fails = prop_oneof![2 => Just(None), 1 => (3..12_usize).prop_map(Some)];
    (any::<bool>(), store, policy, save, turn_messages, max_live, fails).prop_map(
        |(sharded, store, policy, save, turn_messages, max_live, fails)| {
            // What a failure loses in a weaker mode is lost to those who heard of it.
            let fails = fails.filter(|_| save == SaveMode::EveryTurn);
            Setup { sharded, store, policy, save, turn_messages, max_live, fails }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let operation = prop_oneof![
        12 => Just(Operation::Add(0)),
        6 => Just(Operation::Query),
        8 => Just(Operation::Peek),
        2 => Just(Operation::AddAndPanic(0)),
        4 => Just(Operation::Petrify),
        1 => Just(Operation::Stop),
        1 => Just(Operation::Wipe),
        1 => Just(Operation::Crash),
    ];
    prop_oneof![
        40 => (0..ACTORS, operation).prop_map(|(who, operation)| Step::Do(who, operation)),
        1 => Just(Step::Restart),
    ]
}

/// A store that fails now and then.
struct Moody {
    inner: Box<dyn Storage>,
    fails: Option<usize>,
    operations: AtomicUsize,
}

impl Moody {
    fn run<T>(&self, run: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
        let number = self.operations.fetch_add(1, Ordering::Relaxed);
        let fault = |why| Err(StorageError::new(StorageErrorKind::Unreachable, why));
        match self.fails {
            Some(each) if number % each == each - 1 => match number / each % 2 {
                0 => fault("a fault before the deed"),
                _ => run().and_then(|_| fault("a fault after the deed")),
            },
            _ => run(),
        }
    }
}

impl Storage for Moody {
    fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError> {
        self.run(|| self.inner.load(id))
    }

    fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Result<Revision, StorageError> {
        self.run(|| self.inner.save(id, expected, bytes, wake_at))
    }

    fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        self.run(|| self.inner.wipe(id, expected))
    }

    fn scan(&self, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Result<(), StorageError> {
        self.inner.scan(kind, after, visit)
    }

    fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError> {
        self.inner.due(until, visit)
    }

    fn rest(&self, id: &ActorId) {
        self.inner.rest(id);
    }
}

/// What outlives a restart.
struct Disk {
    setup: Setup,
    memory: Arc<MemoryStorage>,
    folder: TempDir,
}

impl Disk {
    fn open(&self) -> System {
        let inner: Box<dyn Storage> = match self.setup.store {
            Store::Memory => Box::new(self.memory.clone()),
            Store::Fs => Box::new(FsStorage::open(self.folder.path()).unwrap()),
            Store::Lmdb => Box::new(LmdbStorage::options().map_bytes(16 << 20).open(self.folder.path()).unwrap()),
        };
        let store = Moody { inner, fails: self.setup.fails, operations: AtomicUsize::new(0) };
        let builder = match self.setup.sharded {
            true => System::builder(ShardedRegistry::new(), store),
            false => System::builder(StdRegistry::new(), store),
        };
        let settings = Settings::new().restart(self.setup.policy).save(self.setup.save).idle_never();
        let settings = settings.turn_messages(self.setup.turn_messages).max_restarts(u32::MAX).call_timeout(LONG);
        builder.actor_with::<Ledger>(settings).max_live(self.setup.max_live).build().unwrap()
    }
}

type Recorded = Event<Operation, Answer>;

/// Runs a script once, and gives the history of each actor.
fn record(script: &Script) -> Result<Vec<Vec<Recorded>>, String> {
    let disk = Disk { setup: script.setup, memory: Arc::default(), folder: tempfile::tempdir().unwrap() };
    let (system, time, numbers) = (RwLock::new(disk.open()), AtomicUsize::new(0), AtomicUsize::new(1));
    let now = || time.fetch_add(1, Ordering::SeqCst);
    let histories = Mutex::new(vec![Vec::new(); ACTORS]);
    let wrong = Mutex::new(None);
    let begin = Barrier::new(script.threads.len());
    let do_it = |who: usize, operation: Operation| {
        let operation = match operation {
            Operation::Add(_) => Operation::Add(numbers.fetch_add(1, Ordering::Relaxed) as u32),
            Operation::AddAndPanic(_) => Operation::AddAndPanic(numbers.fetch_add(1, Ordering::Relaxed) as u32),
            operation => operation,
        };
        let actor = system.read().unwrap().handle::<Ledger>(who.to_string(), ());
        let called = now();
        let answer = operation.run(&actor);
        let at = now();
        let blamed = |error: &CallError| match error.failure() {
            Failure::NotSaved(_) | Failure::NotWiped(_) | Failure::NotLoaded(_) => script.setup.fails.is_some(),
            _ => false,
        };
        if let Err(error) = answer.as_ref()
            && !blamed(error)
        {
            *wrong.lock().unwrap() = Some(format!("{operation:?}: {error:#}"));
        }
        let returned = answer.ok().map(|answer| (answer, at));
        histories.lock().unwrap()[who].push(Event { operation, called, returned, died: None });
    };
    std::thread::scope(|scope| {
        let (begin, system, disk, do_it) = (&begin, &system, &disk, &do_it);
        for steps in &script.threads {
            scope.spawn(move || {
                begin.wait();
                for step in steps {
                    match *step {
                        Step::Do(who, operation) => do_it(who, operation),
                        Step::Restart => {
                            let mut system = system.write().unwrap();
                            system.shutdown(LONG).expect("all turn to stone");
                            *system = disk.open();
                        }
                    }
                }
            });
        }
    });
    // At the end there is what the last answers said.
    (0..ACTORS).for_each(|who| do_it(who, Operation::Peek));
    match wrong.into_inner().unwrap() {
        Some(wrong) => Err(wrong),
        None => Ok(histories.into_inner().unwrap()),
    }
}

fn check(script: &Script, seen: &Mutex<BTreeMap<String, u64>>) -> Result<(), TestCaseError> {
    let spec = OneAtATime { policy: script.setup.policy, store_fails: script.setup.fails.is_some() };
    for _ in 0..RUNS {
        let histories = record(script).map_err(TestCaseError::fail)?;
        for history in histories {
            note(&history, seen);
            if !is_linearizable(&spec, &history) {
                return Err(TestCaseError::fail(format!("no order explains {}", show(history))));
            }
        }
    }
    Ok(())
}

fn show(mut history: Vec<Recorded>) -> String {
    history.sort_by_key(|event| event.called);
    history.iter().map(|event| format!("\n{event:?}")).collect()
}

/// Counts what happened.
fn note(history: &[Recorded], seen: &Mutex<BTreeMap<String, u64>>) {
    let mut seen = seen.lock().unwrap();
    let mut saw = |what: String| *seen.entry(what).or_default() += 1;
    saw("history".to_owned());
    for event in history {
        let operation = format!("{:?}", event.operation);
        let operation = operation.split('(').next().unwrap_or_default();
        let answer = match &event.returned {
            None => "unknown",
            Some((Answer::Crashed, _)) => "crashed",
            Some((Answer::NotDone, _)) => "not done",
            Some((Answer::Saw(None), _)) => "nobody",
            Some((Answer::Saw(Some(_)) | Answer::Entries(_) | Answer::Done, _)) => "done",
        };
        saw(format!("{operation}: {answer}"));
        let returned = |event: &Recorded| event.returned.as_ref().map_or(usize::MAX, |(_, at)| *at);
        let overlaps = |other: &&Recorded| other.called < returned(event) && event.called < returned(other);
        if history.iter().filter(overlaps).count() > 2 {
            saw("three at once".to_owned());
        }
    }
}

const WANTED: &[&str] = &[
    "three at once",
    "Add: done",
    "Add: not done",
    "Add: unknown",
    "AddAndPanic: crashed",
    "Query: done",
    "Peek: done",
    "Peek: nobody",
    "Petrify: done",
    "Stop: done",
    "Wipe: done",
    "Crash: done",
];

#[test]
fn histories_of_threads_are_linearizable() {
    silence_panics_of_actors();
    let scripts_wanted = number("GARGOYLE_HISTORIES", SCRIPTS);
    let regressions = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/histories.txt");
    let config = Config {
        cases: scripts_wanted,
        max_shrink_iters: 500,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(regressions))),
        ..Config::default()
    };
    let seen = Mutex::default();
    match TestRunner::new(config).run(&scripts(), |script| check(&script, &seen)) {
        Ok(()) => {}
        Err(TestError::Fail(why, Script { setup, threads })) => {
            let threads: String = threads.iter().map(|steps| format!("    {steps:?}\n")).collect();
            panic!("{setup:?}\n{threads}{why}")
        }
        Err(aborted) => panic!("{aborted}"),
    }
    let seen = seen.into_inner().unwrap();
    seen.iter().for_each(|(what, times)| println!("{times:>9}  {what}"));
    if scripts_wanted >= SCRIPTS {
        let missing: Vec<_> = WANTED.iter().filter(|what| !seen.contains_key(**what)).collect();
        assert!(missing.is_empty(), "it never happened: {missing:?}");
    }
}
