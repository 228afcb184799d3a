//! What all handles and workers of a system share.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::clock::{Clock, Deadline};
use crate::config::Config;
use crate::errands::Errands;
use crate::error::Failure;
use crate::event::{EventKind, Events};
use crate::gate::{Gate, Ticket};
use crate::guard::{discard, guard};
use crate::health::Health;
use crate::kinds::Kinds;
use crate::registry::Registry;
use crate::settings::{Resolved, Settings};
use crate::storage::Storage;
use crate::store::Store;
use crate::sync::atomic::AtomicU64;
use crate::sync::{Arc, Mutex};
use crate::system::ShutdownError;
use crate::threads::Threads;
use crate::waits::Waits;
use crate::{ActorId, current};

/// What all handles and workers of a system share.
pub(crate) struct Shared {
    pub(crate) registry: Box<dyn Registry>,
    /// Taken out at the end, so that the store can be opened again however many handles are left.
    store: Mutex<Option<Store>>,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) config: Config,
    settings: SettingsOfAll,
    pub(crate) gate: Gate,
    pub(crate) threads: Arc<Threads>,
    pub(crate) health: Health,
    pub(crate) errands: Errands,
    pub(crate) waits: Arc<Waits>,
    pub(crate) events: Events,
    /// How many timers were set.
    pub(crate) timers: AtomicU64,
    pub(crate) kinds: Kinds,
}

/// The settings of a system's actors, as they count.
struct SettingsOfAll {
    general: Layered,
    by_kind: HashMap<String, Layered>,
}

/// Settings, as they were set and as they count.
struct Layered(Settings, Arc<Resolved>);

impl Layered {
    fn new(settings: Settings) -> Self {
        let resolved = Arc::new(settings.resolved());
        Layered(settings, resolved)
    }
}

impl SettingsOfAll {
    fn new(config: &Config) -> Self {
        let (general, kinds) = config.layered();
        let by_kind = kinds.into_iter().map(|(kind, settings)| (kind.to_owned(), Layered::new(settings)));
        SettingsOfAll { general: Layered::new(general), by_kind: by_kind.collect() }
    }

    fn of(&self, kind: &str) -> &Layered {
        // Most systems have none, and need not hash the kind for every message.
        if self.by_kind.is_empty() { &self.general } else { self.by_kind.get(kind).unwrap_or(&self.general) }
    }
}

impl Shared {
    pub(crate) fn new(
        registry: Box<dyn Registry>,
        storage: Arc<dyn Storage>,
        clock: Box<dyn Clock>,
        config: Config,
        kinds: Kinds,
    ) -> Self {
        Shared {
            registry,
            store: Mutex::new(Some(Store::new(storage))),
            clock,
            settings: SettingsOfAll::new(&config),
            gate: Gate::new(config.most_live()),
            config,
            threads: Arc::default(),
            health: Health::default(),
            errands: Errands::default(),
            waits: Arc::default(),
            events: Events::new(),
            timers: AtomicU64::new(0),
            kinds,
        }
    }

    /// The settings of the actors of this kind.
    pub(crate) fn settings_of(&self, kind: &str) -> &Arc<Resolved> {
        &self.settings.of(kind).1
    }

    /// The settings of one actor, which has these of its own.
    pub(crate) fn settings_with(&self, kind: &str, own: &Settings) -> Arc<Resolved> {
        let Layered(of_kind, resolved) = self.settings.of(kind);
        if own.is_empty() { resolved.clone() } else { Arc::new(own.over(of_kind).resolved()) }
    }

    /// Why an actor must not come to life now: it crashed too often.
    pub(crate) fn quarantine(&self, id: &ActorId) -> Option<Failure> {
        let now = || self.clock.now();
        let (until, last) = self.health.quarantine(id, now)?;
        Some(Failure::Quarantined { left: until.saturating_duration_since(now()), last })
    }

    /// The store, until the end of a shutdown.
    pub(crate) fn store(&self) -> Result<Store, Failure> {
        self.store.lock().clone().ok_or(Failure::Shutdown)
    }

    /// A worker's last act: it has nothing of the store's any more.
    pub(crate) fn worker_left(&self, ticket: Ticket, promised: bool) {
        self.events.telemetry.left();
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

    /// Counts a crash, and tells of it by `event`: whoever hears of it finds it counted. Returns until when the actor is
    /// quarantined, if it was one too many.
    pub(crate) fn count_crash(
        &self,
        id: &ActorId,
        settings: &Resolved,
        failure: &Failure,
        event: EventKind,
    ) -> Option<Instant> {
        let now = self.clock.now();
        let quarantined = self.health.crashed(id, settings, now, failure);
        self.events.tell(id, event);
        if let Some(until) = quarantined {
            self.events.tell(id, EventKind::Quarantined(until.saturating_duration_since(now)));
        }
        quarantined
    }

    /// Runs `look`, and has the end of a shutdown wait for it.
    pub(crate) fn visit<R>(self: &Arc<Self>, look: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
        self.visit_as(current::is_actor_in(self), look)
    }

    /// As [`visit`](Self::visit), of which the caller knows whether it is on behalf of an actor.
    pub(crate) fn visit_as<R>(
        self: &Arc<Self>,
        from_actor: bool,
        look: impl FnOnce() -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        if !self.gate.visit(from_actor) {
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
        self.events.telemetry.shutting_down(limit);
        let done = self.turn_all_to_stone(limit);
        self.events.telemetry.shut_down(&done);
        done
    }

    fn turn_all_to_stone(self: &Arc<Self>, limit: Duration) -> Result<(), ShutdownError> {
        let deadline = Deadline::after(&*self.clock, limit);
        self.gate.close();
        self.errands.close(self);
        self.registry.for_each(&mut |slot| slot.nudge());
        if current::is_actor_in(self) {
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
        // First: whoever opens the store next may want to be observed at the same place.
        self.events.telemetry.end();
        let mut store = self.store.lock();
        discard(store.take());
        drop(store);
        self.threads.close();
        self.events.end();
    }
}
