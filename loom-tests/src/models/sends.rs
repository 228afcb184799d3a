//! Messages against petrifying.

use gargoyle::Registry;

use super::BOUND;
use crate::actor::{Add, add, story};
use crate::lab::{Lab, spawn};
use crate::{Body, Plan};

pub(super) fn all<R: Registry>() -> Vec<Plan<R>> {
    vec![
        Plan {
            name: "call_against_petrify",
            promise: "a call finds a live actor or wakes it: it is answered once, and nothing is forgotten",
            threads: 3,
            preemptions: BOUND,
            sometimes: &["a push into a live mailbox", "a revival", "another slot"],
            body: Body::System(call_against_petrify),
        },
        Plan {
            name: "casts_against_petrify",
            promise: "casts of several threads are each handled once, however often the actor petrifies between them",
            threads: 5,
            preemptions: BOUND,
            sometimes: &["one life", "two lives", "three lives", "a life that began in the slot of the one before"],
            body: Body::System(casts_against_petrify),
        },
        Plan {
            name: "callers_race_to_wake",
            promise: "of several who wake an actor one does; the message of the others gets into the same slot",
            threads: 4,
            preemptions: BOUND,
            sometimes: &["a loser of the race", "both in one slot", "one after the other"],
            body: Body::System(callers_race_to_wake),
        },
        Plan {
            name: "full_mailbox_against_petrify",
            promise: "a sender that waits for space gets it, or the next slot, and holds nobody up",
            threads: 5,
            // With two it takes a minute, for each registry.
            preemptions: Some(1),
            sometimes: &["a full mailbox", "one slot", "two slots"],
            body: Body::System(full_mailbox_against_petrify),
        },
        Plan {
            name: "closing_against_casts",
            promise: "an actor that was idle once goes on with what comes then, in the same slot or the next one",
            threads: 5,
            preemptions: BOUND,
            sometimes: &["one slot"],
            body: Body::System(closing_against_casts),
        },
    ]
}

fn call_against_petrify<R: Registry>(lab: Lab<R>) {
    let lab = lab.open();
    let a = lab.counter("a");
    assert_eq!(add(&a, 1).unwrap(), 1);
    assert_eq!(add(&a, 2).unwrap(), 2);
    let slots = lab.registry.inserted();
    lab.saw_if(slots > 1, "another slot");
    lab.saw_if(story("a").lives == 1, "a push into a live mailbox");
    lab.saw_if(story("a").lives == 2, "a revival");
    let stats = lab.end();
    assert_eq!(story("a").saved, Some(2));
    assert_eq!(stats.crashed, 0);
}

fn casts_against_petrify<R: Registry>(lab: Lab<R>) {
    let lab = lab.open();
    let a = lab.counter("a");
    a.cast(Add(1)).unwrap();
    let other = {
        let a = a.clone();
        spawn(move || a.cast(Add(2)).unwrap())
    };
    a.cast(Add(3)).unwrap();
    other.join();
    let registry = lab.registry.clone();
    lab.saw_if(story("a").lives > registry.inserted(), "a life that began in the slot of the one before");
    let seen = lab.seen();
    lab.end();
    let story = story("a");
    assert_eq!((story.handled.len(), story.saved), (3, Some(3)), "a message was lost");
    seen.saw(["one life", "two lives", "three lives"][story.lives - 1]);
    let order = |message| story.handled.iter().position(|handled| *handled == message);
    assert!(order(1) < order(3), "the messages of one sender changed places");
}

fn callers_race_to_wake<R: Registry>(lab: Lab<R>) {
    lab.put("a", 4);
    let lab = lab.open();
    let a = lab.counter("a");
    let other = {
        let a = a.clone();
        spawn(move || add(&a, 1).unwrap())
    };
    let mut values = [add(&a, 2).unwrap(), other.join()];
    values.sort();
    assert_eq!(values, [5, 6]);
    lab.saw_if(lab.registry.found() > 0, "a loser of the race");
    lab.saw(if lab.registry.inserted() == 1 { "both in one slot" } else { "one after the other" });
    lab.end();
    assert_eq!(story("a").saved, Some(6));
}

fn full_mailbox_against_petrify<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(1).with(|builder| builder.mailbox_capacity(1));
    let a = lab.counter("a");
    a.cast(Add(1)).unwrap();
    let other = {
        let a = a.clone();
        spawn(move || a.cast(Add(2)).unwrap())
    };
    let mut waits = false;
    if let Err(error) = a.try_cast(Add(3)) {
        waits = true;
        a.cast(error.into_message()).unwrap();
    }
    other.join();
    lab.saw_if(waits, "a full mailbox");
    lab.saw_if(lab.registry.inserted() == 1, "one slot");
    lab.saw_if(lab.registry.inserted() == 2, "two slots");
    lab.end();
    assert_eq!((story("a").handled.len(), story("a").saved), (3, Some(3)), "a message was lost");
}

fn closing_against_casts<R: Registry>(lab: Lab<R>) {
    // Idle once: an owner that rests over a message on its way is woken by nothing else.
    let lab = lab.idle(1).open();
    let a = lab.counter("a");
    a.cast(Add(1)).unwrap();
    let other = {
        let a = a.clone();
        spawn(move || a.cast(Add(2)).unwrap())
    };
    a.cast(Add(3)).unwrap();
    other.join();
    lab.saw_if(lab.registry.inserted() == 1, "one slot");
    lab.end();
    assert_eq!((story("a").handled.len(), story("a").saved), (3, Some(3)), "a message was lost");
}
