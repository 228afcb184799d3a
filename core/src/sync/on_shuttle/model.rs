//! How code is run under shuttle, and what it can ask of the seam. Only in builds with `--cfg shuttle`.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use shuttle::rand::RngCore;
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{Config, Runner};

/// The size of a thread's stack: a build without optimization takes most of it.
const STACK_BYTES: usize = 512 << 10;

// The real thread's, which all threads of a run share: what is set here is no operation of it.
std::thread_local! {
    /// How many threads are refused before there are some again.
    static REFUSED: Cell<usize> = const { Cell::new(0) };
}

/// A panic that is wanted.
struct Wanted;

/// How the orders are chosen in which the threads of a run meet.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// Any thread that can goes on, with the same probability, at every operation.
    Random {
        /// The same seed makes the same runs.
        seed: u64,
    },
    /// The thread of the highest priority goes on. Priorities are random, and change at so many places less one:
    /// *probabilistic concurrency testing*.
    Pct {
        /// The same seed makes the same runs.
        seed: u64,
        /// How many orderings of two operations a bug may need to be found.
        depth: usize,
    },
    /// One run, as the one that printed this schedule when it failed.
    Replay(String),
}

/// Runs `body` so many times, each time in another order of its threads. Returns how many times.
///
/// # Panics
///
/// If `body` panics, all of its threads wait, or one goes round in circles. The schedule is printed before that.
pub fn explore(schedule: &Schedule, runs: usize, body: impl Fn() + Send + Sync + 'static) -> usize {
    match schedule {
        Schedule::Random { seed } => run(RandomScheduler::new_from_seed(*seed, runs), body),
        Schedule::Pct { seed, depth } => run(PctScheduler::new_from_seed(*seed, *depth, runs), body),
        Schedule::Replay(schedule) => run(ReplayScheduler::new_from_encoded(schedule.trim()), body),
    }
}

fn run(scheduler: impl Scheduler + 'static, body: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    // That it knows no weak memory is known.
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(move || {
        REFUSED.set(0);
        body();
    })
}

/// A number that the schedule chooses: the same in a replay.
pub fn random() -> u64 {
    shuttle::rand::thread_rng().next_u64()
}

/// Panics as the handler of an actor may. Any other panic, an assertion say, fails the run, even where Gargoyle would
/// make an error of it.
///
/// # Panics
///
/// Always.
pub fn crash() -> ! {
    // Without a word: nothing went wrong.
    resume_unwind(Box::new(Wanted))
}

/// The next `threads` that are asked for cannot be had.
pub fn refuse_threads(threads: usize) {
    REFUSED.set(threads);
}

pub(super) fn is_thread_refused() -> bool {
    let refused = REFUSED.get();
    REFUSED.set(refused.saturating_sub(1));
    refused > 0
}

/// Runs `code`; `Err` has the payload of its panic if it is wanted. Another one goes on.
pub(crate) fn catch<R>(code: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        if !payload.is::<Wanted>() {
            resume_unwind(payload);
        }
        payload
    })
}
