//! Why a store cannot be opened.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

use gargoyle::{StorageError, StorageErrorKind};

use crate::failure;

/// An error of [`LmdbStorage::open`](crate::LmdbStorage::open). Its message names the folder or the file, and what to do.
#[derive(Debug)]
pub struct OpenError {
    kind: OpenErrorKind,
    message: String,
    /// Says the same as `message`: what caused it is one step further.
    storage: Option<StorageError>,
}

/// What went wrong at opening a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// Another process has the store open, or this one has it open already.
    InUse,
    /// A store of a format that this version of the crate does not know.
    UnknownFormat,
    /// The folder is not empty and not a store. It was left as it is.
    NotAStore,
    /// A store whose database cannot be read. It was left as it is.
    Damaged,
    /// The file system failed, has no room, or refused; or the addresses for the map are not to be had.
    Io,
}

impl OpenError {
    pub(crate) fn new(kind: OpenErrorKind, message: String) -> Self {
        OpenError { kind, message, storage: None }
    }

    pub(crate) fn io(doing: &str, path: &Path, error: io::Error) -> Self {
        failure::of_file(doing, path, error).into()
    }

    /// What went wrong.
    pub fn kind(&self) -> OpenErrorKind {
        self.kind
    }
}

impl From<StorageError> for OpenError {
    fn from(error: StorageError) -> Self {
        let damaged = error.kind() == StorageErrorKind::Damaged;
        let kind = if damaged { OpenErrorKind::Damaged } else { OpenErrorKind::Io };
        OpenError { kind, message: error.to_string(), storage: Some(error) }
    }
}

/// `{:#}` adds the causes.
impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.storage {
            Some(error) if f.alternate() => write!(f, "{error:#}"),
            _ => f.write_str(&self.message),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.storage.as_ref()?.source()
    }
}
