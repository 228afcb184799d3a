//! Which system, and which actor's turn, the present thread works for, and whose thread it is.
//!
//! Three things depend on it: a cast out of a handler is held back until the turn is saved, a handle that is decoded needs
//! to know its system, and an actor's thread must not wait for itself, at a turn or between two.

use std::cell::RefCell;
use std::rc::Rc;

use crate::ActorId;
use crate::shared::Shared;
use crate::slot::SlotRef;
use crate::sync::{Arc, thread_local};
use crate::turn::Turn;

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

thread_local! {
    static OWNER: RefCell<Option<Owner>> = const { RefCell::new(None) };
}

#[derive(Clone)]
pub(crate) struct Current {
    /// Whose handles are decoded here. On an actor's thread that is its own system, unless it entered another one.
    pub(crate) decoding: Arc<Shared>,
    /// The turn of the actor whose thread this is.
    pub(crate) turn: Option<Rc<Turn>>,
}

/// The actor whose thread this is. Between two turns its thread runs users' code too: the drop of a message that was
/// refused may call, cast, and have the last of a system.
struct Owner {
    shared: Arc<Shared>,
    slot: SlotRef,
}

/// Runs `body` with another present, and puts the former one back, also after a panic.
pub(crate) fn enter<R>(current: Current, body: impl FnOnce() -> R) -> R {
    struct Restore(Option<Current>);
    impl Drop for Restore {
        fn drop(&mut self) {
            replace(self.0.take());
        }
    }
    let _restore = Restore(replace(Some(current)));
    body()
}

/// What the thread works for; `None` on threads that are not Gargoyle's, and on one that ends.
pub(crate) fn get() -> Option<Current> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// The turn of the actor whose thread this is.
pub(crate) fn turn() -> Option<Rc<Turn>> {
    // Without the system, of which all its threads count references.
    CURRENT.try_with(|current| current.borrow().as_ref().and_then(|current| current.turn.clone())).ok().flatten()
}

/// The thread is the one of this slot until what this returns is dropped.
#[must_use]
pub(crate) fn own(shared: &Arc<Shared>, slot: &SlotRef) -> impl Drop + use<> {
    struct Disown;
    impl Drop for Disown {
        fn drop(&mut self) {
            let _ = OWNER.try_with(|owner| owner.replace(None));
        }
    }
    let this = Owner { shared: shared.clone(), slot: slot.clone() };
    let _ = OWNER.try_with(|owner| owner.replace(Some(this)));
    Disown
}

/// Whether the thread is one of an actor of `shared`, and counted among the living there.
pub(crate) fn is_actor_in(shared: &Arc<Shared>) -> bool {
    owner_in(shared, |_| ()).is_some()
}

/// The actor of `shared` that waits while this thread does. None when its slot has closed: the next one of that id has a
/// thread of its own, and waits for others.
pub(crate) fn actor_in(shared: &Arc<Shared>) -> Option<ActorId> {
    owner_in(shared, |slot| (!slot.is_closed()).then(|| slot.id().clone())).flatten()
}

fn owner_in<R>(shared: &Arc<Shared>, look: impl FnOnce(&SlotRef) -> R) -> Option<R> {
    let look = |owner: &Owner| Arc::ptr_eq(&owner.shared, shared).then(|| look(&owner.slot));
    OWNER.try_with(|owner| owner.borrow().as_ref().and_then(look)).ok().flatten()
}

fn replace(with: Option<Current>) -> Option<Current> {
    CURRENT.try_with(|current| current.replace(with)).ok().flatten()
}
