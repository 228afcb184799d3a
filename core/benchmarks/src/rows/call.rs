//! One caller, who waits for each reply.

use super::{LOOKING, OURS, PARKING, beside_peers};
use crate::harness::Bound::AtMost;
use crate::harness::{Effort, Row, Unit, each};
use crate::ours;
use crate::raw::{Add, LOOKS, Looks, PARKS, RawActor, ReplySlot};

pub(super) fn rows() -> Vec<Row> {
    let call = with_cases(Row::new("call", "call and reply, one caller", Unit::Time)).goal(OURS, AtMost(1.5), LOOKING);
    let pinned = with_cases(Row::new("call-pinned", "call and reply, all on one processor", Unit::Time).pinned()).goal(
        OURS,
        AtMost(1.25),
        PARKING,
    );
    vec![call, pinned]
}

fn with_cases(row: Row) -> Row {
    let row = row
        .ours(OURS, call)
        .ours("gargoyle, query", query)
        .floor(PARKING, |effort| raw(effort, PARKS))
        .floor(LOOKING, |effort| raw(effort, LOOKS))
        .goal("gargoyle, query", AtMost(1.1), OURS);
    beside_peers(row, |peer| peer.call)
}

fn call(effort: Effort) -> f64 {
    let system = ours::system();
    let handle = ours::tally(&system);
    let (took, done) = each(effort, || {
        ours::add(&handle);
    });
    assert_eq!(ours::total(&handle), done);
    took
}

fn query(effort: Effort) -> f64 {
    let system = ours::system();
    let handle = ours::tally(&system);
    ours::add(&handle);
    each(effort, || assert_eq!(ours::total(&handle), 1)).0
}

fn raw(effort: Effort, looks: Looks) -> f64 {
    let actor = RawActor::start(looks, crossbeam_channel::bounded(1024));
    let slot = ReplySlot::new();
    let mut last = 0;
    let (took, done) = each(effort, || last = actor.call(&slot, Add(1, 0)));
    assert_eq!(last, done);
    took
}
