//! Masons that are stopped, wiped, crash, and come back.

use gargoyle::{Failure, Registry, RestartPolicy, Settings, testing};

use super::Plan;
use super::mason::{Boom, stories};
use super::site::{Site, below};
use crate::thread::Thread;

pub(super) fn all<R: Registry>() -> Vec<Plan<R>> {
    vec![
        Plan {
            name: "stopped_and_wiped",
            promise: "a call meets the mason that ends or the one after it, and what is stored is of the last",
            actors: 5,
            sometimes: &["revived", "deleted", "a life after a deletion"],
            body: stopped_and_wiped,
        },
        Plan {
            name: "crashes",
            promise: "a crash takes along its own message alone, whatever becomes of the mason",
            actors: 5,
            sometimes: &["crashed", "crashed twice", "lives after a crash", "a record that a crash deleted"],
            body: crashes,
        },
        Plan {
            name: "permanent_masons",
            promise: "a permanent mason that crashed is alive again, with what it had",
            actors: 5,
            sometimes: &["crashed", "crashed twice", "back without a message"],
            body: permanent_masons,
        },
        Plan {
            name: "quarantine",
            promise: "who is quarantined hears it and is heard again after a pardon; all others notice nothing",
            actors: 5,
            sometimes: &["refused by a quarantine", "heard after a crash", "revived"],
            body: quarantine,
        },
        Plan {
            name: "failing_saves",
            promise: "whoever hears of a failed save hears that it was undone, and nobody else loses anything",
            actors: 5,
            sometimes: &["a save failed", "answered after a failure", "undone", "revived"],
            body: failing_saves,
        },
    ]
}

/// Any of the three.
fn any_policy() -> RestartPolicy {
    [RestartPolicy::Temporary, RestartPolicy::Transient, RestartPolicy::Permanent][below(3)]
}

fn stopped_and_wiped<R: Registry>(site: Site<R>) {
    let policy = any_policy();
    let site = site.with(|builder| builder.restart(policy));
    let masons = site.masons(5);
    let senders = {
        let masons = masons.clone();
        site.start_senders(3, move |sender| (0..4).for_each(|_| sender.send(masons.any())))
    };
    for _ in 0..5 {
        let mason = masons.any();
        let ended = if below(2) == 0 { mason.stop() } else { mason.wipe() };
        ended.unwrap_or_else(|error| panic!("{error:#}"));
    }
    senders.into_iter().for_each(Thread::join);
    let stories = stories();
    site.saw_if(stories.values().any(|story| story.wiped > 0), "deleted");
    site.saw_if(stories.values().any(|story| story.wiped > 0 && story.lives > story.wiped), "a life after a deletion");
    let stats = site.end();
    assert_eq!((stats.undeliverable, stats.crashed, stats.not_revived), (0, 0, 0));
}

/// Some send, and some crash the masons; each crash is a message, and not one that was lost.
fn crash_and_send<R: Registry>(site: &Site<R>) {
    let masons = site.masons(5);
    let senders = {
        let masons = masons.clone();
        site.start_senders(2, move |sender| (0..4).for_each(|_| sender.send(masons.any())))
    };
    for _ in 0..4 {
        let mason = masons.any();
        if below(2) == 0 {
            mason.cast(Boom).unwrap_or_else(|error| panic!("{error:#}"));
        } else {
            testing::crash(mason).unwrap_or_else(|error| panic!("{error:#}"));
        }
    }
    senders.into_iter().for_each(Thread::join);
}

fn crashes<R: Registry>(site: Site<R>) {
    let policy = any_policy();
    let site = site.with(|builder| builder.restart(policy));
    crash_and_send(&site);
    let seen = site.seen();
    let stats = site.end();
    let lives: usize = stories().into_values().map(|story| story.lives).sum();
    if stats.crashed > 0 {
        seen.saw("crashed");
    }
    if stats.crashed > 1 {
        seen.saw("crashed twice");
    }
    if stories().into_values().any(|story| story.lives > 1 && !story.laid.is_empty()) && lives > 1 && stats.crashed > 0
    {
        seen.saw("lives after a crash");
    }
    if stories().into_values().any(|story| story.wiped > 0) {
        assert_eq!(policy, RestartPolicy::Temporary, "the record of one that is not temporary was deleted");
        seen.saw("a record that a crash deleted");
    }
    // What a crash is told to others by is its own cast alone.
    assert!(stats.undeliverable <= stats.crashed, "{stats:?}");
}

fn permanent_masons<R: Registry>(site: Site<R>) {
    let site = site.with(|builder| builder.restart(RestartPolicy::Permanent));
    // They do not go but at the end.
    site.time.set_idle(0);
    crash_and_send(&site);
    let lives_before: usize = stories().into_values().map(|story| story.lives).sum();
    let masons = site.masons(5);
    for mason in &masons.0 {
        // To hear that all before it has been handled.
        testing::crash(mason).unwrap_or_else(|error| panic!("{error:#}"));
    }
    let seen = site.seen();
    let stats = site.end();
    let lives: usize = stories().into_values().map(|story| story.lives).sum();
    if stats.crashed > 0 {
        seen.saw("crashed");
    }
    if stats.crashed > 1 {
        seen.saw("crashed twice");
    }
    if lives > lives_before {
        seen.saw("back without a message");
    }
    for (key, story) in stories() {
        assert_eq!((story.wiped, story.laid.len()), (0, story.begun.len()), "{key} lost something by a crash");
    }
}

fn quarantine<R: Registry>(site: Site<R>) {
    let site = site.with(|builder| builder.settings(Settings::new().max_restarts(0)));
    let masons = site.masons(5);
    let senders = {
        let masons = masons.clone();
        site.start_senders(2, move |sender| {
            for _ in 0..4 {
                // The first one is the one that crashes.
                let first = below(2) == 0;
                let mason = if first { &masons.0[0] } else { masons.any() };
                match sender.call(mason) {
                    Ok(_) => sender.seen.saw("heard after a crash"),
                    Err(error) => {
                        assert!(matches!(error.failure(), Failure::Quarantined { .. }), "{error:#}");
                        assert_eq!(mason.key(), "m0", "another one was quarantined");
                        sender.seen.saw("refused by a quarantine");
                    }
                }
            }
        })
    };
    for _ in 0..3 {
        match testing::crash(&masons.0[0]) {
            Ok(()) => {}
            Err(error) => assert!(matches!(error.failure(), Failure::Quarantined { .. }), "{error:#}"),
        }
        site.system().pardon(masons.0[0].id());
    }
    senders.into_iter().for_each(Thread::join);
    site.end();
}

fn failing_saves<R: Registry>(site: Site<R>) {
    let site = site.open();
    site.store.fail(2);
    let masons = site.masons(5);
    let (store, failing) = (site.store.clone(), masons.clone());
    site.senders(3, move |sender| {
        for _ in 0..4 {
            let mason = failing.any();
            if below(4) == 0 {
                if let Some(error) = sender.cast(mason) {
                    panic!("{error:#}");
                }
                continue;
            }
            match sender.call(mason) {
                Ok(_) if store.failed() > 0 => sender.seen.saw("answered after a failure"),
                Ok(_) => {}
                Err(error) => {
                    assert!(matches!(error.failure(), Failure::NotSaved(_)), "{error:#}");
                    sender.seen.saw("undone");
                }
            }
        }
    });
    site.store.fail(0);
    site.saw_if(site.store.failed() > 0, "a save failed");
    // All are served again.
    site.senders(1, move |sender| masons.0.iter().for_each(|mason| drop(sender.call(mason))));
    site.end();
}
