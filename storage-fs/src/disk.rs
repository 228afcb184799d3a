//! Every call to the file system, and nothing else: what they are made of can be exchanged here.

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
    let found = metadata(path)?;
    Ok(found.map(|metadata| match metadata.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Folder,
        _ => Kind::Other,
    }))
}

/// Whether a link is at `path`, or `None` if nothing is.
///
/// For the files of actors in place of [`kind`]: saves that asked for the metadata of their file were slower by a
/// quarter (November 2026, Linux 6.18, ext4 without a journal). Probably because Linux, since 6.13, gives the next
/// change of a file whose times were asked for a time of its own, which makes the inode part of the sync.
pub(crate) fn is_link(path: &Path) -> io::Result<Option<bool>> {
    match fs::read_link(path) {
        Ok(_) => Ok(Some(true)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        // Systems differ in how they say that it is something else.
        Err(_) => Ok(Some(false)),
    }
}

/// Whether there is a folder at the end of `path`, through whatever links.
pub(crate) fn leads_to_folder(path: &Path) -> bool {
    path.is_dir()
}

pub(crate) fn identity(path: &Path) -> io::Result<Option<Identity>> {
    Ok(metadata(path)?.map(|metadata| identity_of(&metadata)))
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

/// Opens a file to be read.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    ours(OpenOptions::new().read(true)).open(path).map(File)
}

/// Opens a file that is there, to be overwritten in place.
pub(crate) fn open_to_write(path: &Path) -> io::Result<File> {
    ours(OpenOptions::new().write(true)).open(path).map(File)
}

/// Makes a file that was not there, for the owner's eyes only.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().write(true).create_new(true)).open(path).map(File)
}

/// Opens a file for reading and writing, and makes it if it is not there.
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

/// Whether it failed because this process, or the machine, has as many files open as it may.
#[cfg(unix)]
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

#[cfg(not(unix))]
pub(crate) fn is_out_of_descriptors(_: &io::Error) -> bool {
    false
}

impl File {
    /// Its length, found at its end and not by its metadata: see [`is_link`].
    pub(crate) fn bytes(&mut self) -> io::Result<u64> {
        self.0.seek(SeekFrom::End(0))
    }

    pub(crate) fn identity(&self) -> io::Result<Identity> {
        self.0.metadata().map(|metadata| identity_of(&metadata))
    }

    /// Reads so many bytes, no fewer. A length that memory cannot hold is an error, not the end of the process.
    pub(crate) fn read_at(&mut self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
        buffer.resize(bytes, 0);
        self.0.seek(SeekFrom::Start(offset))?;
        self.0.read_exact(&mut buffer)?;
        Ok(buffer)
    }

    /// Writes in one call if the system takes it so. Nobody else has this handle, hence seeking first is safe.
    pub(crate) fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(offset))?;
        self.0.write_all(bytes)
    }

    pub(crate) fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    /// Asks for room for the whole file at once, so that it lies in one piece.
    ///
    /// A wish only: some file systems cannot do it, and fs2 0.4.3 does not tell why on Linux (it reads `errno`, which
    /// `posix_fallocate` does not set). Whoever asks writes every byte afterwards and learns then if there is room.
    pub(crate) fn wish_for(&self, bytes: u64) {
        let _ = FileExt::allocate(&self.0, bytes);
    }

    /// Makes the bytes durable, and their number.
    pub(crate) fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    /// Makes the bytes and all that is known about the file durable.
    pub(crate) fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    /// Takes the lock of this file for as long as it is open. Returns whether it was free.
    pub(crate) fn try_lock(&self) -> io::Result<bool> {
        try_lock(&self.0)
    }
}

fn try_lock(file: &fs::File) -> io::Result<bool> {
    match FileExt::try_lock_exclusive(file) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => Ok(false),
        Err(error) => Err(error),
    }
}

pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

pub(crate) fn remove(file: &Path) -> io::Result<()> {
    fs::remove_file(file)
}

/// Makes a folder, for the owner's eyes only. Returns whether it is new.
pub(crate) fn make_folder(path: &Path) -> io::Result<bool> {
    match private_folder().create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
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

pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    fs::remove_dir(path)
}

/// The names in a folder. One that is not Unicode is none of ours, and comes with the replacement character.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// Opens a folder, to make durable later what happens to the names in it.
///
/// Opened before the names are changed: running out of descriptors then fails before that, and the system reports an
/// error of writing them back to whoever had the folder open at the time.
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
        try_lock(&self.0)
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
}

/// How many bytes are free where `path` is, if the system says.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    fs2::available_space(path).ok()
}

/// The path without links and dots, so that it means the same after a change of the working folder.
pub(crate) fn canonical(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path)
}
