//! `verify`: can every record be read?

use std::path::Path;

use gargoyle::BoxError;

use super::progress;
use crate::chain;
use crate::store::{ids, look_into, read};

pub(crate) fn run(folder: &Path) -> Result<(), BoxError> {
    let store = look_into(folder)?;
    let ids = ids(&*store, None)?;
    let bar = progress(ids.len());
    let (mut bytes, mut unreadable) = (0, 0);
    for id in &ids {
        match read(&*store, id) {
            Ok(Some((_, stored))) => bytes += stored.bytes.len(),
            Ok(None) => {}
            Err(error) => {
                unreadable += 1;
                bar.suspend(|| eprintln!("{}", chain(&*error)));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let sound = ids.len() - unreadable;
    println!("{sound} records can be read, {bytes} bytes");
    match unreadable {
        0 => Ok(()),
        unreadable => Err(format!("{unreadable} records cannot be read").into()),
    }
}
