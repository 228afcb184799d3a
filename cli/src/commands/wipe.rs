//! `wipe`: deletes a record.

use std::io::{self, BufRead, Write};

use gargoyle::BoxError;

use crate::Wipe;
use crate::store::{open, shown};

pub(crate) fn run(wipe: &Wipe) -> Result<(), BoxError> {
    let id = wipe.which.id()?;
    let store = open(&wipe.which.store)?;
    if matches!(store.load(&id), Ok(None)) {
        return Err(format!("there is no record of {}", shown(&id)).into());
    }
    if !wipe.yes {
        print!("delete the record of {} for good? [y/N] ", shown(&id));
        io::stdout().flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return Err("nothing was deleted".into());
        }
    }
    store.wipe(&id, None)?;
    println!("{} is deleted", shown(&id));
    Ok(())
}
