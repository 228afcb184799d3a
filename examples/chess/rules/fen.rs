//! How is a position written in one line?
//!
//! Chess960 has two ways to write castling rights: X-FEN keeps `KQkq`, which mean the outermost rook on that side, and
//! Shredder-FEN names the file of the rook. Both are read; `KQkq` is written where it can mean but one thing.

use super::{BadFen, Position, Variant, excerpt};
use cozy_chess::{Board, Color, FenParseError, File, Piece, Rank, Square};
use std::fmt;

pub(super) fn read(fen: &str, variant: Variant) -> Result<Position, BadFen> {
    read_fields(fen, variant).map_err(|reason| BadFen { fen: excerpt(fen), reason })
}

pub(super) fn write(board: &Board, halfmove_clock: u16, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let fen = if castles_as_standard(board) { board.to_string() } else { format!("{board:#}") };
    let fields: Vec<&str> = fen.split(' ').collect();
    write!(f, "{} {halfmove_clock} {}", fields[..4].join(" "), board.fullmove_number())
}

fn read_fields(fen: &str, variant: Variant) -> Result<Position, &'static str> {
    let fields: Vec<&str> = fen.split_whitespace().collect();
    let [placement, side, castling, en_passant, halfmoves, fullmoves] = fields[..] else {
        return Err("it does not have six fields");
    };
    // The crate takes missing ranks for empty ones.
    if placement.split('/').count() != Rank::NUM {
        return Err("the board does not have eight ranks");
    }
    let halfmove_clock = halfmoves.parse().map_err(|_| "the halfmove clock is not a count of moves")?;
    // Some programs number the first move of a study zero.
    let fullmoves = if fullmoves == "0" { "1" } else { fullmoves };

    let without_castling = Board::from_fen(&format!("{placement} {side} - - 0 1"), true).map_err(reason)?;
    let castling: String = castling.chars().map(|right| rook_file(&without_castling, right)).collect();
    let board =
        Board::from_fen(&format!("{placement} {side} {castling} {en_passant} 0 {fullmoves}"), true).map_err(reason)?;
    if variant == Variant::Standard && !castles_as_standard(&board) {
        return Err("these castling rights exist only in Chess960");
    }
    Ok(Position { board, halfmove_clock })
}

/// The Shredder-FEN letter for an X-FEN castling right. Other letters stay, and so does a right without a rook, for
/// the crate to judge.
fn rook_file(board: &Board, right: char) -> char {
    let color = if right.is_ascii_uppercase() { Color::White } else { Color::Black };
    let is_rook =
        |file: File| board.colored_pieces(color, Piece::Rook).has(Square::new(file, Rank::First.relative_to(color)));
    let king = board.king(color).file();
    let outermost = match right.to_ascii_lowercase() {
        'k' => File::ALL.into_iter().rev().find(|&file| file > king && is_rook(file)),
        'q' => File::ALL.into_iter().find(|&file| file < king && is_rook(file)),
        _ => None,
    };
    match outermost.map(char::from) {
        Some(file) if color == Color::White => file.to_ascii_uppercase(),
        Some(file) => file,
        None => right,
    }
}

fn castles_as_standard(board: &Board) -> bool {
    Color::ALL.into_iter().all(|color| {
        let rights = board.castle_rights(color);
        let rooks_at_home =
            rights.short.is_none_or(|file| file == File::H) && rights.long.is_none_or(|file| file == File::A);
        let no_rights = rights.short.is_none() && rights.long.is_none();
        no_rights || (rooks_at_home && board.king(color).file() == File::E)
    })
}

fn reason(error: FenParseError) -> &'static str {
    match error {
        FenParseError::InvalidBoard => "no game can have this board",
        FenParseError::InvalidSideToMove => "the side to move is neither w nor b",
        FenParseError::InvalidCastlingRights => "the castling rights do not fit the board",
        FenParseError::InvalidEnPassant => "the en passant square does not fit the board",
        FenParseError::InvalidHalfMoveClock => "the halfmove clock is not a count of moves",
        FenParseError::InvalidFullmoveNumber => "the move number is not one",
        FenParseError::MissingField | FenParseError::TooManyFields => "it does not have six fields",
    }
}
