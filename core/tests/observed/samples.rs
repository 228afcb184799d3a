//! What a sample says of a system and its actors.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gargoyle::observe::{SaveTimes, VERSION};
use gargoyle::testing::TestClock;
use gargoyle::{ActorId, MemoryStorage, Revision, Settings, Storage, StorageError, Stored, System, Visit};
use gargoyle_registry_std::StdRegistry;

use crate::support::{Add, AddAndPanic, Birth, LONG, Lab, Notes, await_that, occupy};

/// A store whose saves take as long as it is told, by a clock that stands still otherwise.
struct Slow {
    clock: TestClock,
    takes: Duration,
    inner: MemoryStorage,
}

impl Storage for Slow {
    fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError> {
        self.inner.load(id)
    }

    fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Result<Revision, StorageError> {
        self.clock.advance(self.takes);
        self.inner.save(id, expected, bytes, wake_at)
    }

    fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        self.inner.wipe(id, expected)
    }

    fn scan(&self, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Result<(), StorageError> {
        self.inner.scan(kind, after, visit)
    }

    fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError> {
        self.inner.due(until, visit)
    }
}

#[test]
fn a_sample_counts_messages_turns_and_saves_of_each_actor() {
    let lab = Lab::new();
    let (one, other) = (lab.notes("samples-0-one"), lab.notes("samples-0-other"));
    for n in 0..5 {
        one.call(Add(n)).unwrap();
    }
    // Three that wait together are one turn, and the one that they waited for another.
    let busy = occupy(&other);
    (0..3).for_each(|n| other.cast(Add(n)).unwrap());
    lab.await_queued(&other, 3);
    let during = lab.system.sample();
    let of = |sample: &gargoyle::observe::Sample, id: &ActorId| {
        sample.actors.iter().find(|actor| actor.id == *id).cloned().expect("it is alive")
    };
    assert_eq!((of(&during, other.id()).queued, of(&during, other.id()).idle), (3, false));
    busy.let_go();
    other.call(Add(9)).unwrap();

    // The turn of a call may be counted after its reply.
    await_that(|| of(&lab.system.sample(), one.id()).turns == 5);
    let sample = lab.system.sample();
    let one_now = of(&sample, one.id());
    assert_eq!((one_now.messages, one_now.saves, one_now.queued), (5, 5, 0));
    assert!(one_now.last_save_ns.is_some());
    let other_now = of(&sample, other.id());
    assert_eq!(other_now.messages, 5);
    assert!(other_now.saves <= 3, "{other_now:?}");
    assert_eq!(sample.messages, 10);
    assert_eq!((sample.version, sample.process), (VERSION, std::process::id()));
    assert_eq!((sample.stats.live, sample.stats.born), (2, 2));
    assert_eq!(sample.saves.count(), sample.stats.saved);
    assert_eq!(sample.actors.iter().map(|actor| &actor.id).collect::<Vec<_>>(), [one.id(), other.id()]);
}

#[test]
fn what_those_did_who_have_gone_is_not_forgotten() {
    let lab = Lab::new();
    let one = lab.notes("samples-1-one");
    for round in 1..=3 {
        one.call(Add(round)).unwrap();
        one.petrify().unwrap();
        let sample = lab.system.sample();
        assert!(sample.actors.is_empty());
        assert_eq!(sample.messages, round);
        // To petrify is one, too.
        assert_eq!(sample.turns, 2 * round);
    }
}

#[test]
fn the_times_of_saves_are_those_of_the_systems_clock() {
    let clock = TestClock::new();
    let takes = Duration::from_millis(3);
    let store = Arc::new(Slow { clock: clock.clone(), takes, inner: MemoryStorage::new() });
    let builder = System::builder(StdRegistry::new(), store).clock(clock).call_timeout(LONG);
    let system = builder.settings(Settings::new().idle_never().turn_time(LONG)).build().unwrap();
    assert_eq!(system.sample().saves.percentile(50.0), None);
    let one = system.handle::<Notes>("samples-2-one", Birth::Fine);
    (0..10).for_each(|n| _ = one.call(Add(n)).unwrap());
    let sample = system.sample();
    assert_eq!(sample.saves.count(), 10);
    let [median, longest] = [50.0, 100.0].map(|percent| sample.saves.percentile(percent).unwrap());
    assert_eq!(median, longest);
    assert!(median >= takes && median <= takes + takes / 8, "{median:?}");
    assert_eq!(sample.actors[0].last_save_ns, Some(3_000_000));
    assert_eq!(sample.saves.since(&sample.saves), SaveTimes::default());
}

#[test]
fn quarantined_actors_and_the_last_failures_are_named() {
    let lab = Lab::with(|builder| builder.settings(Settings::new().max_restarts(1)));
    let bad = lab.notes("samples-3-bad");
    bad.call(AddAndPanic(1)).unwrap_err();
    assert_eq!(lab.system.sample().quarantined, 0);
    bad.call(AddAndPanic(2)).unwrap_err();
    await_that(|| !lab.system.quarantined().is_empty() && !bad.is_live());
    let sample = lab.system.sample();
    assert_eq!((sample.quarantined, sample.quarantine.len()), (1, 1));
    assert_eq!(&sample.quarantine[0].id, bad.id());
    assert!(sample.quarantine[0].left_ms > 0);
    assert!(sample.quarantine[0].last.contains("panic"), "{:?}", sample.quarantine[0]);
    let said: Vec<_> = sample.failures.iter().map(|failure| &*failure.what).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("crashed") && said[1].contains("crashed") && said[2].contains("quarantined"), "{said:?}");
    lab.system.pardon(bad.id());
    assert_eq!(lab.system.sample().quarantined, 0);
}

#[test]
fn a_sample_survives_json() {
    let lab = Lab::new();
    lab.notes("samples-4-a\n\u{1b}\"ü").call(Add(1)).unwrap();
    lab.notes("samples-4-bad").call(AddAndPanic(1)).unwrap_err();
    let sample = lab.system.sample();
    let text = serde_json::to_string(&sample).unwrap();
    assert!(!text.contains('\n'), "a sample is a line");
    assert_eq!(serde_json::from_str::<gargoyle::observe::Sample>(&text).unwrap(), sample);
    // What a later version adds is passed over.
    let later = text.replacen('{', r#"{"new":{"a":[1]},"#, 1);
    assert_eq!(serde_json::from_str::<gargoyle::observe::Sample>(&later).unwrap(), sample);
}
