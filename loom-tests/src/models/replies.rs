//! Answers against deadlines and saves, and what leaves with a save.

use std::time::Duration;

use gargoyle::sync::Arc;
use gargoyle::{Failure, Handled, Phase, Registry, ReplyTo};

use super::BOUND;
use crate::actor::{Add, Defer, Forward, Owed, assert_saved, story};
use crate::lab::{Lab, spawn};
use crate::time::DEADLINE;
use crate::{Body, Plan};

pub(super) fn all<R: Registry>() -> Vec<Plan<R>> {
    vec![
        Plan {
            name: "deadline_against_reply",
            promise: "who gives up hears how far its message had come, and one given up in the queue is never handled",
            threads: 2,
            preemptions: BOUND,
            sometimes: &["an answer", "given up in the queue", "given up in the handler", "given up in the save"],
            body: Body::System(deadline_against_reply),
        },
        Plan {
            name: "answer_from_elsewhere",
            promise: "an answer that another thread gives reaches the caller or finds that it has given up",
            threads: 3,
            preemptions: BOUND,
            sometimes: &["an answer", "given up"],
            body: Body::System(answer_from_elsewhere),
        },
        Plan {
            name: "answer_dropped_elsewhere",
            promise: "an answer that nobody owes any more is an error to the caller, and no wait without an end",
            threads: 3,
            preemptions: BOUND,
            sometimes: &["unanswered", "given up"],
            body: Body::System(answer_dropped_elsewhere),
        },
        Plan {
            name: "cast_out_of_a_handler",
            promise: "nobody hears of a state before it is saved, neither by a cast nor by a reply",
            threads: 3,
            preemptions: BOUND,
            sometimes: &["the reply came first", "the cast came first"],
            body: Body::System(cast_out_of_a_handler),
        },
        Plan {
            name: "cast_out_of_a_lost_turn",
            promise: "what a turn sent whose save failed is never heard of",
            threads: 4,
            preemptions: BOUND,
            sometimes: &["the other one is alive"],
            body: Body::System(cast_out_of_a_lost_turn),
        },
    ]
}

fn deadline_against_reply<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(0).deadlines(1).open();
    let a = lab.counter("a");
    let seen = lab.seen();
    let outcome = a.call_timeout(Add(1), DEADLINE);
    if outcome.is_ok() {
        assert_saved("a", 1);
    }
    lab.end();
    let was_handled = !story("a").handled.is_empty();
    let Err(error) = outcome else { return seen.saw("an answer") };
    let (saw, handled) = match error.failure() {
        Failure::Timeout(Phase::Queued) => ("given up in the queue", Handled::No),
        Failure::Timeout(Phase::Handling) => ("given up in the handler", Handled::Unknown),
        Failure::Timeout(Phase::Saving) => ("given up in the save", Handled::Unknown),
        other => panic!("{other}"),
    };
    seen.saw(saw);
    assert_eq!(error.handled(), handled);
    assert_eq!(was_handled, handled == Handled::Unknown, "{error}");
}

fn answer_from_elsewhere<R: Registry>(lab: Lab<R>) {
    let outcome = deferred(&lab.idle(0).deadlines(1).open(), |reply| reply.send(7));
    assert!(outcome.is_none_or(|outcome| outcome == Ok(7)), "an answer was lost");
}

fn answer_dropped_elsewhere<R: Registry>(lab: Lab<R>) {
    let outcome = deferred(&lab.idle(0).deadlines(1).open(), drop);
    assert!(outcome.is_none_or(|outcome| outcome.is_err()), "an answer came from nowhere");
}

/// What a caller gets whose answer another thread has in its hand: `None` if it gives up.
fn deferred<R: Registry>(lab: &Lab<R>, end: fn(ReplyTo<u64>)) -> Option<Result<u64, ()>> {
    let owed = Arc::new(Owed::default());
    let other = {
        let owed = owed.clone();
        spawn(move || owed.take().map(end).is_some())
    };
    let outcome = lab.counter("a").call_timeout(Defer(1, owed.clone()), DEADLINE);
    let outcome = match outcome {
        Ok(value) => {
            assert_saved("a", 1);
            lab.saw("an answer");
            Some(Ok(value))
        }
        Err(error) if matches!(error.failure(), Failure::Unanswered) => {
            lab.saw("unanswered");
            Some(Err(()))
        }
        Err(error) => {
            assert!(matches!(error.failure(), Failure::Timeout(_)), "{error}");
            lab.saw("given up");
            None
        }
    };
    // The actor may be stone by now, and never have begun with it.
    lab.system().shutdown(Duration::MAX).unwrap();
    owed.put(None);
    let was_owed = other.join();
    assert!(was_owed || outcome.is_none());
    outcome
}

fn cast_out_of_a_handler<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(0).open();
    let (a, b) = (lab.counter("a"), lab.counter("b"));
    assert_eq!(a.call(Forward(1, b, 2)).unwrap(), 1);
    assert_saved("a", 1);
    lab.saw(if story("b").handled.is_empty() { "the reply came first" } else { "the cast came first" });
    lab.end();
    assert_eq!(story("b").handled, [2], "the cast was lost");
}

fn cast_out_of_a_lost_turn<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(0).open();
    let (a, b) = (lab.counter("a"), lab.counter("b"));
    lab.store.fail(1);
    let other = {
        let b = b.clone();
        spawn(move || b.call(Add(3)))
    };
    let forwarded = a.call(Forward(1, b, 2));
    let added = other.join();
    assert_ne!(forwarded.is_ok(), added.is_ok(), "one of the two saves failed, and not both");
    lab.saw_if(added.is_ok(), "the other one is alive");
    lab.end();
    assert_eq!(story("b").handled.contains(&2), forwarded.is_ok());
}
