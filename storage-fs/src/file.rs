//! The life of one actor's file: load, save and wipe, under the lock of its id. FORMAT.md argues why each is safe.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};

use gargoyle::{ActorId, Revision, StorageError, StorageErrorKind, Stored};

use crate::disk::{Access, File, Folder, Identity, Kind};
use crate::failure::{damaged, unchanged, unknown};
use crate::kept::KeptFile;
use crate::names::Place;
use crate::publish::{self, Failure};
use crate::revisions;
use crate::slot::{self, Record, Verdict};
use crate::store::Store;
use crate::wake;

/// The file of an id, whether there is one or not. Whoever has this has the lock of the id.
pub(crate) struct ActorFile<'a> {
    store: &'a Store,
    id: &'a ActorId,
    place: Place,
    path: PathBuf,
}

/// The newest record of a file, and how the file is laid out.
struct Newest {
    revision: u64,
    wake_ms: Option<u64>,
    body: Vec<u8>,
    /// The number of its slot.
    slot: usize,
    slot_bytes: usize,
    /// Whether it is known to be durable.
    settled: bool,
}

/// The two slots of a file, one behind the other, each as far as it is of interest.
struct Slots {
    bytes: Vec<u8>,
    second_at: usize,
    slot_bytes: usize,
}

impl Slots {
    /// Reads no more than the heads of both slots claim.
    fn claimed(file: &mut File, slot_bytes: usize) -> io::Result<Self> {
        let (mut bytes, mut second_at) = (Vec::new(), 0);
        for slot in 0..2 {
            second_at = bytes.len();
            let at = offset(slot, slot_bytes);
            let head = file.read_at(at, slot::PAYLOAD_AT)?;
            file.read_behind(&mut bytes, at, slot::bytes_claimed(&head, slot_bytes))?;
        }
        Ok(Slots { bytes, second_at, slot_bytes })
    }
}

impl<'a> ActorFile<'a> {
    pub(crate) fn new(store: &'a Store, id: &'a ActorId) -> Self {
        let place = Place::of(id);
        let path = place.file(&store.root);
        ActorFile { store, id, place, path }
    }

    pub(crate) fn load(&self) -> Result<Option<Stored>, StorageError> {
        let newest = self.settle()?;
        Ok(newest.map(|newest| Stored {
            revision: Revision::new(newest.revision),
            bytes: newest.body,
            wake_at: newest.wake_ms.and_then(wake::time),
        }))
    }

    /// Saves with one file open and nothing else to do than to overwrite a slot of it. `None` if it takes more than
    /// that, and nothing was done. The file is for the next save, if it can be kept open.
    pub(crate) fn save_in_place(
        &self,
        expected: Option<Revision>,
        body: &[u8],
        wake_ms: Option<u64>,
    ) -> Option<Result<(Revision, Option<KeptFile>), StorageError>> {
        let mut file = self.store.disk.open_straight(&self.path, Access::Change)?;
        let identity = file.identity().ok().filter(|identity| !identity.has_other_names())?;
        let newest = match self.read(&mut file) {
            Ok(newest) => newest,
            Err(error) => return Some(Err(error)),
        };
        let record = record(self.id, wake_ms, body);
        let fits = record.slot_bytes() <= newest.slot_bytes;
        let is_noted = newest.wake_ms.map(wake::span) == wake_ms.map(wake::span);
        if !(newest.settled && fits && is_noted) {
            return None;
        }
        let saved = self.expect(expected, Some(newest.revision)).and_then(|()| self.next_revision(Some(&newest)));
        Some(saved.and_then(|revision| {
            let kept = self.overwrite(&newest, file, identity, &Record { revision, ..record })?;
            Ok((Revision::new(revision), kept))
        }))
    }

