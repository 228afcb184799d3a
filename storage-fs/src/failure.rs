//! What an error of the file system means for a caller of the store.

use std::io::{self, ErrorKind};
use std::path::Path;

use gargoyle::{StorageError, StorageErrorKind};

use crate::disk;

/// An error before anything was changed: the old state stands.
pub(crate) fn unchanged(doing: &str, path: &Path, error: io::Error) -> StorageError {
    let kind = kind_of(&error);
    let path_shown = path.display();
    let message = match kind {
        StorageErrorKind::Full if disk::is_out_of_descriptors(&error) => format!(
            "{doing} {path_shown}; nothing was changed, let this process or machine have more files open (`ulimit -n`) \
             and try again"
        ),
        StorageErrorKind::Full => {
            let free = path.parent().and_then(disk::free_bytes);
            let free = free.map_or(String::new(), |bytes| format!(" ({bytes} bytes are free there)"));
            format!("{doing} {path_shown}{free}; nothing was changed, make room for bytes or inodes and try again")
        }
        StorageErrorKind::Refused => {
            format!("{doing} {path_shown}; the store's files must be as it made them, and this user's to write")
        }
        _ => format!("{doing} {path_shown}"),
    };
    StorageError::new(kind, message).with_source(error)
}

/// An error after the first change: nobody knows what of it will be there after a crash.
pub(crate) fn unknown(doing: &str, path: &Path, error: io::Error) -> StorageError {
    let message = format!("{doing} {}; whether it took effect shows at the next load", path.display());
    StorageError::new(StorageErrorKind::Unreachable, message).with_source(error)
}

/// An error that keeps what is there from being known.
pub(crate) fn not_listed(path: &Path, error: io::Error) -> StorageError {
    let message = format!("cannot list {}, so what else is there is not known", path.display());
    StorageError::new(StorageErrorKind::Unreachable, message).with_source(error)
}

pub(crate) fn damaged(path: &Path, what: &str) -> StorageError {
    let message = format!("{} is damaged: {what}; restore it from a backup, or wipe it", path.display());
    StorageError::new(StorageErrorKind::Damaged, message)
}

fn kind_of(error: &io::Error) -> StorageErrorKind {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::TooManyLinks => StorageErrorKind::Full,
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::IsADirectory
        | ErrorKind::InvalidFilename
        | ErrorKind::FileTooLarge => StorageErrorKind::Refused,
        _ if disk::is_out_of_descriptors(error) => StorageErrorKind::Full,
        // Surely unchanged too, but nobody can say what it takes to try again.
        _ => StorageErrorKind::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_keep_apart_what_a_caller_has_to_know() {
        for (system, kind) in [
            (ErrorKind::StorageFull, StorageErrorKind::Full),
            (ErrorKind::QuotaExceeded, StorageErrorKind::Full),
            (ErrorKind::TooManyLinks, StorageErrorKind::Full),
            (ErrorKind::PermissionDenied, StorageErrorKind::Refused),
            (ErrorKind::ReadOnlyFilesystem, StorageErrorKind::Refused),
            (ErrorKind::IsADirectory, StorageErrorKind::Refused),
            (ErrorKind::InvalidFilename, StorageErrorKind::Refused),
            (ErrorKind::FileTooLarge, StorageErrorKind::Refused),
            (ErrorKind::AlreadyExists, StorageErrorKind::Unreachable),
            (ErrorKind::NotFound, StorageErrorKind::Unreachable),
            (ErrorKind::Other, StorageErrorKind::Unreachable),
        ] {
            let path = Path::new("/store/account/00/alice");
            assert_eq!(unchanged("cannot write", path, system.into()).kind(), kind);
            assert_eq!(unknown("cannot write", path, system.into()).kind(), StorageErrorKind::Unreachable);
        }
    }

    #[cfg(unix)]
    #[test]
    fn without_descriptors_the_setting_is_named_and_nothing_was_changed() {
        for code in [libc::EMFILE, libc::ENFILE] {
            let error = unchanged("cannot read", Path::new("/store/alice"), std::io::Error::from_raw_os_error(code));
            assert_eq!(error.kind(), StorageErrorKind::Full);
            assert!(error.to_string().contains("ulimit -n"), "{error}");
        }
    }

    #[test]
    fn a_full_medium_is_reported_with_the_file_and_the_free_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alice");
        let shown = unchanged("cannot write", &path, ErrorKind::StorageFull.into()).to_string();
        assert!(shown.contains(&path.display().to_string()) && shown.contains("bytes are free"), "{shown}");
    }
}
