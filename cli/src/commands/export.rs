//! `export`: all records as JSON, one in a line.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use gargoyle::{BoxError, Storage};

use super::progress;
use crate::line::Line;
use crate::store::{ids, look_into, read};

pub(crate) fn run(folder: &Path, output: Option<&Path>) -> Result<(), BoxError> {
    let store = look_into(folder)?;
    match output {
        None => write_all(&*store, &mut io::stdout().lock()),
        Some(path) => {
            let file = File::create_new(path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
            let mut file = BufWriter::new(file);
            write_all(&*store, &mut file)?;
            file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
            Ok(())
        }
    }
}

fn write_all(store: &dyn Storage, out: &mut impl Write) -> Result<(), BoxError> {
    let ids = ids(store, None)?;
    let bar = progress(ids.len());
    for id in &ids {
        if let Some((record, stored)) = read(store, id)? {
            writeln!(out, "{}", serde_json::to_string(&Line::new(&record, stored.wake_at))?)?;
        }
        bar.inc(1);
    }
    out.flush()?;
    bar.finish_and_clear();
    Ok(())
}
