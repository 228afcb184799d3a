//! A store for Gargoyle's durable actors: one file an actor, that a person can find and read.
//!
//! ```
//! use gargoyle::{ActorId, Storage};
//! use gargoyle_storage_fs::FsStorage;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("store");
//! let store = FsStorage::open(&path)?;
//! let alice = ActorId::new("account", "alice")?;
//! let first = store.save(&alice, None, b"100 coins", None)?;
//! let second = store.save(&alice, Some(first), b"70 coins", None)?;
//! drop(store);
//!
//! let store = FsStorage::open(&path)?;
//! let stored = store.load(&alice)?.expect("saved above");
//! assert_eq!((stored.revision, stored.bytes), (second, b"70 coins".to_vec()));
//! # Ok::<(), gargoyle::BoxError>(())
//! ```
//!
//! # What it promises
//!
//! All of the contract of [`Storage`], on file systems that keep what they were made to write through a sync, and whose
//! rename puts one file in the place of another at once: ext4 with a journal, XFS, Btrfs, APFS, NTFS as far as it is
//! known. Above that:
//!
//! - A save that was cut short leaves the record before or the record after, and no write touches the newest record
//!   that was acknowledged.
//! - A file in which the newest acknowledged record cannot be read is reported as damaged. It is neither taken for an
//!   absent one nor does the older record in it pass for the newest. A file or folder that somebody moved away, `fsck`
//!   included, is absent all the same: nothing says that it was there.
//! - A store whose folder vanished (unmounted, moved) is reported, and its actors are not taken for absent.
//! - Actors that nobody uses take no memory and no open file, and opening a store takes the same time however many
//!   there are. A store has at most some 260 files open for work at this moment, however many threads use it: `ulimit -n`
//!   should be above that. On Linux, files of actors that are alive [stay open](FsOptions::keep_open) beside these.
//! - A store on a full medium can be opened, loaded from and wiped.
//! - [`due`](Storage::due) shows nobody twice, and nobody too early unless the record cannot be read. It settles what a
//!   crash left unsettled, as a load does, and waits for whoever saves an actor that it looks at.
//!
//! # What it does not
//!
//! - **Network file systems** whose locks or syncs do not reach the server are not safe. Nor is ext4 **without a
//!   journal** when power fails: it promises nothing about names.
//! - **Encryption** is the disk's. On Unix, folders and files are for their owner's eyes only.
//! - **A sync that failed** is never trusted the second time for a record. For a deletion there is nothing to write
//!   anew: after a [`wipe`](Storage::wipe) that failed or was cut short, a load may see nothing and a power cut bring
//!   the record back, until a wipe returns `Ok`. The `Ok` of that one rests on the second sync.
//! - **Making a store** that fails twice, at a sync and at removing the folder that was to be synced, leaves a folder that a
//!   new attempt can only believe in. Remove it by hand.
//! - **`LOCK`** never goes stale and must not be deleted. A process made by `fork` without `exec` shares the lock.
//! - **The seal** by which damage is told from a cut-short save is written without a sync of its own. A newest record
//!   that rots after a power cut took its seal, and before it was loaded again, is taken for a cut-short save.
//!
//! # What it costs
//!
//! A save is one flush of the device: one write, one sync. From the third save of a life on, the file is already open.
//! A first save, one that outgrows its file or finds a hard link to it, and the first load after a cut-short save make a new
//! file and take two syncs, which are two to four flushes. Saves of different actors sync at the same time. The first save
//! of a process reserves revisions, which is one more new file. An actor takes 8 KiB and an inode, more if its record is
//! over 4 KiB. Files grow by doubling and do not shrink, except by a wipe. The limit is 256 MiB a record.
//!
//! A save with a time to wake costs one or two flushes more if the last one had none, or one in another span of 4.4
//! minutes; else nothing. [`due`](Storage::due) lists a name for every actor with a time, and reads the files of those
//! whose time has come. [`scan`](Storage::scan) has the keys of one kind in memory at a time, some 50 bytes and the key
//! itself for each; [`due`](Storage::due) has the ids that may be due. While a folder is listed, new files wait for that
//! one folder.
//!
//! How the bytes lie and why a crash does no harm is in `FORMAT.md` beside the sources.
#![forbid(unsafe_code)]

