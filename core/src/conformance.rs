//! Kits for whoever writes a store or a registry: one call in a test checks the whole contract.
//!
//! [`storage::run_all`] checks a [`Storage`](crate::Storage), [`registry::run_all`] a [`Registry`](crate::Registry).
//! Each has one table of cases, so that none can be left out by mistake. What a store cannot do is declared, and the
//! [`Report`] says which cases were skipped for it. Gargoyle's own stores and registries pass the same cases; and each
//! case is known to fail for an implementation with a fault of the kind that it looks for.
//!
//! Enable the feature `conformance` for a dev-dependency:
//!
//! ```toml
//! [dev-dependencies]
//! gargoyle = { version = "0.1", features = ["conformance"] }
//! ```
//!
//! A kit is for tests and grows with what is learnt: a new minor version may bring new cases.

pub mod registry;
pub mod storage;
mod threads;

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One thing that a kit checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Case {
    /// Its name, by which a failure says what failed.
    pub name: &'static str,
    /// What has to be true, in a sentence.
    pub checks: &'static str,
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// As the contract says.
    Passed,
    /// Not run, for this reason.
    Skipped(String),
    /// What was expected, and what was seen.
    Failed(String),
}

/// The cases of a kit, in the order of its table, and how each ended. `{}` shows a line for each.
#[derive(Clone, Debug)]
pub struct Report {
    kit: &'static str,
    ends: Vec<(Case, Outcome)>,
}

impl Report {
    /// All cases and how they ended.
    pub fn outcomes(&self) -> impl Iterator<Item = (Case, &Outcome)> {
        self.ends.iter().map(|(case, outcome)| (*case, outcome))
    }

    /// The names of the cases that passed.
    pub fn passed(&self) -> Vec<&'static str> {
        self.outcomes().filter(|(_, outcome)| **outcome == Outcome::Passed).map(|(case, _)| case.name).collect()
    }

    /// The names of the cases that were not run.
    pub fn skipped(&self) -> Vec<&'static str> {
        let skipped = |(_, outcome): &(Case, &Outcome)| matches!(outcome, Outcome::Skipped(_));
        self.outcomes().filter(skipped).map(|(case, _)| case.name).collect()
    }

    fn failures(&self) -> usize {
        self.ends.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_))).count()
    }

    /// Gives the report back if nothing failed.
    #[track_caller]
    fn or_panic(self) -> Self {
        let failures = self.failures();
        assert!(failures == 0, "{self}\n{failures} of {} cases failed", self.ends.len());
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conformance of a {}:", self.kit)?;
        for (case, outcome) in self.outcomes() {
            match outcome {
                Outcome::Passed => write!(f, "\n  passed   {}", case.name)?,
                Outcome::Skipped(why) => write!(f, "\n  skipped  {}: {why}", case.name)?,
                Outcome::Failed(what) => {
                    write!(f, "\n  FAILED   {}: {}\n           {what}", case.name, case.checks)?;
                }
            }
        }
        Ok(())
    }
}

/// What ends a case early.
#[derive(Debug)]
enum Miss {
    Failed(String),
    Skipped(String),
}

type Verdict<T = ()> = Result<T, Miss>;

fn failed<T>(what: impl Into<String>) -> Verdict<T> {
    Err(Miss::Failed(what.into()))
}

fn ensure(is: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if is { Ok(()) } else { failed(otherwise()) }
}

/// Fails unless both are the same.
fn same<T: PartialEq + fmt::Debug>(what: &str, seen: T, expected: T) -> Verdict {
    ensure(seen == expected, || {
        let (seen, expected) = (format!("{seen:?}"), format!("{expected:?}"));
        let same = seen.chars().zip(expected.chars()).take_while(|(seen, expected)| seen == expected).count();
        format!("{what}: expected {}, saw {}", brief(&expected, same), brief(&seen, same))
    })
}

/// A text in a line that a person can read: if it is long, what is around the place that matters.
fn brief(text: &str, place: usize) -> String {
    const SHOWN: usize = 300;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let start = place.saturating_sub(SHOWN / 4);
    let cut: String = text.chars().skip(start).take(SHOWN).collect();
    format!("{}{cut}… (cut)", if start > 0 { "…" } else { "" })
}

/// Runs one case. A panic fails it: neither contract allows one.
fn run(body: impl FnOnce() -> Verdict) -> Outcome {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => Outcome::Passed,
        Ok(Err(Miss::Skipped(why))) => Outcome::Skipped(why),
        Ok(Err(Miss::Failed(what))) => Outcome::Failed(what),
        Err(panic) => Outcome::Failed(format!("panicked: {}", panic_message(&*panic))),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("with something that is no text")
}
