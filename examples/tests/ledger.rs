//! Does the ledger keep all its money, and would its audit notice if it did not?
//!
//! `cargo test` builds the example before it runs this. With `--test ledger` it does not: then build it before.

use std::env;
use std::path::Path;
use std::process::{Command, Output};

use gargoyle::{ActorId, Storage};
use gargoyle_storage_lmdb::LmdbStorage;

fn ledger(folder: &Path, rounds: u32) -> Output {
    let this = env::current_exe().unwrap();
    let profile = this.parent().and_then(Path::parent).expect("tests are in target/<profile>/deps");
    let program = profile.join("examples").join("ledger").with_extension(env::consts::EXE_EXTENSION);
    let mut command = Command::new(&program);
    command.current_dir(folder).args(["--rounds", &rounds.to_string(), "--transfers", "100"]);
    command.output().unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

#[test]
fn no_money_is_lost_or_made_by_kills_and_the_audit_sees_what_is() {
    let folder = tempfile::tempdir().unwrap();
    let output = ledger(folder.path(), 3);
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    let rounds: Vec<&str> = shown.lines().collect();
    assert_eq!(rounds.len(), 3, "{shown}");
    assert!(rounds.iter().all(|round| round.contains("20000 in 20 accounts before and after")), "{shown}");

    // An account that vanishes takes its money with it, unless it had as much as at its opening.
    let is_noticed = (0..20).any(|number| {
        let store = LmdbStorage::open(folder.path().join("ledger-data")).unwrap();
        store.wipe(&ActorId::new("account", format!("account-{number:02}")).unwrap(), None).unwrap();
        drop(store);
        let output = ledger(folder.path(), 0);
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("at first: ")
    });
    assert!(is_noticed);
}
