//! Every case of what a load concludes, and bytes that no writer wrote.

use proptest::prelude::*;

use super::*;

const OLD: u64 = 7;
const NEW: u64 = 9;

/// A slot of 4 KiB with a record of this revision.
fn record(revision: u64) -> Vec<u8> {
    let mut slot = blank();
    example(revision).write(&mut slot);
    slot
}

fn example<'a>(revision: u64) -> Record<'a> {
    Record { revision, wake_ms: None, kind: b"account", key: b"alice", body: b"100 coins" }
}

fn blank() -> Vec<u8> {
    vec![0; STEP]
}

fn torn() -> Vec<u8> {
    let mut slot = record(NEW + 1);
    slot[PAYLOAD_AT + 3] ^= 1;
    slot
}

fn sealed(mut slot: Vec<u8>, revision: u64) -> Vec<u8> {
    slot[SEAL_AT..PAYLOAD_AT].copy_from_slice(&seal(revision));
    slot
}

fn name(verdict: &Verdict<'_>) -> String {
    match verdict {
        Verdict::Settled { record, .. } => format!("settled {}", record.revision),
        Verdict::Unsettled { record, .. } => format!("unsettled {}", record.revision),
        Verdict::Damaged(_) => "damaged".to_owned(),
        Verdict::Unknown { version, .. } => format!("unknown {version}"),
    }
}

#[test]
fn every_pair_of_slots_has_its_verdict_whichever_comes_first() {
    let cases = [
        // What a save leaves behind, sealed and not yet sealed.
        (record(NEW), sealed(record(OLD), NEW), "settled 9"),
        (record(NEW), record(OLD), "unsettled 9"),
        (record(NEW), sealed(record(OLD), OLD), "unsettled 9"),
        // What a new file is, sealed and not yet sealed.
        (record(NEW), sealed(blank(), NEW), "settled 9"),
        (record(NEW), blank(), "unsettled 9"),
        // The save after that was cut short, with the sector of the seal old and new.
        (record(NEW), sealed(torn(), NEW), "settled 9"),
        (record(NEW), torn(), "settled 9"),
        // The newest record rotted: the seal in the other slot tells.
        (torn(), sealed(record(OLD), NEW), "damaged"),
        (blank(), sealed(record(OLD), NEW), "damaged"),
        (torn(), sealed(blank(), NEW), "damaged"),
        (torn(), sealed(torn(), NEW), "damaged"),
        // Nothing to read.
        (torn(), torn(), "damaged"),
        (blank(), torn(), "damaged"),
        (blank(), blank(), "damaged"),
        // Never written so.
        (record(NEW), record(NEW), "damaged"),
        (record(NEW), sealed(record(NEW), NEW), "damaged"),
    ];
    for (at, (one, other, expected)) in cases.iter().enumerate() {
        assert_eq!(name(&judge([one, other], STEP)), *expected, "case {at}");
        assert_eq!(name(&judge([other, one], STEP)), *expected, "case {at}, swapped");
    }
}

#[test]
fn a_verdict_names_the_slot_of_the_newest_record() {
    let (old, new) = (record(OLD), record(NEW));
    assert_eq!(judge([&old, &new], STEP), Verdict::Unsettled { slot: 1, record: example(NEW) });
    assert_eq!(judge([&new, &old], STEP), Verdict::Unsettled { slot: 0, record: example(NEW) });
}

#[test]
fn a_later_format_is_told_from_damage() {
    for (at, expected) in [(8, "unknown 2"), (10, "unknown 1")] {
        let mut later = record(NEW);
        later[at] = 2;
        let crc = crc32fast::hash(&later[..60]);
        later[60..64].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(name(&judge([&record(OLD), &later], STEP)), expected);
    }
}

