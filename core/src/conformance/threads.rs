//! Threads for cases: many that begin together, and one that may never come back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::{Miss, Verdict, failed, panic_message};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, channel, thread};

/// How many threads compete.
pub(super) const CROWD: usize = 8;

type Body<T> = Box<dyn FnOnce() -> Verdict<T> + Send>;

/// Runs each body on a thread of its own, all from the same moment on, and gives what they returned, in their order.
/// What they captured is dropped when this returns.
pub(super) fn together<T: Send + 'static>(bodies: Vec<Body<T>>) -> Verdict<Vec<T>> {
    // Dropping `go` starts everybody.
    let (go, ready) = channel::bounded::<()>(0);
    let mut ends = Vec::new();
    for body in bodies {
        let ready = ready.clone();
        ends.push(start(move || {
            let _ = ready.recv();
            body()
        })?);
    }
    drop(go);
    // All of them end before a failure of one is reported, so that none works on while the next case runs.
    let results: Vec<_> = ends.iter().map(|end| end.recv().unwrap_or_else(|_| failed("a thread vanished"))).collect();
    results.into_iter().collect()
}

/// [`together`] for a crowd of [`CROWD`] that do the same; each is told its number.
pub(super) fn crowd<T, F>(body: F) -> Verdict<Vec<T>>
where
    T: Send + 'static,
    F: FnOnce(usize) -> Verdict<T> + Clone + Send + 'static,
{
    let one = |number| -> Body<T> {
        let body = body.clone();
        Box::new(move || body(number))
    };
    together((0..CROWD).map(one).collect())
}

/// Whether `body` ends within `patience` on a thread of its own. If not, that thread is left to itself.
pub(super) fn ends_within(patience: Duration, body: impl FnOnce() -> Verdict + Send + 'static) -> Verdict<bool> {
    match start(body)?.recv_timeout(patience) {
        Ok(verdict) => verdict.map(|()| true),
        Err(channel::RecvTimeoutError::Timeout) => Ok(false),
        Err(channel::RecvTimeoutError::Disconnected) => failed("a thread vanished"),
    }
}

fn start<T: Send + 'static>(
    body: impl FnOnce() -> Verdict<T> + Send + 'static,
) -> Verdict<channel::Receiver<Verdict<T>>> {
    let (end, result) = channel::bounded(1);
    let thread = move || {
        let caught = catch_unwind(AssertUnwindSafe(body));
        let verdict = caught.unwrap_or_else(|panic| failed(format!("a thread panicked: {}", panic_message(&*panic))));
        let _ = end.send(verdict);
    };
    let started = thread::spawn("conformance".to_owned(), None, thread);
    started.map(|()| result).map_err(|error| Miss::Failed(format!("no thread could be started: {error}")))
}

/// Threads that go on with something until they are told to end.
pub(super) struct Crew {
    ended: Arc<AtomicBool>,
    /// How often all of them together have gone on.
    rounds: Arc<AtomicUsize>,
    ends: Mutex<Vec<channel::Receiver<Verdict>>>,
}

impl Crew {
    pub(super) fn new() -> Self {
        Crew { ended: Arc::default(), rounds: Arc::default(), ends: Mutex::default() }
    }

    /// Starts one. It asks what it is given whether to go on.
    pub(super) fn add(&self, body: impl FnOnce(&dyn Fn() -> bool) -> Verdict + Send + 'static) -> Verdict {
        let (ended, rounds) = (self.ended.clone(), self.rounds.clone());
        let go_on = move || {
            rounds.fetch_add(1, Ordering::AcqRel);
            !ended.load(Ordering::Acquire)
        };
        self.ends.lock().push(start(move || body(&go_on))?);
        Ok(())
    }

    /// Looks so often, and as long as the crew has not gone on as often: whoever looks before they have begun sees
    /// nothing. One that has come to its end before is found by [`end`](Self::end).
    pub(super) fn watch(&self, times: usize, mut look: impl FnMut() -> Verdict) -> Verdict {
        let mut looks = 0;
        while looks < times || (self.rounds.load(Ordering::Acquire) < times && self.is_at_work()) {
            look()?;
            looks += 1;
        }
        Ok(())
    }

    fn is_at_work(&self) -> bool {
        self.ends.lock().iter().all(channel::Receiver::is_empty)
    }

    /// Ends all, and waits until they have.
    pub(super) fn end(self) -> Verdict {
        self.ended.store(true, Ordering::Release);
        let ends = self.ends.lock();
        let results: Vec<_> =
            ends.iter().map(|end| end.recv().unwrap_or_else(|_| failed("a thread vanished"))).collect();
        results.into_iter().collect()
    }
}

/// A case that ends early leaves nobody at work.
impl Drop for Crew {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
    }
}
