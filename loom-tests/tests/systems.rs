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
    let named = trials.iter().filter_map(|trial| trial.name().strip_prefix("std::")).map(str::to_owned).collect();
    trials.push(names(named));
    libtest_mimic::run(&arguments, trials).exit();
}

/// Whether the table has all scenarios, and no other.
#[cfg(shuttle)]
fn names(scenarios: std::collections::BTreeSet<String>) -> libtest_mimic::Trial {
    libtest_mimic::Trial::test("names::the_table_has_all_scenarios", move || {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let text = std::fs::read_to_string(file).expect("it is there");
        // The second of five columns; the table of loom's models has six.
        let rows = text.lines().filter(|line| line.starts_with("| ") && line.matches('|').count() == 6);
        let name = |row: &str| Some(row.split('|').nth(2)?.trim().strip_prefix('`')?.strip_suffix('`')?.to_owned());
        let table: std::collections::BTreeSet<String> = rows.filter_map(name).collect();
        assert_eq!(table, scenarios, "the table in loom-tests/README.md has other scenarios than there are");
        Ok(())
    })
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
