//! How a whole file appears at once under its name, or not at all.

use std::io;
use std::path::Path;

use crate::{disk, names};

/// Where it failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Before the name was touched: what it named, it still names.
    Unchanged(io::Error),
    /// At making the new name durable.
    Unknown(io::Error),
}

/// Writes `bytes` into `folder` under `name`, in place of what was there, and returns when that is durable.
///
/// The new file is whole and durable before it takes the name. On an error before that it is removed. `number` goes
/// into the name that it has until then. Only one caller at a time may publish under a name.
pub(crate) fn publish(folder: &Path, name: &str, number: u64, bytes: &[u8]) -> Result<disk::File, Failure> {
    let temp = folder.join(names::temp(name, number));
    let file = disk::create(&temp).map_err(Failure::Unchanged)?;
    fill(file, bytes)
        .and_then(|file| disk::rename(&temp, &folder.join(name)).map(|()| file))
        .inspect_err(|_| {
            // If this fails too, the file is swept at the first write here after the next opening of the store.
            let _ = disk::remove(&temp);
        })
        .map_err(Failure::Unchanged)
        .and_then(|file| disk::sync_folder(folder).map(|()| file).map_err(Failure::Unknown))
}

fn fill(mut file: disk::File, bytes: &[u8]) -> io::Result<disk::File> {
    file.wish_for(bytes.len() as u64);
    file.write_at(0, bytes)?;
    file.sync_all()?;
    Ok(file)
}

/// Removes what writers left behind that did not come to an end. Only for a folder in which nobody writes now.
///
/// What cannot be removed stays: it takes room, but nobody takes it for an actor.
pub(crate) fn sweep(folder: &Path) -> io::Result<()> {
    for name in disk::list(folder)?.iter().filter(|name| names::is_temp(name)) {
        let _ = disk::remove(&folder.join(name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_failure_leaves_what_was_there_and_no_temp_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("name/of a folder")).unwrap();
        let failure = publish(folder.path(), "name", 1, b"new").unwrap_err();
        assert!(matches!(failure, Failure::Unchanged(_)), "{failure:?}");
        assert_eq!(disk::list(folder.path()).unwrap(), ["name"]);
        assert!(folder.path().join("name/of a folder").exists());
    }
}
