//! What is there after a `kill -9`: everything that was acknowledged, once; and of what was not, each once or not at all.
//!
//! A child process does things to its actors with several threads and says so, before and after each, through a pipe. The
//! parent reads so many lines, kills it, and starts the next one on the same store. The order of the lines is the time of
//! the history, which goes across all deaths, and what was pending at one happened before it or never.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gargoyle::{RestartPolicy, Settings, System};
use gargoyle_registry_std::StdRegistry;
use gargoyle_storage_fs::FsStorage;
use gargoyle_storage_lmdb::LmdbStorage;
use serde::{Deserialize, Serialize};

use crate::checker::{Event, is_linearizable};
use crate::ledger::{Answer, Ledger, OneAtATime, Operation};
use crate::{number, silence_panics_of_actors};

/// Of all stores and policies together.
const KILLS: u32 = 40;

/// How many processes work on one store before it is looked at, and what each does at most.
const LIVES: u32 = 4;
const THREADS: u32 = 4;
const STEPS: u32 = 10;
const ACTORS: u32 = 3;

const LONG: Duration = Duration::from_secs(20);

/// What a child is told.
const CHILD: &str = "GARGOYLE_TEST_CHILD";

#[derive(Clone, Serialize, Deserialize)]
struct Life {
    lmdb: bool,
    permanent: bool,
    folder: String,
    seed: u64,
    /// The first number that this child may add.
    first: u32,
}

/// What a child says.
#[derive(Serialize, Deserialize)]
enum Line {
    Calls { thread: u32, who: u32, operation: Operation },
    Returns { thread: u32, answer: Answer },
}

impl Life {
    fn policy(&self) -> RestartPolicy {
        if self.permanent { RestartPolicy::Permanent } else { RestartPolicy::Transient }
    }

    fn open(&self) -> System {
        let settings = Settings::new().restart(self.policy()).idle_never().max_restarts(u32::MAX).call_timeout(LONG);
        let folder = Path::new(&self.folder);
        let builder = match self.lmdb {
            true => System::builder(StdRegistry::new(), LmdbStorage::open(folder).unwrap()),
            false => System::builder(StdRegistry::new(), FsStorage::open(folder).unwrap()),
        };
        builder.actor_with::<Ledger>(settings).build().unwrap()
    }
}

fn say(line: &Line) {
    let text = serde_json::to_string(line).unwrap();
    println!("{text}");
}

/// The child's work; nothing without a parent.
#[test]
fn child_works_until_it_is_killed() {
    let Some(told) = std::env::var_os(CHILD) else { return };
    silence_panics_of_actors();
    let life: Life = serde_json::from_str(told.to_str().unwrap()).unwrap();
    let (system, numbers) = (life.open(), AtomicU32::new(life.first));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (system, numbers) = (&system, &numbers);
            let mut random = fastrand::Rng::with_seed(life.seed.wrapping_mul(31).wrapping_add(thread.into()));
            scope.spawn(move || {
                for _ in 0..STEPS {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let who = random.u32(..ACTORS);
                    let operation = match random.u32(..20) {
                        0..=10 => Operation::Add(number),
                        11..=12 => Operation::Query,
                        13..=14 => Operation::Peek,
                        15 => Operation::AddAndPanic(number),
                        16..=17 => Operation::Petrify,
                        18 => Operation::Stop,
                        _ => Operation::Wipe,
                    };
                    say(&Line::Calls { thread, who, operation });
                    let answer = operation.run(&system.handle(who.to_string(), ())).expect("nothing fails here");
                    say(&Line::Returns { thread, answer });
                }
            });
        }
    });
    // Its work is done, and it is killed all the same: a shutdown would save what a kill must find saved.
    std::thread::park();
}

type Histories = Vec<Vec<Event<Operation, Answer>>>;

/// One life, and what was heard of it. Returns whether it was killed at its work.
fn live_and_die(life: &Life, lines: u32, time: &mut usize, histories: &mut Histories) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::child_works_until_it_is_killed", "--nocapture", "--quiet"])
        .env(CHILD, serde_json::to_string(life).unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let (mut pending, mut heard) = (HashMap::new(), 0);
    let mut text = String::new();
    loop {
        text.clear();
        // A line that was cut short is of something that nobody heard of.
        if output.read_line(&mut text).unwrap() == 0 || !text.ends_with('\n') {
            break;
        }
        // The test harness speaks too.
        let Ok(line) = serde_json::from_str::<Line>(&text) else { continue };
        *time += 1;
        heard += 1;
        match line {
            Line::Calls { thread, who, operation } => {
                let event = Event { operation, called: *time, returned: None, died: None };
                histories[who as usize].push(event);
                pending.insert(thread, (who as usize, histories[who as usize].len() - 1));
            }
            Line::Returns { thread, answer } => {
                let (who, at) = pending.remove(&thread).expect("it called before");
                histories[who][at].returned = Some((answer, *time));
            }
        }
        if heard == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(heard >= lines, "the child died by itself after {heard} lines");
    let at_work = !pending.is_empty();
    *time += 1;
    for (who, at) in pending.into_values() {
        histories[who][at].died = Some(*time);
    }
    at_work
}

#[test]
fn histories_across_kills_are_durably_linearizable() {
    let kills = number("GARGOYLE_TEST_KILLS", KILLS);
    let seed = number("GARGOYLE_TEST_SEED", fastrand::u64(..));
    println!("GARGOYLE_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut at_work, mut acknowledged, mut unknown) = (0, 0, 0);
    for round in 0..kills.div_ceil(LIVES) {
        let folder = tempfile::tempdir().unwrap();
        let mut life = Life {
            lmdb: round % 2 == 0,
            permanent: round / 2 % 2 == 0,
            folder: folder.path().to_str().unwrap().to_owned(),
            seed: 0,
            first: 1,
        };
        let (mut time, mut histories) = (0, vec![Vec::new(); ACTORS as usize]);
        for _ in 0..LIVES {
            life.seed = random.u64(..);
            let lines = random.u32(1..=2 * THREADS * STEPS);
            at_work += u32::from(live_and_die(&life, lines, &mut time, &mut histories));
            life.first += THREADS * STEPS;
        }
        let system = life.open();
        for (who, history) in histories.iter_mut().enumerate() {
            let operation = if life.permanent { Operation::Query } else { Operation::Peek };
            let answer = operation.run(&system.handle(who.to_string(), ())).unwrap();
            history.push(Event { operation, called: time + 1, returned: Some((answer, time + 2)), died: None });
            acknowledged += history.iter().filter(|event| event.returned.is_some()).count();
            unknown += history.iter().filter(|event| event.returned.is_none()).count();
            assert!(
                is_linearizable(&OneAtATime { policy: life.policy(), store_fails: false }, history),
                "seed {seed}, {}: no order explains {history:#?}",
                if life.lmdb { "lmdb" } else { "fs" }
            );
        }
    }
    println!("{kills} kills, {at_work} at work; {acknowledged} operations acknowledged, {unknown} not");
    assert!(at_work > 0 && unknown > 0 && acknowledged > 0, "no kill came in the middle of something");
}
