//! Every call to the file system that is not LMDB's.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs2::FileExt;

/// What stands at a path. Symbolic links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    /// A symbolic link, a device, a pipe.
    Other,
}

/// Which file it is, whatever its name is at the moment. `None` where the system does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(Option<(u64, u64)>);

/// An open folder: what is synced or locked through it is this one, whatever its name leads to meanwhile.
#[derive(Debug)]
pub(crate) struct Folder(#[cfg(not(windows))] fs::File);

/// An open file.
#[derive(Debug)]
pub(crate) struct File(fs::File);

pub(crate) fn kind(path: &Path) -> io::Result<Option<Kind>> {
    Ok(metadata(path)?.map(|metadata| match metadata.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Folder,
        _ => Kind::Other,
    }))
}

pub(crate) fn identity(path: &Path) -> io::Result<Option<Identity>> {
    Ok(metadata(path)?.map(|metadata| identity_of(&metadata)))
}

/// How long the file is, 0 if there is none.
pub(crate) fn bytes(path: &Path) -> io::Result<u64> {
    Ok(metadata(path)?.map_or(0, |metadata| metadata.len()))
}

fn metadata(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn identity_of(metadata: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    Identity(Some((metadata.dev(), metadata.ino())))
}

#[cfg(not(unix))]
fn identity_of(_: &fs::Metadata) -> Identity {
    Identity(None)
}

/// Whether the file has another name too, perhaps outside of the store: what is written into it is written there as well.
#[cfg(unix)]
fn has_other_names(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.nlink() > 1
}

#[cfg(not(unix))]
fn has_other_names(_: &fs::Metadata) -> bool {
    false
}

/// Takes the name away from a file that has another one too.
pub(crate) fn unlink_if_linked(path: &Path) -> io::Result<()> {
    if metadata(path)?.is_some_and(|metadata| has_other_names(&metadata)) { fs::remove_file(path) } else { Ok(()) }
}

/// Opens a file to be read.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    ours(OpenOptions::new().read(true)).open(path).map(File)
}

/// Opens a file for reading and writing, and makes it, for the owner's eyes only, if it is not there.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    ours(private(OpenOptions::new().read(true).write(true).create(true).truncate(false))).open(path).map(File)
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// No link is followed, and a pipe is opened without waiting for somebody at its other end.
#[cfg(unix)]
fn ours(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
}

#[cfg(not(unix))]
fn ours(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

impl File {
    pub(crate) fn bytes(&mut self) -> io::Result<u64> {
        self.0.seek(SeekFrom::End(0))
    }

    pub(crate) fn identity(&self) -> io::Result<Identity> {
        self.0.metadata().map(|metadata| identity_of(&metadata))
    }

    pub(crate) fn has_other_names(&self) -> io::Result<bool> {
        self.0.metadata().map(|metadata| has_other_names(&metadata))
    }

    /// Reads so many bytes from `offset` on. A length that memory cannot hold is an error, not the end of the process.
    pub(crate) fn read_at(&mut self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
        buffer.resize(bytes, 0);
        self.0.seek(SeekFrom::Start(offset))?;
        self.0.read_exact(&mut buffer)?;
        Ok(buffer)
    }

    /// Replaces all that is in it.
    pub(crate) fn rewrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(bytes)
    }

    /// Makes it this long, with zeros at the end if it was shorter.
    pub(crate) fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    pub(crate) fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    /// Takes the lock of this file for as long as it is open. Returns whether it was free.
    pub(crate) fn try_lock(&self) -> io::Result<bool> {
        was_free(FileExt::try_lock_exclusive(&self.0))
    }

    /// As [`try_lock`](Self::try_lock), together with others who take it so.
    pub(crate) fn try_lock_shared(&self) -> io::Result<bool> {
        was_free(FileExt::try_lock_shared(&self.0))
    }

    /// Gives the lock back, also that of all copies of this descriptor.
    pub(crate) fn unlock(&self) -> io::Result<()> {
        FileExt::unlock(&self.0)
    }
}

fn was_free(locked: io::Result<()>) -> io::Result<bool> {
    match locked {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts a whole file under `name` into `folder`, at once and durably: there is all of it after a crash, or none.
///
/// Only one caller at a time. What a crash left of an attempt is overwritten by the next one.
pub(crate) fn publish(folder: &Path, name: &str, temp: &str, bytes: &[u8]) -> io::Result<()> {
    let opened = open_folder(folder)?;
    let (path, temp) = (folder.join(name), folder.join(temp));
    unlink_if_linked(&temp)?;
    let mut file = open_or_create(&temp)?;
    file.rewrite(bytes)?;
    file.sync_all()?;
    fs::rename(&temp, &path)?;
    opened.sync()
}

pub(crate) fn remove(file: &Path) -> io::Result<()> {
    fs::remove_file(file)
}

/// Makes a folder for the owner's eyes only, and what is missing above it, and returns when their names are durable.
pub(crate) fn make_folder_with_parents(folder: &Path) -> io::Result<()> {
    // The parent of a relative path of one part is the empty path.
    let parent = match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    if folder.is_dir() {
        return Ok(());
    }
    make_folder_with_parents(parent)?;
    let opened = open_folder(parent)?;
    match private_folder().create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => opened.sync(),
    }
}

#[cfg(unix)]
fn private_folder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

#[cfg(not(unix))]
fn private_folder() -> DirBuilder {
    DirBuilder::new()
}

/// The names in a folder. One that is not Unicode is none of ours, and comes with the replacement character.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// Opens a folder, to make durable later what happens to the names in it.
#[cfg(not(windows))]
pub(crate) fn open_folder(path: &Path) -> io::Result<Folder> {
    fs::File::open(path).map(Folder)
}

/// Windows opens no folder as a file. NTFS logs changes of names itself, without a promise of when.
#[cfg(windows)]
pub(crate) fn open_folder(_: &Path) -> io::Result<Folder> {
    Ok(Folder())
}

#[cfg(not(windows))]
impl Folder {
    /// Makes the names in it durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    /// Takes the lock of this folder for as long as it is open. Returns whether it was free.
    pub(crate) fn try_lock(&self) -> io::Result<bool> {
        was_free(FileExt::try_lock_exclusive(&self.0))
    }

    /// As [`try_lock`](Self::try_lock), together with others who take it so.
    pub(crate) fn try_lock_shared(&self) -> io::Result<bool> {
        was_free(FileExt::try_lock_shared(&self.0))
    }

    /// Gives the lock back, also that of all copies of this descriptor.
    pub(crate) fn unlock(&self) -> io::Result<()> {
        FileExt::unlock(&self.0)
    }
}

#[cfg(windows)]
impl Folder {
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }

    pub(crate) fn try_lock_shared(&self) -> io::Result<bool> {
        Ok(true)
    }

    pub(crate) fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}

/// How many bytes are free where `path` is, if the system says.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    fs2::available_space(path).ok()
}

/// The path without links and dots, so that it means the same after a change of the working folder.
pub(crate) fn canonical(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path)
}
