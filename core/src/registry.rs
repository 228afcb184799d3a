//! What a registry has to promise.

use crate::ActorId;
use crate::slot::SlotRef;
use crate::sync::Arc;

/// Maps the ids of the actors that are alive to their slots. A contract for whoever writes a registry.
///
/// Ids that are not alive are not in it: a registry forgets an id completely when its slot is removed. Its methods are
/// called from any thread, most often `get`: once for every message. They must not block but for short locks, must not
/// panic, start no threads, and call nothing of the system's or a user's while they hold a lock. Locks are best taken
/// from [`gargoyle::sync`](crate::sync).
///
/// The laws:
///
/// 1. For one id, `get_or_insert`, `get` and `remove_if_same` take effect one after the other, each at once at some
///    moment between its call and its return.
/// 2. Of any number of `get_or_insert` for an id that is not there exactly one inserts, and all others get what it
///    inserted.
/// 3. `remove_if_same` removes the very slot that it is given ([`SlotRef::is_same`]), and never another one of that id.
/// 4. `for_each` shows every slot that is there from its call to its return exactly once; others at most once.
pub trait Registry: Send + Sync + 'static {
    /// The slot of `id`, if it is there. Changes nothing.
    fn get(&self, id: &ActorId) -> Option<SlotRef>;

    /// Inserts `slot` under [its id](SlotRef::id) unless there is one. Returns the one that was there, `None` if it
    /// was inserted.
    fn get_or_insert(&self, slot: SlotRef) -> Option<SlotRef>;

    /// Removes this very slot. `false` if it is not there.
    fn remove_if_same(&self, slot: &SlotRef) -> bool;

    /// Shows all slots to `visit`, in any order, without holding a lock while it does.
    fn for_each(&self, visit: &mut dyn FnMut(&SlotRef));

    /// How many slots there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A registry behind an [`Arc`] is a registry: so that a test, say, can keep an end of it.
impl<R: Registry + ?Sized> Registry for Arc<R> {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        (**self).get(id)
    }

    fn get_or_insert(&self, slot: SlotRef) -> Option<SlotRef> {
        (**self).get_or_insert(slot)
    }

    fn remove_if_same(&self, slot: &SlotRef) -> bool {
        (**self).remove_if_same(slot)
    }

    fn for_each(&self, visit: &mut dyn FnMut(&SlotRef)) {
        (**self).for_each(visit);
    }

    fn len(&self) -> usize {
        (**self).len()
    }
}
