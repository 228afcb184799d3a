//! The kinds of a system: which type has each, and how one of it is reached by its id alone.

use std::any::{TypeId, type_name};
use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Deadline;
use crate::current::{self, Current};
use crate::delivery::{self, Terms};
use crate::errands;
use crate::error::Failure;
use crate::guard::discard;
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
    send: Send,
}

/// Delivers an errand to one of the kind, and waits so long for room to bring it to life.
type Send = fn(&Arc<Shared>, &ActorId, Errand, Option<Duration>) -> Result<(), Failure>;

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

    /// Whether the type of this actor is known.
    pub(crate) fn knows(&self, id: &ActorId) -> bool {
        self.0.read().contains_key(id.kind())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }

    /// Delivers an errand of the system to an actor of which only the id is known. Waits for the store, and so long for
    /// room to bring it to life.
    ///
    /// # Errors
    ///
    /// [`Failure::UnknownKind`] if no type is known to have its kind; else as for any message.
    pub(crate) fn send(
        &self,
        shared: &Arc<Shared>,
        id: &ActorId,
        errand: Errand,
        room: Option<Duration>,
    ) -> Result<(), Failure> {
        let kind = self.0.read().get(id.kind()).copied();
        (kind.ok_or(Failure::UnknownKind)?.send)(shared, id, errand, room)
    }
}

/// What to say when the kind of `A` belongs to another type.
pub(crate) fn conflict<A: Actor>(first: &'static str) -> Failure {
    Failure::KindConflict { first, second: type_name::<A>() }
}

/// To an actor that is alive, or to one of stone. One without a record is not born for an errand: if it has gone when the
/// errand gets there, the errand is over, and who wants to watch it is told so.
fn send<A: Actor>(shared: &Arc<Shared>, id: &ActorId, errand: Errand, room: Option<Duration>) -> Result<(), Failure> {
    let clock = &*shared.clock;
    let closing = Deadline::after(clock, shared.settings_of(id.kind()).call_timeout);
    let room = room.map(|limit| Deadline::after(clock, limit));
    // Those who come back are needed by nobody who is alive, and have to wait for room like others from outside.
    let from_actor = !matches!(errand, Errand::ComeBack);
    let terms = Terms { space: None, room, closing, from_actor };
    let watch = if let Errand::Watch(watch) = &errand { Some(watch.clone()) } else { None };
    let envelope = Envelope::<A>::errand(id, errand);
    let sent = delivery::deliver_if_live(shared, id, envelope, terms).map_err(|(failure, _)| failure)?;
    let Some(envelope) = sent else { return Ok(()) };
    let found = shared.visit_as(from_actor, || shared.store()?.load(id))?;
    let Some((record, _)) = found else {
        if let Some(watch) = watch {
            errands::tell_absent(shared, id, watch);
        }
        return Ok(());
    };
    // Handles among the arguments are of this system, whoever's thread this is.
    let current = Current { decoding: shared.clone(), turn: current::turn() };
    let args = Arc::new(current::enter(current, || decoded_args::<A>(&record.args))?);
    let target = Target { id: id.clone(), args };
    let delivered = delivery::deliver(shared, &target, envelope, terms).map_err(|(failure, _)| failure);
    discard(target);
    delivered
}
