//! Shutdowns in the middle, deadlines, and a machine that has no threads.

use std::time::Duration;

use gargoyle::sync::{model, thread};
use gargoyle::{Failure, Handled, Registry};

use super::Plan;
use super::mason::Lay;
use super::site::{Site, below};
use super::time::DEADLINE;
use crate::thread::Thread;

pub(super) fn all<R: Registry>() -> Vec<Plan<R>> {
    vec![
        Plan {
            name: "shutdown_in_the_middle",
            promise: "a shutdown ends; what was accepted before it is handled, what comes later is refused",
            actors: 6,
            sometimes: &["refused by the shutdown", "served", "all served"],
            body: shutdown_in_the_middle,
        },
        Plan {
            name: "shutdown_among_friends",
            promise: "masons that talk to each other finish what was accepted before the shutdown",
            actors: 6,
            sometimes: &["refused by the shutdown", "served"],
            body: shutdown_among_friends,
        },
        Plan {
            name: "deadlines",
            promise: "who gives up hears how far its message had come, and one given up in the queue is never handled",
            actors: 5,
            sometimes: &["given up in the queue", "given up later", "an answer", "revived"],
            body: deadlines,
        },
        Plan {
            name: "no_threads",
            promise: "who gets no thread hears so, and the next one who asks is served",
            actors: 6,
            sometimes: &["no thread", "served after that", "revived"],
            body: no_threads,
        },
    ]
}

fn shutdown_in_the_middle<R: Registry>(site: Site<R>) {
    let site = site.with(|builder| builder.max_live(3));
    let masons = site.masons(6);
    let senders = site.start_senders(3, move |sender| {
        let mut refused = false;
        for _ in 0..4 {
            let mason = masons.any();
            let failure = match below(2) {
                0 => sender.call(mason).err().map(|error| error.failure().clone()),
                _ => sender.cast(mason).map(|error| error.failure().clone()),
            };
            match failure {
                None => {
                    assert!(!refused, "somebody was let in after the shutdown");
                    sender.seen.saw("served");
                }
                Some(failure) => {
                    assert!(matches!(failure, Failure::Shutdown), "{failure}");
                    refused = true;
                    sender.seen.saw("refused by the shutdown");
                }
            }
        }
        if !refused {
            sender.seen.saw("all served");
        }
    });
    site.system().shutdown(Duration::MAX).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(site.system().stats().live, 0, "somebody outlived the shutdown");
    senders.into_iter().for_each(Thread::join);
    let stats = site.end();
    assert_eq!((stats.undeliverable, stats.crashed), (0, 0));
}

fn shutdown_among_friends<R: Registry>(site: Site<R>) {
    let site = site.open();
    let masons = site.masons(6);
    let senders = site.start_senders(3, move |sender| {
        for _ in 0..2 {
            let from = below(3);
            let stone = sender.next(4);
            let first = &masons.0[from];
            let called = first.call(super::mason::PassOn(stone, masons.round(from + 1, 3)));
            sender.enter(first, stone, &called);
            match called {
                // Who is served is served to the end: the others were called by actors.
                Ok(laid) => {
                    assert_eq!(laid.unwrap_or_else(|error| panic!("{error:#}")), 4);
                    sender.seen.saw("served");
                }
                Err(error) => {
                    assert!(matches!(error.failure(), Failure::Shutdown), "{error:#}");
                    sender.seen.saw("refused by the shutdown");
                }
            }
        }
    });
    site.system().shutdown(Duration::MAX).unwrap_or_else(|error| panic!("{error}"));
    senders.into_iter().for_each(Thread::join);
    let stats = site.end();
    assert_eq!((stats.undeliverable, stats.crashed), (0, 0));
}

fn deadlines<R: Registry>(site: Site<R>) {
    let site = site.with(|builder| builder.mailbox_capacity(1));
    site.time.set_deadlines(2);
    let masons = site.masons(5);
    site.senders(3, move |sender| {
        for _ in 0..4 {
            let mason = if below(2) == 0 { &masons.0[0] } else { masons.any() };
            let stone = sender.next(1);
            let called = mason.call_timeout(Lay(stone), DEADLINE);
            sender.enter(mason, stone, &called);
            let Err(error) = called else {
                sender.seen.saw("an answer");
                continue;
            };
            assert!(matches!(error.failure(), Failure::Timeout(_)), "{error:#}");
            sender.seen.saw(if error.handled() == Handled::No { "given up in the queue" } else { "given up later" });
        }
    });
    let stats = site.end();
    assert_eq!(stats.undeliverable, 0);
}

fn no_threads<R: Registry>(site: Site<R>) {
    let site = site.with(|builder| builder.mailbox_capacity(1));
    let masons = site.masons(6);
    let senders = site.start_senders(3, move |sender| {
        let mut was_refused = false;
        for _ in 0..5 {
            match sender.call(masons.any()) {
                Ok(_) if was_refused => sender.seen.saw("served after that"),
                Ok(_) => {}
                Err(error) => {
                    assert!(matches!(error.failure(), Failure::NoThread(_)), "{error:#}");
                    assert_eq!(error.handled(), Handled::No);
                    was_refused = true;
                    sender.seen.saw("no thread");
                }
            }
        }
    });
    for _ in 0..4 {
        model::refuse_threads(1 + below(2));
        (0..8).for_each(|_| thread::yield_now());
    }
    model::refuse_threads(0);
    senders.into_iter().for_each(Thread::join);
    let stats = site.end();
    assert_eq!(stats.undeliverable, 0);
}
