//! Actors that wait for each other.

use gargoyle::{Failure, Registry};

use super::BOUND;
use crate::actor::{CallAndBeCalled, Relay, story};
use crate::lab::Lab;
use crate::{Body, Plan};

pub(super) fn all<R: Registry>() -> Vec<Plan<R>> {
    vec![
        Plan {
            name: "crossing_calls",
            promise: "two actors that call each other do not wait for ever: at most one of them is refused",
            threads: 3,
            preemptions: BOUND,
            sometimes: &["the first one refused", "the second one refused", "no deadlock"],
            body: Body::System(crossing_calls),
        },
        Plan {
            name: "answer_against_call_back",
            promise: "who has answered may call its caller at once: that one waits for it no more",
            threads: 3,
            preemptions: BOUND,
            sometimes: &["called back before the caller went on"],
            body: Body::System(answer_against_call_back),
        },
    ]
}

fn crossing_calls<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(0).open();
    let (a, b) = (lab.counter("a"), lab.counter("b"));
    b.cast(Relay(1, a.clone(), 2)).unwrap();
    let refused = a.call(Relay(3, b, 4)).unwrap().err();
    let seen = lab.seen();
    lab.end();
    if let Some(error) = &refused {
        assert!(matches!(error.failure(), Failure::Deadlock(path) if path.len() == 3), "{error}");
    }
    let (to_a, to_b) = (story("a").handled.contains(&2), story("b").handled.contains(&4));
    assert_eq!(to_b, refused.is_none());
    assert!(to_a || to_b, "both were refused");
    seen.saw(match (to_a, to_b) {
        (true, true) => "no deadlock",
        (true, false) => "the first one refused",
        _ => "the second one refused",
    });
}

fn answer_against_call_back<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(0).open();
    let (a, b) = (lab.counter("a"), lab.counter("b"));
    a.call(CallAndBeCalled { message: 1, to: b, theirs: 2, next: 3, back: 4 }).unwrap().unwrap();
    lab.saw_if(story("b").handled.contains(&3), "called back before the caller went on");
    lab.end();
    assert_eq!(story("a").handled, [1, 4], "the call back was refused");
    assert_eq!(story("b").handled, [2, 3]);
}
