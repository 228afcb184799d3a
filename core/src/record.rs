//! What a store keeps for an id, as bytes: pure functions between [`Record`] and the format.
//!
//! The format, all numbers little-endian:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic: `GARGOYLE` |
//! | 8 | 2 | format: 1 |
//! | 10 | 2 | flags: 0 |
//! | 12 | 4 | length of the head |
//! | 16 | 4 | length of the arguments |
//! | 20 | 4 | length of the state |
//! | 24 | 4 | CRC-32 (zlib's) of everything else: bytes 0 to 23 and 28 to the end |
//! | 28 | … | head: a CBOR map, see below |
//! | … | … | arguments: one CBOR item |
//! | … | … | state: one CBOR item |
//!
//! So `tail -c +29` of a record is a CBOR sequence (RFC 8742) for any viewer. The head has the texts `kind` and `key` and the
//! numbers `version` and `saved_at` (milliseconds since 1970), and those of the following that are not empty: the boolean
//! `live`, the map `settings`, the arrays `watchers` and `watching` of maps with `other` (an array of
//! kind and key) and the number `token`.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::error::WithCauses;
use crate::{ActorId, Settings};

const MAGIC: &[u8; 8] = b"GARGOYLE";
const FORMAT: u16 = 1;
const HEADER_BYTES: usize = 28;
const CHECKSUM: std::ops::Range<usize> = 24..28;

/// What a store keeps for an id: whose it is, the arguments that the actor was born with, and its state.
///
/// The system makes and reads records; this type is for tools that look into a store.
///
/// # Examples
///
/// ```
/// use gargoyle::{ActorId, Record};
///
/// let id = ActorId::new("account", "alice")?;
/// let mut record = Record::new(id, vec![0x18, 100], vec![0xa0]);
/// record.live = true;
/// let bytes = record.to_bytes();
/// assert_eq!(Record::from_bytes(&bytes)?, record);
/// assert!(Record::from_bytes(&bytes[1..]).is_err());
/// # Ok::<(), gargoyle::BoxError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Whose record it is.
    pub id: ActorId,
    /// The arguments that the actor was born with, as one CBOR item.
    pub args: Vec<u8>,
    /// The state, as one CBOR item.
    pub state: Vec<u8>,
    /// The [`VERSION`](crate::Actor::VERSION) of the type that wrote the state.
    pub version: u32,
    /// When it was saved, by the clock of the system that saved it; kept to the millisecond.
    pub saved_at: SystemTime,
    /// Whether the actor was alive when it was saved, and its restart policy has to know of that: if it is not alive
    /// now, its process died.
    pub live: bool,
    /// What is set for this actor alone.
    pub settings: Settings,
    /// Who is told when the actor ends.
    pub watchers: Vec<Watch>,
    /// Of whose ends the actor is told.
    pub watching: Vec<Watch>,
}

/// Says how long arguments and state are, and not what is in them: what is printed ends up in logs.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("args", &format_args!("{} bytes", self.args.len()))
            .field("state", &format_args!("{} bytes", self.state.len()))
            .field("version", &self.version)
            .field("saved_at", &self.saved_at)
            .field("live", &self.live)
            .field("settings", &self.settings)
            .field("watchers", &self.watchers)
            .field("watching", &self.watching)
            .finish()
    }
}

/// One side's note of a watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The actor on the other side.
    pub other: ActorId,
    /// Tells a watch from the one before it: the same on both sides.
    pub token: u64,
}

#[derive(Serialize, Deserialize)]
struct Head<'a> {
    kind: Cow<'a, str>,
    key: Cow<'a, str>,
    version: u32,
    saved_at: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    live: bool,
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    settings: Cow<'a, Settings>,
    #[serde(default, skip_serializing_if = "<[Watch]>::is_empty")]
    watchers: Cow<'a, [Watch]>,
    #[serde(default, skip_serializing_if = "<[Watch]>::is_empty")]
    watching: Cow<'a, [Watch]>,
}

/// Why bytes are not a record.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Something is there, and it is not what was saved.
    #[error("the record is damaged: {0}")]
    Damaged(String),
    /// The record was written by a newer release.
    #[error("the record has format {found}, this release knows formats up to {FORMAT}; use the newer release")]
    #[non_exhaustive]
    UnknownFormat {
        /// The format that the record names.
        found: u16,
    },
    /// The record is sound, but another actor's.
    #[error("the record is that of {0}: it was put in the wrong place")]
    OtherActor(ActorId),
}

