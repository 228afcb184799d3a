//! The messages that an actor has sent to itself for later.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::Actor;
use crate::guard::discard;
use crate::message::Envelope;

/// A message that is to be handled later, see [`Context::send_after`](crate::Context::send_after).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timer {
    due: Instant,
    /// No two timers of a system have the same: one of an earlier incarnation cancels none of a later one.
    number: u64,
}

impl Timer {
    fn key(self) -> (Instant, u64) {
        (self.due, self.number)
    }
}

pub(crate) struct Timers<A: Actor> {
    /// By time, and those of the same time in the order in which they were set.
    pending: BTreeMap<(Instant, u64), Envelope<A>>,
    /// What the present message did, for when it counts.
    staged: Vec<Change<A>>,
}

enum Change<A: Actor> {
    Set(Timer, Envelope<A>),
    Cancel(Timer),
}

impl<A: Actor> Timers<A> {
    pub(crate) fn new() -> Self {
        Timers { pending: BTreeMap::new(), staged: Vec::new() }
    }

    pub(crate) fn set(&mut self, due: Instant, number: u64, envelope: Envelope<A>) -> Timer {
        let timer = Timer { due, number };
        self.staged.push(Change::Set(timer, envelope));
        timer
    }

    pub(crate) fn cancel(&mut self, timer: Timer) {
        self.staged.push(Change::Cancel(timer));
    }

    /// Whether the present message has neither set nor cancelled any.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.staged.is_empty()
    }

    /// The present message counts.
    pub(crate) fn keep(&mut self) {
        for change in self.staged.drain(..) {
            match change {
                Change::Set(timer, envelope) => drop(self.pending.insert(timer.key(), envelope)),
                Change::Cancel(timer) => discard(self.pending.remove(&timer.key())),
            }
        }
    }

    /// The present message does not count. Gives what it wanted to send later.
    pub(crate) fn undo(&mut self) -> Vec<Envelope<A>> {
        let mut set = BTreeMap::new();
        for change in self.staged.drain(..) {
            match change {
                Change::Set(timer, envelope) => drop(set.insert(timer.key(), envelope)),
                // What it set and cancelled itself, it does not want.
                Change::Cancel(timer) => discard(set.remove(&timer.key())),
            }
        }
        set.into_values().collect()
    }

    /// When the next one is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.pending.first_key_value().map(|((due, _), _)| *due)
    }

    /// The next one, if it is due.
    pub(crate) fn take_due(&mut self, now: impl FnOnce() -> Instant) -> Option<Envelope<A>> {
        let due = self.next_due()?;
        if due <= now() { self.pending.pop_first().map(|(_, envelope)| envelope) } else { None }
    }

    /// The incarnation ends. Gives what will not be sent.
    pub(crate) fn end(&mut self) -> Vec<Envelope<A>> {
        let mut ended = self.undo();
        ended.extend(std::mem::take(&mut self.pending).into_values());
        ended
    }
}
