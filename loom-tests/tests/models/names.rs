//! Whether what is written about the models names models that there are, and all of them.

use std::collections::BTreeSet;
use std::path::Path;

use libtest_mimic::Trial;

/// The tests of the documents, given the full names of all models.
pub(crate) fn tests(models: BTreeSet<String>) -> Vec<Trial> {
    let slot = models.clone();
    let bugs = models.clone();
    vec![
        Trial::test("names::the_table_has_all_models", move || {
            let table = in_table(&read("README.md"));
            assert_eq!(table, models, "the table in loom-tests/README.md has other models than there are");
            Ok(())
        }),
        Trial::test("names::the_races_of_the_slot_name_models_that_there_are", move || {
            let named = in_races(&read("../core/src/slot/README.md"));
            assert!(named.len() > 10, "only {} models are named", named.len());
            let unknown: Vec<_> = named.difference(&slot).collect();
            assert!(unknown.is_empty(), "core/src/slot/README.md names {unknown:?}");
            Ok(())
        }),
        Trial::test("names::every_seeded_bug_names_models_that_there_are", move || {
            let models: BTreeSet<&str> = bugs.iter().map(|name| name.rsplit("::").next().unwrap_or(name)).collect();
            let mut patches = 0;
            for patch in std::fs::read_dir(path("mutants")).expect("the folder is there") {
                let patch = patch.expect("it can be read").path();
                if patch.extension().is_none_or(|extension| extension != "patch") {
                    continue;
                }
                patches += 1;
                let text = std::fs::read_to_string(&patch).expect("it is text");
                let caught = |by: &str| text.lines().find_map(|line| line.strip_prefix(by).map(str::to_owned));
                let by_loom = caught("Caught by: ").unwrap_or_default();
                let unknown: Vec<_> = by_loom.split_whitespace().filter(|name| !models.contains(name)).collect();
                assert!(unknown.is_empty(), "{} names {unknown:?}", patch.display());
                assert!(!by_loom.is_empty() || caught("Caught by shuttle: ").is_some(), "{}", patch.display());
            }
            assert!(patches >= 33, "only {patches} seeded bugs are there");
            Ok(())
        }),
    ]
}

fn path(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The second column of the table of models, which is the one with four numbers behind the name.
fn in_table(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.matches('|').count() == 7);
    rows.filter_map(|row| row.split('|').nth(2)?.trim().strip_prefix('`')?.strip_suffix('`').map(str::to_owned))
        .collect()
}

/// What is in back-quotes between "*Model" and the next asterisk.
fn in_races(text: &str) -> BTreeSet<String> {
    let lists = text.split("*Model").skip(1).filter_map(|rest| rest.split('*').next());
    lists.flat_map(|list| list.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}
