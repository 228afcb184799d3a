//! Diagnostic notation as a person types it: whether it can be parsed without harm, and where it is wrong.
//!
//! The parser has no limit of depth, and its errors hold the text, which nobody but its writer may have to see.

use cbor_diag::DataItem;

/// How deep it may nest. Actors save states of 120 levels at most, and the parser takes some 14 KiB of stack for each.
const DEPTH_MAX: usize = 128;

/// What is wrong with a text, and at which of its bytes.
type Wrong = (usize, &'static str);

/// The brackets and commas of a text.
struct Outline {
    commas: Vec<usize>,
    /// What is still open at the end: where, and what would close it.
    open: Vec<(usize, &'static str)>,
}

/// What the text stands for, or where it is wrong, without a word of it.
pub(crate) fn parse(text: &str) -> Result<DataItem, String> {
    let wrong = |(at, what): Wrong| {
        let before = &text[..at];
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        format!("line {}, column {column}: {what}", before.matches('\n').count() + 1)
    };
    let outline = Outline::of(text).map_err(wrong)?;
    if let Some(&(at, _)) = outline.open.last() {
        return Err(wrong((at, "this is never closed")));
    }
    cbor_diag::parse_diag(text).map_err(|_| wrong((first_bad(text, &outline.commas), "this cannot be read")))
}

/// Where the first item begins that cannot be read: what is before a comma is sound, with all that is open closed.
fn first_bad(text: &str, commas: &[usize]) -> usize {
    let is_sound = |&comma: &usize| {
        let before = &text[..comma];
        let closers =
            Outline::of(before).map(|outline| outline.open.into_iter().rev().map(|(_, closer)| closer).collect());
        closers.is_ok_and(|closers: String| cbor_diag::parse_diag(format!("{before}{closers}")).is_ok())
    };
    let sound = commas.partition_point(is_sound);
    let after = sound.checked_sub(1).map_or(0, |last| commas[last] + 1);
    text.len() - text[after..].trim_start().len()
}

impl Outline {
    fn of(text: &str) -> Result<Self, Wrong> {
        let bytes = text.as_bytes();
        let mut outline = Outline { commas: Vec::new(), open: Vec::new() };
        let mut at = 0;
        while at < bytes.len() {
            at += match &bytes[at..] {
                rest @ [b'"' | b'\'', ..] => {
                    let length = quoted(rest).ok_or((at, "this text or byte string has no end"))?;
                    let has_prefix = at > 0 && bytes[at - 1].is_ascii_alphanumeric();
                    // Or one could not tell where it ends: the parser takes it for a comment, the end of the string in it.
                    if has_prefix && rest[..length].contains(&b'/') {
                        return Err((at, "there must be no / in such a byte string; h'…' can say it"));
                    }
                    length
                }
                [b'/', rest @ ..] => {
                    let length = rest.iter().position(|&byte| byte == b'/');
                    length.ok_or((at, "this comment has no end"))? + 2
                }
                [b'<', b'<', ..] => outline.open(at, ">>")?,
                [b'(', ..] => outline.open(at, ")")?,
                [b'[', ..] => outline.open(at, "]")?,
                [b'{', ..] => outline.open(at, "}")?,
                [b'>', b'>', ..] => outline.close(at, ">>")?,
                [b')', ..] => outline.close(at, ")")?,
                [b']', ..] => outline.close(at, "]")?,
                [b'}', ..] => outline.close(at, "}")?,
                [b',', ..] => {
                    outline.commas.push(at);
                    1
                }
                _ => 1,
            };
        }
        Ok(outline)
    }

    fn open(&mut self, at: usize, closer: &'static str) -> Result<usize, Wrong> {
        self.open.push((at, closer));
        if self.open.len() > DEPTH_MAX { Err((at, "it nests more than 128 levels deep")) } else { Ok(closer.len()) }
    }

    fn close(&mut self, at: usize, closer: &'static str) -> Result<usize, Wrong> {
        match self.open.pop() {
            Some((_, expected)) if expected == closer => Ok(closer.len()),
            Some(_) => Err((at, "this closes something else than was opened")),
            None => Err((at, "this closes what was not opened")),
        }
    }
}

/// The bytes of a string with its quotes, if it has an end.
fn quoted(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match *bytes.get(at)? {
            b'\\' => at += 2,
            byte if byte == bytes[0] => return Some(at + 1),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A typo was answered with the whole text, state and all: the parser's error holds it.
    #[test]
    fn what_is_wrong_is_said_by_its_place_and_not_by_its_text() {
        for (text, said) in [
            ("", "line 1, column 1: this cannot be read"),
            ("[1, hff, \"SECRET\"]", "line 1, column 5: this cannot be read"),
            ("{\n  \"SECRET\": 1,\n  \"SECRET\": SECRET,\n  2: 3\n}", "line 3, column 3: this cannot be read"),
            ("24(<<[1, 2 3], \"SECRET\">>)", "line 1, column 10: this cannot be read"),
            ("\"SECRET\" SECRET", "line 1, column 1: this cannot be read"),
            ("[1,\n\"é\", \"SECRET]", "line 2, column 6: this text or byte string has no end"),
            ("[1, / SECRET ]", "line 1, column 5: this comment has no end"),
            ("[{1: \"SECRET\"]", "line 1, column 14: this closes something else than was opened"),
            ("1]", "line 1, column 2: this closes what was not opened"),
            ("[(_ h'00')", "line 1, column 1: this is never closed"),
            ("[h'00/'/']", "line 1, column 3: there must be no / "),
        ] {
            let wrong = parse(text).unwrap_err();
            assert!(wrong.starts_with(said), "{text}: {wrong}");
            assert!(!wrong.contains("SECRET"), "{wrong}");
        }
    }

    #[test]
    fn brackets_in_strings_and_comments_are_none() {
        for text in [r#"["]", '[\'', h'00', "\"[", / [[ / 7]"#, r"'a/b'", r"{1: (_ 'a', 'b'), 2: 24(<<1, [2]>>)}"] {
            parse(text).unwrap();
        }
    }

    /// Deep text overflowed the stack of the parser, which has no limit; what was written was lost. It is refused before.
    #[test]
    fn what_nests_too_deep_is_refused_before_it_is_parsed() {
        for (opener, closer) in [("[", "]"), ("{1: ", "}"), ("[_ ", "]"), ("<<", ">>"), ("1(", ")")] {
            let nested = |levels| format!("{}1{}", opener.repeat(levels), closer.repeat(levels));
            parse(&nested(DEPTH_MAX)).unwrap();
            for levels in [DEPTH_MAX + 1, 100_000] {
                let wrong = parse(&nested(levels)).unwrap_err();
                assert!(wrong.contains("deep"), "{wrong}");
            }
            // Nor is a string or comment an opener's hiding place.
            parse(&format!("[/'/ \"]'\", '\"/', {}", opener.repeat(100_000))).unwrap_err();
        }
    }
}
