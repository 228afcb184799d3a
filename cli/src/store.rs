//! Which store a folder holds, how it is opened, and what is read from it.

use std::ops::ControlFlow;
use std::path::Path;

use clap::ValueEnum;
use gargoyle::{ActorId, BoxError, Record, Storage, StorageError, Stored};
use gargoyle_storage_fs::FsStorage;
use gargoyle_storage_lmdb::{LmdbOptions, LmdbStorage};

use crate::problems::Problems;
use crate::text::{chain, shown};

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// One file an actor: gargoyle-storage-fs
    Fs,
    /// One LMDB environment: gargoyle-storage-lmdb
    Lmdb,
}

impl StoreKind {
    fn name(self) -> &'static str {
        match self {
            StoreKind::Fs => "fs",
            StoreKind::Lmdb => "lmdb",
        }
    }

    /// The kind of the store in this folder, if there is one.
    fn of(folder: &Path) -> Result<Option<StoreKind>, BoxError> {
        let look = || -> std::io::Result<_> {
            Ok(match () {
                () if FsStorage::is_store(folder)? => Some(StoreKind::Fs),
                () if LmdbStorage::is_store(folder)? => Some(StoreKind::Lmdb),
                () => None,
            })
        };
        look().map_err(|error| format!("cannot look into {}: {error}", folder.display()).into())
    }

    /// The kind of the store in this folder, which has to be there.
    fn known(folder: &Path) -> Result<StoreKind, BoxError> {
        Self::of(folder)?.ok_or_else(|| {
            let shown = folder.display();
            if folder.is_dir() {
                format!("{shown} is not the folder of a store: it has no FORMAT that says so").into()
            } else if folder.exists() {
                format!("{shown} is not a folder; a store is one").into()
            } else {
                format!("there is no folder {shown}").into()
            }
        })
    }
}

/// LMDB trusts its pages, and one that is in disorder may be the end of the process. Whoever takes this tool may be in
/// doubt about a store: so all pages are looked at before LMDB gets them.
fn lmdb() -> LmdbOptions {
    LmdbStorage::options().check_pages(true)
}

/// Opens a store to look at it. Nothing of it is changed.
pub(crate) fn look_into(folder: &Path) -> Result<Box<dyn Storage>, BoxError> {
    Ok(match StoreKind::known(folder)? {
        StoreKind::Fs => Box::new(FsStorage::open_read_only(folder)?),
        StoreKind::Lmdb => Box::new(lmdb().open_read_only(folder)?),
    })
}

/// As `look_into`, and looks at what the store needs beside the records: at the count of revisions. Returns what is wrong
/// with that.
pub(crate) fn look_thoroughly(folder: &Path) -> Result<(Box<dyn Storage>, Option<StorageError>), BoxError> {
    Ok(match StoreKind::known(folder)? {
        StoreKind::Fs => {
            let store = FsStorage::open_read_only(folder)?;
            let wrong = store.check().err();
            (Box::new(store), wrong)
        }
        StoreKind::Lmdb => {
            let store = lmdb().open_read_only(folder)?;
            let wrong = store.check().err();
            (Box::new(store), wrong)
        }
    })
}

/// Opens a store to change it.
pub(crate) fn open(folder: &Path) -> Result<Box<dyn Storage>, BoxError> {
    open_as(folder, StoreKind::known(folder)?)
}

/// Opens a store to change it, or makes one of this kind.
pub(crate) fn open_or_make(folder: &Path, new: Option<StoreKind>) -> Result<Box<dyn Storage>, BoxError> {
    let shown = folder.display();
    match (StoreKind::of(folder)?, new) {
        (Some(kind), Some(other)) if kind != other => {
            Err(format!("{shown} is a store of the kind {} already", kind.name()).into())
        }
        (Some(kind), _) | (None, Some(kind)) => open_as(folder, kind),
        (None, None) => {
            Err(format!("{shown} is not the folder of a store; to make one, say which: --to fs, --to lmdb").into())
        }
    }
}

fn open_as(folder: &Path, kind: StoreKind) -> Result<Box<dyn Storage>, BoxError> {
    Ok(match kind {
        StoreKind::Fs => Box::new(FsStorage::open(folder)?),
        StoreKind::Lmdb => Box::new(lmdb().open(folder)?),
    })
}

/// The ids of records, in their order.
pub(crate) struct Listed {
    pub(crate) ids: Vec<ActorId>,
    /// Why there may be more of them.
    incomplete: Option<StorageError>,
}

impl Listed {
    /// Begins work on all of them, with what is wrong with the list as the first problem.
    pub(crate) fn begin(&self) -> Problems {
        let problems = Problems::new(self.ids.len());
        if let Some(error) = &self.incomplete {
            problems.say(&chain(error));
        }
        problems
    }
}

pub(crate) fn list(store: &dyn Storage, kind: Option<&str>) -> Listed {
    let mut ids = Vec::new();
    let mut visit = |id| {
        ids.push(id);
        ControlFlow::Continue(())
    };
    let incomplete = store.scan(kind, None, &mut visit).err();
    Listed { ids, incomplete }
}

/// The record of `id`, and what the store says of it.
pub(crate) fn read(store: &dyn Storage, id: &ActorId) -> Result<(Record, Stored), BoxError> {
    // Two errors out of three name a file and not the id.
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", shown(id));
    let stored = store.load(id).map_err(|error| named(&chain(&error)))?;
    let stored = stored.ok_or_else(|| format!("there is no record of {}", shown(id)))?;
    let record = parse(&stored, id).map_err(|error| named(&error))?;
    Ok((record, stored))
}

/// The record in what was stored, if it is this one's.
pub(crate) fn parse(stored: &Stored, id: &ActorId) -> Result<Record, String> {
    let record = Record::from_bytes(&stored.bytes).map_err(|error| chain(&error))?;
    if record.id == *id { Ok(record) } else { Err(format!("the record is that of {}", shown(&record.id))) }
}
