//! What a person reads, in one line: ids, times, errors.

use std::error::Error;
use std::time::{Duration, SystemTime};

use gargoyle::{ActorId, BoxError};

/// An id in one line, whatever is in it. [`unescape`] takes it back.
pub(crate) fn shown(id: &ActorId) -> String {
    format!("{}/{}", escape(id.kind()), escape(id.key()))
}

/// The text, with a backslash before what a terminal would not show as it is.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // The only ones among those below that a terminal shows as they are.
            '\'' | '"' => escaped.push(c),
            c => escaped.extend(c.escape_debug()),
        }
    }
    escaped
}

/// Takes back what `escape` did.
pub(crate) fn unescape(text: &str) -> Result<String, BoxError> {
    let mut unescaped = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            unescaped.push(c);
            continue;
        }
        unescaped.push(match rest.next() {
            Some('0') => '\0',
            Some('t') => '\t',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('u') => unicode(&mut rest).ok_or_else(|| bad_escape(text))?,
            Some(c @ ('\\' | '\'' | '"')) => c,
            _ => return Err(bad_escape(text)),
        });
    }
    Ok(unescaped)
}

/// What `{1b}` stands for.
fn unicode(rest: &mut std::str::Chars<'_>) -> Option<char> {
    let (digits, after) = rest.as_str().strip_prefix('{')?.split_once('}')?;
    *rest = after.chars();
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

fn bad_escape(text: &str) -> BoxError {
    format!(r"{text:?} has a backslash with something behind it that stands for nothing: \\ \0 \t \n \r \u{{1b}} do")
        .into()
}

/// Seconds that a person can wait for, and a program without being at work all the time.
pub(crate) fn seconds(text: &str) -> Result<f64, BoxError> {
    let seconds: f64 = text.parse()?;
    if (0.1..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("0.1 to 3600 seconds make sense".into()) }
}

/// A time to the second.
pub(crate) fn shown_time(time: SystemTime) -> String {
    // Beyond the year 9999 there is no such text.
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_seconds(time.clamp(SystemTime::UNIX_EPOCH, last)).to_string()
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_shows_is_left_as_it_is() {
        for plain in ["alice", "bob's", "Ünïcödé", "日本", "a b/c", "\"quoted\""] {
            assert_eq!(escape(plain), plain);
        }
        assert_eq!(escape("a\n\u{1b}[2J\0\u{202e}\\"), r"a\n\u{1b}[2J\0\u{202e}\\");
    }

    #[test]
    fn a_bad_escape_is_refused() {
        for bad in ["\\", "\\x", "\\u", "\\u{", "\\u{}", "\\u{d800}", "\\u1b"] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_that_have_no_text_are_shown_as_the_last_that_has_one() {
        assert_eq!(shown_time(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00Z");
        assert_eq!(shown_time(SystemTime::UNIX_EPOCH - Duration::from_secs(9)), "1970-01-01T00:00:00Z");
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 50);
        assert_eq!(shown_time(far), "9999-12-31T23:59:59Z");
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text: String) {
            let escaped = escape(&text);
            prop_assert!(!escaped.chars().any(char::is_control));
            prop_assert_eq!(unescape(&escaped).unwrap(), text);
        }
    }
}
