//! The feature `metrics`: the meters of a system, as README and `gargoyle::telemetry` list them.
//!
//! Each is asked for once, when the system is built: a meter that is looked up by its name each time costs several times
//! what it counts. So the recorder has to be there before.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit};

use crate::event::EventKind;

pub(super) const ON: bool = true;

pub(super) struct Meters {
    live: Gauge,
    born: Counter,
    revived: Counter,
    not_revived: Counter,
    petrified: Counter,
    stopped: Counter,
    wiped: Counter,
    not_wiped: Counter,
    crashed: Counter,
    quarantined: Counter,
    undeliverable: Counter,
    messages: Counter,
    saves: Counter,
    saves_failed: Counter,
    saved_bytes: Counter,
    revive_seconds: Histogram,
    turn_seconds: Histogram,
    save_seconds: Histogram,
}

fn counter(name: &'static str, unit: Unit, what: &'static str) -> Counter {
    metrics::describe_counter!(name, unit, what);
    metrics::counter!(name)
}

fn seconds(name: &'static str, what: &'static str) -> Histogram {
    metrics::describe_histogram!(name, Unit::Seconds, what);
    metrics::histogram!(name)
}

impl Meters {
    pub(super) fn new() -> Self {
        let count = |name, what| counter(name, Unit::Count, what);
        metrics::describe_gauge!("gargoyle_live_actors", Unit::Count, "actors that have a thread");
        Meters {
            live: metrics::gauge!("gargoyle_live_actors"),
            born: count("gargoyle_born_total", "births"),
            revived: count("gargoyle_revived_total", "incarnations that began with a record"),
            not_revived: count("gargoyle_not_revived_total", "incarnations that did not begin"),
            petrified: count("gargoyle_petrified_total", "incarnations that ended as stone"),
            stopped: count("gargoyle_stopped_total", "incarnations that ended by stop or wipe"),
            wiped: count("gargoyle_wiped_total", "records that were deleted"),
            not_wiped: count("gargoyle_not_wiped_total", "records that were to be deleted and were not"),
            crashed: count("gargoyle_crashed_total", "incarnations that ended by a failure"),
            quarantined: count("gargoyle_quarantined_total", "quarantines that began"),
            undeliverable: count("gargoyle_undeliverable_total", "casts that came to nothing after they were accepted"),
            messages: count("gargoyle_messages_total", "messages that were handled"),
            saves: count("gargoyle_saves_total", "saves that succeeded"),
            saves_failed: count("gargoyle_saves_failed_total", "saves that failed"),
            saved_bytes: counter("gargoyle_saved_bytes_total", Unit::Bytes, "bytes of the records that were saved"),
            revive_seconds: seconds("gargoyle_revive_seconds", "from the look into the store to life, births too"),
            turn_seconds: seconds("gargoyle_turn_seconds", "turns, with their saves and replies"),
            save_seconds: seconds("gargoyle_save_seconds", "saves, as the store takes them"),
        }
    }

    pub(super) fn live(&self, change: f64) {
        self.live.increment(change);
    }

    pub(super) fn revived(&self, took: Duration) {
        self.revive_seconds.record(took);
    }

    pub(super) fn turn(&self, messages: u64, took: Duration) {
        self.messages.increment(messages);
        self.turn_seconds.record(took);
    }

    pub(super) fn saved(&self, well: bool, bytes: usize, took: Duration) {
        self.save_seconds.record(took);
        if well {
            self.saves.increment(1);
            self.saved_bytes.increment(bytes as u64);
        } else {
            self.saves_failed.increment(1);
        }
    }

    pub(super) fn happened(&self, kind: &EventKind) {
        let counter = match kind {
            EventKind::Born => &self.born,
            EventKind::Revived => &self.revived,
            EventKind::NotRevived(_) => &self.not_revived,
            EventKind::Petrified => &self.petrified,
            EventKind::Stopped => &self.stopped,
            EventKind::Wiped => &self.wiped,
            EventKind::NotWiped(_) => &self.not_wiped,
            EventKind::Crashed(_) => &self.crashed,
            EventKind::Quarantined(_) => &self.quarantined,
            EventKind::Undeliverable { .. } => &self.undeliverable,
            // Counted where its time is taken.
            EventKind::Saved(_) => return,
        };
        counter.increment(1);
    }
}
