//! One file for each command.

pub(crate) mod copy;
pub(crate) mod edit;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod ls;
pub(crate) mod show;
pub(crate) mod stats;
pub(crate) mod verify;
pub(crate) mod wipe;

use gargoyle::{ActorId, BoxError, Revision, Storage};
use indicatif::{ProgressBar, ProgressStyle};

use crate::store::shown;
use std::time::SystemTime;

/// A bar for so many records, on a terminal only.
fn progress(records: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}");
    let bar = ProgressBar::new(records as u64);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// What became of a record that was to be put into a store.
#[derive(Default)]
struct Put {
    written: usize,
    /// The same was there.
    found: usize,
    /// Another one was there, and was left alone.
    differing: Vec<ActorId>,
}

impl Put {
    /// Puts one record into a store, unless another one is there.
    fn put(
        &mut self,
        store: &dyn Storage,
        id: &ActorId,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
        overwrite: bool,
    ) -> Result<(), BoxError> {
        let there = store.load(id)?;
        let expected: Option<Revision> = match &there {
            Some(there) if there.bytes == bytes && there.wake_at == wake_at => {
                self.found += 1;
                return Ok(());
            }
            Some(_) if !overwrite => {
                self.differing.push(id.clone());
                return Ok(());
            }
            there => there.as_ref().map(|there| there.revision),
        };
        store.save(id, expected, bytes, wake_at)?;
        self.written += 1;
        Ok(())
    }

    /// Says what was done.
    fn report(&self, done: &str) -> Result<(), BoxError> {
        println!("{} records {done}, {} were there already", self.written, self.found);
        if self.differing.is_empty() {
            return Ok(());
        }
        for id in &self.differing {
            eprintln!("{} is there and differs", shown(id));
        }
        Err(format!("{} records were left as they are; --overwrite replaces them", self.differing.len()).into())
    }
}
