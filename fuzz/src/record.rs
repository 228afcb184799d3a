//! Core's record: whatever the bytes, they are a record or an error; and a record means the same written again.

use gargoyle::{Record, RecordError};

const CHECKSUM: std::ops::Range<usize> = 24..28;

/// The last byte decides whether the checksum is put right before: with a wrong one nobody would look any further.
pub fn check(input: &[u8]) {
    let Some((&mode, bytes)) = input.split_last() else { return };
    let mut bytes = bytes.to_vec();
    if mode % 2 == 0 && bytes.len() >= CHECKSUM.end {
        let rest = [&bytes[..CHECKSUM.start], &bytes[CHECKSUM.end..]].concat();
        bytes[CHECKSUM].copy_from_slice(&crc32fast::hash(&rest).to_le_bytes());
    }
    let record = match Record::from_bytes(&bytes) {
        Ok(record) => record,
        Err(error @ (RecordError::Damaged(_) | RecordError::UnknownFormat { .. })) => {
            assert!(error.to_string().len() < 1000 + bytes.len());
            return;
        }
        Err(error) => panic!("nobody said whose it should be: {error}"),
    };
    assert!(record.args.len() + record.state.len() <= bytes.len());
    // The head may be another one with the same meaning, or have had more in it: it is written in one way.
    let written = record.to_bytes();
    assert_eq!(Record::from_bytes(&written).expect("written just now"), record);
    assert_eq!(Record::from_bytes(&written).expect("written just now").to_bytes(), written);
}
