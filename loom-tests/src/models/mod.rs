//! All models.

mod ends;
mod laws;
mod replies;
mod room;
mod sends;
mod shutdown;
mod slots;
mod waits;

use gargoyle::Registry;

use crate::Plan;

/// What is explored unless a model says otherwise: with two preemptions loom has found nearly every bug that was put in
/// for it to find. What needs more of them has a small model of its own.
const BOUND: Option<usize> = Some(2);

pub(crate) use slots::all as of_core;

pub(crate) fn all<R: Registry>() -> Vec<Plan<R>> {
    [laws::all(), sends::all(), ends::all(), replies::all(), waits::all(), room::all(), shutdown::all()]
        .into_iter()
        .flatten()
        .collect()
}
