//! What a store has to promise, and the errors it reports.

mod memory;

use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;
use std::time::SystemTime;

pub use memory::MemoryStorage;

use crate::error::WithCauses;
use crate::sync::Arc;
use crate::{ActorId, BoxError};

/// The version number of a record: larger with every save of an id, and never used twice for it, not even after a
/// wipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// The revision with this number. For stores.
    pub const fn new(number: u64) -> Self {
        Revision(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a store holds for an id.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The revision of the newest complete save.
    pub revision: Revision,
    /// Its bytes, as they were saved.
    pub bytes: Vec<u8>,
    /// Its `wake_at`, to the millisecond.
    pub wake_at: Option<SystemTime>,
}

/// Says how long the record is, and not what is in it: what is printed ends up in logs.
impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("revision", &self.revision)
            .field("bytes", &format_args!("{} bytes", self.bytes.len()))
            .field("wake_at", &self.wake_at)
            .finish()
    }
}

/// Keeps the records of actors. A contract for whoever writes a store.
///
/// A store knows ids and bytes, never actors or threads. Its methods are called from many threads at once: from the
/// threads of live actors, each for its own id, and from any thread that peeks at an actor of stone. They may block
/// for as long as the medium takes; nothing but the callers of that one actor waits for them. They must not panic and
/// must not call back into the system.
///
/// What `Ok` promises:
///
/// - **Durable.** After `save` and `wipe` return `Ok`, their effect survives the death of the process, and with a
///   medium that keeps its promises a power cut. A store that gives less says so in its documentation and in its name
///   or its constructor.
/// - **Whole.** `load` gives the bytes of one save, never a mix of two and never those of a wiped record. A crash in
///   the middle of a save leaves the record before or the record after.
/// - **In order.** The save and the wipe of one id take effect one after the other; a `load` that begins after one of
///   them returned sees it.
/// - **Once.** A revision never comes back, see [`Revision`].
///
/// And what `Err` promises is said at each [`StorageErrorKind`]. Above all, what cannot be read is never reported as
/// absent: an actor would be born anew in its place.
///
/// Ids that reach a store are valid (see [`ActorId`]): a store need not check their lengths again.
///
/// One process owns a store at a time. A second opener gets an error that names the store.
pub trait Storage: Send + Sync + 'static {
    /// Loads the newest complete save of `id`, or `None` if there is none or it was wiped.
    ///
    /// # Errors
    ///
    /// [`Damaged`](StorageErrorKind::Damaged), [`Unreachable`](StorageErrorKind::Unreachable) or
    /// [`Refused`](StorageErrorKind::Refused). Absence is not an error.
    fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError>;

    /// Replaces the record of revision `expected` by `bytes`, and returns the new revision when that is durable.
    ///
    /// `None` expects that there is no record. This is a compare-and-swap: of several that expect the same revision
    /// one succeeds, and the others get [`Stale`](StorageErrorKind::Stale).
    ///
    /// `wake_at` is the time from which [`due`](Self::due) shows the id, until the next save says otherwise; `None`
    /// never. It may be kept as a whole number of milliseconds since 1970, rounded down, and a time before 1970 as 0.
    ///
    /// # Errors
    ///
    /// Any [`StorageErrorKind`].
    fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Result<Revision, StorageError>;

    /// Deletes the record of `id`, durably. Does nothing if there is none.
    ///
    /// With `expected`, deletes that revision only; with `None` whatever is there, damaged records included.
    ///
    /// # Errors
    ///
    /// [`Stale`](StorageErrorKind::Stale) if a record of another revision than `expected` is there;
    /// [`Damaged`](StorageErrorKind::Damaged) if, with `expected`, the record cannot be read, or if another id's is there;
    /// [`Unreachable`](StorageErrorKind::Unreachable) or [`Refused`](StorageErrorKind::Refused).
    fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError>;

    /// Shows the ids that have a record, in their order, and loads none of them: those of `kind`, or of all kinds, that
    /// come after the id `after`, or from the first one on. Ends early when `visit` breaks.
    ///
    /// Ids that can be told are shown before an error is returned. Stable while others write: an id that has a record from the call to the return is shown exactly once, and none
    /// is shown twice. Records that cannot be read are shown too, as far as the store can tell whose they are. No lock is
    /// held while `visit` runs, which may call the store.
    ///
    /// # Errors
    ///
    /// [`Unreachable`](StorageErrorKind::Unreachable), whatever keeps the store from looking, or
    /// [`Damaged`](StorageErrorKind::Damaged): what was shown is there, what was not is not known.
    fn scan(&self, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Result<(), StorageError>;

    /// Shows the ids whose newest save had a `wake_at` up to `until`, in any order: the actors that have to be revived
    /// without a message. Ends early when `visit` breaks.
    ///
    /// Complete, and a hint: it may show an id too many, whose save was cut short, say, but none twice. The record decides.
    /// May wait for a save of an id that it looks at. No lock is held while `visit` runs, which may call the store.
    ///
    /// # Errors
    ///
    /// As [`scan`](Self::scan).
    fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError>;

    /// Hears that the actor `id` has come to rest: whatever the store keeps in memory or open for its next save can go. The
    /// record stays as it is, and everything is answered as before.
    ///
    /// A system calls this from the thread that saved and wiped for the actor, after the last of these, and before anybody
    /// is told that the actor is not alive any more: at every end of an incarnation, be it stone, a stop, a wipe, a crash or
    /// a birth that failed, and after an order that was carried out on a record alone. It may be called when nothing was
    /// saved, for an id without a record, and more than once. The next incarnation of the actor may begin at once.
    ///
    /// It is not called for those who only look, so that nothing should be kept for a `load` alone; nor when the process
    /// is killed, or by a program that uses a store without a system. So what a store keeps is bounded by other means too.
    ///
    /// It cannot fail, and is quick: the actor's next message may wait for it. Does nothing unless a store keeps something;
    /// one that wraps another passes it on.
    fn rest(&self, id: &ActorId) {
        let _ = id;
    }
}

