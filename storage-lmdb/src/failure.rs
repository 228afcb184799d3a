//! What an error of LMDB or of the file system means for a caller of the store.

use std::io::{self, ErrorKind};
use std::path::Path;

use gargoyle::{StorageError, StorageErrorKind};
use heed::MdbError;

use crate::disk;

/// An error of LMDB at something that changed nothing, or that was undone as a whole.
pub(crate) fn of_lmdb(doing: &str, root: &Path, error: heed::Error) -> StorageError {
    let shown = root.display();
    match error {
        heed::Error::Io(error) => of_file(doing, root, error),
        heed::Error::Mdb(MdbError::MapFull | MdbError::TxnFull) => full(root).with_source(error),
        heed::Error::Mdb(
            MdbError::PageNotFound
            | MdbError::Corrupted
            | MdbError::Invalid
            | MdbError::VersionMismatch
            | MdbError::CursorFull
            | MdbError::PageFull
            | MdbError::Incompatible
            | MdbError::NotFound
            | MdbError::MapResized,
        ) => damaged(root, "LMDB found a page that it cannot be right about").with_source(error),
        heed::Error::Mdb(MdbError::Panic) => {
            let message = format!(
                "{doing} the store {shown}: an earlier write failed in the middle, and LMDB does nothing more until \
                 the store is opened again"
            );
            StorageError::new(StorageErrorKind::Unreachable, message).with_source(error)
        }
        error => {
            StorageError::new(StorageErrorKind::Unreachable, format!("{doing} the store {shown}")).with_source(error)
        }
    }
}

/// The limit of the store is reached.
pub(crate) fn full(root: &Path) -> StorageError {
    let message = format!(
        "the store {} has reached its limit of size; nothing was changed, wipe actors or open it with larger `map_bytes`",
        root.display()
    );
    StorageError::new(StorageErrorKind::Full, message)
}

/// An error of the file system before anything was changed.
pub(crate) fn of_file(doing: &str, path: &Path, error: io::Error) -> StorageError {
    let kind = kind_of(&error);
    let shown = path.display();
    let message = match kind {
        StorageErrorKind::Full => {
            let free = disk::free_bytes(path).or_else(|| disk::free_bytes(path.parent()?));
            let free = free.map_or(String::new(), |bytes| format!(" ({bytes} bytes are free there)"));
            format!("{doing} {shown}{free}; nothing was changed, make room and try again")
        }
        StorageErrorKind::Refused => {
            format!("{doing} {shown}; the store's files must be as it made them, and this user's to write")
        }
        _ => format!("{doing} {shown}"),
    };
    StorageError::new(kind, message).with_source(error)
}

/// An error of LMDB at a commit: nobody knows what will be there after a crash.
pub(crate) fn unknown(root: &Path, error: heed::Error) -> StorageError {
    let message = format!("cannot save into {}; whether it took effect shows at the next load", root.display());
    StorageError::new(StorageErrorKind::Unreachable, message).with_source(error)
}

/// Something in the store is not what was saved.
pub(crate) fn damaged(root: &Path, what: &str) -> StorageError {
    let message = format!("the store {} is damaged: {what}; restore it from a backup", root.display());
    StorageError::new(StorageErrorKind::Damaged, message)
}

/// Whether it failed for want of room on the medium.
pub(crate) fn is_for_want_of_room(error: &heed::Error) -> bool {
    matches!(error, heed::Error::Io(error) if kind_of(error) == StorageErrorKind::Full)
}

fn kind_of(error: &io::Error) -> StorageErrorKind {
    match error.kind() {
        // A file that may not grow is a full medium for whoever has to write into this one file.
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StorageErrorKind::Full,
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::IsADirectory
        | ErrorKind::InvalidFilename => StorageErrorKind::Refused,
        _ => StorageErrorKind::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_apart_what_a_caller_has_to_know() {
        let root = Path::new("/store");
        for (system, kind) in [
            (ErrorKind::StorageFull, StorageErrorKind::Full),
            (ErrorKind::QuotaExceeded, StorageErrorKind::Full),
            (ErrorKind::FileTooLarge, StorageErrorKind::Full),
            (ErrorKind::PermissionDenied, StorageErrorKind::Refused),
            (ErrorKind::ReadOnlyFilesystem, StorageErrorKind::Refused),
            (ErrorKind::Other, StorageErrorKind::Unreachable),
        ] {
            assert_eq!(of_lmdb("cannot write", root, heed::Error::Io(system.into())).kind(), kind);
            assert_eq!(unknown(root, heed::Error::Io(system.into())).kind(), StorageErrorKind::Unreachable);
        }
        for (lmdb, kind) in [
            (MdbError::MapFull, StorageErrorKind::Full),
            (MdbError::Corrupted, StorageErrorKind::Damaged),
            (MdbError::PageNotFound, StorageErrorKind::Damaged),
            (MdbError::Panic, StorageErrorKind::Unreachable),
            (MdbError::Problem, StorageErrorKind::Unreachable),
        ] {
            let error = of_lmdb("cannot write", root, heed::Error::Mdb(lmdb));
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains("/store"), "{error}");
        }
    }
}
