//! The one-shot way back from an actor to its caller.
//!
//! A port goes through these states, and every change is made under one lock:
//!
//! ```text
//! Queued ──take──▶ Open ──────release──────▶ Settled
//!    │              │ an answer and no gate     ▲
//!    │              └──────── refuse ───────────┘   (an error)
//!    └── the caller's deadline passes: GivenUp (from any state but Settled)
//! ```
//!
//! An open port has gates: one for the message, which opens when its turn is saved, and one more for an answer that a
//! later message or another actor gave, which opens when that one's turn is saved. The caller gets the answer when it is
//! there and all gates are open. So an answer never outruns a save, whoever gives it.
//!
//! What is asked waits in the port too, and is taken out of it by whoever takes it or gives it up: a call is one piece of
//! memory for both threads.
//!
//! What is taken cannot be taken back, and what was given up in the queue is never taken: so a caller whose deadline
//! passed knows whether its message will be handled. A port that its actor drops unanswered is an error for the caller,
//! never a hang.

use std::fmt;

use crate::ActorId;
use crate::clock::{Clock, Deadline};
use crate::current;
use crate::error::{CallError, Failure, Handled, Phase};
use crate::guard::discard;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, looks, thread};
use crate::turn::Held;
use crate::waits::Wait;

/// A question of type `Q`, and the place for its answer. Orders have their question elsewhere.
pub(crate) struct Port<T, Q = ()> {
    id: ActorId,
    state: Mutex<State<T, Q>>,
    /// Whether the actor is still at the message itself. Only its own thread changes that.
    in_message: AtomicBool,
    /// Whether to look into the state is worth a lock.
    is_settled: AtomicBool,
    settled: Condvar,
    /// The caller's edge in the graph of waits, if the caller is an actor.
    wait: Option<Wait>,
}

enum State<T, Q> {
    Queued(Q),
    Open(Open<T>),
    Settled(Result<T, CallError>),
    GivenUp,
}

/// Of a message that its actor has begun.
struct Open<T> {
    answer: Answer<T>,
    /// How many saves the answer still has to wait for.
    gates: u32,
}

enum Answer<T> {
    Owed,
    Given(T),
    /// Whoever owed it has dropped it.
    Dropped,
}

/// A port for the answer of `id` to `question`: the actor's end and the caller's.
pub(crate) fn port<T, Q>(id: &ActorId, wait: Option<Wait>, question: Q) -> (ReplyPort<T, Q>, Receipt<T, Q>)
where
    T: Send + 'static,
    Q: Send + 'static,
{
    let port = Port {
        id: id.clone(),
        state: Mutex::new(State::Queued(question)),
        in_message: AtomicBool::new(true),
        is_settled: AtomicBool::new(false),
        settled: Condvar::new(),
        wait,
    };
    let port = Arc::new(port);
    (ReplyPort(Some(port.clone())), Receipt(port))
}

/// The actor's end, while the message has not been handled. `None`: it is a promise by now.
pub(crate) struct ReplyPort<T: Send + 'static, Q: Send + 'static = ()>(Option<Arc<Port<T, Q>>>);

impl<T: Send + 'static, Q: Send + 'static> ReplyPort<T, Q> {
    /// The actor's end again, of what was put into a mailbox as [`into_queued`](Self::into_queued).
    pub(crate) fn of(port: Arc<Port<T, Q>>) -> Self {
        ReplyPort(Some(port))
    }

    /// The port alone. Whoever has it sees to it that its caller hears of its end.
    pub(crate) fn into_queued(mut self) -> Arc<Port<T, Q>> {
        self.0.take().expect(IN_USE)
    }

    fn port(&self) -> &Arc<Port<T, Q>> {
        self.0.as_ref().expect(IN_USE)
    }

    /// The actor begins with the message. `None`: the caller has given up, the message is not to be handled.
    pub(crate) fn take(&self) -> Option<Q> {
        self.port().take(State::Open(Open { answer: Answer::Owed, gates: 1 }))
    }

    /// Whether there is still somebody to answer to.
    pub(crate) fn is_given_up(&self) -> bool {
        self.port().is_given_up()
    }

    /// Who answers a message that was taken.
    pub(crate) fn reply_to(&self) -> ReplyTo<T> {
        ReplyTo { port: Some((self.port().clone(), thread::id())) }
    }

    /// Puts the answer into the port; the caller gets it by [`Promise::release`].
    pub(crate) fn hold(self, value: T) -> Promise {
        self.reply_to().send(value);
        self.message_over()
    }

