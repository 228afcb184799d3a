//! The way of an envelope into a mailbox: find the slot, or bring one to life.

use std::any::type_name;

use crate::clock::Deadline;
use crate::error::{Failure, Phase};
use crate::gate::Refusal;
use crate::kinds;
use crate::message::Envelope;
use crate::recent;
use crate::shared::Shared;
use crate::slot::{SendError, SlotRef};
use crate::sync::{Arc, Mutex};
use crate::target::Target;
use crate::threads::Free;
use crate::worker::Worker;
use crate::{Actor, ActorId};

/// An envelope that did not get in, and why.
pub(crate) type Undelivered<A> = (Failure, Envelope<A>);

/// How an envelope is delivered.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    /// Until when to wait for space; `None`: not at all.
    pub(crate) space: Option<Deadline>,
    /// Until when to wait for room to bring the actor to life; `None`: not at all.
    pub(crate) room: Option<Deadline>,
    /// Whether it is sent by an actor of this system, or on behalf of one.
    pub(crate) from_actor: bool,
    /// Until when to wait for a slot that is closing. That is short, as nothing of a user's runs in a closed slot.
    pub(crate) closing: Deadline,
}

/// Puts `envelope` into the mailbox of `target`, and brings it to life if it is not.
pub(crate) fn deliver<A: Actor>(
    shared: &Arc<Shared>,
    target: &Target<A>,
    mut envelope: Envelope<A>,
    terms: Terms,
) -> Result<(), Undelivered<A>> {
    if !shared.gate.admits(terms.from_actor) {
        return Err((Failure::Shutdown, envelope));
    }
    while let Some(stone) = push_while_live(shared, &target.id, envelope, terms)? {
        match activate(shared, target, stone, terms)? {
            Pushed::In => break,
            Pushed::TryAgain(back) => envelope = while_there_is_time(shared, back, terms)?,
        }
    }
    Ok(())
}

/// Puts `envelope` into the mailbox of an actor that is alive and has space. Gives it back if anything is in the way: what
/// that is, and how long to wait for it, finds [`deliver`]. Most casts need no more than this, and no clock.
pub(crate) fn deliver_at_once<A: Actor>(
    shared: &Shared,
    id: &ActorId,
    envelope: Envelope<A>,
    from_actor: bool,
) -> Result<(), Envelope<A>> {
    let Some(slot) = find(shared, id).filter(|_| shared.gate.admits(from_actor)) else { return Err(envelope) };
    match slot.send(envelope, &*shared.clock, None) {
        Ok(()) => {
            recent::keep(shared, slot);
            Ok(())
        }
        Err(SendError::Full(envelope) | SendError::Closed(envelope) | SendError::OtherType(envelope)) => Err(envelope),
    }
}

/// The slot of `id`: the one that this thread sent to last, or else the one that the registry has.
fn find(shared: &Shared, id: &ActorId) -> Option<SlotRef> {
    recent::take(shared, id).or_else(|| shared.registry.get(id))
}

/// Puts `envelope` into the mailbox of an actor that is alive. Gives it back if the actor is stone.
pub(crate) fn deliver_if_live<A: Actor>(
    shared: &Arc<Shared>,
    id: &ActorId,
    envelope: Envelope<A>,
    terms: Terms,
) -> Result<Option<Envelope<A>>, Undelivered<A>> {
    if !shared.gate.admits(terms.from_actor) {
        return Err((Failure::Shutdown, envelope));
    }
    if shared.quarantine(id).is_some() {
        // What is left of its slot would refuse everything.
        return Ok(Some(envelope));
    }
    push_while_live(shared, id, envelope, terms)
}

/// Pushes `envelope` into the slot of `id`, and into the next one if that is closing. Gives it back if
/// there is none.
fn push_while_live<A: Actor>(
    shared: &Shared,
    id: &ActorId,
    mut envelope: Envelope<A>,
    terms: Terms,
) -> Result<Option<Envelope<A>>, Undelivered<A>> {
    while let Some(slot) = find(shared, id) {
        match push(shared, &slot, envelope, terms)? {
            Pushed::In => {
                recent::keep(shared, slot);
                return Ok(None);
            }
            Pushed::TryAgain(back) => envelope = while_there_is_time(shared, back, terms)?,
        }
    }
    Ok(Some(envelope))
}

