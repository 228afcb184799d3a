//! How is a run told to a person, and to a program?

use std::io::{self, Write};

use gargoyle::BoxError;
use serde::Serialize;
use thiserror::Error;

use crate::cli::Options;
use crate::club::Session;

/// What `--json` prints; these names are for other programs to rely on.
#[derive(Debug, Serialize)]
struct Report {
    boards: usize,
    moves_total: usize,
    moves_found: usize,
    moves_played: u64,
    mismatches: usize,
    peak_live: usize,
    petrified: u64,
    revived: u64,
    seconds: f64,
}

#[derive(Debug, Error)]
#[error("cannot write to standard output")]
pub(crate) struct NotPrinted(#[source] io::Error);

/// Says what is there, before anything is played.
pub(crate) fn announce(options: &Options, boards: usize, moves_found: usize) -> Result<(), NotPrinted> {
    if options.json {
        return Ok(());
    }
    print_line(&format!("{boards} boards in {}, {moves_found} moves found there", options.place()))
}

pub(crate) fn print(options: &Options, session: &Session<'_>) -> Result<(), BoxError> {
    let report = Report {
        boards: session.boards.len(),
        moves_total: session.boards.iter().map(|board| board.game.moves.len()).sum(),
        moves_found: session.moves_found,
        moves_played: session.moves_played,
        mismatches: session.mismatches.len(),
        peak_live: session.stats.live_peak,
        petrified: session.stats.petrified,
        revived: session.stats.revived,
        seconds: session.time.as_secs_f64(),
    };
    let text = if options.json { serde_json::to_string(&report)? } else { describe(&report) + &draw_last(session) };
    Ok(print_line(&text)?)
}

/// As `println`, which would panic.
fn print_line(text: &str) -> Result<(), NotPrinted> {
    writeln!(io::stdout(), "{text}").map_err(NotPrinted)
}

fn describe(report: &Report) -> String {
    let Report { boards, moves_total, moves_found, moves_played, mismatches, .. } = report;
    let Report { peak_live, petrified, revived, seconds, .. } = report;
    let per_second = *moves_played as f64 / seconds.max(f64::MIN_POSITIVE);
    format!(
        "
boards             {boards:>8}
moves, all in all  {moves_total:>8}
  found            {moves_found:>8}
  played now       {moves_played:>8}  in {seconds:.2} s, {per_second:.0} moves/s
most boards alive  {peak_live:>8}
petrified          {petrified:>8}
revived            {revived:>8}
mismatches         {mismatches:>8}
"
    )
}

/// The last board as it is in the store.
fn draw_last(session: &Session<'_>) -> String {
    let (Some(board), Some(found)) = (session.boards.last(), &session.last_board) else { return String::new() };
    let (white, black) = (board.game.white(), board.game.black());
    let result = found.outcome.map_or("*".to_owned(), |outcome| outcome.to_string());
    let moves = found.moves.len();
    format!("\n{}: {white} - {black}, {result} after {moves} moves\n\n{}", board.key, found.position.draw())
}
