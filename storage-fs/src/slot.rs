//! The bytes of an actor's file: two slots, and which of them holds the newest record. FORMAT.md says it in tables.

#[cfg(test)]
mod test;

use std::ops::Range;

use gargoyle::{KEY_BYTES_MAX, KIND_BYTES_MAX};

/// Slots begin at multiples of this, so that no page and no sector belongs to both.
pub(crate) const STEP: usize = 4096;

/// The largest slot: bounds what is allocated for a file, whatever its length.
pub(crate) const SLOT_BYTES_MAX: usize = 256 << 20;

/// The largest file that is read whole, with one call. Of a larger one only what the heads of its slots claim is read: it may
/// be a hole of any length, which took nobody's disk and would take the memory of whoever reads it.
pub(crate) const READ_AT_ONCE: usize = 64 << 10;

/// Where the seal is in a slot.
pub(crate) const SEAL_AT: usize = HEADER_BYTES;

/// What a slot says of its record.
pub(crate) const HEADER_BYTES: usize = 64;
const SEAL_BYTES: usize = 32;

/// How much of a slot comes before its record.
pub(crate) const PAYLOAD_AT: usize = SEAL_AT + SEAL_BYTES;

const SLOT_MAGIC: &[u8; 8] = b"gargoyle";
const SEAL_MAGIC: &[u8; 8] = b"gargseal";
const VERSION: u16 = 1;

/// What a slot holds of an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) revision: u64,
    /// When [`due`](gargoyle::Storage::due) shows the actor, in milliseconds since 1970.
    pub(crate) wake_ms: Option<u64>,
    pub(crate) kind: &'a [u8],
    pub(crate) key: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Record<'_> {
    /// The smallest slot that this record fits.
    pub(crate) fn slot_bytes(&self) -> usize {
        let bytes = [PAYLOAD_AT, self.kind.len(), self.key.len(), self.body.len()];
        bytes.into_iter().fold(0, usize::saturating_add).checked_next_multiple_of(STEP).unwrap_or(usize::MAX)
    }

    /// Where its body is in a slot.
    pub(crate) fn body_range(&self) -> Range<usize> {
        let body_at = PAYLOAD_AT + self.kind.len() + self.key.len();
        body_at..body_at + self.body.len()
    }

    /// Does `work` with a slot of so many bytes that has this record, and no seal. One of the usual size is on the stack:
    /// memory of that size is what threads wait for each other for.
    pub(crate) fn with_slot<T>(&self, slot_bytes: usize, work: impl FnOnce(&[u8]) -> T) -> T {
        let (mut small, mut large) = ([0; STEP], Vec::new());
        let slot = if slot_bytes == STEP {
            &mut small[..]
        } else {
            large.resize(slot_bytes, 0);
            &mut large[..]
        };
        self.write(slot);
        work(slot)
    }

    /// Writes this record into an empty slot, without a seal.
    pub(crate) fn write(&self, slot: &mut [u8]) {
        let (key_at, body) = (PAYLOAD_AT + self.kind.len(), self.body_range());
        slot[PAYLOAD_AT..key_at].copy_from_slice(self.kind);
        slot[key_at..body.start].copy_from_slice(self.key);
        slot[body.clone()].copy_from_slice(self.body);

        let payload_crc = crc32fast::hash(&slot[PAYLOAD_AT..body.end]);
        let slot_bytes = slot.len() as u64;
        slot[0..8].copy_from_slice(SLOT_MAGIC);
        slot[8..10].copy_from_slice(&VERSION.to_le_bytes());
        slot[12..16].copy_from_slice(&payload_crc.to_le_bytes());
        slot[16..24].copy_from_slice(&slot_bytes.to_le_bytes());
        slot[24..32].copy_from_slice(&self.revision.to_le_bytes());
        slot[32..36].copy_from_slice(&(self.kind.len() as u32).to_le_bytes());
        slot[36..40].copy_from_slice(&(self.key.len() as u32).to_le_bytes());
        slot[40..48].copy_from_slice(&(self.body.len() as u64).to_le_bytes());
        // One more than the time, so that never is zero and 1970 is not.
        let wake = self.wake_ms.map_or(0, |ms| ms.saturating_add(1));
        slot[48..56].copy_from_slice(&wake.to_le_bytes());
        let header_crc = crc32fast::hash(&slot[..60]);
        slot[60..64].copy_from_slice(&header_crc.to_le_bytes());
    }
}

