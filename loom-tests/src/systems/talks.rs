//! Masons that talk to each other.

use gargoyle::{CallError, Failure, Handle, Registry};

use super::Plan;
use super::mason::{Delegate, Mason, PassOn, Tell, assert_safe, is_cycle, stories};
use super::site::{Heard, Sender, Site, below};
use super::time::DEADLINE;

pub(super) fn all<R: Registry>() -> Vec<Plan<R>> {
    vec![
        Plan {
            name: "chain",
            promise: "calls through a chain of masons are all answered, and safe in each of them",
            actors: 6,
            sometimes: &["revived", "two calls in one chain"],
            body: chain,
        },
        Plan {
            name: "ring",
            promise: "masons that call each other in a ring do not wait for ever, and who is refused hears the ring",
            actors: 5,
            sometimes: &["revived", "a deadlock", "no deadlock"],
            body: ring,
        },
        Plan {
            name: "hearsay",
            promise: "nobody hears of a stone before it is safe, however the casts of a turn meet",
            actors: 6,
            sometimes: &["revived", "the reply came before the news", "the news came before the reply"],
            body: hearsay,
        },
        Plan {
            name: "answers_of_others",
            promise: "an answer that another mason gives reaches the caller, and both are safe by then",
            actors: 6,
            sometimes: &["revived", "an answer", "given up"],
            body: answers_of_others,
        },
    ]
}

/// Has them lay a stone each, one called by the other. Returns how many were laid.
pub(super) fn pass_on(
    sender: &mut Sender,
    first: &Handle<Mason>,
    others: Vec<Handle<Mason>>,
) -> Result<usize, CallError> {
    let stone = sender.next(1 + others.len());
    let called = first.call(PassOn(stone, others));
    sender.enter(first, stone, &called);
    let laid = called.unwrap_or_else(|error| panic!("{error:#}"));
    assert_safe(first.key(), stone);
    laid
}

fn chain<R: Registry>(site: Site<R>) {
    let site = site.open();
    let masons = site.masons(6);
    site.senders(3, move |sender| {
        for _ in 0..2 {
            let from = below(3);
            let laid = pass_on(sender, &masons.0[from], masons.round(from + 1, 3));
            assert_eq!(laid.expect("there is no cycle"), 4);
        }
    });
    let most = stories().into_values().map(|story| story.begun.len()).max();
    site.saw_if(most > Some(1), "two calls in one chain");
    site.end();
}

fn ring<R: Registry>(site: Site<R>) {
    let site = site.open();
    let masons = site.masons(5);
    site.senders(3, move |sender| {
        for _ in 0..2 {
            let from = below(5);
            match pass_on(sender, &masons.0[from], masons.round(from + 1, 2)) {
                Ok(laid) => {
                    assert_eq!(laid, 3);
                    sender.seen.saw("no deadlock");
                }
                Err(error) => {
                    assert!(is_cycle(error.failure()), "{error:#}");
                    sender.seen.saw("a deadlock");
                }
            }
        }
    });
    site.end();
}

fn hearsay<R: Registry>(site: Site<R>) {
    let site = site.open();
    let masons = site.masons(6);
    site.senders(3, move |sender| {
        for _ in 0..3 {
            let via = below(6);
            let others: Vec<_> =
                masons.round(via + 1, 2).into_iter().map(|other| (sender.next_via(via), other)).collect();
            for (theirs, other) in &others {
                sender.write(other, *theirs, Heard::Accepted);
            }
            let (first, stone) = (&masons.0[via], sender.next(1));
            let told = first.call(Tell(stone, others.clone()));
            sender.enter(first, stone, &told);
            told.unwrap_or_else(|error| panic!("{error:#}"));
            assert_safe(first.key(), stone);
            let heard = |(theirs, other): &(_, Handle<Mason>)| super::mason::story(other.key()).begun.contains(theirs);
            let came_first = others.iter().all(heard);
            sender.seen.saw(if came_first {
                "the news came before the reply"
            } else {
                "the reply came before the news"
            });
        }
    });
    let stats = site.end();
    assert_eq!(stats.undeliverable, 0);
}

fn answers_of_others<R: Registry>(site: Site<R>) {
    let site = site.open();
    site.time.set_deadlines(1);
    let masons = site.masons(6);
    site.senders(3, move |sender| {
        for _ in 0..2 {
            let from = below(6);
            let (first, other) = (&masons.0[from], &masons.0[(from + 1) % 6]);
            let (stone, theirs) = (sender.next(1), sender.next_via(from));
            let called = first.call_timeout(Delegate(stone, theirs, other.clone()), DEADLINE);
            sender.enter(first, stone, &called);
            match called {
                Ok(_) => {
                    assert_safe(first.key(), stone);
                    assert_safe(other.key(), theirs);
                    sender.seen.saw("an answer");
                }
                Err(error) => {
                    assert!(matches!(error.failure(), Failure::Timeout(_)), "{error:#}");
                    sender.seen.saw("given up");
                }
            }
        }
    });
    let stats = site.end();
    assert_eq!(stats.undeliverable, 0);
}
