//! The program as a person or a script uses it, on real stores of both kinds.

mod changing;
mod forged;
mod looking;
mod moving;
#[cfg(unix)]
mod top;
mod wrong;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use gargoyle::{
    Actor, ActorId, BoxError, Context, Handler, Record, RestartPolicy, SaveMode, Settings, Storage, System, Watch,
};
use gargoyle_registry_std::StdRegistry;
use gargoyle_storage_fs::FsStorage;
use gargoyle_storage_lmdb::LmdbStorage;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

const KINDS: [&str; 2] = ["fs", "lmdb"];

/// A folder with stores in it. One test after the other has one: a process that is just being started has all open files
/// of this one for a moment, the locks of other tests' stores among them.
struct Scene(TempDir, #[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Scene {
    fn new() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        Scene(tempfile::tempdir().unwrap(), ALONE.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program in this folder.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gargoyle"));
        command.current_dir(self.0.path()).args(arguments).env_remove("VISUAL").env_remove("EDITOR");
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(&self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Run {
        let command = &mut self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A program that needs no more input may have closed its end.
        let _ = child.stdin.take().unwrap().write_all(input);
        Run::of(&child.wait_with_output().unwrap())
    }

    /// A run that has to end well, and what it said on standard output.
    #[track_caller]
    fn good(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!((run.status, &*run.err), (Some(0), ""), "{arguments:?}: {}", run.out);
        run.out
    }

    /// A run that has to end badly, and what it said on standard error, with each of these in it.
    #[track_caller]
    fn bad(&self, arguments: &[&str], said: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!(run.status, Some(1), "{arguments:?}: {} {}", run.out, run.err);
        for part in said {
            assert!(run.err.contains(part), "{arguments:?} does not say {part:?}: {}", run.err);
        }
        run.err
    }

    fn open(&self, name: &str, kind: &str) -> Box<dyn Storage> {
        match kind {
            "fs" => Box::new(FsStorage::open(self.path(name)).unwrap()),
            _ => Box::new(LmdbStorage::open(self.path(name)).unwrap()),
        }
    }

    /// All that is in a store.
    fn contents(&self, name: &str, kind: &str) -> Vec<(ActorId, Vec<u8>, Option<SystemTime>)> {
        let store = self.open(name, kind);
        let mut ids = Vec::new();
        store
            .scan(None, None, &mut |id| {
                ids.push(id);
                ControlFlow::Continue(())
            })
            .unwrap();
        let of = |id: ActorId| {
            let stored = store.load(&id).unwrap().unwrap();
            (id, stored.bytes, stored.wake_at)
        };
        ids.into_iter().map(of).collect()
    }

    /// A store that a program with actors left.
    fn bank(&self, name: &str, kind: &str) {
        fn fill(store: impl Storage) {
            let system = System::builder(StdRegistry::new(), store).build().unwrap();
            for (name, cents) in [("alice", 100), ("bob's", 50), ("carol\n\u{1b}[31m", 7)] {
                assert_eq!(system.handle::<Account>(name, name.to_owned()).call(Deposit(cents)).unwrap(), cents);
            }
            system.shutdown(Duration::from_secs(60)).unwrap();
        }
        match kind {
            "fs" => fill(FsStorage::open(self.path(name)).unwrap()),
            _ => fill(LmdbStorage::open(self.path(name)).unwrap()),
        }
    }

    /// A store with so many small records.
    fn crowd(&self, name: &str, kind: &str, records: usize) {
        let store = &*self.open(name, kind);
        let next = &std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        if number >= records {
                            return;
                        }
                        let id = ActorId::new("guest", format!("{number:0>30}")).unwrap();
                        let wake_at = number.is_multiple_of(10).then(|| at(number as u64));
                        let record = Record::new(id.clone(), vec![0xf6], cbor(&number));
                        store.save(&id, None, &record.to_bytes(), wake_at).unwrap();
                    }
                });
            }
        });
    }
}

