//! Many senders, many masons, and little room.

use gargoyle::{Failure, Registry, testing};

use super::Plan;
use super::mason::stories;
use super::site::{Site, below};

pub(super) fn all<R: Registry>() -> Vec<Plan<R>> {
    vec![
        Plan {
            name: "crowd",
            promise: "whoever sends to masons that come and go is heard, once and in order",
            actors: 6,
            sometimes: &[
                "revived",
                "found closed, and sent again",
                "sent without looking it up",
                "found another one's slot",
                "petrified by itself",
            ],
            body: crowd,
        },
        Plan {
            name: "petrified_over_and_over",
            promise: "no message is lost to those who turn everybody to stone, over and over",
            actors: 5,
            sometimes: &["revived", "a life for each message", "a life for several messages"],
            body: petrified_over_and_over,
        },
        Plan {
            name: "small_mailboxes",
            promise: "who waits for space gets it, who does not hears that there is none",
            actors: 5,
            sometimes: &["revived", "no space", "space"],
            body: small_mailboxes,
        },
        Plan {
            name: "little_room",
            promise: "never are there more than the cap, and whoever waits for room gets it",
            actors: 6,
            sometimes: &["revived", "evicted", "all places taken"],
            body: little_room,
        },
        Plan {
            name: "little_room_for_calls",
            promise: "masons that call each other at the cap do not hold each other up",
            actors: 6,
            sometimes: &["revived", "beyond the cap", "within the cap"],
            body: little_room_for_calls,
        },
    ]
}

const SENDERS: usize = 3;
const EACH: usize = 5;

fn crowd<R: Registry>(site: Site<R>) {
    let site = site.open();
    let masons = site.masons(6);
    site.senders(SENDERS, move |sender| (0..EACH).for_each(|_| sender.send(masons.any())));
    let (asked, found, sent) = (site.registry.asked(), site.registry.found(), SENDERS * EACH);
    site.saw_if(found > 0, "found another one's slot");
    site.saw_if(asked > sent + found, "found closed, and sent again");
    site.saw_if(asked < sent, "sent without looking it up");
    site.saw_if(site.system().stats().petrified > 0, "petrified by itself");
    all_heard(site);
}

/// Ends it, where nothing may go wrong.
fn all_heard<R: Registry>(site: Site<R>) {
    let stats = site.end();
    assert_eq!((stats.undeliverable, stats.crashed, stats.not_revived), (0, 0, 0));
}

fn petrified_over_and_over<R: Registry>(site: Site<R>) {
    let site = site.open();
    let masons = site.masons(5);
    let senders = {
        let masons = masons.clone();
        site.start_senders(SENDERS, move |sender| (0..4).for_each(|_| sender.send(masons.any())))
    };
    for round in 0..6 {
        if round % 3 == 0 {
            testing::petrify_all(site.system()).unwrap_or_else(|error| panic!("{error:#}"));
        } else {
            masons.any().petrify().unwrap_or_else(|error| panic!("{error:#}"));
        }
    }
    senders.into_iter().for_each(crate::thread::Thread::join);
    let lives: Vec<_> = stories().into_values().map(|story| (story.lives, story.begun.len())).collect();
    site.saw_if(lives.iter().any(|(lives, stones)| *stones > 1 && lives == stones), "a life for each message");
    site.saw_if(lives.iter().any(|(lives, stones)| lives < stones), "a life for several messages");
    all_heard(site);
}

fn small_mailboxes<R: Registry>(site: Site<R>) {
    let site = site.with(|builder| builder.mailbox_capacity(1));
    let masons = site.masons(5);
    site.senders(SENDERS, move |sender| {
        // Most of them to one.
        for _ in 0..EACH {
            let mason = if below(4) == 0 { masons.any() } else { &masons.0[0] };
            match below(2) {
                0 => sender.send(mason),
                _ => match sender.try_cast(mason) {
                    None => sender.seen.saw("space"),
                    Some(error) => {
                        assert!(matches!(error.failure(), Failure::Full), "{error:#}");
                        sender.seen.saw("no space");
                    }
                },
            }
        }
    });
    all_heard(site);
}

fn little_room<R: Registry>(site: Site<R>) {
    const ROOM: usize = 2;
    let site = site.with(|builder| builder.max_live(ROOM));
    // Nobody goes but to make room.
    site.time.set_idle(0);
    let masons = site.masons(6);
    site.senders(SENDERS, move |sender| (0..EACH).for_each(|_| sender.send(masons.any())));
    let stats = site.system().stats();
    assert!(stats.live_peak <= ROOM, "there were more than may be");
    site.saw_if(stats.live_peak == ROOM, "all places taken");
    site.saw_if(stats.petrified > 0, "evicted");
    all_heard(site);
}

fn little_room_for_calls<R: Registry>(site: Site<R>) {
    const ROOM: usize = 3;
    let site = site.with(|builder| builder.max_live(ROOM));
    let masons = site.masons(6);
    site.senders(SENDERS, move |sender| {
        for _ in 0..3 {
            let from = below(5);
            super::talks::pass_on(sender, &masons.0[from], masons.round(from + 1, 1)).expect("there is no cycle");
        }
    });
    let peak = site.system().stats().live_peak;
    site.saw_if(peak > ROOM, "beyond the cap");
    site.saw_if(peak <= ROOM, "within the cap");
    all_heard(site);
}
