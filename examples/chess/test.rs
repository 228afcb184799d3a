//! The root of the unit tests: the modules of the program that can be tested without running it. `tests/chess.rs` runs it.
#![allow(dead_code, reason = "the rest of the program uses it")]

mod board;
mod desk;
mod game;
mod outcome;
mod pgn;
mod rules;
