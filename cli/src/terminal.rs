//! What a terminal would act on and not show: a record may have been written by who means no well.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Serialize;

/// Whether it is a control, or turns the order of what is around it.
fn is_acted_on(c: char) -> bool {
    let turns = ['\u{61c}', '\u{200e}', '\u{200f}'].contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c);
    c.is_control() || turns || ('\u{2028}'..='\u{202e}').contains(&c)
}

/// The text for one line of a terminal. What `text::escape` did stays as it is.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    replaced(text, is_acted_on, |out, c| out.extend(c.escape_debug()))
}

/// JSON or diagnostic notation for a terminal, which stays what it is: both know `\u001b`. Line feeds are its layout.
pub(crate) fn layout(text: &str) -> Cow<'_, str> {
    replaced(
        text,
        |c| c != '\n' && is_acted_on(c),
        |out, c| {
            // None of them needs more than four digits.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        },
    )
}

/// As one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value).map(|text| match layout(&text) {
        Cow::Owned(escaped) => escaped,
        Cow::Borrowed(_) => text,
    })
}

fn replaced(text: &str, which: fn(char) -> bool, escape: fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(which) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if which(c) { escape(&mut out, c) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ACTED_ON: [char; 9] =
        ['\0', '\u{1b}', '\r', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200f}', '\u{2028}'];

    #[test]
    fn what_a_terminal_shows_is_left_as_it_is() {
        for plain in ["alice", r"\u{1b}\\", "नमस्ते", "שלום", "e\u{301}", "\"bob's\""] {
            assert!(matches!(line(plain), Cow::Borrowed(_)), "{plain}");
            assert!(matches!(layout(plain), Cow::Borrowed(_)), "{plain}");
        }
        assert_eq!(line("a\n\u{1b}[2J\u{9b}\u{202e}"), r"a\n\u{1b}[2J\u{9b}\u{202e}");
        assert_eq!(layout("[\n  \"\u{7f}\"\n]"), "[\n  \"\\u007f\"\n]");
    }

    proptest! {
        #[test]
        fn json_says_the_same_and_moves_no_terminal(text: String, acted_on in proptest::sample::select(&ACTED_ON[..])) {
            let text = format!("{text}{acted_on}{text}");
            let json = json(&text).unwrap();
            prop_assert!(!json.contains(is_acted_on), "{:?}", json);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