    pub(crate) fn save(
        &self,
        expected: Option<Revision>,
        body: &[u8],
        wake_ms: Option<u64>,
    ) -> Result<Revision, StorageError> {
        let record = record(self.id, wake_ms, body);
        let bytes_needed = record.slot_bytes();
        if bytes_needed > slot::SLOT_BYTES_MAX {
            let message = format!(
                "{}: a record of {} bytes is over the limit of {} bytes a slot",
                self.path.display(),
                body.len(),
                slot::SLOT_BYTES_MAX
            );
            return Err(StorageError::new(StorageErrorKind::Refused, message));
        }
        let newest = self.settle()?;
        self.expect(expected, newest.as_ref().map(|newest| newest.revision))?;
        let revision = self.next_revision(newest.as_ref())?;
        let record = Record { revision, ..record };
        let noted = newest.as_ref().and_then(|newest| newest.wake_ms).map(wake::span);
        let to_note = wake_ms.map(wake::span);
        // Before the record that needs it. The one before keeps its own until this one is durable.
        if let Some(span) = to_note.filter(|_| noted != to_note) {
            self.store.check_in_place()?;
            self.store.notes.make(self.id, span)?;
        }
        match newest {
            Some(newest) if bytes_needed <= newest.slot_bytes => self.overwrite_or_replace(newest, &record)?,
            Some(newest) => self.replace(slot::grown(newest.slot_bytes, bytes_needed), &record)?,
            None => self.replace(bytes_needed, &record)?,
        }
        if let Some(span) = noted.filter(|_| noted != to_note) {
            self.store.notes.remove(self.id, span);
        }
        Ok(Revision::new(revision))
    }

    /// Whether its newest record wants to be woken by then. Removes those of the notes about it, of these spans, that
    /// the record does not need.
    pub(crate) fn is_due(&self, until_ms: u64, noted: &[u64]) -> Result<bool, StorageError> {
        match self.settle() {
            Ok(Some(newest)) => {
                let needed = newest.wake_ms.map(wake::span);
                if self.store.is_writable() {
                    noted.iter().filter(|&&span| Some(span) != needed).for_each(|&span| {
                        self.store.notes.remove(self.id, span);
                    });
                }
                Ok(newest.wake_ms.is_some_and(|at| at <= until_ms))
            }
            // Its notes stay: if a wipe failed, the record may come back after a power cut.
            Ok(None) => Ok(false),
            // Whoever wants to wake it is told what is wrong.
            Err(_) => self.store.check_in_place().map(|()| true),
        }
    }

    pub(crate) fn wipe(&self, expected: Option<Revision>) -> Result<(), StorageError> {
        if !self.is_there()? {
            return self.sync_absence();
        }
        self.refuse_all_but_files()?;
        let found = self.open_to_read().and_then(|mut file| self.read(&mut file));
        let found = found.map(|newest| (newest.revision, newest.wake_ms));
        let noted = found.as_ref().ok().and_then(|(_, wake_ms)| *wake_ms).map(wake::span);
        if expected.is_some() {
            // Whether it was settled is no matter: it goes.
            self.expect(expected, Some(found?.0))?;
        }
        let failed = |error| unchanged("cannot delete", &self.path, error);
        let folder = self.store.disk.open_folder(&self.place.shard_folder(&self.store.root)).map_err(failed)?;
        self.store.disk.remove(&self.path).map_err(failed)?;
        self.sync_deletion(&folder)?;
        if let Some(span) = noted {
            self.store.notes.remove(self.id, span);
        }
        Ok(())
    }

    /// Makes it durable that there is no file, also on behalf of a wipe that failed at this or died before it.
    fn sync_absence(&self) -> Result<(), StorageError> {
        match self.store.disk.open_folder(&self.place.shard_folder(&self.store.root)) {
            Ok(folder) => self.sync_deletion(&folder),
            // Without the folder there never was a file, if the store itself is there.
            Err(error) if error.kind() == ErrorKind::NotFound => self.store.check_in_place(),
            Err(error) => Err(unchanged("cannot make durable the deletion of", &self.path, error)),
        }
    }

