//! Waits that would go round in a circle are refused, and no others.

use gargoyle::{Actor, BoxError, CallError, Context, EventKind, Failure, Handle, Handler, Handles, ReplyTo};
use serde::{Deserialize, Serialize};

use crate::support::*;

#[derive(Serialize, Deserialize)]
struct Node;

impl Actor for Node {
    const KIND: &'static str = "node";
    type Args = ();
    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Node)
    }
}

/// Runs a test's own code in a handler.
struct Do<F>(F);

impl<F: FnOnce(&mut Context<Node>) -> R + Send + 'static, R: Send + 'static> Handler<Do<F>> for Node {
    type Reply = R;
    fn handle(&mut self, Do(body): Do<F>, cx: &mut Context<Self>) -> R {
        body(cx)
    }
}

fn act<R: Send + 'static, F: FnOnce(&mut Context<Node>) -> R + Send + 'static>(body: F) -> Do<F> {
    Do(body)
}

/// Casts more to `to` than its mailbox holds.
fn flood(to: Handle<Node>, barrier: Barrier) -> impl FnOnce(&mut Context<Node>) + Send {
    move |_| {
        barrier.stop_here();
        (0..3).for_each(|_| to.cast(act(|_| ())).unwrap());
    }
}

#[test]
fn p7_two_that_wait_for_space_at_each_other_are_told_apart_at_once() {
    let lab = Lab::with(|builder| builder.mailbox_capacity(1));
    let [a, b] = ["a", "b"].map(|key| lab.system.start::<Node>(key, ()).unwrap());
    let events = lab.system.events();
    let barriers = [Barrier::new(), Barrier::new()];
    a.cast(Do(flood(b.clone(), barriers[0].clone()))).unwrap();
    b.cast(Do(flood(a.clone(), barriers[1].clone()))).unwrap();
    barriers.iter().for_each(Barrier::wait);
    barriers.iter().for_each(Barrier::let_go);
    // Each has one message in the other's mailbox and two more to send; one of them closes the circle and gives way.
    let event = events.iter().find_map(|event| match event.kind {
        EventKind::Undeliverable { failure: Failure::Deadlock(path), .. } => Some((event.id, path)),
        _ => None,
    });
    let (id, path) = event.unwrap();
    assert_eq!(path.len(), 3);
    assert_eq!((&path[0], &path[1]), (&path[2], &id));
    // The other one's casts arrived, and both go on.
    assert_eq!(a.call(act(|_| 1)).unwrap() + b.call(act(|_| 1)).unwrap(), 2);
}

#[test]
fn p7_a_wait_for_space_at_somebody_who_waits_for_the_sender_is_refused() {
    let lab = Lab::with(|builder| builder.mailbox_capacity(1));
    let [a, b] = ["a", "b"].map(|key| lab.system.start::<Node>(key, ()).unwrap());
    let events = lab.system.events();
    let barrier = Barrier::new();
    a.cast(Do(flood(b.clone(), barrier.clone()))).unwrap();
    barrier.wait();
    let called = a.clone();
    let (sender, answer) = crossbeam_channel::bounded(1);
    b.cast(act(move |_| sender.send(called.call(act(|_| 7))).unwrap())).unwrap();
    await_that(|| lab.queued(a.id()) == 1);
    barrier.let_go();
    let refused = events.iter().any(|event| {
        matches!(event.kind, EventKind::Undeliverable { failure: Failure::Deadlock(_), .. }) && event.id == *b.id()
    });
    assert!(refused);
    assert_eq!(answer.recv().unwrap().unwrap(), 7, "so that whoever waited has its answer");
}

#[test]
fn a_wait_for_space_that_is_over_is_no_edge_any_more() {
    let lab = Lab::with(|builder| builder.mailbox_capacity(1));
    let [a, b] = ["a", "b"].map(|key| lab.system.start::<Node>(key, ()).unwrap());
    let (barrier, busy) = (Barrier::new(), Barrier::new());
    let holds = busy.clone();
    b.cast(act(move |_| holds.stop_here())).unwrap();
    busy.wait();
    a.cast(Do(flood(b.clone(), barrier.clone()))).unwrap();
    barrier.wait();
    barrier.let_go();
    await_that(|| lab.queued(b.id()) == 1);
    busy.let_go();
    // When a has an answer again, its casts are through, and b may call it.
    a.call(act(|_| ())).unwrap();
    let called = a.clone();
    assert_eq!(b.call(act(move |_| called.call(act(|_| 7)))).unwrap().unwrap(), 7);
    assert_eq!(lab.system.stats().undeliverable, 0);
}

#[test]
fn a_call_of_a_call_that_was_given_up_is_no_edge_any_more() {
    let lab = Lab::new();
    let [a, b] = ["a", "b"].map(|key| lab.system.start::<Node>(key, ()).unwrap());
    let (busy, called) = (Barrier::new(), b.clone());
    let holds = busy.clone();
    b.cast(act(move |_| holds.stop_here())).unwrap();
    busy.wait();
    let gave_up = a.call(act(move |_| called.call_timeout(act(|_| ()), std::time::Duration::ZERO))).unwrap();
    assert!(matches!(gave_up.unwrap_err().failure(), Failure::Timeout(_)));
    busy.let_go();
    let called = a.clone();
    assert_eq!(b.call(act(move |_| called.call(act(|_| 7)))).unwrap().unwrap(), 7);
}

#[test]
fn a_crash_of_who_is_called_leaves_no_edge() {
    let lab = Lab::new();
    let [a, b] = ["a", "b"].map(|key| lab.system.start::<Node>(key, ()).unwrap());
    let called = b.clone();
    let crashed = a.call(act(move |_| called.call(act(|_| -> () { panic!("in the callee") })))).unwrap();
    assert!(matches!(crashed.unwrap_err().failure(), Failure::Crashed(_)));
    let called = a.clone();
    assert_eq!(b.call(act(move |_| called.call(act(|_| 7)))).unwrap().unwrap(), 7);
}

/// Has another actor answer, and calls its caller then.
struct AnswerBy(Handle<Node>, Handle<Node>, crossbeam_channel::Sender<Result<(), CallError>>);

impl Handles<AnswerBy> for Node {
    type Reply = u64;

    fn receive(&mut self, AnswerBy(other, caller, told): AnswerBy, reply: ReplyTo<u64>, _: &mut Context<Self>) {
        other.call(act(move |_| reply.send(7))).unwrap();
        told.send(caller.call(act(|_| ()))).unwrap();
    }
}

/// Bug: an actor that had another one answer, and then called its caller, waited for it until the deadline. Cause: the edge of
/// the caller's wait ended when the other one's turn was saved. Fix: not as long as the actor is at the message.
#[test]
fn p7_a_caller_waits_for_who_is_at_its_message_whoever_has_answered() {
    let lab = Lab::new();
    let [a, b, c] = ["a", "b", "c"].map(|key| lab.system.start::<Node>(key, ()).unwrap());
    let (told, outcome) = crossbeam_channel::bounded(1);
    let message = AnswerBy(b, c.clone(), told);
    assert_eq!(c.call(act(move |_| a.call(message))).unwrap().unwrap(), 7);
    let error = outcome.recv().unwrap().unwrap_err();
    assert!(matches!(error.failure(), Failure::Deadlock(_)), "{error}");
}
