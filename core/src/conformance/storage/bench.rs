//! What a case works with: a fresh medium, the store on it, and its methods with errors as text.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use super::{Capabilities, Capability, Medium};
use crate::conformance::{Miss, Verdict, ensure, failed};
use crate::error::WithCauses;
use crate::sync::Arc;
use crate::{ActorId, BoxError, Revision, Storage, StorageError, StorageErrorKind, Stored};

/// What every case is given.
pub(super) struct Bench<'a> {
    factory: &'a dyn Fn() -> Box<dyn Medium>,
    pub(super) capabilities: &'a Capabilities,
}

impl<'a> Bench<'a> {
    pub(super) fn new(factory: &'a dyn Fn() -> Box<dyn Medium>, capabilities: &'a Capabilities) -> Self {
        Bench { factory, capabilities }
    }

    /// Skips the case if the store lacks this.
    pub(super) fn needs(&self, capability: Capability) -> Verdict {
        self.capabilities.lack(capability).map_or(Ok(()), |why| Err(Miss::Skipped(why)))
    }

    pub(super) fn can(&self, capability: Capability) -> bool {
        self.capabilities.lack(capability).is_none()
    }

    pub(super) fn patience(&self) -> Duration {
        self.capabilities.patience
    }

    /// A fresh medium with an open and empty store.
    pub(super) fn lab(&self) -> Verdict<Lab> {
        let medium = (self.factory)();
        let store = Some(Store(open(&*medium)?));
        Ok(Lab { store, medium })
    }
}

fn open(medium: &dyn Medium) -> Verdict<Arc<dyn Storage>> {
    medium.open().map(Arc::from).map_err(|error| Miss::Failed(format!("cannot open the store: {}", chain(&*error))))
}

/// A medium and the store that is open on it. The store is dropped first.
pub(super) struct Lab {
    store: Option<Store>,
    pub(super) medium: Box<dyn Medium>,
}

impl Lab {
    pub(super) fn store(&self) -> &Store {
        self.store.as_ref().expect("a lab is used while its store is open")
    }

    pub(super) fn close(&mut self) {
        self.store = None;
    }

    /// Opens the store again, which has been closed or is closed now.
    pub(super) fn reopen(&mut self) -> Verdict {
        self.close();
        self.store = Some(Store(open(&*self.medium)?));
        Ok(())
    }
}

/// A store whose unexpected errors fail the case. Cheap to clone, for threads.
#[derive(Clone)]
pub(super) struct Store(pub(super) Arc<dyn Storage>);

impl Store {
    pub(super) fn load(&self, id: &ActorId) -> Verdict<Option<Stored>> {
        self.0.load(id).map_err(|error| unexpected("load", id, error))
    }

    /// Loads a record that has to be there.
    pub(super) fn load_there(&self, id: &ActorId) -> Verdict<Stored> {
        self.load(id)?.ok_or_else(|| Miss::Failed(format!("load of {id}: expected its record, saw none")))
    }

    pub(super) fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Verdict<Revision> {
        self.0.save(id, expected, bytes, wake_at).map_err(|error| unexpected("save", id, error))
    }

    /// The first save of an id, without a time to wake.
    pub(super) fn create(&self, id: &ActorId, bytes: &[u8]) -> Verdict<Revision> {
        self.save(id, None, bytes, None)
    }

    pub(super) fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Verdict {
        self.0.wipe(id, expected).map_err(|error| unexpected("wipe", id, error))
    }

    /// All ids that a scan shows, in the order in which it does.
    pub(super) fn scan(&self, kind: Option<&str>, after: Option<&ActorId>) -> Verdict<Vec<ActorId>> {
        let mut seen = Vec::new();
        let mut see = |id| {
            seen.push(id);
            ControlFlow::Continue(())
        };
        match self.0.scan(kind, after, &mut see) {
            Ok(()) => Ok(seen),
            Err(error) => failed(format!("scan({kind:?}, {after:?}): unexpected error: {}", chain(&error))),
        }
    }

    /// All ids that are due.
    pub(super) fn due(&self, until: SystemTime) -> Verdict<BTreeSet<ActorId>> {
        let mut seen = BTreeSet::new();
        let mut see = |id| {
            seen.insert(id);
            ControlFlow::Continue(())
        };
        match self.0.due(until, &mut see) {
            Ok(()) => Ok(seen),
            Err(error) => failed(format!("due({until:?}): unexpected error: {}", chain(&error))),
        }
    }

    /// Fails unless this is what is there.
    pub(super) fn has(&self, id: &ActorId, revision: Revision, bytes: &[u8]) -> Verdict {
        let seen = self.load(id)?;
        let wake_at = seen.as_ref().and_then(|seen| seen.wake_at);
        let expected = Some(Stored { revision, bytes: bytes.to_vec(), wake_at });
        ensure(seen == expected, || format!("load of {id}: expected {}, saw {}", show(&expected), show(&seen)))
    }

    pub(super) fn has_nothing(&self, id: &ActorId) -> Verdict {
        let seen = self.load(id)?;
        ensure(seen.is_none(), || format!("load of {id}: expected no record, saw {}", show(&seen)))
    }

    /// Fails unless a save that expects this revision is refused as stale.
    pub(super) fn refuses_save(&self, id: &ActorId, expected: Option<Revision>) -> Verdict {
        let seen = self.0.save(id, expected, b"of somebody who is late", None);
        is_stale(&format!("save of {id} that expects {}", revision(expected)), seen)
    }

    /// Fails unless a wipe of this revision is refused as stale.
    pub(super) fn refuses_wipe(&self, id: &ActorId, expected: Revision) -> Verdict {
        is_stale(&format!("wipe of {id} that expects {}", revision(Some(expected))), self.0.wipe(id, Some(expected)))
    }
}

fn is_stale<T: std::fmt::Debug>(what: &str, seen: Result<T, StorageError>) -> Verdict {
    match seen {
        Err(error) if error.kind() == StorageErrorKind::Stale => Ok(()),
        Err(error) => failed(format!("{what}: expected Stale, saw {:?}: {}", error.kind(), chain(&error))),
        Ok(value) => failed(format!("{what}: expected Stale, saw Ok({value:?})")),
    }
}

pub(super) fn unexpected(verb: &str, id: &ActorId, error: StorageError) -> Miss {
    Miss::Failed(format!("{verb} of {id}: unexpected {:?} error: {}", error.kind(), chain(&error)))
}

/// An error and its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    WithCauses(error).to_string()
}

pub(super) fn revision(revision: Option<Revision>) -> String {
    revision.map_or("no record".to_owned(), |revision| format!("revision {revision}"))
}

fn show(stored: &Option<Stored>) -> String {
    let Some(Stored { revision, bytes, .. }) = stored else { return "no record".to_owned() };
    let shown = bytes[..bytes.len().min(40)].escape_ascii();
    format!("revision {revision} of {} bytes, \"{shown}\"{}", bytes.len(), if bytes.len() > 40 { "…" } else { "" })
}

/// An id that is known to be valid.
pub(super) fn id(kind: impl Into<String>, key: impl Into<String>) -> ActorId {
    ActorId::new(kind.into(), key).expect("the kit's ids are valid")
}

/// So many milliseconds after a fixed moment.
pub(super) fn at(ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + ms)
}

/// Turns what a medium says into a failure of the case.
pub(super) fn done(what: &str, result: Result<(), BoxError>) -> Verdict {
    result.map_err(|error| Miss::Failed(format!("{what}: {}", chain(&*error))))
}