impl Record {
    /// A record of the first version of a type, saved in 1970, with nothing but this.
    pub fn new(id: ActorId, args: Vec<u8>, state: Vec<u8>) -> Self {
        Record {
            id,
            args,
            state,
            version: 1,
            saved_at: SystemTime::UNIX_EPOCH,
            live: false,
            settings: Settings::new(),
            watchers: Vec::new(),
            watching: Vec::new(),
        }
    }

    /// The record in the newest format.
    ///
    /// # Panics
    ///
    /// If the arguments or the state have 4 GiB or more.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Most heads have less.
        let mut head = Vec::with_capacity(256);
        let since_1970 = self.saved_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // In a box, as a thread keeps the stack that it has touched, and few go deeper than here.
        let values = Box::new(Head {
            kind: self.id.kind().into(),
            key: self.id.key().into(),
            version: self.version,
            saved_at: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
            live: self.live,
            settings: Cow::Borrowed(&self.settings),
            watchers: Cow::Borrowed(&self.watchers),
            watching: Cow::Borrowed(&self.watching),
        });
        codec::encode(&values, &mut head).expect("texts, numbers and lists of them can be written to memory");

        let length = |section: &[u8]| u32::try_from(section.len()).expect("less than 4 GiB").to_le_bytes();
        let mut bytes = Vec::with_capacity(HEADER_BYTES + head.len() + self.args.len() + self.state.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&0u16.to_le_bytes());
        for section in [&head, &self.args, &self.state] {
            bytes.extend_from_slice(&length(section));
        }
        bytes.extend_from_slice(&[0; 4]);
        for section in [&head, &self.args, &self.state] {
            bytes.extend_from_slice(section);
        }
        let checksum = checksum(&bytes);
        bytes[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a record of any format up to the newest.
    ///
    /// # Errors
    ///
    /// [`RecordError`] for anything but a whole record. Never panics, whatever the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Record, RecordError> {
        let damaged = |what: &str| RecordError::Damaged(what.to_owned());
        if bytes.len() < HEADER_BYTES {
            return Err(RecordError::Damaged(format!("{} bytes are too few for a record", bytes.len())));
        }
        if &bytes[..8] != MAGIC {
            return Err(damaged("it does not begin with GARGOYLE"));
        }
        // The format before the checksum: a newer format may have its checksum elsewhere.
        let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        if number(8) > FORMAT {
            return Err(RecordError::UnknownFormat { found: number(8) });
        }
        if checksum(bytes).to_le_bytes() != bytes[CHECKSUM] {
            return Err(damaged("its checksum does not match"));
        }
        if number(8) != FORMAT || number(10) != 0 {
            return Err(damaged("it has a format or flags that no release wrote"));
        }
        let [head, args, state] = sections(bytes).ok_or_else(|| damaged("its lengths do not add up"))?;
        let head: Head<'static> =
            codec::decode(head).map_err(|error| RecordError::Damaged(format!("its head: {}", WithCauses(&error))))?;
        let id =
            ActorId::new(head.kind, head.key.into_owned()).map_err(|error| RecordError::Damaged(error.to_string()))?;
        head.settings.check_for_one().map_err(|error| RecordError::Damaged(error.to_string()))?;
        let saved_at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(head.saved_at));
        let saved_at = saved_at.ok_or_else(|| damaged("it was saved at a time that this machine cannot express"))?;
        Ok(Record {
            id,
            args: args.to_vec(),
            state: state.to_vec(),
            version: head.version,
            saved_at,
            live: head.live,
            settings: head.settings.into_owned(),
            watchers: head.watchers.into_owned(),
            watching: head.watching.into_owned(),
        })
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..CHECKSUM.start]);
    hasher.update(&bytes[CHECKSUM.end..]);
    hasher.finalize()
}

