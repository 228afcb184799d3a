//! The bytes of a record in the database: a head with its own checksum, the id, the body. FORMAT.md has the table.
//!
//! The head's checksum covers the id, so that the whole of an entry need not be read to know whose it is. The body's is
//! made and checked outside of transactions.

use std::collections::TryReserveError;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gargoyle::ActorId;

const VERSION: u16 = 1;

const VERSION_AT: Range<usize> = 0..2;
const FLAGS_AT: Range<usize> = 2..4;
const HEAD_CRC_AT: Range<usize> = 4..8;
const REVISION_AT: Range<usize> = 8..16;
const WAKE_AT: Range<usize> = 16..24;
const BODY_CRC_AT: Range<usize> = 24..28;
const KIND_BYTES_AT: Range<usize> = 28..30;
const KEY_BYTES_AT: Range<usize> = 30..32;
const FIXED_BYTES: usize = 32;

/// In the place of a time: this record's actor wakes by itself at no time.
const NEVER: u64 = u64::MAX;

/// The latest time that a record can name, some 500 million years from now.
const MILLIS_MAX: u64 = NEVER - 1;

/// A record is at most so long: what `gargoyle-storage-fs` takes too, and far below what LMDB can hold.
pub(crate) const BODY_BYTES_MAX: usize = 256 << 20;

/// What a record says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) id: ActorId,
    pub(crate) revision: u64,
    /// In milliseconds since 1970.
    pub(crate) wake_at: Option<u64>,
    body_crc: u32,
    body_at: usize,
}

/// Why bytes are not a record that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Damaged(&'static str),
    /// Of a later version of the format.
    TooNew {
        version: u16,
        flags: u16,
    },
}

/// A record without its revision, which is known only when its turn comes, see [`set_revision`].
pub(crate) fn write(id: &ActorId, wake_at: Option<u64>, body: &[u8]) -> Vec<u8> {
    let (kind, key) = (id.kind().as_bytes(), id.key().as_bytes());
    let mut bytes = Vec::with_capacity(FIXED_BYTES + kind.len() + key.len() + body.len());
    bytes.resize(FIXED_BYTES, 0);
    bytes[VERSION_AT].copy_from_slice(&VERSION.to_le_bytes());
    bytes[WAKE_AT].copy_from_slice(&wake_at.unwrap_or(NEVER).to_le_bytes());
    bytes[BODY_CRC_AT].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    // Ids are valid here, hence far shorter than 64 KiB.
    bytes[KIND_BYTES_AT].copy_from_slice(&(kind.len() as u16).to_le_bytes());
    bytes[KEY_BYTES_AT].copy_from_slice(&(key.len() as u16).to_le_bytes());
    bytes.extend_from_slice(kind);
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(body);
    bytes
}

/// Writes the revision into a record, and the checksum of its head.
pub(crate) fn set_revision(record: &mut [u8], revision: u64) {
    record[REVISION_AT].copy_from_slice(&revision.to_le_bytes());
    let (_, body_at) = places(record);
    let crc = head_crc(record, body_at);
    record[HEAD_CRC_AT].copy_from_slice(&crc.to_le_bytes());
}

impl Head {
    /// Reads all but the body.
    pub(crate) fn read(record: &[u8]) -> Result<Head, Unreadable> {
        if record.len() < FIXED_BYTES {
            return Err(Unreadable::Damaged("it is too short"));
        }
        let (key_at, body_at) = places(record);
        if record.len() < body_at || head_crc(record, body_at) != u32_at(record, HEAD_CRC_AT) {
            return Err(Unreadable::Damaged("the checksum of its head is wrong"));
        }
        if record.len() - body_at > BODY_BYTES_MAX {
            return Err(Unreadable::Damaged("it is longer than any that is saved"));
        }
        let (version, flags) = (u16_at(record, VERSION_AT), u16_at(record, FLAGS_AT));
        if (version, flags) != (VERSION, 0) {
            return Err(Unreadable::TooNew { version, flags });
        }
        let id = id_at(record, key_at, body_at).ok_or(Unreadable::Damaged("its id is none"))?;
        Ok(Head {
            id,
            revision: u64_at(record, REVISION_AT),
            wake_at: Some(u64_at(record, WAKE_AT)).filter(|&millis| millis != NEVER),
            body_crc: u32_at(record, BODY_CRC_AT),
            body_at,
        })
    }

    /// The body of the record that this is the head of, unchecked. One that memory cannot hold is an error, not the end of
    /// the process.
    pub(crate) fn body(&self, record: &[u8]) -> Result<Vec<u8>, TryReserveError> {
        let mut body = Vec::new();
        body.try_reserve_exact(record.len() - self.body_at)?;
        body.extend_from_slice(&record[self.body_at..]);
        Ok(body)
    }

