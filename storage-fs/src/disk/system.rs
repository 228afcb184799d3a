//! The file system of the machine.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Seek, SeekFrom};
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use fs2::FileExt;

use super::{Access, Disk, File, Folder, Identity, Kind, OpenFile, OpenFolder};

/// What the system offers, without anything added.
#[derive(Debug)]
pub(crate) struct System;

impl Disk for System {
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        let found = metadata(path)?;
        Ok(found.map(|metadata| match metadata.file_type() {
            kind if kind.is_file() => Kind::File,
            kind if kind.is_dir() => Kind::Folder,
            _ => Kind::Other,
        }))
    }

    fn is_link(&self, path: &Path) -> io::Result<Option<bool>> {
        match fs::read_link(path) {
            Ok(_) => Ok(Some(true)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
            // Systems differ in how they say that it is something else.
            Err(_) => Ok(Some(false)),
        }
    }

    fn leads_to_folder(&self, path: &Path) -> bool {
        path.is_dir()
    }

    #[cfg(target_os = "linux")]
    fn identity(&self, path: &Path) -> io::Result<Option<Identity>> {
        use rustix::fs::{AtFlags, CWD};

        match identity_at(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn identity(&self, path: &Path) -> io::Result<Option<Identity>> {
        Ok(metadata(path)?.map(|metadata| identity_of(&metadata)))
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<File> {
        let mut options = OpenOptions::new();
        match access {
            Access::Read => ours(options.read(true)),
            Access::Write => ours(options.write(true)),
            Access::Change => ours(options.read(true).write(true)),
            Access::New => private(options.write(true).create_new(true)),
            Access::ReadOrNew => ours(private(options.read(true).write(true).create(true).truncate(false))),
        };
        Ok(Box::new(Opened(options.open(path)?)))
    }

    #[cfg(target_os = "linux")]
    fn open_straight(&self, path: &Path, access: Access) -> Option<File> {
        use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

        let access = match access {
            Access::Read => OFlags::RDONLY,
            Access::Change => OFlags::RDWR,
            Access::Write | Access::New | Access::ReadOrNew => return None,
        };
        // As in `ours`; it is the resolving that follows no link.
        let flags = access | OFlags::CLOEXEC | OFlags::LARGEFILE | OFlags::NONBLOCK;
        let file = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS).ok()?;
        Some(Box::new(Opened(file.into())))
    }

    #[cfg(not(target_os = "linux"))]
    fn open_straight(&self, _: &Path, _: Access) -> Option<File> {
        None
    }

    #[cfg(not(windows))]
    fn open_folder(&self, path: &Path) -> io::Result<Folder> {
        Ok(Box::new(Opened(fs::File::open(path)?)))
    }

    /// Windows opens no folder as a file. NTFS logs changes of names itself, without a promise of when.
    #[cfg(windows)]
    fn open_folder(&self, _: &Path) -> io::Result<Folder> {
        Ok(Box::new(Unopened))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        fs::remove_file(file)
    }

    fn make_folder(&self, path: &Path) -> io::Result<bool> {
        match private_folder().create(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }
}

fn metadata(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Without the times, which would cost the next save, see [`Disk::is_link`].
#[cfg(target_os = "linux")]
fn identity_at(folder: impl AsFd, path: &Path, flags: rustix::fs::AtFlags) -> io::Result<Identity> {
    use rustix::fs::{StatxFlags, makedev, statx};

    let found = statx(folder, path, flags, StatxFlags::INO | StatxFlags::NLINK)?;
    let inode = Some((makedev(found.stx_dev_major, found.stx_dev_minor), found.stx_ino));
    Ok(Identity { inode, names: found.stx_nlink.into() })
}

#[cfg(all(unix, not(target_os = "linux")))]
fn identity_of(metadata: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    Identity { inode: Some((metadata.dev(), metadata.ino())), names: metadata.nlink() }
}

#[cfg(not(unix))]
fn identity_of(_: &fs::Metadata) -> Identity {
    Identity { inode: None, names: 1 }
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

/// A file, and where the system opens folders as files, a folder.
#[derive(Debug)]
struct Opened(fs::File);

impl OpenFile for Opened {
    /// Found at its end and not by its metadata: see [`Disk::is_link`].
    fn bytes(&mut self) -> io::Result<u64> {
        self.0.seek(SeekFrom::End(0))
    }

    #[cfg(target_os = "linux")]
    fn identity(&self) -> io::Result<Identity> {
        identity_at(&self.0, Path::new(""), rustix::fs::AtFlags::EMPTY_PATH)
    }

    #[cfg(not(target_os = "linux"))]
    fn identity(&self) -> io::Result<Identity> {
        self.0.metadata().map(|metadata| identity_of(&metadata))
    }

    fn read_behind(&mut self, before: &mut Vec<u8>, offset: u64, bytes: usize) -> io::Result<()> {
        let at = before.len();
        before.try_reserve_exact(bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
        before.resize(at + bytes, 0);
        read_exact_at(&mut self.0, offset, &mut before[at..])
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        write_all_at(&mut self.0, offset, bytes)
    }

    fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    /// Some file systems cannot do it, and fs2 0.4.3 does not tell why on Linux (it reads `errno`, which
    /// `posix_fallocate` does not set).
    fn wish_for(&self, bytes: u64) {
        let _ = FileExt::allocate(&self.0, bytes);
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn try_lock(&self) -> io::Result<bool> {
        was_free(FileExt::try_lock_exclusive(&self.0))
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        was_free(FileExt::try_lock_shared(&self.0))
    }

    fn unlock(&self) -> io::Result<()> {
        FileExt::unlock(&self.0)
    }
}

#[cfg(not(windows))]
impl OpenFolder for Opened {
    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn try_lock(&self) -> io::Result<bool> {
        was_free(FileExt::try_lock_exclusive(&self.0))
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        was_free(FileExt::try_lock_shared(&self.0))
    }

    fn unlock(&self) -> io::Result<()> {
        FileExt::unlock(&self.0)
    }
}

/// What stands for an open folder on Windows.
#[cfg(windows)]
#[derive(Debug)]
struct Unopened;

#[cfg(windows)]
impl OpenFolder for Unopened {
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
fn read_exact_at(file: &mut fs::File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(not(unix))]
fn read_exact_at(file: &mut fs::File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    io::Read::read_exact(file, buffer)
}

#[cfg(unix)]
fn write_all_at(file: &mut fs::File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(not(unix))]
fn write_all_at(file: &mut fs::File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    io::Write::write_all(file, bytes)
}

fn was_free(locked: io::Result<()>) -> io::Result<bool> {
    match locked {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => Ok(false),
        Err(error) => Err(error),
    }
}

/// How many files this process may have open, if the system says so, and if it is one on which files are opened
/// [straight](Disk::open_straight).
#[cfg(target_os = "linux")]
pub(crate) fn descriptors_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn descriptors_max() -> Option<u64> {
    None
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

/// How many bytes are free where `path` is, if the system says. For people.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    fs2::available_space(path).ok()
}