    fn sync_deletion(&self, folder: &Folder) -> Result<(), StorageError> {
        folder.sync().map_err(|error| unknown("cannot make durable the deletion of", &self.path, error))
    }

    /// The newest record, made durable if it may not be.
    ///
    /// A bare sync would not do: after one that failed, the system takes what it could not write for written, and says
    /// yes to the next. A new file owes nothing to what happened to the old one, and leaves that as it is until the
    /// new one takes its place.
    ///
    /// Who only looks sees it as it is: what the next owner would settle.
    fn settle(&self) -> Result<Option<Newest>, StorageError> {
        let mut file = match self.store.disk.open_straight(&self.path, Access::Read) {
            Some(file) => file,
            None if self.is_there()? => self.open_to_read()?,
            None => return Ok(None),
        };
        let newest = self.read(&mut file)?;
        // Others have only so many to open, and what is to be settled gets a new one.
        drop(file);
        if !newest.settled && self.store.is_writable() {
            let record = Record { revision: newest.revision, ..record(self.id, newest.wake_ms, &newest.body) };
            self.replace(newest.slot_bytes, &record).map_err(|error| {
                let (kind, what_to_do) = match error.kind() {
                    StorageErrorKind::Full => (StorageErrorKind::Full, "; make room for a new file and try again"),
                    StorageErrorKind::Refused => {
                        (StorageErrorKind::Refused, "; it needs a new file, which is refused until the cause is gone")
                    }
                    _ => (StorageErrorKind::Unreachable, ""),
                };
                let message = format!(
                    "{}: a save was cut short, and its record is not durable yet{what_to_do}",
                    self.path.display()
                );
                StorageError::new(kind, message).with_source(error)
            })?;
            return Ok(Some(Newest { slot: 0, settled: true, ..newest }));
        }
        Ok(Some(newest))
    }

    /// Whether it is a file at all is asked if this fails, see [`Disk::is_link`](crate::disk::Disk::is_link).
    fn open_to_read(&self) -> Result<File, StorageError> {
        let opened = self.store.disk.open(&self.path, Access::Read);
        opened.or_else(|error| self.refuse_all_but_files().and(Err(unchanged("cannot read", &self.path, error))))
    }

    fn read(&self, file: &mut File) -> Result<Newest, StorageError> {
        let read = self.read_slots(file);
        let Slots { bytes, second_at, slot_bytes } =
            read.or_else(|error| self.refuse_all_but_files().and(Err(error)))?;
        let (slot, record, settled) = match slot::judge(bytes.split_at(second_at).into(), slot_bytes) {
            Verdict::Settled { slot, record } => (slot, record, true),
            Verdict::Unsettled { slot, record } => (slot, record, false),
            Verdict::Damaged(what) => return Err(self.damaged(&what)),
            Verdict::Unknown { version, flags } => return Err(self.too_new(version, flags)),
        };
        if (record.kind, record.key) != (self.id.kind().as_bytes(), self.id.key().as_bytes()) {
            let [kind, key] = [record.kind, record.key].map(String::from_utf8_lossy);
            return Err(self.damaged(&format!(
                "it holds {:?}, not {:?}",
                (kind, key),
                (self.id.kind(), self.id.key())
            )));
        }
        let (Record { revision, wake_ms, .. }, body_range) = (record, record.body_range());
        let body = cut(bytes, slot * second_at, body_range);
        Ok(Newest { revision, wake_ms, body, slot, slot_bytes, settled })
    }

    /// All that may be a record.
    fn read_slots(&self, file: &mut File) -> Result<Slots, StorageError> {
        let failed = |error| unchanged("cannot read", &self.path, error);
        let slot_bytes = slot::slot_bytes_in(file.bytes().map_err(failed)?).map_err(|what| self.damaged(&what))?;
        let slots = if 2 * slot_bytes > slot::READ_AT_ONCE {
            Slots::claimed(file, slot_bytes)
        } else {
            file.read_at(0, 2 * slot_bytes).map(|bytes| Slots { bytes, second_at: slot_bytes, slot_bytes })
        };
        slots.map_err(failed)
    }

