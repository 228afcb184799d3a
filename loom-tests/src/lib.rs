#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
// Without the cfg of a checker there is nothing to see: the types that models are made of are not there.
#![cfg(any(loom, shuttle))]

#[cfg(loom)]
mod actor;
mod elapsed;
#[cfg(loom)]
mod lab;
#[cfg(loom)]
mod ledger;
#[cfg(loom)]
mod models;
#[cfg(loom)]
mod plan;
mod registry;
mod seen;
#[cfg(shuttle)]
mod systems;
mod thread;
#[cfg(loom)]
mod time;
mod watchdog;

#[cfg(loom)]
use plan::{Body, Nobody, Plan};
#[cfg(loom)]
pub use plan::{Model, Report, check_all, core_models, model_of, models};
#[cfg(shuttle)]
pub use systems::{Effort, Report, Scenario, check_all, scenarios};
