//! Whose folder it is: one process at a time, and only a folder that is a store.

use std::path::{Path, PathBuf};

use gargoyle::sync::Arc;

use crate::disk::{Access, Disk, File, Folder, Kind};
use crate::error::{OpenError, OpenErrorKind};
use crate::publish::{self, Failure};
use crate::{folders, names, revisions, wake};

const FORMAT_FILE: &str = "FORMAT";
const LOCK_FILE: &str = "LOCK";

/// The first line of `FORMAT`; the version after the last space.
const FORMAT_NAME: &str = "gargoyle-storage-fs";
const FORMAT_VERSION: &str = "1";

/// No `FORMAT` is longer, and of a longer file this is enough to see that it is none. A process id is shorter too.
const TEXT_BYTES_MAX: usize = 4096;

/// For the person who finds the folder.
const EXPLANATION: &str = "
This folder keeps the records of Gargoyle actors, a file for each: <kind>/<shard>/<key>,
where the shard is the first byte of the key's BLAKE3 hash in hex. %xx stands for a byte.
FORMAT.md of the crate gargoyle-storage-fs describes every byte, and how to read a file.
LOCK names the process that has the store open; do not change anything here meanwhile,
and never delete LOCK: it does not go stale, the system frees it with the process.
REVISIONS must not be lost: without it the store does not open. WAKE has a name in it
for every actor that has to be woken some time.
";

/// Follows the process id in `LOCK`, for the person who thinks that it is stale.
const LOCK_EXPLANATION: &str = "
Above is the id of the process that has the store open, or had it last. Do not delete this file:
it never goes stale. The lock is the system's, and ends with the process however that ends.
";

/// The right to use a store, or to look into it. It ends when this is dropped, or with the process.
#[derive(Debug)]
pub(crate) struct Owner {
    disk: Arc<dyn Disk>,
    /// `LOCK`, or `FORMAT` if there is none and nothing may be made.
    lock: File,
    lock_path: PathBuf,
    /// Locked too where the system can: `LOCK` can be deleted, and the next opener would make and lock another one.
    folder: Folder,
    /// The one that took the locks.
    process: u32,
}

impl Owner {
    fn new(disk: &Arc<dyn Disk>, folder: Folder, lock: File, lock_path: PathBuf) -> Self {
        Owner { disk: disk.clone(), lock, lock_path, folder, process: std::process::id() }
    }

