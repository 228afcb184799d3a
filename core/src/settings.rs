//! What can be set for the actors of a system: for all of them, for a kind, for one.

mod text;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use text::option;

/// Settings of actors: those that are set here count, and the others are left to the layer below.
///
/// For all actors of a system they are set by its [`Builder`](crate::Builder) or its [`Config`](crate::Config), for a
/// kind by [`Builder::actor_with`](crate::Builder::actor_with) or the configuration, for one actor by
/// [`Handle::start_with`](crate::Handle::start_with). What is closer to the actor wins.
///
/// In a configuration file and in records they are a map of the names below to numbers and texts; times are texts like
/// `"30s"` or `"1m 30s"`.
///
/// | name | unless set |
/// |---|---|
/// | `restart` | `"transient"` |
/// | `save` | `"every-turn"` |
/// | `idle` | `"60s"` |
/// | `turn_messages` | 256 |
/// | `turn_time` | `"2ms"` |
/// | `max_restarts` | 3 |
/// | `restart_window` | `"5s"` |
/// | `backoff` | `"1s"` |
/// | `backoff_max` | `"1m"` |
/// | `call_timeout` | `"5s"` |
/// | `mailbox_capacity` | 1024 |
/// | `stack_bytes` | Rust's default, 2 MiB |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gargoyle::{RestartPolicy, SaveMode, Settings};
///
/// let settings = Settings::new().restart(RestartPolicy::Permanent).save(SaveMode::Every(Duration::from_secs(10)));
/// # let _ = settings;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    restart: Option<RestartPolicy>,
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    save: Option<SaveMode>,
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    idle: Option<Idle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    turn_messages: Option<usize>,
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    turn_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_restarts: Option<u32>,
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    restart_window: Option<Time>,
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    backoff: Option<Time>,
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    backoff_max: Option<Time>,
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    call_timeout: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mailbox_capacity: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack_bytes: Option<usize>,
}

/// What becomes of an actor that ends.
///
/// | what happens | temporary | transient | permanent |
/// |---|---|---|---|
/// | `stop` | record deleted | record deleted | record kept; the next message revives it |
/// | crash: a panic, a failed save, the death of the process | record deleted | record kept; the next message revives it | record kept; revived at once, after the death of the process by [`Builder::build`](crate::Builder::build) |
/// | petrifying, shutdown | kept | kept | kept |
///
/// `wipe` deletes the record whatever the policy. To know of the death of the process, the record of a temporary or a
/// permanent actor says that it is alive: that is one more save when it comes to life, unless it is saved then anyway, and
/// one when it petrifies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Its record outlives neither a stop nor a crash. One that was alive when the process died is born anew by the next
    /// message.
    Temporary,
    /// Its record outlives a crash and is deleted by a stop.
    #[default]
    Transient,
    /// Its record outlives both, and after a crash it comes back without a message. Its kind has to be registered by
    /// [`Builder::actor`](crate::Builder::actor) to come back after the death of the process.
    Permanent,
}

/// When the state of an actor is saved.
///
/// However it is set, the state is saved when the actor petrifies, at a shutdown, by
/// [`Context::save`](crate::Context::save), and after a crash up to the last message that did not crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SaveMode {
    /// Before any reply or cast of the turn leaves. Nothing that anybody heard of is lost.
    #[default]
    EveryTurn,
    /// This long after the first change at the latest; replies and casts leave before that. **What can be lost**: when
    /// the process dies or a save fails, all changes since the last save, though their callers have their replies. They
    /// are those of this time, and of the turn and the save that follow it.
    Every(Duration),
    /// When the actor petrifies, and else only in the cases above. **What can be lost**: when the process dies or that
    /// save fails, all changes of the incarnation, its birth included, though their callers have their replies.
    OnPetrify,
}

/// After how long without a message an actor petrifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Idle {
    After(Duration),
    Never,
}

/// A duration that is a text where it is serialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(Duration);

/// All settings of one actor, each with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) restart: RestartPolicy,
    pub(crate) save: SaveMode,
    /// `None`: never petrifies for idleness.
    pub(crate) idle: Option<Duration>,
    pub(crate) turn_messages: usize,
    pub(crate) turn_time: Duration,
    pub(crate) max_restarts: u32,
    pub(crate) restart_window: Duration,
    pub(crate) backoff: Duration,
    pub(crate) backoff_max: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) mailbox_capacity: usize,
    pub(crate) stack_bytes: Option<usize>,
}

impl Time {
    pub(crate) fn new(time: Duration) -> Self {
        Time(time)
    }

    pub(crate) fn get(self) -> Duration {
        self.0
    }
}

