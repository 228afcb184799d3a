//! `verify`: can every record be read, and is there what the store needs beside them?

use std::collections::HashSet;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime};

use gargoyle::{ActorId, BoxError, Storage};

use crate::problems::Problems;
use crate::store::{list, look_thoroughly, read};
use crate::text::{chain, shown};

pub(crate) fn run(folder: &Path) -> Result<(), BoxError> {
    let (store, wrong) = look_thoroughly(folder)?;
    let listed = list(&*store, None);
    let problems = listed.begin();
    if let Some(wrong) = wrong {
        problems.say(&chain(&wrong));
    }
    let due = all_due(&*store, &problems);
    let (mut sound, mut bytes) = (0, 0);
    for id in &listed.ids {
        match read(&*store, id) {
            Ok((_, stored)) => {
                (sound, bytes) = (sound + 1, bytes + stored.bytes.len());
                if stored.wake_at.is_some_and(|at| at <= last_time())
                    && due.as_ref().is_some_and(|due| !due.contains(id))
                {
                    problems.say(&format!("{} has to be woken some time, and the store forgot about it", shown(id)));
                }
            }
            Err(error) => problems.say(&error.to_string()),
        }
        problems.step();
    }
    problems.finish();
    writeln!(io::stdout(), "{sound} of {} records can be read, {bytes} bytes", listed.ids.len())?;
    problems.end()
}

/// Whoever has to be woken some time, as the store remembers it; `None` if it cannot tell.
fn all_due(store: &dyn Storage, problems: &Problems) -> Option<HashSet<ActorId>> {
    let mut ids = HashSet::new();
    let mut visit = |id| {
        ids.insert(id);
        ControlFlow::Continue(())
    };
    match store.due(last_time(), &mut visit) {
        Ok(()) => Some(ids),
        Err(error) => {
            problems.say(&chain(&error));
            None
        }
    }
}

/// A thousand years from 1970 on: for ever, and every machine can express it.
fn last_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1000 * 365 * 24 * 60 * 60)
}