/// The seal that says: `revision`, in the other slot, was made durable.
pub(crate) fn seal(revision: u64) -> [u8; SEAL_BYTES] {
    let mut seal = [0; SEAL_BYTES];
    seal[0..8].copy_from_slice(SEAL_MAGIC);
    seal[8..16].copy_from_slice(&revision.to_le_bytes());
    let crc = crc32fast::hash(&seal[..28]);
    seal[28..32].copy_from_slice(&crc.to_le_bytes());
    seal
}

/// The size of the slots in a file of this length, or what is wrong with the length.
pub(crate) fn slot_bytes_in(file_bytes: u64) -> Result<usize, String> {
    let slot_bytes = usize::try_from(file_bytes / 2).unwrap_or(usize::MAX);
    if file_bytes == 0 {
        Err("it is empty".to_owned())
    } else if !file_bytes.is_multiple_of(2) || !slot_bytes.is_multiple_of(STEP) {
        Err(format!("its length of {file_bytes} bytes is not that of two slots of whole pages"))
    } else if slot_bytes > SLOT_BYTES_MAX {
        Err(format!("its length of {file_bytes} bytes is beyond the limit"))
    } else {
        Ok(slot_bytes)
    }
}

/// The size of the slots when a record no longer fits: doubled, so that growing byte by byte takes few new files.
pub(crate) fn grown(slot_bytes: usize, bytes_needed: usize) -> usize {
    (2 * slot_bytes).min(SLOT_BYTES_MAX).max(bytes_needed)
}