impl Settings {
    /// Nothing is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// What becomes of the actor when it ends. [`Transient`](RestartPolicy::Transient) unless set.
    #[must_use]
    pub fn restart(mut self, policy: RestartPolicy) -> Self {
        self.restart = Some(policy);
        self
    }

    /// When its state is saved. [`EveryTurn`](SaveMode::EveryTurn) unless set.
    #[must_use]
    pub fn save(mut self, mode: SaveMode) -> Self {
        self.save = Some(mode);
        self
    }

    /// After how long without a message it petrifies, measured from the end of its last one. 60 s unless set; 0 is
    /// refused.
    #[must_use]
    pub fn idle(mut self, time: Duration) -> Self {
        self.idle = Some(Idle::After(time));
        self
    }

    /// It does not petrify for being idle; only `petrify`, the shutdown, and others that need its room
    /// ([`max_live`](crate::Builder::max_live)) turn it to stone.
    #[must_use]
    pub fn idle_never(mut self) -> Self {
        self.idle = Some(Idle::Never);
        self
    }

    /// How many messages share one save at most. 256 unless set; 1 saves after each; 0 is refused.
    #[must_use]
    pub fn turn_messages(mut self, messages: usize) -> Self {
        self.turn_messages = Some(messages);
        self
    }

    /// How long a turn goes on taking messages before it saves, from when its first reply or cast waits for that, so that it
    /// does not wait long for its neighbours. 2 ms unless set; 0 saves after each message.
    #[must_use]
    pub fn turn_time(mut self, limit: Duration) -> Self {
        self.turn_time = Some(Time(limit));
        self
    }

    /// How many crashes within [`restart_window`](Self::restart_window) it may have before it is quarantined. 3 unless
    /// set. A load or an `init` that fails counts as a crash.
    #[must_use]
    pub fn max_restarts(mut self, crashes: u32) -> Self {
        self.max_restarts = Some(crashes);
        self
    }

    /// How long a crash counts. 5 s unless set; 0 is refused.
    #[must_use]
    pub fn restart_window(mut self, time: Duration) -> Self {
        self.restart_window = Some(Time(time));
        self
    }

