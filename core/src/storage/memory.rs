//! A store in memory: for tests, and for actors that need not outlive the process.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::time::SystemTime;

use super::{Revision, Storage, StorageError, StorageErrorKind, Stored, Visit};
use crate::ActorId;
use crate::sync::Mutex;

/// Keeps records in memory. Nothing survives the process: **every record is lost when it ends.**
///
/// Apart from that it keeps the whole contract of [`Storage`]: actors petrify into it and are revived from it. Put it
/// into an [`Arc`](crate::sync::Arc) to hand the same records to a second system after the first was shut down.
///
/// # Examples
///
/// ```
/// use gargoyle::{ActorId, MemoryStorage, Storage};
///
/// let store = MemoryStorage::new();
/// let id = ActorId::new("account", "alice")?;
/// let first = store.save(&id, None, b"100", None)?;
/// assert!(store.save(&id, None, b"200", None).is_err(), "there is a record already");
/// assert_eq!(store.load(&id)?.unwrap().revision, first);
/// # Ok::<(), gargoyle::BoxError>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryStorage {
    records: Mutex<Records>,
}

#[derive(Debug, Default)]
struct Records {
    by_id: BTreeMap<ActorId, Stored>,
    /// One count for all ids, so that a wiped id leaves nothing behind and yet never sees a revision again.
    last: u64,
}

impl MemoryStorage {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows one after the other, and takes the lock for each anew.
    fn show(&self, after: Option<&ActorId>, accepts: impl Fn(&ActorId, &Stored) -> bool, visit: Visit<'_>) {
        let mut after = after.cloned();
        loop {
            let next = self.records.lock().next(after.as_ref(), &accepts);
            let Some(id) = next else { return };
            after = Some(id.clone());
            if let ControlFlow::Break(()) = visit(id) {
                return;
            }
        }
    }
}

impl Records {
    fn expect(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        let found = self.by_id.get(id).map(|stored| stored.revision);
        if found == expected { Ok(()) } else { Err(stale(id, expected, found)) }
    }

    /// The next id after this one that `accepts`.
    fn next(&self, after: Option<&ActorId>, accepts: impl Fn(&ActorId, &Stored) -> bool) -> Option<ActorId> {
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        self.by_id.range::<ActorId, _>(range).find(|(id, stored)| accepts(id, stored)).map(|(id, _)| id.clone())
    }
}

impl Storage for MemoryStorage {
    fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError> {
        Ok(self.records.lock().by_id.get(id).cloned())
    }

    fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Result<Revision, StorageError> {
        let mut records = self.records.lock();
        records.expect(id, expected)?;
        records.last += 1;
        let revision = Revision::new(records.last);
        records.by_id.insert(id.clone(), Stored { revision, bytes: bytes.to_vec(), wake_at });
        Ok(revision)
    }

    fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        let mut records = self.records.lock();
        if expected.is_some() && records.by_id.contains_key(id) {
            records.expect(id, expected)?;
        }
        records.by_id.remove(id);
        Ok(())
    }

    fn scan(&self, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Result<(), StorageError> {
        self.show(after, |id, _| kind.is_none_or(|kind| id.kind() == kind), visit);
        Ok(())
    }

    fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError> {
        self.show(None, |_, stored| stored.wake_at.is_some_and(|at| at <= until), visit);
        Ok(())
    }
}

#[cold]
fn stale(id: &ActorId, expected: Option<Revision>, found: Option<Revision>) -> StorageError {
    let show = |revision: Option<Revision>| revision.map_or("no record".to_owned(), |r| format!("revision {r}"));
    let message = format!("{id}: expected {}, found {}; somebody else wrote it", show(expected), show(found));
    StorageError::new(StorageErrorKind::Stale, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_revision_comes_back_after_a_wipe() {
        let store = MemoryStorage::new();
        let id = ActorId::new("k", "a").unwrap();
        let first = store.save(&id, None, b"1", None).unwrap();
        store.wipe(&id, None).unwrap();
        store.wipe(&id, Some(first)).unwrap();
        assert_eq!(store.load(&id).unwrap(), None);
        let second = store.save(&id, None, b"2", None).unwrap();
        assert!(second > first);
        assert_eq!(store.save(&id, Some(first), b"3", None).unwrap_err().kind(), StorageErrorKind::Stale);
        assert_eq!(store.wipe(&id, Some(first)).unwrap_err().kind(), StorageErrorKind::Stale);
    }

    #[test]
    fn ids_are_shown_in_their_order_and_by_their_time() {
        let store = MemoryStorage::new();
        let id = |kind: &'static str, key: &str| ActorId::new(kind, key).unwrap();
        let at = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        for (key, wake_at) in [("b", Some(at(2))), ("a", None), ("c", Some(at(1)))] {
            store.save(&id("k", key), None, b"1", wake_at).unwrap();
        }
        store.save(&id("j", "z"), None, b"1", None).unwrap();

        let scan = |kind: Option<&str>, after: Option<ActorId>| {
            let mut seen = Vec::new();
            let mut see = |id: ActorId| {
                seen.push(id.to_string());
                ControlFlow::Continue(())
            };
            store.scan(kind, after.as_ref(), &mut see).unwrap();
            seen
        };
        assert_eq!(scan(None, None), ["j/z", "k/a", "k/b", "k/c"]);
        assert_eq!(scan(Some("k"), Some(id("k", "a"))), ["k/b", "k/c"]);

        let due = |until| {
            let mut seen = Vec::new();
            let mut see = |id: ActorId| {
                seen.push(id.to_string());
                ControlFlow::Continue(())
            };
            store.due(until, &mut see).unwrap();
            seen
        };
        assert!(due(at(0)).is_empty());
        assert_eq!(due(at(1)), ["k/c"]);
        assert_eq!(due(at(9)), ["k/b", "k/c"]);
        let newest = store.load(&id("k", "b")).unwrap().unwrap().revision;
        store.save(&id("k", "b"), Some(newest), b"2", None).unwrap();
        assert_eq!(due(at(9)), ["k/c"], "the newest save says when");
    }
}