    /// Writes into the file, or a new one in its place if it has other names: under these somebody keeps a copy, who must
    /// find it as it was.
    fn overwrite_or_replace(&self, newest: Newest, record: &Record<'_>) -> Result<(), StorageError> {
        let failed = |error| unchanged("cannot write", &self.path, error);
        let file = self.store.disk.open(&self.path, Access::Write).map_err(failed)?;
        let identity = file.identity().map_err(failed)?;
        if identity.has_other_names() {
            drop(file);
            return self.replace(newest.slot_bytes, record);
        }
        self.overwrite(&newest, file, identity, record).map(drop)
    }

    /// Writes into the slot that does not hold the newest record. Gives the file back if it can be kept open.
    fn overwrite(
        &self,
        newest: &Newest,
        mut file: File,
        identity: Identity,
        record: &Record<'_>,
    ) -> Result<Option<KeptFile>, StorageError> {
        record.with_slot(newest.slot_bytes, |bytes| {
            let is_sealed = overwrite(&mut file, &self.path, newest.slot, bytes, record.revision)?;
            let keep = || KeptFile::new(file, identity, self.path.clone(), 1 - newest.slot, record, bytes);
            Ok(if is_sealed { keep() } else { None })
        })
    }

    /// Puts a new file in the place of the old one, if there is one: with this record and a blank second slot.
    fn replace(&self, slot_bytes: usize, record: &Record<'_>) -> Result<(), StorageError> {
        let mut bytes = vec![0; 2 * slot_bytes];
        record.write(&mut bytes[..slot_bytes]);
        let folder = self.place.shard_folder(&self.store.root);
        let publish = || {
            let work = || publish::publish(&*self.store.disk, &folder, &self.place.name, &bytes);
            self.store.folders.hold(&self.store.root, &self.place, work)
        };
        let published = match publish() {
            // Somebody tidied up an empty folder that was ready. If it was the whole store, nothing is made.
            Err(Failure::Unchanged(error)) if error.kind() == ErrorKind::NotFound => {
                self.store.check_in_place()?;
                let anew = self.store.folders.make_anew(&self.store.root, &self.place);
                anew.map_err(Failure::Unchanged).and_then(|()| publish())
            }
            result => result,
        };
        match published {
            Ok(mut file) => {
                // Not before: a seal says that the name is durable too.
                let _ = seal(&mut file, 1, slot_bytes, record.revision);
                Ok(())
            }
            Err(Failure::Unchanged(error)) => Err(unchanged("cannot write", &self.path, error)),
            Err(Failure::Unknown(error)) => Err(unknown("cannot save into", &self.path, error)),
        }
    }

    fn next_revision(&self, newest: Option<&Newest>) -> Result<u64, StorageError> {
        let revision = self.store.revisions()?.next()?;
        match newest {
            // It would be taken for the older one.
            Some(newest) if newest.revision >= revision => {
                let message = format!(
                    "{} is sound, but its revision {} was never given out by this store: {} or this file is from \
                     another time; bring back the one that fits the other, or write a {} with a higher number",
                    self.path.display(),
                    newest.revision,
                    revisions::FILE,
                    revisions::FILE
                );
                Err(StorageError::new(StorageErrorKind::Refused, message))
            }
            _ => Ok(revision),
        }
    }

    fn expect(&self, expected: Option<Revision>, found: Option<u64>) -> Result<(), StorageError> {
        let expected = expected.map(Revision::get);
        if expected == found {
            return Ok(());
        }
        let show = |revision: Option<u64>| revision.map_or("no record".to_owned(), |n| format!("revision {n}"));
        let message = format!("{}: expected {}, found {}", self.path.display(), show(expected), show(found));
        Err(StorageError::new(StorageErrorKind::Stale, message))
    }