/// What is to be concluded from the two slots of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// This record is the newest, and surely durable.
    Settled { slot: usize, record: Record<'a> },
    /// This record is the newest, but nothing says that it was made durable: what is read may be the memory of the
    /// machine and not the disk.
    Unsettled { slot: usize, record: Record<'a> },
    /// The newest record that was acknowledged cannot be read.
    Damaged(String),
    /// Written by a later version of this crate.
    Unknown { version: u16, flags: u16 },
}

/// How much of a slot of this size there is to be read, by the first [`PAYLOAD_AT`] bytes of it: its record, if there is one.
pub(crate) fn bytes_claimed(head: &[u8], slot_bytes: usize) -> usize {
    let payload = payload(head, slot_bytes).filter(|_| has_sound_header(head));
    payload.map_or(PAYLOAD_AT, |[_, _, body]| body.end)
}

/// Concludes from the two slots of a file which record is the newest, see "What a load concludes" in FORMAT.md. Each of
/// `slots` is one of this size, to the end or as far as its head [claims](bytes_claimed).
pub(crate) fn judge(slots: [&[u8]; 2], slot_bytes: usize) -> Verdict<'_> {
    let contents = slots.map(|slot| content(slot, slot_bytes));
    if let Some(&Content::Unknown { version, flags }) = contents.iter().find(|c| matches!(c, Content::Unknown { .. })) {
        return Verdict::Unknown { version, flags };
    }
    let (slot, record) = match contents {
        [Content::Record(one), Content::Record(other)] if one.revision == other.revision => {
            return Verdict::Damaged(format!("both slots claim revision {}", one.revision));
        }
        [Content::Record(one), Content::Record(other)] if one.revision < other.revision => (1, other),
        [Content::Record(one), _] => (0, one),
        [_, Content::Record(other)] => (1, other),
        _ => return Verdict::Damaged("neither slot holds a whole record".to_owned()),
    };
    let sealed = slots.into_iter().filter_map(sealed_revision).max();
    match sealed {
        Some(sealed) if sealed > record.revision => Verdict::Damaged(format!(
            "revision {sealed} was saved and cannot be read, only the older revision {}",
            record.revision
        )),
        Some(sealed) if sealed == record.revision => Verdict::Settled { slot, record },
        // A save touches the other slot only after this one was settled: so it was, and the save was cut short.
        _ if contents[1 - slot] == Content::Torn => Verdict::Settled { slot, record },
        _ => Verdict::Unsettled { slot, record },
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content<'a> {
    Record(Record<'a>),
    /// The second slot of a new file: its header is all zeros.
    Blank,
    /// Anything else: half a write, or rot.
    Torn,
    Unknown {
        version: u16,
        flags: u16,
    },
}

fn content(slot: &[u8], slot_bytes: usize) -> Content<'_> {
    let header = &slot[..HEADER_BYTES];
    if header.iter().all(|&byte| byte == 0) {
        return Content::Blank;
    }
    if !has_sound_header(header) {
        return Content::Torn;
    }
    let (version, flags) = (u16_at(header, 8), u16_at(header, 10));
    if (version, flags) != (VERSION, 0) {
        return Content::Unknown { version, flags };
    }
    // A file cut to a smaller multiple of a page would otherwise show its first slot as if it were whole.
    if u64_at(header, 16) != slot_bytes as u64 {
        return Content::Torn;
    }
    match payload(slot, slot.len()) {
        Some([kind, key, body]) if u32_at(header, 12) == crc32fast::hash(&slot[kind.start..body.end]) => {
            let (revision, wake_ms) = (u64_at(header, 24), u64_at(header, 48).checked_sub(1));
            Content::Record(Record { revision, wake_ms, kind: &slot[kind], key: &slot[key], body: &slot[body] })
        }
        _ => Content::Torn,
    }
}

fn has_sound_header(slot: &[u8]) -> bool {
    slot[..8] == *SLOT_MAGIC && u32_at(slot, 60) == crc32fast::hash(&slot[..60])
}

/// As much of a slot as surely holds its kind and key.
pub(crate) const HEAD_BYTES: usize = PAYLOAD_AT + KIND_BYTES_MAX + KEY_BYTES_MAX;

/// The kind and the key that the head of a slot claims, without a look at the body: nothing vouches for them but the
/// CRC of the header that says where they are.
pub(crate) fn claimed_id(head: &[u8]) -> Option<(&[u8], &[u8])> {
    if head.len() < PAYLOAD_AT || !has_sound_header(head) {
        return None;
    }
    let kind_end = PAYLOAD_AT.checked_add(u32_at(head, 32).try_into().ok()?)?;
    let key_end = kind_end.checked_add(u32_at(head, 36).try_into().ok()?)?;
    Some((head.get(PAYLOAD_AT..kind_end)?, head.get(kind_end..key_end)?))
}

/// Where the header says that kind, key and body are, if that is within so many bytes.
fn payload(slot: &[u8], bytes: usize) -> Option<[Range<usize>; 3]> {
    let kind_end = PAYLOAD_AT.checked_add(u32_at(slot, 32).try_into().ok()?)?;
    let key_end = kind_end.checked_add(u32_at(slot, 36).try_into().ok()?)?;
    let body_end = key_end.checked_add(u64_at(slot, 40).try_into().ok()?)?;
    (body_end <= bytes).then_some([PAYLOAD_AT..kind_end, kind_end..key_end, key_end..body_end])
}

/// The revision that the seal in this slot vouches for, whatever else the slot holds.
fn sealed_revision(slot: &[u8]) -> Option<u64> {
    let found = &slot[SEAL_AT..PAYLOAD_AT];
    let revision = u64_at(found, 8);
    (*found == seal(revision)).then_some(revision)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a slice of N bytes is an array of N")
}
