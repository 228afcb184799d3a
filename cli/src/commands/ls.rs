//! `ls`: lists the records.

use std::io::{self, BufWriter, Write};

use gargoyle::{ActorId, BoxError, Storage};
use serde::Serialize;

use crate::Ls;
use crate::store::{list, look_into, parse};
use crate::terminal;
use crate::text::{chain, shown, shown_time};

/// A record in the list, or why it cannot be read.
#[derive(Serialize)]
struct Entry<'a> {
    kind: &'a str,
    key: &'a str,
    #[serde(flatten)]
    stored: Option<InStore>,
    #[serde(flatten)]
    head: Option<Head>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What the store says of it.
#[derive(Serialize)]
struct InStore {
    revision: u64,
    bytes: usize,
}

/// What the record says of itself.
#[derive(Serialize)]
struct Head {
    saved_at: String,
    version: u32,
    live: bool,
}

pub(crate) fn run(ls: &Ls) -> Result<(), BoxError> {
    let store = look_into(&ls.store)?;
    let listed = list(&*store, ls.kind.as_deref());
    let problems = listed.begin();
    // The list itself is the progress.
    problems.finish();
    let mut out = BufWriter::new(io::stdout().lock());
    let has_prefix = |id: &&ActorId| ls.prefix.as_ref().is_none_or(|prefix| id.key().starts_with(prefix));
    for id in listed.ids.iter().filter(has_prefix) {
        let entry = Entry::of(&*store, id);
        if ls.live && entry.head.as_ref().is_some_and(|head| !head.live) {
            continue;
        }
        if ls.json {
            writeln!(out, "{}", terminal::json(&entry)?)?;
        } else {
            writeln!(out, "{}", entry.line(id))?;
        }
        if let Some(error) = &entry.error {
            out.flush()?;
            problems.say(&format!("{}: {error}", shown(id)));
        }
    }
    out.flush()?;
    problems.end()
}

impl<'a> Entry<'a> {
    fn of(store: &dyn Storage, id: &'a ActorId) -> Self {
        let mut entry = Entry { kind: id.kind(), key: id.key(), stored: None, head: None, error: None };
        match store.load(id) {
            Ok(Some(stored)) => {
                entry.stored = Some(InStore { revision: stored.revision.get(), bytes: stored.bytes.len() });
                match parse(&stored, id) {
                    Ok(record) => {
                        let saved_at = shown_time(record.saved_at);
                        entry.head = Some(Head { saved_at, version: record.version, live: record.live });
                    }
                    Err(error) => entry.error = Some(error),
                }
            }
            Ok(None) => entry.error = Some("it is listed and not there".to_owned()),
            Err(error) => entry.error = Some(chain(&error)),
        }
        entry
    }

    fn line(&self, id: &ActorId) -> String {
        let saved_at = self.head.as_ref().map_or("unreadable", |head| &head.saved_at);
        let (revision, bytes) = match &self.stored {
            Some(stored) => (stored.revision.to_string(), stored.bytes.to_string()),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let live = self.head.as_ref().is_some_and(|head| head.live);
        let live = if live { "live" } else { "" };
        format!("{saved_at:20} {revision:>14} {bytes:>10} {live:4}  {}", shown(id))
    }
}
