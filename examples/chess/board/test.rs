//! Is every way in which a board can disagree with its file noticed?

use std::sync::Arc;

use super::{Board, Difference};
use crate::game::ChessGame;
use crate::outcome::Outcome;
use crate::pgn;

fn board(text: &str) -> Board {
    let game = pgn::read(text.as_bytes()).unwrap().remove(0);
    Board { key: "board".to_owned(), game: Arc::new(game) }
}

/// What is in the store after these moves.
fn played(moves: &[&str], outcome: Option<Outcome>) -> ChessGame {
    let mut game = ChessGame { outcome, ..board("[Event \"?\"]").unplayed() };
    game.moves = moves.iter().map(|san| game.position.play(san).unwrap()).collect();
    game
}

#[test]
fn a_game_can_go_on_from_each_of_its_beginnings_and_is_whole_at_its_end_only() {
    let board = board("1. e4 e5 2. Nf3 1-0");
    let moves = ["e4", "e5", "Nf3"];
    for n in 0..=moves.len() {
        let found = played(&moves[..n], None);
        assert_eq!(board.check_beginning(&found), Ok(()));
        assert!(board.check_whole(&found).is_err());
    }
    assert_eq!(board.check_whole(&played(&moves, Some(Outcome::WhiteWins))), Ok(()));
}

#[test]
fn another_move_is_named_with_its_number() {
    let difference = board("1. e4 e5 2. Nf3 *").check_beginning(&played(&["e4", "c5"], None)).unwrap_err();
    assert_eq!(difference.to_string(), "move 1... is c5 in the store and e5 in the file");
}

#[test]
fn moves_after_the_last_are_no_beginning() {
    let difference = board("1. e4 *").check_beginning(&played(&["e4", "e5"], None));
    assert_eq!(difference, Err(Difference::Length { played: 2, written: 1 }));
}

#[test]
fn the_same_moves_from_another_position_are_another_game() {
    let mut found = played(&["e4"], None);
    found.position.play("e5").unwrap();
    assert!(matches!(board("1. e4 *").check_beginning(&found), Err(Difference::Position { .. })));
}

#[test]
fn a_game_that_ended_earlier_or_otherwise_cannot_go_on() {
    let drawn = |moves: &[&str]| played(moves, Some(Outcome::Draw));
    let board = board("1. e4 e5 1-0");
    assert_eq!(board.check_beginning(&drawn(&["e4"])), Err(Difference::Length { played: 1, written: 2 }));
    let difference = board.check_beginning(&drawn(&["e4", "e5"])).unwrap_err();
    assert_eq!(difference.to_string(), "the result is 1/2-1/2 in the store and 1-0 in the file");
}

#[test]
fn mate_decides_the_game_whatever_the_file_says() {
    let board = board("1. f3 e5 2. g4 Qh4# 1-0");
    assert_eq!(board.conclusion(), None);
    let found = played(&["f3", "e5", "g4", "Qh4"], Some(Outcome::BlackWins));
    assert_eq!(board.check_whole(&found), Ok(()));
}
