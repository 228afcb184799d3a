//! The slot: the mailbox and the state machine of one id, and the sole judge of whether it is alive.
//!
//! `README.md` beside this file has the states, the transitions and the argument for every race.

mod mailbox;
#[cfg(loom)]
pub mod models;
mod space;
#[cfg(test)]
mod test;

use std::fmt;

pub(crate) use mailbox::{Inbox, SendError};

use self::mailbox::{AnyMailbox, Mailbox};
use crate::ActorId;
use crate::clock::{Clock, Deadline};
use crate::message::Order;
use crate::reply::{self, Receipt, ReplyPort};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Arc, Condvar, Mutex, thread};
use crate::telemetry::Vitals;

/// Bit 0 of the state word: nothing enters any more. The other bits count pins.
const CLOSED: usize = 1;
/// One sender that is between its look at the word and the end of its push.
const PIN: usize = 2;

/// A reference to the slot of an id: what a [`Registry`](crate::Registry) keeps.
///
/// To a registry it is a value with an id, that can be cloned and compared by identity.
#[derive(Clone)]
pub struct SlotRef(Arc<Slot>);

struct Slot {
    id: ActorId,
    /// The type of the actor, for errors.
    type_name: &'static str,
    /// Pins and the closed flag. One word: in two, a sender could read "open" while the owner reads "no pins", and
    /// both would be right.
    word: AtomicUsize,
    /// Whether the owner waits for a message, with nothing else to come.
    idle: AtomicBool,
    /// Whether anything was sent since somebody looked.
    used: AtomicBool,
    /// Whether the owner has left for good. Also the lock that "reopened" and "gone" are announced under.
    gone: Mutex<bool>,
    changed: Condvar,
    /// A `Mailbox<T>`; only core knows the type.
    mailbox: Box<dyn AnyMailbox>,
    /// What its actor has done, for whoever measures it.
    vitals: Vitals,
}

/// What a mailbox carries.
pub(crate) trait Envelope: Send + 'static {
    /// One that says nothing: its owner looks around and goes on.
    fn nudge() -> Self;

    /// An order of the system.
    fn order(order: Order, port: ReplyPort<()>) -> Self;
}

/// What became of the owner's wish to close.
#[derive(Debug)]
pub(crate) enum Close<T> {
    /// Nothing is inside and nothing gets in: the owner has to leave the registry and then call [`SlotRef::leave`].
    Closed,
    /// There was a message: the slot is open as before.
    Reopened(T),
    /// A sender has a pin: the slot is open as before. Its message may come, or may have been taken already, so that
    /// nobody may wait for it without an end.
    Busy,
}

impl SlotRef {
    /// A slot with its first message inside, as there is no life without a message.
    pub(crate) fn new<T: Envelope>(
        id: &ActorId,
        type_name: &'static str,
        capacity: usize,
        first: T,
    ) -> (Self, Inbox<T>) {
        let (mailbox, inbox) = Mailbox::new(capacity, first);
        let slot = Slot {
            id: id.clone(),
            type_name,
            word: AtomicUsize::new(0),
            idle: AtomicBool::new(false),
            used: AtomicBool::new(true),
            gone: Mutex::new(false),
            changed: Condvar::new(),
            mailbox: Box::new(mailbox),
            vitals: Vitals::new(),
        };
        (SlotRef(Arc::new(slot)), inbox)
    }

    /// The id whose slot this is.
    pub fn id(&self) -> &ActorId {
        &self.0.id
    }

