//! A folder with a store and something beside it that is nobody's business.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const MINE: &str = "not part of the store";

pub(crate) struct Scratch {
    folder: TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        // In memory where the system has that: most of the time would be spent on a disk.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let folder = folder.expect("room for a folder");
        fs::write(folder.path().join("mine"), MINE).expect("room for a file");
        Scratch { folder }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// That whatever was done to the store was done in the store.
    pub(crate) fn check_nothing_else_changed(&self) {
        let entries = fs::read_dir(self.folder.path()).expect("the folder is there");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("readable").file_name()).collect();
        names.sort();
        assert!(names == ["mine", "store"] || names == ["mine"], "the store left its folder: {names:?}");
        assert_eq!(fs::read_to_string(self.folder.path().join("mine")).expect("still there"), MINE);
    }
}
