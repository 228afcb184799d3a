//! How many actors are alive, and whether more may come: the order of a shutdown.

use crate::clock::{Clock, Deadline};
use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Condvar, Mutex};

/// Every activation goes through the gate: in, alive or turned back, out.
#[derive(Default)]
pub(crate) struct Gate {
    inside: Mutex<Inside>,
    empty: Condvar,
    /// Written with the lock held, so that who is let in is counted before a shutdown looks at the count; read without
    /// it on the way of every message.
    phase: AtomicU8,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Inside {
    /// Let in, and not alive: to look at stone, or to wake somebody, for which all but one may be too late.
    visiting: usize,
    pub(crate) live: usize,
    pub(crate) peak: usize,
}

impl Inside {
    fn is_empty(self) -> bool {
        self.visiting + self.live == 0
    }
}

/// Everybody may send.
const OPEN: u8 = 0;
/// A shutdown waits: only actors may send, to finish what was accepted before.
const CLOSING: u8 = 1;
/// The shutdown is over: nobody may send.
const CLOSED: u8 = 2;

impl Gate {
    /// Whether a message may be sent, from an actor of this system or from elsewhere.
    pub(crate) fn admits(&self, from_actor: bool) -> bool {
        match self.phase.load(Ordering::Acquire) {
            OPEN => true,
            CLOSING => from_actor,
            _ => false,
        }
    }

    /// Whether actors are to petrify as soon as they have nothing to do.
    pub(crate) fn is_closing(&self) -> bool {
        self.phase.load(Ordering::Acquire) != OPEN
    }

    /// Lets one in who wants to bring an actor to life, or to look at one of stone. `false`: it may not.
    pub(crate) fn enter(&self, from_actor: bool) -> bool {
        let mut inside = self.inside.lock();
        let admitted = self.admits(from_actor);
        inside.visiting += usize::from(admitted);
        admitted
    }

    /// One who was let in brought an actor to life.
    pub(crate) fn came_alive(&self) {
        let mut inside = self.inside.lock();
        inside.visiting -= 1;
        inside.live += 1;
        inside.peak = inside.peak.max(inside.live);
    }

    /// One who was let in goes, and brought nobody to life. `true`: it was the last one of a shutdown.
    pub(crate) fn turn_back(&self) -> bool {
        self.out(|inside| inside.visiting -= 1)
    }

    /// An actor is alive no more. `true`: it was the last one of a shutdown.
    pub(crate) fn leave(&self) -> bool {
        self.out(|inside| inside.live -= 1)
    }

    fn out(&self, count: impl FnOnce(&mut Inside)) -> bool {
        let mut inside = self.inside.lock();
        count(&mut inside);
        if !inside.is_empty() {
            return false;
        }
        self.empty.notify_all();
        let closing = self.is_closing();
        if closing {
            self.phase.store(CLOSED, Ordering::Release);
        }
        closing
    }

    /// Begins a shutdown.
    pub(crate) fn close(&self) {
        let _inside = self.inside.lock();
        if self.phase.load(Ordering::Acquire) == OPEN {
            self.phase.store(CLOSING, Ordering::Release);
        }
    }

    /// Waits until nobody is inside or the deadline has passed, and lets nobody in any more. `true`: it is empty.
    pub(crate) fn close_when_empty(&self, clock: &dyn Clock, deadline: Deadline) -> bool {
        let mut inside = self.inside.lock();
        while !inside.is_empty() {
            let Some(nap) = deadline.nap(clock) else { break };
            inside = self.empty.wait_for(inside, nap);
        }
        self.phase.store(CLOSED, Ordering::Release);
        inside.is_empty()
    }

    pub(crate) fn inside(&self) -> Inside {
        *self.inside.lock()
    }
}
