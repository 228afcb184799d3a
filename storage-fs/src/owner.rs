//! Whose folder it is: one process at a time, and only a folder that is a store.

use std::path::{Path, PathBuf};

use crate::error::{OpenError, OpenErrorKind};
use crate::publish::{self, Failure};
use crate::{disk, folders, names, revisions};

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
LOCK names the process that has the store open; do not change anything here meanwhile.
REVISIONS must not be lost: without it the store does not open.
";

/// The right to use a store. It ends when this is dropped, or with the process.
#[derive(Debug)]
pub(crate) struct Owner {
    lock: disk::File,
    lock_path: PathBuf,
}

impl Owner {
    /// Whether the folder at the store's path still is the one that was opened, and not an empty mount point or a
    /// restored backup. Where the system gives files no identity, whether there is a store at all.
    pub(crate) fn is_in_place(&self) -> std::io::Result<bool> {
        Ok(disk::identity(&self.lock_path)? == Some(self.lock.identity()?))
    }
}

/// Takes the store at `path`, or makes one there. Returns the path of its folder without links.
pub(crate) fn claim(path: &Path) -> Result<(PathBuf, Owner), OpenError> {
    let failed = |error| OpenError::io("cannot make the folder of the store", path, error);
    folders::make_with_parents(path).map_err(failed)?;
    let root = disk::canonical(path).map_err(failed)?;

    // Looked at before the lock too: no LOCK is left behind in a folder that is somebody else's.
    survey(&root)?;
    let owner = lock(&root)?;
    match survey(&root)? {
        Contents::Nothing => create(&root)?,
        Contents::Store => check_format(&root)?,
    }
    publish::sweep(&root).map_err(|error| OpenError::io("cannot list", &root, error))?;
    Ok((root, owner))
}

enum Contents {
    Store,
    /// Nothing yet, or the beginnings of a store whose maker died before it wrote `FORMAT`: no actor is in it.
    Nothing,
}

fn survey(root: &Path) -> Result<Contents, OpenError> {
    let names = disk::list(root).map_err(|error| OpenError::io("cannot list", root, error))?;
    let is_beginning = |name: &str| {
        let temp_of = |file| names::is_temp(name) && name.strip_prefix(file).is_some_and(|rest| rest.starts_with('.'));
        name == LOCK_FILE || name == revisions::FILE || temp_of(FORMAT_FILE) || temp_of(revisions::FILE)
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

fn lock(root: &Path) -> Result<Owner, OpenError> {
    let path = root.join(LOCK_FILE);
    let failed = |error| OpenError::io("cannot lock", &path, error);
    refuse_all_but_files(&path)?;
    let mut lock = disk::open_or_create(&path).map_err(failed)?;
    if !lock.try_lock().map_err(failed)? {
        // The owner may be writing its id just now, and some systems do not let others read a locked file.
        let pid = lock.bytes().and_then(|bytes| lock.read(text_bytes(bytes)));
        let pid = pid.ok().and_then(|pid| String::from_utf8(pid).ok()).map(|pid| pid.trim().to_owned());
        let owner =
            pid.filter(|pid| !pid.is_empty()).map_or("another process".to_owned(), |pid| format!("process {pid}"));
        let message = format!("the store {} is open already, in {owner}; one opener at a time", root.display());
        return Err(OpenError::new(OpenErrorKind::InUse, message));
    }
    lock.set_bytes(0)
        .and_then(|()| lock.write_at(0, format!("{}\n", std::process::id()).as_bytes()))
        .map_err(failed)?;
    Ok(Owner { lock, lock_path: path })
}

/// Makes the folder a store. `FORMAT` comes last: with it, the rest is there.
fn create(root: &Path) -> Result<(), OpenError> {
    if let Some(parent) = root.parent() {
        match disk::sync_folder(parent) {
            // Then this user did not make the folder either, and who made it has seen to that.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
            result => result.map_err(|error| OpenError::io("cannot make durable", root, error))?,
        }
    }
    revisions::create(root)?;
    let text = format!("{FORMAT_NAME} {FORMAT_VERSION}\n{EXPLANATION}");
    publish::publish(root, FORMAT_FILE, 0, text.as_bytes()).map(drop).map_err(
        |(Failure::Unchanged(error) | Failure::Unknown(error))| {
            OpenError::io("cannot write", &root.join(FORMAT_FILE), error)
        },
    )
}

fn check_format(root: &Path) -> Result<(), OpenError> {
    let path = root.join(FORMAT_FILE);
    let failed = |error| OpenError::io("cannot read", &path, error);
    refuse_all_but_files(&path)?;
    let mut file = disk::open(&path).map_err(failed)?;
    let bytes = text_bytes(file.bytes().map_err(failed)?);
    let text = String::from_utf8_lossy(&file.read(bytes).map_err(failed)?).into_owned();
    let first_line = text.lines().next().unwrap_or_default();
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

fn text_bytes(file_bytes: u64) -> usize {
    usize::try_from(file_bytes).map_or(TEXT_BYTES_MAX, |bytes| bytes.min(TEXT_BYTES_MAX))
}

/// A link in place of one of the store's files would have us write who knows where.
fn refuse_all_but_files(path: &Path) -> Result<(), OpenError> {
    match disk::kind(path).map_err(|error| OpenError::io("cannot look at", path, error))? {
        None | Some(disk::Kind::File) => Ok(()),
        Some(_) => {
            let message = format!("{} is not a file; a store follows no symbolic links", path.display());
            Err(OpenError::new(OpenErrorKind::NotAStore, message))
        }
    }
}
