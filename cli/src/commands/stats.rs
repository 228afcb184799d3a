//! `stats`: counts by kind.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::SystemTime;

use gargoyle::{BoxError, Record, Stored};
use serde::Serialize;

use crate::store::{list, look_into, read};
use crate::terminal;
use crate::text::{escape, shown_time};

/// What there is of a kind.
#[derive(Default, Serialize)]
struct Counts {
    records: usize,
    unreadable: usize,
    live: usize,
    /// With a time from which they have to be woken.
    waking: usize,
    bytes: usize,
    largest: usize,
    #[serde(serialize_with = "time", skip_serializing_if = "Option::is_none")]
    oldest: Option<SystemTime>,
    #[serde(serialize_with = "time", skip_serializing_if = "Option::is_none")]
    newest: Option<SystemTime>,
}

fn time<S: serde::Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(shown_time).serialize(serializer)
}

#[derive(Serialize)]
struct OfKind<'a> {
    kind: &'a str,
    #[serde(flatten)]
    counts: &'a Counts,
}

impl Counts {
    fn add(&mut self, record: &Record, stored: &Stored) {
        self.records += 1;
        self.live += usize::from(record.live);
        self.waking += usize::from(stored.wake_at.is_some());
        self.bytes += stored.bytes.len();
        self.largest = self.largest.max(stored.bytes.len());
        self.oldest = Some(self.oldest.map_or(record.saved_at, |oldest| oldest.min(record.saved_at)));
        self.newest = self.newest.max(Some(record.saved_at));
    }

    fn line(&self, kind: &str) -> String {
        let Counts { records, unreadable, live, waking, bytes, largest, .. } = self;
        let [oldest, newest] = [self.oldest, self.newest].map(|time| time.map(shown_time).unwrap_or_default());
        columns([records, unreadable, live, waking, bytes, largest].map(usize::to_string), [&oldest, &newest, kind])
    }
}

fn columns(numbers: [String; 6], [oldest, newest, kind]: [&str; 3]) -> String {
    let [records, unreadable, live, waking, bytes, largest] = numbers;
    format!(
        "{records:>10} {unreadable:>10} {live:>7} {waking:>7} {bytes:>13} {largest:>10}  {oldest:20}  {newest:20}  {kind}"
    )
}

pub(crate) fn run(folder: &Path, json: bool) -> Result<(), BoxError> {
    let store = look_into(folder)?;
    let listed = list(&*store, None);
    let problems = listed.begin();
    let mut kinds = BTreeMap::<&str, Counts>::new();
    for id in &listed.ids {
        let counts = kinds.entry(id.kind()).or_default();
        match read(&*store, id) {
            Ok((record, stored)) => counts.add(&record, &stored),
            Err(error) => {
                counts.unreadable += 1;
                problems.say(&error.to_string());
            }
        }
        problems.step();
    }
    problems.finish();
    let mut out = BufWriter::new(io::stdout().lock());
    if !json {
        let titles = ["records", "unreadable", "live", "waking", "bytes", "largest"].map(str::to_owned);
        writeln!(out, "{}", columns(titles, ["oldest", "newest", "kind"]))?;
    }
    for (kind, counts) in &kinds {
        if json {
            writeln!(out, "{}", terminal::json(&OfKind { kind, counts })?)?;
        } else {
            writeln!(out, "{}", counts.line(&escape(kind)))?;
        }
    }
    out.flush()?;
    problems.end()
}
