//! Any valid id names a record of its own, whatever its text looks like to a file system or a database.

use super::bench::{Bench, Store, id};
use super::{Entry, entry};
use crate::conformance::{Verdict, same};
use crate::{ActorId, KEY_BYTES_MAX, KIND_BYTES_MAX, Revision};

pub(super) static CASES: &[Entry] = &[
    entry("hostile_keys", "keys that look like paths, marks, or other keys are kept apart", |bench| {
        kept_apart(bench, &keys().into_iter().map(|key| id("kind", key)).collect::<Vec<_>>())
    }),
    entry("long_keys", "keys up to 1 KiB are kept apart, also if they differ in the last byte only", |bench| {
        kept_apart(bench, &long())
    }),
    entry("hostile_kinds", "kinds that look like keys, or like kinds and keys together, are kept apart", |bench| {
        kept_apart(bench, &kinds())
    }),
];

fn keys() -> Vec<String> {
    const KEYS: &[&str] = &[
        "",
        " ",
        "/",
        "//",
        ".",
        "..",
        "../..",
        "../kind",
        "a/b",
        "a\\b",
        "C:\\",
        "~",
        "-rf",
        "*",
        "%",
        "%2F",
        "%41",
        // Prefixes of each other, and what a store may add to a name.
        "a",
        "aa",
        "aaa",
        "a.tmp",
        "a~",
        "a ",
        "a.",
        ".a",
        "a\0",
        "a\0b",
        "\0",
        "\0\0",
        "a\n",
        "a\r\n",
        "a\u{1}",
        // Pairs that differ in case, in a Turkish and a German way too.
        "A",
        "Aa",
        "aA",
        "ı",
        "i",
        "I",
        "İ",
        "ß",
        "ss",
        "SS",
        "ẞ",
        // One letter in two normal forms, a ligature, look-alikes, widths.
        "é",
        "e\u{301}",
        "ﬁ",
        "fi",
        "Å",
        "\u{212B}",
        "а",
        "ａ",
        "ｱ",
        "ア", // Signs that are not seen, and the far end of Unicode.
        "\u{FEFF}",
        "\u{200B}",
        "\u{202E}",
        "\u{FFFD}",
        "\u{FFFF}",
        "\u{10FFFF}",
        "👩‍👩‍👧", // Names that systems keep for themselves.
        "CON",
        "con",
        "nul.txt",
        "LOCK",
        "lock",
        "FORMAT",
        "data.mdb",
        "null",
        "0",
        "00",
        "-0",
        "1e1",
        "10",
        "'; DROP TABLE k; --",
    ];
    KEYS.iter().map(|key| (*key).to_owned()).collect()
}

fn long() -> Vec<ActorId> {
    let lengths = [100, 142, 143, 200, 254, 255, 256, 300, 480, 500, 511, 512, 513, KEY_BYTES_MAX - 1, KEY_BYTES_MAX];
    let mut ids: Vec<_> = lengths.iter().map(|length| id("kind", "x".repeat(*length))).collect();
    for tail in ["y", "/", "X", "\0"] {
        ids.push(id("kind", "x".repeat(KEY_BYTES_MAX - 1) + tail));
        ids.push(id("k".repeat(KIND_BYTES_MAX), "x".repeat(KEY_BYTES_MAX - 1) + tail));
    }
    // Two, three and four bytes a letter, and one that grows most when it is escaped.
    ids.extend(["é", "ア", "👍", "\0"].map(|letter| id("kind", letter.repeat(KEY_BYTES_MAX / letter.len()))));
    ids
}

fn kinds() -> Vec<ActorId> {
    let pairs = [
        ("a", "b/c"),
        ("a/b", "c"),
        ("a/b/c", ""),
        ("a", "\0b"),
        ("a\0", "b"),
        ("a\0b", ""),
        ("a", "b"),
        ("ab", ""),
        ("A", "b"),
        ("a", "B"),
        ("b", "a"),
        ("/", ""),
        ("/", "/"),
        ("..", "a"),
        (".", "a"),
        ("..", ".."),
        ("%61", "b"),
        ("é", "a"),
        ("e\u{301}", "a"),
        ("a.", "b"),
        (" ", "a"),
        ("\u{10FFFF}", "a"),
        ("a:b", "c"),
        ("a", ":b:c"),
        ("a-b", "c"),
        ("a", "-b-c"),
        ("a,b", "c"),
        ("a", "b,c"),
        ("LOCK", ""),
        ("FORMAT", "a"),
        ("0", "1"),
        ("01", ""),
    ];
    let mut ids: Vec<_> = pairs.iter().map(|(kind, key)| id(*kind, *key)).collect();
    ids.extend(["x", "X"].map(|last| id("x".repeat(KIND_BYTES_MAX - 1) + last, "a")));
    ids
}

/// Gives each a record, and looks that it keeps it while all others are changed.
fn kept_apart(bench: &Bench<'_>, ids: &[ActorId]) -> Verdict {
    let lab = bench.lab()?;
    let store = lab.store();
    let mut revisions = Vec::new();
    for id in ids {
        store.has_nothing(id)?;
        revisions.push(store.create(id, format!("of {id:?}").as_bytes())?);
    }
    all_there(store, ids, &revisions)?;

    let mut sorted = ids.to_vec();
    sorted.sort();
    same("a scan of all", store.scan(None, None)?, sorted)?;

    // Wiped from both ends, so that each of two look-alikes is once the one that stays.
    let half = ids.len() / 2;
    let (first, second) = (ids[..half].iter(), ids[half..].iter().rev());
    for (n, id) in first.chain(second).enumerate() {
        store.wipe(id, None)?;
        store.has_nothing(id)?;
        if n + 1 == half {
            all_there(store, &ids[half..], &revisions[half..])?;
        }
    }
    same("a scan after all were wiped", store.scan(None, None)?, vec![])
}

fn all_there(store: &Store, ids: &[ActorId], revisions: &[Revision]) -> Verdict {
    ids.iter().zip(revisions).try_for_each(|(id, revision)| store.has(id, *revision, format!("of {id:?}").as_bytes()))
}
