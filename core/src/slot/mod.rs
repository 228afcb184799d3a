//! The slot: the mailbox and the state machine of one id, and the sole judge of whether it is alive.
//!
//! `README.md` beside this file has the states, the transitions and the argument for every race.

mod mailbox;
#[cfg(loom)]
pub mod models;
mod places;
#[cfg(test)]
mod test;

use std::fmt;

pub(crate) use mailbox::{Inbox, SendError};

use self::mailbox::AnyMailbox;
use self::places::Places;
use crate::ActorId;
use crate::clock::{Clock, Deadline};
use crate::message::Order;
use crate::reply::{self, Receipt, ReplyPort};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::channel::{self, Sender};
use crate::sync::{Arc, Condvar, Mutex, thread};
use crate::telemetry::Vitals;

/// A reference to the slot of an id: what a [`Registry`](crate::Registry) keeps.
///
/// To a registry it is a value with an id, that can be cloned and compared by identity.
#[derive(Clone)]
pub struct SlotRef(Arc<Slot>);

struct Slot {
    id: ActorId,
    /// The type of the actor, for errors.
    type_name: &'static str,
    /// Who may enter: the places of the mailbox and the closed flag.
    places: Places,
    /// Whether the owner waits for a message, with nothing else to come.
    idle: AtomicBool,
    /// Whether anything was sent since somebody looked.
    used: AtomicBool,
    /// Whether the owner has left for good. Also the lock that this is announced under.
    gone: Mutex<bool>,
    left: Condvar,
    /// A `Sender<T>`; only core knows the type.
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

impl SlotRef {
    /// A slot with its first message inside, as there is no life without a message.
    pub(crate) fn new<T: Envelope>(
        id: &ActorId,
        type_name: &'static str,
        capacity: usize,
        first: T,
    ) -> (Self, Inbox<T>) {
        let (sender, receiver) = channel::unbounded();
        let sent = sender.send(first).is_ok();
        assert!(sent, "the receiver is there");
        let slot = Slot {
            id: id.clone(),
            type_name,
            places: Places::new(capacity),
            idle: AtomicBool::new(false),
            used: AtomicBool::new(true),
            gone: Mutex::new(false),
            left: Condvar::new(),
            mailbox: Box::new(sender),
            vitals: Vitals::new(),
        };
        let slot = SlotRef(Arc::new(slot));
        (slot.clone(), Inbox { receiver, slot })
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
        let Some(sender) = self.0.mailbox.as_any().downcast_ref::<Sender<T>>() else {
            return Err(SendError::OtherType(message));
        };
        self.0.used.store(true, Ordering::Relaxed);
        mailbox::push(sender, message, &self.0.places, deadline.map(|deadline| (clock, deadline)))
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

    /// How many messages wait in its mailbox, at this moment. What is sent from now on comes behind them.
    pub fn queued(&self) -> usize {
        self.0.mailbox.queued()
    }

    /// Whether a message would have to wait for space, at this moment.
    pub(crate) fn is_full(&self) -> bool {
        self.0.places.are_all_taken()
    }

    /// Wakes an owner that waits for a message. One that has messages is awake, so that a full mailbox is no failure.
    pub(crate) fn nudge(&self) {
        self.0.mailbox.nudge(&self.0.places);
    }

    /// Pushes an order of the system, and waits for space until the deadline. If there was none, whoever waits for the
    /// answer hears so. `None`: the slot is closed, its actor is stone.
    pub(crate) fn order(&self, order: Order, clock: &dyn Clock, deadline: Deadline) -> Option<Receipt<()>> {
        let (port, receipt) = reply::port(self.id(), None, ());
        self.0.mailbox.order(order, port, &self.0.places, clock, deadline).then_some(receipt)
    }

    /// Whether nothing gets in any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.places.are_closed()
    }

    /// The owner tries to end the slot. `true`: nothing is inside and nothing gets in, so that the owner has to leave the
    /// registry and then call [`SlotRef::leave`]. `false`: there is a message, or one is on its way and will come.
    pub(crate) fn close(&self) -> bool {
        self.0.places.close_if_none_is_taken()
    }

    /// Closes a slot that will have no owner, as no thread could be started: hands out what is inside, and what senders
    /// with a place still push.
    pub(crate) fn condemn<T: Envelope>(&self, inbox: &Inbox<T>, mut hand_out: impl FnMut(T)) {
        self.0.places.close();
        while self.0.places.taken() > 0 {
            match inbox.try_take() {
                Some(message) => hand_out(message),
                None => thread::yield_now(),
            }
        }
    }

    /// The owner's last act: the record is saved, the value dropped, the registry left.
    pub(crate) fn leave(&self) {
        let mut gone = self.0.gone.lock();
        *gone = true;
        self.0.left.notify_all();
    }

    /// A sender that found the slot closed waits here until to look the id up again makes sense. `false`: the deadline
    /// passed.
    pub(crate) fn wait_until_gone(&self, clock: &dyn Clock, deadline: Deadline) -> bool {
        let mut gone = self.0.gone.lock();
        while !*gone {
            let Some(nap) = deadline.nap(clock) else { return false };
            gone = self.0.left.wait_for(gone, nap);
        }
        true
    }
}

impl fmt::Debug for SlotRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotRef")
            .field("id", &self.0.id)
            .field("closed", &self.is_closed())
            .field("queued", &self.queued())
            .field("awaited", &self.0.places.are_awaited())
            .field("idle", &self.is_idle())
            .finish()
    }
}
