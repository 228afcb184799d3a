//! Eight callers, of one actor and of an actor each.

use super::{LOOKING, OURS, PARKING, beside_peers};
use crate::harness::Bound::AtLeast;
use crate::harness::{Effort, Row, Unit, crowd};
use crate::ours;
use crate::raw::{Add, LOOKS, Looks, PARKS, RawActor, ReplySlot};

pub(crate) const CALLERS: usize = 8;

pub(super) fn rows() -> Vec<Row> {
    let one = Row::new("crowd-one", "8 callers of one actor, calls in a second", Unit::Rate)
        .ours(OURS, |effort| gargoyle(effort, 1))
        .floor(PARKING, |effort| raw(effort, 1, PARKS))
        .floor(LOOKING, |effort| raw(effort, 1, LOOKS));
    let eight = Row::new("crowd-eight", "8 callers of 8 actors, calls in a second", Unit::Rate)
        .ours(OURS, |effort| gargoyle(effort, CALLERS))
        .floor(PARKING, |effort| raw(effort, CALLERS, PARKS))
        .floor(LOOKING, |effort| raw(effort, CALLERS, LOOKS));
    let (one, eight) = (beside_peers(one, |peer| peer.crowd_one), beside_peers(eight, |peer| peer.crowd_eight));
    [one, eight].map(|row| row.goal(OURS, AtLeast(0.9), LOOKING)).into()
}

fn gargoyle(effort: Effort, actors: usize) -> f64 {
    let system = ours::system();
    let handles: Vec<_> = (0..actors).map(|n| system.handle::<ours::Tally>(n.to_string(), ())).collect();
    handles.iter().for_each(|handle| assert_eq!(ours::total(handle), 0));
    let (rate, done) = crowd(effort, CALLERS, |caller| {
        let handle = handles[caller % actors].clone();
        move || {
            ours::add(&handle);
        }
    });
    assert_eq!(handles.iter().map(ours::total).sum::<u64>(), done);
    rate
}

fn raw(effort: Effort, actors: usize, looks: Looks) -> f64 {
    let actors: Vec<_> = (0..actors).map(|_| RawActor::start(looks, crossbeam_channel::bounded(1024))).collect();
    let (rate, done) = crowd(effort, CALLERS, |caller| {
        let actor = actors[caller % actors.len()].clone();
        let mut slot = None;
        move || {
            actor.call(slot.get_or_insert_with(ReplySlot::new), Add(1, 0));
        }
    });
    let slot = ReplySlot::new();
    assert_eq!(actors.iter().map(|actor| actor.call(&slot, Add(0, 0))).sum::<u64>(), done);
    rate
}
