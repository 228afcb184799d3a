//! The queue inside a slot: a crossbeam channel whose sender stays in the slot and whose receiver goes to the owner, and
//! the space that there is for messages in it.

use std::any::Any;
use std::time::Duration;

use super::Envelope;
use super::space::Space;
use crate::clock::{Clock, Deadline};
use crate::message::Order;
use crate::reply::ReplyPort;
use crate::sync::channel::{self, RecvTimeoutError};
use crate::sync::{Arc, looks};

pub(super) struct Mailbox<T> {
    sender: channel::Sender<T>,
    space: Arc<Space>,
}

/// A mailbox whose type only its actor's code knows.
pub(super) trait AnyMailbox: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn queued(&self) -> usize;
    fn is_full(&self) -> bool;
    fn nudge(&self);
    fn order(&self, order: Order, port: ReplyPort<()>, clock: &dyn Clock, deadline: Deadline);
}

impl<T: Envelope> AnyMailbox for Mailbox<T> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn queued(&self) -> usize {
        self.sender.len()
    }

    fn is_full(&self) -> bool {
        self.space.is_full()
    }

    fn nudge(&self) {
        // Full is as good as nudged.
        if self.space.try_take() {
            let _ = self.sender.send(T::nudge());
        }
    }

    fn order(&self, order: Order, port: ReplyPort<()>, clock: &dyn Clock, deadline: Deadline) {
        // Its port is dropped with it if it does not get in, which whoever waits for it hears.
        let _ = self.push(T::order(order, port), clock, Some(deadline));
    }
}

/// The owner's end.
pub(crate) struct Inbox<T> {
    receiver: channel::Receiver<T>,
    space: Arc<Space>,
}

/// A message that did not get in.
pub(crate) enum SendError<T> {
    /// The slot is closed; wait for it to change and look the id up again.
    Closed(T),
    /// There was no space, at once or until the deadline.
    Full(T),
    /// The mailbox is one for another type of messages.
    OtherType(T),
}

impl<T> Mailbox<T> {
    /// A queue for `capacity` messages, at least one.
    pub(super) fn new(capacity: usize, first: T) -> (Self, Inbox<T>) {
        let (sender, receiver) = channel::unbounded();
        let space = Arc::new(Space::new(capacity));
        let sent = space.try_take() && sender.send(first).is_ok();
        assert!(sent, "an empty queue has space");
        (Mailbox { sender, space: space.clone() }, Inbox { receiver, space })
    }

    /// The owner drops its end after it has closed the slot, which it cannot while a sender has a pin: so nobody finds
    /// it disconnected. If anybody did, "closed" would be the right word for it.
    pub(super) fn push(&self, message: T, clock: &dyn Clock, deadline: Option<Deadline>) -> Result<(), SendError<T>> {
        let taken = self.space.try_take() || deadline.is_some_and(|deadline| self.space.take(clock, deadline));
        if !taken {
            return Err(SendError::Full(message));
        }
        self.sender.send(message).map_err(|unsent| SendError::Closed(unsent.into_inner()))
    }
}

impl<T> Inbox<T> {
    pub(crate) fn try_take(&self) -> Option<T> {
        self.taken(self.receiver.try_recv().ok())
    }

    /// Waits for a message no longer than this, by the machine's clock.
    pub(crate) fn take_within(&self, limit: Duration) -> Option<T> {
        self.taken(self.receiver.recv_timeout(limit).ok())
    }

    /// Waits for a message until the deadline.
    pub(crate) fn take(&self, clock: &dyn Clock, deadline: Deadline) -> Option<T> {
        let look = || self.try_take().map(Some);
        looks::wait(&looks::FOR_MESSAGES, look, || self.sleep_for(clock, deadline))
    }

    fn sleep_for(&self, clock: &dyn Clock, deadline: Deadline) -> Option<T> {
        loop {
            let nap = match deadline.nap(clock) {
                Some(nap) => nap,
                None => return self.try_take(),
            };
            match self.receiver.recv_timeout(nap) {
                Ok(message) => return self.taken(Some(message)),
                // The slot has the sender, and the owner has the slot.
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// A message that was taken has left its place.
    fn taken(&self, message: Option<T>) -> Option<T> {
        if message.is_some() {
            self.space.give_back();
        }
        message
    }
}
