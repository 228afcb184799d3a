//! Which games are to be played, at which boards?
//!
//! Everything is read and every move is checked here, before there is a store.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::board::Board;
use crate::cli::Options;
use crate::pgn::{self, Game, PgnError};

/// In the program itself, so that it runs from any folder.
const BUNDLED: [(&str, &[u8]); 5] = [
    ("kasparov-deep-blue-1997", include_bytes!("../data/kasparov-deep-blue-1997.pgn")),
    ("molinari-bordais-1979", include_bytes!("../data/molinari-bordais-1979.pgn")),
    ("nepomniachtchi-liren-game1", include_bytes!("../data/nepomniachtchi-liren-game1.pgn")),
    ("chess960", include_bytes!("../data/chess960.pgn")),
    ("odd-but-legal", include_bytes!("../data/odd-but-legal.pgn")),
];

#[derive(Debug, Error)]
pub(crate) enum BadFile {
    #[error("cannot read {}", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("{0}")]
    BadGames(String, #[source] Box<PgnError>),
    #[error("{} is the second file of that name; boards are named after files, so rename one", .0.display())]
    SameName(PathBuf),
}

/// A game and the name of its boards, but for the number of the copy.
type Named = (String, Arc<Game>);

pub(crate) fn boards(options: &Options) -> Result<Vec<Board>, BadFile> {
    let games = if options.files.is_empty() { bundled()? } else { given(&options.files)? };
    let boards = options.boards(games.len());
    let at_board = |board: usize| {
        let (name, game) = &games[board % games.len()];
        // The same game has the same key whatever the number of boards.
        Board { key: format!("{name}-{}", 1 + board / games.len()), game: game.clone() }
    };
    Ok((0..boards).map(at_board).collect())
}

fn bundled() -> Result<Vec<Named>, BadFile> {
    let mut games = Vec::new();
    for (name, bytes) in BUNDLED {
        games.extend(named_games(name, bytes).map_err(|error| BadFile::BadGames(name.to_owned(), error.into()))?);
    }
    Ok(games)
}

fn given(files: &[PathBuf]) -> Result<Vec<Named>, BadFile> {
    let mut games = Vec::new();
    let mut names = HashSet::new();
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        games.extend(read(path, &name)?);
        if !names.insert(name) {
            return Err(BadFile::SameName(path.clone()));
        }
    }
    Ok(games)
}

fn read(path: &Path, name: &str) -> Result<Vec<Named>, BadFile> {
    let bytes = fs::read(path).map_err(|error| BadFile::Unreadable(path.to_owned(), error))?;
    named_games(name, &bytes).map_err(|error| BadFile::BadGames(path.display().to_string(), error.into()))
}

fn named_games(file: &str, bytes: &[u8]) -> Result<Vec<Named>, PgnError> {
    let games = pgn::read(bytes)?;
    Ok((1..).zip(games).map(|(number, game)| (format!("{file}-{number}"), Arc::new(game))).collect())
}
