//! Every model with every registry of the workspace, as tests that are named `registry::model`; and those of core and of
//! group commit, which have none.

#[cfg(loom)]
mod group_commit;
#[cfg(loom)]
mod names;

#[cfg(not(loom))]
fn main() {
    // Nothing is said to pass that was not run.
    println!("the models need `cargo loom`");
}

#[cfg(loom)]
fn main() {
    use gargoyle_loom_tests::{core_models, models};

    let arguments = libtest_mimic::Arguments::from_args();
    let mut trials = tests("core", core_models());
    trials.extend(tests("lmdb", group_commit::models()));
    // Those without a registry are written with where they are from, the others alone.
    let mut all: std::collections::BTreeSet<String> = trials.iter().map(|trial| trial.name().to_owned()).collect();
    let on_std = models(gargoyle_registry_std::StdRegistry::new);
    all.extend(on_std.iter().map(|model| model.name.to_owned()));
    trials.extend(names::tests(all));
    trials.extend(tests("std", on_std));
    trials.extend(tests("sharded", models(|| gargoyle_registry_sharded::ShardedRegistry::with_shards(2))));
    libtest_mimic::run(&arguments, trials).exit();
}

/// The models as tests.
#[cfg(loom)]
fn tests(registry: &str, models: Vec<gargoyle_loom_tests::Model>) -> Vec<libtest_mimic::Trial> {
    let test = |model: gargoyle_loom_tests::Model| {
        libtest_mimic::Trial::test(format!("{registry}::{}", model.name), move || {
            let report = model.check();
            let bound = model.preemptions.map_or("all".to_owned(), |bound| bound.to_string());
            let (name, threads, seconds) = (model.name, model.threads, report.took.as_secs_f64());
            println!("| {} | `{name}` | {threads} | {bound} | {} | {seconds:.2} |", model.promise, report.executions);
            Ok(())
        })
    };
    models.into_iter().map(test).collect()
}
