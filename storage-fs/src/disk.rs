//! Every call to the file system, and nothing else: the store asks for them through these traits, so that tests can put
//! something in the place of the machine that fails, crashes and forgets.

#[cfg(test)]
pub(crate) mod model;
mod system;

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use system::{System, descriptors_max, free_bytes, is_out_of_descriptors};

/// What stands at a path. Symbolic links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    /// A symbolic link, a device, a pipe.
    Other,
}

/// Which file it is, whatever its name is at the moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    /// `None` where the system does not say.
    inode: Option<(u64, u64)>,
    names: u64,
}

impl Identity {
    /// Whether the system says which file it is: else two files may seem to be one.
    pub(crate) fn is_known(&self) -> bool {
        self.inode.is_some()
    }

    /// Whether it has other names, for all that the system says. What is written into it is read under these too, and
    /// somebody who made a copy by hard links takes them for other files.
    pub(crate) fn has_other_names(&self) -> bool {
        self.names > 1
    }
}

/// Whether it is the same file: its names may change.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.inode == other.inode
    }
}

/// What is to be done with a file that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// To be read.
    Read,
    /// It is there, and is to be overwritten in place.
    Write,
    /// It is there, and is to be read and overwritten in place.
    Change,
    /// It was not there and is made, for the owner's eyes only.
    New,
    /// To be read and written, and made if it is not there.
    ReadOrNew,
}

/// A file system. No method follows a symbolic link at the end of a path, but where it says so.
pub(crate) trait Disk: Debug + Send + Sync {
    /// What stands at `path`, or `None` if nothing does.
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>>;

    /// Whether a link is at `path`, or `None` if nothing is.
    ///
    /// For the files of actors in place of [`kind`](Self::kind): saves that asked for the metadata of their file were
    /// slower by a quarter (November 2026, Linux 6.18, ext4 without a journal). Probably because Linux, since 6.13,
    /// gives the next change of a file whose times were asked for a time of its own, which makes the inode part of the
    /// sync.
    fn is_link(&self, path: &Path) -> io::Result<Option<bool>>;

    /// Whether there is a folder at the end of `path`, through whatever links.
    fn leads_to_folder(&self, path: &Path) -> bool;

    /// Which file is at `path`, or `None` if none is. Asks for no times, see [`is_link`](Self::is_link).
    fn identity(&self, path: &Path) -> io::Result<Option<Identity>>;

    /// The path without links and dots, so that it means the same after a change of the working folder.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;

    /// Opens a file. A pipe is opened without waiting for somebody at its other end.
    fn open(&self, path: &Path, access: Access) -> io::Result<File>;

    /// Opens a file that is there, if the system can do that and see in the same call that no link is on the way to it,
    /// not even in the place of a folder. `None` where it cannot, and when anything is in the way: whoever wants to know
    /// what goes step by step.
    fn open_straight(&self, path: &Path, access: Access) -> Option<File>;

    /// Opens a folder, to make durable later what happens to the names in it.
    ///
    /// Opened before the names are changed: running out of descriptors then fails before that, and the system reports
    /// an error of writing them back to whoever had the folder open at the time.
    fn open_folder(&self, path: &Path) -> io::Result<Folder>;

    /// The names in a folder. One that is not Unicode is none of ours, and comes with the replacement character.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Gives the file `from` the name `to`, in the place of what has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, file: &Path) -> io::Result<()>;

    /// Makes a folder, for the owner's eyes only. Returns whether it is new.
    fn make_folder(&self, path: &Path) -> io::Result<bool>;

    /// Removes an empty folder.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
}

/// An open file.
pub(crate) type File = Box<dyn OpenFile>;

/// An open folder: what is synced or locked through it is this one, whatever its name leads to meanwhile.
pub(crate) type Folder = Box<dyn OpenFolder>;

/// What can be done with an open file. Nobody else has this handle.
pub(crate) trait OpenFile: Debug + Send + Sync {
    /// Its length.
    fn bytes(&mut self) -> io::Result<u64>;

    fn identity(&self) -> io::Result<Identity>;

    /// Reads so many bytes, no fewer. A length that memory cannot hold is an error, not the end of the process.
    fn read_at(&mut self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        self.read_behind(&mut read, offset, bytes)?;
        Ok(read)
    }

    /// As [`read_at`](Self::read_at), to the end of what was read before.
    fn read_behind(&mut self, before: &mut Vec<u8>, offset: u64, bytes: usize) -> io::Result<()>;

    /// Writes in one call if the system takes it so.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    fn set_bytes(&self, bytes: u64) -> io::Result<()>;

    /// Asks for room for the whole file at once, so that it lies in one piece. A wish only: whoever asks writes every
    /// byte afterwards, and learns then if there is room.
    fn wish_for(&self, bytes: u64);

    /// Makes the bytes durable, and their number.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes the bytes and all that is known about the file durable.
    fn sync_all(&self) -> io::Result<()>;

    /// Takes the lock of this file for as long as it is open. Returns whether it was free.
    fn try_lock(&self) -> io::Result<bool>;

    /// As [`try_lock`](Self::try_lock), together with others who take it so.
    fn try_lock_shared(&self) -> io::Result<bool>;

    /// Gives the lock back, also that of all copies of this descriptor.
    fn unlock(&self) -> io::Result<()>;
}

/// What can be done with an open folder.
pub(crate) trait OpenFolder: Debug + Send + Sync {
    /// Makes the names in it durable.
    fn sync(&self) -> io::Result<()>;

    /// Takes the lock of this folder for as long as it is open. Returns whether it was free.
    fn try_lock(&self) -> io::Result<bool>;

    /// As [`try_lock`](Self::try_lock), together with others who take it so.
    fn try_lock_shared(&self) -> io::Result<bool>;

    /// Gives the lock back, also that of all copies of this descriptor.
    fn unlock(&self) -> io::Result<()>;
}
