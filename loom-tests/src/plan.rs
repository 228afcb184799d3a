//! What a model is, and how it is run.

use std::time::{Duration, Instant};

use gargoyle::sync::{Arc, model};
use gargoyle::{ActorId, Registry, SlotRef};

use crate::actor;
use crate::lab::Lab;
use crate::seen::Seen;
use crate::watchdog::Watchdog;

/// One model: a small program whose threads loom has meet in all orders, and what must hold in each of them.
#[derive(Clone)]
pub struct Model {
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
    execution: Arc<dyn Fn(&Seen) + Send + Sync>,
}

/// What it took to run a model.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// In how many orders its threads met.
    pub executions: usize,
    /// How long that took.
    pub took: Duration,
}

/// The models of the systems on a registry that `make` makes, the laws of the registry first.
pub fn models<R: Registry>(make: fn() -> R) -> Vec<Model> {
    crate::models::all().into_iter().map(|plan| plan.with(make)).collect()
}

/// The models of core alone, which has no registry there.
pub fn core_models() -> Vec<Model> {
    crate::models::of_core().into_iter().map(|plan| plan.with(|| Nobody)).collect()
}

/// A model of something that has neither a registry nor a system: it is told what it says it saw. The fields are those of
/// [`Model`].
///
/// For a protocol of your own on the locks of `gargoyle::sync`. Tests of this package do so with the group commit of
/// `gargoyle-storage-lmdb`.
pub fn model_of(
    name: &'static str,
    promise: &'static str,
    threads: usize,
    preemptions: Option<usize>,
    sometimes: &'static [&'static str],
    body: fn(&dyn Fn(&'static str)),
) -> Model {
    Plan { name, promise, threads, preemptions, sometimes, body: Body::Alone(body) }.with(|| Nobody)
}

/// Runs all models of the systems on a registry that `make` makes, the laws of the registry first.
///
/// # Panics
///
/// If a model fails.
///
/// # Examples
///
/// The whole test of a registry, to be run with `RUSTFLAGS="--cfg loom" cargo test --release`:
///
/// ```no_run
/// # use gargoyle_registry_std::StdRegistry as MyRegistry;
/// gargoyle_loom_tests::check_all(MyRegistry::new);
/// ```
pub fn check_all<R: Registry>(make: fn() -> R) {
    for model in models(make) {
        let Report { executions, took } = model.check();
        println!("{}: {executions} executions, {took:.1?}", model.name);
    }
}

impl Model {
    /// Runs the model.
    ///
    /// # Panics
    ///
    /// If it fails: by what it asserts, or because loom found a deadlock or no choice at all.
    pub fn check(&self) -> Report {
        let start = Instant::now();
        let seen = Seen::default();
        let watchdog = Watchdog::start(self.name);
        let executions = {
            let (seen, execution, pats) = (seen.clone(), self.execution.clone(), watchdog.pats());
            model::explore(self.preemptions, move || {
                pats.pat();
                actor::forget_all();
                execution(&seen);
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

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A model that waits for its registry: the fields are those of [`Model`].
pub(crate) struct Plan<R: Registry> {
    pub(crate) name: &'static str,
    pub(crate) promise: &'static str,
    pub(crate) threads: usize,
    pub(crate) preemptions: Option<usize>,
    pub(crate) sometimes: &'static [&'static str],
    pub(crate) body: Body<R>,
}

/// What a model does in each execution.
pub(crate) enum Body<R: Registry> {
    /// With the registry under a system.
    System(fn(Lab<R>)),
    /// With the registry alone.
    Registry(fn(R, &Seen)),
    /// With a part of core alone.
    Alone(fn(model::slots::Saw<'_>)),
}

impl<R: Registry> Plan<R> {
    fn with(self, make: fn() -> R) -> Model {
        let Plan { name, promise, threads, preemptions, sometimes, body } = self;
        let execution = move |seen: &Seen| match &body {
            Body::System(body) => body(Lab::new(make(), seen.clone())),
            Body::Registry(body) => body(make(), seen),
            Body::Alone(body) => body(&|what| seen.saw(what)),
        };
        Model { name, promise, threads, preemptions, sometimes, execution: Arc::new(execution) }
    }
}

/// No registry, for models that have none.
pub(crate) struct Nobody;

impl Registry for Nobody {
    fn get(&self, _: &ActorId) -> Option<SlotRef> {
        None
    }

    fn get_or_insert(&self, _: SlotRef) -> Option<SlotRef> {
        None
    }

    fn remove_if_same(&self, _: &SlotRef) -> bool {
        false
    }

    fn for_each(&self, _: &mut dyn FnMut(&SlotRef)) {}

    fn len(&self) -> usize {
        0
    }
}
