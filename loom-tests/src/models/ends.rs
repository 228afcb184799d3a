//! The ends of an actor, and of a slot that never gets a thread, against messages.

use gargoyle::sync::model;
use gargoyle::{CallError, Failure, Handled, Registry, RestartPolicy};

use super::BOUND;
use crate::actor::{Boom, add, story};
use crate::lab::{Lab, spawn};
use crate::{Body, Plan};

pub(super) fn all<R: Registry>() -> Vec<Plan<R>> {
    vec![
        Plan {
            name: "stop_against_call",
            promise: "a call is answered by the actor that is stopped, or by the one that is born after it",
            threads: 5,
            preemptions: BOUND,
            sometimes: &["the call came first", "the stop came first"],
            body: Body::System(stop_against_call),
        },
        Plan {
            name: "wipe_against_call",
            promise: "a wipe and a call take effect one after the other, and what is stored is of the latter",
            threads: 5,
            preemptions: BOUND,
            sometimes: &["the call came first", "the wipe came first"],
            body: Body::System(wipe_against_call),
        },
        Plan {
            name: "petrify_against_call",
            promise: "an actor that is told to petrify leaves no message behind",
            threads: 4,
            preemptions: BOUND,
            sometimes: &["one life", "two lives"],
            body: Body::System(petrify_against_call),
        },
        Plan {
            name: "crash_against_call",
            promise: "a crash takes along its own message alone; the next one finds the state before it",
            threads: 4,
            preemptions: BOUND,
            sometimes: &["the slot of the crashed one", "another slot"],
            body: Body::System(crash_against_call),
        },
        Plan {
            name: "permanent_against_call",
            promise: "a permanent actor that crashed is alive again, whether anybody sends to it or not",
            threads: 3,
            preemptions: BOUND,
            sometimes: &["the call came first", "the crash came first"],
            body: Body::System(permanent_against_call),
        },
        Plan {
            name: "failed_save_against_call",
            promise: "who hears of a failed save hears that its message was undone, and the others are served",
            threads: 4,
            preemptions: BOUND,
            sometimes: &["one failed", "both failed"],
            body: Body::System(failed_save_against_call),
        },
        Plan {
            name: "no_thread_against_call",
            promise: "all who got into a slot that gets no thread hear so, also who waits for space in it",
            threads: 4,
            preemptions: BOUND,
            sometimes: &["one heard of it", "both heard of it"],
            body: Body::System(no_thread_against_call),
        },
    ]
}

fn stop_against_call<R: Registry>(lab: Lab<R>) {
    lab.put("a", 4);
    let lab = lab.open();
    let a = lab.counter("a");
    let other = {
        let a = a.clone();
        spawn(move || a.stop().unwrap())
    };
    let value = add(&a, 1).unwrap();
    other.join();
    finish_end_against_call(lab, value, "the stop came first");
}

fn wipe_against_call<R: Registry>(lab: Lab<R>) {
    lab.put("a", 4);
    let lab = lab.open();
    let a = lab.counter("a");
    let other = {
        let a = a.clone();
        spawn(move || a.wipe().unwrap())
    };
    let value = add(&a, 1).unwrap();
    other.join();
    finish_end_against_call(lab, value, "the wipe came first");
}

/// One of the two orders, and nothing in between.
fn finish_end_against_call<R: Registry>(lab: Lab<R>, value: u64, end_first: &'static str) {
    let seen = lab.seen();
    lab.end();
    match (value, story("a").saved) {
        (5, None) => seen.saw("the call came first"),
        (1, Some(1)) => seen.saw(end_first),
        other => panic!("no order of the two explains {other:?}"),
    }
}

fn petrify_against_call<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(0).open();
    let a = lab.counter("a");
    assert_eq!(add(&a, 1).unwrap(), 1);
    let other = {
        let a = a.clone();
        spawn(move || a.petrify().unwrap())
    };
    assert_eq!(add(&a, 2).unwrap(), 2);
    other.join();
    let seen = lab.seen();
    lab.end();
    assert_eq!(story("a").saved, Some(2));
    seen.saw(["one life", "two lives"][story("a").lives - 1]);
}

fn crash_against_call<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(0).open();
    let a = lab.counter("a");
    assert_eq!(add(&a, 1).unwrap(), 1);
    a.cast(Boom).unwrap();
    assert_eq!(add(&a, 2).unwrap(), 2);
    lab.saw(if lab.registry.inserted() == 1 { "the slot of the crashed one" } else { "another slot" });
    let stats = lab.end();
    assert_eq!((stats.crashed, story("a").lives, story("a").saved), (1, 2, Some(2)));
}

fn permanent_against_call<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(0).with(|builder| builder.restart(RestartPolicy::Permanent));
    let a = lab.counter("a");
    let other = {
        let a = a.clone();
        spawn(move || a.cast(Boom).unwrap())
    };
    assert_eq!(add(&a, 1).unwrap(), 1);
    lab.saw(if story("a").lives == 1 { "the call came first" } else { "the crash came first" });
    other.join();
    a.query(crate::actor::Look).unwrap();
    assert!(a.is_live());
    let stats = lab.end();
    assert_eq!((stats.crashed, story("a").saved), (1, Some(1)));
}

fn failed_save_against_call<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(0).open();
    lab.store.fail(1);
    let a = lab.counter("a");
    let other = {
        let a = a.clone();
        spawn(move || add(&a, 1))
    };
    let outcomes = [add(&a, 2), other.join()];
    let failed = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).inspect(|error| {
        assert!(matches!(error.failure(), Failure::NotSaved(_)), "{error}");
        assert_eq!(error.handled(), Handled::RolledBack);
    });
    let failed = failed.count();
    assert!(failed > 0, "nobody heard of it");
    lab.saw(if failed == 1 { "one failed" } else { "both failed" });
    lab.end();
    assert_eq!(story("a").saved.unwrap_or(0), 2 - failed as u64);
}

fn no_thread_against_call<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(0).with(|builder| builder.mailbox_capacity(1));
    let a = lab.counter("a");
    let other = {
        let a = a.clone();
        spawn(move || add(&a, 1))
    };
    model::refuse_threads(1);
    let outcomes = [add(&a, 2), other.join()];
    let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).inspect(|error: &&CallError| {
        assert!(matches!(error.failure(), Failure::NoThread(_)), "{error}");
        assert_eq!(error.handled(), Handled::No);
    });
    let refused = refused.count();
    assert!(refused > 0, "nobody heard of it");
    lab.saw(if refused == 1 { "one heard of it" } else { "both heard of it" });
    lab.end();
    assert_eq!(story("a").handled.len(), 2 - refused);
    assert_eq!(story("a").saved.unwrap_or(0), 2 - refused as u64);
}
