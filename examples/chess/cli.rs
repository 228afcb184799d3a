//! What can be asked of the program?

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// A correspondence chess club: every game is a durable actor.
///
/// Run it again on the same data and it goes on where the last run ended, however that was.
#[derive(Debug, Parser)]
#[command(name = "chess")]
pub(crate) struct Options {
    /// Games to play; some famous and some odd ones, which are built in, unless given
    #[arg(value_name = "FILE.pgn")]
    pub(crate) files: Vec<PathBuf>,

    /// How many boards: the games are repeated, or cut, to that number [default: 200, or a board for each game if there
    /// are more]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=BOARDS_MAX))]
    boards: Option<u32>,

    /// The folder of the store, made if there is none
    #[arg(long, value_name = "DIR", default_value = "chess-data")]
    pub(crate) data: PathBuf,

    /// What keeps the boards
    #[arg(long, value_enum, value_name = "KIND", default_value_t = StoreKind::Fs)]
    pub(crate) store: StoreKind,

    /// After how many milliseconds without a move a board turns to stone
    #[arg(long, value_name = "MS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    idle: u32,

    /// How many callers bring moves at the same time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,

    /// Decides on the order in which moves come in
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Let `gargoyle top DIR` watch the boards while they are played, where DIR is the folder of `--data`
    #[arg(long)]
    pub(crate) observe: bool,

    /// Print one JSON object instead of the summary
    #[arg(long)]
    pub(crate) json: bool,

    /// Kill this process, as by `kill -9`, when N moves of this run were acknowledged
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) kill_after: Option<u64>,
}

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// A file for each board, in the folder of `--data`
    Fs,
    /// A database for all boards, in the folder of `--data`
    Lmdb,
    /// Memory: all is lost with the process, and `--data` is not touched
    Memory,
}

const BOARDS_DEFAULT: usize = 200;

/// All boards are kept in memory while they are played.
const BOARDS_MAX: i64 = 1_000_000;

impl Options {
    /// Where the boards are kept, for people.
    pub(crate) fn place(&self) -> String {
        match self.store {
            StoreKind::Fs | StoreKind::Lmdb => self.data.display().to_string(),
            StoreKind::Memory => "memory".to_owned(),
        }
    }

    pub(crate) fn boards(&self, games: usize) -> usize {
        self.boards.map_or(games.max(BOARDS_DEFAULT), |boards| boards as usize)
    }

    pub(crate) fn idle(&self) -> Duration {
        Duration::from_millis(self.idle.into())
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads.into()
    }
}
