//! The graph of waits alone, for the model checker: small enough that all orders can be tried.
//!
//! Each model is one execution; `saw` is told what happened in it. The package `gargoyle-loom-tests` runs them.

use super::{Wait, Waits};
use crate::ActorId;
use crate::slot::models::Saw;
use crate::sync::{Arc, Condvar, Mutex, thread};

fn id(key: &str) -> ActorId {
    ActorId::new("k", key).expect("the key is one")
}

/// What other threads hand over.
type Handed<T> = Arc<(Mutex<Vec<T>>, Condvar)>;

fn start<T: Send + 'static>(handed: &Handed<T>, body: impl FnOnce() -> T + Send + 'static) {
    let handed = handed.clone();
    let run = move || {
        let value = body();
        handed.0.lock().push(value);
        handed.1.notify_all();
    };
    thread::spawn("other".to_owned(), None, run).expect("the model has threads");
}

fn await_all<T>(handed: &Handed<T>, count: usize) -> Vec<T> {
    let mut values = handed.0.lock();
    while values.len() < count {
        values = handed.1.wait(values);
    }
    std::mem::take(&mut *values)
}

type Begun = Result<Wait, Vec<ActorId>>;

/// Three actors, each about to wait for the next: one of them is refused, and hears the ring.
pub fn ring_of_three(saw: Saw<'_>) {
    let waits = Arc::new(Waits::default());
    let handed: Handed<(usize, Begun)> = Arc::default();
    for (number, (caller, callee)) in [("a", "b"), ("b", "c")].into_iter().enumerate() {
        let waits = waits.clone();
        start(&handed, move || (number, waits.begin(&id(caller), &id(callee))));
    }
    let last = waits.begin(&id("c"), &id("a"));
    let mut outcomes = await_all(&handed, 2);
    outcomes.push((2, last));
    let refused: Vec<_> = outcomes.iter().filter_map(|(number, begun)| Some((number, begun.as_ref().err()?))).collect();
    let [(number, path)] = &refused[..] else { panic!("{} of a ring were refused", refused.len()) };
    assert_eq!((path.len(), path.first()), (4, path.last()), "it is no ring");
    saw(["the first was refused", "the second was refused", "the last was refused"][**number]);
}

/// A caller that gives up, against an actor that answers and calls it back: it does not wait any more, and so nobody is
/// refused.
///
/// Bug: a call back was refused as a deadlock that there was not. Cause: the first of the two who end a wait said that it had
/// ended and took the edge away after that; the second one believed it, went on to its call, and found the edge. Fix: the
/// edge goes first.
pub fn giving_up_against_call_back(saw: Saw<'_>) {
    let waits = Arc::new(Waits::default());
    let wait = Arc::new(waits.begin(&id("a"), &id("b")).ok().expect("nobody waits"));
    let handed: Handed<Begun> = Arc::default();
    let (answered, calling) = (wait.clone(), waits.clone());
    start(&handed, move || {
        answered.end();
        calling.begin(&id("b"), &id("a"))
    });
    wait.end();
    let came_first = handed.0.lock().is_empty();
    saw(if came_first { "given up first" } else { "called back first" });
    let back = await_all(&handed, 1).pop().expect("there is one");
    assert!(back.is_ok(), "a call back was refused though nobody waits");
}

/// An answer that comes late, against the next wait of the same caller, which it must not end.
pub fn late_answer_against_next_wait(saw: Saw<'_>) {
    let waits = Arc::new(Waits::default());
    let first = Arc::new(waits.begin(&id("a"), &id("b")).ok().expect("nobody waits"));
    let handed: Handed<()> = Arc::default();
    let late = first.clone();
    start(&handed, move || late.end());
    first.end();
    let _next = waits.begin(&id("a"), &id("c")).ok().expect("nobody waits for it");
    saw(if handed.0.lock().is_empty() { "the answer is late" } else { "the answer was in time" });
    await_all(&handed, 1);
    assert!(waits.begin(&id("c"), &id("a")).is_err(), "a late answer ended the next wait");
}
