//! How a system is described and built.

use std::fmt;
use std::time::Duration;

use super::System;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::error::WithCauses;
use crate::kinds::{Kind, Kinds};
use crate::registry::Registry;
use crate::settings::{RestartPolicy, SaveMode, SettingError, Settings};
use crate::shared::Shared;
use crate::storage::Storage;
use crate::sync::Arc;
use crate::{Actor, StorageError};

/// A system to be: see [`System::builder`].
///
/// What is said here counts for all actors, unless it is said for a kind ([`actor_with`](Self::actor_with)) or for one
/// actor ([`Handle::start_with`](crate::Handle::start_with)), and over what a [`Config`] says. [`Settings`] has what each
/// setting means and what is so unless it is set.
#[must_use = "a builder builds nothing until `build` is called"]
pub struct Builder {
    registry: Box<dyn Registry>,
    storage: Arc<dyn Storage>,
    clock: Box<dyn Clock>,
    given: Config,
    told: Config,
    kinds: Vec<(&'static str, Kind)>,
    /// Where samples are served, if they are.
    #[cfg(feature = "observe")]
    observed_at: Option<std::path::PathBuf>,
}

impl Builder {
    pub(super) fn new(registry: Box<dyn Registry>, storage: Arc<dyn Storage>) -> Self {
        Builder {
            registry,
            storage,
            clock: Box::new(SystemClock),
            given: Config::new(),
            told: Config::new(),
            kinds: Vec::new(),
            #[cfg(feature = "observe")]
            observed_at: None,
        }
    }

    /// Registers a kind of actors. Those that may have to come back without a message need it: permanent ones, after the
    /// death of the process, and those that [watch](crate::Context::watch) others. Two types of one kind are refused by
    /// [`build`](Self::build).
    pub fn actor<A: Actor>(mut self) -> Self {
        self.kinds.push((A::KIND, Kind::of::<A>()));
        self
    }

    /// As [`actor`](Self::actor), and has all actors of the kind live by these settings.
    pub fn actor_with<A: Actor>(mut self, settings: Settings) -> Self {
        self.told = self.told.kind(A::KIND, settings);
        self.actor::<A>()
    }

    /// What a configuration says. What is said to the builder itself wins, in whatever order: what it is told for all over
    /// what the configuration says for all, and the same for a kind. What is said for a kind wins over what is said for all.
    pub fn config(mut self, config: Config) -> Self {
        self.given = config;
        self
    }

    /// Has all actors live by these settings.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.told = self.told.actors(settings);
        self
    }

    /// As [`Settings::restart`], for all actors.
    pub fn restart(self, policy: RestartPolicy) -> Self {
        self.settings(Settings::new().restart(policy))
    }

    /// As [`Settings::save`], for all actors.
    pub fn save(self, mode: SaveMode) -> Self {
        self.settings(Settings::new().save(mode))
    }

    /// As [`Settings::idle`], for all actors: after how long without a message an actor petrifies.
    pub fn idle(self, time: Duration) -> Self {
        self.settings(Settings::new().idle(time))
    }

    /// As [`Settings::idle_never`], for all actors.
    pub fn idle_never(self) -> Self {
        self.settings(Settings::new().idle_never())
    }

    /// As [`Settings::call_timeout`], for all actors: how long calls wait at most.
    pub fn call_timeout(self, limit: Duration) -> Self {
        self.settings(Settings::new().call_timeout(limit))
    }

    /// As [`Settings::mailbox_capacity`], for all actors.
    pub fn mailbox_capacity(self, messages: usize) -> Self {
        self.settings(Settings::new().mailbox_capacity(messages))
    }

    /// As [`Settings::turn_messages`], for all actors.
    pub fn turn_messages(self, messages: usize) -> Self {
        self.settings(Settings::new().turn_messages(messages))
    }

    /// As [`Settings::turn_time`], for all actors.
    pub fn turn_time(self, limit: Duration) -> Self {
        self.settings(Settings::new().turn_time(limit))
    }

    /// As [`Settings::stack_bytes`], for all actors.
    pub fn stack_bytes(self, bytes: usize) -> Self {
        self.settings(Settings::new().stack_bytes(bytes))
    }