    /// How long its first quarantine lasts at most; each further one is twice as long, up to `most`. Chance takes up to
    /// half of it away, so that many that failed together do not come back together. 1 s and 1 min unless set.
    #[must_use]
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        self.backoff = Some(Time(first));
        self.backoff_max = Some(Time(most));
        self
    }

    /// How long calls, queries, peeks and orders wait at most, and how long casts wait for space. 5 s unless set; 0 is
    /// refused. Not for one actor alone: handles do not know what its record says.
    #[must_use]
    pub fn call_timeout(mut self, limit: Duration) -> Self {
        self.call_timeout = Some(Time(limit));
        self
    }

    /// How many messages its mailbox holds before senders wait. 1024 unless set; 0 is refused. Not for one actor alone:
    /// its mailbox is made before its record is read.
    ///
    /// Senders that wait are woken together when half of it is free; they look by themselves too, at least each 16 ms.
    #[must_use]
    pub fn mailbox_capacity(mut self, messages: usize) -> Self {
        self.mailbox_capacity = Some(messages);
        self
    }

    /// The stack of its thread. Rust's default unless set, 2 MiB; memory is taken as it is used. Not for one actor
    /// alone: its thread is there before its record is read.
    #[must_use]
    pub fn stack_bytes(mut self, bytes: usize) -> Self {
        self.stack_bytes = Some(bytes);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Settings::default()
    }

    /// What counts of `self`, over `below`.
    pub(crate) fn over(&self, below: &Settings) -> Settings {
        Settings {
            restart: self.restart.or(below.restart),
            save: self.save.or(below.save),
            idle: self.idle.or(below.idle),
            turn_messages: self.turn_messages.or(below.turn_messages),
            turn_time: self.turn_time.or(below.turn_time),
            max_restarts: self.max_restarts.or(below.max_restarts),
            restart_window: self.restart_window.or(below.restart_window),
            backoff: self.backoff.or(below.backoff),
            backoff_max: self.backoff_max.or(below.backoff_max),
            call_timeout: self.call_timeout.or(below.call_timeout),
            mailbox_capacity: self.mailbox_capacity.or(below.mailbox_capacity),
            stack_bytes: self.stack_bytes.or(below.stack_bytes),
        }
    }

    /// What is so unless it is set.
    pub(crate) fn defaults() -> Settings {
        let time = |seconds| Some(Time(Duration::from_secs(seconds)));
        Settings {
            restart: Some(RestartPolicy::default()),
            save: Some(SaveMode::default()),
            idle: Some(Idle::After(Duration::from_secs(60))),
            turn_messages: Some(256),
            turn_time: Some(Time(Duration::from_millis(2))),
            max_restarts: Some(3),
            restart_window: time(5),
            backoff: time(1),
            backoff_max: time(60),
            call_timeout: time(5),
            mailbox_capacity: Some(1024),
            stack_bytes: None,
        }
    }

    /// What counts of `self`, over what is so unless it is set.
    pub(crate) fn resolved(&self) -> Resolved {
        const SET: &str = "the defaults set it";
        let all = self.over(&Settings::defaults());
        let time = |set: Option<Time>| set.expect(SET).get();
        Resolved {
            restart: all.restart.expect(SET),
            save: all.save.expect(SET),
            idle: match all.idle.expect(SET) {
                Idle::After(time) => Some(time),
                Idle::Never => None,
            },
            turn_messages: all.turn_messages.expect(SET),
            turn_time: time(all.turn_time),
            max_restarts: all.max_restarts.expect(SET),
            restart_window: time(all.restart_window),
            backoff: time(all.backoff),
            backoff_max: time(all.backoff_max).max(time(all.backoff)),
            call_timeout: time(all.call_timeout),
            mailbox_capacity: all.mailbox_capacity.expect(SET),
            stack_bytes: all.stack_bytes,
        }
    }

    /// Whether actors can live by this.
    ///
    /// # Errors
    ///
    /// Names the first setting that cannot be.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        let zero = Some(Time(Duration::ZERO));
        let never = [
            (self.idle == Some(Idle::After(Duration::ZERO)), "idle", "must not be 0: give a time, or never"),
            (
                self.save == Some(SaveMode::Every(Duration::ZERO)),
                "save",
                "must not be 0: give a time, or save every turn",
            ),
            (self.turn_messages == Some(0), "turn_messages", "must not be 0: a turn has at least one message"),
            (self.restart_window == zero, "restart_window", "must not be 0: give crashes some time to count"),
            (self.backoff == zero, "backoff", "must not be 0: give what fails some time to recover"),
            (self.call_timeout == zero, "call_timeout", "must not be 0: give calls some time"),
            (
                self.mailbox_capacity == Some(0),
                "mailbox_capacity",
                "must not be 0: a mailbox holds at least one message",
            ),
            (self.stack_bytes == Some(0), "stack_bytes", "must not be 0: a thread needs a stack"),
        ];
        match never.into_iter().find(|(wrong, ..)| *wrong) {
            Some((_, setting, instead)) => Err(SettingError::zero(setting, instead)),
            None => Ok(()),
        }
    }

    /// Whether one actor alone can live by this.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), and names a setting that counts before the record is read.
    pub(crate) fn check_for_one(&self) -> Result<(), SettingError> {
        let beyond = [
            (self.call_timeout.is_some(), "call_timeout"),
            (self.mailbox_capacity.is_some(), "mailbox_capacity"),
            (self.stack_bytes.is_some(), "stack_bytes"),
        ];
        match beyond.into_iter().find(|(set, _)| *set) {
            Some((_, setting)) => Err(SettingError {
                setting: setting.to_owned(),
                wrong: "cannot be set for one actor alone; set it for its kind",
                origin: None,
            }),
            None => self.check(),
        }
    }
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}the setting {setting} {wrong}", .origin.as_ref().map(|origin| format!("{origin}: ")).unwrap_or_default())]
pub struct SettingError {
    setting: String,
    wrong: &'static str,
    /// The file or the variable that says so, if it was one.
    origin: Option<String>,
}

impl SettingError {
    /// Its name; in a configuration its path, like `kinds.account.idle`.
    pub fn setting(&self) -> &str {
        &self.setting
    }

    pub(crate) fn zero(setting: &str, wrong: &'static str) -> Self {
        SettingError { setting: setting.to_owned(), wrong, origin: None }
    }

    /// The same, of a setting that `origin` has.
    pub(crate) fn said_by(mut self, origin: &str) -> Self {
        self.origin = Some(origin.to_owned());
        self
    }

    /// The same, as it is named where it is a part of `whole`.
    pub(crate) fn of(mut self, whole: &str) -> Self {
        self.setting = format!("{whole}.{}", self.setting);
        self
    }
}

impl RestartPolicy {
    /// Whether the record is kept when the actor is stopped.
    pub(crate) fn outlives_a_stop(self) -> bool {
        self == RestartPolicy::Permanent
    }

    /// Whether its record has to say that it is alive.
    pub(crate) fn marks(self) -> bool {
        self != RestartPolicy::Transient
    }
}
