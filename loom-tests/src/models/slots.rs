//! A slot alone, see the models of core.

use gargoyle::sync::model::slots;

use crate::{Body, Nobody, Plan};

pub(crate) fn all() -> Vec<Plan<Nobody>> {
    vec![
        Plan {
            name: "send_against_close",
            promise: "a message is pushed into a slot that stays open for it, or refused",
            threads: 2,
            preemptions: None,
            sometimes: &["pushed", "refused", "reopened", "busy"],
            body: Body::Slot(slots::send_against_close),
        },
        Plan {
            name: "senders_against_close",
            promise: "so it is with several senders, and with one that waits for space with its pin in hand",
            threads: 3,
            preemptions: Some(3),
            sometimes: &["pushed", "refused", "reopened", "busy"],
            body: Body::Slot(slots::senders_against_close),
        },
        Plan {
            name: "refused_against_reopening",
            promise: "a sender that was refused is woken when the slot reopens, and not only when its owner leaves",
            threads: 3,
            preemptions: Some(4),
            sometimes: &["pushed", "refused", "reopened"],
            body: Body::Slot(slots::refused_against_reopening),
        },
        Plan {
            name: "senders_against_condemn",
            promise: "a slot that gets no thread hands out all that is in it, and what is pushed meanwhile",
            threads: 3,
            preemptions: Some(3),
            sometimes: &["pushed", "refused"],
            body: Body::Slot(slots::senders_against_condemn),
        },
    ]
}