    /// The actor has been at the message, whether it has answered or not.
    pub(crate) fn message_over(self) -> Promise {
        self.port().in_message.store(false, Ordering::Relaxed);
        self.into_promise()
    }

    /// The actor's end without the type of the answer.
    pub(crate) fn into_promise(mut self) -> Promise {
        Promise(self.0.take().map(|port| port as Arc<dyn Settle>))
    }
}

const IN_USE: &str = "it becomes a promise when it is used up";

/// As that of a promise: unanswered.
impl<T: Send + 'static, Q: Send + 'static> Drop for ReplyPort<T, Q> {
    fn drop(&mut self) {
        if let Some(port) = self.0.take() {
            drop(Promise::new(port));
        }
    }
}

/// The duty to answer one message: see [`Handles`](crate::Handles).
///
/// May be sent to another thread, kept in a field that is not saved, and handed to another actor. Dropped unanswered it is an
/// error to the caller, as soon as the message is saved; so is every one that an actor has when its value is dropped: at the end
/// of its incarnation, and when a message was rolled back.
///
/// While an answer is owed, its caller counts as waiting for nobody: a cycle through one that is owed is ended by the
/// deadline.
pub struct ReplyTo<T: Send + 'static> {
    /// The port, and the thread of the actor that got the message. `None`: nobody waits, the message was cast.
    port: Option<(Arc<dyn Answerable<T>>, thread::ThreadId)>,
}

impl<T: Send + 'static> ReplyTo<T> {
    /// For a message that was cast.
    pub(crate) fn nobody() -> Self {
        ReplyTo { port: None }
    }

    /// Whether anybody still waits for the answer: not if the message was cast, nor when the caller's deadline has passed.
    pub fn is_awaited(&self) -> bool {
        self.port.as_ref().is_some_and(|(port, _)| !port.is_given_up())
    }

    /// Answers. The caller gets the answer when the message is saved that it answers, and the one in whose handler this
    /// is called. If the latter is undone, the caller gets its failure, and [`Handled::Unknown`].
    ///
    /// Never blocks; does nothing if nobody waits.
    pub fn send(mut self, answer: T) {
        let Some((port, thread)) = self.port.take() else { return discard(answer) };
        let turn = current::turn();
        // The thread of a message that is not over has not ended, and no other one has its id.
        let is_present = thread == thread::id() && port.is_in_message();
        // The answer to the present message waits for the save of its own turn anyway.
        let turn = turn.filter(|_| !is_present);
        if port.give(Answer::Given(answer), turn.is_some())
            && let Some(turn) = turn
        {
            turn.hold(Held::Answer(Promise::new(port)));
        }
    }
}

impl<T: Send + 'static> Drop for ReplyTo<T> {
    fn drop(&mut self) {
        if let Some((port, _)) = self.port.take() {
            port.give(Answer::Dropped, false);
        }
    }
}

impl<T: Send + 'static> fmt::Debug for ReplyTo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyTo").field("is_awaited", &self.is_awaited()).finish_non_exhaustive()
    }
}

/// One gate of a port, whatever the type of the answer. Dropped unopened it is an error to the caller: an answer that
/// waits for it is not safe on disk.
pub(crate) struct Promise(Option<Arc<dyn Settle>>);

impl Promise {
    pub(crate) fn new(port: Arc<dyn Settle>) -> Self {
        Promise(Some(port))
    }

    /// Opens the gate: the caller gets the answer if it is there and this was the last one.
    pub(crate) fn release(mut self) {
        if let Some(port) = self.0.take() {
            port.release();
        }
    }

    /// Tells the caller that there will be no answer.
    pub(crate) fn refuse(mut self, error: CallError) {
        if let Some(port) = self.0.take() {
            port.fail(error);
        }
    }

    /// As [`refuse`](Self::refuse), for an answer to an earlier message, of which this failure says nothing.
    pub(crate) fn refuse_answer(mut self, failure: Failure) {
        if let Some(port) = self.0.take() {
            port.fail(CallError::new(port.id(), failure).with_handled(Handled::Unknown));
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(port) = self.0.take() {
            port.fail(CallError::new(port.id(), Failure::Unanswered));
        }
    }
}

/// A port without its types.
pub(crate) trait Settle: Send + Sync {
    fn id(&self) -> &ActorId;
    fn is_given_up(&self) -> bool;
    fn release(&self);
    fn fail(&self, error: CallError);
}

/// A port without the type of the question.
trait Answerable<T>: Settle {
    /// Whether the actor is still at the message itself. Only its own thread knows for sure.
    fn is_in_message(&self) -> bool;

