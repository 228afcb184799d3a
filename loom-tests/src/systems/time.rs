//! The clock of a scenario: whether the time of a wait is up says the schedule.
//!
//! A wait is over at once or, by a throw of shuttle's dice, has no end but a notification. As a thread that waits may be
//! run as late as the schedule likes, both together are what a real clock could do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use gargoyle::Clock;
use gargoyle::sync::{Arc, model};

use crate::elapsed::Elapsed;

/// The idle time of all actors.
pub(crate) const IDLE: Duration = Duration::from_secs(10);

/// What scenarios give as a deadline. A wait that is longer than [`IDLE`] is one for a deadline.
pub(crate) const DEADLINE: Duration = Duration::from_secs(1000);

/// A wait as short as this one is over at once: something is to be tried again.
const SHORT: Duration = Duration::from_secs(1);

/// Odds are of so many.
const SIDES: u64 = 8;

/// Clones share one time. Nothing of it is an operation that a thread could be stopped at.
#[derive(Clone, Debug)]
pub(crate) struct Time(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    elapsed: Elapsed,
    idle: AtomicU64,
    deadlines: AtomicU64,
}

impl Time {
    /// Half of the times that an actor waits it is idle for long enough; no deadline passes.
    pub(crate) fn new() -> Self {
        let (idle, deadlines) = (AtomicU64::new(SIDES / 2), AtomicU64::new(0));
        Time(Arc::new(Shared { elapsed: Elapsed::new(), idle, deadlines }))
    }

    /// In so many of eight waits an actor is idle for long enough.
    pub(crate) fn set_idle(&self, odds: u64) {
        self.0.idle.store(odds, Ordering::Relaxed);
    }

    /// In so many of eight waits the deadline passes.
    pub(crate) fn set_deadlines(&self, odds: u64) {
        self.0.deadlines.store(odds, Ordering::Relaxed);
    }
}

impl Clock for Time {
    fn now(&self) -> Instant {
        self.0.elapsed.now()
    }

    fn wall(&self) -> SystemTime {
        self.0.elapsed.wall()
    }

    fn nap(&self, until: Instant) -> Duration {
        let left = until.saturating_duration_since(self.now());
        let odds = match left {
            left if left <= SHORT => SIDES,
            left if left <= IDLE => self.0.idle.load(Ordering::Relaxed),
            _ => self.0.deadlines.load(Ordering::Relaxed),
        };
        if model::random() % SIDES >= odds {
            // Without an end.
            return Duration::MAX;
        }
        self.0.elapsed.pass(left);
        Duration::ZERO
    }
}
