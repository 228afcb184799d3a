//! Which games does a file in Portable Game Notation hold, and can each of them have been played?
//!
//! Only the main line of a game is of interest: comments, annotations and variations are skipped.

mod draft;
mod text;
mod token;

#[cfg(test)]
mod test;

use crate::rules::{BadFen, IllegalMove, Position, UnknownVariant, Variant};
use draft::Draft;
use thiserror::Error;
use token::{Token, Tokens};

/// A game whose moves have all been found legal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Game {
    /// Names and values, in the order of the file.
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) variant: Variant,
    pub(crate) start: Position,
    /// The main line in proper standard algebraic notation.
    pub(crate) moves: Vec<String>,
    pub(crate) end: Position,
    /// `1-0`, `0-1`, `1/2-1/2`, or `*` for a game that has not ended.
    pub(crate) result: &'static str,
}

/// Why a file was refused. The name of the file is for the caller to add.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum PgnError {
    #[error("it holds no game")]
    NoGame,
    #[error("game {game}{players}, line {line}: {problem}")]
    BadGame {
        /// Counted from one, as the lines are.
        game: usize,
        /// ` (White - Black)`, or nothing if neither is known.
        players: String,
        line: usize,
        problem: Problem,
    },
}

/// What is wrong with one game.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Problem {
    #[error(transparent)]
    IllegalMove(#[from] IllegalMove),
    #[error(transparent)]
    UnknownVariant(#[from] UnknownVariant),
    #[error(transparent)]
    BadFen(#[from] BadFen),
    #[error("the comment that begins here is never closed")]
    UnclosedComment,
    #[error("the variation that begins here is never closed")]
    UnclosedVariation,
    #[error("a variation is closed here that was never begun")]
    UnopenedVariation,
    #[error("the tag that begins here is not written as [Name \"value\"]")]
    BadTag,
    #[error("{0:?} has no meaning here")]
    StrayCharacter(char),
}

/// A problem and the offset in the text where it is.
type Fault = (usize, Problem);

/// Reads every game, or says what is wrong with the first bad one.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Game>, PgnError> {
    let text = text::decode(bytes);
    let mut reader = Reader { games: Vec::new(), draft: Draft::default() };
    match reader.read_all(&text) {
        Ok(()) if reader.games.is_empty() => Err(PgnError::NoGame),
        Ok(()) => Ok(reader.games),
        Err((at, problem)) => Err(PgnError::BadGame {
            game: reader.games.len() + 1,
            players: reader.draft.players(),
            line: 1 + text[..at].matches('\n').count(),
            problem,
        }),
    }
}

impl Game {
    /// The value of a tag, if the game has it. Programs differ in how they capitalise the names.
    pub(crate) fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn white(&self) -> &str {
        self.tag("White").unwrap_or("?")
    }

    pub(crate) fn black(&self) -> &str {
        self.tag("Black").unwrap_or("?")
    }
}

/// The games that are complete, and the one that is being read.
struct Reader {
    games: Vec<Game>,
    draft: Draft,
}

impl Reader {
    fn read_all(&mut self, text: &str) -> Result<(), Fault> {
        let mut tokens = Tokens::new(text);
        while let Some((at, token)) = tokens.next()? {
            match token {
                Token::Tag(name, value) => {
                    // The result of the game before may be missing.
                    if self.draft.cannot_hold_tag(&name) {
                        self.finish_game()?;
                    }
                    self.draft.add_tag(at, name, value);
                }
                Token::Open => self.draft.open_variation(at),
                Token::Close => self.draft.close_variation(at)?,
                Token::Word(_) if self.draft.is_in_variation() => {}
                Token::Word(word) => self.read_word(at, word)?,
            }
        }
        self.finish_game()
    }

    /// Takes a word of the main line: a result, a move with or without its number, or a number alone.
    fn read_word(&mut self, at: usize, word: &str) -> Result<(), Fault> {
        if let Some(result) = text::as_result(word) {
            self.draft.set_result(result);
            return self.finish_game();
        }
        match text::as_move(word) {
            Some(written) => self.draft.play(at, written),
            None => Ok(()),
        }
    }

    fn finish_game(&mut self) -> Result<(), Fault> {
        self.games.extend(self.draft.finish()?);
        self.draft = Draft::default();
        Ok(())
    }
}
