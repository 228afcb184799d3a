//! What are the words of a file?
//!
//! Comments, annotation glyphs and `%` lines are no words: they are skipped wherever they stand. Nothing here nests, so
//! no input can exhaust the stack.

use super::{Fault, Problem};
use winnow::Result;
use winnow::combinator::{alt, delimited, preceded, repeat, separated_pair};
use winnow::prelude::*;
use winnow::token::{none_of, one_of, take_till, take_until, take_while};

#[derive(Debug, Clone)]
pub(super) enum Token<'a> {
    Tag(String, String),
    /// Of a variation.
    Open,
    Close,
    /// A move, a number, a result, or anything else that is written without spaces.
    Word(&'a str),
}

pub(super) struct Tokens<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Tokens<'a> {
        let mut rest = text;
        // An escaped line is known by the end of line before it, which only the first has not.
        if text.starts_with('%') {
            rest = text.trim_start_matches(|c| c != '\n');
        }
        Tokens { text, rest }
    }

    /// The next token and its offset in the text.
    pub(super) fn next(&mut self) -> Result<Option<(usize, Token<'a>)>, Fault> {
        // Skips nothing if it fails.
        let _ = gap.parse_next(&mut self.rest);
        let at = self.text.len() - self.rest.len();
        let Some(first) = self.rest.chars().next() else {
            return Ok(None);
        };
        match token.parse_next(&mut self.rest) {
            Ok(token) => Ok(Some((at, token))),
            Err(_) => Err((at, problem(first))),
        }
    }
}

/// Why no token begins with this character.
fn problem(first: char) -> Problem {
    match first {
        '{' => Problem::UnclosedComment,
        '[' => Problem::BadTag,
        other => Problem::StrayCharacter(other),
    }
}

fn gap(input: &mut &str) -> Result<()> {
    let rest_of_line = || take_till(0.., '\n');
    repeat(
        0..,
        alt((
            ("\n%", rest_of_line()).void(),
            one_of(is_blank).void(),
            ('{', take_until(0.., '}'), '}').void(),
            (';', rest_of_line()).void(),
            ('$', take_while(0.., '0'..='9')).void(),
        )),
    )
    .parse_next(input)
}

fn token<'a>(input: &mut &'a str) -> Result<Token<'a>> {
    alt((
        tag.map(|(name, value)| Token::Tag(name, value)),
        '('.value(Token::Open),
        ')'.value(Token::Close),
        "*".map(Token::Word),
        take_till(1.., ends_word).map(Token::Word),
    ))
    .parse_next(input)
}

fn tag(input: &mut &str) -> Result<(String, String)> {
    let name = take_till(1.., ends_word).map(str::to_owned);
    delimited(('[', blanks), separated_pair(name, blanks, value), (blanks, ']')).parse_next(input)
}

fn value(input: &mut &str) -> Result<String> {
    let characters = repeat(0.., value_character).fold(String::new, |mut value, character| {
        value.push(character);
        value
    });
    delimited('"', characters, '"').parse_next(input)
}

/// A character between the quotes, which stay on one line. Others that would upset a terminal are blanked.
fn value_character(input: &mut &str) -> Result<char> {
    let escaped = preceded('\\', one_of(['"', '\\']));
    let shown = none_of(['"', '\n']).map(|c: char| if c.is_control() { ' ' } else { c });
    alt((escaped, shown)).parse_next(input)
}

fn blanks(input: &mut &str) -> Result<()> {
    take_while(0.., is_blank).void().parse_next(input)
}

/// Joined files have byte-order marks within, and those from old systems end with the character 26.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}' || c == '\u{1a}'
}

fn ends_word(c: char) -> bool {
    is_blank(c) || "{}()[];$*\"".contains(c)
}
