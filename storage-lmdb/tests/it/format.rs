//! The bytes in the database are those that FORMAT.md describes.

use std::fs;

use crate::{alice, at, scene};

/// The record of `account/alice` after `100 coins` and then `70 coins`, due at 1970-01-01 00:00:05, in a new store.
const GOLDEN: &[u8] = include_bytes!("../golden/record-1.bin");

const FORMAT_MD: &str = include_str!("../../FORMAT.md");

#[test]
fn the_record_written_is_that_of_the_released_format() {
    let scene = scene();
    scene.save(&alice(), b"100 coins");
    scene.save_with(&alice(), b"70 coins", Some(at(5)));
    let file = fs::read(scene.root.join("data.mdb")).unwrap();
    let place = |bytes: &[u8]| file.windows(bytes.len()).position(|found| found == bytes);
    // LMDB puts the key before the record, and the next node begins at an even place.
    let with_key = [b"account\0alice", GOLDEN].concat();
    assert!(place(&with_key).is_some());
    let due = [&5_000_u64.to_be_bytes()[..], b"account\0alice"].concat();
    assert!(place(&due).is_some());
    assert!(place(b"formatgargoyle-storage-lmdb 1").is_some());
    assert!(place(b"revision\x02\0\0\0\0\0\0\0").is_some());
}

#[test]
fn the_dump_in_the_description_is_the_golden_record() {
    let rows: Vec<_> = FORMAT_MD.lines().filter_map(row).collect();
    let bytes: Vec<u8> = rows.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    assert_eq!(bytes, GOLDEN);
    assert!(rows.iter().enumerate().all(|(n, (at, _))| n * 16 == *at));
}

/// A line as `xxd -g 1` writes it: offset, up to 16 bytes, text.
fn row(line: &str) -> Option<(usize, Vec<u8>)> {
    let (at, rest) = line.split_once(": ")?;
    let at = usize::from_str_radix(at, 16).ok().filter(|_| at.len() == 8)?;
    let (bytes, _) = rest.split_once("  ")?;
    let bytes: Option<Vec<u8>> = bytes.split(' ').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    Some((at, bytes?))
}

#[test]
fn the_fields_are_where_the_table_says() {
    let said = |name: &str| {
        let line = FORMAT_MD.lines().find(|line| line.contains(&format!("| {name}")));
        let cell = line.unwrap_or_else(|| panic!("{name} is in no table")).split('|').nth(1).unwrap();
        cell.trim().parse::<usize>().unwrap()
    };
    let u64_at = |at: usize| u64::from_le_bytes(GOLDEN[at..at + 8].try_into().unwrap());
    assert_eq!(GOLDEN[said("version of this format")], 1);
    assert_eq!(u64_at(said("revision")), 2);
    assert_eq!(u64_at(said("time at which")), 5_000);
    assert_eq!(GOLDEN[said("length of the kind")], 7);
    assert_eq!(GOLDEN[said("length of the key")], 5);
    assert_eq!(&GOLDEN[said("kind, key and body")..], b"accountalice70 coins");
}

#[test]
fn the_store_explains_itself_to_a_person() {
    let scene = scene();
    let text = fs::read_to_string(scene.root.join("FORMAT")).unwrap();
    assert!(text.starts_with("gargoyle-storage-lmdb 1\n") && text.contains("FORMAT.md"), "{text}");
    let lock = fs::read_to_string(scene.root.join("LOCK")).unwrap();
    assert_eq!(lock.lines().next().unwrap().parse(), Ok(std::process::id()));
    assert!(lock.contains("Do not delete") && lock.contains("never goes stale"), "{lock}");
}
