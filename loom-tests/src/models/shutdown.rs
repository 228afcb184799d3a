//! The end of a system.

use std::time::Duration;

use gargoyle::sync::Arc;
use gargoyle::{Failure, Handled, Registry};

use super::BOUND;
use crate::actor::{Forward, Look, add, story};
use crate::lab::{Lab, spawn};
use crate::{Body, Plan};

pub(super) fn all<R: Registry>() -> Vec<Plan<R>> {
    vec![
        Plan {
            name: "shutdown_against_activation",
            promise: "who is let in before a shutdown is served and waited for, and who comes later touches nothing",
            threads: 3,
            preemptions: BOUND,
            sometimes: &["let in", "refused"],
            body: Body::System(shutdown_against_activation),
        },
        Plan {
            name: "shutdown_against_peek",
            promise: "a shutdown waits for who looks at an actor of stone",
            threads: 2,
            preemptions: None,
            sometimes: &["let in", "refused"],
            body: Body::System(shutdown_against_peek),
        },
        Plan {
            name: "shutdown_against_cast",
            promise: "what was accepted before a shutdown is handled, and so is what is sent for it",
            threads: 3,
            preemptions: BOUND,
            sometimes: &["handled before", "handled in the shutdown"],
            body: Body::System(shutdown_against_cast),
        },
        Plan {
            name: "shutdown_twice",
            promise: "two who shut down at once both find the store given back",
            threads: 3,
            preemptions: BOUND,
            sometimes: &["the actor was at work"],
            body: Body::System(shutdown_twice),
        },
    ]
}

fn shut_down<R: Registry>(lab: &Lab<R>) {
    lab.system().shutdown(Duration::MAX).unwrap();
    lab.registry.close();
    // Loom does not see who has the store, but who uses it: this is tried before and after each use.
    lab.store.touch();
    assert_eq!(Arc::strong_count(&lab.store), 1, "the store is not given back");
    assert!(!crate::actor::is_anybody_alive(), "somebody outlived the shutdown");
}

fn shutdown_against_activation<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(0).open();
    let a = lab.counter("a");
    let other = spawn(move || add(&a, 1));
    shut_down(&lab);
    let saved = story("a").saved;
    match other.join() {
        Ok(value) => {
            assert_eq!((value, saved), (1, Some(1)));
            lab.saw("let in");
        }
        Err(error) => {
            assert!(matches!(error.failure(), Failure::Shutdown), "{error}");
            assert_eq!(error.handled(), Handled::No);
            assert_eq!(story("a").lives, 0);
            lab.saw("refused");
        }
    }
    lab.end();
}

fn shutdown_against_peek<R: Registry>(lab: Lab<R>) {
    lab.put("a", 4);
    let lab = lab.open();
    let a = lab.counter("a");
    let other = spawn(move || a.peek(Look));
    shut_down(&lab);
    match other.join() {
        Ok(value) => {
            assert_eq!(value, Some(4));
            lab.saw("let in");
        }
        Err(error) => {
            assert!(matches!(error.failure(), Failure::Shutdown), "{error}");
            lab.saw("refused");
        }
    }
    lab.end();
}

fn shutdown_against_cast<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(0).open();
    let (a, b) = (lab.counter("a"), lab.counter("b"));
    a.cast(Forward(1, b, 2)).unwrap();
    // To ask takes the lock that the actors are counted under: loom lets them go first, or not.
    lab.system().list();
    lab.saw(if story("b").handled.is_empty() { "handled in the shutdown" } else { "handled before" });
    shut_down(&lab);
    assert_eq!((story("a").saved, story("b").saved), (Some(1), Some(1)), "what was accepted was not handled");
    lab.end();
}

fn shutdown_twice<R: Registry>(lab: Lab<R>) {
    let lab = lab.idle(0).open();
    let a = lab.counter("a");
    a.cast(crate::actor::Add(1)).unwrap();
    let (system, store) = (lab.system().clone(), lab.store.clone());
    let other = spawn(move || {
        system.shutdown(Duration::MAX).unwrap();
        assert!(Arc::strong_count(&store) <= 2, "the store is not given back");
    });
    lab.saw_if(story("a").saved.is_none(), "the actor was at work");
    lab.system().shutdown(Duration::MAX).unwrap();
    assert!(Arc::strong_count(&lab.store) <= 2, "the store is not given back");
    other.join();
    assert_eq!(story("a").saved, Some(1));
    lab.end();
}
