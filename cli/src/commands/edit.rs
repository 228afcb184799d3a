//! `edit`: a state in an editor, and back by compare-and-swap.

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use gargoyle::BoxError;

use crate::Which;
use crate::state::{from_json, to_json};
use crate::store::{open, read_one, shown};

pub(crate) fn run(which: &Which) -> Result<(), BoxError> {
    let id = which.id()?;
    let store = open(&which.store)?;
    let (mut record, stored) = read_one(&*store, &id)?;
    let Some(json) = to_json(&record.state) else {
        return Err(format!("the state of {} has parts that JSON cannot say; `show --cbor` shows them", shown(&id)).into());
    };
    let mut file = tempfile::Builder::new().prefix("gargoyle-").suffix(".json").tempfile()?;
    writeln!(file, "{json:#}")?;
    file.flush()?;
    run_editor(file.path())?;
    let text = std::fs::read_to_string(file.path())?;
    let saved = edited(&text).and_then(|state| {
        if state == record.state {
            return Ok(None);
        }
        record.state = state;
        Ok(Some(store.save(&id, Some(stored.revision), &record.to_bytes(), stored.wake_at)?))
    });
    match saved {
        Ok(None) => println!("nothing was changed"),
        Ok(Some(revision)) => println!("{} is saved as revision {revision}", shown(&id)),
        Err(error) => {
            // What was written must not be lost.
            let (_, path) = file.keep()?;
            return Err(format!("{error}; what you wrote is in {}", path.display()).into());
        }
    }
    Ok(())
}

fn edited(text: &str) -> Result<Vec<u8>, BoxError> {
    let json = serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))?;
    from_json(&json)
}

fn run_editor(path: &Path) -> Result<(), BoxError> {
    let editor = ["VISUAL", "EDITOR"].into_iter().find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    // The variable may have options, in the words of a shell.
    let status = if cfg!(windows) {
        Command::new(&editor).arg(path).status()
    } else {
        Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(path).status()
    };
    let status = status.map_err(|error| format!("cannot run the editor {editor:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("the editor {editor:?} ended with {status}; nothing was changed").into()) }
}
