//! Many more actors than threads: 100,000 meters used in turn by 8 callers, of which at most 64 may be alive.
//!
//! Run it: `cargo run --release --example crowd`. `-- --help` shows what can be changed; `--all-alive` keeps as many alive as
//! there are.
//!
//! To look for: `max_live`, under which the least recently used turn to stone to make room, and that nobody notices: at
//! the end each meter has the sum of what it was sent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use gargoyle::{Actor, BoxError, Context, Handler, MemoryStorage, System};
use gargoyle_registry_std::StdRegistry;
use serde::{Deserialize, Serialize};

/// 100,000 actors under a cap on those who are alive.
#[derive(Parser)]
struct Options {
    /// How many actors there are.
    #[arg(long, default_value_t = 100_000)]
    actors: u64,
    /// How many of them may be alive at once.
    #[arg(long, default_value_t = 64)]
    max_live: usize,
    /// How many threads use them.
    #[arg(long, default_value_t = 8)]
    callers: u64,
    /// Has all of them alive at once, for what each takes.
    #[arg(long)]
    all_alive: bool,
}

#[derive(Serialize, Deserialize)]
struct Meter(u64);

impl Actor for Meter {
    const KIND: &'static str = "meter";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Meter(0))
    }
}

struct Add(u64);

impl Handler<Add> for Meter {
    type Reply = u64;

    fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> u64 {
        self.0 += n;
        self.0
    }
}

fn main() -> Result<(), BoxError> {
    let options = Options::parse();
    let before = memory_and_threads();
    let max_live = if options.all_alive { usize::try_from(options.actors)? } else { options.max_live };
    let system = System::builder(StdRegistry::new(), MemoryStorage::new()).max_live(max_live).idle_never().build()?;
    for (what, expected) in [("born", 1), ("used again", 2)] {
        let (took, threads) = use_all(&system, &options, expected)?;
        let rate = options.actors as f64 / took.as_secs_f64();
        let stats = system.stats();
        println!("{} actors {what}: {rate:.0} a second; alive at once {} at most", options.actors, stats.live_peak);
        if let (Some((memory, _)), Some((now, _))) = (before, memory_and_threads()) {
            print!("  threads of the process {threads} at most, memory {now} KiB");
            match options.all_alive {
                true => println!(": {} KiB for each actor", (now - memory) / stats.live.max(1)),
                false => println!(", most of it the records of all in the store, which is in memory too"),
            }
        }
    }
    system.shutdown(Duration::from_secs(60))?;
    Ok(())
}

/// Every caller uses its share of the actors, one after the other. Returns the time, and the most threads there were.
fn use_all(system: &System, options: &Options, expected: u64) -> Result<(Duration, usize), BoxError> {
    let (started, at_work) = (Instant::now(), AtomicUsize::new(usize::try_from(options.callers)?));
    let (at_work, mut threads) = (&at_work, 0);
    std::thread::scope(|scope| {
        let caller = |first: u64| {
            move || {
                let numbers = (first..options.actors).step_by(usize::try_from(options.callers)?);
                let used = numbers.map(|n| system.handle::<Meter>(n.to_string(), ()).call(Add(1)));
                let used =
                    used.map(|sum| (sum? == expected).then_some(()).ok_or_else(|| BoxError::from("a wrong sum")));
                let done: Result<(), BoxError> = used.collect();
                at_work.fetch_sub(1, Ordering::Relaxed);
                done
            }
        };
        let callers: Vec<_> = (0..options.callers).map(|first| scope.spawn(caller(first))).collect();
        while at_work.load(Ordering::Relaxed) > 0 {
            threads = threads.max(memory_and_threads().map_or(0, |(_, threads)| threads));
            std::thread::sleep(Duration::from_millis(2));
        }
        callers.into_iter().try_for_each(|caller| caller.join().expect("a caller does not panic"))
    })
    .map(|()| (started.elapsed(), threads))
}

/// Resident memory in KiB and number of threads, where the system says so.
fn memory_and_threads() -> Option<(usize, usize)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some((field("VmRSS:")?, field("Threads:")?))
}
