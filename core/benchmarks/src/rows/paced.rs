//! A call each 200 µs: the actor sleeps between them, and so does its processor. How long one takes, and how much
//! processor time each costs, the pause included.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{LOOKING, OURS, PARKING, beside_peers};
use crate::harness::Bound::AtMost;
use crate::harness::{Effort, Row, Unit, cpu_time, median};
use crate::ours;
use crate::raw::{Add, LOOKS, Looks, PARKS, RawActor, ReplySlot};

const PAUSE: Duration = Duration::from_micros(200);

pub(super) fn rows() -> Vec<Row> {
    let took = |row: Row| {
        let row = row
            .ours(OURS, |effort| gargoyle(effort).0)
            .floor(PARKING, |effort| raw(effort, PARKS).0)
            .floor(LOOKING, |effort| raw(effort, LOOKS).0);
        beside_peers(row, |peer| peer.paced)
    };
    let cost = |row: Row| {
        row.ours(OURS, |effort| gargoyle(effort).1)
            .floor(PARKING, |effort| raw(effort, PARKS).1)
            .floor(LOOKING, |effort| raw(effort, LOOKS).1)
            .goal(OURS, AtMost(1.05), PARKING)
    };
    vec![
        took(Row::new("paced", "a call each 200 µs, median", Unit::Time)),
        took(Row::new("paced-pinned", "a call each 200 µs, median, all on one processor", Unit::Time).pinned()),
        cost(Row::new("paced-cpu", "a call each 200 µs, processor time", Unit::Cpu)),
        cost(
            Row::new("paced-cpu-pinned", "a call each 200 µs, processor time, all on one processor", Unit::Cpu)
                .pinned(),
        ),
    ]
}

/// The median of how long a call takes, and the processor time of each.
pub(crate) fn paced(effort: Effort, mut call: impl FnMut()) -> (f64, f64) {
    let calls = effort.of(3_000);
    let mut took = Vec::new();
    for warming in [true, false] {
        let before = cpu_time();
        for _ in 0..if warming { calls / 4 } else { calls } {
            sleep(PAUSE);
            let start = Instant::now();
            call();
            took.push(start.elapsed().as_nanos() as f64);
        }
        if warming {
            took.clear();
        } else {
            return (median(&took), (cpu_time() - before).as_nanos() as f64 / calls as f64);
        }
    }
    unreachable!("the second time is no warming")
}

fn gargoyle(effort: Effort) -> (f64, f64) {
    let system = ours::system();
    let handle = ours::tally(&system);
    let mut done = 0;
    let took = paced(effort, || {
        ours::add(&handle);
        done += 1;
    });
    assert_eq!(ours::total(&handle), done);
    took
}

fn raw(effort: Effort, looks: Looks) -> (f64, f64) {
    let actor = RawActor::start(looks, crossbeam_channel::bounded(1024));
    let slot = ReplySlot::new();
    let (mut last, mut done) = (0, 0);
    let took = paced(effort, || {
        last = actor.call(&slot, Add(1, 0));
        done += 1;
    });
    assert_eq!(last, done);
    took
}
