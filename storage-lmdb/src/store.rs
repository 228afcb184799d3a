//! What all operations share: the environment with its databases, the right to it, and how it comes to be.
//!
//! The unnamed database has what the store says about itself, and the named ones: LMDB writes it with every commit
//! anyway, so that the count of revisions costs no page of its own.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use gargoyle::{StorageError, StorageErrorKind};
use heed::types::Bytes;
use heed::{CommitOrAbort, Env, MdbError, RoTxn, RwTxn, WithoutTls};

use crate::error::{OpenError, OpenErrorKind};
use crate::options::LmdbOptions;
use crate::owner::{self, Contents, Owner};
use crate::pages::{self, Problem};
use crate::readers::{self, Readers};
use crate::{disk, env, failure};

/// A database of bytes by bytes.
pub(crate) type Database = heed::Database<'static, Bytes, Bytes>;

const RECORDS: &str = "records";
const DUE: &str = "due";

/// The line that `FORMAT` begins with too.
const FORMAT_KEY: &[u8] = b"format";

/// The last revision that was given out, and the checksum of that.
const REVISION_KEY: &[u8] = b"revision";

const MAP_BYTES_DEFAULT: u64 = if usize::BITS < 64 { 1 << 30 } else { 1 << 40 };
const MAP_BYTES_MIN: u64 = 1 << 20;

/// Unless told otherwise, a store makes do with this if the system has no addresses for more.
const MAP_BYTES_ENOUGH: u64 = 1 << 28;

/// A map is made of whole pages, which are no larger than this on any system.
const MAP_BYTES_STEP: u64 = 1 << 16;

pub(crate) struct Store {
    pub(crate) root: PathBuf,
    /// There until the drop.
    env: Option<Env<WithoutTls>>,
    main: Database,
    pub(crate) records: Database,
    pub(crate) due: Database,
    /// Whether it may be changed.
    is_writable: bool,
    /// How large the databases may become, see [`LmdbOptions::map_bytes`].
    pub(crate) limit_bytes: u64,
    readers: Readers,
    /// The one that opened the store. LMDB must not be used, nor closed, by a process that was forked from it.
    process: u32,
    owner: Owner,
}

impl Store {
    pub(crate) fn open(path: &Path, options: &LmdbOptions) -> Result<Self, OpenError> {
        let (root, owner, contents) = owner::claim(path)?;
        let contents = check_file(&root, contents, options.check_pages)?;
        let open = |map_bytes| env::open(&root, map_bytes, readers::PLACES);
        let (env, limit_bytes) = open_env(&root, options.map_bytes, open)?;
        let failed = |error| OpenError::from(failure::of_lmdb("cannot open", &root, error));
        env.clear_stale_readers().map_err(failed)?;
        let main = open_main(&env).map_err(failed)?;
        if !is_ours(&root, &env, main, contents)? {
            make_databases(&env).map_err(failed)?;
        }
        let (records, due) = open_ours(&root, &env)?;
        if contents != Contents::Store {
            owner::write_format_file(&root)?;
        }
        let readers = Readers::new(readers::PLACES as usize - readers::PLACES_SPARE);
        let process = std::process::id();
        let env = Some(env);
        let store = Store { root, env, main, records, due, is_writable: true, limit_bytes, readers, process, owner };
        store.read(|txn| store.last_revision(txn))?;
        Ok(store)
    }

    /// Opens a store that is there, to look into it. Nothing is changed.
    pub(crate) fn open_read_only(path: &Path, options: &LmdbOptions) -> Result<Self, OpenError> {
        let (root, owner, contents) = owner::look_into(path)?;
        check_file_read_only(&root, options.check_pages)?;
        let open = |map_bytes| env::open_read_only(&root, map_bytes);
        let (env, limit_bytes) = open_env(&root, options.map_bytes, open)?;
        let failed = |error| OpenError::from(failure::of_lmdb("cannot open", &root, error));
        let main = open_main(&env).map_err(failed)?;
        if !is_ours(&root, &env, main, contents)? {
            return Err(owner::not_a_store(&root, "its database is empty"));
        }
        let (records, due) = open_ours(&root, &env)?;
        let readers = Readers::new(readers::PLACES as usize - readers::PLACES_SPARE);
        let process = std::process::id();
        let env = Some(env);
        Ok(Store { root, env, main, records, due, is_writable: false, limit_bytes, readers, process, owner })
    }

