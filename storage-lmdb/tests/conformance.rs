//! The store keeps the contract: all of the kit for stores, with nothing left out.

use std::path::PathBuf;

use gargoyle::conformance::Outcome;
use gargoyle::conformance::storage::{self, Capabilities, Medium};
use gargoyle::{ActorId, BoxError, Storage};
use gargoyle_storage_lmdb::LmdbStorage;

struct Folder(tempfile::TempDir);

impl Folder {
    fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }
}

impl Medium for Folder {
    fn open(&self) -> Result<Box<dyn Storage>, BoxError> {
        Ok(Box::new(LmdbStorage::open(self.store())?))
    }

    fn damage(&self, id: &ActorId) -> Result<(), BoxError> {
        let body = LmdbStorage::open(self.store())?.load(id)?.ok_or("no record to damage")?.bytes;
        let path = self.store().join("data.mdb");
        let mut bytes = std::fs::read(&path)?;
        // A record ends with its id and its body. Pages that are not in use any more may have them too.
        let id = [id.kind().as_bytes(), id.key().as_bytes()].concat();
        let record = [&id[..], &body].concat();
        let found = bytes.windows(record.len()).enumerate().filter(|(_, found)| *found == record);
        let places: Vec<usize> = found.map(|(at, _)| at + id.len()).collect();
        if body.is_empty() || places.is_empty() {
            return Err("the body was not found in the file".into());
        }
        places.into_iter().for_each(|at| bytes[at] ^= 0x55);
        Ok(std::fs::write(path, bytes)?)
    }

    /// Without its folder a store can do nothing.
    fn set_failing(&self, failing: bool) -> Result<(), BoxError> {
        let away = self.0.path().join("away");
        let (from, to) = if failing { (self.store(), away) } else { (away, self.store()) };
        Ok(std::fs::rename(from, to)?)
    }

    fn name(&self) -> Option<String> {
        Some(self.store().display().to_string())
    }
}

#[test]
fn it_keeps_the_contract() {
    let place = || Folder(tempfile::tempdir().unwrap());
    let report = storage::run_all(place, Capabilities::full().record_bytes_max(256 << 20));
    assert!(report.outcomes().all(|(_, outcome)| matches!(outcome, Outcome::Passed)), "{report}");
}
