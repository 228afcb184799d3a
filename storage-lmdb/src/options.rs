//! The settings of a store.

use std::path::Path;

use crate::{LmdbStorage, OpenError};

/// Settings of a store, made by [`LmdbStorage::options`] and used up by [`open`](Self::open).
///
/// # Examples
///
/// ```
/// use gargoyle_storage_lmdb::LmdbStorage;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// let store = LmdbStorage::options().map_bytes(10 << 30).open(path)?;
/// # Ok::<(), gargoyle::BoxError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct LmdbOptions {
    pub(crate) map_bytes: Option<u64>,
    pub(crate) check_pages: bool,
}

impl LmdbOptions {
    /// How large the store may become: a save beyond is [`Full`](gargoyle::StorageErrorKind::Full). 1 TiB unless set,
    /// or less if the system has no addresses for so much (1 GiB on 32-bit systems).
    ///
    /// This reserves addresses, neither memory nor disk: the file grows as it is used. It may differ from opening to
    /// opening. What is counted is what records and indexes take at the moment; the file may get an eighth larger. At
    /// the limit everything but a save that grows the store works, wipes above all. Close to it a large record may find
    /// no free pages in one piece, and is full too. At least 1 MiB.
    #[must_use]
    pub fn map_bytes(mut self, bytes: u64) -> Self {
        self.map_bytes = Some(bytes);
        self
    }

    /// Whether [`open`](Self::open) reads every page of the database and looks whether it is in order. Not unless set.
    ///
    /// For a store of whose file one is in doubt: LMDB itself trusts its pages. It takes as long as to read the file
    /// once. Checksums of records are checked at each load, and not by this.
    #[must_use]
    pub fn check_pages(mut self, check: bool) -> Self {
        self.check_pages = check;
        self
    }

    /// Opens the store in the folder `path`, and makes it if there is no such folder or an empty one.
    ///
    /// # Errors
    ///
    /// Each [`OpenErrorKind`](crate::OpenErrorKind): another opener has it, its format is unknown, the folder contains
    /// something else, its database is damaged, the file system failed or the addresses are not to be had.
    pub fn open(self, path: impl AsRef<Path>) -> Result<LmdbStorage, OpenError> {
        LmdbStorage::open_with(path.as_ref(), &self)
    }

    /// Opens the store in the folder `path` to look into it, see [`LmdbStorage::open_read_only`].
    ///
    /// # Errors
    ///
    /// As [`LmdbStorage::open_read_only`].
    pub fn open_read_only(self, path: impl AsRef<Path>) -> Result<LmdbStorage, OpenError> {
        LmdbStorage::open_read_only_with(path.as_ref(), &self)
    }
}