    /// The type of the actor.
    pub(crate) fn type_name(&self) -> &'static str {
        self.0.type_name
    }

    /// What its actor has done.
    pub(crate) fn vitals(&self) -> &Vitals {
        &self.0.vitals
    }

    /// Whether both are the same slot: not only the same id, but the same piece of memory.
    pub fn is_same(&self, other: &SlotRef) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How many references to this slot there are, this one included: what a registry keeps is among them.
    #[cfg(feature = "conformance")]
    pub(crate) fn references(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// Pushes a message, and waits for space until the deadline; `None` does not wait.
    pub(crate) fn send<T: Envelope>(
        &self,
        message: T,
        clock: &dyn Clock,
        deadline: Option<Deadline>,
    ) -> Result<(), SendError<T>> {
        let Some(mailbox) = self.0.mailbox.as_any().downcast_ref::<Mailbox<T>>() else {
            return Err(SendError::OtherType(message));
        };
        self.0.used.store(true, Ordering::Relaxed);
        self.pinned(|open| if open { mailbox.push(message, clock, deadline) } else { Err(SendError::Closed(message)) })
    }

    /// Whether the owner waits for a message, with nothing else to come.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.idle.load(Ordering::Relaxed)
    }

    pub(crate) fn set_idle(&self, idle: bool) {
        self.0.idle.store(idle, Ordering::Relaxed);
    }

    /// Whether anything was sent since this was asked last.
    pub(crate) fn take_used(&self) -> bool {
        self.0.used.swap(false, Ordering::Relaxed)
    }

    /// How many messages wait in its mailbox, at this moment.
    pub fn queued(&self) -> usize {
        self.0.mailbox.queued()
    }

    /// Whether a message would have to wait for space, at this moment.
    pub(crate) fn is_full(&self) -> bool {
        self.0.mailbox.is_full()
    }

    /// Wakes an owner that waits for a message. One that has messages is awake, so that a full mailbox is no failure.
    pub(crate) fn nudge(&self) {
        self.pinned(|open| {
            if open {
                self.0.mailbox.nudge()
            }
        });
    }

    /// Pushes an order of the system, and waits for space until the deadline. If there was none, whoever waits for the
    /// answer hears so. `None`: the slot is closed, its actor is stone.
    pub(crate) fn order(&self, order: Order, clock: &dyn Clock, deadline: Deadline) -> Option<Receipt<()>> {
        let (port, receipt) = reply::port(self.id(), None);
        self.pinned(|open| {
            if open {
                self.0.mailbox.order(order, port, clock, deadline);
            }
            open.then_some(receipt)
        })
    }

    /// Runs `push` with a pin, and tells it whether the slot is open.
    fn pinned<R>(&self, push: impl FnOnce(bool) -> R) -> R {
        // Acquire: a sender that reads "open" after a reopening sees what the owner did before. Release: the push
        // must not be seen before the pin, or the owner could take the message, find no pin and close.
        let before = self.0.word.fetch_add(PIN, Ordering::AcqRel);
        let _pin = Pin(&self.0.word);
        push(before & CLOSED == 0)
    }

    /// The owner tries to end the slot.
    pub(crate) fn close<T: Envelope>(&self, inbox: &Inbox<T>) -> Close<T> {
        if self.0.word.compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return Close::Busy;
        }
        // Nobody was inside and nobody gets in: only now does "empty" mean anything.
        match inbox.try_take() {
            None => Close::Closed,
            Some(message) => {
                self.reopen();
                Close::Reopened(message)
            }
        }
    }

    fn reopen(&self) {
        // Under the lock: a sender that read CLOSED must not fall asleep between this and the notification.
        let _gone = self.0.gone.lock();
        self.0.word.fetch_and(!CLOSED, Ordering::AcqRel);
        self.0.changed.notify_all();
    }

    /// Closes a slot that will have no owner, as no thread could be started: hands out what is inside, and what senders
    /// with a pin still push.
    pub(crate) fn condemn<T: Envelope>(&self, inbox: &Inbox<T>, mut refuse: impl FnMut(T)) {
        self.0.word.fetch_or(CLOSED, Ordering::AcqRel);
        loop {
            // Quiet first, then a look inside: what was pushed before the last pin went is seen by that look.
            let quiet = self.0.word.load(Ordering::Acquire) == CLOSED;
            while let Some(message) = inbox.try_take() {
                refuse(message);
            }
            if quiet {
                return;
            }
            thread::yield_now();
        }
    }

    /// The owner's last act: the record is saved, the value dropped, the registry left.
    pub(crate) fn leave(&self) {
        let mut gone = self.0.gone.lock();
        *gone = true;
        self.0.changed.notify_all();
    }

    /// A sender that found the slot closed waits here until to look the id up again makes sense. `false`: the deadline
    /// passed.
    pub(crate) fn wait_while_closed(&self, clock: &dyn Clock, deadline: Deadline) -> bool {
        let mut gone = self.0.gone.lock();
        while self.0.word.load(Ordering::Acquire) & CLOSED != 0 && !*gone {
            let Some(nap) = deadline.nap(clock) else { return false };
            gone = self.0.changed.wait_for(gone, nap);
        }
        true
    }
}

/// Unpins, also after a panic: of a clock, say.
struct Pin<'a>(&'a AtomicUsize);

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        // Release pairs with the acquire in `close`: an owner that sees no pin sees the push.
        self.0.fetch_sub(PIN, Ordering::AcqRel);
    }
}

impl fmt::Debug for SlotRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.0.word.load(Ordering::Relaxed);
        f.debug_struct("SlotRef")
            .field("id", &self.0.id)
            .field("closed", &(word & CLOSED != 0))
            .field("pins", &(word / PIN))
            .field("idle", &self.is_idle())
            .finish()
    }
}
