//! Where the file of an id is: names that are safe and distinct on every file system, and the way back from a name.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use gargoyle::ActorId;

/// Longer names are hashed. File systems take 255 bytes a name, and a temp file needs some for its ending.
const NAME_BYTES_MAX: usize = 200;

/// How much of a hashed name a person can still read. With the rest it is at most 135 bytes.
const HEAD_BYTES_MAX: usize = 100;

/// How much of a hash is in a name: no two texts share that much.
const HASH_DIGITS: usize = 32;

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
        Place { kind: of_kind(id.kind()), shard: shard(id.key()), name: of_key(id.key()) }
    }

    pub(crate) fn kind_folder(&self, root: &Path) -> PathBuf {
        root.join(&self.kind)
    }

    pub(crate) fn shard_folder(&self, root: &Path) -> PathBuf {
        self.kind_folder(root).join(shard_folder(self.shard))
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

/// What a name in a folder of the store says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// It is the name of this kind or key.
    Text(String),
    /// It may be that of a kind or key that is too long for a name, or empty: the files know which.
    Hashed,
    /// No kind and no key has this name: a temp file, one of the store's own, or somebody else's.
    Foreign,
}

/// The way back from the name of a kind's folder or of an actor's file.
pub(crate) fn named(name: &str) -> Named {
    if let Some(rest) = name.strip_prefix("%~") {
        let is_ours = rest.rsplit_once('-').is_some_and(|(head, hash)| is_head(head) && is_hash(hash));
        return if is_ours { Named::Hashed } else { Named::Foreign };
    }
    match unescape(name) {
        Some(text) if escaped(&text) == name => Named::Text(text),
        _ => Named::Foreign,
    }
}

/// The name of a kind's folder.
pub(crate) fn of_kind(kind: &str) -> String {
    escaped(kind)
}

/// The name of an actor's file.
pub(crate) fn of_key(key: &str) -> String {
    escaped(key)
}

/// The shard of a key.
pub(crate) fn shard(key: &str) -> u8 {
    blake3::hash(key.as_bytes()).as_bytes()[0]
}

fn shard_folder(shard: u8) -> String {
    format!("{shard:02x}")
}

/// The shard whose folder has this name.
pub(crate) fn shard_of_folder(name: &str) -> Option<u8> {
    u8::from_str_radix(name, 16).ok().filter(|&shard| shard_folder(shard) == name)
}

/// The name of the note that `id` is to be woken in this span of time, see [`crate::wake`]. With `Noted::Id` the name
/// says it all, with `Noted::Hashed` the id is to be found in the file.
pub(crate) fn note(span: u64, id: &ActorId) -> (String, Noted) {
    let name = format!("{span:012x}+{}+{}", escape(id.kind()), escape(id.key()));
    if name.len() <= NAME_BYTES_MAX {
        return (name, Noted::Id(id.clone()));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(id.kind().len() as u64).to_le_bytes()).update(id.kind().as_bytes()).update(id.key().as_bytes());
    (format!("{span:012x}+~{}", &hasher.finalize().to_hex()[..HASH_DIGITS]), Noted::Hashed)
}

/// Whom a note is about, as far as its name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    Id(ActorId),
    Hashed,
}

/// The span of a note with this name. `None` for a name that no note has.
pub(crate) fn span_noted(name: &str) -> Option<u64> {
    name.split_once('+').and_then(|(digits, _)| u64::from_str_radix(digits, 16).ok())
}

/// The way back from the name of a note. `None` for anything else.
pub(crate) fn noted(name: &str) -> Option<Noted> {
    let (digits, rest) = name.split_once('+')?;
    let span = span_noted(name).filter(|span| format!("{span:012x}") == digits)?;
    if let Some(hash) = rest.strip_prefix('~') {
        return is_hash(hash).then_some(Noted::Hashed);
    }
    let (kind, key) = rest.split_once('+')?;
    let id = ActorId::new(unescape(kind)?, unescape(key)?).ok()?;
    (note(span, &id).0 == name).then_some(Noted::Id(id))
}

/// Whether this may be the readable part of a hashed name: it is printed in messages, and a terminal must not obey it.
fn is_head(head: &str) -> bool {
    let is_escaped = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'%');
    head.len() <= HEAD_BYTES_MAX && head.bytes().all(is_escaped)
}

