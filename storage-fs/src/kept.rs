//! The file of an actor that is alive stays open from one save to the next, with what is known of it.
//!
//! Whoever saved last knows all that the next save needs: which slot has the newest record, and that this record is durable.
//! So a save in place that succeeded leaves its file with the lock of its id (`id_locks.rs`), and the next one looks whether
//! it is still what it was, and overwrites. "Files that stay open" in FORMAT.md argues why that is safe.

use std::path::PathBuf;

use gargoyle::{Revision, StorageError};

use crate::disk::{File, Identity};
use crate::file::{self, offset};
use crate::slot::{HEADER_BYTES, Record};
use crate::store::Store;
use crate::wake;

/// A file that a save has just overwritten in place, as that left it: its newest record is durable and sealed.
#[derive(Debug)]
pub(crate) struct KeptFile {
    file: File,
    path: PathBuf,
    identity: Identity,
    newest: Newest,
    slot_bytes: usize,
}

/// The record that was saved.
#[derive(Debug)]
struct Newest {
    slot: usize,
    revision: u64,
    wake_ms: Option<u64>,
    /// As it was written: the CRC in it is of what else there is.
    header: [u8; HEADER_BYTES],
}

impl KeptFile {
    /// A file into whose slot a `record` was written as `bytes`. `None` if it could not be told from another one later.
    pub(crate) fn new(
        file: File,
        identity: Identity,
        path: PathBuf,
        slot: usize,
        record: &Record<'_>,
        bytes: &[u8],
    ) -> Option<Self> {
        let newest = Newest::new(slot, record, bytes);
        identity.is_known().then(|| KeptFile { file, path, identity, newest, slot_bytes: bytes.len() })
    }

    /// Of the newest record: the higher, the later it was saved.
    pub(crate) fn revision(&self) -> u64 {
        self.newest.revision
    }

    /// Saves `record`, but for its revision, with nothing to do but to overwrite a slot. `None` if it takes more than
    /// that, or if the file is not what it was: nothing was done then, and whoever opens it will see.
    pub(crate) fn save(
        mut self,
        store: &Store,
        expected: Option<Revision>,
        record: Record<'_>,
    ) -> Option<Result<(Revision, Option<Self>), StorageError>> {
        let fits = record.slot_bytes() <= self.slot_bytes;
        let is_noted = self.newest.wake_ms.map(wake::span) == record.wake_ms.map(wake::span);
        let is_expected = expected.map(Revision::get) == Some(self.newest.revision);
        if !(fits && is_noted && is_expected && self.is_as_it_was(store)) {
            return None;
        }
        let revision = match store.revisions().and_then(|revisions| revisions.next()) {
            Ok(revision) => revision,
            Err(error) => return Some(Err(error)),
        };
        let record = Record { revision, ..record };
        let overwritten = record.with_slot(self.slot_bytes, |bytes| {
            let is_sealed = file::overwrite(&mut self.file, &self.path, self.newest.slot, bytes, revision)?;
            self.newest = Newest::new(1 - self.newest.slot, &record, bytes);
            Ok(is_sealed)
        });
        // After an error it is closed: the next save looks what became of this one.
        Some(overwritten.map(|is_sealed| (Revision::new(revision), Some(self).filter(|_| is_sealed))))
    }

    /// Whether its name still leads to this file, and no other does, and what was saved last is still the newest record in
    /// it.
    ///
    /// A file that was removed, replaced, or whose folder was moved, would take the save and never be seen again. One in
    /// which somebody put a copy back has another head, or another length. One with another length would take the save too,
    /// and be refused by the next load.
    fn is_as_it_was(&mut self, store: &Store) -> bool {
        let header = |file: &mut File, at| file.read_at(at, HEADER_BYTES);
        let is_ours = |found: Identity| found == self.identity && !found.has_other_names();
        store.disk.identity(&self.path).is_ok_and(|found| found.is_some_and(is_ours))
            && self.file.bytes().is_ok_and(|bytes| bytes == offset(2, self.slot_bytes))
            && header(&mut self.file, offset(self.newest.slot, self.slot_bytes))
                .is_ok_and(|header| header == self.newest.header)
    }
}

impl Newest {
    fn new(slot: usize, record: &Record<'_>, bytes: &[u8]) -> Self {
        let header = bytes[..HEADER_BYTES].try_into().expect("a slot begins with a header");
        Newest { slot, revision: record.revision, wake_ms: record.wake_ms, header }
    }
}
