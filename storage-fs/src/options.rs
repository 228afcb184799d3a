//! The settings of a store.

use std::path::Path;

use gargoyle::sync::Arc;

use crate::disk::{System, descriptors_max};
use crate::{FsStorage, OpenError, permits};

/// More are worth less than what the system keeps for each of them.
const KEPT_MAX: u64 = 4096;

/// Settings of a store, made by [`FsStorage::options`] and used up by [`open`](Self::open).
///
/// # Examples
///
/// ```
/// use gargoyle_storage_fs::FsStorage;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// let store = FsStorage::options().keep_open(1000).open(path)?;
/// # Ok::<(), gargoyle::BoxError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct FsOptions {
    keep_open: Option<usize>,
}

impl FsOptions {
    /// How many files of actors stay open from one save to the next, at most, while the actors are alive. Unless set, on
    /// Linux half of what `ulimit -n` leaves beyond the store's other files, and at most 4096; elsewhere none, whatever
    /// is set.
    ///
    /// A save into a file that is open need not open, read and close it. If more actors are alive, those that saved last have
    /// theirs open, nearly. When the process has no descriptors left, the store closes these files, keeps half as many
    /// from then on, and goes on.
    #[must_use]
    pub fn keep_open(mut self, files: usize) -> Self {
        self.keep_open = Some(files);
        self
    }

    /// Opens the store in the folder `path`, and makes it if there is no such folder or an empty one.
    ///
    /// # Errors
    ///
    /// As [`FsStorage::open`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<FsStorage, OpenError> {
        let kept_max = self.keep_open.unwrap_or_else(|| most_kept(descriptors_max()));
        FsStorage::open_on(Arc::new(System), path.as_ref(), kept_max)
    }
}

/// What leaves the program as much as it takes.
fn most_kept(descriptors: Option<u64>) -> usize {
    let others = permits::FILES_MAX as u64 + 8;
    let kept = descriptors.map_or(KEPT_MAX, |limit| limit.saturating_sub(others) / 2).min(KEPT_MAX);
    kept as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_few_descriptors_keeps_them() {
        let kept = [256, 300, 1024, 1 << 20].map(|limit| most_kept(Some(limit)));
        assert_eq!((kept, most_kept(None)), ([0, 18, 380, 4096], 4096));
    }
}
