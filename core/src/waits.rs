//! Who waits for whom: finds the call that would close a cycle before it is made.

use std::collections::HashMap;

use crate::ActorId;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex};

/// The actors of a system that wait for an answer of another one, each for one at a time.
///
/// Only actors are in it: nobody can wait for a thread that is not one. An edge lasts from before the message is sent
/// until its answer is given or its caller gives up. It goes *before* the caller can see the answer: the actor that
/// answered may go on to call its caller, and must not find an edge that means nothing any more.
#[derive(Default)]
pub(crate) struct Waits(Mutex<Graph>);

#[derive(Default)]
struct Graph {
    edges: HashMap<ActorId, (u64, ActorId)>,
    last: u64,
}

/// One wait. Ends when it is dropped, or before that by [`end`](Self::end).
pub(crate) struct Wait {
    waits: Arc<Waits>,
    caller: ActorId,
    /// Tells this wait from a later one of the same caller: an answer that comes after its caller gave up must not end
    /// the wait for another one.
    number: u64,
    ended: AtomicBool,
}

impl Waits {
    /// Says that `caller` waits for `callee` from now on.
    ///
    /// # Errors
    ///
    /// The path from `caller` back to itself, if `callee` waits for `caller` already, directly or through others.
    pub(crate) fn begin(self: &Arc<Self>, caller: &ActorId, callee: &ActorId) -> Result<Wait, Vec<ActorId>> {
        let mut graph = self.0.lock();
        let mut path = vec![caller.clone(), callee.clone()];
        while let Some(last) = path.last().filter(|last| *last != caller) {
            match graph.edges.get(last) {
                Some((_, next)) => path.push(next.clone()),
                None => {
                    graph.last += 1;
                    let number = graph.last;
                    graph.edges.insert(caller.clone(), (number, callee.clone()));
                    return Ok(Wait {
                        waits: self.clone(),
                        caller: caller.clone(),
                        number,
                        ended: AtomicBool::new(false),
                    });
                }
            }
        }
        Err(path)
    }
}

impl Wait {
    /// Ends the wait; does nothing if it has ended. When this returns the edge is gone, whoever takes it away.
    pub(crate) fn end(&self) {
        // Reads what is written below: the edge has gone by then. Two threads may end a wait at once, that of the caller
        // that gives up and that of the actor that answers, and the latter may call the former next.
        if self.ended.load(Ordering::Acquire) {
            return;
        }
        let mut graph = self.waits.0.lock();
        if graph.edges.get(&self.caller).is_some_and(|(number, _)| *number == self.number) {
            graph.edges.remove(&self.caller);
        }
        self.ended.store(true, Ordering::Release);
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(loom)]
pub mod models;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(key: &str) -> ActorId {
        ActorId::new("k", key).unwrap()
    }

    #[test]
    fn a_cycle_is_found_with_its_path_and_a_chain_is_none() {
        let waits = Arc::new(Waits::default());
        let _ab = waits.begin(&id("a"), &id("b")).ok().unwrap();
        let _bc = waits.begin(&id("b"), &id("c")).ok().unwrap();
        assert_eq!(waits.begin(&id("c"), &id("a")).err().unwrap(), [id("c"), id("a"), id("b"), id("c")]);
        assert_eq!(waits.begin(&id("d"), &id("d")).err().unwrap(), [id("d"), id("d")]);
        assert!(waits.begin(&id("c"), &id("d")).is_ok());
    }

    #[test]
    fn a_late_answer_does_not_end_a_later_wait() {
        let waits = Arc::new(Waits::default());
        let first = waits.begin(&id("a"), &id("b")).ok().unwrap();
        first.end();
        let second = waits.begin(&id("a"), &id("c")).ok().unwrap();
        first.end();
        assert!(waits.begin(&id("c"), &id("a")).is_err(), "a still waits for c");
        second.end();
        assert!(waits.begin(&id("c"), &id("a")).is_ok());
    }
}
