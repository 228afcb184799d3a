//! How a whole file appears at once under its name, or not at all.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::{Access, Disk, File};
use crate::names;

/// The number of the next temp file, the same count for all stores of this process. Never one twice: a temp file that
/// could not be removed would be in the way of the next attempt otherwise.
static NEXT_TEMP: AtomicU64 = AtomicU64::new(0);

/// Where it failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Before the name was touched: what it named, it still names.
    Unchanged(io::Error),
    /// At making the new name durable.
    Unknown(io::Error),
}

impl From<io::Error> for Failure {
    /// What was done to get ready for it has changed no file.
    fn from(error: io::Error) -> Self {
        Failure::Unchanged(error)
    }
}

/// Writes `bytes` into `folder` under `name`, in place of what was there, and returns when that is durable.
///
/// The new file is whole and durable before it takes the name. On an error before that it is removed.
/// Only one caller at a time may publish under a name.
pub(crate) fn publish(disk: &dyn Disk, folder: &Path, name: &str, bytes: &[u8]) -> Result<File, Failure> {
    let opened = disk.open_folder(folder).map_err(Failure::Unchanged)?;
    let temp = folder.join(names::temp(name, NEXT_TEMP.fetch_add(1, Ordering::Relaxed)));
    let file = disk.open(&temp, Access::New).map_err(Failure::Unchanged)?;
    fill(file, bytes)
        .and_then(|file| disk.rename(&temp, &folder.join(name)).map(|()| file))
        .inspect_err(|_| {
            // If this fails too, the file is swept at the first write here after the next opening of the store.
            let _ = disk.remove(&temp);
        })
        .map_err(Failure::Unchanged)
        .and_then(|file| opened.sync().map(|()| file).map_err(Failure::Unknown))
}

fn fill(mut file: File, bytes: &[u8]) -> io::Result<File> {
    file.wish_for(bytes.len() as u64);
    file.write_at(0, bytes)?;
    file.sync_all()?;
    Ok(file)
}

/// Removes what writers left behind that did not come to an end. Only for a folder in which nobody writes now.
///
/// What cannot be removed stays: it takes room, but nobody takes it for an actor.
pub(crate) fn sweep(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    for name in disk.list(folder)?.iter().filter(|name| names::is_temp(name)) {
        let _ = disk.remove(&folder.join(name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::System;

    #[test]
    fn a_failure_leaves_what_was_there_and_no_temp_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("name/of a folder")).unwrap();
        let failure = publish(&System, folder.path(), "name", b"new").unwrap_err();
        assert!(matches!(failure, Failure::Unchanged(_)), "{failure:?}");
        assert_eq!(System.list(folder.path()).unwrap(), ["name"]);
        assert!(folder.path().join("name/of a folder").exists());
    }

    /// Bug: a temp file that could not be removed kept an unsettled record from being loaded until the store was opened
    /// again. Cause: the next attempt took the same name. Fix: each attempt takes a number of its own.
    #[test]
    fn a_temp_file_that_stayed_is_not_in_the_way_of_the_next_attempt() {
        let folder = tempfile::tempdir().unwrap();
        let next = NEXT_TEMP.load(Ordering::Relaxed);
        // A folder cannot be removed as a file. Other tests of this process take numbers meanwhile.
        for number in next..next + 50 {
            fs::create_dir(folder.path().join(names::temp("name", number))).unwrap();
        }
        let attempts = (0..=50).find(|_| publish(&System, folder.path(), "name", b"new").is_ok());
        assert!(attempts.is_some());
        assert_eq!(fs::read(folder.path().join("name")).unwrap(), b"new");
    }
}
