//! The store as a system uses it: a panic in it, or a revision that it gives twice, is an error like any other.

use std::time::SystemTime;

use crate::error::Failure;
use crate::guard::guard;
use crate::storage::{Storage, StorageError, StorageErrorKind};
use crate::sync::Arc;
use crate::{ActorId, Record, RecordError, Revision, Visit};

#[derive(Clone)]
pub(crate) struct Store(Arc<dyn Storage>);

impl Store {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Store(storage)
    }

    /// The record of `id`, if there is one.
    pub(crate) fn load(&self, id: &ActorId) -> Result<Option<(Box<Record>, Revision)>, Failure> {
        let Some(stored) = Self::call(id, || self.0.load(id)).map_err(Failure::NotLoaded)? else { return Ok(None) };
        let record = Box::new(Record::from_bytes(&stored.bytes).map_err(Failure::Unreadable)?);
        if record.id == *id {
            Ok(Some((record, stored.revision)))
        } else {
            Err(Failure::Unreadable(RecordError::OtherActor(record.id.clone())))
        }
    }

    pub(crate) fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Result<Revision, Failure> {
        let saved = Self::call(id, || self.0.save(id, expected, bytes, wake_at)).and_then(|revision| {
            if Some(revision) > expected { Ok(revision) } else { Err(not_newer(id, revision, expected)) }
        });
        saved.map_err(|error| match error.kind() {
            StorageErrorKind::Stale => Failure::Conflict(error),
            _ => Failure::NotSaved(error),
        })
    }

    pub(crate) fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), Failure> {
        Self::call(id, || self.0.wipe(id, expected)).map_err(Failure::NotWiped)
    }

    pub(crate) fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError> {
        guard(|| self.0.due(until, visit)).unwrap_or_else(|panic| {
            let message = format!("the store panicked over who has to be revived: {panic}");
            Err(StorageError::new(StorageErrorKind::Unreachable, message))
        })
    }

    /// Tells the store that the actor is at rest. A panic is nobody's: nothing was promised to anybody.
    pub(crate) fn rest(&self, id: &ActorId) {
        let _ = guard(|| self.0.rest(id));
    }

    /// Nobody knows what a store did that panicked: that is what `Unreachable` says.
    fn call<T>(id: &ActorId, call: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
        guard(call).unwrap_or_else(|panic| Err(panicked(id, &panic)))
    }
}

#[cold]
fn not_newer(id: &ActorId, revision: Revision, expected: Option<Revision>) -> StorageError {
    let message = format!("the store gave {id} revision {revision} after {expected:?}");
    StorageError::new(StorageErrorKind::Unreachable, message)
}

#[cold]
fn panicked(id: &ActorId, panic: &str) -> StorageError {
    StorageError::new(StorageErrorKind::Unreachable, format!("the store panicked over {id}: {panic}"))
}