/// The three sections, if their lengths say that they are all there is.
fn sections(bytes: &[u8]) -> Option<[&[u8]; 3]> {
    let mut rest = &bytes[HEADER_BYTES..];
    let mut sections = [rest; 3];
    for (index, section) in sections.iter_mut().enumerate() {
        let at = 12 + 4 * index;
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().ok()?);
        (*section, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    }
    rest.is_empty().then_some(sections)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{RestartPolicy, SaveMode};

    fn sample() -> Record {
        Record {
            version: 3,
            saved_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            ..Record::new(ActorId::new("account", "alice").unwrap(), vec![0x18, 100], vec![0xa1, 0x61, b'b', 0x18, 105])
        }
    }

    /// As `sample`, with all that a head can have.
    fn full_sample() -> Record {
        let id = |key: &str| ActorId::new("account", key).unwrap();
        Record {
            live: true,
            settings: Settings::new().restart(RestartPolicy::Permanent).save(SaveMode::Every(Duration::from_secs(10))),
            watchers: vec![Watch { other: id("bob"), token: 7 }],
            watching: vec![Watch { other: id("carol"), token: 8 }, Watch { other: id("dave"), token: u64::MAX }],
            ..sample()
        }
    }

    /// Bug: a record that was imported gave its actor settings that nobody can set, as a turn without an end. Cause: what is in
    /// a record was not looked at. Fix: it is as when it is set.
    #[test]
    fn settings_that_cannot_be_are_damage() {
        for settings in [Settings::new().turn_messages(0), Settings::new().mailbox_capacity(1)] {
            let name = settings.check_for_one().unwrap_err().setting().to_owned();
            let error = Record::from_bytes(&Record { settings, ..sample() }.to_bytes()).unwrap_err();
            assert!(matches!(&error, RecordError::Damaged(what) if what.contains(&name)), "{error}");
        }
    }

    /// Written by the first release. It stays readable for ever: do not regenerate it.
    const FORMAT_1: &[u8] = include_bytes!("../tests/golden/record-format-1.bin");

    #[test]
    fn format_1_is_written_and_read_as_released() {
        assert_eq!(Record::from_bytes(FORMAT_1).unwrap(), sample());
        assert_eq!(sample().to_bytes(), FORMAT_1);
    }

    /// The same for all that a head can have.
    const FORMAT_1_FULL: &[u8] = include_bytes!("../tests/golden/record-format-1-full.bin");

    #[test]
    fn a_full_head_is_written_and_read_as_released() {
        assert_eq!(Record::from_bytes(FORMAT_1_FULL).unwrap(), full_sample());
        assert_eq!(full_sample().to_bytes(), FORMAT_1_FULL);
    }

    #[test]
    fn what_is_printed_of_a_record_has_no_byte_of_its_arguments_or_state() {
        let shown = format!("{:?}", full_sample());
        assert!(shown.contains("args: 2 bytes, state: 5 bytes, version: 3"), "{shown}");
        assert!(shown.contains("alice") && shown.contains("live: true") && shown.contains("carol"), "{shown}");
        assert!(!shown.contains("[161"), "{shown}");
    }

    #[test]
    fn a_flip_of_any_bit_is_found() {
        let bytes = full_sample().to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::from_bytes(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_format_is_refused_by_its_number() {
        let mut bytes = sample().to_bytes();
        bytes[8] = 2;
        assert!(matches!(Record::from_bytes(&bytes), Err(RecordError::UnknownFormat { found: 2 })));
    }

    #[test]
    fn a_format_and_flags_that_no_release_wrote_are_damage_though_the_checksum_is_right() {
        for (at, value) in [(8, 0), (10, 1), (11, 128)] {
            let mut bytes = sample().to_bytes();
            bytes[at] = value;
            let sum = checksum(&bytes);
            bytes[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
            let error = Record::from_bytes(&bytes).unwrap_err();
            assert!(matches!(&error, RecordError::Damaged(_)), "byte {at}: {error:?}");
        }
    }

    #[test]
    fn every_cut_is_found() {
        let bytes = sample().to_bytes();
        for length in 0..bytes.len() {
            assert!(matches!(Record::from_bytes(&bytes[..length]), Err(RecordError::Damaged(_))), "{length}");
        }
        assert!(Record::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn records_read_back(key in "\\PC{0,200}", args: Vec<u8>, state: Vec<u8>, version: u32, millis in 0u64..1 << 40) {
            let saved_at = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
            let record = Record { version, saved_at, ..Record::new(ActorId::new("k", key).unwrap(), args, state) };
            prop_assert_eq!(Record::from_bytes(&record.to_bytes()).unwrap(), record);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(mut bytes: Vec<u8>, format: u16, valid: bool) {
            if valid && bytes.len() >= HEADER_BYTES {
                bytes[..8].copy_from_slice(MAGIC);
                bytes[8..10].copy_from_slice(&format.to_le_bytes());
                let sum = checksum(&bytes);
                bytes[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
            }
            let _ = Record::from_bytes(&bytes);
        }
    }
}
