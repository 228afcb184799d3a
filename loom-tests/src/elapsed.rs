//! Time that passes in the checkers' programs: by as much as a wait that is over at once would have taken.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Nothing of it is an operation that a checker sees.
#[derive(Debug)]
pub(crate) struct Elapsed {
    start: Instant,
    nanos: AtomicU64,
}

impl Elapsed {
    pub(crate) fn new() -> Self {
        Elapsed { start: Instant::now(), nanos: AtomicU64::new(0) }
    }

    pub(crate) fn now(&self) -> Instant {
        self.start + self.elapsed()
    }

    pub(crate) fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.elapsed()
    }

    pub(crate) fn pass(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).expect("waits that end are short");
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}
