//! What an actor has done since its slot was born, for `observe` and `metrics`.

use std::time::Duration;

use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};

pub(super) const ON: bool = true;

/// The counts of one slot. Clones are the same counts: the slot has one, and the turns of its incarnations.
#[derive(Clone)]
pub(crate) struct Vitals(Arc<Counts>);

#[derive(Default)]
struct Counts {
    messages: AtomicU64,
    turns: AtomicU64,
    saves: AtomicU64,
    last_save_ns: AtomicU64,
}

/// The counts of one moment. Read one after the other while the actor goes on.
#[cfg(feature = "observe")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) messages: u64,
    pub(crate) turns: u64,
    pub(crate) saves: u64,
    /// `None`: nothing was saved.
    pub(crate) last_save: Option<Duration>,
}

/// Only the slot's thread writes, so that a load and a store do what a locked addition would, for a fraction of it.
fn add_one(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl Vitals {
    pub(crate) fn new() -> Self {
        Vitals(Arc::default())
    }

    /// A message is handled.
    pub(crate) fn message(&self) {
        add_one(&self.0.messages);
    }

    pub(super) fn messages(&self) -> u64 {
        self.0.messages.load(Ordering::Relaxed)
    }

    pub(super) fn turn(&self) {
        add_one(&self.0.turns);
    }

    pub(super) fn saved(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.last_save_ns.store(took, Ordering::Relaxed);
        add_one(&self.0.saves);
    }

    #[cfg(feature = "observe")]
    pub(crate) fn read(&self) -> Reading {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let saves = read(&self.0.saves);
        Reading {
            messages: self.messages(),
            turns: read(&self.0.turns),
            saves,
            last_save: (saves > 0).then(|| Duration::from_nanos(read(&self.0.last_save_ns))),
        }
    }
}
