//! The rules of the game: which position is on the board, and which moves may be played there?
//!
//! The `cozy-chess` crate generates the legal moves; this module speaks to it in the notations that players use.

mod draw;
mod fen;
mod san;

#[cfg(test)]
mod test;

use cozy_chess::{Board, Color, util::display_san_move};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A position with all that the rules need to go on from it. It is stored as its FEN, which loses nothing.
///
/// It does not know its variant: once the castling rights name their rooks, standard chess is the Chess960 game that
/// happens to start from the standard squares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Position {
    board: Board,
    /// Moves of both sides since a capture or pawn move. It is counted here because the board stops at 100, the
    /// fifty-move rule, although a game goes on until a player claims the draw. The board's own clock stays at zero.
    halfmove_clock: u16,
}

/// The rules that decide how a game may be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Variant {
    Standard,
    Chess960,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Side {
    White,
    Black,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Ongoing,
    Checkmate { winner: Side },
    Stalemate,
}

/// The name of a variant that is played by other rules than this module knows.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("variant {0:?} is not played here, only standard chess and Chess960 are")]
pub(crate) struct UnknownVariant(String);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("FEN {fen:?} is refused: {reason}")]
pub(crate) struct BadFen {
    fen: String,
    reason: &'static str,
}

/// A move that cannot be played, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("move {number} {written} {reason}")]
pub(crate) struct IllegalMove {
    number: String,
    written: String,
    reason: MoveFault,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum MoveFault {
    #[error("is not written as a move")]
    Unreadable,
    #[error("is a null move, which is not legal in a game")]
    NullMove,
    #[error("is not legal in this position")]
    NotLegal,
    #[error("is ambiguous: it may be {}", .0.join(" or "))]
    Ambiguous(Vec<String>),
}

impl Position {
    /// The position that `fen` describes, or the usual one to start from.
    pub(crate) fn new(variant: Variant, fen: Option<&str>) -> Result<Position, BadFen> {
        fen.map_or(Ok(Position { board: Board::startpos(), halfmove_clock: 0 }), |fen| fen::read(fen, variant))
    }

    /// Plays a move written in standard algebraic notation, and returns how that notation writes it properly.
    pub(crate) fn play(&mut self, written: &str) -> Result<String, IllegalMove> {
        let mv = san::find(&self.board, written).map_err(|reason| IllegalMove {
            number: self.move_number(),
            written: excerpt(written),
            reason,
        })?;
        let san = display_san_move(&self.board, mv).to_string();
        self.board.play(mv);
        let resets_clock = self.board.halfmove_clock() == 0;
        self.board.set_halfmove_clock(0);
        self.halfmove_clock = if resets_clock { 0 } else { self.halfmove_clock.saturating_add(1) };
        Ok(san)
    }

    pub(crate) fn status(&self) -> Status {
        if self.board.generate_moves(|_| true) {
            Status::Ongoing
        } else if self.board.checkers().is_empty() {
            Status::Stalemate
        } else {
            Status::Checkmate { winner: self.side_to_move().other() }
        }
    }

    pub(crate) fn side_to_move(&self) -> Side {
        match self.board.side_to_move() {
            Color::White => Side::White,
            Color::Black => Side::Black,
        }
    }

    /// The number of the next move as it stands before the move: `12.` for White, `12...` for Black.
    pub(crate) fn move_number(&self) -> String {
        let dots = if self.side_to_move() == Side::White { "." } else { "..." };
        format!("{}{dots}", self.board.fullmove_number())
    }

    /// The board as text, White at the bottom.
    pub(crate) fn draw(&self) -> String {
        draw::draw(&self.board)
    }
}

/// Writes the FEN. Castling rights that standard chess does not know are written with the files of their rooks.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fen::write(&self.board, self.halfmove_clock, f)
    }
}

impl FromStr for Position {
    type Err = BadFen;

    fn from_str(fen: &str) -> Result<Position, BadFen> {
        fen::read(fen, Variant::Chess960)
    }
}

impl TryFrom<String> for Position {
    type Error = BadFen;

    fn try_from(fen: String) -> Result<Position, BadFen> {
        fen.parse()
    }
}

impl From<Position> for String {
    fn from(position: Position) -> String {
        position.to_string()
    }
}

/// Reads the name as PGN files give it, in whichever spelling.
impl FromStr for Variant {
    type Err = UnknownVariant;

    fn from_str(name: &str) -> Result<Variant, UnknownVariant> {
        let letters: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
        match letters.to_lowercase().as_str() {
            "" | "standard" | "chess" | "normal" | "fromposition" => Ok(Variant::Standard),
            "chess960" | "fischerandom" | "fischerrandom" => Ok(Variant::Chess960),
            _ => Err(UnknownVariant(excerpt(name))),
        }
    }
}

impl Side {
    pub(crate) fn other(self) -> Side {
        match self {
            Side::White => Side::Black,
            Side::Black => Side::White,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::White => "white",
            Side::Black => "black",
        })
    }
}

/// The beginning of a text from outside, fit to be shown within one line of an error message.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
