//! The clock of a model: the time of a wait is up as soon as there is nothing to wait for, so many times.
//!
//! Loom may let a thread look as late as it likes. So that a wait is over at once covers all that a real clock could do,
//! but for a wait that goes on: for that the times are counted, and when they are used up waits have no end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use gargoyle::Clock;
use gargoyle::sync::Arc;

use crate::elapsed::Elapsed;

/// The idle time of all actors.
pub(crate) const IDLE: Duration = Duration::from_secs(1);

/// What models give as a deadline. A wait that is longer than [`IDLE`] is one for a deadline.
pub(crate) const DEADLINE: Duration = Duration::from_secs(1000);

/// Clones share one time. Nothing of it is an operation of the model.
#[derive(Clone, Debug)]
pub(crate) struct Time(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    elapsed: Elapsed,
    /// How many times an actor is idle for long enough.
    idle: AtomicUsize,
    /// How many deadlines pass.
    deadlines: AtomicUsize,
}

impl Time {
    pub(crate) fn new() -> Self {
        let endless = || AtomicUsize::new(usize::MAX);
        Time(Arc::new(Shared { elapsed: Elapsed::new(), idle: endless(), deadlines: endless() }))
    }

    pub(crate) fn set_idle(&self, times: usize) {
        self.0.idle.store(times, Ordering::Relaxed);
    }

    pub(crate) fn set_deadlines(&self, times: usize) {
        self.0.deadlines.store(times, Ordering::Relaxed);
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
        let times = if left <= IDLE { &self.0.idle } else { &self.0.deadlines };
        let may_pass = times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |times| times.checked_sub(1));
        match may_pass {
            Ok(_) => {
                self.0.elapsed.pass(left);
                Duration::ZERO
            }
            // Without an end.
            Err(_) => Duration::MAX,
        }
    }
}
