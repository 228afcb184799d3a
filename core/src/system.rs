//! A system: one registry, one store, one set of limits, and all actors that live by them.

mod builder;
mod resume;

use std::fmt;
use std::time::{Duration, Instant};

pub use builder::{BuildError, Builder};
pub use resume::Resumed;

use crate::clock::Deadline;
use crate::current::{self, Current};
use crate::error::CallError;
use crate::event::{Event, Stats};
use crate::handle::Handle;
use crate::message::Order;
use crate::registry::Registry;
use crate::shared::Shared;
use crate::slot::SlotRef;
use crate::storage::Storage;
use crate::sync::Arc;
use crate::sync::atomic::Ordering;
use crate::sync::channel::Receiver;
use crate::target::Target;
use crate::{Actor, ActorId, Config, Settings, StorageError};

/// A running system of actors.
///
/// Clones are the same system. It shuts down when [`shutdown`](Self::shutdown) is called, or when the last clone of the
/// one that [`Builder::build`] returned is dropped; handles do not keep it open. Several systems with different
/// registries, stores and settings can live in one process.
#[derive(Clone)]
pub struct System {
    shared: Arc<Shared>,
    /// `None`: this one does not keep the system open.
    _owner: Option<Arc<Owner>>,
}

/// Shuts the system down when nobody has it any more.
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        // Whoever wants to know what could not be petrified calls `shutdown`.
        let _ = self.0.shutdown(self.0.config.drop_limit());
    }
}

impl System {
    /// Begins to describe a system on this registry and this store.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use gargoyle::{MemoryStorage, System};
    /// use gargoyle_registry_std::StdRegistry;
    ///
    /// let system = System::builder(StdRegistry::new(), MemoryStorage::new()).idle(Duration::from_secs(10)).build()?;
    /// system.shutdown(Duration::from_secs(1))?;
    /// # Ok::<(), gargoyle::BoxError>(())
    /// ```
    pub fn builder(registry: impl Registry, storage: impl Storage) -> Builder {
        Builder::new(Box::new(registry), Arc::new(storage))
    }

    fn open(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        System { _owner: Some(Arc::new(Owner(shared.clone()))), shared }
    }

    /// The system as actors see it, which does not keep it open.
    pub(crate) fn of_actors(shared: Arc<Shared>) -> Self {
        System { shared, _owner: None }
    }

