//! `copy`: all records into another store.

use gargoyle::BoxError;

use super::{Put, progress};
use crate::store::{ids, look_into, open_or_make, read, shown};
use crate::Copy;

pub(crate) fn run(copy: &Copy) -> Result<(), BoxError> {
    let from = look_into(&copy.from)?;
    let to = open_or_make(&copy.to, copy.new)?;
    let ids = ids(&*from, None)?;
    let bar = progress(ids.len());
    let mut put = Put::default();
    for id in &ids {
        // What cannot be read is not copied, and ends the copy: it is for a person to decide about.
        if let Some((_, stored)) = read(&*from, id)? {
            put.put(&*to, id, &stored.bytes, stored.wake_at, copy.overwrite)?;
            let copied = to.load(id)?;
            let same = copied.is_some_and(|copied| copied.bytes == stored.bytes && copied.wake_at == stored.wake_at);
            if !same && !put.differing.contains(id) {
                return Err(format!("{} is not in {} as it was written", shown(id), copy.to.display()).into());
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    put.report("copied")
}
