//! What is known of a game while its text is being read?

use super::{Fault, Game, Problem, text};
use crate::rules::{Position, Variant, excerpt};

#[derive(Debug, Default)]
pub(super) struct Draft {
    tags: Vec<Tag>,
    /// Set once the tags are complete.
    board: Option<GameBoard>,
    moves: Vec<String>,
    variation: Option<Variation>,
    result: Option<&'static str>,
}

#[derive(Debug)]
struct Tag {
    at: usize,
    name: String,
    value: String,
}

#[derive(Debug, Clone)]
struct GameBoard {
    variant: Variant,
    start: Position,
    now: Position,
}

/// An open variation: only its depth is kept, for hostile files nest them deeply.
#[derive(Debug)]
struct Variation {
    began_at: usize,
    inner: usize,
}

impl Draft {
    /// Whether a tag of that name must belong to a next game. Two games without moves may follow one another, then
    /// the tags begin anew.
    pub(super) fn cannot_hold_tag(&self, name: &str) -> bool {
        !self.moves.is_empty() || self.is_in_variation() || self.tags.first().is_some_and(|first| first.name == name)
    }

    pub(super) fn add_tag(&mut self, at: usize, name: String, value: String) {
        self.tags.push(Tag { at, name, value });
    }

    pub(super) fn is_in_variation(&self) -> bool {
        self.variation.is_some()
    }

    pub(super) fn open_variation(&mut self, at: usize) {
        match &mut self.variation {
            Some(variation) => variation.inner += 1,
            None => self.variation = Some(Variation { began_at: at, inner: 0 }),
        }
    }

    pub(super) fn close_variation(&mut self, at: usize) -> Result<(), Fault> {
        match &mut self.variation {
            Some(Variation { inner: 0, .. }) => self.variation = None,
            Some(variation) => variation.inner -= 1,
            None => return Err((at, Problem::UnopenedVariation)),
        }
        Ok(())
    }

    pub(super) fn play(&mut self, at: usize, written: &str) -> Result<(), Fault> {
        let san = self.board()?.now.play(written).map_err(|error| (at, error.into()))?;
        self.moves.push(san);
        Ok(())
    }

    pub(super) fn set_result(&mut self, result: &'static str) {
        self.result = Some(result);
    }

    /// The complete game, or none if the text held neither tags nor moves, as between two results.
    pub(super) fn finish(&mut self) -> Result<Option<Game>, Fault> {
        if let Some(variation) = &self.variation {
            return Err((variation.began_at, Problem::UnclosedVariation));
        }
        if self.tags.is_empty() && self.moves.is_empty() {
            return Ok(None);
        }
        let GameBoard { variant, start, now } = self.board()?.clone();
        let result = self.result.or_else(|| self.tag("Result").and_then(|tag| text::as_result(&tag.value)));
        Ok(Some(Game {
            tags: self.tags.drain(..).map(|tag| (tag.name, tag.value)).collect(),
            variant,
            start,
            moves: std::mem::take(&mut self.moves),
            end: now,
            result: result.unwrap_or("*"),
        }))
    }

    /// How an error message names the players, as far as they are known.
    pub(super) fn players(&self) -> String {
        let name = |color| self.tag(color).map(|tag| excerpt(&tag.value));
        match (name("White"), name("Black")) {
            (None, None) => String::new(),
            (white, black) => {
                let unknown = || "?".to_owned();
                format!(" ({} - {})", white.unwrap_or_else(unknown), black.unwrap_or_else(unknown))
            }
        }
    }

    fn board(&mut self) -> Result<&mut GameBoard, Fault> {
        if self.board.is_none() {
            self.board = Some(self.set_up()?);
        }
        Ok(self.board.as_mut().expect("the board has just been set up"))
    }

    fn set_up(&self) -> Result<GameBoard, Fault> {
        let variant = match self.tag("Variant") {
            Some(tag) => tag.value.parse().map_err(|error| (tag.at, Problem::UnknownVariant(error)))?,
            None => Variant::Standard,
        };
        let start = match self.tag("FEN") {
            Some(tag) => Position::new(variant, Some(&tag.value)).map_err(|error| (tag.at, error.into()))?,
            None => Position::new(variant, None).expect("the usual position is valid"),
        };
        Ok(GameBoard { variant, now: start.clone(), start })
    }

    fn tag(&self, name: &str) -> Option<&Tag> {
        self.tags.iter().find(|tag| tag.name.eq_ignore_ascii_case(name))
    }
}
