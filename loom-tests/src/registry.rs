//! A registry that is looked at: what the system made of it, and whether it kept its laws.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gargoyle::{ActorId, Registry, SlotRef};

/// Counts what is done to the registry inside. The counts are no operations of the model.
#[derive(Debug)]
pub(crate) struct Watched<R> {
    inner: R,
    asked: AtomicUsize,
    inserted: AtomicUsize,
    found: AtomicUsize,
    removed: AtomicUsize,
    closed: AtomicBool,
}

impl<R> Watched<R> {
    pub(crate) fn new(inner: R) -> Self {
        let zero = || AtomicUsize::new(0);
        Watched {
            inner,
            asked: zero(),
            inserted: zero(),
            found: zero(),
            removed: zero(),
            closed: AtomicBool::new(false),
        }
    }

    /// The system is shut down: nobody comes in any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// How many times somebody looked for a slot.
    #[cfg(shuttle)]
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// How many slots came in.
    pub(crate) fn inserted(&self) -> usize {
        self.inserted.load(Ordering::Relaxed)
    }

    /// How many came too late.
    pub(crate) fn found(&self) -> usize {
        self.found.load(Ordering::Relaxed)
    }

    /// How many left.
    pub(crate) fn removed(&self) -> usize {
        self.removed.load(Ordering::Relaxed)
    }
}

impl<R: Registry> Registry for Watched<R> {
    fn get(&self, id: &ActorId) -> Option<SlotRef> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let slot = self.inner.get(id);
        assert!(slot.as_ref().is_none_or(|slot| slot.id() == id), "the registry shows a slot of another id");
        slot
    }

    fn get_or_insert(&self, slot: SlotRef) -> Option<SlotRef> {
        assert!(!self.closed.load(Ordering::Relaxed), "somebody is woken after the shutdown");
        let there = self.inner.get_or_insert(slot.clone());
        match &there {
            None => self.inserted.fetch_add(1, Ordering::Relaxed),
            Some(other) => {
                assert!(!other.is_same(&slot) && other.id() == slot.id(), "the registry shows the wrong slot");
                self.found.fetch_add(1, Ordering::Relaxed)
            }
        };
        there
    }

    fn remove_if_same(&self, slot: &SlotRef) -> bool {
        let was_there = self.inner.remove_if_same(slot);
        assert!(was_there, "a slot that left was not there");
        self.removed.fetch_add(1, Ordering::Relaxed);
        was_there
    }

    fn for_each(&self, visit: &mut dyn FnMut(&SlotRef)) {
        self.inner.for_each(visit);
    }

    fn len(&self) -> usize {
        self.inner.len()
    }
}