fn is_hash(digits: &str) -> bool {
    digits.len() == HASH_DIGITS && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `text` as a file name, distinct for distinct texts.
///
/// Only `a`–`z`, `0`–`9`, `-`, `_` and dots inside stand for themselves. Capitals do not, nor does anything beyond
/// ASCII: file systems that ignore case or that normalise Unicode would merge two names. The digits of an escape are
/// lower-case for the same reason.
fn escaped(text: &str) -> String {
    let mut name = escape(text);
    if is_reserved(&name) {
        let rest = name.split_off(1);
        let first = name.as_bytes()[0];
        name.clear();
        push_escape(&mut name, first);
        name.push_str(&rest);
    }
    if name.is_empty() || name.len() > NAME_BYTES_MAX { hashed(text, &name) } else { name }
}

/// The first rule of names alone: of any length, and safe only with something before it.
pub(crate) fn escape(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let mut name = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(byte.into()),
            b'.' if at != 0 && at != last => name.push('.'),
            _ => push_escape(&mut name, byte),
        }
    }
    name
}

/// What was escaped so. Takes more than [`escape`] makes: whoever asks makes the name again and compares.
pub(crate) fn unescape(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => (digit(rest.next()?)? * 16 + digit(rest.next()?)?) as u8,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// For texts without a name or with too long a one. The whole id inside the file has the last word on whose it is.
fn hashed(text: &str, name: &str) -> String {
    let head = &name[..name.len().min(HEAD_BYTES_MAX)];
    // Not half an escape at its end.
    let cut = head.len() - head.bytes().rev().take(2).position(|byte| byte == b'%').map_or(0, |at| at + 1);
    let hash = blake3::hash(text.as_bytes()).to_hex();
    format!("%~{}-{}", &head[..cut], &hash[..HASH_DIGITS])
}

/// Windows' names for devices, with any ending; and the store's own files, which a file system that ignores case would
/// take for the folder of a kind `format`.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name);
    match stem {
        "con" | "prn" | "aux" | "nul" | "format" | "lock" | "revisions" | "wake" => true,
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
    fn what_is_no_name_of_ours_is_foreign() {
        for name in
            ["FORMAT", "WAKE", "Alice", "%41lice%", "%4", "%zz", "a.", "%41 ", "%61lice", "x.1-1%tmp", "%~x", "é", ""]
        {
            assert_eq!(named(name), Named::Foreign, "{name}");
        }
        // Bug: what is written so into a terminal moved its cursor and changed its title. Cause: of a hashed name the hash
        // alone was looked at. Fix: the rest is of the letters of names too, and no longer than it can be.
        let hash = "0123456789abcdef".repeat(2);
        for head in ["\u{1b}]0;title\u{7}\u{1b}[2J\n", "\n", "A", "é", " ", "~", "\u{fffd}", &"x".repeat(101)] {
            assert_eq!(named(&format!("%~{head}-{hash}")), Named::Foreign, "{head:?}");
        }
        assert_eq!(named(&format!("%~{}-{hash}", "x-%2f.".repeat(16))), Named::Hashed);
        for name in [
            "",
            "+",
            "1+k+a",
            "00000000000A+k+a",
            "00000000000a+k",
            "00000000000a++a",
            "00000000000a+~12",
            "00000000000a+k+%61",
        ] {
            assert_eq!(noted(name), None, "{name}");
        }
    }

    #[test]
    fn a_note_names_its_id_if_it_fits() {
        let id = |kind: &'static str, key: &str| ActorId::new(kind, key).unwrap();
        assert_eq!(note(10, &id("account", "Alice")).0, "00000000000a+account+%41lice");
        assert_eq!(note(10, &id("account", "")).0, "00000000000a+account+");
        let long = id("account", &"x".repeat(1000));
        let (name, noted_as) = note(u64::MAX, &long);
        assert_eq!((name.len(), noted_as), (16 + 2 + HASH_DIGITS, Noted::Hashed));
        assert_ne!(name, note(u64::MAX, &id("accountx", &"x".repeat(999))).0, "kind and key are kept apart");
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
            "WAKE",
            "wake",
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
        fn the_way_back_from_a_name_leads_to_its_text(kind in ".{1,30}", key in ".{0,300}", span: u64) {
            match named(&escaped(&key)) {
                Named::Text(text) => prop_assert_eq!(&text, &key),
                Named::Hashed => prop_assert!(key.is_empty() || escape(&key).len() > 190),
                Named::Foreign => prop_assert!(false),
            }
            let id = ActorId::new(kind, key).unwrap();
            let (name, noted_as) = note(span, &id);
            assert!(name.len() <= NAME_BYTES_MAX && temp(&name, u64::MAX).len() <= 255, "{name}");
            prop_assert_eq!((span_noted(&name), noted(&name)), (Some(span), Some(noted_as)));
        }

        #[test]
        fn texts_that_look_like_names_have_distinct_safe_names(one in "[%~a.C0-2]{0,5}", other in "[%~a.C0-2]{0,5}") {
            assert_safe(&escaped(&one));
            prop_assert_eq!(one == other, escaped(&one) == escaped(&other));
        }
    }
}