    pub(crate) fn is_of(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    /// A handle of the `A` with this key. Starts nothing, and cannot fail: a key that is none is an error of the first
    /// message. `args` count if a message to this handle is what brings the actor to life and there is no record: all who
    /// make handles of one key should agree on them.
    pub fn handle<A: Actor>(&self, key: impl Into<String>, args: A::Args) -> Handle<A> {
        self.handle_of(Target::new(key.into(), args))
    }

    /// The time after `delay`, and a number that no timer has had.
    pub(crate) fn timer_after(&self, delay: Duration) -> (Instant, u64) {
        (self.shared.clock.after(delay), self.shared.timers.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn handle_of<A: Actor>(&self, target: Target<A>) -> Handle<A> {
        Handle::new(self.shared.clone(), target)
    }

    /// As [`handle`](Self::handle), and brings the actor to life now, so that a failing `init` is seen here.
    ///
    /// # Errors
    ///
    /// As [`Handle::start`].
    pub fn start<A: Actor>(&self, key: impl Into<String>, args: A::Args) -> Result<Handle<A>, CallError> {
        let handle = self.handle(key, args);
        handle.start()?;
        Ok(handle)
    }

    /// As [`start`](Self::start), with settings of its own, see [`Handle::start_with`].
    ///
    /// # Errors
    ///
    /// As [`Handle::start_with`].
    pub fn start_with<A: Actor>(
        &self,
        key: impl Into<String>,
        args: A::Args,
        settings: Settings,
    ) -> Result<Handle<A>, CallError> {
        let handle = self.handle(key, args);
        handle.start_with(settings)?;
        Ok(handle)
    }

    /// Runs `body` so that handles which are decoded in it are handles of this system.
    ///
    /// # Panics
    ///
    /// If `body` does.
    pub fn enter<R>(&self, body: impl FnOnce() -> R) -> R {
        // An actor that decodes handles of another system is still at its turn.
        current::enter(Current { decoding: self.shared.clone(), turn: current::turn() }, body)
    }

    /// What happens to actors from now on. Each receiver gets every event; one that is too far behind misses some,
    /// which [`Stats::events_missed`] counts. Ends when the system has shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// # use gargoyle::{MemoryStorage, System};
    /// # let system = System::builder(gargoyle_registry_std::StdRegistry::new(), MemoryStorage::new()).build()?;
    /// let events = system.events(); // a receiver of crossbeam-channel
    /// let printer = std::thread::spawn(move || {
    ///     for event in events {
    ///         println!("{event}"); // account/alice was petrified
    ///     }
    /// });
    /// system.shutdown(std::time::Duration::from_secs(1))?;
    /// printer.join().unwrap();
    /// # Ok::<(), gargoyle::BoxError>(())
    /// ```
    pub fn events(&self) -> Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// The configuration that the system was built with, the builder's settings included.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Ends the quarantine of an actor that crashed too often, and forgets its crashes. `false`: it was in none. A
    /// permanent one that waits for its end is revived at once.
    pub fn pardon(&self, id: &ActorId) -> bool {
        let pardoned = self.shared.health.pardon(id, self.shared.clock.now());
        self.shared.errands.hurry(id, self.shared.clock.now());
        pardoned
    }

    /// Those who are quarantined now, in any order.
    pub fn quarantined(&self) -> Vec<ActorId> {
        self.shared.health.quarantined(self.shared.clock.now())
    }

    /// Those who have a thread now, in any order. Wakes nobody.
    pub fn list(&self) -> Vec<ActorId> {
        self.shared.gate.live_ids()
    }

    /// Revives the permanent actors that were alive when the process died, of all registered kinds.
    /// [`Builder::build`] does this; call it again after that could not revive all of them, or when a kind was registered
    /// by its first message. Blocks while their records are read, and does not wait until they are alive: more than
    /// [may be](Builder::max_live) come back one after the other.
    ///
    /// # Errors
    ///
    /// The store's, if it cannot say who has to be revived.
    pub fn resume(&self) -> Result<Resumed, StorageError> {
        resume::resume(&self.shared)
    }

    pub(crate) fn petrify_all(&self) -> Result<(), CallError> {
        let clock = &*self.shared.clock;
        let limit = |slot: &SlotRef| self.shared.settings_of(slot.id().kind()).call_timeout;
        let mut ordered = Vec::new();
        self.shared.registry.for_each(&mut |slot| {
            let deadline = Deadline::after(clock, limit(slot));
            ordered.extend(slot.order(Order::Petrify, clock, deadline).map(|receipt| (receipt, deadline)));
        });
        let petrified = ordered.into_iter().map(|(receipt, deadline)| receipt.wait(clock, deadline));
        petrified.fold(Ok(()), Result::and)
    }

    /// The counters of this moment.
    pub fn stats(&self) -> Stats {
        let (live, live_peak) = self.shared.gate.live_and_peak();
        Stats { live, live_peak, ..self.shared.events.stats() }
    }

    /// What the system does at this moment, and what it has done. Costs about as much as [`list`](Self::list), and wakes
    /// nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// # use gargoyle::{MemoryStorage, System};
    /// # let system = System::builder(gargoyle_registry_std::StdRegistry::new(), MemoryStorage::new()).build()?;
    /// let sample = system.sample();
    /// for actor in &sample.actors {
    ///     println!("{}: {} messages wait", actor.id, actor.queued);
    /// }
    /// println!("half of the saves took less than {:?}", sample.saves.percentile(50.0));
    /// # Ok::<(), gargoyle::BoxError>(())
    /// ```
    #[cfg(all(feature = "observe", not(any(loom, shuttle))))]
    pub fn sample(&self) -> crate::observe::Sample {
        crate::observe::sample(&self.shared)
    }

    /// Serves samples at this path.
    #[cfg(feature = "observe")]
    fn observe(&self, path: &std::path::Path) -> Result<(), crate::observe::ObserveError> {
        crate::observe::serve(&self.shared, path)
    }

    /// Turns everything that is alive to stone, and gives the store back.
    ///
    /// From its beginning messages from outside are refused with [`Failure::Shutdown`](crate::Failure::Shutdown). What was accepted before is
    /// still handled, and for that actors may still send to each other. Blocks until all are stone, at most `deadline`.
    /// To shut down again does no harm.
    ///
    /// # Errors
    ///
    /// [`ShutdownError`] with those that are still at work when the deadline has passed. They are not interrupted:
    /// each of them still saves what it does, and petrifies when it is done. The store is given back by the last.
    /// Called on the thread of one of the system's own actors, it does not wait for itself, and names it.
    pub fn shutdown(&self, deadline: Duration) -> Result<(), ShutdownError> {
        self.shared.shutdown(deadline)
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// A shutdown that did not turn everything to stone.
#[derive(Clone, Debug)]
pub struct ShutdownError {
    still_live: Vec<ActorId>,
    limit: Duration,
    from_actor: bool,
}

impl ShutdownError {
    pub(crate) fn new(mut still_live: Vec<ActorId>, limit: Duration, from_actor: bool) -> Self {
        still_live.sort();
        ShutdownError { still_live, limit, from_actor }
    }

    /// Those that are still at work, in order of their ids.
    pub fn still_live(&self) -> &[ActorId] {
        &self.still_live
    }
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        if self.from_actor {
            f.write_str("an actor cannot wait until it is stone itself; the shutdown goes on without it, at work: ")?;
        } else {
            write!(f, "not everything turned to stone within {:?}, still at work: ", self.limit)?;
        }
        if self.still_live.is_empty() {
            return f.write_str("nobody who is known; somebody looks at an actor of stone, or wakes one");
        }
        let shown: Vec<String> = self.still_live.iter().take(SHOWN).map(ActorId::to_string).collect();
        f.write_str(&shown.join(", "))?;
        match self.still_live.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl std::error::Error for ShutdownError {}
