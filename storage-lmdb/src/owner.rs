//! Whose folder it is: one process at a time, and only a folder that is a store.

use std::path::{Path, PathBuf};

use crate::disk;
use crate::error::{OpenError, OpenErrorKind};

const LOCK_FILE: &str = "LOCK";
const FORMAT_FILE: &str = "FORMAT";
const FORMAT_TEMP: &str = "FORMAT%tmp";

/// LMDB's names.
pub(crate) const DATA_FILE: &str = "data.mdb";
const LMDB_LOCK_FILE: &str = "lock.mdb";

/// The first line of `FORMAT`, and what the database says about itself; the version after the last space.
const FORMAT_NAME: &str = "gargoyle-storage-lmdb";
const FORMAT_VERSION: &str = "1";

/// No `FORMAT` is longer, and of a longer file this is enough to see that it is none. A process id is shorter too.
const TEXT_BYTES_MAX: usize = 4096;

/// For the person who finds the folder.
const EXPLANATION: &str = "
This folder keeps the records of Gargoyle actors in an LMDB environment: data.mdb has them all.
FORMAT.md of the crate gargoyle-storage-lmdb describes its databases; LMDB's tools can dump them.
LOCK names the process that has the store open; do not change or copy anything here meanwhile,
and never delete LOCK: it does not go stale, the system frees it with the process.
";

/// Follows the process id in `LOCK`, for the person who thinks that it is stale.
const LOCK_EXPLANATION: &str = "
Above is the id of the process that has the store open, or had it last. Do not delete this file:
it never goes stale. The lock is the system's, and ends with the process however that ends.
";

/// The right to use a store, or to look into it. It ends when this is dropped, or with the process.
#[derive(Debug)]
pub(crate) struct Owner {
    /// `LOCK`, or the database if there is none and nothing may be made.
    lock: disk::File,
    lock_path: PathBuf,
    /// Locked too where the system can: `LOCK` can be deleted, and the next opener would make and lock another one.
    folder: disk::Folder,
    /// The one that took the locks.
    process: u32,
}

/// What a folder says about itself before anybody looks into its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// `FORMAT` says so.
    Store,
    /// A database and no `FORMAT`: the beginnings of a store whose maker died, one that lost its `FORMAT`, or somebody
    /// else's. The database knows.
    Unsaid,
    Nothing,
}

impl Owner {
    fn new(folder: disk::Folder, lock: disk::File, lock_path: PathBuf) -> Self {
        Owner { lock, lock_path, folder, process: std::process::id() }
    }

    /// Whether the folder at the store's path still is the one that was opened, and not an empty mount point or a
    /// restored backup. Where the system gives files no identity, whether there is a store at all.
    pub(crate) fn is_in_place(&self) -> std::io::Result<bool> {
        Ok(disk::identity(&self.lock_path)? == Some(self.lock.identity()?))
    }
}

/// Said, and not left to the end of the last descriptor: a child that another thread is just starting has copies of them
/// until it runs its own program.
impl Drop for Owner {
    fn drop(&mut self) {
        // One that was forked from the owner and goes on as it must not give away what is not its own.
        if std::process::id() == self.process {
            // In the other order the next opener could find the folder free and the file not.
            let _ = self.lock.unlock();
            let _ = self.folder.unlock();
        }
    }
}

/// The line that a store of this version begins with.
pub(crate) fn format_line() -> String {
    format!("{FORMAT_NAME} {FORMAT_VERSION}")
}

/// Takes the folder at `path`, or makes one there. Returns its path without links.
pub(crate) fn claim(path: &Path) -> Result<(PathBuf, Owner, Contents), OpenError> {
    let failed = |error| OpenError::io("cannot make the folder of the store", path, error);
    disk::make_folder_with_parents(path).map_err(failed)?;
    let root = disk::canonical(path).map_err(failed)?;

    // Looked at before the lock too: no LOCK is left behind in a folder that is somebody else's.
    survey(&root)?;
    let owner = lock(&root)?;
    let contents = survey(&root)?;
    // LMDB writes into it, and the owner alone needs it.
    let lmdb_lock = root.join(LMDB_LOCK_FILE);
    disk::unlink_if_linked(&lmdb_lock).map_err(|error| OpenError::io("cannot remove", &lmdb_lock, error))?;
    Ok((root, owner, contents))
}

