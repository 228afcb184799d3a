//! The seam between Gargoyle and time.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use crate::sync::{Arc, Mutex};

/// Tells the time. Systems take theirs from [`Builder::clock`](crate::Builder::clock): the machine's unless a test
/// hands in a [`TestClock`](crate::testing::TestClock).
///
/// Called from all threads of a system, often, and with its locks held: must not block, must not panic, and must call
/// nothing of the system's. `now` never goes backwards.
pub trait Clock: Send + Sync + 'static {
    /// The time for deadlines and idle times.
    fn now(&self) -> Instant;

    /// The time of day, for what a person reads.
    fn wall(&self) -> SystemTime;

    /// How long, by the machine's clock, a thread that waits until `until` may sleep before it looks at this clock
    /// again.
    fn nap(&self, until: Instant) -> Duration {
        until.saturating_duration_since(self.now())
    }
}

impl dyn Clock {
    /// The time after `delay`, or as late as a clock can say.
    pub(crate) fn after(&self, delay: Duration) -> Instant {
        let now = self.now();
        now.checked_add(delay).unwrap_or_else(|| now + FAR)
    }
}

/// Three hundred years: every clock can say this.
pub(crate) const FAR: Duration = Duration::from_secs(300 * 365 * 24 * 3600);

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that stands still until a test moves it.
///
/// Clones share one time. Whoever waits under this clock looks at it every millisecond, so that a move is seen soon
/// after [`advance`](Self::advance); a test waits for what then happens, not for a time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gargoyle::Clock;
/// use gargoyle::testing::TestClock;
///
/// let clock = TestClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now() - before, Duration::from_secs(60));
/// ```
#[derive(Clone)]
pub struct TestClock {
    start: (Instant, SystemTime),
    advanced: Arc<Mutex<Duration>>,
}

impl TestClock {
    /// A clock that starts at the machine's present time.
    pub fn new() -> Self {
        TestClock { start: (Instant::now(), SystemTime::now()), advanced: Arc::default() }
    }

    /// Moves the time forward by `by`; to three hundred years from the start at most.
    pub fn advance(&self, by: Duration) {
        let mut advanced = self.advanced.lock();
        *advanced = advanced.saturating_add(by).min(FAR);
    }

    fn advanced(&self) -> Duration {
        *self.advanced.lock()
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClock").field("advanced", &self.advanced()).finish_non_exhaustive()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        self.start.0 + self.advanced()
    }

    fn wall(&self) -> SystemTime {
        self.start.1 + self.advanced()
    }

    fn nap(&self, until: Instant) -> Duration {
        // Nobody can know when a test moves the clock.
        until.saturating_duration_since(self.now()).min(Duration::from_millis(1))
    }
}

/// Waits without an end sleep this long at a stretch; they only go round their loop once more.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// The end of a wait; `None` is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) fn after(clock: &dyn Clock, limit: Duration) -> Self {
        Self::at(clock.now(), limit)
    }

    /// A limit too large for the clock to express is no limit.
    pub(crate) fn at(start: Instant, limit: Duration) -> Self {
        Deadline(start.checked_add(limit))
    }

    pub(crate) const fn until(time: Instant) -> Self {
        Deadline(Some(time))
    }

    pub(crate) const NEVER: Deadline = Deadline(None);

    /// The one of the two that comes first.
    pub(crate) fn earlier(self, other: Deadline) -> Deadline {
        match (self.0, other.0) {
            (Some(one), Some(other)) => Deadline(Some(one.min(other))),
            (one, other) => Deadline(one.or(other)),
        }
    }

    pub(crate) fn has_passed(self, clock: &dyn Clock) -> bool {
        self.0.is_some_and(|at| at <= clock.now())
    }

    /// How long to sleep before the next look; `None` when the time is up.
    pub(crate) fn nap(self, clock: &dyn Clock) -> Option<Duration> {
        match self.0 {
            None => Some(LONG),
            Some(at) => Some(clock.nap(at).min(LONG)).filter(|_| clock.now() < at),
        }
    }
}