mod disk;
mod error;
mod failure;
#[cfg(test)]
mod faults;
mod file;
mod folders;
mod id_locks;
mod kept;
mod names;
mod options;
mod owner;
mod permits;
mod publish;
mod revisions;
mod scan;
mod slot;
mod store;
mod wake;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use gargoyle::sync::Arc;
use gargoyle::{ActorId, Revision, Storage, StorageError, Stored, Visit};

use disk::{Disk, System};
pub use error::{OpenError, OpenErrorKind};
use file::ActorFile;
use id_locks::IdLocks;
use kept::KeptFile;
pub use options::FsOptions;
use permits::Permits;
use scan::Scan;
use store::Store;

/// Keeps the records of actors in a folder, a file for each. What it promises is said at the [crate].
///
/// The store is this process's until this is dropped, or that of all who look if it was opened
/// [to be read only](FsStorage::open_read_only).
#[derive(Debug)]
pub struct FsStorage {
    store: Store,
    locks: IdLocks,
    permits: Permits,
}

impl FsStorage {
    /// Opens the store in the folder `path`, and makes it if there is no such folder or an empty one.
    ///
    /// # Errors
    ///
    /// Each [`OpenErrorKind`]: another opener has it, its format is unknown, the folder contains something else, its
    /// `REVISIONS` is damaged or missing, the file system failed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::options().open(path)
    }

    /// The settings of a store that is to be opened.
    pub fn options() -> FsOptions {
        FsOptions::default()
    }

    /// Whether the folder `path` says that it is a store of this crate, of whatever version. `false` if there is no
    /// such folder. Looks at the file `FORMAT` and at nothing else.
    ///
    /// # Errors
    ///
    /// If the file system does not let one look.
    pub fn is_store(path: impl AsRef<Path>) -> std::io::Result<bool> {
        owner::is_store(&System, path.as_ref())
    }

    /// Opens the store in the folder `path` to look into it: no byte of it is changed by this, or by anything that is
    /// done with it until it is dropped.
    ///
    /// - [`save`](Storage::save) and [`wipe`](Storage::wipe) are [`Refused`](gargoyle::StorageErrorKind::Refused).
    /// - The owner's lock is taken, shared with others who look, and nothing is written into `LOCK`: nobody can open
    ///   the store to save meanwhile. A folder or a medium that cannot be written is fine, and so is a copy without
    ///   `LOCK`, if the system locks folders or nobody opens it meanwhile.
    /// - A record whose save was cut short is shown as the next owner will find it, and not made durable: until then, a
    ///   power cut may take it away.
    /// - [`due`](Storage::due) leaves notes alone that nobody needs any more, and what crashes left is not swept.
    /// - `REVISIONS` is not looked at, so that what is in a store that lost it can be saved; [`check`](Self::check) does.
    ///
    /// # Errors
    ///
    /// [`OpenErrorKind::InUse`] if somebody has it open to save; [`OpenErrorKind::NotAStore`],
    /// [`OpenErrorKind::UnknownFormat`], [`OpenErrorKind::Io`], also if there is no such folder.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path();
    /// use gargoyle::{ActorId, Storage};
    /// use gargoyle_storage_fs::FsStorage;
    ///
    /// let alice = ActorId::new("account", "alice")?;
    /// FsStorage::open(path)?.save(&alice, None, b"100 coins", None)?;
    ///
    /// assert!(FsStorage::is_store(path)?);
    /// let store = FsStorage::open_read_only(path)?;
    /// assert_eq!(store.load(&alice)?.expect("saved above").bytes, b"100 coins");
    /// assert!(store.wipe(&alice, None).is_err());
    /// # Ok::<(), gargoyle::BoxError>(())
    /// ```
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_read_only_on(Arc::new(System), path.as_ref())
    }

    fn open_read_only_on(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, OpenError> {
        Ok(Self::of(Store::open_read_only(disk, path)?, 0))
    }

    fn of(store: Store, kept_max: usize) -> Self {
        FsStorage { store, locks: IdLocks::new(kept_max), permits: Permits::new(permits::FILES_MAX) }
    }

    /// Looks at what the records of all actors need beside themselves: the file `REVISIONS`, without which the store does
    /// not open to save. Reads one small file.
    ///
    /// # Errors
    ///
    /// [`Damaged`](gargoyle::StorageErrorKind::Damaged) if it is missing or not as it was written, and whatever keeps one
    /// from looking.
    pub fn check(&self) -> Result<(), StorageError> {
        self.store.check_in_place()?;
        self.store.check_revisions()
    }

    fn open_on(disk: Arc<dyn Disk>, path: &Path, kept_max: usize) -> Result<Self, OpenError> {
        Ok(Self::of(Store::open(disk, path)?, kept_max))
    }

    /// Works on the file of `id` alone. Who waits for an id has no permit, which others could use meanwhile.
    fn work_on<T>(
        &self,
        id: &ActorId,
        work: impl Fn(&ActorFile<'_>) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let work = || self.permits.hold(permits::ANY, || work(&ActorFile::new(&self.store, id)));
        self.locks.make_room_for(|| self.locks.hold(id, |_| work()))
    }

    /// Saves while nobody else works on the file of `id`: into the one that was kept open, else into one that is opened for
    /// it, else with all that it takes.
    fn save_alone(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_ms: Option<u64>,
        kept: &mut Option<KeptFile>,
    ) -> Result<Revision, StorageError> {
        let saved = kept.take().and_then(|kept| kept.save(&self.store, expected, file::record(id, wake_ms, bytes)));
        let file = || ActorFile::new(&self.store, id);
        let in_place = || self.permits.hold(permits::IN_PLACE, || file().save_in_place(expected, bytes, wake_ms));
        let Some(saved) = saved.or_else(in_place) else {
            return self.permits.hold(permits::ANY, || file().save(expected, bytes, wake_ms));
        };
        let (revision, to_keep) = saved?;
        *kept = to_keep;
        Ok(revision)
    }

    /// Where the file of `id` is, if it has one: for a person who wants to look at it, or to put back a copy.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path();
    /// let store = gargoyle_storage_fs::FsStorage::open(path)?;
    /// let file = store.path_of(&gargoyle::ActorId::new("account", "Alice")?);
    /// assert!(file.ends_with("account/7a/%41lice"), "{file:?}");
    /// # Ok::<(), gargoyle::BoxError>(())
    /// ```
    pub fn path_of(&self, id: &ActorId) -> PathBuf {
        names::Place::of(id).file(&self.store.root)
    }
}

impl Storage for FsStorage {
    fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError> {
        self.work_on(id, |file| file.load())
    }

    fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Result<Revision, StorageError> {
        self.store.revisions()?;
        let wake_ms = wake_at.map(wake::ms);
        let alone = |kept: &mut _| self.save_alone(id, expected, bytes, wake_ms, kept);
        self.locks.make_room_for(|| self.locks.hold(id, alone))
    }

    fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        self.store.revisions()?;
        // Open, it would take its room on the disk until it is closed.
        self.locks.forget(id);
        self.work_on(id, |file| file.wipe(expected))
    }

    fn scan(&self, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Result<(), StorageError> {
        Scan::new(&self.store, &self.permits, &self.locks).run(kind, after, visit)
    }

    fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError> {
        let until_ms = wake::ms(until);
        let notes = || self.permits.hold(permits::ANY, || self.store.notes_until(wake::span(until_ms)));
        let due = self.locks.make_room_for(notes)?;
        for (id, spans) in due.ids {
            if self.work_on(&id, |file| file.is_due(until_ms, &spans))? && visit(id).is_break() {
                return Ok(());
            }
        }
        due.damaged.map_or(Ok(()), Err)
    }

    fn rest(&self, id: &ActorId) {
        self.locks.forget(id);
    }
}

const _: () = {
    const fn is_shared_between_threads<T: Send + Sync + 'static>() {}
    is_shared_between_threads::<FsStorage>();
};

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
