//! The hand-over of group commit: the very file of `gargoyle-storage-lmdb`, without LMDB, which knows nothing of threads.

use std::cell::RefCell;

use gargoyle::sync::{Arc, Condvar, Mutex, thread};
use gargoyle_loom_tests::{Model, model_of};

#[path = "../../../storage-lmdb/src/group.rs"]
mod group;

use group::{Group, Limits};

type Saw<'a> = &'a dyn Fn(&'static str);

const NO_LIMITS: Limits = Limits { requests_max: usize::MAX, weight_max: usize::MAX };
const ONE_AT_A_TIME: Limits = Limits { requests_max: 1, ..NO_LIMITS };

pub(crate) fn models() -> Vec<Model> {
    vec![
        model_of(
            "savers_meet",
            "each saver gets the answer to its own request, which is committed once, however many share a commit",
            3,
            Some(3),
            &["alone", "two shared a commit", "led after another one"],
            savers_meet,
        ),
        model_of(
            "leaders_in_turn",
            "a leader that leaves others behind hands over to one of them, and nobody waits for ever",
            3,
            Some(3),
            &["alone", "led after another one"],
            leaders_in_turn,
        ),
        model_of(
            "failed_commit_against_savers",
            "those who share a commit that fails hear so, all of them, and nobody else does",
            3,
            Some(3),
            &["one failed", "two failed"],
            failed_commit_against_savers,
        ),
        model_of(
            "coming_again_against_hand_over",
            "a saver that comes again as soon as it has its answer is served beside those who came meanwhile",
            2,
            Some(4),
            &["alone", "two shared a commit", "led after another one"],
            coming_again_against_hand_over,
        ),
    ]
}

/// What is committed, and by how many at a time.
struct Disk {
    batches: Mutex<Vec<Vec<u8>>>,
    changed: Condvar,
}

std::thread_local! {
    /// Who commits now. All threads of a model are one real thread: this is no operation of the model.
    static INSIDE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Savers of a group and what they commit to.
struct Bench {
    group: Group<u8, Result<u8, ()>>,
    disk: Disk,
    /// Whose answers have come.
    answered: Mutex<Vec<(u8, Result<u8, ()>)>>,
    has_answered: Condvar,
}

impl Bench {
    fn new(limits: Limits) -> Arc<Self> {
        INSIDE.with_borrow_mut(Vec::clear);
        Arc::new(Bench {
            group: Group::new(limits),
            disk: Disk { batches: Mutex::new(Vec::new()), changed: Condvar::new() },
            answered: Mutex::new(Vec::new()),
            has_answered: Condvar::new(),
        })
    }

    /// Saves `number`. The first commit of all fails if it is said so.
    fn save(&self, number: u8, first_fails: bool) {
        let answer = self.group.submit(number, 1, |batch| {
            assert_eq!(batch[0], number, "a leader's own request is at the front");
            INSIDE.with_borrow_mut(|inside| inside.push(number));
            let fails = {
                // An operation of the model, so that others come in the middle of a commit.
                let mut batches = self.disk.batches.lock();
                batches.push(batch.clone());
                first_fails && batches.len() == 1
            };
            self.disk.changed.notify_all();
            INSIDE.with_borrow_mut(|inside| {
                assert_eq!(*inside, [number], "two commits ran at once");
                inside.clear();
            });
            batch.into_iter().map(|number| if fails { Err(()) } else { Ok(number) }).collect()
        });
        let answer = answer.expect("nobody panicked");
        assert!(answer.is_err() || answer == Ok(number), "a saver got another one's answer");
        self.answered.lock().push((number, answer));
        self.has_answered.notify_all();
    }

    /// Starts a saver of these numbers, one after the other.
    fn start(self: &Arc<Self>, numbers: Vec<u8>, first_fails: bool) {
        let bench = self.clone();
        let save = move || numbers.into_iter().for_each(|number| bench.save(number, first_fails));
        thread::spawn("saver".to_owned(), None, save).expect("the model has threads");
    }

    /// Waits for so many answers, and looks whether each request was committed once. Returns the batches and the answers.
    fn settle(&self, count: usize, saw: Saw<'_>) -> (Vec<Vec<u8>>, Vec<(u8, Result<u8, ()>)>) {
        let mut answered = self.answered.lock();
        while answered.len() < count {
            answered = self.has_answered.wait(answered);
        }
        let batches = self.disk.batches.lock().clone();
        let mut committed = batches.concat();
        committed.sort();
        let mut numbers: Vec<u8> = answered.iter().map(|(number, _)| *number).collect();
        numbers.sort();
        assert_eq!(committed, numbers, "a request was lost, or committed twice");
        for batch in &batches {
            saw(if batch.len() == 1 { "alone" } else { "two shared a commit" });
        }
        if batches.len() > 1 {
            saw("led after another one");
        }
        (batches, std::mem::take(&mut answered))
    }
}

fn savers_meet(saw: Saw<'_>) {
    let bench = Bench::new(NO_LIMITS);
    bench.start(vec![1], false);
    bench.start(vec![2], false);
    bench.save(3, false);
    bench.settle(3, saw);
}

fn leaders_in_turn(saw: Saw<'_>) {
    let bench = Bench::new(ONE_AT_A_TIME);
    bench.start(vec![1], false);
    bench.start(vec![2], false);
    bench.save(3, false);
    let (batches, _) = bench.settle(3, saw);
    assert_eq!(batches.len(), 3, "the limit was not kept");
}

fn failed_commit_against_savers(saw: Saw<'_>) {
    let bench = Bench::new(NO_LIMITS);
    bench.start(vec![1], true);
    bench.start(vec![2], true);
    bench.save(3, true);
    let (batches, answered) = bench.settle(3, &|_| ());
    let mut failed: Vec<u8> =
        answered.iter().filter(|(_, answer)| answer.is_err()).map(|(number, _)| *number).collect();
    failed.sort();
    let mut first = batches[0].clone();
    first.sort();
    assert_eq!(failed, first, "those who heard of the failure are not those whose commit failed");
    saw(if failed.len() == 1 { "one failed" } else { "two failed" });
}

fn coming_again_against_hand_over(saw: Saw<'_>) {
    let bench = Bench::new(NO_LIMITS);
    bench.start(vec![1, 2], false);
    bench.save(3, false);
    bench.save(4, false);
    bench.settle(4, saw);
}
