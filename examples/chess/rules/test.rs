//! Do the rules hold, in standard chess and in Chess960?

use super::{MoveFault, Position, Side, Status, Variant};
use proptest::prelude::*;

fn position(fen: &str) -> Position {
    fen.parse().expect("a valid FEN")
}

fn standard() -> Position {
    Position::new(Variant::Standard, None).expect("the usual position")
}

/// The position after these moves of standard chess.
fn after(moves: &str) -> Position {
    let mut position = standard();
    for written in moves.split_whitespace() {
        position.play(written).expect("a legal move");
    }
    position
}

/// How proper notation writes the move.
fn played(fen: &str, written: &str) -> String {
    position(fen).play(written).expect("a legal move")
}

fn refused(fen: &str, written: &str) -> MoveFault {
    let mut now = position(fen);
    let error = now.play(written).expect_err("no legal move");
    assert_eq!(now, position(fen), "a refused move changes nothing");
    error.reason
}

fn bad_fen(variant: Variant, fen: &str) -> &'static str {
    Position::new(variant, Some(fen)).expect_err("a bad FEN").reason
}

const TWO_KNIGHTS: &str = "4k3/8/8/8/8/5N2/8/1N2K3 w - - 0 1";
const PROMOTION: &str = "4k3/P7/8/8/8/8/8/4K3 w - - 0 1";
const CASTLING: &str = "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1";

#[test]
fn a_move_is_returned_in_proper_notation() {
    assert_eq!(standard().play("Ng1f3!?").expect("legal"), "Nf3");
    assert_eq!(after("f3 e5 g4").play("Qh4").expect("legal"), "Qh4#");
}

#[test]
fn a_piece_is_told_apart_by_file_rank_or_square() {
    assert_eq!(played(TWO_KNIGHTS, "Nbd2"), "Nbd2");
    assert_eq!(played(TWO_KNIGHTS, "N1d2"), "Nbd2");
    assert_eq!(played(TWO_KNIGHTS, "Nf3d2"), "Nfd2");
}

#[test]
fn an_ambiguous_move_names_the_choices() {
    assert_eq!(refused(TWO_KNIGHTS, "Nd2"), MoveFault::Ambiguous(vec!["Nbd2".to_owned(), "Nfd2".to_owned()]));
}

#[test]
fn a_pinned_piece_makes_no_move_ambiguous() {
    assert_eq!(played("4k3/4r3/8/8/8/4N3/8/1N2K3 w - - 0 1", "Nd2"), "Nd2");
    assert_eq!(played("4k3/4r3/8/8/8/8/4N3/N3K3 w - - 0 1", "Nb3"), "Nb3");
}

#[test]
fn a_promotion_is_read_with_and_without_its_equals_sign() {
    assert_eq!(played(PROMOTION, "a8=Q"), "a8=Q+");
    assert_eq!(played(PROMOTION, "a8N"), "a8=N");
}

#[test]
fn a_promotion_must_name_a_piece_that_a_pawn_can_become() {
    for written in ["a8", "a8=K", "a8=P"] {
        assert_eq!(refused(PROMOTION, written), MoveFault::NotLegal, "{written}");
    }
}

#[test]
fn castling_is_read_with_letters_and_with_zeros() {
    assert_eq!(played(CASTLING, "O-O"), "O-O");
    assert_eq!(played(CASTLING, "0-0-0!"), "O-O-O");
}

#[test]
fn castling_is_not_written_as_a_move_of_the_king() {
    for written in ["Kg1", "Kc1", "Kh1", "Kxh1"] {
        assert_eq!(refused(CASTLING, written), MoveFault::NotLegal, "{written}");
    }
}

#[test]
fn marks_of_check_and_quality_are_tolerated() {
    for written in ["e4", "e4+", "e4#", "e4!", "e4??", "e4!?", "e4+!"] {
        assert_eq!(standard().play(written).expect("legal"), "e4");
    }
}

#[test]
fn a_capture_needs_no_x_but_an_x_needs_a_capture() {
    let capture = "4k3/8/8/3p4/4P3/2N5/8/4K3 w - - 0 1";
    assert_eq!(played(capture, "Nd5"), "Nxd5");
    assert_eq!(played(capture, "ed5"), "exd5");
    assert_eq!(refused(capture, "Nxe2"), MoveFault::NotLegal);
}

#[test]
fn a_pawn_that_captures_must_name_its_file() {
    assert_eq!(refused("4k3/8/8/3p4/4P3/8/8/4K3 w - - 0 1", "d5"), MoveFault::NotLegal);
}

