//! The public behaviour of core: the promises, and the awkward corners of an actor's life.

mod crowd;
mod failures;
mod life;
mod lifecycle;
mod promises;
mod regressions;
mod sends;
mod shutdown;
mod state;
mod support;
mod turns;
