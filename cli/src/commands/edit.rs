//! `edit`: a state in an editor, and back by compare-and-swap.
//!
//! The store is free while a person thinks: what anybody else saves meanwhile is not overwritten.

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use gargoyle::{BoxError, Record, Revision, StorageErrorKind, Stored};
use tempfile::NamedTempFile;

use crate::Edit;
use crate::state::{from_json, from_notation, to_exact_notation, to_json};
use crate::store::{look_into, open, read};
use crate::text::{chain, shown};

pub(crate) fn run(edit: &Edit) -> Result<(), BoxError> {
    let id = edit.which.id()?;
    let (record, stored) = read(&*look_into(&edit.which.store)?, &id)?;
    let suffix = if edit.cbor { ".cbor-diag" } else { ".json" };
    let mut file = tempfile::Builder::new().prefix("gargoyle-").suffix(suffix).tempfile()?;
    writeln!(file, "{}", text_of(edit, &record)?)?;
    file.flush()?;
    run_editor(file.path())?;
    match save(edit, record, &stored, file.path()) {
        Ok(None) => writeln!(io::stdout(), "nothing was changed")?,
        Ok(Some(revision)) => writeln!(io::stdout(), "{} is saved as revision {revision}", shown(&id))?,
        Err(error) => return Err(keep(file, &*error)),
    }
    Ok(())
}

/// What the editor is to show: the state, in a form that gives the very same bytes if it is not changed.
fn text_of(edit: &Edit, record: &Record) -> Result<String, BoxError> {
    let id = shown(&record.id);
    if edit.cbor {
        to_exact_notation(&record.state).ok_or_else(|| {
            format!("the state of {id} is too long or has parts that no text stands for; `export` has its bytes").into()
        })
    } else {
        to_json(&record.state).map(|json| format!("{json:#}")).ok_or_else(|| {
            format!("the state of {id} has parts that JSON cannot say; --cbor edits it in diagnostic notation").into()
        })
    }
}

/// Saves the state in the file, unless it is the old one.
fn save(edit: &Edit, mut record: Record, stored: &Stored, file: &Path) -> Result<Option<Revision>, BoxError> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read what the editor wrote: {error}"))?;
    let state = if edit.cbor { from_notation(&text)? } else { from_json(&json(&text)?)? };
    if state == record.state {
        return Ok(None);
    }
    record.state = state;
    record.saved_at = SystemTime::now();
    let store = open(&edit.which.store)?;
    let saved = store.save(&record.id, Some(stored.revision), &record.to_bytes(), stored.wake_at);
    saved.map(Some).map_err(|error| match error.kind() {
        StorageErrorKind::Stale => {
            format!("{} was saved or deleted by somebody else meanwhile: {}", shown(&record.id), chain(&error)).into()
        }
        _ => error.into(),
    })
}

fn json(text: &str) -> Result<serde_json::Value, BoxError> {
    serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}").into())
}

/// What a person wrote must not be lost.
fn keep(file: NamedTempFile, error: &(dyn std::error::Error + 'static)) -> BoxError {
    let error = chain(error);
    match file.keep() {
        Ok((_, path)) => format!("{error}; nothing was saved, and what you wrote is in {}", path.display()).into(),
        Err(lost) => format!("{error}; nothing was saved, and what you wrote is lost: {lost}").into(),
    }
}

fn run_editor(path: &Path) -> Result<(), BoxError> {
    let set = |name| env::var(name).ok().filter(|value: &String| !value.trim().is_empty());
    let editor = ["VISUAL", "EDITOR"].into_iter().find_map(set).unwrap_or_else(|| "vi".to_owned());
    // The variable may have options, in the words of a shell.
    let status = if cfg!(windows) {
        Command::new(&editor).arg(path).status()
    } else {
        Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(path).status()
    };
    let status = status.map_err(|error| format!("cannot run the editor {editor:?}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the editor {editor:?} ended with {status}; nothing was saved").into())
    }
}