#[test]
fn en_passant_is_legal_at_once_only() {
    assert_eq!(after("e4 a6 e5 d5").play("exd6").expect("legal"), "exd6");
    assert_eq!(after("e4 a6 e5 d5 h3 h6").play("exd6").expect_err("too late").reason, MoveFault::NotLegal);
}

#[test]
fn a_null_move_is_refused_as_such() {
    let error = standard().play("--").expect_err("no move");
    assert_eq!(error.to_string(), "move 1. -- is a null move, which is not legal in a game");
    assert_eq!(standard().play("Z0").expect_err("no move").reason, MoveFault::NullMove);
}

#[test]
fn a_text_that_is_no_move_is_unreadable() {
    for written in ["", "e", "e9", "Nf3x", "O-O-O-O", "e2e4e5", "e4 e5", "Ñf3", "♘f3", "=Q", "xx"] {
        assert_eq!(standard().play(written).expect_err(written).reason, MoveFault::Unreadable, "{written}");
    }
}

#[test]
fn a_refusal_shows_the_number_and_the_move_in_one_short_line() {
    let error = after("e4").play("Qxh7").expect_err("blocked");
    assert_eq!(error.to_string(), "move 1... Qxh7 is not legal in this position");
    let error = standard().play(&"\n\u{1b}x".repeat(100_000)).expect_err("garbage").to_string();
    assert!(error.len() < 200 && !error.contains(char::is_control), "{error}");
}

#[test]
fn the_status_tells_mate_from_stalemate() {
    assert_eq!(standard().status(), Status::Ongoing);
    assert_eq!(after("f3 e5 g4 Qh4").status(), Status::Checkmate { winner: Side::Black });
    assert_eq!(position("k7/2Q5/8/8/8/8/8/4K3 b - - 0 1").status(), Status::Stalemate);
}

#[test]
fn a_chess960_king_castles_to_the_usual_squares() {
    let start = "brnqnkrb/pppppppp/8/8/8/8/PPPPPPPP/BRNQNKRB w KQkq - 0 1";
    let mut position = position(start);
    assert_eq!(position.play("O-O").expect("legal"), "O-O");
    assert_eq!(position.to_string(), "brnqnkrb/pppppppp/8/8/8/8/PPPPPPPP/BRNQNRKB b gb - 1 1");
}

#[test]
fn a_chess960_rook_that_shields_its_king_cannot_castle() {
    assert_eq!(refused("4k3/8/8/8/8/8/8/qRK5 w B - 0 1", "O-O-O"), MoveFault::NotLegal);
}

#[test]
fn x_fen_rights_mean_the_outermost_rook() {
    let both = "1r1rk1r1/8/8/8/8/8/8/1R1RK1R1 w KQkq - 0 1";
    assert_eq!(position(both).to_string(), "1r1rk1r1/8/8/8/8/8/8/1R1RK1R1 w GBgb - 0 1");
}

#[test]
fn standard_chess_refuses_castling_rights_of_chess960() {
    for castling in ["KQkq", "GBgb"] {
        let fen = format!("brnqnkrb/pppppppp/8/8/8/8/PPPPPPPP/BRNQNKRB w {castling} - 0 1");
        assert_eq!(bad_fen(Variant::Standard, &fen), "these castling rights exist only in Chess960");
        assert!(Position::new(Variant::Chess960, Some(&fen)).is_ok());
    }
}

#[test]
fn a_fen_comes_back_as_it_was() {
    for fen in [
        "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1",
        "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq e3 0 1",
        "r3k2r/8/8/8/8/8/8/R3K2R b Kq - 131 200",
        "brnqnkrb/pppppppp/8/8/8/8/PPPPPPPP/BRNQNKRB w GBgb - 0 1",
        "1r1rk1r1/8/8/8/8/8/8/1R1RK1R1 w GDgd - 7 30",
        "4k3/8/8/8/8/8/8/4K3 w - - 0 1",
    ] {
        assert_eq!(position(fen).to_string(), fen);
    }
}

