//! The store keeps the contract: all of the kit for stores, with nothing left out.

use std::path::PathBuf;

use gargoyle::conformance::Outcome;
use gargoyle::conformance::storage::{self, Capabilities, Medium};
use gargoyle::{ActorId, BoxError, Storage};
use gargoyle_storage_fs::FsStorage;

struct Folder(tempfile::TempDir);

impl Folder {
    fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }
}

impl Medium for Folder {
    fn open(&self) -> Result<Box<dyn Storage>, BoxError> {
        Ok(Box::new(FsStorage::open(self.store())?))
    }

    fn damage(&self, id: &ActorId) -> Result<(), BoxError> {
        let path = FsStorage::open(self.store())?.path_of(id);
        let mut bytes = std::fs::read(&path)?;
        bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
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
