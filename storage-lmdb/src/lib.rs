//! A store for Gargoyle's durable actors on LMDB: saves that happen at the same time share one commit.
//!
//! ```
//! use gargoyle::{ActorId, Storage};
//! use gargoyle_storage_lmdb::LmdbStorage;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("store");
//! let store = LmdbStorage::open(&path)?;
//! let alice = ActorId::new("account", "alice")?;
//! let first = store.save(&alice, None, b"100 coins", None)?;
//! let second = store.save(&alice, Some(first), b"70 coins", None)?;
//! drop(store);
//!
//! let store = LmdbStorage::open(&path)?;
//! let stored = store.load(&alice)?.expect("saved above");
//! assert_eq!((stored.revision, stored.bytes), (second, b"70 coins".to_vec()));
//! # Ok::<(), gargoyle::BoxError>(())
//! ```
//!
//! # What it promises
//!
//! All of the contract of [`Storage`], on local file systems that keep what they were made to write through a sync.
//! Above that:
//!
//! - **`Ok` is durable.** When a save or a wipe returns, LMDB has synced its pages and then the page that refers to them.
//!   Nothing else is needed after a crash: the store opens at once, however large it is, and shows the last commit.
//! - **A commit is all or nothing**: the record, the revision and the entry in the index of those who are due. Of
//!   several saves in one commit each has its own outcome; a stale one, or one that is too large, fails alone.
//! - **A store that is full loses nothing.** A save for which there is no room is
//!   [`Full`](gargoyle::StorageErrorKind::Full), below the limit of size or on the disk. Loads go on, saves that do not
//!   grow the store too, and so do wipes as long as the disk has some pages.
//! - **Damage is reported.** Head and body of each record have checksums, and the head says whose it is. Before a record
//!   is taken for absent, its neighbours are looked at, which would have led astray the search for it.
//! - Actors that nobody uses take no memory and no open file. The store has four files open, however many threads use it.
//!
//! # What it does not
//!
//! - **Network file systems** are not safe: LMDB maps its file into memory.
//! - **The map and the file are one.** An unreadable sector under a page, or a file that somebody shortens while it is
//!   open, kills the process with `SIGBUS`, as it does with every program that maps files. And LMDB trusts its pages: it
//!   has no checksums for them. When a store is opened, this crate looks at the pages by which LMDB finds everything
//!   else, and with [`check_pages`](LmdbOptions::check_pages) at all others. Rot in the inner pages of a database that is
//!   in use may be found as late as by an error, an assertion of LMDB's in a debug build, or a crash.
//! - **One process** has the store. A process that was made by `fork` cannot use it, and is told so.
//! - **Encryption** is the disk's. On Unix, folder and files are for their owner's eyes only.
//! - **The file never shrinks.** What wipes leave is used again. To shrink it, close the store and copy it with
//!   `mdb_copy -c`.
//! - **`LOCK`** never goes stale and must not be deleted.
//!
//! # What it costs
//!
//! A commit is two flushes of the device. A thread that saves alone pays both and waits for nobody. Those who come during
//! a commit wait for it and are the next one together: so the more threads save, the more share the two flushes. No
//! thread of the store's own is needed for that, one of theirs does the work for all. Loads wait for nobody, and copy the
//! record out of the map.
//!
//! A small record takes its bytes, its id and some 50 more, in pages that are two thirds full; one of more than 2 KB takes
//! pages of its own, in steps of 4 KiB. The limit is 256 MiB a record.
//!
//! The layout is in `FORMAT.md` beside the sources.
#![deny(unsafe_code)]

mod batch;
mod disk;
mod env;
mod error;
mod failure;
mod group;
mod key;
mod list;
mod lookup;
mod options;
mod owner;
mod pages;
mod readers;
mod record;
mod store;

use std::path::Path;
use std::time::SystemTime;

use batch::{Answer, Change, Request};
use gargoyle::{ActorId, Revision, Storage, StorageError, StorageErrorKind, Stored, Visit};
use group::{Abandoned, Group, Limits};
use store::Store;

pub use error::{OpenError, OpenErrorKind};
pub use options::LmdbOptions;

/// How much is committed together: enough that the two flushes do not show, and not so much that its pages fill the
/// memory. A record that is larger is committed alone.
const LIMITS: Limits = Limits { requests_max: 4096, weight_max: 64 << 20 };

/// Keeps the records of actors in an LMDB environment. What it promises is said at the [crate].
///
/// The store is this process's until this is dropped, or that of all who look if it was opened
/// [to be read only](LmdbStorage::open_read_only).
#[derive(Debug)]
pub struct LmdbStorage {
    store: Store,
    group: Group<Request, Answer>,
}

