//! What it costs to look at a system with many live actors: `stats`, `list`, and with the feature `observe` a sample. And
//! what the optional features cost a call, as the difference between two runs:
//!
//! ```text
//! cargo bench -p gargoyle --bench looking
//! cargo bench -p gargoyle --bench looking --features observe,metrics,tracing
//! ```

use std::hint::black_box;
use std::time::{Duration, Instant};

use gargoyle::{Actor, BoxError, Context, Handler, MemoryStorage, System};
use gargoyle_registry_std::StdRegistry;
use serde::{Deserialize, Serialize};

const ACTORS: usize = 10_000;
const LOOKS: usize = 200;
const CALLS: usize = 20_000;
const CASTS: usize = 200_000;

#[derive(Serialize, Deserialize)]
struct Counter(u64);

struct Add(u64);

impl Actor for Counter {
    const KIND: &'static str = "counter";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Counter(0))
    }
}

impl Handler<Add> for Counter {
    type Reply = u64;

    fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> u64 {
        self.0 += n;
        self.0
    }
}

fn system() -> Result<System, BoxError> {
    let builder = System::builder(StdRegistry::new(), MemoryStorage::new()).max_live(ACTORS).idle_never();
    Ok(builder.call_timeout(Duration::from_secs(60)).build()?)
}

/// The median, and the longest, of many runs.
fn measure(what: &str, times: usize, mut run: impl FnMut()) {
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let before = Instant::now();
        run();
        took.push(before.elapsed());
    }
    took.sort_unstable();
    println!("{what:44} {:>12?} median {:>12?} longest", took[times / 2], took[times - 1]);
}

fn main() -> Result<(), BoxError> {
    calls()?;
    looks()
}

fn calls() -> Result<(), BoxError> {
    let system = system()?;
    let one = system.start::<Counter>("one", ())?;
    measure("a call to one that waits, saved in memory", CALLS, || {
        black_box(one.call(Add(1)).unwrap());
    });
    for _ in 0..3 {
        let before = Instant::now();
        (0..CASTS).for_each(|_| one.cast(Add(1)).unwrap());
        one.call(Add(0))?;
        println!("{:44} {:>12?} each", "a cast of many", before.elapsed() / u32::try_from(CASTS)?);
    }
    Ok(())
}

fn looks() -> Result<(), BoxError> {
    let system = system()?;
    for number in 0..ACTORS {
        system.start::<Counter>(number.to_string(), ())?;
    }
    println!("{ACTORS} live actors:");
    measure("stats()", LOOKS, || {
        black_box(system.stats());
    });
    measure("list()", LOOKS, || {
        assert_eq!(black_box(system.list()).len(), ACTORS);
    });
    #[cfg(feature = "observe")]
    measure("sample()", LOOKS, || {
        assert_eq!(black_box(system.sample()).actors.len(), ACTORS);
    });
    Ok(())
}