    /// Whether records may be saved and wiped.
    pub(crate) fn check_writable(&self) -> Result<(), StorageError> {
        if self.is_writable {
            return Ok(());
        }
        let message = format!("the store {} was opened to be read only; nothing was changed", self.root.display());
        Err(StorageError::new(StorageErrorKind::Refused, message))
    }

    fn env(&self) -> &Env<WithoutTls> {
        self.env.as_ref().expect("there until the drop")
    }

    /// Does `work` in a read transaction: on one state of the store, whatever others write.
    ///
    /// Keep it short, and copy out what is needed: LMDB reuses no page that is newer than the oldest reader.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&RoTxn) -> Result<T, StorageError>) -> Result<T, StorageError> {
        self.check_process()?;
        let _place = self.readers.enter();
        let txn = match self.env().read_txn() {
            // Places of processes that died in the middle, which LMDB does not look for by itself.
            Err(heed::Error::Mdb(MdbError::ReadersFull)) => {
                self.env().clear_stale_readers().and_then(|_| self.env().read_txn())
            }
            txn => txn,
        };
        let txn = txn.map_err(|error| failure::of_lmdb("cannot read", &self.root, error))?;
        work(&txn)
    }

    /// Begins a write transaction. It has to end on this thread: LMDB's lock belongs to that.
    pub(crate) fn begin_write(&self) -> heed::Result<RwTxn<'_>> {
        self.env().write_txn()
    }

    /// Looks for places in the table of readers that belong to processes that are dead: they keep pages from being
    /// used again.
    pub(crate) fn clear_stale_readers(&self) -> bool {
        self.env().clear_stale_readers().is_ok_and(|cleared| cleared > 0)
    }

    /// The last revision that was given out to any id.
    pub(crate) fn last_revision(&self, txn: &RoTxn) -> Result<u64, StorageError> {
        let found = self.main.get(txn, REVISION_KEY);
        let found = found.map_err(|error| failure::of_lmdb("cannot read", &self.root, error))?;
        found
            .and_then(read_revision)
            .ok_or_else(|| failure::damaged(&self.root, "its count of revisions cannot be read"))
    }

    pub(crate) fn set_last_revision(&self, txn: &mut RwTxn<'_>, revision: u64) -> heed::Result<()> {
        self.main.put(txn, REVISION_KEY, &write_revision(revision))
    }

    /// How many bytes the databases take, without the pages that are free.
    pub(crate) fn used_bytes(&self, txn: &RoTxn) -> heed::Result<u64> {
        let mut bytes = 0_u64;
        for database in [self.main, self.records, self.due] {
            let stat = database.stat(txn)?;
            // Counts that rotted, which nobody has looked at, must not be the end of the process.
            for pages in [stat.branch_pages, stat.leaf_pages, stat.overflow_pages] {
                bytes = (pages as u64).saturating_mul(u64::from(stat.page_size)).saturating_add(bytes);
            }
        }
        Ok(bytes)
    }

    /// After a `fork` there are two processes, and only the one that opened the store may use it.
    pub(crate) fn check_process(&self) -> Result<(), StorageError> {
        let process = std::process::id();
        if process == self.process {
            return Ok(());
        }
        let message = format!(
            "the store {} was opened by process {}, from which process {process} was forked; it cannot be used there",
            self.root.display(),
            self.process
        );
        Err(StorageError::new(StorageErrorKind::Refused, message))
    }

    /// Without the folder nothing that is written lasts, and what is read is nobody's any more.
    pub(crate) fn check_in_place(&self) -> Result<(), StorageError> {
        let shown = self.root.display();
        match self.owner.is_in_place() {
            Ok(true) => Ok(()),
            Ok(false) => {
                let message =
                    format!("the folder {shown} is not the store that was opened; was it moved, deleted or replaced?");
                Err(StorageError::new(StorageErrorKind::Unreachable, message))
            }
            Err(error) => {
                let message = format!("cannot look at the store {shown}");
                Err(StorageError::new(StorageErrorKind::Unreachable, message).with_source(error))
            }
        }
    }
}

