#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
// Without `--cfg loom` there is nothing to see: the types that models are made of are not there.
#![cfg(loom)]

mod actor;
mod lab;
mod ledger;
mod models;
mod registry;
mod time;
mod watchdog;

use std::time::{Duration, Instant};

use gargoyle::Registry;
use gargoyle::sync::{Arc, model};

use lab::{Lab, Seen};
use watchdog::Watchdog;

/// One model: a small program whose threads loom has meet in all orders, and what must hold in each of them.
pub struct Model<R: Registry> {
    /// Its name.
    pub name: &'static str,
    /// What it checks.
    pub promise: &'static str,
    /// How many threads it has at most, the one that it begins on and those that have ended included.
    pub threads: usize,
    /// How many preemptions are explored, `None` for all.
    pub preemptions: Option<usize>,
    /// What has to be seen in some execution or other: a system that refuses everything breaks no promise.
    pub sometimes: &'static [&'static str],
    body: Body<R>,
}

/// What a model does in each execution.
enum Body<R: Registry> {
    /// With the registry under a system.
    System(fn(Lab<R>)),
    /// With the registry alone.
    Registry(fn(R, &Seen)),
}

/// What it took to run a model.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// In how many orders its threads met.
    pub executions: usize,
    /// How long that took.
    pub took: Duration,
}

/// All models, the laws of the registry first.
pub fn models<R: Registry>() -> Vec<Model<R>> {
    models::all()
}

/// Runs all models with registries that `make` makes, the laws of the registry first.
///
/// # Panics
///
/// If a model fails.
///
/// # Examples
///
/// In the `tests` of a registry, to be run with `RUSTFLAGS="--cfg loom" cargo test --release`:
///
/// ```
/// #[cfg(loom)]
/// #[test]
/// fn models() {
///     gargoyle_loom_tests::check_all(gargoyle_registry_std::StdRegistry::new);
/// }
/// ```
pub fn check_all<R: Registry>(make: fn() -> R) {
    for model in models() {
        let Report { executions, took } = model.check(make);
        println!("{}: {executions} executions, {took:.1?}", model.name);
    }
}

impl<R: Registry> Model<R> {
    /// Runs the model with registries that `make` makes.
    ///
    /// # Panics
    ///
    /// If it fails: by what it asserts, or because loom found a deadlock or no choice at all.
    pub fn check(&self, make: fn() -> R) -> Report {
        let start = Instant::now();
        let seen = Seen::default();
        let watchdog = Arc::new(Watchdog::start(self.name));
        let executions = {
            let (seen, watchdog) = (seen.clone(), watchdog.clone());
            let body = self.body;
            model::explore(self.preemptions, move || {
                watchdog.pat();
                actor::forget_all();
                match body {
                    Body::System(body) => body(Lab::new(make(), seen.clone())),
                    Body::Registry(body) => body(make(), &seen),
                }
            })
        };
        assert!(
            executions > 1,
            "loom saw no choice in {}: the locks of this registry are not from `gargoyle::sync`, and nothing that it does \
             can be checked",
            self.name,
        );
        for expected in self.sometimes {
            assert!(seen.has(expected), "in {executions} executions of {} there never was {expected:?}", self.name);
        }
        Report { executions, took: start.elapsed() }
    }
}

impl<R: Registry> Clone for Body<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: Registry> Copy for Body<R> {}

impl<R: Registry> std::fmt::Debug for Model<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("name", &self.name).finish_non_exhaustive()
    }
}
