//! Which system, and which actor's turn, the present thread works for.
//!
//! Two things depend on it: a cast out of a handler is held back until the turn is saved, and a handle that is decoded
//! needs to know its system.

use std::cell::RefCell;
use std::rc::Rc;

use crate::shared::Shared;
use crate::sync::{Arc, thread_local};
use crate::turn::Turn;

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

#[derive(Clone)]
pub(crate) struct Current {
    /// Whose handles are decoded here. On an actor's thread that is its own system, unless it entered another one.
    pub(crate) decoding: Arc<Shared>,
    /// The turn of the actor whose thread this is.
    pub(crate) turn: Option<Rc<Turn>>,
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

/// The turn of the actor whose thread this is, if it is one of `shared`.
pub(crate) fn turn_in(shared: &Arc<Shared>) -> Option<Rc<Turn>> {
    turn().filter(|turn| turn.is_in(shared))
}

fn replace(with: Option<Current>) -> Option<Current> {
    CURRENT.try_with(|current| current.replace(with)).ok().flatten()
}