/// Whoever keeps coming too late must not do so for ever.
fn while_there_is_time<A: Actor>(
    shared: &Shared,
    envelope: Envelope<A>,
    terms: Terms,
) -> Result<Envelope<A>, Undelivered<A>> {
    match terms.closing.nap(&*shared.clock) {
        Some(_) => Ok(envelope),
        None => Err((Failure::Timeout(Phase::Space), envelope)),
    }
}

enum Pushed<A: Actor> {
    In,
    /// The slot was closing and has gone since, or another one was first.
    TryAgain(Envelope<A>),
}

fn push<A: Actor>(
    shared: &Shared,
    slot: &SlotRef,
    envelope: Envelope<A>,
    terms: Terms,
) -> Result<Pushed<A>, Undelivered<A>> {
    match slot.send(envelope, &*shared.clock, terms.space) {
        Ok(()) => Ok(Pushed::In),
        Err(SendError::Full(envelope)) if terms.space.is_none() => Err((Failure::Full, envelope)),
        Err(SendError::Full(envelope)) => Err((Failure::Timeout(Phase::Space), envelope)),
        Err(SendError::OtherType(envelope)) => Err((kinds::conflict::<A>(slot.type_name()), envelope)),
        Err(SendError::Closed(envelope)) if slot.wait_until_gone(&*shared.clock, terms.closing) => {
            Ok(Pushed::TryAgain(envelope))
        }
        Err(SendError::Closed(envelope)) => Err((Failure::Timeout(Phase::Space), envelope)),
    }
}

/// Inserts a slot with `envelope` inside, and starts its thread.
fn activate<A: Actor>(
    shared: &Arc<Shared>,
    target: &Target<A>,
    envelope: Envelope<A>,
    terms: Terms,
) -> Result<Pushed<A>, Undelivered<A>> {
    if let Err(failure) = check::<A>(shared, &target.id) {
        return Err((failure, envelope));
    }
    if let Some(failure) = shared.quarantine(&target.id).filter(|_| envelope.needs_life()) {
        return Err((failure, envelope));
    }
    match shared.gate.enter(terms.from_actor, &*shared.clock, terms.room) {
        Ok(()) => {}
        Err(Refusal::Closed) => return Err((Failure::Shutdown, envelope)),
        Err(Refusal::Saturated) => return Err((Failure::Saturated { live: shared.gate.live_and_peak().0 }, envelope)),
    }
    let entered = Entered(shared);
    let capacity = shared.settings_of(A::KIND).mailbox_capacity;
    let (slot, inbox) = SlotRef::new(&target.id, type_name::<A>(), capacity, envelope);
    if shared.registry.get_or_insert(slot.clone()).is_some() {
        drop(entered);
        let envelope = inbox.try_take().expect("nobody else has seen this slot");
        return Ok(Pushed::TryAgain(envelope));
    }
    let worker = Worker::new(shared.clone(), target.clone(), slot.clone(), inbox);
    start(shared, worker, slot)?;
    // Its worker is inside from now on.
    std::mem::forget(entered);
    Ok(Pushed::In)
}

/// Somebody who was let in to wake an actor, and goes unless there is one; also by a panic, of a registry, say.
struct Entered<'a>(&'a Shared);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.turned_back();
    }
}

/// Whether the id is one, and its kind belongs to this type.
pub(crate) fn check<A: Actor>(shared: &Shared, id: &ActorId) -> Result<(), Failure> {
    id.check()?;
    shared.kinds.check::<A>()
}

/// Gives the worker its thread. Without one the slot is taken back, and everybody who is in it hears why.
fn start<A: Actor>(shared: &Arc<Shared>, worker: Worker<A>, slot: SlotRef) -> Result<(), Undelivered<A>> {
    // The job is lost if there is no thread; the worker, which has the inbox, must not be.
    let worker = Arc::new(Mutex::new(Some(Box::new(worker))));
    let handed_over = worker.clone();
    let job = move |free: &Free| {
        let worker = handed_over.lock().take();
        worker.expect("a job is run once").run(free);
    };
    let stack_bytes = shared.settings_of(A::KIND).stack_bytes;
    let Err(error) = shared.threads.run(thread_name(slot.id()), stack_bytes, Box::new(job)) else { return Ok(()) };

    let failure = Failure::NoThread(Arc::new(error));
    let worker = worker.lock().take().expect("no thread took it");
    let first = worker.condemn(&failure);
    Err((failure, first))
}

/// `kind/key`, as far as the platform can show it.
fn thread_name(id: &ActorId) -> String {
    // More would be cut by the system; a NUL is refused by it.
    id.to_string().chars().filter(|c| *c != '\0').take(64).collect()
}
