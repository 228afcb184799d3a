//! A correspondence chess club: hundreds of games, each a durable actor that is alive only while somebody moves.
//!
//! ```text
//! cargo run --release --example chess
//! cargo run --release --example chess -- --kill-after 3000     # dies in the middle, as by a power cut
//! cargo run --release --example chess                          # finds what was played, and plays the rest
//! cargo run --release --example chess -- --help
//! ```
//!
//! Moves come in one at a time, in a random order over all boards, as letters would over weeks. Each is a call that
//! returns when the move is on disk. A board that nobody writes to for `--idle` milliseconds turns to stone, and the next
//! move brings it back. Nothing acknowledged is lost by a kill, and no move is played twice. At the end every board is
//! read from the store again and compared with the game in the file.
//!
//! Begin with `game.rs`, the actor; `club.rs` is the program around it.
//!
//! Exit statuses: 0 if all boards are as their files say; 1 if one is not, or the store failed; 2 for bad arguments and
//! bad files, which are found before the store is touched.

mod board;
mod cli;
mod club;
mod death;
mod desk;
mod game;
mod library;
mod outcome;
mod pgn;
mod rules;
mod summary;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use cli::Options;
use club::Session;
use gargoyle::BoxError;

const FAILED: u8 = 1;
const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    let boards = match library::boards(&options) {
        Ok(boards) => boards,
        Err(error) => return fail(BAD_INPUT, &error),
    };
    match club::play(&options, &boards).and_then(|session| report(&options, session)) {
        Ok(status) => status,
        Err(error) => fail(FAILED, &*error),
    }
}

fn report(options: &Options, session: Session<'_>) -> Result<ExitCode, BoxError> {
    for mismatch in &session.mismatches {
        complain(mismatch);
    }
    summary::print(options, &session)?;
    Ok(if session.mismatches.is_empty() { ExitCode::SUCCESS } else { FAILED.into() })
}

fn fail(status: u8, error: &dyn Error) -> ExitCode {
    complain(error);
    status.into()
}

/// Says on standard error what is wrong, and what caused it.
fn complain(error: &dyn Error) {
    let mut line = format!("chess: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line += &format!(": {error}");
        cause = error.source();
    }
    // If nobody listens, the exit status says it.
    let _ = writeln!(std::io::stderr(), "{line}");
}
