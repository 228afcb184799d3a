//! The kinds of a system: which type has each, and how one of it is reached by its id alone.

use std::any::{TypeId, type_name};
use std::collections::HashMap;

use crate::clock::Deadline;
use crate::delivery::{self, Terms};
use crate::error::Failure;
use crate::message::{Envelope, Errand};
use crate::shared::Shared;
use crate::state::decoded_args;
use crate::sync::{Arc, RwLock};
use crate::target::Target;
use crate::{Actor, ActorId};

#[derive(Default)]
pub(crate) struct Kinds(RwLock<HashMap<&'static str, Kind>>);

/// A type that has its kind.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    type_id: TypeId,
    pub(crate) type_name: &'static str,
    send: fn(&Arc<Shared>, &ActorId, Errand) -> Result<(), Failure>,
}

impl Kind {
    pub(crate) fn of<A: Actor>() -> Self {
        Kind { type_id: TypeId::of::<A>(), type_name: type_name::<A>(), send: send::<A> }
    }
}

impl Kinds {
    /// Whether the kind of `A` may be its own: no other type has claimed it.
    pub(crate) fn check<A: Actor>(&self) -> Result<(), Failure> {
        match self.0.read().get(A::KIND) {
            Some(owner) if owner.type_id != TypeId::of::<A>() => Err(conflict::<A>(owner.type_name)),
            _ => Ok(()),
        }
    }

    /// Makes the kind of `A` its own. Only for one that has come to life: who was refused by a record of another type
    /// claims nothing.
    pub(crate) fn claim<A: Actor>(&self) -> Result<(), Failure> {
        if !self.0.read().contains_key(A::KIND) {
            self.0.write().entry(A::KIND).or_insert(Kind::of::<A>());
        }
        self.check::<A>()
    }

    /// Makes `name` the own kind of a type that the program registers. `Err`: the name of the type that has it.
    pub(crate) fn register(&self, name: &'static str, kind: Kind) -> Result<(), &'static str> {
        let owner = *self.0.write().entry(name).or_insert(kind);
        if owner.type_id == kind.type_id { Ok(()) } else { Err(owner.type_name) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }

    /// Sends an errand of the system to an actor, of which only the id is known.
    ///
    /// # Errors
    ///
    /// [`Failure::UnknownKind`] if no type is known to have its kind; else as for any message.
    pub(crate) fn send(&self, shared: &Arc<Shared>, id: &ActorId, errand: Errand) -> Result<(), Failure> {
        let kind = self.0.read().get(id.kind()).copied();
        (kind.ok_or(Failure::UnknownKind)?.send)(shared, id, errand)
    }
}

/// What to say when the kind of `A` belongs to another type.
pub(crate) fn conflict<A: Actor>(first: &'static str) -> Failure {
    Failure::KindConflict { first, second: type_name::<A>() }
}

/// To an actor that is alive, or to one of stone. One without a record is not born for an errand.
fn send<A: Actor>(shared: &Arc<Shared>, id: &ActorId, errand: Errand) -> Result<(), Failure> {
    let limit = Deadline::after(&*shared.clock, shared.settings_of(id.kind()).call_timeout);
    // Nobody waits for space in another's mailbox on the system's behalf, but for room to bring it to life.
    let to_live = Terms { space: None, closing: limit };
    let to_stone = Terms { space: Some(limit), closing: limit };
    let envelope = Envelope::<A>::errand(id, errand);
    let sent = delivery::deliver_if_live(shared, id, envelope, to_live).map_err(|(failure, _)| failure)?;
    let Some(envelope) = sent else { return Ok(()) };
    let Some((record, _)) = shared.store()?.load(id)? else { return Ok(()) };
    let args = Arc::new(decoded_args::<A>(&record.args)?);
    let target = Target { id: id.clone(), args };
    delivery::deliver(shared, &target, envelope, to_stone).map_err(|(failure, _)| failure)
}
