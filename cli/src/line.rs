//! A record as one line of JSON, as `export` writes it and `import` reads it.

use std::time::{Duration, SystemTime};

use gargoyle::{ActorId, BoxError, Record, Settings, Stored, Watch};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::put::Entry;
use crate::{state, terminal};

/// What is in a line. Times are milliseconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
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
    watchers: Vec<Watch>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    watching: Vec<Watch>,
    args: Item,
    state: Item,
}

/// A record with something in its head that `Line` cannot say: one of a later release, perhaps.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WholeLine {
    kind: String,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wake_at: Option<u64>,
    /// All its bytes in hex digits.
    record: String,
}

/// One item of CBOR.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Item {
    /// As JSON, if that says everything.
    Json(Value),
    /// Its bytes in hex digits, else, and if it is large.
    Cbor(String),
}

fn is_unset(settings: &Settings) -> bool {
    *settings == Settings::new()
}

impl Item {
    fn of(cbor: &[u8]) -> Self {
        state::to_json(cbor).map_or_else(|| Item::Cbor(hex::encode(cbor)), Item::Json)
    }

    fn to_cbor(&self) -> Result<Vec<u8>, BoxError> {
        match self {
            Item::Json(json) => state::from_json(json),
            Item::Cbor(digits) => from_hex(digits),
        }
    }
}

/// The line for a record, without a line feed. [`read`] gives back the very same bytes.
pub(crate) fn write(record: &Record, stored: &Stored) -> Result<String, BoxError> {
    let line = Line {
        kind: record.id.kind().to_owned(),
        key: record.id.key().to_owned(),
        version: record.version,
        saved_at: millis(record.saved_at),
        wake_at: stored.wake_at.map(millis),
        live: record.live,
        settings: record.settings.clone(),
        watchers: record.watchers.clone(),
        watching: record.watching.clone(),
        args: Item::of(&record.args),
        state: Item::of(&record.state),
    };
    let text = terminal::json(&line)?;
    if read(&text).is_ok_and(|entry| entry.bytes == stored.bytes && entry.wake_at == stored.wake_at) {
        return Ok(text);
    }
    let Line { kind, key, wake_at, .. } = line;
    Ok(terminal::json(&WholeLine { kind, key, wake_at, record: hex::encode(&stored.bytes) })?)
}

/// The record that a line is of.
pub(crate) fn read(text: &str) -> Result<Entry, BoxError> {
    let value: Value = serde_json::from_str(text)?;
    if value.get("record").is_some() {
        let WholeLine { kind, key, wake_at, record } = from_value(value)?;
        let (id, bytes) = (ActorId::new(kind, key)?, from_hex(&record)?);
        if Record::from_bytes(&bytes)?.id != id {
            return Err("`record` is that of another actor than `kind` and `key` say".into());
        }
        return Ok(Entry { id, bytes, wake_at: wake_at.map(wake_time).transpose()? });
    }
    let line: Line = from_value(value)?;
    let id = ActorId::new(line.kind, line.key)?;
    let mut record = Record::new(id.clone(), line.args.to_cbor()?, line.state.to_cbor()?);
    record.version = line.version;
    record.saved_at = time(line.saved_at)?;
    record.live = line.live;
    record.settings = line.settings;
    record.watchers = line.watchers;
    record.watching = line.watching;
    let bytes = record.to_bytes();
    // As no system could.
    Record::from_bytes(&bytes)?;
    Ok(Entry { id, bytes, wake_at: line.wake_at.map(wake_time).transpose()? })
}

/// An error names what is expected and not what is there, which may be a state in the wrong place.
fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, BoxError> {
    serde_json::from_value(value).map_err(|error| {
        let error = error.to_string();
        match error.rsplit_once(", expected ") {
            Some((found, expected)) if !found.starts_with("unknown field") => {
                let what = found.split([':', '`']).next().unwrap_or_default().trim_end();
                format!("{what}, expected {expected}").into()
            }
            _ => error.into(),
        }
    })
}