    /// How many actors may be alive at once, each with its thread; 0 is refused. At the cap, one that is idle and was not
    /// used for long petrifies to make room for the next. If none is idle, whoever sends to an actor of stone waits, up to
    /// its deadline, and then gets [`Failure::Saturated`](crate::Failure::Saturated). Actors that a handler sends to may
    /// exceed the cap by a quarter of it and 16, so that those who wait for each other can go on.
    ///
    /// Unless set, half of what the machine allows: on Linux an eighth of `vm.max_map_count` (65,530 by default, which
    /// makes 8,191), or half of the limits on threads if that is less; elsewhere 2,000.
    pub fn max_live(mut self, actors: usize) -> Self {
        self.told = self.told.max_live(actors);
        self
    }

    /// How long dropping the system waits for its actors to turn to stone. 30 s unless set.
    pub fn drop_timeout(mut self, limit: Duration) -> Self {
        self.told = self.told.drop_timeout(limit);
        self
    }

    /// Lets other processes of this user watch the system, by a socket in this folder, best that of the store: the tool
    /// `gargoyle top FOLDER` shows what it does. See [`observe`](crate::observe) for what that means.
    #[cfg(feature = "observe")]
    pub fn observe(self, folder: impl AsRef<std::path::Path>) -> Self {
        self.observe_at(folder.as_ref().join(crate::observe::SOCKET))
    }

    /// As [`observe`](Self::observe), by a socket at this path: for a store in memory, or one whose path is too long for
    /// a socket.
    #[cfg(feature = "observe")]
    pub fn observe_at(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.observed_at = Some(path.into());
        self
    }

    /// Where the time comes from. The machine's clock unless set; tests hand in a
    /// [`TestClock`](crate::testing::TestClock).
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Makes the system. Nothing is started and nothing read, unless a kind is [registered](Self::actor): then the
    /// permanent actors are revived that were alive when the process died, see [`System::resume`]. Who cannot be revived
    /// does not keep the others from it.
    ///
    /// # Errors
    ///
    /// [`BuildError`]: a setting that cannot be, two types of one kind, a store that cannot say who has to be revived, a
    /// place where it cannot be observed.
    pub fn build(self) -> Result<System, BuildError> {
        let config = self.told.over(self.given);
        config.check()?;
        let kinds = Kinds::default();
        for (name, kind) in self.kinds {
            let conflict = |first| BuildError::KindConflict { kind: name, first, second: kind.type_name };
            kinds.register(name, kind).map_err(conflict)?;
        }
        let resume = !kinds.is_empty();
        let system = System::open(Shared::new(self.registry, self.storage, self.clock, config, kinds));
        #[cfg(feature = "observe")]
        if let Some(path) = self.observed_at {
            system.observe(&path)?;
        }
        if resume {
            system.resume()?;
        }
        Ok(system)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("given", &self.given).field("told", &self.told).finish_non_exhaustive()
    }
}

/// Why a system was not built. `{:#}` adds the causes.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting cannot be.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Two registered types have one kind.
    #[error("the kind {kind:?} is registered by two types, {first} and {second}; give one of them another KIND")]
    KindConflict {
        /// The kind.
        kind: &'static str,
        /// The type that was registered first.
        first: &'static str,
        /// The other one.
        second: &'static str,
    },
    /// The store cannot say which actors have to be revived.
    #[error(fmt = show_not_resumed)]
    NotResumed(#[from] StorageError),
    /// The system cannot be observed where it was to be.
    #[cfg(feature = "observe")]
    #[error(fmt = show_not_observed)]
    NotObserved(#[from] crate::observe::ObserveError),
}

fn show_not_resumed(error: &StorageError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    show_caused("the store cannot say which actors have to be revived", error, f)
}

#[cfg(feature = "observe")]
fn show_not_observed(error: &crate::observe::ObserveError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    show_caused("the system cannot be observed", error, f)
}

fn show_caused(what: &str, cause: &dyn std::error::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if f.alternate() { write!(f, "{what}: {}", WithCauses(cause)) } else { f.write_str(what) }
}
