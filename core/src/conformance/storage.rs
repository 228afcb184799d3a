//! The kit for stores: every sentence of the contract of [`Storage`] that can be tried from outside.
//!
//! # Examples
//!
//! A store that can only be opened needs one closure, which makes a place and returns the way to open the store there.
//! What it lacks is declared:
//!
//! ```
//! use gargoyle::MemoryStorage;
//! use gargoyle::conformance::storage::{self, Capabilities, Capability};
//!
//! let capabilities = Capabilities::full()
//!     .lacks(Capability::Reopen, "nothing survives the process")
//!     .lacks(Capability::OneOwner, "each store is a memory of its own")
//!     .lacks(Capability::Damage, "memory is not damaged")
//!     .lacks(Capability::Faults, "memory does not fail")
//!     .sequences(8);
//! let report = storage::run_all(|| || Ok(MemoryStorage::new()), capabilities);
//! println!("{report}");
//! ```
//!
//! For a store in a folder the inner closure keeps the folder. Called once more, it opens the same store again:
//!
//! ```text
//! let place = || {
//!     let folder = tempfile::tempdir().unwrap();
//!     move || Ok(FsStorage::open(folder.path())?)
//! };
//! ```
//!
//! What can damage a record or make the medium fail implements [`Medium`].

mod bench;
mod due;
mod keys;
mod medium;
mod model;
mod owner;
mod races;
mod records;
mod reopen;
mod revisions;
mod scan;
mod sequences;

use std::fmt;
use std::time::Duration;

use self::bench::Bench;
use super::{Case, Outcome, Report, Verdict, run};
use crate::{BoxError, Storage};

/// A place for one store: a folder, a database, a memory. Made anew for every case, and dropped after it.
///
/// A closure that opens a store is a medium that can do nothing else.
pub trait Medium {
    /// Opens the store that is on this medium; the first time, an empty one.
    ///
    /// Called again after the store was dropped if the medium can [`Reopen`](Capability::Reopen), and while it is open
    /// if it has [`OneOwner`](Capability::OneOwner).
    ///
    /// # Errors
    ///
    /// The store's.
    fn open(&self) -> Result<Box<dyn Storage>, BoxError>;

    /// Spoils the newest record of `id`, so that it cannot be read. For [`Damage`](Capability::Damage); called while no
    /// store is open.
    ///
    /// # Errors
    ///
    /// Whatever went wrong; the case fails with it.
    fn damage(&self, id: &crate::ActorId) -> Result<(), BoxError> {
        Err(format!("cannot damage the record of {id}: implement Medium::damage, or declare the lack of it").into())
    }

    /// From now on every save fails, or as before. For [`Faults`](Capability::Faults); called while the store is open.
    ///
    /// # Errors
    ///
    /// Whatever went wrong; the case fails with it.
    fn set_failing(&self, failing: bool) -> Result<(), BoxError> {
        Err(format!("cannot set failing to {failing}: implement Medium::set_failing, or declare the lack of it").into())
    }

    /// What the error for a second opener has to contain, so that a person knows which store it is about: its path,
    /// say. For [`Name`](Capability::Name).
    fn name(&self) -> Option<String> {
        None
    }
}

impl<S: Storage, F: Fn() -> Result<S, BoxError>> Medium for F {
    fn open(&self) -> Result<Box<dyn Storage>, BoxError> {
        self().map(|store| Box::new(store) as Box<dyn Storage>)
    }
}

/// What some cases need of a medium, or of the store on it, beyond a store that opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// A store that is opened again has what it had when it was dropped.
    Reopen,
    /// A second opener is refused while the store is open. Needs `Reopen`.
    OneOwner,
    /// [`Medium::name`] says what a second opener is told. Needs `OneOwner`.
    Name,
    /// [`Medium::damage`] works. Needs `Reopen`.
    Damage,
    /// [`Medium::set_failing`] works.
    Faults,
}

