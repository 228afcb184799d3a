//! A store in memory that can do all that a store on a medium can, and has a fault if it is given one.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use gargoyle::conformance::storage::Medium;
use gargoyle::{ActorId, BoxError, MemoryStorage, Revision, Storage, StorageError, StorageErrorKind, Stored, Visit};

pub(crate) type Loaded = Result<Option<Stored>, StorageError>;
pub(crate) type Saved = Result<Revision, StorageError>;
pub(crate) type Done = Result<(), StorageError>;

/// What a store does wrong. Each method is right unless a fault has another one.
pub(crate) trait Fault: Default + Send + Sync + 'static {
    fn load(&self, good: &MemoryStorage, id: &ActorId) -> Loaded {
        good.load(id)
    }

    fn save(&self, good: &MemoryStorage, save: Save<'_>) -> Saved {
        save.on(good)
    }

    fn wipe(&self, good: &MemoryStorage, id: &ActorId, expected: Option<Revision>) -> Done {
        good.wipe(id, expected)
    }

    fn scan(&self, good: &MemoryStorage, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Done {
        good.scan(kind, after, visit)
    }

    fn due(&self, good: &MemoryStorage, until: SystemTime, visit: Visit<'_>) -> Done {
        good.due(until, visit)
    }

    fn rest(&self, good: &MemoryStorage, id: &ActorId) {
        good.rest(id);
    }

    /// What is there when the store is opened again.
    fn reopened(&self, good: MemoryStorage) -> MemoryStorage {
        good
    }

    /// Whether a second opener is let in.
    fn lets_in(&self) -> bool {
        false
    }

    /// What a second opener is told.
    fn refusal(&self) -> String {
        "the shelf in the hall is in use".into()
    }

    /// What is said of a damaged record.
    fn load_damaged(&self, _good: &MemoryStorage, id: &ActorId) -> Loaded {
        Err(error(StorageErrorKind::Damaged, id))
    }

    fn save_damaged(&self, _good: &MemoryStorage, save: Save<'_>) -> Saved {
        Err(error(StorageErrorKind::Damaged, save.id))
    }

    /// A wipe of whatever is there. `true`: the damage is gone too.
    fn wipe_damaged(&self, good: &MemoryStorage, id: &ActorId) -> Result<bool, StorageError> {
        good.wipe(id, None).map(|()| true)
    }

    /// What is shown beside a damaged record.
    fn scan_beside_damage(
        &self,
        good: &MemoryStorage,
        kind: Option<&str>,
        after: Option<&ActorId>,
        visit: Visit<'_>,
    ) -> Done {
        good.scan(kind, after, visit)
    }

    fn save_failing(&self, _good: &MemoryStorage, save: Save<'_>) -> Saved {
        Err(error(StorageErrorKind::Unreachable, save.id))
    }

    fn load_failing(&self, _good: &MemoryStorage, id: &ActorId) -> Loaded {
        Err(error(StorageErrorKind::Unreachable, id))
    }
}

/// No fault.
#[derive(Default)]
pub(crate) struct Sound;

impl Fault for Sound {}

/// What a save was given.
#[derive(Clone, Copy)]
pub(crate) struct Save<'a> {
    pub(crate) id: &'a ActorId,
    pub(crate) expected: Option<Revision>,
    pub(crate) bytes: &'a [u8],
    pub(crate) wake_at: Option<SystemTime>,
}

impl Save<'_> {
    pub(crate) fn on(self, store: &MemoryStorage) -> Saved {
        store.save(self.id, self.expected, self.bytes, self.wake_at)
    }
}

pub(crate) fn error(kind: StorageErrorKind, id: &ActorId) -> StorageError {
    StorageError::new(kind, format!("the shelf says so of {id}"))
}

/// The medium.
pub(crate) struct Shelf<F>(Arc<Boards<F>>);

