//! Answers that come later than their handler returns.

use std::time::Duration;

use gargoyle::{
    Actor, BoxError, Context, Failure, Handle, Handled, Handler, Handles, Phase, ReplyTo, StorageErrorKind,
};
use serde::{Deserialize, Serialize};

use crate::support::*;

/// Answers who asks when somebody gives it an answer.
#[derive(Serialize, Deserialize)]
struct Desk {
    asked: u32,
    #[serde(skip)]
    waiting: Vec<ReplyTo<u64>>,
}

impl Actor for Desk {
    const KIND: &'static str = "desk";
    type Args = ();
    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Desk { asked: 0, waiting: Vec::new() })
    }
}

struct Ask;

impl Handles<Ask> for Desk {
    type Reply = u64;
    fn receive(&mut self, _: Ask, reply: ReplyTo<u64>, _: &mut Context<Self>) {
        self.asked += 1;
        self.waiting.push(reply);
    }
}

/// Runs a test's own code in a handler of the desk.
struct Do<F>(F);

impl<F: FnOnce(&mut Desk, &mut Context<Desk>) -> R + Send + 'static, R: Send + 'static> Handler<Do<F>> for Desk {
    type Reply = R;
    fn handle(&mut self, Do(body): Do<F>, cx: &mut Context<Self>) -> R {
        body(self, cx)
    }
}

fn act<R: Send + 'static, F: FnOnce(&mut Desk, &mut Context<Desk>) -> R + Send + 'static>(body: F) -> Do<F> {
    Do(body)
}

/// A lab, a desk, and somebody who has asked and waits.
fn asked<R>(
    test: impl FnOnce(&Lab, &Handle<Desk>, std::thread::ScopedJoinHandle<'_, Result<u64, gargoyle::CallError>>) -> R,
) -> R {
    let lab = Lab::new();
    let desk = lab.system.start::<Desk>("a", ()).unwrap();
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| desk.call(Ask));
        await_that(|| desk.call(act(|desk, _| desk.asked)).unwrap() == 1);
        test(&lab, &desk, caller)
    })
}

fn take(desk: &mut Desk) -> ReplyTo<u64> {
    desk.waiting.pop().unwrap()
}

#[test]
fn an_answer_can_come_from_a_later_message() {
    asked(|_, desk, caller| {
        desk.call(act(|desk, _| take(desk).send(7))).unwrap();
        assert_eq!(caller.join().unwrap().unwrap(), 7);
    });
}

#[test]
fn an_answer_can_come_from_another_thread() {
    asked(|_, desk, caller| {
        let reply = desk.call(act(|desk, _| take(desk))).unwrap();
        assert!(reply.is_awaited());
        reply.send(7);
        assert_eq!(caller.join().unwrap().unwrap(), 7);
    });
}

#[test]
fn an_answer_can_come_from_another_actor() {
    asked(|lab, desk, caller| {
        let reply = desk.call(act(|desk, _| take(desk))).unwrap();
        lab.notes("answers").call(run(move |_, _| reply.send(7))).unwrap();
        assert_eq!(caller.join().unwrap().unwrap(), 7);
    });
}

#[test]
fn a_duty_to_answer_that_is_dropped_is_an_error_to_the_caller_at_once() {
    asked(|_, desk, caller| {
        desk.call(act(|desk, _| drop(take(desk)))).unwrap();
        let error = caller.join().unwrap().unwrap_err();
        assert!(matches!(error.failure(), Failure::Unanswered));
        assert_eq!(error.handled(), Handled::Unknown);
    });
}

#[test]
fn who_waits_hears_at_once_that_the_actor_petrified_crashed_or_was_stopped() {
    for end in [Handle::<Desk>::petrify, gargoyle::testing::crash::<Desk>, Handle::<Desk>::stop] {
        asked(|_, desk, caller| {
            end(desk).unwrap();
            assert!(matches!(caller.join().unwrap().unwrap_err().failure(), Failure::Unanswered));
        });
    }
}

#[test]
fn p3_an_answer_from_elsewhere_waits_for_the_save_of_the_message_that_it_answers() {
    let lab = Lab::new();
    let desk = lab.system.start::<Desk>("a", ()).unwrap();
    let (saving, answered) = (Barrier::new(), Barrier::new());
    lab.next_save(Fault::Hang(saving.clone()));
    std::thread::scope(|scope| {
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let hand_out = act(move |desk: &mut Desk, _: &mut Context<Desk>| sender.send(take(desk)).unwrap());
        let busy = answered.clone();
        desk.cast(act(move |_, _| busy.stop_here())).unwrap();
        answered.wait();
        let caller = scope.spawn(|| desk.call(Ask));
        await_that(|| lab.queued(desk.id()) == 1);
        desk.cast(hand_out).unwrap();
        answered.let_go();
        // Both are handled, and the turn is being saved.
        saving.wait();
        receiver.recv().unwrap().send(7);
        assert!(!caller.is_finished(), "the answer is there, and not given");
        saving.let_go();
        assert_eq!(caller.join().unwrap().unwrap(), 7);
    });
}

