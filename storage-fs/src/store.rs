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
    /// `None` in a store that is only looked into.
    revisions: Option<Revisions>,
    pub(crate) notes: Notes,
    owner: Owner,
}

impl Store {
    pub(crate) fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, OpenError> {
        let (root, owner) = owner::claim(&disk, path)?;
        let revisions = Some(Revisions::open(&disk, &root)?);
        let notes = Notes::new(&disk, &root);
        let folders = Folders::new(&disk);
        Ok(Store { disk, root, folders, revisions, notes, owner })
    }

    /// Opens a store that is there, to look into it. Nothing is changed then, and nothing by whoever uses it.
    pub(crate) fn open_read_only(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, OpenError> {
        let (root, owner) = owner::look_into(&disk, path)?;
        let notes = Notes::new(&disk, &root);
        let folders = Folders::new(&disk);
        Ok(Store { disk, root, folders, revisions: None, notes, owner })
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.revisions.is_some()
    }

    /// The count of revisions, which whoever may change something has.
    pub(crate) fn revisions(&self) -> Result<&Revisions, StorageError> {
        self.revisions.as_ref().ok_or_else(|| {
            let message = format!("the store {} was opened to be read only; nothing was changed", self.root.display());
            StorageError::new(StorageErrorKind::Refused, message)
        })
    }

    /// Whether the count of revisions can be read, as an opener who wants to save needs it.
    pub(crate) fn check_revisions(&self) -> Result<(), StorageError> {
        Revisions::open(&self.disk, &self.root).map(drop)
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
