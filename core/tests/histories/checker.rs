//! Whether a history of calls by several clients is linearizable: whether each of them can have happened at one moment
//! between its call and its return, so that a specification that does one thing at a time explains every answer.
//!
//! A search as of Wing and Gong, with Lowe's memory of what was tried: a set of operations that have happened, and the
//! state after them, need to be looked at once. Two things that the checkers on crates.io have not: an operation that
//! never returned may have happened, or not; and the specification may allow several states after an operation.

use std::collections::HashSet;
use std::hash::Hash;

/// What does one thing at a time.
pub(crate) trait Specification {
    type Operation;
    type Answer;
    type State: Clone + Eq + Hash;

    fn start(&self) -> Self::State;

    /// All states that may follow if the operation is answered like this; `None`: it never was, and did happen.
    fn after(
        &self,
        state: &Self::State,
        operation: &Self::Operation,
        answer: Option<&Self::Answer>,
    ) -> Vec<Self::State>;
}

/// An operation of a history. Times are numbers that no two moments share.
#[derive(Clone, Debug)]
pub(crate) struct Event<O, A> {
    pub(crate) operation: O,
    pub(crate) called: usize,
    /// The answer, and when. `None`: nobody heard of it.
    pub(crate) returned: Option<(A, usize)>,
    /// When whoever did it died: if it happened at all, it happened before anything that was called later.
    pub(crate) died: Option<usize>,
}

type EventOf<S> = Event<<S as Specification>::Operation, <S as Specification>::Answer>;

/// The most operations of a history: their set is a word.
const MOST: usize = 128;