    /// Whether there is a file. Says no only if the store itself is there.
    fn is_there(&self) -> Result<bool, StorageError> {
        let root = &self.store.root;
        if !self.is_folder(&self.place.kind_folder(root))? || !self.is_folder(&self.place.shard_folder(root))? {
            return Ok(false);
        }
        match self.store.disk.is_link(&self.path).map_err(|error| unchanged("cannot look at", &self.path, error))? {
            Some(false) => Ok(true),
            Some(true) => Err(not_ours(&self.path, "file")),
            None => self.store.check_in_place().map(|()| false),
        }
    }

    fn is_folder(&self, path: &Path) -> Result<bool, StorageError> {
        match self.store.disk.kind(path).map_err(|error| unchanged("cannot look at", path, error))? {
            Some(Kind::Folder) => Ok(true),
            Some(_) => Err(not_ours(path, "folder")),
            None => self.store.check_in_place().map(|()| false),
        }
    }

    /// A folder, a pipe or a link in the file's place is somebody's, whatever reading it says.
    fn refuse_all_but_files(&self) -> Result<(), StorageError> {
        match self.store.disk.kind(&self.path).map_err(|error| unchanged("cannot look at", &self.path, error))? {
            None | Some(Kind::File) => Ok(()),
            Some(_) => Err(not_ours(&self.path, "file")),
        }
    }

    fn damaged(&self, what: &str) -> StorageError {
        damaged(&self.path, what)
    }

    fn too_new(&self, version: u16, flags: u16) -> StorageError {
        let message = format!(
            "{} has format {version} with flags {flags:#x}, which this version of the crate does not know; use the \
             version that wrote it, or a later one",
            self.path.display()
        );
        StorageError::new(StorageErrorKind::Refused, message)
    }
}

fn not_ours(path: &Path, wanted: &str) -> StorageError {
    let message =
        format!("{} is not a {wanted}; the store follows no symbolic links and did not put this there", path.display());
    StorageError::new(StorageErrorKind::Refused, message)
}

/// What of `bytes` is in this range, counted from `at`. In place: for a copy there may be no memory.
fn cut(mut bytes: Vec<u8>, at: usize, range: Range<usize>) -> Vec<u8> {
    bytes.truncate(at + range.end);
    bytes.drain(..at + range.start);
    bytes.shrink_to_fit();
    bytes
}

/// The record of `id`, but for its revision.
pub(crate) fn record<'a>(id: &'a ActorId, wake_ms: Option<u64>, body: &'a [u8]) -> Record<'a> {
    Record { revision: 0, wake_ms, kind: id.kind().as_bytes(), key: id.key().as_bytes(), body }
}

/// Writes a slot beside the `newest` one, which stays whole until the record in it is durable, and seals it. Returns
/// whether the seal was written: a failure of that is none of the caller's, as without one the next load makes sure by
/// itself.
pub(crate) fn overwrite(
    file: &mut File,
    path: &Path,
    newest: usize,
    slot: &[u8],
    revision: u64,
) -> Result<bool, StorageError> {
    file.write_at(offset(1 - newest, slot.len()), slot)
        .and_then(|()| file.sync_data())
        .map_err(|error| unknown("cannot save into", path, error))?;
    Ok(seal(file, newest, slot.len(), revision).is_ok())
}

/// Says in one slot that the record in the other one is durable. Not synced.
fn seal(file: &mut File, slot: usize, slot_bytes: usize, revision: u64) -> io::Result<()> {
    file.write_at(offset(slot, slot_bytes) + slot::SEAL_AT as u64, &slot::seal(revision))
}

pub(crate) fn offset(slot: usize, slot_bytes: usize) -> u64 {
    slot as u64 * slot_bytes as u64
}
