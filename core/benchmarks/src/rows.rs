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

use crate::harness::Row;

/// The names of cases that several rows have.
const OURS: &str = "gargoyle";
const PARKING: &str = "raw: crossbeam, parks at once";
const LOOKING: &str = "raw: crossbeam, looks, then parks";

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