/// What a run came to.
#[derive(Debug)]
struct Run {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Run {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Run { status: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

#[derive(Serialize, Deserialize)]
struct Account {
    owner: String,
    cents: u64,
}

impl Actor for Account {
    const KIND: &'static str = "account";
    type Args = String;

    fn init(owner: &String, _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Account { owner: owner.clone(), cents: 0 })
    }
}

struct Deposit(u64);

impl Handler<Deposit> for Account {
    type Reply = u64;

    fn handle(&mut self, Deposit(cents): Deposit, _: &mut Context<Self>) -> u64 {
        self.cents += cents;
        self.cents
    }
}

/// Records that are hard to say in a line of text.
fn awkward() -> Vec<(Record, Option<SystemTime>)> {
    let states: Vec<Vec<u8>> = vec![
        Vec::new(),
        vec![0xff],
        vec![0x01, 0x01],
        vec![0x9f, 0x01, 0xff],
        cbor(&gargoyle::Value::Bytes(vec![0, 1, 255])),
        cbor(&BTreeMap::from([(1, "one"), (2, "two")])),
        cbor(&(f64::NAN, f64::INFINITY, -0.0, 0.1_f32, f64::MIN_POSITIVE, 1e300)),
        cbor(&(u64::MAX, i64::MIN, u128::MAX)),
        cbor(&"\0\n\r\u{2028}\u{1b}[2J\"\\"),
        [vec![0x81; 119], vec![0xf6]].concat(),
        cbor(&vec![7_u8; 1 << 20]),
    ];
    let mut records: Vec<_> = states
        .into_iter()
        .enumerate()
        .map(|(number, state)| {
            let id = ActorId::new("awkward", format!("state {number}")).unwrap();
            (Record::new(id, cbor(&()), state), None)
        })
        .collect();
    for key in ["", "\0", "\n", "../../x", "-k", "\u{1b}[31m", "Ä", "CON", &"ключ".repeat(128)] {
        let id = ActorId::new("../k\n", key).unwrap();
        let mut record = Record::new(id.clone(), vec![0xf6], vec![0xf6]);
        record.version = u32::MAX;
        record.live = true;
        record.saved_at = at(1_700_000_000);
        let settings = Settings::new().restart(RestartPolicy::Permanent).save(SaveMode::OnPetrify);
        record.settings = settings.idle(Duration::from_nanos(1_234_567_891));
        record.watchers = vec![Watch { other: id.clone(), token: u64::MAX }];
        record.watching = vec![Watch { other: id, token: 0 }];
        records.push((record, Some(at(key.len() as u64))));
    }
    records
}

fn fill_with_awkward(store: &dyn Storage) {
    for (record, wake_at) in awkward() {
        store.save(&record.id, None, &record.to_bytes(), wake_at).unwrap();
    }
}

fn cbor(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Every file and folder of a store: when it was changed, and what is in it.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        found.insert(folder.clone(), (fs::metadata(&folder).unwrap().modified().unwrap(), Vec::new()));
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found
                    .insert(path.clone(), (fs::metadata(&path).unwrap().modified().unwrap(), fs::read(&path).unwrap()));
            }
        }
    }
    found
}

/// Damages the record of an id in a store that nobody has open.
fn damage(scene: &Scene, name: &str, kind: &str, id: &ActorId, state: &[u8]) {
    let path = match kind {
        "fs" => FsStorage::open(scene.path(name)).unwrap().path_of(id),
        _ => scene.path(name).join("data.mdb"),
    };
    let mut bytes = fs::read(&path).unwrap();
    let places: Vec<_> = (0..bytes.len() - state.len()).filter(|&at| bytes[at..].starts_with(state)).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at] ^= 1);
    fs::write(&path, bytes).unwrap();
}

fn text(path: &Path) -> &str {
    OsStr::to_str(path.as_os_str()).unwrap()
}
