//! The one-shot way back from an actor to its caller.
//!
//! A port goes through these states, and every change is made under one lock:
//!
//! ```text
//! Queued ──take──▶ Taken ──hold──▶ Held ──release──▶ Settled
//!    │               │              │                   ▲
//!    │               └──────────────┴── refuse, drop ───┘   (an error)
//!    └── the caller's deadline passes: GivenUp (from any state but Settled)
//! ```
//!
//! What is taken cannot be taken back, and what was given up in the queue is never taken: so a caller whose deadline
//! passed knows whether its message will be handled. A port that its actor drops unanswered is an error for the caller
//! at once, never a hang.

use crate::ActorId;
use crate::clock::{Clock, Deadline};
use crate::error::{CallError, Failure, Phase};
use crate::guard::discard;
use crate::sync::{Arc, Condvar, Mutex};
use crate::waits::Wait;

struct Port<T> {
    id: ActorId,
    state: Mutex<State<T>>,
    settled: Condvar,
    /// The caller's edge in the graph of waits, if the caller is an actor.
    wait: Option<Wait>,
}

enum State<T> {
    Queued,
    Taken,
    Held(T),
    Settled(Result<T, CallError>),
    GivenUp,
}

/// A port for the answer of `id`: the actor's end and the caller's.
pub(crate) fn port<T: Send + 'static>(id: &ActorId, wait: Option<Wait>) -> (ReplyPort<T>, Receipt<T>) {
    let port = Port { id: id.clone(), state: Mutex::new(State::Queued), settled: Condvar::new(), wait };
    let port = Arc::new(port);
    (ReplyPort(Promise(port.clone()), port.clone()), Receipt(port))
}

/// The actor's end, while the message has not been handled.
pub(crate) struct ReplyPort<T>(Promise, Arc<Port<T>>);

impl<T> ReplyPort<T> {
    /// The actor begins with the message. `false`: the caller has given up, the message is not to be handled.
    pub(crate) fn take(&self) -> bool {
        let mut state = self.1.state.lock();
        let queued = matches!(*state, State::Queued);
        if queued {
            *state = State::Taken;
        }
        queued
    }

    /// Whether there is still somebody to answer to.
    pub(crate) fn is_given_up(&self) -> bool {
        matches!(*self.1.state.lock(), State::GivenUp)
    }

    /// Puts the answer into the port; the caller gets it by [`Promise::release`].
    pub(crate) fn hold(self, value: T) -> Promise {
        let mut state = self.1.state.lock();
        if matches!(*state, State::Taken) {
            *state = State::Held(value);
        } else {
            drop(state);
            discard(value);
        }
        self.0
    }

    /// The actor's end without the type of the answer.
    pub(crate) fn into_promise(self) -> Promise {
        self.0
    }
}

/// The actor's end, whatever the type of the answer. Dropped without an answer it is an error to the caller.
pub(crate) struct Promise(Arc<dyn Settle>);

impl Promise {
    /// Gives the caller the answer that is held.
    pub(crate) fn release(self) {
        self.0.release();
    }

    /// Tells the caller that there will be no answer.
    pub(crate) fn refuse(self, error: CallError) {
        self.0.refuse(error);
    }
}

/// An answer that is held and not released is not safe on disk: it is never given by a drop.
impl Drop for Promise {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

trait Settle: Send + Sync {
    fn release(&self);
    fn refuse(&self, error: CallError);
    fn abandon(&self);
}

impl<T> Port<T> {
    fn end_wait(&self) {
        if let Some(wait) = &self.wait {
            wait.end();
        }
    }

    /// Settles the port with the answer that is held, or with an error, unless it is settled or given up.
    fn settle(&self, error: Option<CallError>) {
        // Before the caller can see the answer, see `Waits`.
        self.end_wait();
        let mut state = self.state.lock();
        let before = std::mem::replace(&mut *state, State::GivenUp);
        let (after, unused) = match (before, error) {
            (ended @ (State::Settled(_) | State::GivenUp), _) => (ended, None),
            (State::Held(value), None) => (State::Settled(Ok(value)), None),
            (before, error) => {
                let error = error.unwrap_or_else(|| CallError::new(&self.id, Failure::Unanswered));
                (State::Settled(Err(error)), Some(before))
            }
        };
        *state = after;
        self.settled.notify_one();
        drop(state);
        // An answer that nobody gets is a user's value: it is dropped without the lock.
        discard(unused);
    }
}

impl<T: Send> Settle for Port<T> {
    fn release(&self) {
        self.settle(None);
    }

    fn refuse(&self, error: CallError) {
        self.settle(Some(error));
    }

    fn abandon(&self) {
        self.settle(Some(CallError::new(&self.id, Failure::Unanswered)));
    }
}

/// The caller's end.
pub(crate) struct Receipt<T>(Arc<Port<T>>);

impl<T> Receipt<T> {
    /// Waits for the answer.
    pub(crate) fn wait(self, clock: &dyn Clock, deadline: Deadline) -> Result<T, CallError> {
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
        let phase = match before {
            State::Queued => Phase::Queued,
            State::Held(_) => Phase::Saving,
            _ => Phase::Handling,
        };
        discard(before);
        Err(CallError::new(&port.id, Failure::Timeout(phase)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{SystemClock, TestClock};
    use crate::error::Handled;

    fn ports() -> (ReplyPort<u8>, Receipt<u8>) {
        port(&ActorId::new("k", "a").unwrap(), None)
    }

    fn passed() -> (TestClock, Deadline) {
        let clock = TestClock::new();
        let deadline = Deadline::after(&clock, Duration::from_secs(5));
        clock.advance(Duration::from_secs(6));
        (clock, deadline)
    }

    #[test]
    fn an_answer_is_given_when_it_is_released_and_not_when_it_is_held() {
        let (reply, receipt) = ports();
        assert!(reply.take());
        let promise = reply.hold(7);
        assert!(matches!(*receipt.0.state.lock(), State::Held(7)));
        promise.release();
        assert_eq!(receipt.wait(&SystemClock, Deadline::NEVER).unwrap(), 7);
    }

    #[test]
    fn a_port_dropped_unanswered_is_an_error_at_once() {
        for taken in [false, true] {
            let (reply, receipt) = ports();
            assert!(!taken || reply.take());
            drop(reply);
            let error = receipt.wait(&SystemClock, Deadline::NEVER).unwrap_err();
            assert!(matches!(error.failure(), Failure::Unanswered));
        }
    }

    #[test]
    fn a_message_given_up_in_the_queue_is_never_taken() {
        let (clock, deadline) = passed();
        let (reply, receipt) = ports();
        let error = receipt.wait(&clock, deadline).unwrap_err();
        assert!(matches!(error.failure(), Failure::Timeout(Phase::Queued)));
        assert_eq!(error.handled(), Handled::No);
        assert!(reply.is_given_up() && !reply.take());
    }

    #[test]
    fn a_deadline_says_how_far_the_message_had_come() {
        let (clock, deadline) = passed();
        let (reply, receipt) = ports();
        assert!(reply.take());
        let error = receipt.wait(&clock, deadline).unwrap_err();
        assert!(matches!(error.failure(), Failure::Timeout(Phase::Handling)));
        assert_eq!(error.handled(), Handled::Unknown);
        reply.hold(1).release();

        let (reply, receipt) = ports();
        assert!(reply.take());
        let _promise = reply.hold(7);
        let error = receipt.wait(&clock, deadline).unwrap_err();
        assert!(matches!(error.failure(), Failure::Timeout(Phase::Saving)));
    }
}
