//! The smallest thing that keeps the contract, to compare a store with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use crate::{ActorId, Revision};

/// What a store has to show after some operations.
#[derive(Default)]
pub(super) struct Model {
    records: BTreeMap<ActorId, Kept>,
    /// Every revision that an id ever had, in their order.
    history: BTreeMap<ActorId, Vec<Revision>>,
}

pub(super) struct Kept {
    pub(super) revision: Revision,
    pub(super) bytes: Vec<u8>,
    wake_at: Option<SystemTime>,
}

impl Model {
    pub(super) fn get(&self, id: &ActorId) -> Option<&Kept> {
        self.records.get(id)
    }

    pub(super) fn newest(&self, id: &ActorId) -> Option<Revision> {
        self.get(id).map(|kept| kept.revision)
    }

    /// The n-th last revision that this id ever had.
    pub(super) fn earlier(&self, id: &ActorId, n: usize) -> Option<Revision> {
        self.history.get(id)?.iter().rev().nth(n).copied()
    }

    /// A save that was accepted with this revision.
    pub(super) fn save(&mut self, id: &ActorId, revision: Revision, bytes: Vec<u8>, wake_at: Option<SystemTime>) {
        self.history.entry(id.clone()).or_default().push(revision);
        self.records.insert(id.clone(), Kept { revision, bytes, wake_at });
    }

    pub(super) fn wipe(&mut self, id: &ActorId) {
        self.records.remove(id);
    }

    pub(super) fn scan(&self, kind: Option<&str>, after: Option<&ActorId>) -> Vec<ActorId> {
        let wanted = |id: &&ActorId| kind.is_none_or(|kind| id.kind() == kind) && after.is_none_or(|after| *id > after);
        self.records.keys().filter(wanted).cloned().collect()
    }

    pub(super) fn due(&self, until: SystemTime) -> BTreeSet<ActorId> {
        let is_due = |kept: &Kept| kept.wake_at.is_some_and(|at| at <= until);
        self.records.iter().filter(|(_, kept)| is_due(kept)).map(|(id, _)| id.clone()).collect()
    }
}
