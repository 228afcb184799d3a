//! Every model with every registry of the workspace, as tests that are named `registry::model`.

#[cfg(not(loom))]
fn main() {
    // Nothing is said to pass that was not run.
    println!("the models need `cargo loom`");
}

#[cfg(loom)]
fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let mut trials = Vec::new();
    trials.extend(of("std", gargoyle_registry_std::StdRegistry::new));
    libtest_mimic::run(&arguments, trials).exit();
}

/// The models as tests of one registry.
#[cfg(loom)]
fn of<R: gargoyle::Registry>(registry: &str, make: fn() -> R) -> Vec<libtest_mimic::Trial> {
    let trial = |model: gargoyle_loom_tests::Model<R>| {
        libtest_mimic::Trial::test(format!("{registry}::{}", model.name), move || {
            let report = model.check(make);
            println!("{}: {} executions, {:.2?}", model.name, report.executions, report.took);
            Ok(())
        })
    };
    gargoyle_loom_tests::models().into_iter().map(trial).collect()
}
