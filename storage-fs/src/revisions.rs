//! The numbers of saves: one count for the whole store, so that a wiped id leaves nothing behind and yet never sees a
//! revision again.

use std::path::{Path, PathBuf};

use gargoyle::sync::atomic::{AtomicU64, Ordering};
use gargoyle::sync::{Arc, Mutex};
use gargoyle::{StorageError, StorageErrorKind};

use crate::disk::{Access, Disk, Kind};
use crate::failure;
use crate::publish::{self, Failure};

pub(crate) const FILE: &str = "REVISIONS";

/// How many numbers are reserved with one write. Every opening of the store that saves skips the rest of a block: there
/// is room for four billion of them.
const BLOCK: u64 = 1 << 32;

/// Longer files are none of ours.
const FILE_BYTES_MAX: usize = 256;

/// Hands out numbers, each after the file says that it may have been used.
#[derive(Debug)]
pub(crate) struct Revisions {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    /// The last number that was handed out.
    used: AtomicU64,
    /// The last number that the file is known to reserve: raised when the file is durable, with `reserving` held.
    reserved: AtomicU64,
    reserving: Mutex<()>,
}

/// Begins the count of a new store, or goes on with the one that is there: of a store that lost its `FORMAT`, say, in which
/// nobody is any more, but whose revisions somebody may remember. Written once more, as its name may not be durable.
pub(crate) fn create(disk: &dyn Disk, root: &Path) -> Result<(), StorageError> {
    let path = root.join(FILE);
    let found = disk.kind(&path).map_err(|error| failure::unchanged("cannot look at", &path, error))?;
    let reserved = if found.is_some() { read(disk, root)? } else { 0 };
    write(disk, root, reserved)
}

impl Revisions {
    /// Reads where the count stands. Numbers are reserved by the first who needs one: a store on a full medium can be
    /// opened, loaded from and wiped.
    pub(crate) fn open(disk: &Arc<dyn Disk>, root: &Path) -> Result<Self, StorageError> {
        let reserved = read(&**disk, root)?;
        Ok(Revisions {
            disk: disk.clone(),
            root: root.to_owned(),
            used: AtomicU64::new(reserved),
            reserved: AtomicU64::new(reserved),
            reserving: Mutex::new(()),
        })
    }

    /// A number larger than all that this store has handed out before.
    ///
    /// The first time, and then once in four billion, this writes to the medium, and all savers wait.
    pub(crate) fn next(&self) -> Result<u64, StorageError> {
        loop {
            if let Some(number) = self.try_next() {
                return Ok(number);
            }
            let _alone = self.reserving.lock();
            // Another one may have done it while this one waited.
            if self.used.load(Ordering::Relaxed) == self.reserved.load(Ordering::Relaxed) {
                self.reserve()?;
            }
        }
    }

    /// A number that is reserved, if one is left. Without a lock: every save comes through here.
    fn try_next(&self) -> Option<u64> {
        // Pairs with the release in `reserve`: who sees the number sees that the file has it.
        let reserved = self.reserved.load(Ordering::Acquire);
        let next = |used: u64| (used < reserved).then(|| used + 1);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok().map(|used| used + 1)
    }

    fn reserve(&self) -> Result<(), StorageError> {
        let reserved = self.reserved.load(Ordering::Relaxed).checked_add(BLOCK).ok_or_else(|| {
            let message = format!("{} has no numbers left", self.root.join(FILE).display());
            StorageError::new(StorageErrorKind::Refused, message)
        })?;
        write(&*self.disk, &self.root, reserved)?;
        self.reserved.store(reserved, Ordering::Release);
        Ok(())
    }
}

fn write(disk: &dyn Disk, root: &Path, reserved: u64) -> Result<(), StorageError> {
    let doing = "cannot reserve revisions in";
    match publish::publish(disk, root, FILE, render(reserved).as_bytes()) {
        Ok(_) => Ok(()),
        Err(Failure::Unchanged(error)) => Err(failure::unchanged(doing, &root.join(FILE), error)),
        Err(Failure::Unknown(error)) => Err(failure::unknown(doing, &root.join(FILE), error)),
    }
}

fn read(disk: &dyn Disk, root: &Path) -> Result<u64, StorageError> {
    let path = root.join(FILE);
    let broken = |what: &str| {
        let message = format!(
            "{} {what}; without it revisions could repeat, so restore it, or write one with a number above every \
             revision in the store",
            path.display()
        );
        StorageError::new(StorageErrorKind::Damaged, message)
    };
    let failed = |error| failure::unchanged("cannot read", &path, error);
    match disk.kind(&path).map_err(failed)? {
        Some(Kind::File) => {}
        Some(_) => return Err(broken("is not a file")),
        None => return Err(broken("is missing")),
    }
    let mut file = disk.open(&path, Access::Read).map_err(failed)?;
    let bytes = usize::try_from(file.bytes().map_err(failed)?).unwrap_or(usize::MAX);
    if bytes > FILE_BYTES_MAX {
        return Err(broken("is damaged"));
    }
    parse(&file.read_at(0, bytes).map_err(failed)?).ok_or_else(|| broken("is damaged"))
}

fn render(reserved: u64) -> String {
    let text = format!("gargoyle-storage-fs revisions 1\nreserved up to {reserved}\n");
    let crc = crc32fast::hash(text.as_bytes());
    format!("{text}crc32 of the lines above {crc:08x}\n")
}

/// Takes what `render` writes, to the letter, and nothing else.
fn parse(text: &[u8]) -> Option<u64> {
    let reserved = std::str::from_utf8(text).ok()?.lines().nth(1)?.strip_prefix("reserved up to ")?.parse().ok()?;
    (render(reserved).as_bytes() == text).then_some(reserved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::System;

    fn open(root: &Path) -> Result<Revisions, StorageError> {
        Revisions::open(&(Arc::new(System) as Arc<dyn Disk>), root)
    }

    #[test]
    fn a_file_with_any_byte_changed_is_not_understood() {
        let text = render(7 * BLOCK);
        assert_eq!(parse(text.as_bytes()), Some(7 * BLOCK));
        for at in 0..text.len() {
            let mut broken = text.clone().into_bytes();
            broken[at] ^= 1;
            assert_eq!(parse(&broken), None, "byte {at}");
            assert_eq!(parse(&text.as_bytes()[..at]), None, "cut to {at}");
        }
    }

    #[test]
    fn a_used_up_block_is_followed_by_one_that_the_file_reserves() {
        let folder = tempfile::tempdir().unwrap();
        create(&System, folder.path()).unwrap();
        let revisions = open(folder.path()).unwrap();
        assert_eq!(revisions.next().unwrap(), 1);
        revisions.used.store(BLOCK, Ordering::Relaxed);
        assert_eq!(revisions.next().unwrap(), BLOCK + 1);
        assert_eq!(read(&System, folder.path()).unwrap(), 2 * BLOCK);
        assert_eq!(open(folder.path()).unwrap().next().unwrap(), 2 * BLOCK + 1);
    }

    #[test]
    fn a_number_that_cannot_be_reserved_is_not_handed_out() {
        let folder = tempfile::tempdir().unwrap();
        write(&System, folder.path(), u64::MAX - 1).unwrap();
        assert_eq!(open(folder.path()).unwrap().next().unwrap_err().kind(), StorageErrorKind::Refused);
        write(&System, folder.path(), 0).unwrap();
        let revisions = open(folder.path()).unwrap();
        std::fs::remove_dir_all(folder.path()).unwrap();
        assert!(revisions.next().is_err());
        assert!(revisions.next().is_err());
    }
}
