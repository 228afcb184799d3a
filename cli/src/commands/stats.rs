//! `stats`: counts by kind.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use gargoyle::BoxError;
use serde::Serialize;

use super::progress;
use crate::store::{ids, look_into, read, shown_time};

#[derive(Default)]
struct Counts {
    records: usize,
    unreadable: usize,
    live: usize,
    bytes: usize,
    largest: usize,
    oldest: Option<SystemTime>,
    newest: Option<SystemTime>,
}

#[derive(Serialize)]
struct Shown<'a> {
    kind: &'a str,
    records: usize,
    unreadable: usize,
    live: usize,
    bytes: usize,
    largest: usize,
    oldest: Option<String>,
    newest: Option<String>,
}

pub(crate) fn run(folder: &Path, json: bool) -> Result<(), BoxError> {
    let store = look_into(folder)?;
    let ids = ids(&*store, None)?;
    let bar = progress(ids.len());
    let mut kinds = BTreeMap::<&str, Counts>::new();
    for id in &ids {
        let counts = kinds.entry(id.kind()).or_default();
        match read(&*store, id) {
            Ok(None) => {}
            Ok(Some((record, stored))) => {
                counts.records += 1;
                counts.live += usize::from(record.live);
                counts.bytes += stored.bytes.len();
                counts.largest = counts.largest.max(stored.bytes.len());
                counts.oldest = Some(counts.oldest.map_or(record.saved_at, |oldest| oldest.min(record.saved_at)));
                counts.newest = counts.newest.max(Some(record.saved_at));
            }
            Err(_) => counts.unreadable += 1,
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if !json {
        println!("{:>10} {:>10} {:>6} {:>14} {:>10}  {:20}  {:20}  kind", "records", "unreadable", "live", "bytes", "largest", "oldest", "newest");
    }
    for (kind, counts) in kinds {
        let Counts { records, unreadable, live, bytes, largest, oldest, newest } = counts;
        let (oldest, newest) = (oldest.map(shown_time), newest.map(shown_time));
        if json {
            let shown = Shown { kind, records, unreadable, live, bytes, largest, oldest, newest };
            println!("{}", serde_json::to_string(&shown)?);
        } else {
            let (oldest, newest) = (oldest.unwrap_or_default(), newest.unwrap_or_default());
            let kind = kind.escape_debug();
            println!("{records:>10} {unreadable:>10} {live:>6} {bytes:>14} {largest:>10}  {oldest:20}  {newest:20}  {kind}");
        }
    }
    Ok(())
}
