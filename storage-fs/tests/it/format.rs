//! The bytes on disk are those that FORMAT.md describes, and files of released formats stay readable.

use std::fs;
use std::time::{Duration, SystemTime};

use gargoyle::Storage;

use crate::{alice, id, scene};

/// The file of `account/alice` after saving `100 coins` and then `70 coins` in a new store, with revisions 1 and 2.
const GOLDEN: &[u8] = include_bytes!("../golden/format-1.bin");

const FORMAT_MD: &str = include_str!("../../FORMAT.md");

#[test]
fn the_bytes_written_are_those_of_the_released_format() {
    let scene = scene();
    scene.save(&alice(), b"100 coins");
    scene.save(&alice(), b"70 coins");
    assert_eq!(scene.file(&alice()), GOLDEN);
}

#[test]
fn a_file_of_the_released_format_is_loaded() {
    let scene = scene();
    scene.save(&alice(), b"something else");
    scene.put_file(&alice(), GOLDEN);
    let stored = scene.store.load(&alice()).unwrap().unwrap();
    assert_eq!((stored.revision.get(), stored.bytes), (2, b"70 coins".to_vec()));
}

#[test]
fn the_dump_in_the_description_is_the_golden_file() {
    let rows: Vec<_> = FORMAT_MD.lines().filter_map(row).collect();
    assert_eq!(rows.len(), 14);
    for (at, bytes) in &rows {
        assert_eq!(&GOLDEN[*at..at + 16], bytes, "row {at:08x}");
    }
    let shown = |at: usize| rows.iter().any(|(row, _)| (*row..row + 16).contains(&at));
    assert!((0..GOLDEN.len()).all(|at| GOLDEN[at] == 0 || shown(at)), "what is not shown is zero");
}

/// A line as `xxd -g 1` writes it: offset, 16 bytes, text.
fn row(line: &str) -> Option<(usize, Vec<u8>)> {
    let (at, rest) = line.split_once(": ")?;
    let at = usize::from_str_radix(at, 16).ok()?;
    let bytes: Option<Vec<u8>> = rest.split(' ').take(16).map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    Some((at, bytes?))
}

#[test]
fn the_fields_are_where_the_tables_say() {
    let u64_at = |at: usize| u64::from_le_bytes(GOLDEN[at..at + 8].try_into().unwrap());
    let said = |name: &str| {
        let line = FORMAT_MD.lines().find(|line| line.contains(&format!("| {name}")));
        let cell = line.unwrap_or_else(|| panic!("{name} is in no table")).split('|').nth(1).unwrap();
        cell.trim().parse::<usize>().unwrap()
    };
    assert_eq!(&GOLDEN[said("magic `gargoyle`")..][..8], b"gargoyle");
    assert_eq!(&GOLDEN[said("magic `gargseal`")..][..8], b"gargseal");
    assert_eq!(u64_at(said("size of this slot")), 4096);
    assert_eq!((u64_at(said("revision of this record")), u64_at(4096 + said("revision of this record"))), (1, 2));
    assert_eq!(u64_at(said("revision that the other slot")), 2);
    assert_eq!(u64_at(said("length of the body")), 9);
    assert_eq!(&GOLDEN[said("kind, key and body")..][..21], b"accountalice100 coins");
}

#[test]
fn a_time_to_wake_is_in_the_record_and_its_span_in_a_note() {
    let scene = scene();
    let at = |ms| Some(SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
    scene.save_to_wake(&alice(), at(0));
    scene.save_to_wake(&alice(), at(1_767_225_600_123));
    let file = scene.file(&alice());
    assert_eq!(
        (&file[48..60], &file[4096 + 48..4096 + 60]),
        (
            [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].as_slice(),
            [&1_767_225_600_124_u64.to_le_bytes()[..], &[0; 4]].concat().as_slice(),
        )
    );
    let note = |name: &str| fs::read(scene.root.join("WAKE").join(name)).unwrap();
    assert_eq!(note("00000066ddb6+account+alice"), b"");
    let key = "/".repeat(80);
    scene.save_to_wake(&id("account", &key), at(0));
    let hash = blake3::hash(&[7_u64.to_le_bytes().as_slice(), b"account", key.as_bytes()].concat()).to_hex();
    let long = note(&format!("000000000000+~{}", &hash[..32]));
    assert_eq!(long, format!("gargoyle-storage-fs wake 1\naccount\n{}\n", "%2f".repeat(80)).as_bytes());
}

#[test]
fn the_store_explains_itself_to_a_person() {
    let scene = scene();
    let text = fs::read_to_string(scene.root.join("FORMAT")).unwrap();
    assert!(text.starts_with("gargoyle-storage-fs 1\n") && text.contains("FORMAT.md"), "{text}");
    let lock = fs::read_to_string(scene.root.join("LOCK")).unwrap();
    assert_eq!(lock.lines().next().unwrap().parse(), Ok(std::process::id()));
    assert!(lock.contains("Do not delete") && lock.contains("never goes stale"), "{lock}");
    scene.save(&alice(), b"1");
    assert!(fs::read_to_string(scene.root.join("REVISIONS")).unwrap().contains("reserved up to 4294967296\n"));
}