    /// Puts the answer into the port; if it `waits`, behind one gate more. Tells whether that is there, for the caller to
    /// open: not if nobody waits for the answer any more.
    fn give(&self, answer: Answer<T>, waits: bool) -> bool;
}

impl<T, Q> Port<T, Q> {
    /// Takes the question out, if it is still there, and leaves the port in this state.
    fn take(&self, then: State<T, Q>) -> Option<Q> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, then) {
            State::Queued(question) => Some(question),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Gives the lock back and wakes the caller, in this order: it would find the lock taken, and sleep again.
    fn say_settled(&self, state: MutexGuard<'_, State<T, Q>>) {
        drop(state);
        self.is_settled.store(true, Ordering::Release);
        self.settled.notify_one();
    }

    fn end_wait(&self) {
        if let Some(wait) = &self.wait {
            wait.end();
        }
    }

    /// Changes an open port, and settles it if the answer is there and all gates are open.
    fn change(&self, change: impl FnOnce(&mut Open<T>)) {
        let mut state = self.state.lock();
        let State::Open(open) = &mut *state else { return };
        change(open);
        if open.gates > 0 {
            return;
        }
        *state = match std::mem::replace(&mut *state, State::GivenUp) {
            State::Open(Open { answer: Answer::Given(value), .. }) => State::Settled(Ok(value)),
            State::Open(Open { answer: Answer::Dropped, .. }) => {
                State::Settled(Err(CallError::new(&self.id, Failure::Unanswered)))
            }
            owed => owed,
        };
        if matches!(*state, State::Settled(_)) {
            self.say_settled(state);
        }
    }
}

impl<T: Send, Q: Send> Answerable<T> for Port<T, Q> {
    fn is_in_message(&self) -> bool {
        self.in_message.load(Ordering::Relaxed)
    }

    fn give(&self, answer: Answer<T>, waits: bool) -> bool {
        let (mut unused, mut does_wait) = (answer, false);
        self.change(|open| {
            does_wait = waits;
            open.gates += u32::from(waits);
            std::mem::swap(&mut open.answer, &mut unused);
        });
        // If nobody waits, it is a user's value: it is dropped without the lock.
        discard(unused);
        does_wait
    }
}

impl<T: Send, Q: Send> Settle for Port<T, Q> {
    fn id(&self) -> &ActorId {
        &self.id
    }

    fn is_given_up(&self) -> bool {
        matches!(*self.state.lock(), State::GivenUp)
    }

    fn release(&self) {
        // Before the caller can see the answer, see `Waits`. Without an answer yet, the actor is not what it waits for; at
        // the message it is, whoever has answered. Relaxed is enough: the port cannot settle before the message's own gate
        // opens, and the thread that opens it has said before that the message is over.
        if !self.is_in_message() {
            self.end_wait();
        }
        self.change(|open| open.gates -= 1);
    }

    fn fail(&self, error: CallError) {
        self.end_wait();
        let mut state = self.state.lock();
        if matches!(*state, State::Settled(_) | State::GivenUp) {
            return;
        }
        let unused = std::mem::replace(&mut *state, State::Settled(Err(error)));
        self.say_settled(state);
        discard(unused);
    }
}

/// The caller's end.
pub(crate) struct Receipt<T, Q = ()>(Arc<Port<T, Q>>);

impl<T, Q> Receipt<T, Q> {
    /// Takes the question back, of a message that was not delivered.
    pub(crate) fn take_back(self) -> Option<Q> {
        self.0.take(State::GivenUp)
    }

    /// Waits for the answer.
    pub(crate) fn wait(self, clock: &dyn Clock, deadline: Deadline) -> Result<T, CallError> {
        let settled = || self.wait_until_settled(clock, deadline);
        let look = || self.0.is_settled.load(Ordering::Acquire).then(settled);
        looks::wait(&looks::FOR_REPLIES, look, settled)
    }

    fn wait_until_settled(&self, clock: &dyn Clock, deadline: Deadline) -> Result<T, CallError> {
        let port = &*self.0;
        let mut state = port.state.lock();
        loop {
            if matches!(*state, State::Settled(_)) {
                let State::Settled(outcome) = std::mem::replace(&mut *state, State::GivenUp) else { unreachable!() };
                return outcome;
            }
            let Some(nap) = deadline.nap(clock) else { break };
            state = port.settled.wait_for(state, nap);
        }
        let before = std::mem::replace(&mut *state, State::GivenUp);
        drop(state);
        port.end_wait();
        let phase = match &before {
            State::Queued(_) => Phase::Queued,
            State::Open(Open { answer: Answer::Given(_), .. }) => Phase::Saving,
            _ => Phase::Handling,
        };
        discard(before);
        Err(CallError::new(&port.id, Failure::Timeout(phase)))
    }
}

#[cfg(loom)]
pub mod models;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{SystemClock, TestClock};

