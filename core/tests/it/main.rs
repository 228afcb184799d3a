//! The public behaviour of core: the promises, and the awkward corners of an actor's life.

mod configuration;
mod crowd;
mod deadlocks;
mod drops;
mod ends;
mod failures;
mod later;
mod left_behind;
mod life;
mod lifecycle;
mod modes;
mod policies;
mod promises;
mod quarantine;
mod regressions;
mod rest;
mod sends;
mod shutdown;
mod state;
mod support;
mod turns;
mod watch;
