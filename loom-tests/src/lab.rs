//! What a model has in its hands: a system, its registry, its store and its clock.

use std::fmt;
use std::time::Duration;

use gargoyle::sync::Arc;
use gargoyle::{ActorId, Builder, Handle, Record, Registry, Stats, Storage, System};

use crate::actor::{self, Counter};
use crate::ledger::Ledger;
use crate::registry::Watched;
use crate::seen::Seen;
pub(crate) use crate::thread::spawn;
use crate::time::{IDLE, Time};

/// A system to be modelled. All deadlines but those that a model sets are endless.
pub(crate) struct Lab<R: Registry> {
    pub(crate) registry: Arc<Watched<R>>,
    pub(crate) store: Arc<Ledger>,
    pub(crate) time: Time,
    seen: Seen,
    system: Option<System>,
}

impl<R: Registry> Lab<R> {
    pub(crate) fn new(registry: R, seen: Seen) -> Self {
        Lab {
            registry: Arc::new(Watched::new(registry)),
            store: Arc::new(Ledger::default()),
            time: Time::new(),
            seen,
            system: None,
        }
    }

    /// Opens the system. Without an end its actors are idle for long enough as soon as they have nothing to do.
    pub(crate) fn open(mut self) -> Self {
        self.open_with(|builder| builder);
        self
    }

    /// As `open`, with settings.
    pub(crate) fn with(mut self, settings: impl FnOnce(Builder) -> Builder) -> Self {
        self.open_with(settings);
        self
    }

    fn open_with(&mut self, settings: impl FnOnce(Builder) -> Builder) {
        let builder = System::builder(self.registry.clone(), self.store.clone())
            .clock(self.time.clone())
            .max_live(8)
            .mailbox_capacity(2)
            .idle(IDLE)
            .call_timeout(Duration::MAX)
            .drop_timeout(Duration::MAX);
        self.system = Some(settings(builder).build().expect("the settings can be"));
    }

    /// Actors are idle for long enough so many times, and then never again.
    pub(crate) fn idle(self, times: usize) -> Self {
        self.time.set_idle(times);
        self
    }

    /// So many deadlines pass.
    pub(crate) fn deadlines(self, times: usize) -> Self {
        self.time.set_deadlines(times);
        self
    }

    pub(crate) fn system(&self) -> &System {
        self.system.as_ref().expect("the model has opened it")
    }

    pub(crate) fn counter(&self, key: &str) -> Handle<Counter> {
        self.system().handle(key, ())
    }

    /// Puts a counter of stone into the store.
    pub(crate) fn put(&self, key: &str, value: u8) {
        /// CBOR's nothing, for the arguments.
        const NULL: u8 = 0xf6;
        let id = ActorId::new("counter", key).expect("the key is one");
        // CBOR has small numbers as they are.
        let record = Record::new(id.clone(), vec![NULL], vec![value]);
        self.store.save(&id, None, &record.to_bytes(), None).expect("there is no other one");
        actor::put(key, value.into());
    }

    pub(crate) fn saw(&self, what: &'static str) {
        self.seen.saw(what);
    }

    /// To say what was seen after the end.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.clone()
    }

    /// Says what was seen if it was.
    pub(crate) fn saw_if(&self, it_was: bool, what: &'static str) {
        if it_was {
            self.saw(what);
        }
    }

    /// Shuts the system down, and looks whether all is as it has to be then.
    pub(crate) fn end(mut self) -> Stats {
        let system = self.system.take().expect("the model has opened it");
        if let Err(error) = system.shutdown(Duration::MAX) {
            panic!("{error}");
        }
        assert!(!actor::is_anybody_alive(), "somebody outlived the shutdown");
        assert!(self.registry.is_empty(), "somebody is in the registry after the shutdown");
        assert_eq!(self.registry.inserted(), self.registry.removed());
        let stats = system.stats();
        assert_eq!(stats.live, 0);
        stats
    }
}

impl<R: Registry> Drop for Lab<R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // It would wait for threads that loom runs no more.
            std::mem::forget(self.system.take());
        }
    }
}

impl<R: Registry> fmt::Debug for Lab<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lab").finish_non_exhaustive()
    }
}
