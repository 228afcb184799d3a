//! What `observe` keeps of a system's past: how long saves took, what failed last, and what those did who have gone.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use crate::ActorId;
use crate::event::{Event, EventKind};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::telemetry::Vitals;

/// How many failures are kept: what fits on a screen.
const FAILURES_KEPT: usize = 32;

/// What the slots did that are no more.
#[derive(Clone, Copy, Default)]
pub(crate) struct Departed {
    pub(crate) messages: u64,
    pub(crate) turns: u64,
}

impl Departed {
    pub(crate) fn add(&mut self, vitals: &Vitals) {
        let read = vitals.read();
        self.messages += read.messages;
        self.turns += read.turns;
    }
}

pub(crate) struct History {
    born: Instant,
    saves: Latencies,
    /// The oldest first.
    failures: Mutex<VecDeque<(SystemTime, Event)>>,
    /// Whom to tell that the system has shut down.
    at_end: Mutex<Option<AtEnd>>,
}

pub(crate) type AtEnd = Box<dyn FnOnce() + Send>;

impl History {
    pub(super) fn new() -> Self {
        History { born: Instant::now(), saves: Latencies::new(), failures: Mutex::default(), at_end: Mutex::default() }
    }

    pub(super) fn saved(&self, took: Duration) {
        self.saves.add(took);
    }

    pub(super) fn happened(&self, id: &ActorId, kind: &EventKind) {
        if !is_failure(kind) {
            return;
        }
        let event = Event { id: id.clone(), kind: kind.clone() };
        // For people, and not for what a test has to wait for: the machine's time will do.
        let mut failures = self.failures.lock();
        let oldest = if failures.len() == FAILURES_KEPT { failures.pop_front() } else { None };
        failures.push_back((SystemTime::now(), event));
        drop(failures);
        // It may be the last one that has a user's error.
        crate::guard::discard(oldest);
    }

    /// Has this done when the system has shut down.
    #[cfg(unix)]
    pub(crate) fn at_end(&self, done: AtEnd) {
        *self.at_end.lock() = Some(done);
    }

    /// The system has shut down. Done under the lock, so that the last actor and who shuts down, who both come here at the
    /// same time, both find it done.
    pub(super) fn end(&self) {
        let mut at_end = self.at_end.lock();
        if let Some(done) = at_end.take() {
            done();
        }
    }

    /// How long the system has been there.
    pub(crate) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// How long saves took: pairs of a duration and of how many took that long or less, and more than the one before.
    pub(crate) fn saves(&self) -> Vec<(Duration, u64)> {
        self.saves.counts()
    }

    /// The last failures, the oldest first.
    pub(crate) fn failures(&self) -> Vec<(SystemTime, Event)> {
        self.failures.lock().iter().cloned().collect()
    }
}

fn is_failure(kind: &EventKind) -> bool {
    match kind {
        EventKind::NotRevived(_)
        | EventKind::Crashed(_)
        | EventKind::Quarantined(_)
        | EventKind::NotWiped(_)
        | EventKind::Undeliverable { .. } => true,
        EventKind::Born
        | EventKind::Revived
        | EventKind::Saved(_)
        | EventKind::Petrified
        | EventKind::Stopped
        | EventKind::Wiped => false,
    }
}

/// A power of two is cut into so many buckets: what is read is at most an eighth too long.
const STEPS: u64 = 8;
const STEPS_BITS: u32 = STEPS.trailing_zeros();
/// Up to 2^40 ns, which is 18 minutes; what takes longer is counted as that.
const POWERS: u32 = 40;
const BUCKETS: usize = ((POWERS - STEPS_BITS + 1) * STEPS as u32) as usize;

/// Counts durations in buckets that grow with them, without a lock.
struct Latencies([AtomicU64; BUCKETS]);

impl Latencies {
    fn new() -> Self {
        Latencies(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    fn add(&self, took: Duration) {
        self.0[bucket_of(took)].fetch_add(1, Ordering::Relaxed);
    }

    fn counts(&self) -> Vec<(Duration, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed)).enumerate();
        counts.filter(|(_, count)| *count > 0).map(|(bucket, count)| (longest_in(bucket), count)).collect()
    }
}

/// The first `STEPS` buckets are one nanosecond each; from then on each power of two has `STEPS`.
fn bucket_of(took: Duration) -> usize {
    let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).min((1 << POWERS) - 1);
    let bucket = match ns.checked_ilog2() {
        Some(power) if power >= STEPS_BITS => {
            let step = (ns >> (power - STEPS_BITS)) & (STEPS - 1);
            u64::from(power - STEPS_BITS + 1) * STEPS + step
        }
        _ => ns,
    };
    usize::try_from(bucket).expect("there are few buckets")
}

/// The longest duration that is counted there.
fn longest_in(bucket: usize) -> Duration {
    let (power, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    Duration::from_nanos(match power {
        0 => step,
        power => ((STEPS + step + 1) << (power - 1)) - 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_in_the_bucket_that_says_so() {
        let powers = (0..POWERS).flat_map(|power| [(1 << power) - 1, 1 << power, (1 << power) + (1 << power) / 3]);
        for ns in (0..10_000).chain(powers) {
            let (took, bucket) = (Duration::from_nanos(ns), bucket_of(Duration::from_nanos(ns)));
            let longest = longest_in(bucket);
            assert!(took <= longest, "{took:?} is not in {longest:?}");
            assert!(
                longest.as_nanos() <= took.as_nanos() + took.as_nanos() / 8,
                "{longest:?} is too long for {took:?}"
            );
            assert!(bucket == 0 || longest_in(bucket - 1) < took, "{took:?} belongs into the one before");
        }
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
        assert_eq!(longest_in(BUCKETS - 1), Duration::from_nanos((1 << POWERS) - 1));
    }

    #[test]
    fn the_last_failures_are_kept_and_nothing_else() {
        let history = History::new();
        let id = ActorId::new("k", "a").unwrap();
        for n in 0..FAILURES_KEPT as u64 + 5 {
            history.happened(&id, &EventKind::Quarantined(Duration::from_secs(n)));
            history.happened(&id, &EventKind::Petrified);
        }
        let failures = history.failures();
        assert_eq!(failures.len(), FAILURES_KEPT);
        let seconds = |event: &Event| match event.kind {
            EventKind::Quarantined(time) => time.as_secs(),
            _ => panic!("{event}"),
        };
        assert_eq!(seconds(&failures[0].1), 5);
        assert_eq!(seconds(&failures[FAILURES_KEPT - 1].1), FAILURES_KEPT as u64 + 4);
    }
}
