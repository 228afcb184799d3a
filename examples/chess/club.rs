//! How are all boards played, found again after a run that was cut short, and checked?
//!
//! 1. Find: look at each board in the store, without waking it, and see what is left to play.
//! 2. Play: callers bring the moves; then the system is shut down, which turns the last boards to stone.
//! 3. Check: read each board from the store again and compare it with its file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gargoyle::{BoxError, CallError, Failure, Handle, MemoryStorage, Stats, Storage, StorageErrorKind, System};
use gargoyle_registry_std::StdRegistry;
use gargoyle_storage_fs::FsStorage;
use gargoyle_storage_lmdb::LmdbStorage;
use indicatif::{ProgressBar, ProgressStyle};
use thiserror::Error;

use crate::board::{Board, Difference};
use crate::cli::{Options, StoreKind};
use crate::death;
use crate::desk::Desk;
use crate::game::{ChessGame, Conclude, Look, Play, Refusal};
use crate::outcome::Outcome;
use crate::summary;

/// Enough for a disk that is busy with other things. It is better to wait than to give up a run.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) boards: &'a [Board],
    pub(crate) moves_found: usize,
    pub(crate) moves_played: u64,
    pub(crate) mismatches: Vec<Mismatch>,
    /// Of playing and the shutdown after it; to find and to check wakes nobody.
    pub(crate) stats: Stats,
    pub(crate) time: Duration,
    /// As it is in the store, if it can be read.
    pub(crate) last_board: Option<ChessGame>,
}

/// A board that is not as its file says.
#[derive(Debug, Error)]
pub(crate) enum Mismatch {
    #[error("board {0} is not as it should be")]
    Different(String, #[source] Difference),
    #[error("board {0} cannot be read")]
    Unreadable(String, #[source] CallError),
}

/// A game with moves to come, as a caller has it in hand.
struct Unfinished<'a> {
    board: &'a Board,
    handle: Handle<ChessGame>,
    moves: usize,
    conclusion: Option<Outcome>,
}

pub(crate) fn play<'a>(options: &Options, boards: &'a [Board]) -> Result<Session<'a>, BoxError> {
    let store = open_store(options)?;
    let system = open(options, &store, options.observe)?;
    let (unfinished, moves_found) = find(&system, boards)?;
    summary::announce(options, boards.len(), moves_found)?;

    let begin = Instant::now();
    let moves_played = play_all(options, unfinished)?;
    system.shutdown(PATIENCE)?;
    let (time, stats) = (begin.elapsed(), system.stats());

    // Another system: nothing of the first one's memory can help it.
    let (mismatches, last_board) = check(&open(options, &store, false)?, boards)?;
    Ok(Session { boards, moves_found, moves_played, mismatches, stats, time, last_board })
}

fn open_store(options: &Options) -> Result<Arc<dyn Storage>, BoxError> {
    Ok(match options.store {
        StoreKind::Fs => Arc::new(FsStorage::open(&options.data)?),
        StoreKind::Lmdb => Arc::new(LmdbStorage::open(&options.data)?),
        StoreKind::Memory => Arc::new(MemoryStorage::new()),
    })
}

fn open(options: &Options, store: &Arc<dyn Storage>, observe: bool) -> Result<System, BoxError> {
    let mut builder = System::builder(StdRegistry::new(), store.clone());
    if observe {
        builder = builder.observe(&options.data);
    }
    Ok(builder.idle(options.idle()).call_timeout(PATIENCE).build()?)
}

fn handle(system: &System, board: &Board) -> Handle<ChessGame> {
    system.handle(&*board.key, board.pairing())
}

/// The games that are not at their end, and how many moves there are of all. Boards that cannot be played on are left
/// out: they are named when all boards are checked.
fn find<'a>(system: &System, boards: &'a [Board]) -> Result<(Vec<Unfinished<'a>>, usize), BoxError> {
    let (mut unfinished, mut moves_found) = (Vec::new(), 0);
    for board in boards {
        let handle = handle(system, board);
        let found = match handle.peek(Look) {
            Ok(found) => found.unwrap_or_else(|| board.unplayed()),
            Err(error) if is_about_one_board(&error) => continue,
            Err(error) => return Err(error.into()),
        };
        if board.check_beginning(&found).is_ok() {
            moves_found += found.moves.len();
            let conclusion = if found.outcome.is_none() { board.conclusion() } else { None };
            let game = Unfinished { board, handle, moves: found.moves.len(), conclusion };
            unfinished.extend((!game.is_finished()).then_some(game));
        }
    }
    Ok((unfinished, moves_found))
}

