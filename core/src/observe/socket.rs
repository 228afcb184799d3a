//! A socket that only its owner can connect to, at a path where there may be one of a process that is dead.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use super::ObserveError;
use crate::sync::Arc;

/// What the machine takes, without the NUL at its end.
const PATH_BYTES_MAX: usize = if cfg!(any(target_os = "linux", target_os = "android")) { 107 } else { 103 };

/// What the socket is made in, beside its place; and its name there.
const NURSERY: &str = ".new";
const NEWBORN: &str = "s";

/// How long one who would be observed waits to be let in where another one may be.
const PATIENCE: Duration = Duration::from_secs(1);

/// A socket that listens, and its place.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    pub(super) place: Place,
}

/// Where a socket is, and which it is: it may have been moved, or replaced.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    identity: (u64, u64),
}

pub(super) fn check_length(path: &Path) -> Result<(), ObserveError> {
    check(path, PATH_BYTES_MAX)
}

fn check(path: &Path, most: usize) -> Result<(), ObserveError> {
    let bytes = path.as_os_str().as_bytes().len();
    if bytes <= most { Ok(()) } else { Err(ObserveError::TooLong { path: path.to_owned(), bytes, most }) }
}

impl Socket {
    /// Makes a socket at `path`, in place of one that nobody listens at.
    pub(super) fn at(path: &Path) -> Result<Self, ObserveError> {
        check(path, PATH_BYTES_MAX - NURSERY.len() - 1 - NEWBORN.len())?;
        let failed = |source| ObserveError::Io { path: path.to_owned(), source: Arc::new(source) };
        // The program may go to another folder meanwhile.
        let absolute = std::path::absolute(path).map_err(failed)?;
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(there) if !there.file_type().is_socket() => {
                return Err(ObserveError::NotASocket { path: path.to_owned() });
            }
            Ok(_) if is_listened_at(path).map_err(failed)? => {
                return Err(ObserveError::InUse { path: path.to_owned() });
            }
            Ok(_) => {}
        }
        let listener = make(path).map_err(failed)?;
        let identity = identity(path).map_err(failed)?;
        Ok(Socket { listener, place: Place { path: absolute, identity } })
    }
}

impl Place {
    /// Takes the socket away, if it is still there.
    pub(super) fn clear(&self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // If it cannot be taken away, the next system finds that nobody listens.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|there| (there.dev(), there.ino()))
}

/// Who does not let one in, as it is stopped, say, and many are before one, listens too.
fn is_listened_at(path: &Path) -> io::Result<bool> {
    match connect(path, PATIENCE) {
        Ok(_) => Ok(true),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock => Ok(true),
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => Ok(false),
            _ => Err(error),
        },
    }
}

/// Connects within this time, or with [`WouldBlock`](ErrorKind::WouldBlock) not. [`UnixStream::connect`] waits for ever.
pub(super) fn connect(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    set_socket_timeout(&socket, Timeout::Send, Some(patience))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// In a folder that nobody else can look into: between its making and the restriction of its mode, a socket could be open to
/// all. To move it to its place replaces what is there, at once.
fn make(path: &Path) -> io::Result<UnixListener> {
    let mut nursery = path.as_os_str().to_owned();
    nursery.push(NURSERY);
    let nursery = PathBuf::from(nursery);
    let newborn = nursery.join(NEWBORN);
    clear_nursery(&nursery, &newborn)?;
    DirBuilder::new().mode(0o700).create(&nursery)?;
    let made = UnixListener::bind(&newborn).and_then(|listener| {
        fs::set_permissions(&newborn, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        fs::rename(&newborn, path)?;
        Ok(listener)
    });
    if made.is_err() {
        let _ = fs::remove_file(&newborn);
    }
    let _ = fs::remove_dir(&nursery);
    made
}

/// Takes away what a process that died in the middle left, and nothing else: a link would lead who knows where.
fn clear_nursery(nursery: &Path, newborn: &Path) -> io::Result<()> {
    match fs::symlink_metadata(nursery) {
        Ok(there) if there.is_dir() => {}
        Ok(_) => {
            let what = format!("{} is in the way and no folder of ours; move it away", nursery.display());
            return Err(io::Error::new(ErrorKind::AlreadyExists, what));
        }
        Err(_) => return Ok(()),
    }
    if fs::symlink_metadata(newborn).is_ok_and(|there| there.file_type().is_socket()) {
        let _ = fs::remove_file(newborn);
    }
    let _ = fs::remove_dir(nursery);
    Ok(())
}
