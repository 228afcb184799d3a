//! Every scenario with every registry of the workspace, as tests that are named `registry::scenario`.

#[cfg(not(shuttle))]
fn main() {
    // Nothing is said to pass that was not run.
    println!("the scenarios need `cargo shuttle`");
}

#[cfg(shuttle)]
fn main() {
    use gargoyle_loom_tests::{Effort, scenarios};

    let arguments = libtest_mimic::Arguments::from_args();
    let effort = Effort::from_env();
    let mut trials = tests("std", &effort, scenarios(gargoyle_registry_std::StdRegistry::new));
    trials.extend(tests("sharded", &effort, scenarios(|| gargoyle_registry_sharded::ShardedRegistry::with_shards(2))));
    libtest_mimic::run(&arguments, trials).exit();
}

/// The scenarios as tests.
#[cfg(shuttle)]
fn tests(
    registry: &str,
    effort: &gargoyle_loom_tests::Effort,
    scenarios: Vec<gargoyle_loom_tests::Scenario>,
) -> Vec<libtest_mimic::Trial> {
    let test = |scenario: gargoyle_loom_tests::Scenario| {
        let effort = effort.clone();
        libtest_mimic::Trial::test(format!("{registry}::{}", scenario.name), move || {
            let report = scenario.check(&effort);
            let (name, actors, seconds) = (scenario.name, scenario.actors, report.took.as_secs_f64());
            println!("| {} | `{name}` | {actors} | {} | {seconds:.1} |", scenario.promise, report.runs);
            Ok(())
        })
    };
    scenarios.into_iter().map(test).collect()
}
