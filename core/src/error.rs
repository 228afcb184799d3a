//! What can go wrong with a message, and what is known about it then.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::record::RecordError;
use crate::sync::Arc;
use crate::{ActorId, InvalidId, SettingError, StorageError};

/// The error type for whatever an actor's own code may fail with.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// An error of a user's code that more than one caller may hear of.
pub(crate) type SharedError = Arc<dyn Error + Send + Sync>;

/// To the error type that several callers can hear of.
pub(crate) trait IntoShared {
    fn into_shared(self) -> SharedError;
}

impl<E: Into<BoxError>> IntoShared for E {
    fn into_shared(self) -> SharedError {
        self.into().into()
    }
}

/// An error and its causes in one line.
pub(crate) struct WithCauses<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// As a person wants to read it, and never less than it is.
pub(crate) fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

/// Why a message, or an order such as `stop`, came to nothing.
///
/// The same failures appear in errors and in [events](crate::EventKind).
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The deadline passed.
    #[error("no answer within the deadline: {0}")]
    Timeout(Phase),
    /// The mailbox is full, and the send was one that does not wait.
    #[error("the mailbox is full; send again later, or with a verb that waits for space")]
    Full,
    /// As many actors are alive as may be, and none of them became idle until the deadline, or at once for a send that
    /// does not wait.
    #[error("{live} actors are alive, as many as may be, and none had time to make room")]
    Saturated {
        /// How many were alive.
        live: usize,
    },
    /// The handler panicked, with this message.
    #[error("the handler panicked: {0}")]
    Crashed(String),
    /// The store failed to save the state. The incarnation was given up; the next one loads what the store has.
    #[error("the state could not be saved")]
    NotSaved(#[source] StorageError),
    /// Somebody else wrote the record in the meantime. The incarnation was given up; the next one loads what the
    /// store has.
    #[error("the state could not be saved, as somebody else wrote the record")]
    Conflict(#[source] StorageError),
    /// The state that the handler left could not be encoded. The actor is back in the state before the message.
    #[error("the state that the handler left cannot be saved and was rolled back")]
    Rejected(#[source] SharedError),
    /// The store failed to delete the record.
    #[error("the record could not be deleted")]
    NotWiped(#[source] StorageError),
    /// The store could not load the record. Nothing was changed, and nothing is born in its place.
    #[error("the record could not be loaded")]
    NotLoaded(#[source] StorageError),
    /// The record was loaded, and what it holds cannot be understood. Nothing was changed, and nothing is born in its
    /// place.
    #[error("the record cannot be read")]
    Unreadable(#[source] RecordError),
    /// The record is sound, but the actor's type cannot be revived from the state or the arguments in it: they have
    /// another shape, or its `migrate`, `load` or `revived` failed. Nothing was changed, and nothing is born in its place.
    #[error("the actor's type refuses to be revived from what its record holds")]
    Refused(#[source] SharedError),
    /// The state was saved by a newer version of the actor's type. Nothing was changed, and nothing is born in its place.
    #[error("the state has version {found}, and this program knows versions up to {known}; use the newer program")]
    NewerVersion {
        /// The version of the state.
        found: u32,
        /// The [`VERSION`](crate::Actor::VERSION) of the type in this program.
        known: u32,
    },
    /// `init` failed, or panicked. There is no such actor yet.
    #[error("the actor could not be born")]
    NotBorn(#[source] SharedError),
    /// The machine had no thread for it.
    #[error("no thread could be started for the actor")]
    NoThread(#[source] Arc<io::Error>),
    /// The system is shutting down, or was shut down.
    #[error("the system is shut down")]
    Shutdown,
    /// The kind belongs to another type in this system.
    #[error("the kind is used by two types, {first} and {second}; give one of them another KIND")]
    KindConflict {
        /// The type that had it first.
        first: &'static str,
        /// The type that wants it too.
        second: &'static str,
    },
    /// The kind or the key cannot name an actor.
    #[error("invalid id")]
    InvalidId(#[from] InvalidId),
    /// The actor is quarantined, as it crashed too often (see [`Settings::max_restarts`](crate::Settings::max_restarts)).
    /// [`System::pardon`](crate::System::pardon) ends that.
    #[error("it crashed too often and is quarantined for another {:?}; wait, or pardon it", whole_millis(*.left))]
    Quarantined {
        /// For how long.
        left: Duration,
        /// What it failed by last.
        #[source]
        last: Arc<Failure>,
    },
    /// The process died while the actor was alive.
    #[error("the process died while the actor was alive")]
    ProcessDied,
    /// The actor is one of another system, and what was asked for is for those of one.
    #[error("it is an actor of another system")]
    OtherSystem,
    /// Nothing is known of the type that has this kind; registered by [`Builder::actor`](crate::Builder::actor) it would be.
    #[error("no type is known that has its kind; register it with the builder of the system")]
    UnknownKind,
    /// The actor cannot live by these settings.
    #[error("the actor cannot live by these settings")]
    Settings(#[from] SettingError),
    /// To wait would close a cycle of actors that wait for each other. The path begins and ends with the caller.
    #[error("to wait for it would be a deadlock: {}", show_path(.0))]
    Deadlock(Vec<ActorId>),
    /// The message that sent this one was rolled back by its handler.
    #[error("the message that sent it was rolled back")]
    RolledBack,
    /// The incarnation ended that this was for.
    #[error("the incarnation that it was for has ended")]
    Ended,
    /// The actor gave up the message without an answer.
    #[error("the message was given up without an answer")]
    Unanswered,
}

fn show_path(path: &[ActorId]) -> String {
    path.iter().map(ActorId::to_string).collect::<Vec<_>>().join(" waits for ")
}

/// How far a message had come when its sender's deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Phase {
    /// It waited for space in the mailbox.
    #[error("the mailbox stayed full")]
    Space,
    /// It was in the mailbox. It was taken back: it will not be handled.
    #[error("the message was still in the mailbox, and was taken back")]
    Queued,
    /// The actor has it, and will handle it to the end.
    #[error("the actor is still at work on the message")]
    Handling,
    /// It was handled; its effect is not known to be durable yet.
    #[error("the message is handled, and not yet saved")]
    Saving,
}

/// Whether a message that failed had an effect on the actor's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Handled {
    /// It was never handled, and never will be.
    No,
    /// It was handled, and its effect on the state is undone.
    RolledBack,
    /// It may have been handled, or may still be.
    Unknown,
}

impl Failure {
    /// Whether nothing of the message that it ended is in the store.
    pub(crate) fn is_surely_undone(&self) -> bool {
        self.handled() == Handled::RolledBack
    }

    /// Whether it is the actor that failed to come to life, and not its system that cannot have it.
    pub(crate) fn is_of_the_actor(&self) -> bool {
        matches!(
            self,
            Failure::NotLoaded(_)
                | Failure::Unreadable(_)
                | Failure::Refused(_)
                | Failure::NewerVersion { .. }
                | Failure::NotBorn(_)
        )
    }

    /// What follows from the failure alone; who knows better says so with [`CallError::with_handled`].
    fn handled(&self) -> Handled {
        match self {
            Failure::Timeout(Phase::Space | Phase::Queued)
            | Failure::Full
            | Failure::Saturated { .. }
            | Failure::NotLoaded(_)
            | Failure::Unreadable(_)
            | Failure::Refused(_)
            | Failure::NewerVersion { .. }
            | Failure::RolledBack
            | Failure::Ended
            | Failure::NotBorn(_)
            | Failure::NoThread(_)
            | Failure::Shutdown
            | Failure::KindConflict { .. }
            | Failure::InvalidId(_)
            | Failure::Quarantined { .. }
            | Failure::ProcessDied
            | Failure::UnknownKind
            | Failure::OtherSystem
            | Failure::Settings(_)
            | Failure::Deadlock(_) => Handled::No,
            Failure::Crashed(_) | Failure::Conflict(_) | Failure::Rejected(_) => Handled::RolledBack,
            Failure::NotSaved(error) if !error.kind().may_have_taken_effect() => Handled::RolledBack,
            Failure::NotWiped(error) if !error.kind().may_have_taken_effect() => Handled::No,
            Failure::NotSaved(_) | Failure::NotWiped(_) | Failure::Timeout(_) | Failure::Unanswered => Handled::Unknown,
        }
    }
}

/// Why a call, a query, a peek or an order (`start`, `stop`, `petrify`, `wipe`) has no result.
///
/// Its text (`{}`) names the actor and what happened; [`source`](Error::source) has the cause, and `{:#}` shows both in
/// one line.
///
/// # Examples
///
/// ```
/// # use gargoyle::{Actor, BoxError, Context, MemoryStorage, System};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Account;
/// # impl Actor for Account {
/// #     const KIND: &'static str = "account";
/// #     type Args = ();
/// #     fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> { Err("no more accounts today".into()) }
/// # }
/// # let system = System::builder(gargoyle_registry_std::StdRegistry::new(), MemoryStorage::new()).build()?;
/// let error = system.start::<Account>("alice", ()).unwrap_err();
/// assert_eq!(format!("{error}"), "account/alice: the actor could not be born");
/// assert_eq!(format!("{error:#}"), "account/alice: the actor could not be born: no more accounts today");
/// # Ok::<(), BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CallError {
    id: ActorId,
    failure: Failure,
    handled: Handled,
}

impl CallError {
    pub(crate) fn new(id: &ActorId, failure: Failure) -> Self {
        CallError { id: id.clone(), handled: failure.handled(), failure }
    }

    pub(crate) fn with_handled(mut self, handled: Handled) -> Self {
        self.handled = handled;
        self
    }

    /// The actor that the failure is about: the one that was called, or the one that called if its own state could not
    /// be saved before its call.
    pub fn id(&self) -> &ActorId {
        &self.id
    }

    /// What happened.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Whether the message had an effect.
    pub fn handled(&self) -> Handled {
        self.handled
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            write!(f, "{}: {}", self.id, WithCauses(&self.failure))
        } else {
            write!(f, "{}: {}", self.id, self.failure)
        }
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failure.source()
    }
}

/// Why a cast was not accepted. Has the message, which nobody else has.
#[derive(Clone)]
pub struct CastError<M> {
    error: CallError,
    message: M,
}

impl<M> CastError<M> {
    pub(crate) fn new(error: CallError, message: M) -> Self {
        CastError { error, message }
    }

    /// The error, without the message.
    pub fn error(&self) -> &CallError {
        &self.error
    }

    /// What happened.
    pub fn failure(&self) -> &Failure {
        self.error.failure()
    }

    /// The message, to send it again.
    pub fn into_message(self) -> M {
        self.message
    }
}

/// Shows everything but the message: it may be large, secret, or without `Debug`.
impl<M> fmt::Debug for CastError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CastError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<M> fmt::Display for CastError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<M> Error for CastError<M> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// Why a `try_call` or a `try_query` has no result. Has the message, unless the actor got it.
#[derive(Clone)]
pub struct TryCallError<M> {
    error: CallError,
    message: Option<M>,
}

impl<M> TryCallError<M> {
    pub(crate) fn new(error: CallError, message: Option<M>) -> Self {
        TryCallError { error, message }
    }

    /// The error, without the message.
    pub fn error(&self) -> &CallError {
        &self.error
    }

    /// What happened.
    pub fn failure(&self) -> &Failure {
        self.error.failure()
    }

    /// The message, if it did not get into the mailbox.
    pub fn into_message(self) -> Option<M> {
        self.message
    }
}

/// Shows everything but the message: it may be large, secret, or without `Debug`.
impl<M> fmt::Debug for TryCallError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryCallError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<M> fmt::Display for TryCallError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<M> Error for TryCallError<M> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
