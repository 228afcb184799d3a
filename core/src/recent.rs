//! The slot that the present thread sent to last: the next message to the same actor needs no look-up.
//!
//! A look-up takes a lock of the registry and counts a reference, and all who send to an actor do so in the same place. A
//! slot that was found once can be tried again without either: one that is open is the one of its id, and one that is
//! closed takes nothing. So who sends to it is where a sender is that looked it up and was held up since.
//!
//! A thread keeps one slot at most, which is small once its owner has left.

use std::cell::Cell;

use crate::ActorId;
use crate::shared::Shared;
use crate::slot::SlotRef;
use crate::sync::thread_local;

/// A slot, and where its system is. Another system could be there later, but not while the slot is open: its owner keeps
/// the system.
type Recent = (usize, SlotRef);

thread_local! {
    static RECENT: Cell<Option<Recent>> = const { Cell::new(None) };
}

/// Takes the slot of `id` out of the thread's memory, if it is there.
pub(crate) fn take(shared: &Shared, id: &ActorId) -> Option<SlotRef> {
    let (of, slot) = RECENT.try_with(Cell::take).ok().flatten()?;
    (of == address(shared) && slot.id() == id).then_some(slot)
}

/// Remembers a slot that took a message.
pub(crate) fn keep(shared: &Shared, slot: SlotRef) {
    let _ = RECENT.try_with(|recent| recent.set(Some((address(shared), slot))));
}

fn address(shared: &Shared) -> usize {
    std::ptr::from_ref(shared).addr()
}