    /// Whether these bytes are the body that was saved.
    pub(crate) fn fits(&self, body: &[u8]) -> Result<(), Unreadable> {
        if crc32fast::hash(body) == self.body_crc {
            Ok(())
        } else {
            Err(Unreadable::Damaged("the checksum of its body is wrong"))
        }
    }
}

/// Whose a record says that it is, whether the rest of its head is in order or not.
pub(crate) fn claimed_id(record: &[u8]) -> Option<ActorId> {
    if record.len() < FIXED_BYTES {
        return None;
    }
    let (key_at, body_at) = places(record);
    id_at(record, key_at, body_at)
}

/// Where key and body begin.
fn places(record: &[u8]) -> (usize, usize) {
    let [kind_bytes, key_bytes] = [KIND_BYTES_AT, KEY_BYTES_AT].map(|at| usize::from(u16_at(record, at)));
    (FIXED_BYTES + kind_bytes, FIXED_BYTES + kind_bytes + key_bytes)
}

fn id_at(record: &[u8], key_at: usize, body_at: usize) -> Option<ActorId> {
    let text = |at: Range<usize>| std::str::from_utf8(record.get(at)?).ok().map(str::to_owned);
    ActorId::new(text(FIXED_BYTES..key_at)?, text(key_at..body_at)?).ok()
}

/// The time that is kept so, if this machine can express it.
pub(crate) fn time(millis: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

/// A time as records keep it: whole milliseconds since 1970, and 0 for all before.
pub(crate) fn millis(time: SystemTime) -> u64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(MILLIS_MAX).min(MILLIS_MAX)
}

/// Of all before the body, but itself.
fn head_crc(record: &[u8], body_at: usize) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&record[..HEAD_CRC_AT.start]);
    hasher.update(&record[HEAD_CRC_AT.end..body_at]);
    hasher.finalize()
}

fn u16_at(bytes: &[u8], at: Range<usize>) -> u16 {
    u16::from_le_bytes(bytes[at].try_into().expect("a range of 2 bytes"))
}

fn u32_at(bytes: &[u8], at: Range<usize>) -> u32 {
    u32::from_le_bytes(bytes[at].try_into().expect("a range of 4 bytes"))
}

fn u64_at(bytes: &[u8], at: Range<usize>) -> u64 {
    u64::from_le_bytes(bytes[at].try_into().expect("a range of 8 bytes"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn record() -> Vec<u8> {
        let mut record = write(&ActorId::new("account", "alice").unwrap(), Some(7), b"70 coins");
        set_revision(&mut record, 3);
        record
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = record();
        let head = Head::read(&record).unwrap();
        assert_eq!((head.id.to_string().as_str(), head.revision, head.wake_at), ("account/alice", 3, Some(7)));
        assert_eq!(head.body(&record).unwrap(), b"70 coins");
        assert_eq!(head.fits(b"70 coins"), Ok(()));
    }

    #[test]
    fn every_bit_that_flips_and_every_length_that_differs_is_noticed() {
        let sound = record();
        let is_sound =
            |record: &[u8]| Head::read(record).is_ok_and(|head| head.fits(&head.body(record).unwrap()).is_ok());
        assert!(is_sound(&sound));
        for bit in 0..sound.len() * 8 {
            let mut broken = sound.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_sound(&broken), "bit {bit}");
        }
        for bytes in 0..sound.len() {
            assert!(!is_sound(&sound[..bytes]), "cut to {bytes}");
        }
        assert!(!is_sound(&[&sound[..], b"\0"].concat()));
    }

    /// Bug: a forged length had a load take memory without end. Cause: only its checksum, which comes last, was looked at.
    /// Fix: no record is longer than one may be that is saved.
    #[test]
    fn a_record_that_is_longer_than_any_is_damaged_before_it_is_read() {
        let mut longest = vec![0; record().len() - b"70 coins".len() + BODY_BYTES_MAX];
        longest[..record().len()].copy_from_slice(&record());
        assert!(Head::read(&longest).is_ok());
        longest.push(0);
        assert_eq!(Head::read(&longest), Err(Unreadable::Damaged("it is longer than any that is saved")));
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let mut later = record();
        later[VERSION_AT.start] = 2;
        set_revision(&mut later, 3);
        assert_eq!(Head::read(&later), Err(Unreadable::TooNew { version: 2, flags: 0 }));
    }

    #[test]
    fn times_are_rounded_down_and_those_before_1970_are_0() {
        assert_eq!(millis(UNIX_EPOCH - Duration::from_secs(1)), 0);
        assert_eq!(millis(UNIX_EPOCH + Duration::from_micros(1_999)), 1);
    }
}
