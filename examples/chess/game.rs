//! The actor: one game, with the moves that were played in it so far.
//!
//! There is nothing about storage in here. The state is what serde takes of the struct; it is saved after each message
//! that changed it, before the reply is given.

#[cfg(test)]
mod test;

use gargoyle::{Actor, BoxError, Context, Handler, Query};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::outcome::Outcome;
use crate::rules::{IllegalMove, Position, Variant};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChessGame {
    pub(crate) position: Position,
    /// In standard algebraic notation.
    pub(crate) moves: Vec<String>,
    /// Nothing while it goes on.
    pub(crate) outcome: Option<Outcome>,
}

/// What a game is born with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pairing {
    pub(crate) white: String,
    pub(crate) black: String,
    pub(crate) variant: Variant,
    pub(crate) start: Position,
}

impl Actor for ChessGame {
    const KIND: &'static str = "chess-game";
    type Args = Pairing;

    fn init(pairing: &Pairing, _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(ChessGame { position: pairing.start.clone(), moves: Vec::new(), outcome: None })
    }
}

/// A move. It says how many were played before it, so that one that is sent twice is not played twice.
#[derive(Debug)]
pub(crate) struct Play {
    pub(crate) ply: usize,
    pub(crate) san: String,
}

impl Handler<Play> for ChessGame {
    type Reply = Result<(), Refusal>;

    fn handle(&mut self, Play { ply, san }: Play, cx: &mut Context<Self>) -> Result<(), Refusal> {
        self.refuse_if_over()?;
        if ply != self.moves.len() {
            return Err(Refusal::OutOfTurn { ply, next: self.moves.len() });
        }
        self.moves.push(self.position.play(&san)?);
        self.end(Outcome::on_board(&self.position), cx);
        Ok(())
    }
}

/// A player resigned, or both agreed to a draw.
#[derive(Debug)]
pub(crate) struct Conclude(pub(crate) Outcome);

impl Handler<Conclude> for ChessGame {
    type Reply = Result<(), Refusal>;

    fn handle(&mut self, Conclude(outcome): Conclude, cx: &mut Context<Self>) -> Result<(), Refusal> {
        self.refuse_if_over()?;
        self.end(Some(outcome), cx);
        Ok(())
    }
}

/// Asks for a copy of the game as it stands.
#[derive(Debug)]
pub(crate) struct Look;

impl Query<Look> for ChessGame {
    type Reply = ChessGame;

    fn query(&self, Look: Look) -> ChessGame {
        self.clone()
    }
}

/// Why a message changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error("the game is over, {0}")]
    Over(Outcome),
    #[error("it is the turn of ply {next}, not of ply {ply}")]
    OutOfTurn { ply: usize, next: usize },
    #[error(transparent)]
    Illegal(#[from] IllegalMove),
}

impl ChessGame {
    fn refuse_if_over(&self) -> Result<(), Refusal> {
        self.outcome.map_or(Ok(()), |outcome| Err(Refusal::Over(outcome)))
    }

    fn end(&mut self, outcome: Option<Outcome>, cx: &mut Context<Self>) {
        self.outcome = outcome;
        if outcome.is_some() {
            // Nobody will write any more: there is no idle time to wait for.
            cx.petrify();
        }
    }
}
