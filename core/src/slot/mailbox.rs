//! The queue inside a slot: a crossbeam channel whose sender stays in the slot and whose receiver goes to the owner.

use std::any::Any;

use super::places::{Places, Refused};
use super::{Envelope, SlotRef};
use crate::clock::{Clock, Deadline};
use crate::message::Order;
use crate::reply::ReplyPort;
use crate::sync::channel::{Receiver, RecvTimeoutError, Sender};
use crate::sync::looks;

/// A mailbox whose type only its actor's code knows.
pub(super) trait AnyMailbox: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn queued(&self) -> usize;
    fn nudge(&self, places: &Places);
    fn order(&self, order: Order, port: ReplyPort<()>, places: &Places, clock: &dyn Clock, deadline: Deadline) -> bool;
}

impl<T: Envelope> AnyMailbox for Sender<T> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn queued(&self) -> usize {
        self.len()
    }

    fn nudge(&self, places: &Places) {
        // Full is as good as nudged, and closed leaves nobody to nudge.
        let _ = push(self, T::nudge(), places, None);
    }

    fn order(&self, order: Order, port: ReplyPort<()>, places: &Places, clock: &dyn Clock, deadline: Deadline) -> bool {
        // Its port is dropped with it if there is no space, which whoever waits for it hears.
        !matches!(push(self, T::order(order, port), places, Some((clock, deadline))), Err(SendError::Closed(_)))
    }
}

/// A message that did not get in.
pub(crate) enum SendError<T> {
    /// The slot is closed; wait until it is gone and look the id up again.
    Closed(T),
    /// There was no space, at once or until the deadline.
    Full(T),
    /// The mailbox is one for another type of messages.
    OtherType(T),
}

/// Takes a place and pushes `message`; waits for space if there is a deadline.
pub(super) fn push<T>(
    sender: &Sender<T>,
    message: T,
    places: &Places,
    deadline: Option<(&dyn Clock, Deadline)>,
) -> Result<(), SendError<T>> {
    let taken = match (places.try_take(), deadline) {
        (Err(Refused::Full), Some((clock, deadline))) => places.take(clock, deadline),
        (taken, _) => taken,
    };
    match taken {
        // The owner drops its end after it has closed the slot, which it cannot while this place is taken: so nobody
        // finds it disconnected. If anybody did, "closed" would be the right word for it.
        Ok(()) => sender.send(message).map_err(|unsent| SendError::Closed(unsent.into_inner())),
        Err(Refused::Full) => Err(SendError::Full(message)),
        Err(Refused::Closed) => Err(SendError::Closed(message)),
    }
}

/// The owner's end.
pub(crate) struct Inbox<T> {
    pub(super) receiver: Receiver<T>,
    pub(super) slot: SlotRef,
}

impl<T> Inbox<T> {
    pub(crate) fn try_take(&self) -> Option<T> {
        self.taken(self.receiver.try_recv().ok())
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
                // The slot has the sender, and this the slot.
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// A message that was taken has left its place.
    fn taken(&self, message: Option<T>) -> Option<T> {
        if message.is_some() {
            self.slot.0.places.give_back();
        }
        message
    }
}
