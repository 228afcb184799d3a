//! The queue inside a slot: a bounded crossbeam channel whose sender stays in the slot and whose receiver goes to the
//! owner.

use std::any::Any;
use std::time::Duration;

use super::Envelope;
use crate::clock::{Clock, Deadline};
use crate::message::Order;
use crate::reply::ReplyPort;
use crate::sync::channel::{self, RecvTimeoutError, SendTimeoutError, TrySendError};

pub(super) struct Mailbox<T>(channel::Sender<T>);

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
        self.0.len()
    }

    fn is_full(&self) -> bool {
        self.0.is_full()
    }

    fn nudge(&self) {
        // Full is as good as nudged.
        let _ = self.0.try_send(T::nudge());
    }

    fn order(&self, order: Order, port: ReplyPort<()>, clock: &dyn Clock, deadline: Deadline) {
        // Its port is dropped with it if it does not get in, which whoever waits for it hears.
        let _ = self.push(T::order(order, port), clock, Some(deadline));
    }
}

/// The owner's end.
pub(crate) struct Inbox<T>(channel::Receiver<T>);

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
        let (sender, receiver) = channel::bounded(capacity.max(1));
        let sent = sender.try_send(first);
        assert!(sent.is_ok(), "an empty queue has space");
        (Mailbox(sender), Inbox(receiver))
    }

    /// The owner drops its end after it has closed the slot, which it cannot while a sender has a pin: so nobody finds
    /// it disconnected. If anybody did, "closed" would be the right word for it.
    pub(super) fn push(&self, message: T, clock: &dyn Clock, deadline: Option<Deadline>) -> Result<(), SendError<T>> {
        let mut message = match self.0.try_send(message) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Disconnected(message)) => return Err(SendError::Closed(message)),
            Err(TrySendError::Full(message)) => message,
        };
        loop {
            let Some(nap) = deadline.and_then(|deadline| deadline.nap(clock)) else {
                return Err(SendError::Full(message));
            };
            message = match self.0.send_timeout(message, nap) {
                Ok(()) => return Ok(()),
                Err(SendTimeoutError::Disconnected(message)) => return Err(SendError::Closed(message)),
                Err(SendTimeoutError::Timeout(message)) => message,
            };
        }
    }
}

impl<T> Inbox<T> {
    pub(crate) fn try_take(&self) -> Option<T> {
        self.0.try_recv().ok()
    }

    /// Waits for a message no longer than this, by the machine's clock.
    pub(crate) fn take_within(&self, limit: Duration) -> Option<T> {
        self.0.recv_timeout(limit).ok()
    }

    /// Waits for a message until the deadline.
    pub(crate) fn take(&self, clock: &dyn Clock, deadline: Deadline) -> Option<T> {
        loop {
            let nap = match deadline.nap(clock) {
                Some(nap) => nap,
                None => return self.try_take(),
            };
            match self.0.recv_timeout(nap) {
                Ok(message) => return Some(message),
                // The slot has the sender, and the owner has the slot.
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}
