//! The queue and its leaders, with commits that are made of nothing but numbers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::*;

const NO_LIMITS: Limits = Limits { requests_max: usize::MAX, weight_max: usize::MAX };

/// Waits until so many are in the queue.
fn await_waiting<Q, A>(group: &Group<Q, A>, count: usize) {
    while group.state.lock().waiting.len() < count {
        std::thread::yield_now();
    }
}

/// Holds up a commit while requests of these weights come in, and returns the batches that were committed after it.
fn batches_after(limits: Limits, weights: &[usize]) -> Vec<Vec<usize>> {
    let group = Group::new(limits);
    let batches = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let (begun, has_begun) = mpsc::channel();
        let (go, wait) = mpsc::channel();
        let (group, batches) = (&group, &batches);
        scope.spawn(move || {
            group.submit(usize::MAX, 0, |batch| {
                begun.send(()).unwrap();
                wait.recv().unwrap();
                batch
            })
        });
        // From here on its batch is out of the queue.
        has_begun.recv().unwrap();
        for (number, &weight) in weights.iter().enumerate() {
            scope.spawn(move || {
                let answer = group.submit(number, weight, |batch| {
                    batches.lock().push(batch.clone());
                    batch
                });
                assert_eq!(answer, Ok(number));
            });
            // One after the other, so that their order is known.
            while group.state.lock().waiting.back().is_none_or(|last| last.request != number) {
                std::thread::yield_now();
            }
        }
        go.send(()).unwrap();
    });
    batches.lock().clone()
}

#[test]
fn a_lone_request_is_committed_alone_and_at_once() {
    let group = Group::new(NO_LIMITS);
    for number in 0..3 {
        let answer = group.submit(number, 1, |batch| {
            assert_eq!(batch, [number]);
            vec![number * 2]
        });
        assert_eq!(answer, Ok(number * 2));
        assert!(!group.state.lock().led);
    }
}

#[test]
fn those_who_come_during_a_commit_are_the_next_batch_in_their_order() {
    assert_eq!(batches_after(NO_LIMITS, &[1; 6]), [[0, 1, 2, 3, 4, 5]]);
}

#[test]
fn a_batch_has_its_limits_and_a_heavy_request_goes_alone() {
    let limits = Limits { requests_max: 2, ..NO_LIMITS };
    assert_eq!(batches_after(limits, &[1; 5]), [vec![0, 1], vec![2, 3], vec![4]]);
    let limits = Limits { weight_max: 10, ..NO_LIMITS };
    assert_eq!(batches_after(limits, &[4, 6, 1, 11, 2]), [vec![0, 1], vec![2], vec![3], vec![4]]);
}

#[test]
fn every_request_gets_its_own_answer_and_one_commit_runs_at_a_time() {
    let group = Group::new(Limits { requests_max: 5, weight_max: 30 });
    let (inside, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..16_usize {
            let (group, inside, served) = (&group, &inside, &served);
            scope.spawn(move || {
                for turn in 0..500 {
                    let mine = (thread, turn);
                    let answer = group.submit(mine, turn % 40, |batch| {
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        served.fetch_add(batch.len(), Ordering::SeqCst);
                        assert_eq!(batch[0], mine, "a leader's own request is at the front");
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        batch
                    });
                    assert_eq!(answer, Ok(mine));
                }
            });
        }
    });
    assert_eq!(served.into_inner(), 16 * 500);
    let state = group.state.lock();
    assert!(!state.led && state.waiting.is_empty());
}

#[test]
fn a_leader_that_panics_abandons_its_batch_and_strands_nobody() {
    let group = Group::new(Limits { requests_max: 3, ..NO_LIMITS });
    let (abandoned, answered, panicked) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let (begun, has_begun) = mpsc::channel();
        let (go, wait) = mpsc::channel();
        let (group, abandoned, answered, panicked) = (&group, &abandoned, &answered, &panicked);
        scope.spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(|| {
                group.submit(0, 0, |_| -> Vec<()> {
                    begun.send(()).unwrap();
                    wait.recv().unwrap();
                    panic!("at the commit")
                })
            }));
            assert!(result.is_err());
        });
        has_begun.recv().unwrap();
        for number in 1..=6 {
            scope.spawn(move || {
                // The first leader after it panics too, and takes two others along.
                let commit = |batch: Vec<usize>| {
                    assert!(panicked.fetch_add(1, Ordering::SeqCst) > 0, "at the commit");
                    vec![(); batch.len()]
                };
                match catch_unwind(AssertUnwindSafe(|| group.submit(number, 0, commit))) {
                    Ok(Ok(())) => answered.fetch_add(1, Ordering::SeqCst),
                    Ok(Err(Abandoned)) => abandoned.fetch_add(1, Ordering::SeqCst),
                    Err(_) => 0,
                };
            });
        }
        await_waiting(group, 6);
        go.send(()).unwrap();
    });
    assert_eq!((abandoned.into_inner(), answered.into_inner()), (2, 3));
    let state = group.state.lock();
    assert!(!state.led && state.waiting.is_empty());
}

#[test]
fn too_few_answers_are_a_bug_that_strands_nobody_either() {
    let group = Group::new(NO_LIMITS);
    let result = catch_unwind(AssertUnwindSafe(|| group.submit(1, 0, |_| Vec::<()>::new())));
    assert!(result.is_err());
    assert_eq!(group.submit(2, 0, |_| vec![()]), Ok(()));
}
