//! `wipe`: deletes a record.

use std::io::{self, BufRead, Write};

use gargoyle::BoxError;

use crate::Wipe;
use crate::store::open;
use crate::text::shown;

pub(crate) fn run(wipe: &Wipe) -> Result<(), BoxError> {
    let id = wipe.which.id()?;
    let store = open(&wipe.which.store)?;
    // What cannot be read can be deleted.
    let found = store.load(&id);
    if let Ok(None) = found {
        return Err(format!("there is no record of {}", shown(&id)).into());
    }
    if !wipe.yes && !is_wanted(&shown(&id))? {
        return Err("nothing was deleted".into());
    }
    store.wipe(&id, found.ok().flatten().map(|stored| stored.revision))?;
    Ok(writeln!(io::stdout(), "{} is deleted", shown(&id))?)
}

/// Asks. No answer is a no.
fn is_wanted(shown: &str) -> io::Result<bool> {
    let mut out = io::stdout();
    write!(out, "delete the record of {shown} for good? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
