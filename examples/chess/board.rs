//! What is to be played at a board, and is what was played there the same?

#[cfg(test)]
mod test;

use std::sync::Arc;

use thiserror::Error;

use crate::game::{ChessGame, Pairing};
use crate::outcome::Outcome;
use crate::pgn::Game;
use crate::rules::Position;

#[derive(Debug, Clone)]
pub(crate) struct Board {
    /// The actor's key.
    pub(crate) key: String,
    pub(crate) game: Arc<Game>,
}

/// How what was played is not what the file says.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Difference {
    #[error("move {number} is {played} in the store and {written} in the file")]
    Move { number: String, played: String, written: String },
    #[error("{played} moves are in the store and {written} in the file")]
    Length { played: usize, written: usize },
    #[error("the moves lead to {played} in the store and to {written} in the file")]
    Position { played: String, written: String },
    #[error("the result is {} in the store and {} in the file", show(*played), show(*written))]
    Outcome { played: Option<Outcome>, written: Option<Outcome> },
}

fn show(outcome: Option<Outcome>) -> String {
    outcome.map_or("*".to_owned(), |outcome| outcome.to_string())
}

impl Board {
    pub(crate) fn pairing(&self) -> Pairing {
        Pairing {
            white: self.game.white().to_owned(),
            black: self.game.black().to_owned(),
            variant: self.game.variant,
            start: self.game.start.clone(),
        }
    }

    /// The end that follows from no move, but from what the players say. A file does not overrule a checkmate.
    pub(crate) fn conclusion(&self) -> Option<Outcome> {
        match Outcome::on_board(&self.game.end) {
            Some(_) => None,
            None => Outcome::written(self.game.result),
        }
    }

    /// The game before its first move.
    pub(crate) fn unplayed(&self) -> ChessGame {
        ChessGame { position: self.game.start.clone(), moves: Vec::new(), outcome: None }
    }

    /// Whether the game can be played on from `found`, or is over and as it should be.
    pub(crate) fn check_beginning(&self, found: &ChessGame) -> Result<(), Difference> {
        self.check_moves(found)?;
        let expected = self.position_after(found.moves.len());
        if found.position != expected {
            let (played, written) = (found.position.to_string(), expected.to_string());
            return Err(Difference::Position { played, written });
        }
        match found.outcome {
            None => Ok(()),
            Some(_) => self.check_end(found),
        }
    }

    /// Whether `found` is the whole game.
    pub(crate) fn check_whole(&self, found: &ChessGame) -> Result<(), Difference> {
        self.check_beginning(found)?;
        self.check_end(found)
    }

    fn check_moves(&self, found: &ChessGame) -> Result<(), Difference> {
        let pairs = found.moves.iter().zip(&self.game.moves);
        if let Some((ply, (played, written))) = pairs.enumerate().find(|(_, (played, written))| played != written) {
            let number = self.position_after(ply).move_number();
            return Err(Difference::Move { number, played: played.clone(), written: written.clone() });
        }
        if found.moves.len() > self.game.moves.len() { Err(self.other_length(found)) } else { Ok(()) }
    }

    fn check_end(&self, found: &ChessGame) -> Result<(), Difference> {
        if found.moves.len() != self.game.moves.len() {
            return Err(self.other_length(found));
        }
        let written = Outcome::on_board(&self.game.end).or(self.conclusion());
        if found.outcome == written { Ok(()) } else { Err(Difference::Outcome { played: found.outcome, written }) }
    }

    fn other_length(&self, found: &ChessGame) -> Difference {
        Difference::Length { played: found.moves.len(), written: self.game.moves.len() }
    }

    fn position_after(&self, moves: usize) -> Position {
        let mut position = self.game.start.clone();
        for san in &self.game.moves[..moves] {
            position.play(san).expect("the reader of the file played it");
        }
        position
    }
}
