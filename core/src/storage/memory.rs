//! A store in memory: for tests, and for actors that need not outlive the process.

use std::collections::HashMap;

use super::{Revision, Storage, StorageError, StorageErrorKind, Stored};
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
/// let first = store.save(&id, None, b"100")?;
/// assert!(store.save(&id, None, b"200").is_err(), "there is a record already");
/// assert_eq!(store.load(&id)?.unwrap().revision, first);
/// # Ok::<(), gargoyle::BoxError>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryStorage {
    records: Mutex<Records>,
}

#[derive(Debug, Default)]
struct Records {
    by_id: HashMap<ActorId, Stored>,
    /// One count for all ids, so that a wiped id leaves nothing behind and yet never sees a revision again.
    last: u64,
}

impl MemoryStorage {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Records {
    fn expect(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        let found = self.by_id.get(id).map(|stored| stored.revision);
        if found == expected { Ok(()) } else { Err(stale(id, expected, found)) }
    }
}

impl Storage for MemoryStorage {
    fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError> {
        Ok(self.records.lock().by_id.get(id).cloned())
    }

    fn save(&self, id: &ActorId, expected: Option<Revision>, bytes: &[u8]) -> Result<Revision, StorageError> {
        let mut records = self.records.lock();
        records.expect(id, expected)?;
        records.last += 1;
        let revision = Revision::new(records.last);
        records.by_id.insert(id.clone(), Stored { revision, bytes: bytes.to_vec() });
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
}

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
        let first = store.save(&id, None, b"1").unwrap();
        store.wipe(&id, None).unwrap();
        store.wipe(&id, Some(first)).unwrap();
        assert_eq!(store.load(&id).unwrap(), None);
        let second = store.save(&id, None, b"2").unwrap();
        assert!(second > first);
        assert_eq!(store.save(&id, Some(first), b"3").unwrap_err().kind(), StorageErrorKind::Stale);
        assert_eq!(store.wipe(&id, Some(first)).unwrap_err().kind(), StorageErrorKind::Stale);
    }
}