/// Before the owner's lock is given back: the fields are dropped after this.
impl Drop for Store {
    fn drop(&mut self) {
        let env = self.env.take();
        if self.check_process().is_err() {
            // To close it would take the places of the other process in the table of readers away.
            std::mem::forget(env);
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("root", &self.root)
            .field("limit_bytes", &self.limit_bytes)
            .finish_non_exhaustive()
    }
}

/// Looks at the file with the database, so that LMDB is not given what it cannot cope with.
fn check_file(root: &Path, contents: Contents, all_pages: bool) -> Result<Contents, OpenError> {
    if contents == Contents::Nothing {
        return Ok(contents);
    }
    let path = root.join(owner::DATA_FILE);
    let failed = |error| OpenError::io("cannot read", &path, error);
    let mut file = disk::open_or_create(&path).map_err(failed)?;
    match look_at(&mut file, all_pages) {
        Ok(None) => Ok(contents),
        // With them there, no page number that LMDB accepts leads behind the end of the file.
        Ok(Some(bytes)) => file.set_bytes(bytes).map(|()| contents).map_err(failed),
        Err(Problem::Damaged(_)) if contents == Contents::Unsaid && pages::is_unborn(&mut file).map_err(failed)? => {
            drop(file);
            disk::remove(&path).map_err(|error| OpenError::io("cannot remove", &path, error))?;
            Ok(Contents::Nothing)
        }
        Err(Problem::Damaged(what)) if contents == Contents::Unsaid => {
            let message = format!(
                "{} is damaged, or the file of another program: {what}; restore it from a backup, or give the store a \
                 folder of its own",
                path.display()
            );
            Err(OpenError::new(OpenErrorKind::Damaged, message))
        }
        Err(problem) => Err(unusable(&path, problem)),
    }
}

/// As [`check_file`], and leaves it as it is.
fn check_file_read_only(root: &Path, all_pages: bool) -> Result<(), OpenError> {
    let path = root.join(owner::DATA_FILE);
    let mut file = disk::open(&path).map_err(|error| OpenError::io("cannot read", &path, error))?;
    look_at(&mut file, all_pages).map(drop).map_err(|problem| unusable(&path, problem))
}

fn unusable(path: &Path, problem: Problem) -> OpenError {
    match problem {
        Problem::Io(error) => OpenError::io("cannot read", path, error),
        Problem::Damaged(what) => {
            let message = format!("{} is damaged: {what}; restore it from a backup", path.display());
            OpenError::new(OpenErrorKind::Damaged, message)
        }
    }
}

/// Returns how long the file has to be, if it is shorter. Then only free pages are missing: LMDB does not write what it
/// gives up in the same commit.
fn look_at(file: &mut disk::File, all_pages: bool) -> Result<Option<u64>, Problem> {
    let metas = pages::check_metas(file)?;
    let is_short = file.bytes()? < metas.bytes();
    if is_short || all_pages {
        pages::check_all(file, &metas)?;
    }
    Ok(is_short.then(|| metas.bytes()))
}

/// Opens the environment, and finds out how large it may become.
fn open_env(
    root: &Path,
    map_bytes: Option<u64>,
    open: impl Fn(usize) -> heed::Result<Env<WithoutTls>>,
) -> Result<(Env<WithoutTls>, u64), OpenError> {
    let mut limit = map_bytes.unwrap_or(MAP_BYTES_DEFAULT).max(MAP_BYTES_MIN);
    let there =
        disk::bytes(&root.join(owner::DATA_FILE)).map_err(|error| OpenError::io("cannot look at", root, error))?;
    loop {
        // A store that is larger than its limit has to have room to shrink.
        match open(addresses(limit.max(there))) {
            Ok(env) => return Ok((env, limit)),
            Err(heed::Error::Io(error)) if error.kind() == ErrorKind::OutOfMemory => {
                if map_bytes.is_none() && limit > MAP_BYTES_ENOUGH {
                    limit /= 4;
                    continue;
                }
                let message = format!(
                    "cannot reserve {limit} bytes of addresses for the store {}; set a lower `map_bytes`, or allow \
                     this process more (`ulimit -v`)",
                    root.display()
                );
                let error = StorageError::new(StorageErrorKind::Unreachable, message).with_source(error);
                return Err(error.into());
            }
            Err(heed::Error::EnvAlreadyOpened) => {
                let message = format!("the store {} is open already, in this process", root.display());
                return Err(OpenError::new(OpenErrorKind::InUse, message));
            }
            Err(error) => return Err(failure::of_lmdb("cannot open", root, error).into()),
        }
    }
}

/// How large the map is for a limit. What is above the limit is for wipes alone, and for pages that are not free yet: so
/// that a store that is full can always be emptied.
fn addresses(limit: u64) -> usize {
    let bytes = limit.saturating_add((limit / 8).max(MAP_BYTES_MIN)).next_multiple_of(MAP_BYTES_STEP);
    usize::try_from(bytes).unwrap_or(usize::MAX - (MAP_BYTES_STEP as usize - 1))
}

/// Whether the database is that of a store, and one that can be used. `false` if it is empty.
fn is_ours(root: &Path, env: &Env<WithoutTls>, main: Database, contents: Contents) -> Result<bool, OpenError> {
    let look = || {
        let txn = env.read_txn()?;
        let line = main.get(&txn, FORMAT_KEY)?.map(owner::text);
        Ok((line, main.is_empty(&txn)?))
    };
    match look().map_err(|error| failure::of_lmdb("cannot read", root, error))? {
        (Some(line), _) => match owner::check_format_line(root, &line, owner::DATA_FILE) {
            Err(error) if error.kind() == OpenErrorKind::NotAStore && contents == Contents::Store => {
                Err(failure::damaged(root, "its database says that it is something else").into())
            }
            result => result.map(|()| true),
        },
        (None, _) if contents == Contents::Store => {
            Err(failure::damaged(root, "its database does not say what it is").into())
        }
        (None, true) => Ok(false),
        (None, false) => Err(owner::not_a_store(root, "it contains the database of another program")),
    }
}

/// The unnamed database, which every environment has.
fn open_main(env: &Env<WithoutTls>) -> heed::Result<Database> {
    let txn = env.read_txn()?;
    let main = env.open_databases_and_commit(txn, |opener, txn| {
        opener.open_database::<Bytes, Bytes>(txn, None).map(CommitOrAbort::<_, ()>::Commit)
    })?;
    main.commit().flatten().ok_or(heed::Error::Mdb(MdbError::NotFound))
}

/// Makes the databases and says what they are, all at once and durably.
fn make_databases(env: &Env<WithoutTls>) -> heed::Result<()> {
    let txn = env.write_txn()?;
    env.create_databases_and_commit(txn, |opener, txn| {
        let main = opener.create_database::<Bytes, Bytes>(txn, None)?;
        main.put(txn, FORMAT_KEY, owner::format_line().as_bytes())?;
        main.put(txn, REVISION_KEY, &write_revision(0))?;
        let records = opener.create_database::<Bytes, Bytes>(txn, Some(RECORDS))?;
        let due = opener.create_database::<Bytes, Bytes>(txn, Some(DUE))?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit((records, due)))
    })?;
    Ok(())
}

/// The databases that a store has, or the word that it is damaged.
fn open_ours(root: &Path, env: &Env<WithoutTls>) -> Result<(Database, Database), OpenError> {
    let opened = open_databases(env).map_err(|error| failure::of_lmdb("cannot open", root, error))?;
    opened.ok_or_else(|| failure::damaged(root, &format!("the database {RECORDS:?} or {DUE:?} is missing")).into())
}

fn open_databases(env: &Env<WithoutTls>) -> heed::Result<Option<(Database, Database)>> {
    let txn = env.read_txn()?;
    let opened = env.open_databases_and_commit(txn, |opener, txn| {
        let records = opener.open_database::<Bytes, Bytes>(txn, Some(RECORDS))?;
        let due = opener.open_database::<Bytes, Bytes>(txn, Some(DUE))?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit((records, due)))
    })?;
    Ok(opened.commit().and_then(|(records, due)| records.zip(due)))
}

fn write_revision(revision: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&revision.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..8]);
    bytes[8..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn read_revision(bytes: &[u8]) -> Option<u64> {
    let revision = u64::from_le_bytes(*bytes.first_chunk()?);
    (write_revision(revision) == bytes).then_some(revision)
}
