//! Casts of 16 bytes, until all are handled.

use std::thread;

use super::{OURS, beside_peers};
use crate::harness::Bound::AtMost;
use crate::harness::{Effort, Row, Unit, all};
use crate::ours;
use crate::raw::{Add, LOOKS, Message, RawActor, ReplySlot};

const BOXED: &str = "raw: crossbeam, bounded, boxed";
pub(crate) const CASTS: u64 = 400_000;

pub(super) fn rows() -> Vec<Row> {
    let one = Row::new("cast-one", "a cast until it is handled, one sender", Unit::Time)
        .ours(OURS, |effort| gargoyle(effort, 1))
        .floor(BOXED, |effort| raw(effort, 1))
        .floor("raw: crossbeam, unbounded, boxed", |effort| unbounded(effort, 1))
        .floor("raw: crossbeam, bounded, no boxes", |effort| unboxed(effort, 1));
    let four = Row::new("cast-four", "a cast until it is handled, four senders", Unit::Time)
        .ours(OURS, |effort| gargoyle(effort, 4))
        .floor(BOXED, |effort| raw(effort, 4))
        .floor("raw: crossbeam, unbounded, boxed", |effort| unbounded(effort, 4))
        .floor("raw: crossbeam, bounded, no boxes", |effort| unboxed(effort, 4));
    let (one, four) = (beside_peers(one, |peer| peer.cast_one), beside_peers(four, |peer| peer.cast_four));
    [one, four].map(|row| row.goal(OURS, AtMost(1.2), BOXED)).into()
}

/// Sends all of them from so many threads.
fn send_all(casts: u64, senders: u64, send: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 0..senders {
            scope.spawn(|| (0..casts / senders).for_each(|_| send()));
        }
    });
}

fn gargoyle(effort: Effort, senders: u64) -> f64 {
    let casts = effort.of(CASTS);
    let system = ours::system();
    let handle = ours::tally(&system);
    assert_eq!(ours::total(&handle), 0);
    all(casts, || {
        send_all(casts, senders, || handle.cast(ours::Add(1, 0)).expect("there is space in time"));
        assert_eq!(ours::total(&handle), casts);
    })
}

fn raw(effort: Effort, senders: u64) -> f64 {
    boxed(effort, senders, crossbeam_channel::bounded(1024))
}

fn unbounded(effort: Effort, senders: u64) -> f64 {
    boxed(effort, senders, crossbeam_channel::unbounded())
}

type Channel = (crossbeam_channel::Sender<Box<dyn Message>>, crossbeam_channel::Receiver<Box<dyn Message>>);

fn boxed(effort: Effort, senders: u64, channel: Channel) -> f64 {
    let casts = effort.of(CASTS);
    let actor = RawActor::start(LOOKS, channel);
    let slot = ReplySlot::new();
    assert_eq!(actor.call(&slot, Add(0, 0)), 0);
    all(casts, || {
        send_all(casts, senders, || actor.cast(Add(1, 0)));
        assert_eq!(actor.call(&slot, Add(0, 0)), casts);
    })
}

fn unboxed(effort: Effort, senders: u64) -> f64 {
    let casts = effort.of(CASTS);
    let (sender, receiver) = crossbeam_channel::bounded::<Add>(1024);
    let actor = thread::spawn(move || receiver.into_iter().map(|Add(n, more)| n + more).sum::<u64>());
    all(casts, || {
        send_all(casts, senders, || sender.send(Add(1, 0)).expect("the actor lives"));
        drop(sender);
        assert_eq!(actor.join().expect("it only counts"), casts);
    })
}