fn from_hex(digits: &str) -> Result<Vec<u8>, BoxError> {
    hex::decode(digits).map_err(|_| "what should be bytes in hex digits is something else".into())
}

fn millis(time: SystemTime) -> u64 {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

fn time(millis: u64) -> Result<SystemTime, BoxError> {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis));
    time.ok_or_else(|| format!("{millis} is no time that this machine can express").into())
}

/// Stores keep the number beyond the last time for "never".
fn wake_time(millis: u64) -> Result<SystemTime, BoxError> {
    if millis == u64::MAX {
        return Err(format!("`wake_at` is {millis}, and stores keep times before that").into());
    }
    time(millis)
}

#[cfg(test)]
mod tests {
    use gargoyle::{RestartPolicy, Revision, SaveMode};
    use proptest::prelude::*;

    use super::*;

    fn stored(bytes: Vec<u8>) -> Stored {
        Stored { revision: Revision::new(1), bytes, wake_at: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(7)) }
    }

    #[track_caller]
    fn assert_comes_back(record: &Record) -> String {
        let stored = stored(record.to_bytes());
        let line = write(record, &stored).unwrap();
        assert!(!line.contains('\n'));
        let entry = read(&line).unwrap();
        assert_eq!((&entry.id, &entry.bytes, entry.wake_at), (&record.id, &stored.bytes, stored.wake_at), "{line}");
        line
    }

    #[test]
    fn a_head_with_all_it_can_have_comes_back() {
        let id = |key: &str| ActorId::new("acc\nount", key).unwrap();
        let mut record = Record::new(id("a\0\u{1b}\"\u{2028}"), vec![0xf6], vec![0xa1, 0x61, b'b', 0x18, 105]);
        record.live = true;
        record.saved_at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let every = SaveMode::Every(Duration::from_nanos(1_000_000_001));
        record.settings = Settings::new().restart(RestartPolicy::Permanent).save(every).idle(Duration::MAX);
        record.watchers = vec![Watch { other: id("bob"), token: u64::MAX }];
        record.watching = vec![Watch { other: id("\0"), token: 0 }];
        let line = assert_comes_back(&record);
        assert!(line.contains(r#""state":{"json":{"b":105}}"#), "{line}");
    }

    #[test]
    fn a_record_with_more_in_its_head_than_is_known_is_written_whole() {
        let record = Record::new(ActorId::new("k", "a").unwrap(), vec![0xf6], vec![0xf6]);
        // The same head, written in another way than this release does.
        let mut bytes = record.to_bytes();
        let head = bytes.iter().position(|&byte| byte == 0xa4).unwrap();
        bytes[head] = 0xa5;
        let field = [0x61, b'z', 0x01];
        let end = 28 + bytes[12] as usize;
        bytes.splice(end..end, field);
        bytes[12] += 3;
        let checksum = crc32(&[&bytes[..24], &bytes[28..]].concat());
        bytes[24..28].copy_from_slice(&checksum.to_le_bytes());
        let stored = stored(bytes);
        let record = Record::from_bytes(&stored.bytes).unwrap();
        let line = write(&record, &stored).unwrap();
        assert!(line.contains("\"record\""), "{line}");
        assert_eq!(read(&line).unwrap().bytes, stored.bytes);
    }

    /// zlib's, a bit at a time.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
        })
    }

    #[test]
    fn states_as_deep_as_they_may_be_come_back() {
        for depth in [100, 117, 118, 119, 120, 126, 127, 128, 250, 5000] {
            let mut state = vec![0x81; depth];
            state.push(0xf6);
            assert_comes_back(&Record::new(ActorId::new("k", "a").unwrap(), vec![0xf6], state));
        }
    }

    #[test]
    fn a_large_state_comes_back() {
        let mut state = Vec::new();
        ciborium::into_writer(&"x".repeat(1 << 20), &mut state).unwrap();
        let line = assert_comes_back(&Record::new(ActorId::new("k", "a").unwrap(), vec![0xf6], state));
        assert!(line.contains(r#""state":{"cbor":"7a0010000078"#));
    }

    #[test]
    fn what_is_no_record_is_refused_with_a_reason() {
        for (line, reason) in [
            ("", "EOF"),
            ("7", "invalid type"),
            ("{}", "missing field `kind`"),
            (r#"{"kind":"","key":"","version":1,"saved_at":0,"args":{"json":1},"state":{"json":1}}"#, "kind"),
            (r#"{"kind":"k","key":"","version":1,"saved_at":0,"args":{"json":1},"state":{"cbor":"0"}}"#, "hex"),
            (r#"{"kind":"k","key":"","version":1,"saved_at":0,"args":{"json":1}}"#, "missing field `state`"),
            (r#"{"kind":"k","key":"","record":"00"}"#, "too few"),
            (r#"{"kind":"k","key":"","version":1,"saved_at":0,"args":{"json":1},"state":{"json":1},"x":1}"#, "`x`"),
        ] {
            let error = read(line).err().unwrap().to_string();
            assert!(error.contains(reason), "{line}: {error}");
        }
    }

    /// An error of serde's shows what it found in a wrong place: a state. What it says of that is left out.
    #[test]
    fn what_is_in_a_line_is_not_in_the_error() {
        let line = |version: &str, state: &str| {
            format!(r#"{{"kind":"k","key":"","version":{version},"saved_at":0,"args":{{"json":1}},"state":{state}}}"#)
        };
        for (line, reason) in [
            (line("1", r#""SECRET, expected ""#), "unknown variant, expected `json` or `cbor`"),
            (line("1", r#"{"SECRET":"SECRET"}"#), "unknown variant, expected `json` or `cbor`"),
            (line("1", r#"{"json":"SECRET","cbor":"SECRET"}"#), "invalid value, expected "),
            (line("1", r#"{"cbor":["SECRET"]}"#), "invalid type, expected a string"),
            (line("1", r#"{"cbor":"SECRET"}"#), "hex digits"),
            (line(r#""SECRET""#, "{}"), "invalid type, expected u32"),
            (line("4711471147114711", "{}"), "invalid value, expected u32"),
            (r#""SECRET""#.to_owned(), "invalid type, expected struct Line"),
            (r#"{"record":["SECRET"],"kind":"","key":""}"#.to_owned(), "invalid type, expected a string"),
            (r#"{"kind":SECRET"#.to_owned(), "expected value at line 1 column 9"),
        ] {
            let error = read(&line).err().unwrap().to_string();
            assert!(error.contains(reason), "{line}: {error}");
            assert!(!["SECRET", "4711"].iter().any(|part| error.contains(part)), "{error}");
        }
    }

    /// A line with settings that nobody can set was imported, and its actor lived by them.
    #[test]
    fn settings_that_cannot_be_are_refused() {
        let line = |settings: &str| {
            let args = r#""args":{"json":1},"state":{"json":1}"#;
            format!(r#"{{"kind":"k","key":"","version":1,"saved_at":0,{args},"settings":{settings}}}"#)
        };
        assert!(read(&line(r#"{"turn_messages":9}"#)).is_ok());
        let error = read(&line(r#"{"turn_messages":0}"#)).err().unwrap().to_string();
        assert!(error.contains("turn_messages must not be 0"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_for_arguments_and_state_come_back(args: Vec<u8>, state: Vec<u8>, key: String) {
            let key: String = key.chars().take(200).collect();
            assert_comes_back(&Record::new(ActorId::new("k", key).unwrap(), args, state));
        }

        #[test]
        fn any_number_comes_back(float: f64, single: f32, unsigned: u64, signed: i64) {
            let mut state = Vec::new();
            ciborium::into_writer(&(float, single, unsigned, signed), &mut state).unwrap();
            assert_comes_back(&Record::new(ActorId::new("k", "").unwrap(), vec![0xf6], state));
        }
    }
}