/// Plays all games to their end, and returns how many moves that took.
fn play_all(options: &Options, games: Vec<Unfinished<'_>>) -> Result<u64, BoxError> {
    let moves_left: usize = games.iter().map(Unfinished::moves_left).sum();
    let acknowledged =
        Acknowledged { moves: AtomicU64::new(0), kill_after: options.kill_after, bar: progress_bar(moves_left as u64) };
    let callers = options.threads().min(games.len());
    let desk = Desk::new(games, options.seed);
    thread::scope(|scope| {
        for _ in 0..callers {
            let caller = thread::Builder::new().name("caller".to_owned());
            if let Err(error) = caller.spawn_scoped(scope, || bring_moves(&desk, &acknowledged)) {
                desk.close(format!("cannot start {callers} callers: {error}").into());
                break;
            }
        }
    });
    acknowledged.bar.finish_and_clear();
    desk.into_result()?;
    Ok(acknowledged.moves.into_inner())
}

/// The work of a caller.
fn bring_moves(desk: &Desk<Unfinished<'_>>, acknowledged: &Acknowledged) {
    while let Some((mut game, moves)) = desk.take() {
        match game.play_on(moves, acknowledged) {
            Ok(()) if game.is_finished() => {}
            Ok(()) => desk.put_back(game),
            Err(Stopped::NotCalled(error)) if is_about_one_board(&error) => {}
            Err(error) => desk.close(error.into()),
        }
    }
}

/// Why a game was not played on.
#[derive(Debug, Error)]
enum Stopped {
    #[error(transparent)]
    NotCalled(#[from] CallError),
    #[error("board {0} refused a move that the file has")]
    Refused(String, #[source] Refusal),
}

impl Unfinished<'_> {
    fn moves_left(&self) -> usize {
        self.board.game.moves.len() - self.moves
    }

    fn is_finished(&self) -> bool {
        self.moves_left() == 0 && self.conclusion.is_none()
    }

    /// Plays the next moves, and the end of the game if it comes to that.
    fn play_on(&mut self, moves: usize, acknowledged: &Acknowledged) -> Result<(), Stopped> {
        let refused = |refusal| Stopped::Refused(self.board.key.clone(), refusal);
        for san in self.board.game.moves[self.moves..].iter().take(moves) {
            let play = Play { ply: self.moves, san: san.clone() };
            self.handle.call(play)?.map_err(refused)?; // on disk when it returns
            self.moves += 1;
            acknowledged.one_more();
        }
        if self.moves_left() == 0
            && let Some(outcome) = self.conclusion.take()
        {
            self.handle.call(Conclude(outcome))?.map_err(refused)?;
        }
        Ok(())
    }
}

/// The moves of this run that are on disk.
struct Acknowledged {
    moves: AtomicU64,
    kill_after: Option<u64>,
    bar: ProgressBar,
}

impl Acknowledged {
    fn one_more(&self) {
        let moves = self.moves.fetch_add(1, Ordering::Relaxed) + 1;
        self.bar.inc(1);
        if self.kill_after == Some(moves) {
            death::kill_this_process();
        }
    }
}

/// Seen on a terminal only.
fn progress_bar(moves: u64) -> ProgressBar {
    let template = "{bar:40} {human_pos} of {human_len} moves, {eta} left";
    ProgressBar::new(moves).with_style(ProgressStyle::with_template(template).expect("the template is a good one"))
}

/// Compares each board in the store with its file. Returns the last one, too.
fn check(system: &System, boards: &[Board]) -> Result<(Vec<Mismatch>, Option<ChessGame>), BoxError> {
    let (mut mismatches, mut last) = (Vec::new(), None);
    for board in boards {
        let key = || board.key.clone();
        last = None;
        match handle(system, board).peek(Look) {
            Ok(found) => {
                let found = found.unwrap_or_else(|| board.unplayed());
                mismatches.extend(board.check_whole(&found).err().map(|error| Mismatch::Different(key(), error)));
                last = Some(found);
            }
            Err(error) if is_about_one_board(&error) => mismatches.push(Mismatch::Unreadable(key(), error)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((mismatches, last))
}

/// Whether a damaged or strange record is the trouble. The other boards can be played all the same, while a disk that
/// fails would fail for them, too.
fn is_about_one_board(error: &CallError) -> bool {
    match error.failure() {
        Failure::NotLoaded(error) => error.kind() == StorageErrorKind::Damaged,
        Failure::Unreadable(_) | Failure::Refused(_) => true,
        _ => false,
    }
}
