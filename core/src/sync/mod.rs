//! The seam between Gargoyle and the machine's threads: locks, atomics, channels and threads.
//!
//! Core and the registries take everything that one thread can wait for, or see of another, from here and from nowhere
//! else. So one place decides what it is made of: the machine's own, or, in a build with `--cfg loom`, the stand-ins of
//! the model checker [loom](https://docs.rs/loom), which then explores all orders in which threads may meet, or, with
//! `--cfg shuttle`, those of [shuttle](https://docs.rs/shuttle), which tries many orders of systems that are too large for
//! that. A third party's registry that uses this module's locks is seen by the checkers too; the package
//! `gargoyle-loom-tests` has the models and the systems.
//!
//! Locks are not poisoned here: a thread that panics with a lock in its hand leaves the data as it is. Code that holds
//! one of these locks keeps it consistent at every step, and calls nothing of a user's.

#[cfg(all(loom, shuttle))]
compile_error!("one checker at a time: `--cfg loom` or `--cfg shuttle`");

pub(crate) mod looks;
#[cfg(loom)]
#[path = "on_loom/mod.rs"]
mod on;
#[cfg(shuttle)]
#[path = "on_shuttle/mod.rs"]
mod on;
#[cfg(not(any(loom, shuttle)))]
#[path = "on_std.rs"]
mod on;
#[cfg(any(loom, shuttle))]
mod stand_in;

pub use std::sync::Arc;

pub use on::*;