/// What is done with each id that [`Storage::scan`] and [`Storage::due`] show; `Break` ends them.
pub type Visit<'a> = &'a mut dyn FnMut(ActorId) -> ControlFlow<()>;

/// A store behind an [`Arc`] is a store: so that a test, say, can keep an end of it.
impl<S: Storage + ?Sized> Storage for Arc<S> {
    fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError> {
        (**self).load(id)
    }

    fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Result<Revision, StorageError> {
        (**self).save(id, expected, bytes, wake_at)
    }

    fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        (**self).wipe(id, expected)
    }

    fn scan(&self, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Result<(), StorageError> {
        (**self).scan(kind, after, visit)
    }

    fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError> {
        (**self).due(until, visit)
    }

    fn rest(&self, id: &ActorId) {
        (**self).rest(id);
    }
}

/// What went wrong in a store, by what can be concluded from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// Something is there, and it is not what was saved. The store leaves it as it is, but for a wipe, and for a save that
    /// states its revision, as whoever knows that has loaded it.
    Damaged,
    /// The medium failed. A save or a wipe that ends so **may or may not** have taken effect.
    Unreachable,
    /// Another revision is there than the one expected. Nothing was changed.
    Stale,
    /// No room. Nothing was changed.
    Full,
    /// The store will not do this: a format it does not know, a size over its limit, a folder that may not be
    /// written. Nothing was changed.
    Refused,
}

impl StorageErrorKind {
    /// Whether a save that ended so may have taken effect all the same.
    pub fn may_have_taken_effect(self) -> bool {
        matches!(self, StorageErrorKind::Unreachable)
    }
}

/// An error of a store. Cheap to clone, as one failed save is news for every caller of a turn.
#[derive(Clone, Debug)]
pub struct StorageError {
    kind: StorageErrorKind,
    message: Arc<str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl StorageError {
    /// An error with a message: it names the file, folder or table, says what is wrong with it, and where there is
    /// one what to do.
    pub fn new(kind: StorageErrorKind, message: impl Into<String>) -> Self {
        StorageError { kind, message: message.into().into(), source: None }
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into().into());
        self
    }

    /// What can be concluded from it.
    pub fn kind(&self) -> StorageErrorKind {
        self.kind
    }
}

/// `{:#}` adds the causes.
impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { WithCauses(self).fmt(f) } else { f.write_str(&self.message) }
    }
}

impl Error for StorageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
