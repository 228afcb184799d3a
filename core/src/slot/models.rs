//! A slot alone, for the model checker: small enough that all orders can be tried, and its transitions can be seen.
//!
//! Each model is one execution; `saw` is told what happened in it. The package `gargoyle-loom-tests` runs them.

use super::{Envelope, Inbox, SendError, SlotRef};
use crate::ActorId;
use crate::clock::{Deadline, SystemClock};
use crate::message::Order;
use crate::reply::ReplyPort;
use crate::sync::{Arc, Condvar, Mutex, thread};

/// Who wants to know what happened.
pub type Saw<'a> = &'a dyn Fn(&'static str);

struct Mail(u8);

impl Envelope for Mail {
    fn nudge() -> Self {
        Mail(u8::MAX)
    }

    fn order(_: Order, _: ReplyPort<()>) -> Self {
        Mail(u8::MAX)
    }
}

fn slot(capacity: usize) -> (SlotRef, Inbox<Mail>) {
    let id = ActorId::new("k", "a").expect("the key is one");
    SlotRef::new(&id, "mail", capacity, Mail(0))
}

/// A slot of its own; nobody can send to it.
pub(crate) fn unused(id: &ActorId) -> SlotRef {
    SlotRef::new(id, "mail", 1, Mail(0)).0
}

/// Threads that send one message each.
struct Senders {
    outcomes: Arc<Outcomes>,
    started: usize,
}

/// What became of the messages.
#[derive(Default)]
struct Outcomes {
    got_in: Mutex<Vec<(u8, bool)>>,
    changed: Condvar,
}

impl Senders {
    /// Starts `senders` threads.
    fn start(slot: &SlotRef, senders: u8) -> Self {
        let outcomes = Arc::new(Outcomes::default());
        for number in 1..=senders {
            let (slot, outcomes) = (slot.clone(), outcomes.clone());
            let send = move || {
                let got_in = send(&slot, number);
                outcomes.got_in.lock().push((number, got_in));
                outcomes.changed.notify_all();
            };
            thread::spawn("sender".to_owned(), None, send).expect("the model has threads");
        }
        Senders { outcomes, started: senders.into() }
    }

    /// Waits for all of them; returns whose message got in, and how many did not.
    fn join(self) -> (Vec<u8>, usize) {
        let mut outcomes = self.outcomes.got_in.lock();
        while outcomes.len() < self.started {
            outcomes = self.outcomes.changed.wait(outcomes);
        }
        let mut got_in: Vec<u8> = outcomes.iter().filter(|(_, got_in)| *got_in).map(|(number, _)| *number).collect();
        got_in.sort();
        (got_in, outcomes.iter().filter(|(_, got_in)| !got_in).count())
    }
}

/// Sends, and waits until the slot is gone if the message did not get in.
fn send(slot: &SlotRef, number: u8) -> bool {
    match slot.send(Mail(number), &SystemClock, Some(Deadline::NEVER)) {
        Ok(()) => true,
        Err(SendError::Closed(_)) => {
            assert!(slot.wait_until_gone(&SystemClock, Deadline::NEVER));
            false
        }
        Err(SendError::Full(_) | SendError::OtherType(_)) => unreachable!("it waits for ever, and the type is right"),
    }
}

/// What the thread of a slot does: takes what is there, closes when there is nothing, and leaves. Returns what it took.
fn own(slot: &SlotRef, inbox: &Inbox<Mail>, saw: Saw<'_>) -> Vec<u8> {
    let mut taken = Vec::new();
    loop {
        while let Some(Mail(number)) = inbox.try_take() {
            taken.push(number);
        }
        if slot.close() {
            slot.leave();
            return taken;
        }
        saw("on its way");
        let Mail(number) = inbox.take(&SystemClock, Deadline::NEVER).expect("whoever has a place pushes");
        taken.push(number);
    }
}

/// What got in was taken, all of it and once; what did not was not.
fn settle(mut taken: Vec<u8>, senders: Senders, saw: Saw<'_>) {
    let (got_in, refused) = senders.join();
    assert_eq!(taken.first(), Some(&0), "the first message was taken by somebody else");
    taken.remove(0);
    taken.sort();
    assert_eq!(taken, got_in, "a message was lost, or came from nowhere");
    if refused > 0 {
        saw("refused");
    }
    if !got_in.is_empty() {
        saw("pushed");
    }
}

/// A sender against an owner that closes as soon as it can.
pub fn send_against_close(saw: Saw<'_>) {
    let (slot, inbox) = slot(2);
    let senders = Senders::start(&slot, 1);
    settle(own(&slot, &inbox, saw), senders, saw);
}

/// Two senders, of which one may have to wait for space, against an owner that closes as soon as it can.
pub fn senders_against_close(saw: Saw<'_>) {
    let (slot, inbox) = slot(1);
    let senders = Senders::start(&slot, 2);
    settle(own(&slot, &inbox, saw), senders, saw);
}

/// Two senders, of which one may have to wait for space, against a slot that will have no owner.
pub fn senders_against_condemn(saw: Saw<'_>) {
    let (slot, inbox) = slot(2);
    let senders = Senders::start(&slot, 2);
    let mut handed_out = Vec::new();
    slot.condemn(&inbox, |Mail(number)| handed_out.push(number));
    slot.leave();
    settle(handed_out, senders, saw);
}