#[test]
fn a_bad_fen_is_refused_with_its_reason() {
    for (fen, reason) in [
        ("", "it does not have six fields"),
        ("4k3/8/8/8/8/8/8/4K3 w - -", "it does not have six fields"),
        ("4k3/4K3 w - - 0 1", "the board does not have eight ranks"),
        ("8/8/8/8/8/8/8/4K3 w - - 0 1", "no game can have this board"),
        ("4k3/9/8/8/8/8/8/4K3 w - - 0 1", "no game can have this board"),
        ("4k3/4R3/8/8/8/8/8/4K3 w - - 0 1", "no game can have this board"),
        ("4k3/8/8/8/8/8/8/4K3 x - - 0 1", "the side to move is neither w nor b"),
        ("4k3/8/8/8/8/8/8/4K3 w K - 0 1", "the castling rights do not fit the board"),
        ("4k3/8/8/8/8/8/8/4K3 w - e6 0 1", "the en passant square does not fit the board"),
        ("4k3/8/8/8/8/8/8/4K3 w - - x 1", "the halfmove clock is not a count of moves"),
        ("4k3/8/8/8/8/8/8/4K3 w - - 0 x", "the move number is not one"),
    ] {
        assert_eq!(bad_fen(Variant::Standard, fen), reason, "{fen}");
    }
}

#[test]
fn the_halfmove_clock_counts_on_past_the_fifty_move_rule() {
    let mut position = position("4k3/8/8/8/8/8/8/R3K3 w - - 99 80");
    for written in ["Ra2", "Kd8", "Ra1"] {
        position.play(written).expect("legal");
    }
    assert_eq!(position.to_string(), "3k4/8/8/8/8/8/8/R3K3 b - - 102 81");
}

#[test]
fn variants_are_known_by_all_their_usual_names() {
    for name in ["", "Standard", "chess", "Normal", "From Position"] {
        assert_eq!(name.parse(), Ok(Variant::Standard), "{name}");
    }
    for name in ["Chess960", "chess 960", "Fischerandom", "Fischerrandom", "Fischer Random", "fischer-random"] {
        assert_eq!(name.parse(), Ok(Variant::Chess960), "{name}");
    }
    let unknown = "Atomic".parse::<Variant>().expect_err("another game");
    assert_eq!(unknown.to_string(), "variant \"Atomic\" is not played here, only standard chess and Chess960 are");
}

#[test]
fn the_board_is_drawn_with_white_at_the_bottom() {
    let expected = "\
8 ♜ ♞ ♝ ♛ ♚ ♝ ♞ ♜
7 ♟ ♟ ♟ ♟ ♟ ♟ ♟ ♟
6 · · · · · · · ·
5 · · · · · · · ·
4 · · · · ♙ · · ·
3 · · · · · · · ·
2 ♙ ♙ ♙ ♙ · ♙ ♙ ♙
1 ♖ ♘ ♗ ♕ ♔ ♗ ♘ ♖
  a b c d e f g h";
    assert_eq!(after("e4").draw(), expected);
}

/// Starts from the usual squares and from others.
fn any_start() -> impl Strategy<Value = Position> {
    prop_oneof![
        Just(standard()),
        Just(position("brnqnkrb/pppppppp/8/8/8/8/PPPPPPPP/BRNQNKRB w KQkq - 0 1")),
        Just(position("1r1rk1r1/pppppppp/8/8/8/8/PPPPPPPP/1R1RK1R1 w GDgd - 0 1")),
    ]
}

/// The legal moves in proper notation.
fn legal_moves(position: &Position) -> Vec<String> {
    let mut moves = Vec::new();
    position.board.generate_moves(|found| {
        moves.extend(found.into_iter().map(|mv| super::display_san_move(&position.board, mv).to_string()));
        false
    });
    moves
}

proptest! {
    #[test]
    fn every_legal_move_is_read_back_and_every_position_survives_its_fen(
        mut now in any_start(),
        choices in prop::collection::vec(any::<prop::sample::Index>(), 0..120),
    ) {
        for choice in choices {
            let moves = legal_moves(&now);
            if moves.is_empty() {
                break;
            }
            let san = &moves[choice.index(moves.len())];
            prop_assert_eq!(&now.play(san).expect("legal"), san);
            prop_assert_eq!(&position(&now.to_string()), &now);
        }
    }

    #[test]
    fn no_text_makes_the_rules_panic(text in any::<String>(), fen in "[KQRBNPkqrbnp1-8/]{0,40} [wb] [KQkqA-Ha-h-]{1,4} (-|[a-h][36]) [0-9]{1,3} [0-9]{1,6}") {
        let _ = text.parse::<Position>();
        let _ = fen.parse::<Position>();
        let _ = text.parse::<Variant>();
        let _ = standard().play(&text);
    }
}
