//! Whole systems, too large for loom, in many random orders of their threads.
//!
//! Shuttle runs a *scenario* again and again, each time in an order that it throws dice for. What is found depends on how
//! the dice are used: random choices at each operation find what needs many switches, and priorities that change at few
//! places what needs few switches far apart. So each scenario runs under several schedules.

mod crowds;
mod ends;
mod limits;
mod mason;
mod site;
mod store;
mod talks;
mod time;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use gargoyle::Registry;
use gargoyle::sync::Arc;
use gargoyle::sync::model::{self, Schedule};

use crate::seen::Seen;
use crate::watchdog::Watchdog;
use site::Site;

/// One scenario: a system, its users, and what must hold however their threads meet.
#[derive(Clone)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it checks.
    pub promise: &'static str,
    /// How many actors take part.
    pub actors: usize,
    /// What has to be seen in some run or other: a system that refuses everything breaks no promise.
    pub sometimes: &'static [&'static str],
    run: Arc<dyn Fn(&Seen) + Send + Sync>,
}

/// How hard to look.
#[derive(Clone, Debug)]
pub struct Effort {
    /// How many runs under each schedule.
    pub runs: usize,
    /// The same seed makes the same runs.
    pub seed: u64,
    /// Not that, but one run again, by the schedule that was printed when it failed.
    pub replay: Option<String>,
}

/// What it took to run a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// How many runs there were, under all schedules.
    pub runs: usize,
    /// How long that took.
    pub took: Duration,
}

/// How many orderings of two operations a bug may need: see [`Schedule::Pct`].
const DEPTHS: [usize; 3] = [2, 3, 5];

/// What the dice of each run begin with that are not shuttle's.
const DICE: u64 = 7;

impl Effort {
    /// What the environment says: `GARGOYLE_SHUTTLE_RUNS`, 1000 unless set, `GARGOYLE_SHUTTLE_SEED`, and
    /// `GARGOYLE_SHUTTLE_REPLAY`, the name of a file with what a run printed that failed.
    ///
    /// # Panics
    ///
    /// If one of the first two is no number, or there is no such file.
    pub fn from_env() -> Self {
        let number = |name: &str, unless_set: u64| match std::env::var(name) {
            Ok(number) => number.parse().unwrap_or_else(|_| panic!("{name} is no number")),
            Err(_) => unless_set,
        };
        Effort {
            runs: usize::try_from(number("GARGOYLE_SHUTTLE_RUNS", 1000)).expect("the number is a small one"),
            seed: number("GARGOYLE_SHUTTLE_SEED", 20_260),
            replay: std::env::var("GARGOYLE_SHUTTLE_REPLAY").ok().map(|log| schedule_in(&log)),
        }
    }

    fn schedules(&self) -> Vec<Schedule> {
        if let Some(schedule) = &self.replay {
            return vec![Schedule::Replay(schedule.clone())];
        }
        let seed = self.seed;
        let by_priority = DEPTHS.into_iter().map(|depth| Schedule::Pct { seed, depth });
        [Schedule::Random { seed }].into_iter().chain(by_priority).collect()
    }
}

/// The scenarios, each with systems on registries that `make` makes.
pub fn scenarios<R: Registry>(make: fn() -> R) -> Vec<Scenario> {
    [crowds::all(), talks::all(), ends::all(), limits::all()]
        .into_iter()
        .flatten()
        .map(|plan| plan.with(make))
        .collect()
}

/// Runs all scenarios on registries that `make` makes.
///
/// # Panics
///
/// If one fails. Its schedule is printed before that.
///
/// # Examples
///
/// The whole test of a registry, to be run with `RUSTFLAGS="--cfg shuttle" cargo test --release`:
///
/// ```no_run
/// # use gargoyle_registry_std::StdRegistry as MyRegistry;
/// use gargoyle_loom_tests::{Effort, check_all};
/// check_all(&Effort::from_env(), MyRegistry::new);
/// ```
pub fn check_all<R: Registry>(effort: &Effort, make: fn() -> R) {
    for scenario in scenarios(make) {
        let Report { runs, took } = scenario.check(effort);
        println!("{}: {runs} runs, {took:.1?}", scenario.name);
    }
}

impl Scenario {
    /// Runs the scenario.
    ///
    /// # Panics
    ///
    /// If it fails: by what it asserts, because all threads wait, or because something never happened that has to.
    pub fn check(&self, effort: &Effort) -> Report {
        let start = Instant::now();
        let seen = Seen::default();
        let watchdog = Watchdog::start(self.name);
        let mut runs = 0;
        for schedule in effort.schedules() {
            let (seen, run, pats) = (seen.clone(), self.run.clone(), watchdog.pats());
            let body = move || {
                pats.pat();
                // The system throws dice for its back-off: the same ones in a replay.
                fastrand::seed(DICE);
                mason::forget_all();
                run(&seen);
            };
            let explored = catch_unwind(AssertUnwindSafe(|| model::explore(&schedule, effort.runs, body)));
            runs += explored.unwrap_or_else(|panic| {
                eprintln!(
                    "\n{} failed under {schedule:?}. To have that run again, with LOG for a file with the schedule above, or \
                     with all that was printed:\n\
                     GARGOYLE_SHUTTLE_REPLAY=LOG cargo shuttle --test systems -- --exact REGISTRY::{}\n",
                    self.name, self.name
                );
                resume_unwind(panic)
            });
        }
        for expected in self.sometimes.iter().filter(|_| effort.replay.is_none()) {
            assert!(seen.has(expected), "in {runs} runs of {} there never was {expected:?}", self.name);
        }
        Report { runs, took: start.elapsed() }
    }
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scenario").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The first schedule in what was printed, or all of it. It is in lines, which mean nothing.
fn schedule_in(log: &str) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_else(|error| panic!("{log}: {error}"));
    let printed = text.split_once("failing schedule:\n\"").and_then(|(_, rest)| rest.split_once('"'));
    printed.map_or(&*text, |(schedule, _)| schedule).split_whitespace().collect()
}

/// A scenario that waits for its registry: the fields are those of [`Scenario`].
struct Plan<R: Registry> {
    name: &'static str,
    promise: &'static str,
    actors: usize,
    sometimes: &'static [&'static str],
    body: fn(Site<R>),
}

impl<R: Registry> Plan<R> {
    fn with(self, make: fn() -> R) -> Scenario {
        let Plan { name, promise, actors, sometimes, body } = self;
        let run = move |seen: &Seen| body(Site::new(make(), seen.clone()));
        Scenario { name, promise, actors, sometimes, run: Arc::new(run) }
    }
}
