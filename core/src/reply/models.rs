//! A reply port alone, for the model checker: small enough that all orders can be tried.
//!
//! Each model is one execution; `saw` is told what happened in it. The package `gargoyle-loom-tests` runs them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::{Receipt, ReplyPort, ReplyTo};
use crate::ActorId;
use crate::clock::{Clock, Deadline};
use crate::error::{CallError, Failure, Handled, Phase};
use crate::slot::models::Saw;
use crate::sync::{Arc, Condvar, Mutex, thread};

/// Time passes as soon as somebody waits for it. It is no operation of the model.
struct Impatient {
    start: Instant,
    passed: AtomicU64,
}

impl Impatient {
    fn new() -> Self {
        Impatient { start: Instant::now(), passed: AtomicU64::new(0) }
    }

    /// A second from now.
    fn deadline(&self) -> Deadline {
        Deadline::after(self, Duration::from_secs(1))
    }
}

impl Clock for Impatient {
    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.passed.load(Ordering::Relaxed))
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn nap(&self, _: Instant) -> Duration {
        self.passed.store(1, Ordering::Relaxed);
        Duration::ZERO
    }
}

/// Another thread, which is waited for.
struct Other<T>(Arc<(Mutex<Option<T>>, Condvar)>);

impl<T: Send + 'static> Other<T> {
    fn start(body: impl FnOnce() -> T + Send + 'static) -> Self {
        let done = Arc::new((Mutex::new(None), Condvar::new()));
        let result = done.clone();
        let run = move || {
            let value = body();
            *result.0.lock() = Some(value);
            result.1.notify_all();
        };
        thread::spawn("other".to_owned(), None, run).expect("the model has threads");
        Other(done)
    }

    fn join(self) -> T {
        let mut value = self.0.0.lock();
        loop {
            match value.take() {
                Some(value) => return value,
                None => value = self.0.1.wait(value),
            }
        }
    }
}

fn ports() -> (ReplyPort<u8, u8>, Receipt<u8, u8>) {
    super::port(&ActorId::new("k", "a").expect("the key is one"), None, QUESTION)
}

const QUESTION: u8 = 3;

fn wait_for_ever(receipt: Receipt<u8, u8>) -> Result<u8, CallError> {
    receipt.wait(&Impatient::new(), Deadline::NEVER)
}

/// An actor that takes a message, answers and saves, against a caller that gives up.
pub fn answer_against_deadline(saw: Saw<'_>) {
    let (reply, receipt) = ports();
    let actor = Other::start(move || {
        let question = reply.take();
        if let Some(question) = question {
            reply.hold(question + 4).release();
        }
        question.is_some()
    });
    let clock = Impatient::new();
    let outcome = receipt.wait(&clock, clock.deadline());
    let was_taken = actor.join();
    let error = match outcome {
        Ok(answer) => {
            assert!(was_taken && answer == QUESTION + 4, "an answer came from nowhere");
            return saw("an answer");
        }
        Err(error) => error,
    };
    let (what, handled) = match error.failure() {
        Failure::Timeout(Phase::Queued) => ("given up in the queue", Handled::No),
        Failure::Timeout(Phase::Handling) => ("given up in the handler", Handled::Unknown),
        Failure::Timeout(Phase::Saving) => ("given up in the save", Handled::Unknown),
        other => panic!("{other}"),
    };
    saw(what);
    assert_eq!(error.handled(), handled);
    assert_eq!(was_taken, handled == Handled::Unknown, "what was given up in the queue was handled, or the other way");
}

/// An answer that another thread gives, against the save of the message: the caller gets it behind both.
pub fn answer_against_save(saw: Saw<'_>) {
    let (outcome, saved, owed) = answer_or_end(|owed| owed.send(7));
    assert!(matches!(outcome, Ok(7)), "an answer was lost");
    assert!(saved && owed, "an answer outran what it has to wait for");
    saw("an answer");
}

/// A duty to answer that another thread drops, against the save of the message.
pub fn drop_against_save(saw: Saw<'_>) {
    let (outcome, saved, owed) = answer_or_end(drop);
    let error = outcome.expect_err("an answer came from nowhere");
    assert!(matches!(error.failure(), Failure::Unanswered), "{error}");
    assert!(saved && owed, "the caller heard before all was known");
    saw("unanswered");
}

/// What a caller gets, and whether the message was saved and the duty ended by then.
fn answer_or_end(end: fn(ReplyTo<u8>)) -> (Result<u8, CallError>, bool, bool) {
    let (reply, receipt) = ports();
    assert_eq!(reply.take(), Some(QUESTION));
    let owed = reply.reply_to();
    let flags = Arc::new((AtomicBool::new(false), AtomicBool::new(false)));
    let (saving, ending) = (flags.clone(), flags.clone());
    let actor = Other::start(move || {
        let message = reply.message_over();
        saving.0.store(true, Ordering::Relaxed);
        message.release();
    });
    let other = Other::start(move || {
        ending.1.store(true, Ordering::Relaxed);
        end(owed);
    });
    let outcome = wait_for_ever(receipt);
    let (saved, ended) = (flags.0.load(Ordering::Relaxed), flags.1.load(Ordering::Relaxed));
    actor.join();
    other.join();
    (outcome, saved, ended)
}

/// An answer that another thread gives, against the failure of the message: what was not saved is not heard of.
pub fn answer_against_failure(saw: Saw<'_>) {
    let (reply, receipt) = ports();
    assert_eq!(reply.take(), Some(QUESTION));
    let owed = reply.reply_to();
    let awaited = owed.is_awaited();
    let actor = Other::start(move || {
        let id = ActorId::new("k", "a").expect("the key is one");
        reply.into_promise().refuse(CallError::new(&id, Failure::Ended));
    });
    let other = Other::start(move || {
        let awaited = owed.is_awaited();
        owed.send(7);
        awaited
    });
    let outcome = wait_for_ever(receipt);
    actor.join();
    assert!(awaited, "the caller waits from the beginning");
    saw(if other.join() { "answered in time" } else { "answered too late" });
    let error = outcome.expect_err("an answer to a message that failed");
    assert!(matches!(error.failure(), Failure::Ended), "{error}");
}
