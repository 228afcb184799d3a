//! Which store a folder holds, and how it is opened.

use std::path::Path;
use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use gargoyle::{ActorId, BoxError, Record, Storage, Stored};
use gargoyle_storage_fs::FsStorage;
use gargoyle_storage_lmdb::LmdbStorage;

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// One file an actor: gargoyle-storage-fs.
    Fs,
    /// One LMDB environment: gargoyle-storage-lmdb.
    Lmdb,
}

impl StoreKind {
    /// The kind of the store in this folder, if there is one.
    fn of(folder: &Path) -> Option<StoreKind> {
        let known = [(StoreKind::Fs, FsStorage::is_store as fn(&Path) -> bool), (StoreKind::Lmdb, LmdbStorage::is_store)];
        known.into_iter().find(|(_, is_store)| is_store(folder)).map(|(kind, _)| kind)
    }

    fn known(folder: &Path) -> Result<StoreKind, BoxError> {
        Self::of(folder).ok_or_else(|| format!("{} is not the folder of a store", folder.display()).into())
    }
}

/// Opens a store to look at it. Nothing of it is changed.
pub(crate) fn look_into(folder: &Path) -> Result<Box<dyn Storage>, BoxError> {
    Ok(match StoreKind::known(folder)? {
        StoreKind::Fs => Box::new(FsStorage::open_read_only(folder)?),
        StoreKind::Lmdb => Box::new(LmdbStorage::open_read_only(folder)?),
    })
}

/// Opens a store to change it.
pub(crate) fn open(folder: &Path) -> Result<Box<dyn Storage>, BoxError> {
    let kind = StoreKind::known(folder)?;
    open_as(folder, kind)
}

/// Opens a store to change it, or makes one of this kind.
pub(crate) fn open_or_make(folder: &Path, new: Option<StoreKind>) -> Result<Box<dyn Storage>, BoxError> {
    let shown = folder.display();
    match (StoreKind::of(folder), new) {
        (Some(kind), Some(other)) if kind != other => {
            let kind = kind.to_possible_value().map(|kind| kind.get_name().to_owned()).unwrap_or_default();
            Err(format!("{shown} is a store already, of the kind {kind}").into())
        }
        (Some(kind), _) | (None, Some(kind)) => open_as(folder, kind),
        (None, None) => Err(format!("{shown} is not the folder of a store; to make one, say which: --to fs, --to lmdb").into()),
    }
}

fn open_as(folder: &Path, kind: StoreKind) -> Result<Box<dyn Storage>, BoxError> {
    Ok(match kind {
        StoreKind::Fs => Box::new(FsStorage::open(folder)?),
        StoreKind::Lmdb => Box::new(LmdbStorage::open(folder)?),
    })
}

/// The ids of all records, in their order.
pub(crate) fn ids(store: &dyn Storage, kind: Option<&str>) -> Result<Vec<ActorId>, BoxError> {
    let mut ids = Vec::new();
    store.scan(kind, None, &mut |id| {
        ids.push(id);
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(ids)
}

/// The record of `id`, and what the store says of it.
pub(crate) fn read(store: &dyn Storage, id: &ActorId) -> Result<Option<(Record, Stored)>, BoxError> {
    let Some(stored) = store.load(id)? else { return Ok(None) };
    let record = Record::from_bytes(&stored.bytes).map_err(|error| format!("{}: {error}", shown(id)))?;
    if record.id != *id {
        return Err(format!("{}: the record is that of {}: it was put in the wrong place", shown(id), shown(&record.id)).into());
    }
    Ok(Some((record, stored)))
}

/// As `read`, and it has to be there.
pub(crate) fn read_one(store: &dyn Storage, id: &ActorId) -> Result<(Record, Stored), BoxError> {
    read(store, id)?.ok_or_else(|| format!("there is no record of {}", shown(id)).into())
}

/// An id in one line, whatever is in it.
pub(crate) fn shown(id: &ActorId) -> String {
    format!("{}/{}", id.kind().escape_debug(), id.key().escape_debug())
}

/// A time as a person reads it.
pub(crate) fn shown_time(time: SystemTime) -> String {
    // Beyond the year 9999 there is no such text.
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_seconds(time.min(last)).to_string()
}
