//! One process, and one opener in it, owns a store at a time.

use super::bench::{Bench, chain, id};
use super::{Capability, Entry, entry};
use crate::conformance::{Verdict, ensure, failed};

pub(super) static CASES: &[Entry] = &[
    entry("a_second_opener_is_refused", "a store that is open cannot be opened; the first goes on", refused),
    entry("a_second_opener_is_told_which", "the error for a second opener names the store", told_which),
];

fn refused(bench: &Bench<'_>) -> Verdict {
    bench.needs(Capability::OneOwner)?;
    let mut lab = bench.lab()?;
    let id = id("k", "a");
    let mut newest = lab.store().create(&id, b"1")?;
    for _ in 0..3 {
        if lab.medium.open().is_ok() {
            return failed("a second opener: expected an error, saw Ok");
        }
        lab.store().has(&id, newest, b"1")?;
        newest = lab.store().save(&id, Some(newest), b"1", None)?;
    }
    // Who was refused leaves nothing that keeps the next out.
    lab.reopen()?;
    lab.store().has(&id, newest, b"1")?;
    ensure(lab.medium.open().is_err(), || "a second opener after a reopening: expected an error, saw Ok".to_owned())
}

fn told_which(bench: &Bench<'_>) -> Verdict {
    bench.needs(Capability::Name)?;
    let lab = bench.lab()?;
    let Some(name) = lab.medium.name() else {
        return failed("the medium has no name: implement Medium::name, or declare the lack of it");
    };
    match lab.medium.open() {
        Ok(_) => failed("a second opener: expected an error, saw Ok"),
        Err(error) => {
            let told = chain(&*error);
            ensure(told.contains(&name), || format!("a second opener: expected to be told of {name:?}, saw {told:?}"))
        }
    }
}
