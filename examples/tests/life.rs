//! Do the programs on an actor's life print what really becomes of it?
//!
//! `cargo test` builds the examples before it runs this. With `--test life` it does not: then build them before.

use std::env;
use std::path::Path;
use std::process::Command;

fn output_of(example: &str) -> String {
    let this = env::current_exe().unwrap();
    let profile = this.parent().and_then(Path::parent).expect("tests are in target/<profile>/deps");
    let program = profile.join("examples").join(example).with_extension(env::consts::EXE_EXTENSION);
    let output = Command::new(&program).output().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

const GONE: &str = "gone; the next message makes a new one: 1";
const KEPT: &str = "kept with 7; the next message revives it: 8";
const BACK: &str = "revived at once with 7";

#[test]
fn supervision_finds_the_table_of_restart_policies() {
    let shown = output_of("supervision");
    let mut rows = vec![
        format!("| stop | {GONE} | {GONE} | {KEPT} |"),
        format!("| panic | {GONE} | {KEPT} | {BACK} |"),
        format!("| petrify | {KEPT} | {KEPT} | {KEPT} |"),
    ];
    if cfg!(unix) {
        rows.push(format!("| kill -9 | {GONE} | {KEPT} | {BACK} |"));
    }
    assert_eq!(shown.lines().skip(2).collect::<Vec<_>>(), rows);
}

#[test]
fn deadlock_names_the_ring() {
    let ring = "Socrates would wait for Aristotle would wait for Plato would wait for Socrates";
    let answer = format!("Aristotle asked, and Plato asked, and Socrates was refused: {ring}\n");
    assert_eq!(output_of("deadlock"), answer);
}