#[test]
fn p3_an_answer_from_a_handler_waits_for_the_save_of_that_handler() {
    asked(|lab, desk, caller| {
        let other = lab.started("answers-and-saves");
        let reply = desk.call(act(|desk, _| take(desk))).unwrap();
        let saving = Barrier::new();
        lab.next_save(Fault::Hang(saving.clone()));
        let answer = run(move |notes: &mut Notes, _: &mut Context<Notes>| {
            notes.add(1);
            reply.send(7);
        });
        other.cast(answer).unwrap();
        saving.wait();
        assert!(!caller.is_finished());
        saving.let_go();
        assert_eq!(caller.join().unwrap().unwrap(), 7);
    });
}

#[test]
fn an_answer_of_a_message_that_is_undone_is_not_given() {
    asked(|_, desk, caller| {
        let answer_and_panic = act(|desk: &mut Desk, _: &mut Context<Desk>| {
            take(desk).send(7);
            panic!("after the answer");
        });
        desk.call(answer_and_panic).unwrap_err();
        let error = caller.join().unwrap().unwrap_err();
        assert!(matches!(error.failure(), Failure::Crashed(_)), "{error}");
        assert_eq!(error.handled(), Handled::Unknown, "its own message was handled");
    });
    asked(|lab, desk, caller| {
        lab.next_save(Fault::Fail(StorageErrorKind::Full));
        let answer = act(|desk: &mut Desk, _: &mut Context<Desk>| {
            desk.asked += 1;
            take(desk).send(7);
        });
        desk.call(answer).unwrap_err();
        assert!(matches!(caller.join().unwrap().unwrap_err().failure(), Failure::NotSaved(_)));
    });
}

#[test]
fn a_panic_is_the_callers_failure_whether_it_was_answered_or_not() {
    struct AnswerAndPanic(bool);
    impl Handles<AnswerAndPanic> for Desk {
        type Reply = u64;
        fn receive(&mut self, message: AnswerAndPanic, reply: ReplyTo<u64>, _: &mut Context<Self>) {
            if message.0 {
                reply.send(7);
            }
            panic!("whatever was answered");
        }
    }
    let lab = Lab::new();
    let desk = lab.system.handle::<Desk>("a", ());
    for answers in [true, false] {
        let error = desk.call(AnswerAndPanic(answers)).unwrap_err();
        assert!(matches!(error.failure(), Failure::Crashed(_)), "{error}");
        assert_eq!(error.handled(), Handled::RolledBack);
    }
}

#[test]
fn a_cast_awaits_no_answer_and_one_that_comes_too_late_is_dropped() {
    let lab = Lab::new();
    let desk = lab.system.start::<Desk>("a", ()).unwrap();
    desk.cast(Ask).unwrap();
    let reply = desk.call(act(|desk, _| take(desk))).unwrap();
    assert!(!reply.is_awaited());
    reply.send(7);

    let error = desk.call_timeout(Ask, Duration::ZERO).unwrap_err();
    let phase = error.failure().clone();
    assert!(matches!(phase, Failure::Timeout(Phase::Queued | Phase::Handling)), "{phase}");
    let left = desk.call(act(|desk, _| desk.waiting.pop())).unwrap();
    if let Some(reply) = left {
        assert!(!reply.is_awaited());
        reply.send(8);
    }
}

#[test]
fn who_has_the_duty_to_answer_may_call_who_waits_for_it() {
    // It defers, and calls its caller from a later message: no deadlock, as somebody else answers.
    let lab = Lab::new();
    let desk = lab.system.start::<Desk>("a", ()).unwrap();
    let asker = lab.started("asks-and-is-called");
    std::thread::scope(|scope| {
        let ask = desk.clone();
        let waits = scope.spawn({
            let asker = asker.clone();
            move || asker.call(run(move |_, _| ask.call(Ask)))
        });
        await_that(|| desk.call(act(|desk, _| desk.asked)).unwrap() == 1);
        let reply = desk.call(act(|desk, _| take(desk))).unwrap();
        let callee = asker.clone();
        let calls = scope.spawn({
            let desk = desk.clone();
            move || desk.call(act(move |_, _| callee.call(Add(1))))
        });
        lab.await_queued(&asker, 1);
        reply.send(7);
        assert_eq!(waits.join().unwrap().unwrap().unwrap(), 7);
        assert_eq!(calls.join().unwrap().unwrap().unwrap(), 1);
    });
}
