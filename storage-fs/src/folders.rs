//! The folders of kinds and shards: made, durable and swept before the first file is written into them.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::Path;

use gargoyle::sync::{Arc, Mutex, RwLock};
use once_cell::sync::OnceCell;

use crate::disk::{Disk, File};
use crate::names::Place;
use crate::publish;

/// Which folders this process has got ready: one entry of some KiB for each kind that is written into, however many actors
/// it has.
#[derive(Debug)]
pub(crate) struct Folders {
    disk: Arc<dyn Disk>,
    kinds: Mutex<HashMap<String, Arc<Kind>>>,
    /// Shared by all who put files into folders, and held alone by whoever makes a vanished folder anew: nobody puts a
    /// file into that before its name is durable.
    in_use: RwLock<()>,
}

/// A cell is full once its folder is ready. A failure leaves it empty, and the next writer tries again.
#[derive(Debug)]
struct Kind {
    folder: OnceCell<()>,
    shards: [Shard; 256],
}

#[derive(Debug)]
struct Shard {
    ready: OnceCell<()>,
    /// Shared by all who put files into it, and held alone by whoever lists it: file systems differ in whether a name
    /// is seen that is given to another file meanwhile.
    changes: RwLock<()>,
}

impl Folders {
    pub(crate) fn new(disk: &Arc<dyn Disk>) -> Self {
        Folders { disk: disk.clone(), kinds: Mutex::default(), in_use: RwLock::new(()) }
    }

    /// Gets the folders of `place` ready, if nobody has in this process.
    ///
    /// A folder that is there already is made durable too: the process that made it may have died before that. Every
    /// writer comes through here before its first temp file, and the store has one owner: so whatever temp files are
    /// there when a shard is got ready belong to nobody.
    fn make_ready(&self, root: &Path, place: &Place, kind: &Kind) -> io::Result<()> {
        let kind_folder = place.kind_folder(root);
        kind.folder.get_or_try_init(|| make_durable(&*self.disk, &kind_folder, root))?;
        kind.shards[usize::from(place.shard)].ready.get_or_try_init(|| {
            let shard_folder = place.shard_folder(root);
            make_durable(&*self.disk, &shard_folder, &kind_folder)?;
            publish::sweep(&*self.disk, &shard_folder)
        })?;
        Ok(())
    }

    /// Does `work` in the folders of `place`, got ready.
    pub(crate) fn hold<E>(&self, root: &Path, place: &Place, work: impl FnOnce() -> Result<File, E>) -> Result<File, E>
    where
        E: From<io::Error>,
    {
        let _in_use = self.in_use.read();
        let kind = self.kind(&place.kind);
        self.make_ready(root, place, &kind)?;
        let _changes = kind.shards[usize::from(place.shard)].changes.read();
        work()
    }

    /// The names in the folder of a shard, while nobody puts a file into it.
    pub(crate) fn list(&self, kind: &str, shard: u8, folder: &Path) -> io::Result<Vec<String>> {
        let listed = {
            let kind = self.kind(kind);
            let _alone = kind.shards[usize::from(shard)].changes.write();
            self.disk.list(folder)
        };
        self.forget_unused(kind);
        listed
    }

    /// Forgets a kind into which nobody has written and nobody is about to: any number of folders can be listed.
    fn forget_unused(&self, name: &str) {
        let mut kinds = self.kinds.lock();
        // Nobody gets one that nobody else has without the lock that is held here.
        let is_unused = |kind: &Arc<Kind>| Arc::strong_count(kind) == 1 && kind.folder.get().is_none();
        if kinds.get(name).is_some_and(is_unused) {
            kinds.remove(name);
        }
    }

    /// Makes the folders of `place` once more: somebody removed them after they were got ready.
    ///
    /// They are not swept: if another thread was faster, its files are in there.
    pub(crate) fn make_anew(&self, root: &Path, place: &Place) -> io::Result<()> {
        let _alone = self.in_use.write();
        let kind_folder = place.kind_folder(root);
        make_durable(&*self.disk, &kind_folder, root)?;
        make_durable(&*self.disk, &place.shard_folder(root), &kind_folder)
    }

    fn kind(&self, name: &str) -> Arc<Kind> {
        let mut kinds = self.kinds.lock();
        if let Some(kind) = kinds.get(name) {
            return kind.clone();
        }
        let shard = |_| Shard { ready: OnceCell::new(), changes: RwLock::new(()) };
        let kind = Arc::new(Kind { folder: OnceCell::new(), shards: std::array::from_fn(shard) });
        kinds.insert(name.to_owned(), kind.clone());
        kind
    }
}

/// Makes a folder of the store in `parent` and returns when its name is durable.
///
/// An empty one that is there already is made anew: it may be of a writer whose sync failed, and a second sync of the
/// same change may say yes to what the first one lost. What has something in it was durable before that.
pub(crate) fn make_durable(disk: &dyn Disk, folder: &Path, parent: &Path) -> io::Result<()> {
    let opened = disk.open_folder(parent)?;
    if !disk.make_folder(folder)? && disk.remove_folder(folder).is_ok() {
        disk.make_folder(folder)?;
    }
    opened.sync()
}

/// Makes the folder of a store, and what is missing above it.
pub(crate) fn make_with_parents(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    // The parent of a relative path of one part is the empty path.
    let parent = match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    if disk.leads_to_folder(folder) {
        return Ok(());
    }
    make_with_parents(disk, parent)?;
    make_durable(disk, folder, parent).inspect_err(|_| {
        // The next one would take it for somebody's, and leave it as it is.
        let _ = disk.remove_folder(folder);
    })
}

/// Makes the names of all folders above one durable: they may have been made by a process that died before it did.
///
/// Those above the next one may be of a system that has nothing to sync, or not for this user.
pub(crate) fn sync_parents(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    for (distance, parent) in folder.ancestors().skip(1).enumerate() {
        match disk.open_folder(parent).and_then(|parent| parent.sync()) {
            // Then this user did not make the folder either, and who made it has seen to that.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            Err(error)
                if distance > 0
                    && matches!(
                        error.kind(),
                        ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::ReadOnlyFilesystem
                    ) => {}
            result => result?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::System;

    /// Bug: a look at 20,000 folders that were nobody's left 155 MB behind. Cause: each kind that was listed was remembered as
    /// one that is written into. Fix: it is forgotten when nobody has written.
    #[test]
    fn kinds_that_were_only_listed_are_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::new(&(Arc::new(System) as Arc<dyn Disk>));
        let place = |kind: &str| Place { kind: kind.to_owned(), shard: 7, name: "a".to_owned() };
        let file = || System.open(&folder.path().join("file"), crate::disk::Access::ReadOrNew);
        folders.hold(folder.path(), &place("written"), file).unwrap();
        for kind in ["listed", "written"] {
            folders.list(kind, 7, folder.path()).unwrap();
            folders.list(kind, 8, &folder.path().join("not there")).unwrap_err();
        }
        // Somebody is about to write.
        let kind = folders.kind("wanted");
        folders.list("wanted", 7, folder.path()).unwrap();
        assert!(Arc::ptr_eq(&kind, &folders.kind("wanted")));
        drop(kind);
        let mut kinds: Vec<_> = folders.kinds.lock().keys().cloned().collect();
        kinds.sort();
        assert_eq!(kinds, ["wanted", "written"]);
    }
}