#[test]
fn only_two_slots_of_whole_pages_are_a_file() {
    for bytes in [0, 1, 4096, 8191, 8193, 4096 * 3, 2 * (SLOT_BYTES_MAX + STEP) as u64, u64::MAX] {
        assert!(slot_bytes_in(bytes).is_err(), "{bytes}");
    }
    for slot_bytes in [STEP, 2 * STEP, 5 * STEP, SLOT_BYTES_MAX] {
        assert_eq!(slot_bytes_in(2 * slot_bytes as u64), Ok(slot_bytes));
    }
}

#[test]
fn slots_are_whole_pages_and_double_up_to_the_limit() {
    let bytes_for = |body: usize| Record { body: &vec![0; body], ..example(1) }.slot_bytes();
    let fits = STEP - PAYLOAD_AT - "accountalice".len();
    assert_eq!((bytes_for(0), bytes_for(fits), bytes_for(fits + 1)), (STEP, STEP, 2 * STEP));
    assert_eq!(grown(STEP, 2 * STEP), 2 * STEP);
    assert_eq!(grown(4 * STEP, 5 * STEP), 8 * STEP);
    assert_eq!(grown(STEP, 9 * STEP), 9 * STEP);
    assert_eq!(grown(SLOT_BYTES_MAX - STEP, SLOT_BYTES_MAX), SLOT_BYTES_MAX);
}

#[test]
fn lengths_beyond_the_slot_are_torn_and_nothing_is_allocated_for_them() {
    for (at, bytes) in [(32, 4), (36, 4), (40, 8)] {
        let mut slot = record(NEW);
        slot[at..at + bytes].fill(0xff);
        let crc = crc32fast::hash(&slot[..60]);
        slot[60..64].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(content(&slot, slot.len()), Content::Torn);
    }
}

/// Whose a file with a hashed name is, is asked of whatever lies there.
#[test]
fn a_head_that_no_writer_wrote_claims_nothing() {
    let sound = record(NEW);
    assert_eq!(claimed_id(&sound), Some((&b"account"[..], &b"alice"[..])));
    for bytes in [0, 1, 59, 64, PAYLOAD_AT - 1, PAYLOAD_AT, PAYLOAD_AT + 3] {
        assert_eq!(claimed_id(&sound[..bytes]), None, "cut to {bytes}");
    }
    for at in [0, 7, 32, 36, 60, 63] {
        let mut broken = sound.clone();
        broken[at] ^= 1;
        assert_eq!(claimed_id(&broken), None, "byte {at}");
    }
    let mut of_another = sound;
    of_another[0] ^= 1;
    let crc = crc32fast::hash(&of_another[..60]);
    of_another[60..64].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(claimed_id(&of_another), None, "a sound header of something else");
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(
        kind in prop::collection::vec(any::<u8>(), 1..128),
        key in prop::collection::vec(any::<u8>(), 0..1024),
        body in prop::collection::vec(any::<u8>(), 0..9000),
        revision: u64,
        wake_ms in prop::option::of(0..u64::MAX),
    ) {
        let written = Record { revision, wake_ms, kind: &kind, key: &key, body: &body };
        let mut slot = vec![0; written.slot_bytes()];
        written.write(&mut slot);
        prop_assert_eq!(content(&slot, slot.len()), Content::Record(written));
        prop_assert_eq!(claimed_id(&slot[..HEAD_BYTES]), Some((kind.as_slice(), key.as_slice())));
        prop_assert_eq!(sealed_revision(&slot), None);
        let claimed = &slot[..bytes_claimed(&slot[..PAYLOAD_AT], slot.len())];
        prop_assert_eq!(content(claimed, slot.len()), Content::Record(written), "no more than that need be read");
    }

    #[test]
    fn bytes_that_nobody_wrote_never_panic(noise in prop::collection::vec(any::<u8>(), STEP), at in 0..STEP) {
        prop_assert_eq!(content(&noise, STEP), Content::Torn);
        let mut slot = record(NEW);
        slot[at..].copy_from_slice(&noise[at..]);
        let _ = judge([&slot, &noise], STEP);
    }
}
