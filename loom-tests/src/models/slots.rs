//! Parts of core alone: a slot, a reply port, the graph of waits. See the models of core.

use gargoyle::sync::model::{replies, slots, waits};

use crate::{Body, Nobody, Plan};

pub(crate) fn all() -> Vec<Plan<Nobody>> {
    vec![
        Plan {
            name: "send_against_close",
            promise: "a message is pushed into a slot that stays open for it, or refused",
            threads: 2,
            preemptions: None,
            sometimes: &["pushed", "refused", "on its way"],
            body: Body::Alone(slots::send_against_close),
        },
        Plan {
            name: "senders_against_close",
            promise: "so it is with several senders, and with one that waits for space",
            threads: 3,
            preemptions: Some(3),
            sometimes: &["pushed", "refused", "on its way"],
            body: Body::Alone(slots::senders_against_close),
        },
        Plan {
            name: "senders_against_condemn",
            promise: "a slot that gets no thread hands out all that is in it, and what is pushed meanwhile",
            threads: 3,
            preemptions: Some(3),
            sometimes: &["pushed", "refused"],
            body: Body::Alone(slots::senders_against_condemn),
        },
        Plan {
            name: "answer_against_deadline",
            promise: "who gives up hears how far its message had come, and what was given up in the queue is not taken",
            threads: 2,
            preemptions: None,
            sometimes: &["an answer", "given up in the queue", "given up in the handler", "given up in the save"],
            body: Body::Alone(replies::answer_against_deadline),
        },
        Plan {
            name: "answer_against_save",
            promise: "an answer that another thread gives waits for the save of its message, and reaches the caller",
            threads: 3,
            preemptions: Some(4),
            sometimes: &["an answer"],
            body: Body::Alone(replies::answer_against_save),
        },
        Plan {
            name: "drop_against_save",
            promise: "a duty to answer that is dropped is an error to the caller, and no wait without an end",
            threads: 3,
            preemptions: Some(4),
            sometimes: &["unanswered"],
            body: Body::Alone(replies::drop_against_save),
        },
        Plan {
            name: "answer_against_failure",
            promise: "an answer to a message that failed is not heard of, whether it came before the failure or after",
            threads: 3,
            preemptions: Some(4),
            sometimes: &["answered in time", "answered too late"],
            body: Body::Alone(replies::answer_against_failure),
        },
        Plan {
            name: "ring_of_three",
            promise: "of those who would close a ring by waiting one is refused, and no more",
            threads: 3,
            preemptions: None,
            sometimes: &["the first was refused", "the second was refused", "the last was refused"],
            body: Body::Alone(waits::ring_of_three),
        },
        Plan {
            name: "giving_up_against_call_back",
            promise: "who is called back by an actor that it has given up waiting for is not taken for one that waits",
            threads: 2,
            preemptions: None,
            sometimes: &["given up first", "called back first"],
            body: Body::Alone(waits::giving_up_against_call_back),
        },
        Plan {
            name: "late_answer_against_next_wait",
            promise: "an answer that comes late does not end the next wait of its caller",
            threads: 2,
            preemptions: None,
            sometimes: &["the answer is late", "the answer was in time"],
            body: Body::Alone(waits::late_answer_against_next_wait),
        },
    ]
}