    fn ports() -> (ReplyPort<u8, &'static str>, Receipt<u8, &'static str>) {
        port(&ActorId::new("k", "a").unwrap(), None, "question")
    }

    fn passed() -> (TestClock, Deadline) {
        let clock = TestClock::new();
        let deadline = Deadline::after(&clock, Duration::from_secs(5));
        clock.advance(Duration::from_secs(6));
        (clock, deadline)
    }

    fn is_settled(receipt: &Receipt<u8, &'static str>) -> bool {
        matches!(*receipt.0.state.lock(), State::Settled(_))
    }

    fn wait(receipt: Receipt<u8, &'static str>) -> Result<u8, CallError> {
        receipt.wait(&SystemClock, Deadline::NEVER)
    }

    #[test]
    fn an_answer_is_given_when_it_is_released_and_not_when_it_is_held() {
        let (reply, receipt) = ports();
        assert!(reply.take().is_some());
        let promise = reply.hold(7);
        assert!(!is_settled(&receipt));
        promise.release();
        assert_eq!(wait(receipt).unwrap(), 7);
    }

    #[test]
    fn an_answer_from_elsewhere_waits_for_the_message_and_the_message_for_the_answer() {
        for answer_first in [false, true] {
            let (reply, receipt) = ports();
            assert!(reply.take().is_some());
            let later = reply.reply_to();
            let message = reply.message_over();
            if answer_first {
                later.send(7);
                assert!(!is_settled(&receipt));
                message.release();
            } else {
                message.release();
                assert!(!is_settled(&receipt) && later.is_awaited());
                later.send(7);
            }
            assert_eq!(wait(receipt).unwrap(), 7);
        }
    }

    #[test]
    fn a_port_dropped_unanswered_is_an_error_at_once() {
        for taken in [false, true] {
            let (reply, receipt) = ports();
            assert!(!taken || reply.take().is_some());
            drop(reply);
            let error = wait(receipt).unwrap_err();
            assert!(matches!(error.failure(), Failure::Unanswered));
        }
        let (reply, receipt) = ports();
        assert!(reply.take().is_some());
        let later = reply.reply_to();
        reply.message_over().release();
        drop(later);
        assert!(matches!(wait(receipt).unwrap_err().failure(), Failure::Unanswered));
    }

    #[test]
    fn a_message_that_fails_says_why_though_its_duty_to_answer_was_dropped_before() {
        let (reply, receipt) = ports();
        assert!(reply.take().is_some());
        drop(reply.reply_to());
        reply.into_promise().refuse(CallError::new(&ActorId::new("k", "a").unwrap(), Failure::Ended));
        assert!(matches!(wait(receipt).unwrap_err().failure(), Failure::Ended));
    }

    #[test]
    fn what_was_not_delivered_is_taken_back_and_what_was_taken_is_not() {
        let (reply, receipt) = ports();
        assert_eq!(receipt.take_back(), Some("question"));
        assert!(reply.is_given_up());
        let (reply, receipt) = ports();
        assert_eq!(reply.take(), Some("question"));
        assert_eq!(receipt.take_back(), None);
    }

    #[test]
    fn a_message_given_up_in_the_queue_is_never_taken() {
        let (clock, deadline) = passed();
        let (reply, receipt) = ports();
        let error = receipt.wait(&clock, deadline).unwrap_err();
        assert!(matches!(error.failure(), Failure::Timeout(Phase::Queued)));
        assert_eq!(error.handled(), Handled::No);
        assert!(reply.is_given_up() && reply.take().is_none());
    }

    #[test]
    fn a_deadline_says_how_far_the_message_had_come() {
        let (clock, deadline) = passed();
        let (reply, receipt) = ports();
        assert!(reply.take().is_some());
        let error = receipt.wait(&clock, deadline).unwrap_err();
        assert!(matches!(error.failure(), Failure::Timeout(Phase::Handling)));
        assert_eq!(error.handled(), Handled::Unknown);
        reply.hold(1).release();

        let (reply, receipt) = ports();
        assert!(reply.take().is_some());
        let _promise = reply.hold(7);
        let error = receipt.wait(&clock, deadline).unwrap_err();
        assert!(matches!(error.failure(), Failure::Timeout(Phase::Saving)));
    }
}
