//! What a recorder of the crate `metrics` gets to know.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gargoyle::{Builder, Settings, StorageErrorKind};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use crate::support::{Add, AddAndPanic, Fault, LONG, Lab, await_that};

/// A system whose meters are its own. Its recorder has to be there when it is built, and no longer.
fn metered(settings: impl FnOnce(Builder) -> Builder) -> (Lab, Snapshotter) {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    (metrics::with_local_recorder(&recorder, || Lab::with(settings)), snapshotter)
}

/// What was metered since this was asked last: by how much counters and gauges changed, and how often histograms were
/// recorded.
fn read(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let value = |value| match value {
        DebugValue::Counter(count) => count as f64,
        DebugValue::Gauge(level) => level.into_inner(),
        DebugValue::Histogram(values) => {
            assert!(values.iter().all(|seconds| (0.0..60.0).contains(&seconds.into_inner())), "{values:?}");
            values.len() as f64
        }
    };
    let all = snapshotter.snapshot().into_vec().into_iter();
    all.map(|(key, _, _, metered)| (key.key().name().to_owned(), value(metered))).collect()
}

#[test]
fn a_life_is_metered_from_birth_to_stone_and_back() {
    let (lab, snapshotter) = metered(|builder| builder);
    let one = lab.notes("meters-0-one");
    (0..4).for_each(|n| _ = one.call(Add(n)).unwrap());
    one.petrify().unwrap();
    one.call(Add(4)).unwrap();
    await_that(|| lab.system.sample().turns == 6);
    let metered = read(&snapshotter);
    let expected = [
        ("gargoyle_born_total", 1.0),
        ("gargoyle_revived_total", 1.0),
        ("gargoyle_petrified_total", 1.0),
        ("gargoyle_messages_total", 5.0),
        ("gargoyle_saves_total", 5.0),
        ("gargoyle_saves_failed_total", 0.0),
        ("gargoyle_live_actors", 1.0),
        ("gargoyle_save_seconds", 5.0),
        ("gargoyle_revive_seconds", 2.0),
        ("gargoyle_crashed_total", 0.0),
    ];
    for (name, value) in expected {
        assert_eq!(metered[name], value, "{name}: {metered:?}");
    }
    assert!(metered["gargoyle_turn_seconds"] >= 5.0);
    assert!(metered["gargoyle_saved_bytes_total"] > 5.0);
    lab.system.shutdown(LONG).unwrap();
    assert_eq!(read(&snapshotter)["gargoyle_live_actors"], -1.0);
}

#[test]
fn what_goes_wrong_is_metered() {
    let (lab, snapshotter) = metered(|builder| builder.settings(Settings::new().max_restarts(1)));
    let bad = lab.notes("meters-1-bad");
    bad.call(Add(1)).unwrap();
    lab.next_save(Fault::Fail(StorageErrorKind::Unreachable));
    bad.call(Add(2)).unwrap_err();
    bad.call(AddAndPanic(2)).unwrap_err();
    await_that(|| lab.system.stats().quarantined == 1 && !bad.is_live());
    let metered = read(&snapshotter);
    let expected = [
        ("gargoyle_saves_total", 1.0),
        ("gargoyle_saves_failed_total", 1.0),
        ("gargoyle_crashed_total", 2.0),
        ("gargoyle_quarantined_total", 1.0),
        ("gargoyle_undeliverable_total", 0.0),
        ("gargoyle_not_revived_total", 0.0),
    ];
    for (name, value) in expected {
        assert_eq!(metered[name], value, "{name}: {metered:?}");
    }
}

/// The table in the documentation has every meter, with its kind and its unit, and no other one.
#[test]
fn the_table_of_meters_is_true() {
    let (lab, snapshotter) = metered(|builder| builder);
    drop(lab);
    let lines = include_str!("../../METERS.md").lines().filter(|line| line.starts_with("| `gargoyle_"));
    let documented: Vec<String> = lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            format!("{} {} {}", cells[1].trim_matches('`'), cells[2], cells[3])
        })
        .collect();
    let mut metered: Vec<String> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, unit, _, _)| {
            let kind = format!("{:?}", key.kind()).to_lowercase();
            format!("{} {kind} {}", key.key().name(), unit.expect("it has a unit").as_str())
        })
        .collect();
    let mut sorted = documented.clone();
    sorted.sort_unstable();
    metered.sort_unstable();
    assert_eq!(sorted, metered);
}

/// A recorder that panics at whatever it is told from when it is told to.
#[derive(Clone, Default)]
struct Panicking(Arc<AtomicBool>);

impl Panicking {
    fn told(&self) {
        assert!(!self.0.load(Ordering::SeqCst), "a recorder that panics");
    }
}

impl CounterFn for Panicking {
    fn increment(&self, _: u64) {
        self.told();
    }
    fn absolute(&self, _: u64) {
        self.told();
    }
}

impl GaugeFn for Panicking {
    fn increment(&self, _: f64) {
        self.told();
    }
    fn decrement(&self, _: f64) {
        self.told();
    }
    fn set(&self, _: f64) {
        self.told();
    }
}

impl HistogramFn for Panicking {
    fn record(&self, _: f64) {
        self.told();
    }
}

impl Recorder for Panicking {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(self.clone()))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(self.clone()))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(self.clone()))
    }
}

/// Bug: a recorder that panicked took its actor along: at its beginning, and nobody could send to it any more; after a save, and
/// callers were told that what is durable was rolled back. Cause: it was called outside the guard. Fix: behind it.
#[test]
fn a_recorder_that_panics_changes_nothing() {
    let recorder = Panicking::default();
    let lab = metrics::with_local_recorder(&recorder, Lab::new);
    recorder.0.store(true, Ordering::SeqCst);
    let actor = lab.notes("meters-panic");
    assert_eq!(actor.call(Add(1)).unwrap(), 1);
    actor.petrify().unwrap();
    assert_eq!(actor.call(Add(2)).unwrap(), 2);
    actor.call(AddAndPanic(3)).unwrap_err();
    assert_eq!(actor.call(Add(3)).unwrap(), 3);
    assert_eq!(lab.system.stats().crashed, 1);
    // The thread of the petrified one may still be leaving.
    await_that(|| lab.system.stats().live == 1);
    lab.system.shutdown(LONG).unwrap();
}
