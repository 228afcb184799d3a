//! The settings of a system.

use std::fmt;
use std::time::Duration;

use super::System;
use crate::clock::{Clock, SystemClock};
use crate::gate;
use crate::registry::Registry;
use crate::shared::{Limits, Shared};
use crate::storage::Storage;
use crate::sync::Arc;

/// Settings of a system to be: see [`System::builder`].
#[must_use = "a builder builds nothing until `build` is called"]
pub struct Builder {
    registry: Box<dyn Registry>,
    storage: Arc<dyn Storage>,
    clock: Box<dyn Clock>,
    limits: Limits,
    max_live: usize,
}

impl Builder {
    pub(super) fn new(registry: Box<dyn Registry>, storage: Arc<dyn Storage>) -> Self {
        let limits = Limits {
            idle: Some(Duration::from_secs(60)),
            call_timeout: Duration::from_secs(5),
            mailbox_capacity: 1024,
            turn_messages: 256,
            turn_time: Duration::from_millis(2),
            stack_bytes: None,
            drop_timeout: Duration::from_secs(30),
        };
        Builder { registry, storage, clock: Box::new(SystemClock), limits, max_live: gate::default_max_live() }
    }

    /// After how long without a message an actor petrifies, measured from the end of its last one. 60 s unless set; 0
    /// is refused.
    pub fn idle(mut self, time: Duration) -> Self {
        self.limits.idle = Some(time);
        self
    }

    /// No actor petrifies for being idle; only `petrify` and the shutdown turn them to stone.
    pub fn idle_never(mut self) -> Self {
        self.limits.idle = None;
        self
    }

    /// How many actors may be alive at once, each with its thread; 0 is refused. At the cap, one that is idle and was not
    /// used for long petrifies to make room for the next. If none is idle, whoever sends to an actor of stone waits, up to
    /// its deadline, and then gets [`Failure::Saturated`](crate::Failure::Saturated). Actors that a handler sends to may
    /// exceed the cap by a quarter of it and 16, so that those who wait for each other can go on.
    ///
    /// Unless set, half of what the machine allows: on Linux an eighth of `vm.max_map_count` (65,530 by default, which
    /// makes 8,191), or half of the limits on threads if that is less; elsewhere 2,000.
    pub fn max_live(mut self, actors: usize) -> Self {
        self.max_live = actors;
        self
    }

    /// How long calls, queries, peeks and orders wait at most, and how long casts wait for space. 5 s unless set; 0 is
    /// refused.
    pub fn call_timeout(mut self, limit: Duration) -> Self {
        self.limits.call_timeout = limit;
        self
    }

    /// How many messages a mailbox holds before senders wait. 1024 unless set; 0 is refused.
    pub fn mailbox_capacity(mut self, messages: usize) -> Self {
        self.limits.mailbox_capacity = messages;
        self
    }

    /// How many messages share one save at most. 256 unless set; 1 saves after each; 0 is refused.
    pub fn turn_messages(mut self, messages: usize) -> Self {
        self.limits.turn_messages = messages;
        self
    }

    /// How long a turn goes on taking messages before it saves, so that its first reply does not wait long for its
    /// neighbours. 2 ms unless set; 0 saves after each message.
    pub fn turn_time(mut self, limit: Duration) -> Self {
        self.limits.turn_time = limit;
        self
    }

    /// The stack of an actor's thread. Rust's default unless set, 2 MiB; memory is taken as it is used.
    pub fn stack_bytes(mut self, bytes: usize) -> Self {
        self.limits.stack_bytes = Some(bytes);
        self
    }

    /// How long dropping the system waits for its actors to turn to stone. 30 s unless set.
    pub fn drop_timeout(mut self, limit: Duration) -> Self {
        self.limits.drop_timeout = limit;
        self
    }

    /// Where the time comes from. The machine's clock unless set; tests hand in a [`TestClock`](crate::TestClock).
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Makes the system. Nothing is started and nothing read.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the setting that cannot be.
    pub fn build(self) -> Result<System, BuildError> {
        let limits = &self.limits;
        refuse_if(limits.idle == Some(Duration::ZERO), "idle", "give a time, or say idle_never()")?;
        refuse_if(self.max_live == 0, "max_live", "at least one actor has to be alive to do anything")?;
        refuse_if(limits.call_timeout.is_zero(), "call_timeout", "give calls some time")?;
        refuse_if(limits.mailbox_capacity == 0, "mailbox_capacity", "a mailbox holds at least one message")?;
        refuse_if(limits.turn_messages == 0, "turn_messages", "a turn has at least one message")?;
        refuse_if(limits.stack_bytes == Some(0), "stack_bytes", "a thread needs a stack")?;
        Ok(System::open(Shared::new(self.registry, self.storage, self.clock, self.limits, self.max_live)))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

fn refuse_if(zero: bool, setting: &'static str, instead: &'static str) -> Result<(), BuildError> {
    if zero { Err(BuildError { setting, instead }) } else { Ok(()) }
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the setting {setting} must not be 0: {instead}")]
pub struct BuildError {
    setting: &'static str,
    instead: &'static str,
}

impl BuildError {
    /// The name of the setting.
    pub fn setting(&self) -> &str {
        self.setting
    }
}
