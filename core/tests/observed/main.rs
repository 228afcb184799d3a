//! The features `tracing`, `metrics` and `observe`, all of them at once, as who measures a system sees them.
//!
//! A key is no other test's: an actor of the tests makes sure that it is the only one of its key in the process.
#![cfg(not(any(loom, shuttle)))]

#[path = "../it/support.rs"]
#[allow(dead_code, reason = "the tests of `it` need all of it")]
mod support;

mod meters;
#[cfg(unix)]
mod over_a_socket;
mod samples;
mod traces;
