//! Messages against petrifying.

use gargoyle::Registry;

use super::BOUND;
use crate::actor::{add, story};
use crate::lab::Lab;
use crate::{Body, Model};

pub(super) fn all<R: Registry>() -> Vec<Model<R>> {
    vec![Model {
        name: "call_against_petrify",
        promise: "a call finds a live actor or wakes it: it is answered once, and nothing is forgotten",
        threads: 3,
        preemptions: BOUND,
        sometimes: &["a push into a live mailbox", "a revival", "another slot"],
        body: Body::System(call_against_petrify),
    }]
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