impl LmdbStorage {
    /// Opens the store in the folder `path` with the default settings, and makes it if there is no such folder or an
    /// empty one.
    ///
    /// # Errors
    ///
    /// As [`LmdbOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::options().open(path)
    }

    /// Opens the store in the folder `path` to look into it: no byte of it is changed by this, or by anything that is
    /// done with it until it is dropped.
    ///
    /// - [`save`](Storage::save) and [`wipe`](Storage::wipe) are [`Refused`](gargoyle::StorageErrorKind::Refused).
    /// - The owner's lock is taken, shared with others who look, and nothing is written into `LOCK`: nobody can open
    ///   the store to save meanwhile. LMDB is opened to read only and without locks of its own, so that its `lock.mdb` is
    ///   neither needed, made nor touched: the owner's lock keeps writers out.
    /// - So a folder or a medium that cannot be written is fine, and so is a copy without `LOCK`, if the system locks
    ///   folders or nobody opens it meanwhile.
    /// - What a process left in the file that died in the middle of a commit is not looked at: there is the last commit,
    ///   or it does not open.
    ///
    /// One process opens a store once: a second time in the same one is [`InUse`](OpenErrorKind::InUse).
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), also if there is no such folder or it is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path();
    /// use gargoyle::{ActorId, Storage};
    /// use gargoyle_storage_lmdb::LmdbStorage;
    ///
    /// let alice = ActorId::new("account", "alice")?;
    /// LmdbStorage::open(path)?.save(&alice, None, b"100 coins", None)?;
    ///
    /// assert!(LmdbStorage::is_store(path)?);
    /// let store = LmdbStorage::open_read_only(path)?;
    /// assert_eq!(store.load(&alice)?.expect("saved above").bytes, b"100 coins");
    /// assert!(store.wipe(&alice, None).is_err());
    /// # Ok::<(), gargoyle::BoxError>(())
    /// ```
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::options().open_read_only(path)
    }

    /// Whether the folder `path` says that it is a store of this crate, of whatever version. `false` if there is no
    /// such folder. Looks at the file `FORMAT` and at nothing else.
    ///
    /// # Errors
    ///
    /// If the file system does not let one look.
    pub fn is_store(path: impl AsRef<Path>) -> std::io::Result<bool> {
        owner::is_store(path.as_ref())
    }

    /// The settings of a store that is to be opened.
    pub fn options() -> LmdbOptions {
        LmdbOptions::default()
    }

    fn open_with(path: &Path, options: &LmdbOptions) -> Result<Self, OpenError> {
        Ok(LmdbStorage { store: Store::open(path, options)?, group: Group::new(LIMITS) })
    }

    fn open_read_only_with(path: &Path, options: &LmdbOptions) -> Result<Self, OpenError> {
        Ok(LmdbStorage { store: Store::open_read_only(path, options)?, group: Group::new(LIMITS) })
    }

    /// Looks at what the records of all actors need beside themselves: the count of revisions, without which the store
    /// does not open to save. Quick; [`check_pages`](LmdbOptions::check_pages) is the thorough look.
    ///
    /// # Errors
    ///
    /// [`Damaged`](gargoyle::StorageErrorKind::Damaged) if it is not as it was written, and whatever keeps one from
    /// looking.
    pub fn check(&self) -> Result<(), StorageError> {
        self.store.check_in_place()?;
        self.store.read(|txn| self.store.last_revision(txn)).map(drop)
    }

    /// Has a change committed, by this thread or another one.
    fn submit(&self, id: &ActorId, weight: usize, change: Change) -> Answer {
        self.store.check_writable()?;
        // Before the group's lock, which may be taken for ever in a process that was forked.
        self.store.check_process()?;
        let request = Request { id: id.clone(), key: key::of(id), change };
        let answer = self.group.submit(request, weight, |mut batch| self.store.commit(&mut batch));
        answer.unwrap_or_else(|Abandoned| {
            let message = format!(
                "the thread that was to save {id} into {} for others too panicked; whether it took effect shows at the \
                 next load",
                self.store.root.display()
            );
            Err(StorageError::new(StorageErrorKind::Unreachable, message))
        })
    }
}

impl Storage for LmdbStorage {
    fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError> {
        let key = key::of(id);
        let found = self.store.read(|txn| {
            let found = self.store.look_up(txn, id, &key)?;
            let copied = |(head, record): (record::Head, _)| match head.body(record) {
                Ok(body) => Ok((body, head)),
                Err(error) => Err(self.store.no_memory(id, error)),
            };
            found.map(copied).transpose()
        })?;
        let Some((bytes, head)) = found else { return self.store.check_in_place().map(|()| None) };
        head.fits(&bytes).map_err(|unreadable| self.store.unreadable(id, &unreadable))?;
        let wake_at = head.wake_at.and_then(record::time);
        Ok(Some(Stored { revision: Revision::new(head.revision), bytes, wake_at }))
    }

    fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Result<Revision, StorageError> {
        if bytes.len() > record::BODY_BYTES_MAX {
            let message = format!(
                "{}: a record of {} bytes for {id} is over the limit of {} bytes",
                self.store.root.display(),
                bytes.len(),
                record::BODY_BYTES_MAX
            );
            return Err(StorageError::new(StorageErrorKind::Refused, message));
        }
        let wake_at = wake_at.map(record::millis);
        let record = record::write(id, wake_at, bytes);
        let change = Change::Save { expected: expected.map(Revision::get), wake_at, record };
        self.submit(id, bytes.len(), change).map(Revision::new)
    }

    fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        self.submit(id, 0, Change::Wipe { expected: expected.map(Revision::get) }).map(drop)
    }

    fn scan(&self, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Result<(), StorageError> {
        self.store.scan(kind, after, visit)
    }

    fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError> {
        self.store.due(until, visit)
    }
}

const _: () = {
    const fn is_shared_between_threads<T: Send + Sync + 'static>() {}
    is_shared_between_threads::<LmdbStorage>();
};

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
