//! What becomes of an actor that ends: the table of restart policies, by really causing each row of it.
//!
//! Run it: `cargo run --example supervision`. Each cell is what was found afterwards, and none of it is known before. The
//! last row kills a child process with SIGKILL while its actors are alive; on other systems than Unix it is left out.
//!
//! To look for: how a system is told the policy of a kind (`actor_with`), how `events` say what happens, how `peek` looks
//! at a record without waking its actor, and that `build` brings back whom the dead process left alive.

use std::path::Path;
use std::time::Duration;

use gargoyle::{Actor, BoxError, Context, EventKind, Handle, Handler, Query, RestartPolicy, Settings, System};
use gargoyle_registry_std::StdRegistry;
use gargoyle_storage_fs::FsStorage;
use serde::{Deserialize, Serialize};

/// Counts, and panics when it is told to.
#[derive(Serialize, Deserialize)]
struct Counter(u64);

impl Actor for Counter {
    const KIND: &'static str = "counter";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Counter(0))
    }
}

struct Add(u64);

impl Handler<Add> for Counter {
    type Reply = u64;

    fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> u64 {
        self.0 += n;
        self.0
    }
}

struct Panic;

impl Handler<Panic> for Counter {
    type Reply = ();

    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        self.0 = 99; // undone by the panic
        panic!("as it was told to");
    }
}

struct Count;

impl Query<Count> for Counter {
    type Reply = u64;

    fn query(&self, _: Count) -> u64 {
        self.0
    }
}

const POLICIES: [RestartPolicy; 3] = [RestartPolicy::Temporary, RestartPolicy::Transient, RestartPolicy::Permanent];

/// What is done to an actor that has counted to 7.
type Cause = fn(&Handle<Counter>) -> Result<(), BoxError>;

const CAUSES: [(&str, Cause); 3] = [
    ("stop", |counter| Ok(counter.stop()?)),
    ("panic", |counter| match counter.call(Panic) {
        Ok(()) => Err("it did not panic".into()),
        Err(_) => Ok(()),
    }),
    ("petrify", |counter| Ok(counter.petrify()?)),
];

fn main() -> Result<(), BoxError> {
    if let [_, command, folder, policy] = &std::env::args().collect::<Vec<_>>()[..]
        && command == "live-until-killed"
    {
        return live_until_killed(folder.as_ref(), policy);
    }
    // The panics are meant, and the table is to be read.
    std::panic::set_hook(Box::new(|_| {}));
    let folder = tempfile::tempdir()?;
    println!("| what happens | temporary | transient | permanent |\n|---|---|---|---|");
    for (name, cause) in CAUSES {
        let cells = POLICIES.map(|policy| caused(&folder.path().join(format!("{name} {policy:?}")), policy, cause));
        print_row(name, cells)?;
    }
    if cfg!(unix) {
        let cells = POLICIES.map(|policy| killed(&folder.path().join(format!("killed {policy:?}")), policy));
        print_row("kill -9", cells)?;
    }
    Ok(())
}

fn print_row(name: &str, cells: [Result<String, BoxError>; 3]) -> Result<(), BoxError> {
    let [temporary, transient, permanent] = cells;
    println!("| {name} | {} | {} | {} |", temporary?, transient?, permanent?);
    Ok(())
}

/// A system whose counters live by this policy.
fn system(folder: &Path, policy: RestartPolicy) -> Result<System, BoxError> {
    let builder = System::builder(StdRegistry::new(), FsStorage::open(folder)?);
    Ok(builder.actor_with::<Counter>(Settings::new().restart(policy)).build()?)
}

/// Does it to an actor of this policy, and finds out what became of it.
fn caused(folder: &Path, policy: RestartPolicy, cause: Cause) -> Result<String, BoxError> {
    let system = system(folder, policy)?;
    let counter = system.handle::<Counter>("a", ());
    counter.call(Add(7))?;
    let events = system.events();
    cause(&counter)?;
    // It is over when the actor has come back, or is gone from its thread.
    let came_back = loop {
        if events.try_iter().any(|event| matches!(event.kind, EventKind::Revived)) {
            break true;
        }
        if !counter.is_live() {
            break false;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    found(&counter, came_back)
}

/// Has a child process bring an actor of this policy to life, kills it, and finds out what became of it.
fn killed(folder: &Path, policy: RestartPolicy) -> Result<String, BoxError> {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let mut command = Command::new(std::env::current_exe()?);
    command.arg("live-until-killed").arg(folder).arg(format!("{policy:?}"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line)?;
    child.kill()?;
    child.wait()?;
    if line != "alive\n" {
        return Err(format!("the child said {line:?}").into());
    }
    let system = system(folder, policy)?;
    let counter = system.handle::<Counter>("a", ());
    found(&counter, counter.is_live())
}

/// The child's part.
fn live_until_killed(folder: &Path, policy: &str) -> Result<(), BoxError> {
    let policy = POLICIES.into_iter().find(|known| format!("{known:?}") == policy).ok_or("no policy")?;
    let system = system(folder, policy)?;
    system.handle::<Counter>("a", ()).call(Add(7))?;
    println!("alive");
    // Until the parent kills this, or goes.
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

/// What there is of the actor, and what the next message makes of it.
fn found(counter: &Handle<Counter>, is_back: bool) -> Result<String, BoxError> {
    let record = counter.peek(Count)?;
    let next = counter.call(Add(1))?;
    Ok(match (is_back, record) {
        (true, Some(count)) => format!("revived at once with {count}"),
        (false, Some(count)) => format!("kept with {count}; the next message revives it: {next}"),
        (_, None) => format!("gone; the next message makes a new one: {next}"),
    })
}
