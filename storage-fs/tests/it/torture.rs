//! A process that saves is killed at any time, a hundred times over: what it acknowledged is there, and nothing is older
//! or mixed.
//!
//! The child is this test binary once more. Its threads save and wipe, each under ids of its own, and acknowledge every
//! step through a pipe. What a step does follows from its id and its number: so the parent knows what may be found, that
//! of the last step acknowledged or of the one after. `kill -9` leaves the memory of the machine, so no missing sync is
//! found in this way: that is for a power cut.
//!
//! Longer runs: `GARGOYLE_TORTURE_KILLS=10000 cargo test --test it torture`, other runs: `GARGOYLE_TORTURE_SEED=7`.

use std::io::{BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use gargoyle::{ActorId, Storage, Stored};

/// The store that is tortured. Nothing else in this file knows which one it is.
fn open(path: &Path) -> impl Storage {
    gargoyle_storage_fs::FsStorage::open(path).unwrap()
}

const CHILD: &str = "torture::work_of_a_child";
const CHILD_STORE: &str = "GARGOYLE_TEST_TORTURED_STORE";

const KILLS: u64 = 100;
const THREADS: usize = 4;
const IDS_PER_THREAD: usize = 4;

/// How many steps a child takes if nobody kills it.
const STEPS_MAX: usize = 100_000;

fn ids() -> Vec<ActorId> {
    let key = |n: usize| match n % IDS_PER_THREAD {
        0 => format!("{n}-{}", "long".repeat(100)),
        _ => n.to_string(),
    };
    (0..THREADS * IDS_PER_THREAD).map(|n| ActorId::new("tortured", key(n)).unwrap()).collect()
}

/// What a record is after a step.
#[derive(Debug, PartialEq, Eq)]
struct Body {
    bytes: Vec<u8>,
    wake_at: Option<SystemTime>,
}

/// What is there after this step of the id of this number: nothing in the beginning and after some others, never twice
/// in a row.
fn after(step: u64, id: usize) -> Option<Body> {
    let mut random = fastrand::Rng::with_seed(step * 1_000 + id as u64);
    if step == 0 || step.is_multiple_of(7) {
        return None;
    }
    let bytes = [0, 100, 3_000, 5_000, 20_000][random.usize(..5)];
    let mut bytes: Vec<u8> = (0..bytes).map(|_| random.u8(..)).collect();
    bytes.extend_from_slice(format!("step {step} of {id}").as_bytes());
    let wake_at = random.bool().then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 * random.u64(1..4)));
    Some(Body { bytes, wake_at })
}

/// Which step the record is of, given the last one that was acknowledged.
#[track_caller]
fn step_of(found: Option<&Stored>, acknowledged: u64, id: usize) -> u64 {
    let is_after = |step: &u64| after(*step, id).map(|body| body.bytes).as_ref() == found.map(|stored| &stored.bytes);
    [acknowledged, acknowledged + 1].into_iter().find(is_after).unwrap_or_else(|| {
        let end = found.map(|stored| String::from_utf8_lossy(&stored.bytes[stored.bytes.len().saturating_sub(30)..]));
        panic!("step {acknowledged} of {id} was acknowledged, and there is {end:?}")
    })
}

/// One step, as it is told through the pipe.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    step: u64,
    /// Zero after a wipe.
    revision: u64,
}

/// Does nothing when it runs as a test. As a child it reads how far each id is, and goes on until it is killed.
#[test]
fn work_of_a_child() {
    let Some(path) = std::env::var_os(CHILD_STORE) else { return };
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).unwrap();
    let acknowledged: Vec<u64> = input.split_whitespace().map(|step| step.parse().unwrap()).collect();
    let (store, ids) = (open(Path::new(&path)), ids());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, ids, acknowledged) = (&store, &ids, &acknowledged);
            scope.spawn(move || work_of_a_thread(store, ids, acknowledged, thread));
        }
    });
}

