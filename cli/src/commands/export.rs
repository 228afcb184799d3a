//! `export`: all records as JSON, one in a line.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use gargoyle::{BoxError, Storage};

use crate::line;
use crate::store::{list, look_into, read};

pub(crate) fn run(folder: &Path, output: Option<&Path>) -> Result<(), BoxError> {
    let store = look_into(folder)?;
    let Some(path) = output else { return write_all(&*store, BufWriter::new(io::stdout().lock())).map(drop) };
    let failed = |doing: &str, error| BoxError::from(format!("cannot {doing} {}: {error}", path.display()));
    let file = make(path).map_err(|error| failed("make", error))?;
    let file = write_all(&*store, BufWriter::new(file))?;
    let file = file.into_inner().map_err(|error| failed("write", error.into_error()))?;
    file.sync_all().map_err(|error| failed("write", error))
}

/// A new file, for its owner alone as the files of a store are: all states come to be in it.
fn make(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create_new(true).open(path)
}

/// What cannot be read is named and left out.
fn write_all<W: Write>(store: &dyn Storage, mut out: W) -> Result<W, BoxError> {
    let listed = list(store, None);
    let problems = listed.begin();
    for id in &listed.ids {
        match read(store, id) {
            Ok((record, stored)) => writeln!(out, "{}", line::write(&record, &stored)?)?,
            Err(error) => problems.say(&error.to_string()),
        }
        problems.step();
    }
    out.flush()?;
    problems.end()?;
    Ok(out)
}
