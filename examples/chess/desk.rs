//! Which board gets the next moves, and from whom?
//!
//! A game that is being played is in one caller's hands or on the desk, so that its moves cannot overtake each other,
//! however many callers there are.

#[cfg(test)]
mod test;

use std::sync::{Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use gargoyle::BoxError;

/// Where the games wait that have moves to come.
#[derive(Debug)]
pub(crate) struct Desk<G> {
    inside: Mutex<Inside<G>>,
}

#[derive(Debug)]
struct Inside<G> {
    waiting: Vec<G>,
    rng: Rng,
    failure: Option<BoxError>,
}

/// Two players who are both at home answer each other for a while; then their board is quiet.
const MOVES_IN_A_ROW_MAX: usize = 8;

impl<G> Desk<G> {
    pub(crate) fn new(games: Vec<G>, seed: u64) -> Self {
        Desk { inside: Mutex::new(Inside { waiting: games, rng: Rng::with_seed(seed), failure: None }) }
    }

    /// A game, and how many moves are to be played in it before it is put back. `None` when nobody waits for this
    /// caller: games that others have in hand stay with them.
    pub(crate) fn take(&self) -> Option<(G, usize)> {
        let mut guard = self.lock();
        let inside = &mut *guard;
        if inside.waiting.is_empty() || inside.failure.is_some() {
            return None;
        }
        let chosen = inside.rng.usize(..inside.waiting.len());
        Some((inside.waiting.swap_remove(chosen), inside.rng.usize(1..=MOVES_IN_A_ROW_MAX)))
    }

    pub(crate) fn put_back(&self, game: G) {
        self.lock().waiting.push(game);
    }

    /// Sends all callers home. The first failure is the one that counts.
    pub(crate) fn close(&self, failure: BoxError) {
        self.lock().failure.get_or_insert(failure);
    }

    /// What the desk was closed for.
    pub(crate) fn into_result(self) -> Result<(), BoxError> {
        let inside = self.inside.into_inner().unwrap_or_else(PoisonError::into_inner);
        inside.failure.map_or(Ok(()), Err)
    }

    /// Nothing above is left half done by a panic.
    fn lock(&self) -> MutexGuard<'_, Inside<G>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