struct Boards<F> {
    /// Taken out while the store is opened.
    good: Mutex<Option<Arc<MemoryStorage>>>,
    fault: F,
    open: AtomicBool,
    failing: AtomicBool,
    damaged: Mutex<HashSet<ActorId>>,
}

impl<F: Fault> Shelf<F> {
    pub(crate) fn new() -> Self {
        let boards = Boards {
            good: Mutex::new(Some(Arc::default())),
            fault: F::default(),
            open: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            damaged: Mutex::default(),
        };
        Shelf(Arc::new(boards))
    }
}

impl<F: Fault> Medium for Shelf<F> {
    fn open(&self) -> Result<Box<dyn Storage>, BoxError> {
        let boards = &self.0;
        if boards.open.swap(true, Ordering::SeqCst) && !boards.fault.lets_in() {
            return Err(boards.fault.refusal().into());
        }
        let mut place = boards.good.lock().unwrap();
        let good = place.take().expect("put back below");
        // With a second opener that was let in there is nothing to reopen.
        let good = Arc::try_unwrap(good).map(|good| Arc::new(boards.fault.reopened(good))).unwrap_or_else(|good| good);
        *place = Some(good.clone());
        Ok(Box::new(Opened { good, boards: boards.clone() }))
    }

    fn damage(&self, id: &ActorId) -> Result<(), BoxError> {
        self.0.damaged.lock().unwrap().insert(id.clone());
        Ok(())
    }

    fn set_failing(&self, failing: bool) -> Result<(), BoxError> {
        self.0.failing.store(failing, Ordering::SeqCst);
        Ok(())
    }

    fn name(&self) -> Option<String> {
        Some("the hall".into())
    }
}

struct Opened<F> {
    good: Arc<MemoryStorage>,
    boards: Arc<Boards<F>>,
}

impl<F> Opened<F> {
    fn is_failing(&self) -> bool {
        self.boards.failing.load(Ordering::SeqCst)
    }

    fn is_damaged(&self, id: &ActorId) -> bool {
        self.boards.damaged.lock().unwrap().contains(id)
    }
}

impl<F> Drop for Opened<F> {
    fn drop(&mut self) {
        self.boards.open.store(false, Ordering::SeqCst);
    }
}

impl<F: Fault> Storage for Opened<F> {
    fn load(&self, id: &ActorId) -> Loaded {
        match () {
            () if self.is_failing() => self.boards.fault.load_failing(&self.good, id),
            () if self.is_damaged(id) => self.boards.fault.load_damaged(&self.good, id),
            () => self.boards.fault.load(&self.good, id),
        }
    }

    fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Result<Revision, StorageError> {
        let save = Save { id, expected, bytes, wake_at };
        match () {
            () if self.is_failing() => self.boards.fault.save_failing(&self.good, save),
            () if self.is_damaged(id) => self.boards.fault.save_damaged(&self.good, save),
            () => self.boards.fault.save(&self.good, save),
        }
    }

    fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Done {
        if self.is_failing() {
            return Err(error(StorageErrorKind::Unreachable, id));
        }
        if !self.is_damaged(id) {
            return self.boards.fault.wipe(&self.good, id, expected);
        }
        if expected.is_some() {
            return Err(error(StorageErrorKind::Stale, id));
        }
        if self.boards.fault.wipe_damaged(&self.good, id)? {
            self.boards.damaged.lock().unwrap().remove(id);
        }
        Ok(())
    }

    fn scan(&self, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Done {
        if self.boards.damaged.lock().unwrap().is_empty() {
            self.boards.fault.scan(&self.good, kind, after, visit)
        } else {
            self.boards.fault.scan_beside_damage(&self.good, kind, after, visit)
        }
    }

    fn due(&self, until: SystemTime, visit: Visit<'_>) -> Done {
        self.boards.fault.due(&self.good, until, visit)
    }

    fn rest(&self, id: &ActorId) {
        self.boards.fault.rest(&self.good, id);
    }
}
