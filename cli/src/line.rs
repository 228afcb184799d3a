//! A record as one line of JSON, as `export` writes it and `import` reads it.

use std::time::{Duration, SystemTime};

use gargoyle::{ActorId, BoxError, Record, Settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::state;

/// What is in a line. Times are milliseconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    kind: String,
    key: String,
    version: u32,
    saved_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wake_at: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    live: bool,
    #[serde(default, skip_serializing_if = "is_unset")]
    settings: Settings,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    watchers: Vec<ActorId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    watching: Vec<ActorId>,
    args: Item,
    state: Item,
}

/// One item of CBOR.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Item {
    /// As JSON, if that says everything.
    Json(Value),
    /// Its bytes in hex digits, else.
    Cbor(String),
}

fn is_unset(settings: &Settings) -> bool {
    *settings == Settings::new()
}

impl Item {
    fn of(cbor: &[u8]) -> Self {
        state::to_json(cbor).map_or_else(|| Item::Cbor(hex::encode(cbor)), Item::Json)
    }

    fn into_cbor(self) -> Result<Vec<u8>, BoxError> {
        match self {
            Item::Json(json) => state::from_json(&json),
            Item::Cbor(digits) => Ok(hex::decode(digits)?),
        }
    }
}

impl Line {
    pub(crate) fn new(record: &Record, wake_at: Option<SystemTime>) -> Self {
        Line {
            kind: record.id.kind().to_owned(),
            key: record.id.key().to_owned(),
            version: record.version,
            saved_at: millis(record.saved_at),
            wake_at: wake_at.map(millis),
            live: record.live,
            settings: record.settings.clone(),
            watchers: record.watchers.clone(),
            watching: record.watching.clone(),
            args: Item::of(&record.args),
            state: Item::of(&record.state),
        }
    }

    pub(crate) fn into_record(self) -> Result<(Record, Option<SystemTime>), BoxError> {
        let id = ActorId::new(self.kind, self.key)?;
        let mut record = Record::new(id, self.args.into_cbor()?, self.state.into_cbor()?);
        record.version = self.version;
        record.saved_at = time(self.saved_at)?;
        record.live = self.live;
        record.settings = self.settings;
        record.watchers = self.watchers;
        record.watching = self.watching;
        Ok((record, self.wake_at.map(time).transpose()?))
    }
}

fn millis(time: SystemTime) -> u64 {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

fn time(millis: u64) -> Result<SystemTime, BoxError> {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis));
    time.ok_or_else(|| format!("{millis} is no time that this machine can express").into())
}