    /// Whether the folder at the store's path still is the one that was opened, and not an empty mount point or a
    /// restored backup. Where the system gives files no identity, whether there is a store at all.
    pub(crate) fn is_in_place(&self) -> std::io::Result<bool> {
        Ok(self.disk.identity(&self.lock_path)? == Some(self.lock.identity()?))
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

/// Takes the store at `path`, or makes one there. Returns the path of its folder without links.
pub(crate) fn claim(disk: &Arc<dyn Disk>, path: &Path) -> Result<(PathBuf, Owner), OpenError> {
    let failed = |error| OpenError::io("cannot make the folder of the store", path, error);
    folders::make_with_parents(&**disk, path).map_err(failed)?;
    let root = disk.canonical(path).map_err(failed)?;

    // Looked at before the lock too: no LOCK is left behind in a folder that is somebody else's.
    survey(&**disk, &root)?;
    let owner = lock(disk, &root)?;
    match survey(&**disk, &root)? {
        // Swept before the first temp file of this process: a crash may have left one of that name.
        Contents::Nothing => sweep(&**disk, &root).and_then(|()| create(&**disk, &root))?,
        Contents::Store => check_format(&**disk, &root).and_then(|()| sweep(&**disk, &root))?,
    }
    Ok((root, owner))
}

/// Takes the store at `path` together with others who only look. Writes nothing, not even into `LOCK`.
pub(crate) fn look_into(disk: &Arc<dyn Disk>, path: &Path) -> Result<(PathBuf, Owner), OpenError> {
    let root = disk.canonical(path).map_err(|error| OpenError::io("cannot find the store", path, error))?;
    if let Contents::Nothing = survey(&**disk, &root)? {
        let message = format!("{} is not a store: it has no {FORMAT_FILE}", root.display());
        return Err(OpenError::new(OpenErrorKind::NotAStore, message));
    }
    let owner = lock_shared(disk, &root)?;
    check_format(&**disk, &root)?;
    Ok((root, owner))
}

/// Whether the folder says that it is a store of this crate, of whatever version.
pub(crate) fn is_store(disk: &dyn Disk, path: &Path) -> std::io::Result<bool> {
    let path = path.join(FORMAT_FILE);
    match disk.kind(&path) {
        Ok(Some(Kind::File)) => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Ok(false),
        Err(error) => return Err(error),
    }
    let line = first_line(disk, &path)?;
    Ok(line.rsplit_once(' ').is_some_and(|(name, _)| name == FORMAT_NAME))
}

fn sweep(disk: &dyn Disk, root: &Path) -> Result<(), OpenError> {
    publish::sweep(disk, root).map_err(|error| OpenError::io("cannot list", root, error))
}

enum Contents {
    Store,
    /// Nothing yet, or the beginnings of a store whose maker died before it wrote `FORMAT`: no actor is in it.
    Nothing,
}

fn survey(disk: &dyn Disk, root: &Path) -> Result<Contents, OpenError> {
    let names = disk.list(root).map_err(|error| OpenError::io("cannot list", root, error))?;
    let is_beginning = |name: &str| {
        let temp_of = |file| names::is_temp(name) && name.strip_prefix(file).is_some_and(|rest| rest.starts_with('.'));
        name == LOCK_FILE
            || name == revisions::FILE
            || wake::is_folder(name)
            || temp_of(FORMAT_FILE)
            || temp_of(revisions::FILE)
    };
    if names.iter().any(|name| name == FORMAT_FILE) {
        Ok(Contents::Store)
    } else if let Some(stranger) = names.iter().find(|name| !is_beginning(name)) {
        let message = format!(
            "{} is not a store: it has no {FORMAT_FILE} and contains {stranger:?}; give the store a folder of its own",
            root.display()
        );
        Err(OpenError::new(OpenErrorKind::NotAStore, message))
    } else {
        Ok(Contents::Nothing)
    }
}

fn lock(disk: &Arc<dyn Disk>, root: &Path) -> Result<Owner, OpenError> {
    let path = root.join(LOCK_FILE);
    let folder = disk.open_folder(root).map_err(|error| OpenError::io("cannot open", root, error))?;
    // Not every file system locks folders. Then LOCK alone has to do.
    if !folder.try_lock().unwrap_or(true) {
        if folder.try_lock_shared().unwrap_or(false) {
            return Err(looked_into(root));
        }
        return Err(in_use(root, disk.open(&path, Access::Read).ok()));
    }
    let lock = lock_file(&**disk, root, &path)?;
    Ok(Owner::new(disk, folder, lock, path))
}

/// Takes the lock of the file at `path`, and makes the file if there is none.
fn lock_file(disk: &dyn Disk, root: &Path, path: &Path) -> Result<File, OpenError> {
    let failed = |error| OpenError::io("cannot lock", path, error);
    loop {
        refuse_all_but_files(disk, path)?;
        let mut lock = disk.open(path, Access::ReadOrNew).map_err(failed)?;
        if !lock.try_lock().map_err(failed)? {
            return Err(in_use(root, Some(lock)));
        }
        // Somebody may have deleted it since it was opened. The lock of a file without a name keeps nobody out.
        let identity = lock.identity().map_err(failed)?;
        if disk.identity(path).map_err(failed)? != Some(identity) {
            continue;
        }
        // Of a copy that was made by hard links, or another file altogether: it is somebody's as it is.
        if identity.has_other_names() {
            return Ok(lock);
        }
        // For people only, and there may be no room for it: a store on a full medium can be opened.
        let text = format!("{}\n{LOCK_EXPLANATION}", std::process::id());
        let _ = lock.set_bytes(0).and_then(|()| lock.write_at(0, text.as_bytes()));
        return Ok(lock);
    }
}

/// Takes what an owner would lock, shared, and makes nothing. A store that was copied without its `LOCK` has none.
fn lock_shared(disk: &Arc<dyn Disk>, root: &Path) -> Result<Owner, OpenError> {
    let path = root.join(LOCK_FILE);
    let failed = |error| OpenError::io("cannot lock", &path, error);
    let folder = disk.open_folder(root).map_err(|error| OpenError::io("cannot open", root, error))?;
    if !folder.try_lock_shared().unwrap_or(true) {
        return Err(in_use(root, disk.open(&path, Access::Read).ok()));
    }
    refuse_all_but_files(&**disk, &path)?;
    if disk.kind(&path).map_err(failed)?.is_none() {
        let format_path = root.join(FORMAT_FILE);
        let format = disk.open(&format_path, Access::Read);
        let format = format.map_err(|error| OpenError::io("cannot open", &format_path, error))?;
        return Ok(Owner::new(disk, folder, format, format_path));
    }
    let lock = disk.open(&path, Access::Read).map_err(failed)?;
    if !lock.try_lock_shared().map_err(failed)? {
        return Err(in_use(root, Some(lock)));
    }
    Ok(Owner::new(disk, folder, lock, path))
}

fn looked_into(root: &Path) -> OpenError {
    let message = format!("the store {} is being read by a process that only looks; wait for its end", root.display());
    OpenError::new(OpenErrorKind::InUse, message)
}

fn in_use(root: &Path, lock: Option<File>) -> OpenError {
    // The owner may be writing its id just now, and some systems do not let others read a locked file. Into one with other
    // names it does not write.
    let lock = lock.filter(|lock| lock.identity().is_ok_and(|identity| !identity.has_other_names()));
    let text = lock.and_then(|mut lock| lock.bytes().and_then(|bytes| lock.read_at(0, text_bytes(bytes))).ok());
    // Only a number is shown: whatever else is there, a terminal may obey it.
    let pid = text.and_then(|text| std::str::from_utf8(&text).ok()?.lines().next()?.trim().parse::<u32>().ok());
    let owner = pid.map_or("another process".to_owned(), |pid| format!("process {pid}"));
    let message = format!("the store {} is open already, in {owner}; one opener at a time", root.display());
    OpenError::new(OpenErrorKind::InUse, message)
}

/// Makes the folder a store. `FORMAT` comes last: with it, the rest is there.
fn create(disk: &dyn Disk, root: &Path) -> Result<(), OpenError> {
    folders::sync_parents(disk, root).map_err(|error| OpenError::io("cannot make durable", root, error))?;
    revisions::create(disk, root)?;
    wake::create(disk, root).map_err(|error| OpenError::io("cannot make a folder in", root, error))?;
    let text = format!("{FORMAT_NAME} {FORMAT_VERSION}\n{EXPLANATION}");
    publish::publish(disk, root, FORMAT_FILE, text.as_bytes()).map(drop).map_err(|failure| {
        if let Failure::Unknown(_) = failure {
            // It says that the rest is durable, and is not durable itself. The next opener must not believe it.
            let _ = disk.remove(&root.join(FORMAT_FILE));
        }
        let (Failure::Unchanged(error) | Failure::Unknown(error)) = failure;
        OpenError::io("cannot write", &root.join(FORMAT_FILE), error)
    })
}

fn check_format(disk: &dyn Disk, root: &Path) -> Result<(), OpenError> {
    let path = root.join(FORMAT_FILE);
    refuse_all_but_files(disk, &path)?;
    let first_line = first_line(disk, &path).map_err(|error| OpenError::io("cannot read", &path, error))?;
    match first_line.rsplit_once(' ') {
        Some((FORMAT_NAME, FORMAT_VERSION)) => Ok(()),
        Some((FORMAT_NAME, version)) => {
            let message = format!(
                "the store {} has format {version:?}, and this version of the crate knows format {FORMAT_VERSION} \
                 only; use the version that wrote it, or a later one",
                root.display()
            );
            Err(OpenError::new(OpenErrorKind::UnknownFormat, message))
        }
        _ => {
            let message = format!(
                "{} is not a store: its first line is not `{FORMAT_NAME} <version>`; give the store a folder of its \
                 own, or restore {FORMAT_FILE}",
                path.display()
            );
            Err(OpenError::new(OpenErrorKind::NotAStore, message))
        }
    }
}

fn first_line(disk: &dyn Disk, path: &Path) -> std::io::Result<String> {
    let mut file = disk.open(path, Access::Read)?;
    let bytes = text_bytes(file.bytes()?);
    let text = file.read_at(0, bytes)?;
    Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned())
}

fn text_bytes(file_bytes: u64) -> usize {
    usize::try_from(file_bytes).map_or(TEXT_BYTES_MAX, |bytes| bytes.min(TEXT_BYTES_MAX))
}

/// A link in place of one of the store's files would have us write who knows where.
fn refuse_all_but_files(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    match disk.kind(path).map_err(|error| OpenError::io("cannot look at", path, error))? {
        None | Some(Kind::File) => Ok(()),
        Some(_) => {
            let message = format!("{} is not a file; a store follows no symbolic links", path.display());
            Err(OpenError::new(OpenErrorKind::NotAStore, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::disk::System;

    /// Bug: two owners. Cause: one had locked a `LOCK` that was deleted between its opening and its locking, the other
    /// the new one. Fix: the locked file must be the one at the path, or the next is tried.
    #[test]
    fn a_lock_file_that_is_deleted_while_others_open_it_has_one_owner_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK_FILE);
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let Ok(lock) = lock_file(&System, folder.path(), &path) else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        std::fs::remove_file(&path).unwrap();
                        drop(lock);
                    }
                });
            }
        });
    }
}
