//! The end of a connection that asks.

#[cfg(test)]
mod test;

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{ObserveError, Sample, VERSION, socket};
use crate::sync::Arc;

/// How long a system may take for a sample. It is at work for some milliseconds at most, and its machine may be busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// No sample is longer: a hundred thousand actors with keys of a kilobyte each would be.
const LINE_BYTES_MAX: usize = 256 << 20;

#[derive(Debug)]
pub(super) struct Connection {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

/// What all versions begin with.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Connection {
    pub(super) fn open(path: PathBuf) -> Result<Self, ObserveError> {
        let opened = socket::check_length(&path).and_then(|()| {
            let nobody = |source| ObserveError::Nobody { path: path.clone(), source: Arc::new(source) };
            let failed = |source| ObserveError::Io { path: path.clone(), source: Arc::new(source) };
            let stream = socket::connect(&path, PATIENCE).map_err(|error| match error.kind() {
                ErrorKind::WouldBlock => failed(timed_out(PATIENCE)),
                _ => nobody(error),
            })?;
            stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
            Ok(stream)
        });
        let stream = BufReader::new(opened?);
        Ok(Connection { path, stream })
    }

    pub(super) fn sample(&mut self) -> Result<Sample, ObserveError> {
        let line = self
            .ask(PATIENCE)
            .map_err(|source| ObserveError::Io { path: self.path.clone(), source: Arc::new(source) })?;
        let foreign = |what| ObserveError::Foreign { path: self.path.clone(), what };
        let unreadable = |error: serde_json::Error| foreign(error.to_string());
        let Versioned { version } = serde_json::from_slice(&line).map_err(unreadable)?;
        if version != VERSION {
            return Err(foreign(format!(
                "version {version} of the protocol, and this is a reader of version {VERSION}"
            )));
        }
        serde_json::from_slice(&line).map_err(unreadable)
    }

    fn ask(&mut self, patience: Duration) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + patience;
        self.stream.get_mut().write_all(b"sample\n")?;
        let mut line = Vec::new();
        while !line.ends_with(b"\n") && line.len() < LINE_BYTES_MAX {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(timed_out(patience));
            }
            // For one read, and there may be many before a line has ended.
            self.stream.get_ref().set_read_timeout(Some(left))?;
            let read = match self.stream.fill_buf() {
                Ok([]) => break,
                Ok(read) => read,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => continue,
                Err(error) => return Err(error),
            };
            let end = read.iter().position(|byte| *byte == b'\n').map_or(read.len(), |at| at + 1);
            line.extend_from_slice(&read[..end]);
            self.stream.consume(end);
        }
        if line.ends_with(b"\n") {
            Ok(line)
        } else {
            Err(io::Error::new(ErrorKind::UnexpectedEof, "the system has shut down, or the connection was cut"))
        }
    }
}

fn timed_out(patience: Duration) -> io::Error {
    io::Error::new(ErrorKind::TimedOut, format!("no answer within {patience:?}"))
}
