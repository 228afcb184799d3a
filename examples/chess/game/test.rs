//! What does the actor take, what does it refuse, and what is left of it in the store?

use std::sync::Arc;

use gargoyle::{Handle, MemoryStorage, System};
use gargoyle_registry_std::StdRegistry;

use super::{ChessGame, Conclude, Look, Pairing, Play, Refusal};
use crate::outcome::Outcome;
use crate::rules::{Position, Variant};

fn system(store: &Arc<MemoryStorage>) -> System {
    System::builder(StdRegistry::new(), store.clone()).build().unwrap()
}

fn game(system: &System) -> Handle<ChessGame> {
    let start = Position::new(Variant::Standard, None).unwrap();
    let (white, black) = ("White".to_owned(), "Black".to_owned());
    system.handle("game", Pairing { white, black, variant: Variant::Standard, start })
}

fn play(game: &Handle<ChessGame>, ply: usize, san: &str) -> Result<(), Refusal> {
    game.call(Play { ply, san: san.to_owned() }).unwrap()
}

#[test]
fn a_move_that_is_sent_twice_is_played_once() {
    let system = system(&Arc::default());
    let game = game(&system);
    assert_eq!(play(&game, 0, "e4"), Ok(()));
    assert_eq!(play(&game, 0, "e4"), Err(Refusal::OutOfTurn { ply: 0, next: 1 }));
    assert_eq!(play(&game, 2, "e5"), Err(Refusal::OutOfTurn { ply: 2, next: 1 }));
    assert_eq!(play(&game, 1, "e5"), Ok(()));
    assert_eq!(game.query(Look).unwrap().moves, ["e4", "e5"]);
}

#[test]
fn an_illegal_move_is_refused_and_changes_nothing() {
    let system = system(&Arc::default());
    let game = game(&system);
    let before = game.query(Look).unwrap();
    let refusal = play(&game, 0, "Ke2").unwrap_err();
    assert_eq!(refusal.to_string(), "move 1. Ke2 is not legal in this position");
    assert_eq!(game.query(Look).unwrap(), before);
}

#[test]
fn mate_ends_the_game() {
    let system = system(&Arc::default());
    let game = game(&system);
    for (ply, san) in ["f3", "e5", "g4", "Qh4"].into_iter().enumerate() {
        assert_eq!(play(&game, ply, san), Ok(()));
    }
    assert_eq!(play(&game, 4, "a3"), Err(Refusal::Over(Outcome::BlackWins)));
    assert_eq!(game.call(Conclude(Outcome::Draw)).unwrap(), Err(Refusal::Over(Outcome::BlackWins)));
    assert_eq!(game.query(Look).unwrap().moves, ["f3", "e5", "g4", "Qh4#"]);
}

#[test]
fn a_draw_that_was_agreed_to_ends_the_game() {
    let system = system(&Arc::default());
    let game = game(&system);
    assert_eq!(play(&game, 0, "e4"), Ok(()));
    assert_eq!(game.call(Conclude(Outcome::Draw)).unwrap(), Ok(()));
    assert_eq!(play(&game, 1, "e5"), Err(Refusal::Over(Outcome::Draw)));
}

#[test]
fn a_game_goes_on_in_another_system_where_it_was_left() {
    let store = Arc::default();
    let before = {
        let system = system(&store);
        let game = game(&system);
        assert_eq!(play(&game, 0, "e4"), Ok(()));
        game.query(Look).unwrap()
    };
    let system = system(&store);
    let game = game(&system);
    assert_eq!(game.peek(Look).unwrap(), Some(before));
    assert_eq!(play(&game, 1, "e5"), Ok(()));
    assert_eq!(system.stats().revived, 1);
}