fn work_of_a_thread(store: &impl Storage, ids: &[ActorId], acknowledged: &[u64], thread: usize) {
    let mut random = fastrand::Rng::new();
    let mine = thread * IDS_PER_THREAD..(thread + 1) * IDS_PER_THREAD;
    let mut steps: Vec<Option<u64>> = vec![None; ids.len()];
    for _ in 0..STEPS_MAX {
        let id = random.usize(mine.clone());
        let found = store.load(&ids[id]).unwrap();
        let revision = found.as_ref().map(|stored| stored.revision);
        let (step, revision) = match steps[id] {
            // Where the one before me was killed: told first, as nobody heard of it.
            None => (step_of(found.as_ref(), acknowledged[id], id), revision),
            Some(step) => match after(step + 1, id) {
                Some(body) => (step + 1, Some(store.save(&ids[id], revision, &body.bytes, body.wake_at).unwrap())),
                None => {
                    store.wipe(&ids[id], revision).unwrap();
                    (step + 1, None)
                }
            },
        };
        steps[id] = Some(step);
        // In one piece, as a write to a pipe of less than 512 bytes is.
        let told = format!("told {id} {step} {}\n", revision.map_or(0, |revision| revision.get()));
        if std::io::stderr().write_all(told.as_bytes()).is_err() {
            return;
        }
    }
}

fn start_child(store: &Path, told: &[Told]) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture"])
        .env(CHILD_STORE, store)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let steps: Vec<String> = told.iter().map(|told| told.step.to_string()).collect();
    child.stdin.take().unwrap().write_all(steps.join(" ").as_bytes()).unwrap();
    child
}

/// Lets a child work until it has told so much, and a little longer, and kills it. Hears all that it told.
fn run_and_kill(store: &Path, told: &mut [Told], tellings: usize, random: &mut fastrand::Rng) {
    let mut child = start_child(store, told);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut hear = |line: std::io::Result<String>| {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let ["told", id, step, revision] = words[..] else { panic!("the child says {line:?}") };
        let (id, step, revision): (usize, _, _) =
            (id.parse().unwrap(), step.parse().unwrap(), revision.parse().unwrap());
        let before = told[id];
        assert!(revision == 0 || revision > before.revision || step == before.step, "revision {revision} comes back");
        told[id] = Told { step, revision: before.revision.max(revision) };
    };
    lines.by_ref().take(tellings).for_each(&mut hear);
    // Not at the moment of an acknowledgement only. Without any, this may be while the store is opened.
    for _ in 0..random.u32(..if tellings == 0 { 2_000_000 } else { 50_000 }) {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    lines.for_each(&mut hear);
    assert!(!child.wait().unwrap().success(), "it was killed");
}

/// Checks every record, who is there and who is due.
fn check(path: &Path, told: &mut [Told]) {
    let (store, ids) = (open(path), ids());
    let (mut there, mut due) = (Vec::new(), Vec::new());
    for (id, told) in told.iter_mut().enumerate() {
        let found = store.load(&ids[id]).unwrap();
        told.step = step_of(found.as_ref(), told.step, id);
        if let Some(stored) = found {
            assert!(stored.revision.get() >= told.revision, "an older revision");
            told.revision = stored.revision.get();
            there.push(ids[id].clone());
        }
        if after(told.step, id).is_some_and(|body| body.wake_at.is_some()) {
            due.push(ids[id].clone());
        }
    }
    let seen = |look: &dyn Fn(gargoyle::Visit<'_>) -> Result<(), gargoyle::StorageError>| {
        let mut seen = Vec::new();
        look(&mut |id| {
            seen.push(id);
            ControlFlow::Continue(())
        })
        .unwrap();
        seen
    };
    there.sort();
    assert_eq!(seen(&|visit| store.scan(None, None, visit)), there);
    let shown = seen(&|visit| store.due(SystemTime::UNIX_EPOCH + Duration::from_secs(9_000_000), visit));
    let missing: Vec<_> = due.iter().filter(|id| !shown.contains(id)).collect();
    assert!(missing.is_empty(), "not due: {missing:?}");
}

#[test]
fn what_a_killed_process_acknowledged_is_there_and_nothing_older_or_mixed() {
    let set = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let kills = set("GARGOYLE_TORTURE_KILLS").unwrap_or(KILLS);
    let seed = set("GARGOYLE_TORTURE_SEED").unwrap_or(1);
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut told = vec![Told::default(); ids().len()];
    for kill in 0..kills {
        // Now and then while the store is opened, or just when the work begins.
        let tellings = [0, 1, random.usize(..20), random.usize(..200)][random.usize(..4)];
        run_and_kill(&path, &mut told, tellings, &mut random);
        // Otherwise the next child is the first to see what this one left, and may be killed over it.
        if random.bool() || kill + 1 == kills {
            check(&path, &mut told);
        }
    }
    let steps: u64 = told.iter().map(|told| told.step).sum();
    println!("{kills} kills, {steps} steps");
    assert!(steps > kills, "the children came to do something");
}
