//! How does a board look in a terminal?

use cozy_chess::{Board, Color, File, Piece, Rank, Square};

/// One line for each rank, the eighth first, and a last one that names the files.
pub(super) fn draw(board: &Board) -> String {
    let mut lines: Vec<String> = Rank::ALL.iter().rev().map(|&rank| draw_rank(board, rank)).collect();
    lines.push("  a b c d e f g h".to_owned());
    lines.join("\n")
}

fn draw_rank(board: &Board, rank: Rank) -> String {
    let squares: Vec<String> =
        File::ALL.iter().map(|&file| draw_square(board, Square::new(file, rank)).to_string()).collect();
    format!("{rank} {}", squares.join(" "))
}

fn draw_square(board: &Board, square: Square) -> char {
    match (board.color_on(square), board.piece_on(square)) {
        (Some(Color::White), Some(Piece::King)) => '♔',
        (Some(Color::White), Some(Piece::Queen)) => '♕',
        (Some(Color::White), Some(Piece::Rook)) => '♖',
        (Some(Color::White), Some(Piece::Bishop)) => '♗',
        (Some(Color::White), Some(Piece::Knight)) => '♘',
        (Some(Color::White), Some(Piece::Pawn)) => '♙',
        (Some(Color::Black), Some(Piece::King)) => '♚',
        (Some(Color::Black), Some(Piece::Queen)) => '♛',
        (Some(Color::Black), Some(Piece::Rook)) => '♜',
        (Some(Color::Black), Some(Piece::Bishop)) => '♝',
        (Some(Color::Black), Some(Piece::Knight)) => '♞',
        (Some(Color::Black), Some(Piece::Pawn)) => '♟',
        (None, _) | (_, None) => '·',
    }
}
