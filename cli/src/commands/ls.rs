//! `ls`: lists the records.

use std::io::{self, Write};

use gargoyle::{BoxError, Record};
use serde::Serialize;

use crate::store::{ids, look_into, shown, shown_time};
use crate::{Ls, chain};

#[derive(Serialize)]
struct Entry<'a> {
    kind: &'a str,
    key: &'a str,
    revision: u64,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    saved_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(crate) fn run(ls: &Ls) -> Result<(), BoxError> {
    let store = look_into(&ls.store)?;
    let mut out = io::stdout().lock();
    let mut unreadable = 0;
    for id in ids(&*store, ls.kind.as_deref())? {
        if ls.prefix.as_ref().is_some_and(|prefix| !id.key().starts_with(prefix)) {
            continue;
        }
        let (mut entry, record) =
            (Entry { kind: id.kind(), key: id.key(), revision: 0, bytes: 0, saved_at: None, version: None, live: None, error: None }, None);
        let record: Option<Record> = match store.load(&id) {
            Ok(None) => continue,
            Ok(Some(stored)) => {
                (entry.revision, entry.bytes) = (stored.revision.get(), stored.bytes.len());
                match Record::from_bytes(&stored.bytes) {
                    Ok(record) => Some(record),
                    Err(error) => {
                        entry.error = Some(chain(&error));
                        record
                    }
                }
            }
            Err(error) => {
                entry.error = Some(chain(&error));
                None
            }
        };
        unreadable += usize::from(record.is_none());
        if let Some(record) = &record {
            entry.saved_at = Some(shown_time(record.saved_at));
            (entry.version, entry.live) = (Some(record.version), Some(record.live));
        }
        if ls.live && entry.live == Some(false) {
            continue;
        }
        if ls.json {
            writeln!(out, "{}", serde_json::to_string(&entry)?)?;
        } else {
            let (revision, bytes) = (entry.revision, entry.bytes);
            match (&entry.saved_at, &entry.error) {
                (Some(saved_at), _) => {
                    let live = if entry.live == Some(true) { "  live" } else { "" };
                    writeln!(out, "{saved_at}  r{revision:<8} {bytes:>9}  {}{live}", shown(&id))?;
                }
                (None, error) => {
                    let error = error.as_deref().unwrap_or_default();
                    writeln!(out, "{:20}  r{revision:<8} {bytes:>9}  {}  {error}", "unreadable", shown(&id))?;
                }
            }
        }
    }
    match unreadable {
        0 => Ok(()),
        unreadable => Err(format!("{unreadable} records cannot be read").into()),
    }
}
