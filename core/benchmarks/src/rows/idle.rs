//! A thousand actors that are alive and have nothing to do.

use std::thread::sleep;
use std::time::Duration;

use super::{OURS, PARKING};
use crate::harness::Bound::AtMost;
use crate::harness::{Effort, Row, Unit, cpu_time};
use crate::ours::{self, Tally};
use crate::raw::{Add, PARKS, RawActor, ReplySlot};

const ACTORS: usize = 1_000;

pub(super) fn rows() -> Vec<Row> {
    let row = Row::new("idle", "1,000 live actors, processor time in a second", Unit::Cpu).rounds_max(1);
    // A microsecond in a second is none; a raw thread takes none, of which there are no multiples.
    vec![row.ours(OURS, gargoyle).floor(PARKING, raw).goal(OURS, AtMost(2.0), PARKING)]
}

/// The processor time of a second in which nothing happens, in nanoseconds; at least a microsecond, as the clock itself
/// is read.
fn at_rest(effort: Effort) -> f64 {
    // What came before has its end.
    sleep(Duration::from_millis(500));
    let (before, seconds) = (cpu_time(), effort.of(10));
    sleep(Duration::from_secs(seconds));
    let took = (cpu_time() - before).as_nanos() as f64 / seconds as f64;
    took.max(1_000.0)
}

fn gargoyle(effort: Effort) -> f64 {
    let system = ours::system();
    for n in 0..ACTORS {
        assert_eq!(ours::add(&system.handle::<Tally>(n.to_string(), ())), 1);
    }
    let took = at_rest(effort);
    assert_eq!(system.stats().live, ACTORS);
    took
}

fn raw(effort: Effort) -> f64 {
    let slot = ReplySlot::new();
    let actors: Vec<_> = (0..ACTORS).map(|_| RawActor::start(PARKS, crossbeam_channel::bounded(1024))).collect();
    actors.iter().for_each(|actor| assert_eq!(actor.call(&slot, Add(1, 0)), 1));
    at_rest(effort)
}
