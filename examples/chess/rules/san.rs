//! Which legal move does a text in standard algebraic notation mean?
//!
//! The crate's own reader would do for proper notation, but it takes `d5` for the capture `exd5`, lets a king castle by
//! `Kxh1`, and does not tell an ambiguous move from an illegal one.

use super::MoveFault;
use cozy_chess::{Board, File, Move, Piece, Rank, Square, util::display_san_move};
use winnow::Result;
use winnow::combinator::{alt, empty, eof, opt, preceded, repeat, terminated};
use winnow::prelude::*;
use winnow::token::one_of;

/// What a written move says about itself.
#[derive(Debug, Clone)]
enum Written {
    Null,
    Castling { short: bool },
    Plain(Plain),
}

#[derive(Debug, Clone)]
struct Plain {
    piece: Piece,
    file: Option<File>,
    rank: Option<Rank>,
    captures: bool,
    to: Square,
    promotion: Option<Piece>,
}

/// Finds the one legal move that is meant.
pub(super) fn find(board: &Board, text: &str) -> Result<Move, MoveFault> {
    let wanted = match written.parse(text) {
        Ok(Written::Null) => return Err(MoveFault::NullMove),
        Ok(wanted) => wanted,
        Err(_) => return Err(MoveFault::Unreadable),
    };
    let mut found = Vec::new();
    board.generate_moves(|moves| {
        found.extend(moves.into_iter().filter(|&mv| wanted.means(board, mv)));
        false
    });
    match found[..] {
        [] => Err(MoveFault::NotLegal),
        [mv] => Ok(mv),
        _ => Err(MoveFault::Ambiguous(found.iter().map(|&mv| display_san_move(board, mv).to_string()).collect())),
    }
}

impl Written {
    fn means(&self, board: &Board, mv: Move) -> bool {
        // The crate writes castling as the king's taking its own rook, wherever that stands.
        let castles = board.colors(board.side_to_move()).has(mv.to);
        match self {
            Written::Null => false,
            Written::Castling { short } => castles && *short == (mv.to.file() > mv.from.file()),
            Written::Plain(plain) => !castles && plain.means(board, mv),
        }
    }
}

impl Plain {
    fn means(&self, board: &Board, mv: Move) -> bool {
        // A pawn that leaves its file captures, be it en passant on an empty square.
        let pawn_captures = self.piece == Piece::Pawn && mv.from.file() != mv.to.file();
        let captures = pawn_captures || board.piece_on(mv.to).is_some();
        board.piece_on(mv.from) == Some(self.piece)
            && mv.to == self.to
            && mv.promotion == self.promotion
            && self.file.is_none_or(|file| file == mv.from.file())
            && self.rank.is_none_or(|rank| rank == mv.from.rank())
            // Sloppy writers leave the x out, but a pawn's capture must name its file.
            && (captures || !self.captures)
            && (self.file.is_some() || !pawn_captures)
    }
}

fn written(input: &mut &str) -> Result<Written> {
    terminated(alt((null, castling, plain.map(Written::Plain))), (marks, eof)).parse_next(input)
}

/// Check, mate and how good the move was. The first two are often wrong or missing, so they are not compared.
fn marks(input: &mut &str) -> Result<()> {
    repeat(0.., one_of(['+', '#', '!', '?'])).parse_next(input)
}

fn null(input: &mut &str) -> Result<Written> {
    alt(("--", "Z0")).value(Written::Null).parse_next(input)
}

fn castling(input: &mut &str) -> Result<Written> {
    alt((
        alt(("O-O-O", "0-0-0")).value(Written::Castling { short: false }),
        alt(("O-O", "0-0")).value(Written::Castling { short: true }),
    ))
    .parse_next(input)
}

fn plain(input: &mut &str) -> Result<Plain> {
    let moved = opt(piece).parse_next(input)?.unwrap_or(Piece::Pawn);
    // The same letters name the square of departure, as far as it is written, and that of arrival.
    let (from_file, from_rank, captures, to) = alt((
        (file.map(Some), opt(rank), capture, square),
        (empty.value(None), rank.map(Some), capture, square),
        (empty.value(None), empty.value(None), capture, square),
    ))
    .parse_next(input)?;
    let promotion = opt(preceded(opt('='), piece)).parse_next(input)?;
    Ok(Plain { piece: moved, file: from_file, rank: from_rank, captures, to, promotion })
}

fn piece(input: &mut &str) -> Result<Piece> {
    one_of(['K', 'Q', 'R', 'B', 'N', 'P'])
        .verify_map(|c: char| c.to_ascii_lowercase().try_into().ok())
        .parse_next(input)
}

fn capture(input: &mut &str) -> Result<bool> {
    opt('x').map(|x| x.is_some()).parse_next(input)
}

fn square(input: &mut &str) -> Result<Square> {
    (file, rank).map(|(file, rank)| Square::new(file, rank)).parse_next(input)
}

fn file(input: &mut &str) -> Result<File> {
    one_of('a'..='h').verify_map(|c: char| c.try_into().ok()).parse_next(input)
}

fn rank(input: &mut &str) -> Result<Rank> {
    one_of('1'..='8').verify_map(|c: char| c.try_into().ok()).parse_next(input)
}
