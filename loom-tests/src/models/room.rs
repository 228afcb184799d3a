//! The cap on live actors.

use gargoyle::Registry;

use super::BOUND;
use crate::actor::{Add, add, story};
use crate::lab::{Lab, spawn};
use crate::{Body, Plan};

pub(super) fn all<R: Registry>() -> Vec<Plan<R>> {
    vec![
        Plan {
            name: "eviction_against_send",
            promise: "an actor that makes room leaves no message behind, and whoever waits for room gets it",
            threads: 5,
            preemptions: BOUND,
            sometimes: &["one life", "two lives"],
            body: Body::System(eviction_against_send),
        },
        Plan {
            name: "room_for_one",
            promise: "as many go as are needed, and no more; never are there more than the cap",
            threads: 4,
            preemptions: BOUND,
            sometimes: &["the first one went", "the second one went"],
            body: Body::System(room_for_one),
        },
    ]
}

fn eviction_against_send<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(0).with(|builder| builder.max_live(1));
    let (a, b) = (lab.counter("a"), lab.counter("b"));
    assert_eq!(add(&a, 1).unwrap(), 1);
    let other = {
        let a = a.clone();
        spawn(move || a.cast(Add(2)).unwrap())
    };
    assert_eq!(add(&b, 3).unwrap(), 1);
    other.join();
    let seen = lab.seen();
    let stats = lab.end();
    assert_eq!(stats.live_peak, 1, "there were more than may be");
    assert_eq!((story("a").saved, story("b").saved), (Some(2), Some(1)), "a message was lost");
    seen.saw(["one life", "two lives"][story("a").lives - 1]);
}

fn room_for_one<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(0).with(|builder| builder.max_live(2));
    let (a, b, c) = (lab.counter("a"), lab.counter("b"), lab.counter("c"));
    assert_eq!(add(&a, 1).unwrap(), 1);
    b.cast(Add(2)).unwrap();
    assert_eq!(add(&c, 3).unwrap(), 1);
    let live = (a.is_live(), b.is_live());
    assert_ne!(live, (false, false), "more went than were needed");
    lab.saw_if(!live.0, "the first one went");
    lab.saw_if(!live.1, "the second one went");
    let stats = lab.end();
    assert!(stats.live_peak <= 2, "there were more than may be");
    assert_eq!(story("b").saved, Some(1));
}
