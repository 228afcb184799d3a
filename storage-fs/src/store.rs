//! What the files of all actors share: the folder, the right to it, and the count of revisions.

use std::path::{Path, PathBuf};

use gargoyle::sync::Arc;
use gargoyle::{StorageError, StorageErrorKind};

use crate::disk::Disk;
use crate::error::OpenError;
use crate::folders::Folders;
use crate::owner::{self, Owner};
use crate::revisions::Revisions;
use crate::wake::{Due, Notes};

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) root: PathBuf,
    pub(crate) folders: Folders,
    pub(crate) revisions: Revisions,
    pub(crate) notes: Notes,
    owner: Owner,
}

impl Store {
    pub(crate) fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, OpenError> {
        let (root, owner) = owner::claim(&disk, path)?;
        let revisions = Revisions::open(&disk, &root)?;
        let notes = Notes::new(&disk, &root);
        let folders = Folders::new(&disk);
        Ok(Store { disk, root, folders, revisions, notes, owner })
    }

    /// Whom the notes up to this span are about.
    pub(crate) fn notes_until(&self, span: u64) -> Result<Due, StorageError> {
        let due = self.notes.until(span);
        // If the store is not there, nothing else is to be said.
        self.check_in_place().and(due)
    }

    /// Without the folder nothing can be said about any id, and above all not that it has no record.
    pub(crate) fn check_in_place(&self) -> Result<(), StorageError> {
        let shown = self.root.display();
        match self.owner.is_in_place() {
            Ok(true) => Ok(()),
            Ok(false) => {
                let message =
                    format!("the folder {shown} is not the store that was opened; was it moved or unmounted?");
                Err(StorageError::new(StorageErrorKind::Unreachable, message))
            }
            Err(error) => {
                let message = format!("cannot look at the store {shown}");
                Err(StorageError::new(StorageErrorKind::Unreachable, message).with_source(error))
            }
        }
    }
}