/// Takes the store at `path` together with others who only look. Writes nothing, not even into `LOCK`.
pub(crate) fn look_into(path: &Path) -> Result<(PathBuf, Owner, Contents), OpenError> {
    let root = disk::canonical(path).map_err(|error| OpenError::io("cannot find the store", path, error))?;
    if survey(&root)? == Contents::Nothing {
        return Err(not_a_store(&root, &format!("it has neither {FORMAT_FILE} nor {DATA_FILE}")));
    }
    let owner = lock_shared(&root)?;
    let contents = survey(&root)?;
    Ok((root, owner, contents))
}

/// Whether the folder says that it is a store of this crate, of whatever version.
pub(crate) fn is_store(path: &Path) -> std::io::Result<bool> {
    let path = path.join(FORMAT_FILE);
    match disk::kind(&path) {
        Ok(Some(disk::Kind::File)) => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Ok(false),
        Err(error) => return Err(error),
    }
    let text = read_text(&mut disk::open(&path)?)?;
    let name = text.lines().next().and_then(|line| line.rsplit_once(' '));
    Ok(name.is_some_and(|(name, _)| name == FORMAT_NAME))
}

fn survey(root: &Path) -> Result<Contents, OpenError> {
    let names = disk::list(root).map_err(|error| OpenError::io("cannot list", root, error))?;
    let is_there = |name: &str| names.iter().any(|there| there == name);
    for name in [FORMAT_FILE, DATA_FILE, LMDB_LOCK_FILE] {
        refuse_all_but_files(&root.join(name))?;
    }
    if is_there(FORMAT_FILE) {
        check_format_file(root)?;
        return if is_there(DATA_FILE) { Ok(Contents::Store) } else { Err(data_is_missing(root)) };
    }
    let ours = [LOCK_FILE, FORMAT_TEMP, DATA_FILE, LMDB_LOCK_FILE];
    if let Some(stranger) = names.iter().find(|name| !ours.contains(&name.as_str())) {
        let what = format!("it has no {FORMAT_FILE} and contains {stranger:?}");
        return Err(not_a_store(root, &what));
    }
    Ok(if is_there(DATA_FILE) { Contents::Unsaid } else { Contents::Nothing })
}

fn data_is_missing(root: &Path) -> OpenError {
    let message =
        format!("the store {} is damaged: its {DATA_FILE} is missing; restore it from a backup", root.display());
    OpenError::new(OpenErrorKind::Damaged, message)
}

pub(crate) fn not_a_store(root: &Path, what: &str) -> OpenError {
    let message = format!("{} is not a store: {what}; give the store a folder of its own", root.display());
    OpenError::new(OpenErrorKind::NotAStore, message)
}

fn lock(root: &Path) -> Result<Owner, OpenError> {
    let path = root.join(LOCK_FILE);
    let folder = disk::open_folder(root).map_err(|error| OpenError::io("cannot open", root, error))?;
    // Not every file system locks folders. Then LOCK alone has to do.
    if !folder.try_lock().unwrap_or(true) {
        if folder.try_lock_shared().unwrap_or(false) {
            return Err(looked_into(root));
        }
        return Err(in_use(root, disk::open(&path).ok()));
    }
    let lock = lock_file(root, &path)?;
    Ok(Owner::new(folder, lock, path))
}

/// Takes the lock of the file at `path`, and makes the file if there is none.
fn lock_file(root: &Path, path: &Path) -> Result<disk::File, OpenError> {
    let failed = |error| OpenError::io("cannot lock", path, error);
    loop {
        refuse_all_but_files(path)?;
        let mut lock = disk::open_or_create(path).map_err(failed)?;
        if !lock.try_lock().map_err(failed)? {
            return Err(in_use(root, Some(lock)));
        }
        // Somebody may have deleted it since it was opened. The lock of a file without a name keeps nobody out.
        if disk::identity(path).map_err(failed)? != Some(lock.identity().map_err(failed)?) {
            continue;
        }
        // For people only, and there may be no room for it: a store on a full medium can be opened.
        if !lock.has_other_names().map_err(failed)? {
            let _ = lock.rewrite(format!("{}\n{LOCK_EXPLANATION}", std::process::id()).as_bytes());
        }
        return Ok(lock);
    }
}