/// Whether the history can be explained.
pub(crate) fn is_linearizable<S: Specification>(spec: &S, history: &[EventOf<S>]) -> bool {
    assert!(history.len() <= MOST, "a history of {} operations is too long", history.len());
    let returned = set(history.iter().map(|event| event.returned.is_some()));
    let mut tried = HashSet::new();
    let mut open = vec![(0_u128, spec.start())];
    while let Some((done, state)) = open.pop() {
        if done & returned == returned {
            return true;
        }
        let (open_ones, done_ones): (Vec<_>, Vec<_>) = history.iter().enumerate().partition(|(at, _)| !has(done, *at));
        // Whatever returned before an operation was called happened before it.
        let first_return = open_ones.iter().filter_map(|(_, event)| event.returned.as_ref().map(|(_, at)| *at)).min();
        let last_call = done_ones.iter().map(|(_, event)| event.called).max();
        for (at, event) in open_ones {
            let too_early = first_return.is_some_and(|first| event.called > first);
            let too_late = event.died.is_some_and(|died| last_call.is_some_and(|last| last > died));
            if too_early || too_late {
                continue;
            }
            for after in spec.after(&state, &event.operation, event.returned.as_ref().map(|(answer, _)| answer)) {
                let next = (done | 1 << at, after);
                if tried.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
    }
    false
}

fn set(bits: impl Iterator<Item = bool>) -> u128 {
    bits.enumerate().filter(|(_, bit)| *bit).fold(0, |set, (at, _)| set | 1 << at)
}

fn has(set: u128, at: usize) -> bool {
    set >> at & 1 == 1
}

mod tests {
    use std::cell::Cell;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::*;

    /// A number that is set and read.
    struct Register;

    #[derive(Clone, Debug)]
    enum Do {
        Set(u8),
        Get,
    }

    impl Specification for Register {
        type Operation = Do;
        type Answer = u8;
        type State = u8;

        fn start(&self) -> u8 {
            0
        }

        fn after(&self, state: &u8, operation: &Do, answer: Option<&u8>) -> Vec<u8> {
            let next = match operation {
                Do::Set(n) => *n,
                Do::Get => *state,
            };
            if answer.is_none_or(|answer| *answer == next) { vec![next] } else { Vec::new() }
        }
    }

    fn event(operation: Do, called: usize, returned: Option<(u8, usize)>) -> Event<Do, u8> {
        Event { operation, called, returned, died: None }
    }

    fn accepts(history: &[Event<Do, u8>]) -> bool {
        is_linearizable(&Register, history)
    }

    #[test]
    fn one_after_the_other() {
        assert!(accepts(&[]));
        assert!(accepts(&[event(Do::Set(1), 0, Some((1, 1))), event(Do::Get, 2, Some((1, 3)))]));
        assert!(!accepts(&[event(Do::Set(1), 0, Some((1, 1))), event(Do::Get, 2, Some((0, 3)))]), "a stale answer");
        assert!(
            !accepts(&[event(Do::Get, 0, Some((1, 1))), event(Do::Set(1), 2, Some((1, 3)))]),
            "an answer from later"
        );
    }

    #[test]
    fn at_the_same_time() {
        // A read during a write sees either; and whoever reads after one that saw the new value sees it too.
        let write = event(Do::Set(1), 0, Some((1, 9)));
        assert!(accepts(&[write.clone(), event(Do::Get, 1, Some((0, 2))), event(Do::Get, 3, Some((1, 4)))]));
        assert!(!accepts(&[write, event(Do::Get, 1, Some((1, 2))), event(Do::Get, 3, Some((0, 4)))]), "back again");
    }

    #[test]
    fn what_never_returned_happened_or_not_and_never_twice() {
        let write = event(Do::Set(1), 0, None);
        assert!(accepts(&[write.clone(), event(Do::Get, 1, Some((0, 2)))]));
        assert!(accepts(&[write.clone(), event(Do::Get, 1, Some((1, 2)))]));
        assert!(accepts(&[write.clone(), event(Do::Get, 1, Some((0, 2))), event(Do::Get, 3, Some((1, 4)))]), "late");
        let twice = [
            write,
            event(Do::Get, 1, Some((1, 2))),
            event(Do::Set(2), 3, Some((2, 4))),
            event(Do::Get, 5, Some((1, 6))),
        ];
        assert!(!accepts(&twice));
        assert!(!accepts(&[event(Do::Get, 0, Some((1, 1))), event(Do::Set(1), 2, None)]), "before it was called");
    }

    #[test]
    fn what_was_done_by_one_that_died_happened_before_its_death_or_never() {
        let write = Event { operation: Do::Set(1), called: 0, returned: None, died: Some(2) };
        let (before, after) = (event(Do::Get, 3, Some((0, 4))), event(Do::Get, 5, Some((1, 6))));
        assert!(accepts(&[write.clone(), before.clone()]) && accepts(&[write.clone(), after.clone()]));
        assert!(!accepts(&[write, before, after]), "it came back from the dead");
    }

    /// The definition, word for word: some order of all that returned, and some of what did not.
    fn by_definition(history: &[Event<Do, u8>], done: u128, state: u8) -> bool {
        let open: Vec<usize> = (0..history.len()).filter(|at| !has(done, *at)).collect();
        if open.iter().all(|at| history[*at].returned.is_none()) {
            return true;
        }
        open.iter().any(|at| {
            let event = &history[*at];
            let is_first = open.iter().all(|other| history[*other].returned.is_none_or(|(_, at)| event.called < at));
            let answer = event.returned.as_ref().map(|(answer, _)| answer);
            let follows = Register.after(&state, &event.operation, answer);
            is_first && follows.into_iter().any(|next| by_definition(history, done | 1 << at, next))
        })
    }

    #[test]
    fn it_is_the_definition() {
        let operation = prop_oneof![(0..3_u8).prop_map(Do::Set), Just(Do::Get)];
        let one = (operation, 0..20_usize, 1..8_usize, prop::option::weighted(0.8, 0..3_u8));
        let verdicts = [Cell::new(0), Cell::new(0)];
        TestRunner::default()
            .run(&vec(one, 0..7), |drawn| {
                let history: Vec<_> = drawn
                    .into_iter()
                    .map(|(operation, called, took, answer)| {
                        event(operation, called * 2, answer.map(|answer| (answer, (called + took) * 2 + 1)))
                    })
                    .collect();
                let verdict = accepts(&history);
                prop_assert_eq!(verdict, by_definition(&history, 0, 0));
                let given = &verdicts[usize::from(verdict)];
                given.set(given.get() + 1);
                Ok(())
            })
            .unwrap();
        assert!(verdicts.iter().all(|given| given.get() > 10), "both verdicts are given: {verdicts:?}");
    }
}
