//! How did a game end?

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::rules::{Position, Side, Status};

/// The result of a game that is over, stored as players write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    #[serde(rename = "1-0")]
    WhiteWins,
    #[serde(rename = "0-1")]
    BlackWins,
    #[serde(rename = "1/2-1/2")]
    Draw,
}

impl Outcome {
    /// What a file says; nothing of a game that has not ended.
    pub(crate) fn written(result: &str) -> Option<Outcome> {
        [Outcome::WhiteWins, Outcome::BlackWins, Outcome::Draw].into_iter().find(|known| known.as_str() == result)
    }

    /// What the position says, whatever the players do.
    pub(crate) fn on_board(position: &Position) -> Option<Outcome> {
        match position.status() {
            Status::Ongoing => None,
            Status::Checkmate { winner: Side::White } => Some(Outcome::WhiteWins),
            Status::Checkmate { winner: Side::Black } => Some(Outcome::BlackWins),
            Status::Stalemate => Some(Outcome::Draw),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Outcome::WhiteWins => "1-0",
            Outcome::BlackWins => "0-1",
            Outcome::Draw => "1/2-1/2",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
