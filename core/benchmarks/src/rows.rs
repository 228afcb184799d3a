//! All rows: what is measured, beside what, and what it should be.

mod call;
mod cast;
mod crowd;
mod cycle;
mod durable;
mod idle;
mod memory;
mod paced;
mod turn;

use crate::harness::{Effort, Row};
use crate::peers::{self, Measured};

pub(crate) use cast::CASTS;
pub(crate) use crowd::CALLERS;
pub(crate) use paced::paced;

/// The names of cases that several rows have.
const OURS: &str = "gargoyle";
const PARKING: &str = "raw: crossbeam, parks at once";
const LOOKING: &str = "raw: crossbeam, looks, then parks";

/// Adds what each of the peers does for this row.
fn beside_peers(row: Row, what: fn(&Measured) -> fn(Effort) -> f64) -> Row {
    peers::measured().iter().fold(row, |row, peer| row.peer(peer.name, what(peer)))
}

pub(crate) fn all() -> Vec<Row> {
    [
        call::rows(),
        paced::rows(),
        crowd::rows(),
        cast::rows(),
        cycle::rows(),
        durable::rows(),
        turn::rows(),
        memory::rows(),
        idle::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
