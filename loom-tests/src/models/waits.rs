//! Actors that wait for each other.

use gargoyle::{CallError, Failure, Registry};

use super::BOUND;
use crate::actor::{CallAndBeCalled, Relay, story};
use crate::lab::{Lab, spawn};
use crate::{Body, Plan};

pub(super) fn all<R: Registry>() -> Vec<Plan<R>> {
    vec![
        Plan {
            name: "crossing_calls",
            promise: "two actors that call each other do not wait for ever: at most one of them is refused",
            threads: 4,
            preemptions: BOUND,
            sometimes: &["a deadlock", "no deadlock"],
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
    let other = {
        let (a, b) = (a.clone(), b.clone());
        spawn(move || b.call(Relay(1, a, 2)).unwrap())
    };
    let outcomes = [a.call(Relay(3, b, 4)).unwrap(), other.join()];
    let refused =
        outcomes.iter().filter_map(|outcome: &Result<u64, CallError>| outcome.as_ref().err()).inspect(|error| {
            assert!(matches!(error.failure(), Failure::Deadlock(path) if path.len() == 3), "{error}");
        });
    let refused = refused.count();
    assert!(refused < 2, "both were refused");
    lab.saw(if refused == 1 { "a deadlock" } else { "no deadlock" });
    lab.end();
    assert_eq!(story("a").handled.len() + story("b").handled.len(), 4 - refused);
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