impl Capability {
    /// The one without which this one cannot be used.
    fn needs(self) -> Option<Capability> {
        match self {
            Capability::OneOwner | Capability::Damage => Some(Capability::Reopen),
            Capability::Name => Some(Capability::OneOwner),
            Capability::Reopen | Capability::Faults => None,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What a store can do. Begins with everything; each lack is declared, with its reason.
#[derive(Clone, Debug)]
#[must_use]
pub struct Capabilities {
    lacks: Vec<(Capability, &'static str)>,
    record_bytes_max: Option<usize>,
    sequences: u32,
    patience: Duration,
}

impl Capabilities {
    /// Everything, records of any size, 32 random sequences, and patience for 30 seconds.
    pub fn full() -> Self {
        Capabilities { lacks: Vec::new(), record_bytes_max: None, sequences: 32, patience: Duration::from_secs(30) }
    }

    /// Declares a lack, and why. Who lacks one lacks those that [need](Capability) it.
    pub fn lacks(mut self, capability: Capability, why: &'static str) -> Self {
        self.lacks.push((capability, why));
        self
    }

    /// The largest record that the store takes. Declare it if there is a limit: a byte more has to be refused.
    pub fn record_bytes_max(mut self, bytes: usize) -> Self {
        self.record_bytes_max = Some(bytes);
        self
    }

    /// How many random sequences of operations are tried, each on a medium of its own.
    pub fn sequences(mut self, number: u32) -> Self {
        self.sequences = number;
        self
    }

    /// How long a call may take that the contract says does not wait for a lock.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The reason why this cannot be used, if it cannot.
    fn lack(&self, capability: Capability) -> Option<String> {
        let declared = self.lacks.iter().find(|(lack, _)| *lack == capability);
        let own = declared.map(|(lack, why)| format!("lacks {lack}: {why}"));
        own.or_else(|| self.lack(capability.needs()?))
    }
}

/// Runs all cases, each on a medium of its own, and reports which passed and which were skipped for what lack.
///
/// Takes seconds in memory and some tens of seconds on a disk.
///
/// # Panics
///
/// If a case fails, after all have run: the message names each case that failed, what it expected and what it saw.
#[track_caller]
pub fn run_all<M: Medium + 'static>(factory: impl Fn() -> M, capabilities: Capabilities) -> Report {
    let factory = || -> Box<dyn Medium> { Box::new(factory()) };
    let bench = Bench::new(&factory, &capabilities);
    let ends = entries().map(|entry| (entry.case, run(|| (entry.run)(&bench)))).collect();
    Report { kit: "store", ends }.or_panic()
}

/// Runs one case by its name: to look at a failure alone.
///
/// # Panics
///
/// If there is no such case.
pub fn run_one<M: Medium + 'static>(name: &str, factory: impl Fn() -> M, capabilities: Capabilities) -> Outcome {
    let factory = || -> Box<dyn Medium> { Box::new(factory()) };
    let bench = Bench::new(&factory, &capabilities);
    let entry = entries().find(|entry| entry.case.name == name);
    let entry = entry.unwrap_or_else(|| panic!("there is no case {name:?}"));
    run(|| (entry.run)(&bench))
}

/// All cases, in the order in which they are run.
pub fn cases() -> impl Iterator<Item = Case> {
    entries().map(|entry| entry.case)
}

/// A case and how it is run.
struct Entry {
    case: Case,
    run: fn(&Bench<'_>) -> Verdict,
}

const fn entry(name: &'static str, checks: &'static str, run: fn(&Bench<'_>) -> Verdict) -> Entry {
    Entry { case: Case { name, checks }, run }
}

/// The table of all cases, by topic. Each topic lists its own beside the code.
static TABLE: &[&[Entry]] = &[
    records::CASES,
    keys::CASES,
    revisions::CASES,
    races::CASES,
    scan::CASES,
    due::CASES,
    sequences::CASES,
    reopen::CASES,
    owner::CASES,
    medium::CASES,
];

fn entries() -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().copied().flatten()
}