/// Takes what an owner would lock, shared, and makes nothing. A store that was copied without its `LOCK` has none.
fn lock_shared(root: &Path) -> Result<Owner, OpenError> {
    let path = root.join(LOCK_FILE);
    let failed = |error| OpenError::io("cannot lock", &path, error);
    let folder = disk::open_folder(root).map_err(|error| OpenError::io("cannot open", root, error))?;
    if !folder.try_lock_shared().unwrap_or(true) {
        return Err(in_use(root, disk::open(&path).ok()));
    }
    refuse_all_but_files(&path)?;
    if disk::kind(&path).map_err(failed)?.is_none() {
        let data_path = root.join(DATA_FILE);
        let data = disk::open(&data_path).map_err(|error| OpenError::io("cannot open", &data_path, error))?;
        return Ok(Owner::new(folder, data, data_path));
    }
    let lock = disk::open(&path).map_err(failed)?;
    if !lock.try_lock_shared().map_err(failed)? {
        return Err(in_use(root, Some(lock)));
    }
    Ok(Owner::new(folder, lock, path))
}

fn looked_into(root: &Path) -> OpenError {
    let message = format!("the store {} is being read by a process that only looks; wait for its end", root.display());
    OpenError::new(OpenErrorKind::InUse, message)
}

fn in_use(root: &Path, lock: Option<disk::File>) -> OpenError {
    // The owner may be writing its id just now, and some systems do not let others read a locked file.
    let text = lock.and_then(|mut lock| read_text(&mut lock).ok());
    // Only a number is shown: whatever else is there, a terminal may obey it.
    let pid = text.and_then(|text| text.lines().next()?.trim().parse::<u32>().ok());
    let owner = pid.map_or("another process".to_owned(), |pid| format!("process {pid}"));
    let message = format!("the store {} is open already, in {owner}; one opener at a time", root.display());
    OpenError::new(OpenErrorKind::InUse, message)
}

/// Says to people and tools what the folder is. Comes last when a store is made: with it, the rest is there.
pub(crate) fn write_format_file(root: &Path) -> Result<(), OpenError> {
    sync(root)?;
    if let Some(parent) = root.parent() {
        match disk::open_folder(parent).and_then(|parent| parent.sync()) {
            // Then this user did not make the folder either, and who made it has seen to that.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
            result => result.map_err(|error| OpenError::io("cannot make durable", root, error))?,
        }
    }
    let text = format!("{}\n{EXPLANATION}", format_line());
    disk::publish(root, FORMAT_FILE, FORMAT_TEMP, text.as_bytes())
        .map_err(|error| OpenError::io("cannot write", &root.join(FORMAT_FILE), error))
}

/// Makes the names of LMDB's files durable, which LMDB does not: a `FORMAT` without them would be a loss.
fn sync(root: &Path) -> Result<(), OpenError> {
    let synced = disk::open_folder(root).and_then(|folder| folder.sync());
    synced.map_err(|error| OpenError::io("cannot make durable", root, error))
}

fn check_format_file(root: &Path) -> Result<(), OpenError> {
    let path = root.join(FORMAT_FILE);
    let text = disk::open(&path).and_then(|mut file| read_text(&mut file));
    let text = text.map_err(|error| OpenError::io("cannot read", &path, error))?;
    check_format_line(root, text.lines().next().unwrap_or_default(), FORMAT_FILE)
}

/// Whether this line, found `at` some place in the store, is one that this version of the crate knows.
pub(crate) fn check_format_line(root: &Path, line: &str, at: &str) -> Result<(), OpenError> {
    match line.rsplit_once(' ') {
        Some((FORMAT_NAME, FORMAT_VERSION)) => Ok(()),
        Some((FORMAT_NAME, version)) => {
            let message = format!(
                "the store {} has format {version:?}, and this version of the crate knows format {FORMAT_VERSION} \
                 only; use the version that wrote it, or a later one",
                root.display()
            );
            Err(OpenError::new(OpenErrorKind::UnknownFormat, message))
        }
        _ => Err(not_a_store(root, &format!("its {at} does not begin with `{FORMAT_NAME} <version>`"))),
    }
}

fn read_text(file: &mut disk::File) -> std::io::Result<String> {
    let bytes = file.bytes()?.min(TEXT_BYTES_MAX as u64);
    Ok(text(&file.read_at(0, bytes as usize)?))
}

/// As much of a text as one of ours may have.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_BYTES_MAX)]).into_owned()
}

/// A link in place of one of the store's files would have us write who knows where.
fn refuse_all_but_files(path: &Path) -> Result<(), OpenError> {
    match disk::kind(path).map_err(|error| OpenError::io("cannot look at", path, error))? {
        None | Some(disk::Kind::File) => Ok(()),
        Some(disk::Kind::Folder | disk::Kind::Other) => {
            let message = format!("{} is not a file; a store follows no symbolic links", path.display());
            Err(OpenError::new(OpenErrorKind::NotAStore, message))
        }
    }
}
