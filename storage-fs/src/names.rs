//! Where the file of an id is: names that are safe and distinct on every file system.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use gargoyle::ActorId;

/// Longer names are hashed. File systems take 255 bytes a name, and a temp file needs some for its ending.
const NAME_BYTES_MAX: usize = 200;

/// How much of a hashed name a person can still read. With the rest it is at most 135 bytes.
const HEAD_BYTES_MAX: usize = 100;

const TEMP_ENDING: &str = "%tmp";

/// The folder of an actor's kind, the shard in it, and the actor's file in that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) kind: String,
    /// Spreads the files of a kind over 256 folders: some file systems are slow with a million files in one.
    pub(crate) shard: u8,
    pub(crate) name: String,
}

impl Place {
    pub(crate) fn of(id: &ActorId) -> Self {
        let shard = blake3::hash(id.key().as_bytes()).as_bytes()[0];
        Place { kind: escaped(id.kind()), shard, name: escaped(id.key()) }
    }

    pub(crate) fn kind_folder(&self, root: &Path) -> PathBuf {
        root.join(&self.kind)
    }

    pub(crate) fn shard_folder(&self, root: &Path) -> PathBuf {
        self.kind_folder(root).join(format!("{:02x}", self.shard))
    }

    pub(crate) fn file(&self, root: &Path) -> PathBuf {
        self.shard_folder(root).join(&self.name)
    }
}

/// The name of a file on its way to becoming `name`.
///
/// In an escaped name a `%` is followed by two hex digits or, in the first place, by `~`. So no actor's name ends like
/// this.
pub(crate) fn temp(name: &str, number: u64) -> String {
    format!("{name}.{}-{number}{TEMP_ENDING}", std::process::id())
}

pub(crate) fn is_temp(name: &str) -> bool {
    name.ends_with(TEMP_ENDING)
}

/// `text` as a file name, distinct for distinct texts.
///
/// Only `a`–`z`, `0`–`9`, `-`, `_` and dots inside stand for themselves. Capitals do not, nor does anything beyond
/// ASCII: file systems that ignore case or that normalise Unicode would merge two names. The digits of an escape are
/// lower-case for the same reason.
fn escaped(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let mut name = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(byte.into()),
            b'.' if at != 0 && at != last => name.push('.'),
            _ => push_escape(&mut name, byte),
        }
    }
    if is_reserved(&name) {
        let rest = name.split_off(1);
        let first = name.as_bytes()[0];
        name.clear();
        push_escape(&mut name, first);
        name.push_str(&rest);
    }
    if name.is_empty() || name.len() > NAME_BYTES_MAX { hashed(text, &name) } else { name }
}

/// For texts without a name or with too long a one. The whole id inside the file has the last word on whose it is.
fn hashed(text: &str, name: &str) -> String {
    let head = &name[..name.len().min(HEAD_BYTES_MAX)];
    // Not half an escape at its end.
    let cut = head.len() - head.bytes().rev().take(2).position(|byte| byte == b'%').map_or(0, |at| at + 1);
    let hash = blake3::hash(text.as_bytes()).to_hex();
    format!("%~{}-{}", &head[..cut], &hash[..32])
}

/// Windows' names for devices, with any ending; and the store's own files, which a file system that ignores case would
/// take for the folder of a kind `format`.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name);
    match stem {
        "con" | "prn" | "aux" | "nul" | "format" | "lock" | "revisions" => true,
        _ => {
            let port = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
            port.is_some_and(|number| matches!(number.as_bytes(), [b'0'..=b'9']))
        }
    }
}

fn push_escape(name: &mut String, byte: u8) {
    write!(name, "%{byte:02x}").expect("writing into a string cannot fail");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// The promise of a name: one component of safe characters, never `.` or `..`, never a temp's or the store's own.
    fn assert_safe(name: &str) {
        let safe = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'%' | b'~');
        assert!(!name.is_empty() && name.bytes().all(safe), "{name}");
        assert!(name.len() <= NAME_BYTES_MAX && temp(name, u64::MAX).len() <= 255, "{name}");
        assert!(!name.starts_with('.') && !name.ends_with('.') && !is_temp(name) && !is_reserved(name), "{name}");
    }

    #[test]
    fn plain_names_stay_as_they_are_and_others_can_be_read() {
        for (text, name) in [
            ("alice", "alice"),
            ("order-2024_07.draft", "order-2024_07.draft"),
            ("Alice", "%41lice"),
            ("a/b", "a%2fb"),
            ("..", "%2e%2e"),
            ("nul.txt", "%6eul.txt"),
            ("format", "%66ormat"),
            ("com1", "%63om1"),
            ("com10", "com10"),
            ("%41", "%2541"),
        ] {
            assert_eq!(escaped(text), name);
        }
    }

    #[test]
    fn empty_and_long_names_are_hashed() {
        assert_eq!(escaped(""), "%~-af1349b9f5f9a1a6a0404dea36dcc949");
        let long = escaped(&"é".repeat(512));
        assert!(long.starts_with("%~%c3%a9") && long.len() <= 135, "{long}");
        assert!(long[..long.len() - 33].ends_with(|end: char| end.is_ascii_hexdigit()), "{long}");
        assert_eq!(escaped(&"x".repeat(200)).len(), 200);
        assert!(escaped(&"x".repeat(201)).starts_with("%~x"));
    }

    #[test]
    fn hashed_names_are_cut_between_escapes() {
        for shift in 0..3 {
            let name = escaped(&format!("{}{}", "x".repeat(shift), "/".repeat(300)));
            let head = &name["%~".len()..name.len() - 33];
            assert_eq!(head, format!("{}{}", "x".repeat(shift), "%2f".repeat((100 - shift) / 3)));
        }
    }

    #[test]
    fn awkward_names_are_all_distinct_and_safe() {
        let long = ["x".repeat(1024), "x".repeat(1023), "é".repeat(512), "😀".repeat(256)];
        let short = [
            "",
            ".",
            "..",
            "/",
            "\\",
            "\0",
            "a",
            "A",
            "é",
            "e\u{301}",
            "con",
            "CON",
            "nul.txt",
            "a.",
            "a ",
            "%41",
            "%~x",
            "😀",
            "x.1-1%tmp",
            "FORMAT",
            "format",
            "LOCK",
            "lock",
            "Revisions",
            "lpt9.a.b",
            "..a",
            "a..b",
            "\n",
        ];
        let names: HashSet<String> =
            short.iter().copied().chain(long.iter().map(String::as_str)).map(escaped).collect();
        assert_eq!(names.len(), short.len() + long.len());
        names.iter().for_each(|name| assert_safe(name));
    }

    proptest! {
        #[test]
        fn any_two_texts_have_distinct_safe_names(one in ".{0,300}", other in ".{0,300}") {
            assert_safe(&escaped(&one));
            prop_assert_eq!(one == other, escaped(&one) == escaped(&other));
        }

        #[test]
        fn texts_that_look_like_names_have_distinct_safe_names(one in "[%~a.C0-2]{0,5}", other in "[%~a.C0-2]{0,5}") {
            assert_safe(&escaped(&one));
            prop_assert_eq!(one == other, escaped(&one) == escaped(&other));
        }
    }
}
