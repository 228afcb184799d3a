//! What all handles and workers of a system share.

use std::any::{TypeId, type_name};
use std::collections::HashMap;
use std::time::Duration;

use crate::clock::{Clock, Deadline};
use crate::error::Failure;
use crate::event::Events;
use crate::gate::{Gate, Ticket};
use crate::guard::{discard, guard};
use crate::registry::Registry;
use crate::storage::Storage;
use crate::store::Store;
use crate::sync::atomic::AtomicU64;
use crate::sync::{Arc, Mutex, RwLock};
use crate::system::ShutdownError;
use crate::waits::Waits;
use crate::{Actor, current};

/// What all handles and workers of a system share.
pub(crate) struct Shared {
    pub(crate) registry: Box<dyn Registry>,
    /// Taken out at the end, so that the store can be opened again however many handles are left.
    store: Mutex<Option<Store>>,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) gate: Gate,
    pub(crate) waits: Arc<Waits>,
    pub(crate) events: Events,
    /// How many timers were set.
    pub(crate) timers: AtomicU64,
    kinds: RwLock<HashMap<&'static str, (TypeId, &'static str)>>,
}

pub(crate) struct Limits {
    /// `None`: actors never petrify for idleness.
    pub(crate) idle: Option<Duration>,
    pub(crate) call_timeout: Duration,
    pub(crate) mailbox_capacity: usize,
    pub(crate) turn_messages: usize,
    pub(crate) turn_time: Duration,
    pub(crate) stack_bytes: Option<usize>,
    pub(crate) drop_timeout: Duration,
}

impl Shared {
    pub(crate) fn new(
        registry: Box<dyn Registry>,
        storage: Arc<dyn Storage>,
        clock: Box<dyn Clock>,
        limits: Limits,
        max_live: usize,
    ) -> Self {
        Shared {
            registry,
            store: Mutex::new(Some(Store::new(storage))),
            clock,
            limits,
            gate: Gate::new(max_live),
            waits: Arc::default(),
            events: Events::new(),
            timers: AtomicU64::new(0),
            kinds: RwLock::default(),
        }
    }

    /// The store, until the end of a shutdown.
    pub(crate) fn store(&self) -> Result<Store, Failure> {
        self.store.lock().clone().ok_or(Failure::Shutdown)
    }

    /// Whether the kind of `A` may be its own: no other type has claimed it.
    pub(crate) fn check_kind<A: Actor>(&self) -> Result<(), Failure> {
        match self.kinds.read().get(A::KIND) {
            Some((owner, first)) if *owner != TypeId::of::<A>() => Err(kind_conflict::<A>(first)),
            _ => Ok(()),
        }
    }

    /// Makes the kind of `A` its own. Only for one that has come to life: who was refused by a record of another type
    /// claims nothing.
    pub(crate) fn claim_kind<A: Actor>(&self) -> Result<(), Failure> {
        if !self.kinds.read().contains_key(A::KIND) {
            self.kinds.write().entry(A::KIND).or_insert((TypeId::of::<A>(), type_name::<A>()));
        }
        self.check_kind::<A>()
    }

    /// A worker's last act: it has nothing of the store's any more.
    pub(crate) fn worker_left(&self, ticket: Ticket, promised: bool) {
        if self.gate.leave(ticket, promised) {
            self.end();
        }
    }

    /// Who was let in to wake an actor goes, and brought nobody to life.
    pub(crate) fn turned_back(&self) {
        if self.gate.turn_back() {
            self.end();
        }
    }

    /// Runs `look`, and has the end of a shutdown wait for it.
    pub(crate) fn visit<R>(self: &Arc<Self>, look: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
        if !self.gate.visit(current::turn_in(self).is_some()) {
            return Err(Failure::Shutdown);
        }
        // Questions and stores are users' code: whatever they do, the visit ends.
        let seen = guard(look).unwrap_or_else(|panic| Err(Failure::Crashed(panic)));
        if self.gate.end_visit() {
            self.end();
        }
        seen
    }

    pub(crate) fn shutdown(self: &Arc<Self>, limit: Duration) -> Result<(), ShutdownError> {
        let deadline = Deadline::after(&*self.clock, limit);
        self.gate.close();
        self.registry.for_each(&mut |slot| slot.nudge());
        if current::turn_in(self).is_some() {
            return Err(ShutdownError::new(self.gate.live_ids(), limit, true));
        }
        match self.gate.close_when_empty(&*self.clock, deadline) {
            Ok(()) => {
                self.end();
                Ok(())
            }
            Err(still_live) => Err(ShutdownError::new(still_live, limit, false)),
        }
    }

    /// Nobody is alive, and nobody will be. The store is dropped under its lock, so that two who shut down at the same
    /// time both find it given back.
    fn end(&self) {
        let mut store = self.store.lock();
        discard(store.take());
        drop(store);
        self.events.end();
    }
}

/// What to say when the kind of `A` belongs to another type.
pub(crate) fn kind_conflict<A: Actor>(first: &'static str) -> Failure {
    Failure::KindConflict { first, second: type_name::<A>() }
}
